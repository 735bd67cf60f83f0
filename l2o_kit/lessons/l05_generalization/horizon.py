"""Far beyond the horizon: 2,000 and 10,000 steps of the digits network.

Learned optimizers come as they are; Adam at the rate that is best for 2,000 steps,
found on other networks.
"""

import numpy as np

from l2o_kit.baselines import Baseline, tune
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l05_generalization.places import (
    ADAM,
    RATES,
    network,
    plain_and_robust,
)

TUNED_FOR, LONGEST = 2_000, 10_000
TUNED_ON, JUDGED_ON = 8, 16  # networks
MARKS = np.unique(np.logspace(0, 4, 81).round().astype(int))  # steps that are kept


def tuned_adam() -> Baseline:
    """Adam at its best rate for the last tenth of TUNED_FOR steps."""

    def loss(rival):
        settings = {"steps": TUNED_FOR, "batch": TUNED_ON, "purpose": "tuning"}
        curves = optimize(rival, network(), **settings)
        return float(curves.last_tenth().mean().nan_to_num(np.inf))

    return tune(ADAM, loss, **RATES)


def run(rule, batch: int = JUDGED_ON) -> np.ndarray:
    """Every loss, [LONGEST + 1, batch], in float64; infinite where it is none."""
    curves = optimize(rule, network(), steps=LONGEST, batch=batch, seed=1)
    return np.nan_to_num(curves.losses.double().numpy(), nan=np.inf)


def build() -> dict:
    """lr of Adam; curves [rule, 3, mark]; ends [rule, part, network].

    Rules are the learned ones, then Adam. A curve gives the mean over networks of the
    mean loss since the mark before, lowest and highest of the networks. ends are each
    network's mean losses over the steps of PARTS.
    """
    adam = tuned_adam()
    losses = [run(rule) for rule in (*plain_and_robust().values(), adam)]
    return {
        "lr": np.array(adam.lr),
        "curves": np.stack(list(map(thinned, losses))),
        "ends": np.stack(list(map(parts, losses))),
    }


PARTS = ((91, 100), (181, 200), (1_801, 2_000), (9_001, 10_000))


def parts(losses: np.ndarray) -> np.ndarray:
    """[part, network]: means over the steps of PARTS."""
    return np.stack([losses[first : last + 1].mean(0) for first, last in PARTS])


def thinned(losses: np.ndarray) -> np.ndarray:
    """[3, mark]: mean, lowest and highest of the networks, between marks."""
    before = np.concatenate([[0], MARKS[:-1]])
    means = np.stack(
        [losses[a + 1 : b + 1].mean(0) for a, b in zip(before, MARKS, strict=True)]
    )
    return np.stack([means.mean(1), means.min(1), means.max(1)])


BUILDERS = {"horizons": build}
