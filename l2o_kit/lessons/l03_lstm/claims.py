"""What lesson 03 claims: order does not matter, how steps grow, and where it breaks.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold.
"""

import functools
from functools import partial

import torch

from l2o_kit.baselines import SIX, momentum, rivals
from l2o_kit.checkpoint import load
from l2o_kit.data import stream
from l2o_kit.evaluate import paired_ratio
from l2o_kit.lessons.l03_lstm.away import race, ratio_to_best
from l2o_kit.teaching.claim import PAPER, Claim, judged

JUDGED = (500, 60)  # problems: in full, quickly
PROBLEMS, COUNTED = (f"{n} problems, seed 1" for n in (JUDGED[0], JUDGED[0] - 1))
STEPS, COORDS = 10, 50


@torch.no_grad()
def permutation_error(quick: bool, control: bool | None = None):
    """|update of permuted gradients - permuted update| / |update|, the largest of 10.

    In float64. The control forgets to permute the update.
    """
    optimizer = load("quadratic").double()
    generator = stream(0, "permutation")
    order = torch.randperm(COORDS, generator=generator)
    here, there = optimizer.initial_state(COORDS), optimizer.initial_state(COORDS)
    errors = []
    for _ in range(STEPS):
        grads = torch.randn(COORDS, generator=generator).double()
        update, here = optimizer(grads, here)
        other, there = optimizer(grads[order], there)
        expected = update if control else update[order]
        errors.append(float((other - expected).norm() / update.norm()))
    return max(errors), max(errors), max(errors), "permuted updates"


@torch.no_grad()
def growth(quick: bool, control: bool | None = None):
    """Steady gradients of 1 in place of 0.1: how much larger the eleventh update is.

    The control is momentum, which is linear: ten times.
    """
    sizes = torch.tensor([0.1, 1.0])
    optimizer, memory = load("quadratic"), (0.0, 0.0)
    state = optimizer.initial_state(2)
    for t in range(11):
        if control:
            update, memory = momentum(sizes, memory, t + 1, 0.01, 0.9)
        else:
            update, state = optimizer(sizes, state)
    ratio = float(update[1] / update[0])
    return ratio, ratio, ratio, "its own step"


@functools.cache
def _race(axis: str, value, quick: bool, optimizer=None) -> dict:
    rules = {"learned": optimizer or load("quadratic"), **rivals("quadratic")}
    return race(rules, axis, value, JUDGED[quick])


def away(axis: str, value, quick: bool, optimizer=None):
    """Mean loss over the best rival's, both as they come from home."""
    return ratio_to_best(_race(axis, value, quick, optimizer))


def behind(axis: str, value, quick: bool, optimizer=None):
    """On what share of the problems a rival's last loss is lower, the best rival's.

    Counted on an odd number of them, so that no share is a half.
    """
    losses = _race(axis, value, quick, optimizer)
    last = {name: each[-1, : JUDGED[quick] - 1] for name, each in losses.items()}
    shares = {name: (last[name] < last["learned"]).double() for name in SIX}
    best = max(SIX, key=lambda name: float(shares[name].mean()))
    return *paired_ratio(shares[best], torch.ones_like(shares[best])), best


CLAIMS = {
    "permutation": Claim(
        "Permuting coordinates permutes the updates, to a relative 1e-12 in float64",
        permutation_error,
        1e-12,
        PAPER.split(",")[0],
        bound=True,
        judged_on="10 steps of 50 gradients, seed 0",
    ),
    "growth": Claim(
        "Ten times the gradient: less than six times the step",
        growth,
        6.0,
        judged_on="11 steps, nothing drawn",
    ),
    "quadratic-dim-20": Claim(
        "Twice the dimension, 20: a lower mean loss than any of six rivals tuned at "
        "home",
        partial(away, "dimension", 20),
    ),
    "quadratic-dim-100": Claim(
        "Ten times the dimension, 100: a lower mean loss than any of six rivals tuned "
        "at home",
        partial(away, "dimension", 100),
    ),
    "quadratic-long": Claim(
        "Ten times the horizon, 1,000 steps: a lower mean loss than any of six rivals "
        "tuned at home",
        partial(away, "horizon", 1000),
    ),
    "quadratic-steep": Claim(
        "Losses ten times as large: a lower mean loss than any of six rivals tuned at "
        "home",
        partial(away, "scale", 10),
    ),
    "quadratic-long-end": Claim(
        "At step 1,000 a rival tuned at home has a lower loss on at most half of the "
        "problems",
        partial(behind, "horizon", 1000),
        0.5,
        judged_on=COUNTED,
    ),
}
CLAIMS = judged(PROBLEMS, CLAIMS)
