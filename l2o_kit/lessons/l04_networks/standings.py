"""The networks of lesson 04 beside their rivals: how deep, how fast, how well beyond.

At each of three places, after 100, 200 or 500 steps: the optimizer that was trained
there, one that comes from elsewhere ("robust": digits_robust), and seven rivals, each
at the rate that is best there, for so many steps, on other networks.
"""

import time

import numpy as np
import torch

from l2o_kit.baselines import RULES, SIX, rivals
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.plots import POINTS, mean_band
from l2o_kit.problems import PROBLEMS

PLACES = {  # name -> recipe
    "digits, 8x8": "digits",
    "digits, 28x28": "mnist_mlp",
    "diabetes": "diabetes",
}
HORIZONS = (100, 200, 500)
NAMES = ("learned", "robust", *RULES)
JUDGED_ON = 16  # networks
TIMED = 30  # steps of each of five timed runs


def rules(place: str, tuned: dict) -> dict:
    """name -> rule, for every one of NAMES."""
    learned = {"learned": load(PLACES[place]), "robust": load("digits_robust")}
    return learned | tuned


def row(place: str, steps: int, tuned: dict) -> dict:
    """What ``stored/networks`` keeps of a place and a horizon, for each of NAMES.

    losses [rule, 3, POINTS], the mean training loss and its 95 % band; last, held_out
    and accuracy [rule, 3], the same of the last tenth of the steps, and at the end on
    held-out data; ratio [rule, 3], learned / rule over the last tenth.
    """
    optimizee = PROBLEMS[PLACES[place]]()
    found = {
        name: optimize(rule, optimizee, steps=steps, batch=JUDGED_ON, seed=1)
        for name, rule in rules(place, tuned).items()
    }
    kept = np.linspace(0, steps, POINTS).round().astype(int)
    ours = found["learned"].last_tenth()
    each = [
        {
            "losses": np.stack(mean_band(curves.losses))[:, kept],
            "last": _band(curves.last_tenth()),
            "held_out": _band(curves.held_out_loss),
            "accuracy": _band(curves.held_out_accuracy),
            "ratio": np.array(paired_ratio(ours, curves.last_tenth())),
        }
        for curves in found.values()
    ]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


def _band(values) -> np.ndarray:
    """Mean, low and high of [batch]; not a number where there are none."""
    if values is None:
        return np.full(3, np.nan)
    return np.array(mean_band(values[None])).ravel()


def seconds_per_step(place: str, tuned: dict) -> np.ndarray:
    """[rule]: of one network on one core, its gradient included; medians of five."""
    optimizee = PROBLEMS[PLACES[place]]()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return np.array(
            [
                np.median([_timed(rule, optimizee) for _ in range(5)])
                for rule in rules(place, tuned).values()
            ]
        )
    finally:
        torch.set_num_threads(threads)


def _timed(rule, optimizee) -> float:
    began = time.perf_counter()
    optimize(rule, optimizee, steps=TIMED, batch=1, purpose="timing")
    return (time.perf_counter() - began) / TIMED


def build() -> dict:
    """All rows, stacked [place, horizon, ...], and seconds [place, rule]."""
    rows = [
        [row(place, steps, rivals(recipe, "last", steps)) for steps in HORIZONS]
        for place, recipe in PLACES.items()
    ]
    arrays = {
        name: np.array([[one[name] for one in some] for some in rows])
        for name in rows[0][0]
    }
    seconds = [
        seconds_per_step(place, rivals(recipe, "last", 100))
        for place, recipe in PLACES.items()
    ]
    return arrays | {"seconds": np.array(seconds)}


def first_reached(losses: np.ndarray, target: float, steps: int) -> float:
    """The first step at which a curve of POINTS points is at most ``target``.

    Infinite where it never is.
    """
    (below,) = np.nonzero(losses <= target)
    return float(below[0] * steps / (POINTS - 1)) if len(below) else float("inf")


SIX_RIVALS = [NAMES.index(name) for name in SIX]


BUILDERS = {"networks": build}
