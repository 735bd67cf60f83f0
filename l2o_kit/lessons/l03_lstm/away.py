"""The quadratics of lesson 03 elsewhere: another scale, dimension, horizon.

One thing changes at a time; all else is as in meta-training: ten dimensions, scale 1,
100 steps. The learned optimizer comes as it is. The six rivals stand beside it twice:
with the rates that were tuned at home, and with rates tuned anew for each place.
"""

import numpy as np
import torch

from l2o_kit.baselines import SIX, rivals, tuned_baselines
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.optimizees import Quadratic, Scaled

AXES = {
    "scale": (0.01, 0.1, 1, 3, 10, 100),
    "dimension": (2, 5, 10, 20, 50, 100),
    "horizon": (25, 50, 100, 200, 500, 1000),
}
PLACES = [(axis, value) for axis, values in AXES.items() for value in values]
HOME = {"scale": 1, "dimension": 10, "horizon": 100}
POINTS = 51  # of a curve that is kept
TUNED_ON, JUDGED_ON = 100, 500  # problems


def place(axis: str, value) -> tuple:
    """(optimizee, steps) where one thing differs from home."""
    where = HOME | {axis: value}
    optimizee = Scaled(Quadratic(where["dimension"]), where["scale"])
    return optimizee, where["horizon"]


def race(rules: dict, axis: str, value, batch: int = JUDGED_ON) -> dict:
    """name -> losses [steps + 1, batch] of every rule, on the same fresh problems."""
    optimizee, steps = place(axis, value)
    return {
        name: optimize(rule, optimizee, steps=steps, batch=batch, seed=1).losses
        for name, rule in rules.items()
    }


def ratio_to_best(losses: dict) -> tuple:
    """Mean loss of "learned" over that of the best rival: (ratio, low, high, rival)."""
    means = {
        name: values[1:].mean(0).nan_to_num(torch.inf, torch.inf)
        for name, values in losses.items()
    }
    best = min(SIX, key=lambda name: float(means[name].mean()))
    return *paired_ratio(means["learned"], means[best]), best


def visit(axis: str, value, learned, home: dict) -> dict:
    """A place's row of ``stored/elsewhere``, for rivals from home and tuned there.

    rates [2, 6]; ratio [2, 3], the learned mean loss over the best rival's, with its
    interval; best [2], which rival that is; curves [2, 7, POINTS], mean losses of the
    learned optimizer and the six, at evenly spaced steps.
    """
    optimizee, steps = place(axis, value)
    tuned = tuned_baselines(optimizee, steps=steps, batch=TUNED_ON)
    row = {"rates": [], "ratio": [], "best": [], "curves": []}
    for rules in (home, tuned):
        six = {name: rules[name] for name in SIX}
        losses = race({"learned": learned, **six}, axis, value)
        *ratio, best = ratio_to_best(losses)
        row["rates"].append([rule.lr for rule in six.values()])
        row["ratio"].append(ratio)
        row["best"].append(SIX.index(best))
        row["curves"].append([thinned(values) for values in losses.values()])
    return row


def thinned(losses) -> np.ndarray:
    """The mean over the problems of losses [steps + 1, batch], at POINTS steps."""
    steps = np.linspace(0, len(losses) - 1, POINTS).round().astype(int)
    means = losses[torch.from_numpy(steps)].mean(1).numpy()
    return np.nan_to_num(means, nan=1e30, posinf=1e30).clip(max=1e30)


def build_elsewhere() -> dict:
    """name -> [place, ...], a row for each of ``elsewhere.PLACES``."""
    learned, home = load("quadratic"), rivals("quadratic")
    rows = [visit(*place, learned, home) for place in PLACES]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


BUILDERS = {"elsewhere": build_elsewhere}
