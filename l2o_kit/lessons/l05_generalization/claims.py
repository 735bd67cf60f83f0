"""What lesson 05 claims: wider, deeper, ReLU, and far beyond the horizon.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold.
"""

import functools
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from l2o_kit.baselines import Baseline
from l2o_kit.checkpoint import load, stored
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.lessons.l05_generalization import horizon
from l2o_kit.lessons.l05_generalization.places import HORIZONS, PLACES, network
from l2o_kit.optimizees import Jittered
from l2o_kit.teaching.claim import PAPER, Claim, judged

JUDGED = (16, 4)  # networks: in full, quickly
NETWORKS = f"{JUDGED[0]} networks, seed 1"
ROUNDINGS = 5  # how often a run is made that rounding decides
FIRST, LATE, LATEST = 0, 2, 3  # of horizon.PARTS
shipped = functools.cache(load)  # once, so that ``ends`` knows it again


def adam(place: tuple, steps: int) -> Baseline:
    """Adam at the rate that is best at a place of lesson 05 for so many steps."""
    rates = stored("places_adam", __file__)["rates"]
    return Baseline("Adam", float(rates[PLACES.index(place), HORIZONS.index(steps)]))


@functools.cache
def ends(
    rule, place: tuple, steps: int, quick: bool, rounding: int | None = None
) -> torch.Tensor:
    """Each network's mean loss over the last tenth of the steps: [batch].

    rounding: the seed of a jitter of the gradients' last bits; None as they are.
    """
    optimizee = network(*place)
    if rounding is not None:
        optimizee = Jittered(optimizee, rounding)
    curves = optimize(rule, optimizee, steps=steps, batch=JUDGED[quick], seed=1)
    return curves.last_tenth().nan_to_num(torch.inf)


def over_roundings(ratio: Callable, against: str) -> tuple:
    """A measurement of ratio(seed) -> (value, low, high) under several roundings.

    The median value, the lowest low, the highest high, the rival's name, and what
    rounding alone does: (the least, the greatest) of the values.
    """
    values, lows, highs = zip(*map(ratio, range(ROUNDINGS)), strict=True)
    alone = min(values), max(values)
    return statistics.median(values), min(lows), max(highs), against, alone


def away(name: str, place: tuple, steps: int, quick: bool, optimizer=None):
    """The loss of a learned optimizer over Adam's, which is tuned at that place."""
    learned = ends(optimizer or shipped(name), place, steps, quick)
    return *paired_ratio(learned, ends(adam(place, steps), place, steps, quick)), (
        "Adam"
    )


def blown_up(name: str, place: tuple, steps: int, quick: bool, optimizer=None):
    """The same where the learned optimizer blows up, and rounding says how high."""
    rules = optimizer or shipped(name), adam(place, steps)

    def ratio(seed):
        return paired_ratio(*(ends(r, place, steps, quick, seed) for r in rules))

    return over_roundings(ratio, "Adam")


@functools.cache
def _far(rule: str, quick: bool) -> np.ndarray:
    """[part, network] of horizon.PARTS: quickly as stored, in full run again."""
    if quick:
        return stored("horizons", __file__)["ends"][
            ["plain", "robust", "Adam"].index(rule)
        ]
    names = {"plain": "digits", "robust": "digits_robust"}
    lr = float(stored("horizons", __file__)["lr"])
    losses = horizon.run(load(names[rule]) if rule in names else Baseline("Adam", lr))
    return horizon.parts(losses)


def far(rule: str, quick: bool, control: bool | None = None):
    """A rule at step 2,000 over Adam, tuned for that; the control is at step 100."""
    learned = _far(rule, quick)[FIRST if control else LATE]
    return *_ratio(learned, _far("Adam", quick)[LATE]), "Adam"


def rise(quick: bool, control: bool | None = None):
    """The loss of digits_robust at step 10,000 over that at 2,000; control: plain's."""
    ends = _far("plain" if control else "robust", quick)
    return *_ratio(ends[LATEST], ends[LATE]), "itself"


def _ratio(mine: np.ndarray, theirs: np.ndarray) -> tuple:
    return paired_ratio(torch.from_numpy(mine), torch.from_numpy(theirs))


ROUNDED = f"{NETWORKS}, {ROUNDINGS} roundings"
REST = ("sigmoid", 128, 1.0)  # of a place: as in training
RELU = (20, 1, "relu", 128, 1.0)
CLAIMS = {
    "digits-40-units": Claim(
        "40 units: after 100 steps at most tuned Adam's loss",
        partial(away, "digits", (40, 1, *REST), 100),
        1.0,
        PAPER,
    ),
    "digits-two-layers": Claim(
        "Two layers of 20: after 100 steps at most tuned Adam's loss",
        partial(away, "digits", (20, 2, *REST), 100),
        1.0,
        PAPER,
    ),
    "digits-relu-plain": Claim(
        "ReLU, the plain optimizer: after 100 steps at most tuned Adam's loss",
        partial(blown_up, "digits", RELU, 100),
        published="stays above 2.3 on MNIST",
        judged_on=ROUNDED,
    ),
    "digits-relu-robust": Claim(
        "ReLU, the robust optimizer: after 100 steps at most tuned Adam's loss",
        partial(away, "digits_robust", RELU, 100),
    ),
    "far-2000-plain": Claim(
        "The plain optimizer: after 2,000 steps at most the loss of Adam, tuned for "
        "2,000 steps",
        partial(far, "plain"),
    ),
    "far-2000": Claim(
        "The robust optimizer: after 2,000 steps at most a tenth of the loss of Adam, "
        "tuned for 2,000 steps",
        partial(far, "robust"),
        0.1,
    ),
    "far-10000": Claim(
        "The robust optimizer: its loss at step 10,000 is at most that at step 2,000",
        rise,
    ),
}
CLAIMS = judged(NETWORKS, CLAIMS)
