"""What lesson 01 claims, measured: where rules diverge, and no free lunch.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control=True`` measures something of which the claim must not hold.
"""

import functools
from functools import partial

from l2o_kit.baselines import SIX, tuned_baselines
from l2o_kit.evaluate import Comparison, compare, paired_ratio
from l2o_kit.lessons.l01_descent.valleys import (
    Valleys,
    divergence_rate,
    measured_divergence_rate,
)
from l2o_kit.teaching.claim import Claim

STRAIGHT, ADAPTIVE = SIX[:3], SIX[3:]
JUDGED = (400, 100)  # problems: in full, quickly
VALLEYS = f"{JUDGED[0]} valleys, seed 1"


def divergence_error(quick: bool, control: bool | None = None):
    """The largest relative error of the three limits, over four values of beta."""
    errors = [
        abs(
            measured_divergence_rate("SGD" if control else rule, beta)
            / divergence_rate(rule, beta)
            - 1
        )
        for rule in STRAIGHT
        for beta in (0.0, 0.5, 0.9, 0.99)
    ]
    return max(errors), max(errors), max(errors), "theory"


@functools.cache
def race(rotated: bool, quick: bool) -> Comparison:
    """The six rivals, tuned on other valleys, on the same fresh ones."""
    valleys = Valleys(rotated=rotated)
    tuned = tuned_baselines(valleys, steps=100, batch=50)
    return compare(
        {name: tuned[name] for name in SIX}, valleys, batch=JUDGED[quick], seed=1
    )


def lunch(rotated: bool, quick: bool, control: bool | None = None):
    """Mean loss of the best of the expected winners over the best of the others.

    Along the axes the adaptive rules should win, askew those that use the gradient as
    it is. The control judges on the other family.
    """
    curves = race(rotated != bool(control), quick).curves
    losses = {name: curve.mean_loss() for name, curve in curves.items()}

    def best(names):
        return min(names, key=lambda name: float(losses[name].mean()))

    winner, other = map(best, (STRAIGHT, ADAPTIVE) if rotated else (ADAPTIVE, STRAIGHT))
    return *paired_ratio(losses[winner], losses[other]), other


CLAIMS = {
    "limits": Claim(
        "SGD, Momentum and NAG diverge within 1 % of the rate that theory names",
        divergence_error,
        0.01,
        "Lessard et al. 2016",
        judged_on="3 rules, 4 betas, found by bisection",
    ),
    "lunch-axes": Claim(
        "Valleys along the axes: the best adaptive rule has a lower mean loss than "
        "SGD, Momentum and NAG",
        partial(lunch, False),
        1.0,
        "Wolpert and Macready 1997",
        judged_on=VALLEYS,
    ),
    "lunch-askew": Claim(
        "Valleys askew: the best of SGD, Momentum and NAG has a lower mean loss than "
        "every adaptive rule",
        partial(lunch, True),
        1.0,
        "Wolpert and Macready 1997",
        judged_on=VALLEYS,
    ),
}
