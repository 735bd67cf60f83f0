"""What lesson 02 claims: where estimators of the meta-gradient lead, in closed form.

Each function gives (number, low, high, against), without an interval: nothing here is
sampled. ``control=True`` measures something of which the claim must not hold.
"""

from l2o_kit.lessons.l02_meta_gradient.estimators import NoisyQuadratic, fixed_point
from l2o_kit.teaching.claim import OWN, claim

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


CLAIMS = (
    claim(
        "short-horizon",
        "02",
        "Two curvatures: windows of 10 lead to less than a tenth of the best rate",
        "Wu et al. 2018",
        0.1,
        lead,
        "truncated",
        10,
        judged_on="closed form",
    ),
    claim(
        "first-order",
        "02",
        "Two curvatures: without second derivatives, over the whole horizon, to less "
        "than 0.3 of the best rate",
        OWN,
        0.3,
        lead,
        "first_order",
        100,
        judged_on="closed form",
    ),
    claim(
        "one-curvature",
        "02",
        "One curvature: windows of 10 lead to within 1 % of the best rate",
        "Wu et al. 2018",
        0.01,
        miss,
        "truncated",
        True,
        judged_on="closed form",
    ),
    claim(
        "pes",
        "02",
        "Two curvatures: PES with windows of 10 leads to within 20 % of the best rate",
        "Vicol et al. 2021",
        0.2,
        miss,
        "pes",
        False,
        judged_on="closed form",
    ),
)
