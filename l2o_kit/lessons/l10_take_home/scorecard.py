"""How far a learned optimizer can be trusted: each shipped one on each of nine tasks.

    ratio = its loss / the loss of Adam, at Adam's best rate for the task

Green: the whole 95 % interval of the ratio is below 1. Red: all of it is above. Adam is
tuned on other problems of the same task, once for the mean loss over all steps and once
for the last tenth of them, and judged by what it was tuned for.

Left out: tuning the learned ones (their lr stays 1), and rivals other than Adam.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

import l2o_kit
from l2o_kit import data, problems
from l2o_kit.baselines import Baseline, tune
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import Curves, optimize, paired_ratio
from l2o_kit.groups import GroupedOptimizer
from l2o_kit.network import Network, mlp

RULES = (
    "quadratic",
    "digits",
    "digits_robust",
    "mnist_mlp",
    "diabetes",
    "neural_art",
    "conv_shared",
    "conv_small",
    "conv",
)
MEASURES = ("all steps", "the last tenth")
POINTS = 51  # of a curve that is kept
WORST = 99.0  # where a loss was not finite, or a ratio larger


def relu_digits() -> Network:
    """The digits network with ReLUs."""
    return Network(mlp([64, 20, 10], "relu"), *data.digits())


def breast_cancer() -> Network:
    """30-16-1, ReLUs, two classes: no shipped optimizer has met it."""
    X, y, X_held_out, y_held_out = data.breast_cancer()
    y, y_held_out = y[:, None].float(), y_held_out[:, None].float()
    return Network(
        mlp([30, 16, 1], "relu"),
        X,
        y,
        X_held_out,
        y_held_out,
        loss=F.binary_cross_entropy_with_logits,
    )


def pictures():
    """Neural art on contents that nothing was trained on: recipe neural_art's."""
    return l2o_kit.StyleTransfer(content="validation")


@dataclass(frozen=True)
class Task:
    """What is optimized, for how long; how many are judged, how many Adam is tuned on.

    home: the optimizers that were trained on it.
    """

    make: Callable
    home: tuple[str, ...] = ()
    steps: int = 100
    judged: int = 16
    tuned: int = 16


TASKS = {
    "quadratics": Task(problems.quadratic, ("quadratic",), judged=256, tuned=256),
    "digits": Task(problems.digits, ("digits", "digits_robust")),
    "digits, 1,000 steps": Task(problems.digits, steps=1000, tuned=8),
    "digits, ReLU": Task(relu_digits, ("digits_robust",)),
    "digits, 28x28": Task(problems.mnist_mlp, ("mnist_mlp",), judged=8, tuned=4),
    "breast cancer": Task(breast_cancer),
    "diabetes": Task(problems.diabetes, ("diabetes",)),
    "small convnet": Task(problems.conv_small, ("conv_small",), judged=8, tuned=4),
    "pictures": Task(pictures, ("neural_art",), 128, judged=8, tuned=2),
}


def fits(rule: str, task: str) -> bool:
    """Whether an optimizer can be used: one for groups needs convolutions."""
    grouped = isinstance(load(rule), GroupedOptimizer)
    return not grouped or task == "small convnet"


def score(curves: Curves, measure: str) -> torch.Tensor:
    """Each problem's mean loss over what is measured: [problem]."""
    losses = curves.mean_loss() if measure == MEASURES[0] else curves.last_tenth()
    return losses.masked_fill(~losses.isfinite(), math.inf)


def tuned_adam(task: Task) -> dict[str, Baseline]:
    """measure -> Adam at the rate that is best for it."""

    @functools.cache
    def tried(lr: float) -> Curves:
        return optimize(
            Baseline("Adam", lr),
            task.make(),
            steps=task.steps,
            batch=task.tuned,
            purpose="tuning",
        )

    return {
        measure: tune(
            Baseline("Adam", 1e-3),
            lambda rival, m=measure: float(score(tried(rival.lr), m).mean()),
        )
        for measure in MEASURES
    }


def judge(rule, task: Task) -> Curves:
    """The fresh problems of a task, the same for every rule."""
    return optimize(
        rule,
        task.make(),
        steps=task.steps,
        batch=task.judged,
        seed=1,
        purpose="scorecard",
    )


def thinned(curves: Curves) -> np.ndarray:
    """The mean loss at POINTS steps, relative to the first: [POINTS]."""
    kept = np.linspace(0, len(curves.losses) - 1, POINTS).round().astype(int)
    mean = curves.losses.mean(1).numpy()
    return np.nan_to_num(mean[kept] / mean[0], nan=WORST, posinf=WORST).clip(0, WORST)


def ratio(ours: torch.Tensor, theirs: torch.Tensor) -> np.ndarray:
    """(ratio, low, high) of the mean losses, at most WORST."""
    if not ours.isfinite().all():
        return np.full(3, WORST)
    return np.clip(paired_ratio(ours, theirs), 0, WORST)


def row(name: str) -> dict:
    """What ``stored/scorecard`` keeps of a task.

    rates [measure], Adam's; ratios [rule, measure, 3]; curves [1 + rule, POINTS], Adam
    (tuned for all steps) first. Not a number where a rule does not fit.
    """
    task = TASKS[name]
    rivals = tuned_adam(task)
    adam = {measure: judge(rival, task) for measure, rival in rivals.items()}
    curves, ratios = [thinned(adam[MEASURES[0]])], []
    for rule in RULES:
        if not fits(rule, name):
            curves.append(np.full(POINTS, np.nan))
            ratios.append(np.full((len(MEASURES), 3), np.nan))
            continue
        ours = judge(load(rule), task)
        curves.append(thinned(ours))
        ratios.append([ratio(score(ours, m), score(adam[m], m)) for m in MEASURES])
    return {
        "rates": np.array([rivals[m].lr for m in MEASURES]),
        "ratios": np.array(ratios),
        "curves": np.array(curves),
    }


def build() -> dict:
    """The rows of all tasks, each array with the task first."""
    rows = [row(name) for name in TASKS]
    return {key: np.stack([one[key] for one in rows]) for key in rows[0]}


def colour(triple) -> str:
    """green, red, undecided, or no fit, from (ratio, low, high)."""
    _, low, high = triple
    if math.isnan(low):
        return "no fit"
    return "green" if high < 1 else "red" if low > 1 else "undecided"


BUILDERS = {"scorecard": build}
