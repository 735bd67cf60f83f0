"""What lesson 02 claims: where estimators of the meta-gradient lead, in closed form.

Each function gives (number, low, high, against), without an interval: nothing here is
sampled. ``control=True`` measures something of which the claim must not hold.
"""

from functools import partial

from l2o_kit.lessons.l02_meta_gradient.estimators import NoisyQuadratic, fixed_point
from l2o_kit.teaching.claim import Claim, judged

TWO, ONE = NoisyQuadratic(), NoisyQuadratic((1.0,), (100.0,), (1e4,))
WINDOW = 10


def lead(name: str, window: int, quick: bool, control: bool | None = None):
    """The rate an estimator leads to, over the best; the control has one curvature."""
    problem = ONE if control else TWO
    ratio = fixed_point(name, problem, window) / fixed_point("full", problem, window)
    return ratio, ratio, ratio, "best rate"


def miss(name: str, one: bool, quick: bool, control: bool | None = None):
    """|rate / best - 1| with windows of ten; the control: truncated, two curvatures."""
    name, problem = ("truncated", TWO) if control else (name, ONE if one else TWO)
    found, best = (fixed_point(kind, problem, WINDOW) for kind in (name, "full"))
    error = abs(found / best - 1)
    return error, error, error, "best rate"


CLAIMS = {
    "short-horizon": Claim(
        "Two curvatures: windows of 10 lead to less than a tenth of the best rate",
        partial(lead, "truncated", 10),
        0.1,
        "Wu et al. 2018",
    ),
    "first-order": Claim(
        "Two curvatures: without second derivatives, over the whole horizon, to less "
        "than 0.3 of the best rate",
        partial(lead, "first_order", 100),
        0.3,
    ),
    "one-curvature": Claim(
        "One curvature: windows of 10 lead to within 1 % of the best rate",
        partial(miss, "truncated", True),
        0.01,
        "Wu et al. 2018",
    ),
    "pes": Claim(
        "Two curvatures: PES with windows of 10 leads to within 20 % of the best rate",
        partial(miss, "pes", False),
        0.2,
        "Vicol et al. 2021",
    ),
}
CLAIMS = judged("closed form", CLAIMS)
