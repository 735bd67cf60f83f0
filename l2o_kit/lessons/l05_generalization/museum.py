"""The failure museum: what goes wrong in meta-training, and the switch that cures it.

Each exhibit is a small meta-training that ends badly, on purpose, and one change that
fixes it. All take seconds. A result is the loss over the last tenth of the steps, as a
share of the first loss, on fresh problems: 1 means that nothing was optimized.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from l2o_kit.checkpoint import load
from l2o_kit.evaluate import last_tenth_of, optimize
from l2o_kit.lessons.l05_generalization.places import network
from l2o_kit.optimizees import Quadratic, RandomScaling, Scaled
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train
from l2o_kit.window import Log, MetaTrainingDiverged

ADAM_RATE = 0.1  # a good one on the quadratics and on the digits network
WORST = 1e4  # what a loss that explodes counts as


@dataclass(frozen=True)
class Change:
    """What a switch changes: of the optimizer, of its training, of the optimizees."""

    optimizer: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    optimizee: Callable = lambda optimizee: optimizee


@dataclass(frozen=True)
class Exhibit:
    """A meta-training that ends badly.

    Arguments: what happens and why, in a sentence each; what it is trained and judged
    on; the optimizer and the training; the switch that cures it, by name.
    """

    happens: str
    why: str
    trained_on: Callable
    judged_on: Callable
    switch: str
    cure: Change
    optimizer: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    steps: int = 100  # that it is judged for
    shipped: tuple[str, ...] = ()  # trained already: the sick one, the cured one


SMALL = {
    "meta_steps": 200,
    "batch": 32,
    "unroll": 20,
    "horizon": 100,
    "lr": (1e-2, 1e-3),
}
LONG = {"unroll": 100, "meta_steps": 60}
ADAM_LIKE = Change(optimizer={"preprocess": "normalized", "bounded": True})

EXHIBITS = {
    "ReLU": Exhibit(
        "Trained on sigmoids, it fails on a network with ReLUs.",
        "ReLU gradients are not like those of sigmoids: inputs it never met.",
        network,
        partial(network, activation="relu"),
        "all cures",
        ADAM_LIKE,
        shipped=("digits", "digits_robust"),
    ),
    "ten times the horizon": Exhibit(
        "Trained for 100 steps, it stops improving, or rises, long before 1,000.",
        "It never saw how small gradients are after step 100, nor had to settle.",
        Quadratic,
        Quadratic,
        "horizons of 20 to 400",
        Change(training={"horizon": (20, 400)}),
        steps=1000,
    ),
    "another scale": Exhibit(
        "Losses a hundred times as large, and it stays far from the minimum.",
        "It knows the size of the gradients it met, and of no others.",
        Quadratic,
        lambda: Scaled(Quadratic(), 100.0),
        "normalized inputs, bounded output",
        ADAM_LIKE,
    ),
    "inputs that vanish": Exhibit(
        "It learns only to stand still: theta ends where it began.",
        "With p = 1 gradients far below 0.37 look like zero. Here most are.",
        lambda: Scaled(Quadratic(), 1e-4),
        lambda: Scaled(Quadratic(), 1e-4),
        "p = 10",
        Change(optimizer={"p": 10.0}),
        optimizer={"preprocess": "log_sign", "p": 1.0},
    ),
    "exploding meta-gradient": Exhibit(
        "One meta-gradient is thousands of times the usual one; Adam's steps on phi "
        "then shrink for long.",
        "Windows of 100 steps and a large output scale: small changes of phi grow.",
        Quadratic,
        Quadratic,
        "clip at norm 1",
        Change(training={"clip": 1.0}),
        optimizer={"output_scale": 1.0},
        training=LONG | {"clip": None},
    ),
    "discount 2": Exhibit(
        "The training stops at once: a number is not finite.",
        "The first loss of a window of 100 steps weighs 2^99 times the last one.",
        Quadratic,
        Quadratic,
        "discount 1",
        Change(training={"discount": 1.0}),
        training=LONG | {"discount": 2.0},
    ),
    "only the last loss": Exhibit(
        "After the same time of training, it is far behind.",
        "One loss of a hundred says little about each single update.",
        Quadratic,
        Quadratic,
        "the sum of all losses",
        Change(training={"discount": 1.0}),
        training=LONG | {"discount": 0.0},
    ),
}

# For the ablation table: each cure alone, whatever the exhibit
CURES = {
    "none": Change(),
    "random scaling": Change(optimizee=RandomScaling),
    "curriculum": Change(training={"horizon": (20, 400), "curriculum": True}),
    "imitation": Change(training={"imitate": ADAM_RATE}),
    "normalized, bounded": ADAM_LIKE,
    "clipping": Change(training={"clip": 1.0}),
}
SEEDS = 3


def train(exhibit: Exhibit, change: Change, seed: int = 0, on_step=None):
    """(optimizer, log) of an exhibit with a change; a divergence ends it early."""
    if exhibit.shipped:
        return load(exhibit.shipped[change is exhibit.cure]), Log(20)
    settings = {"preprocess": "identity"} | exhibit.optimizer | change.optimizer
    optimizer = LSTMOptimizer(**settings, seed=seed)
    optimizee = change.optimizee(exhibit.trained_on())
    training = SMALL | exhibit.training | change.training
    horizon = training["horizon"]
    if isinstance(horizon, tuple) and horizon[0] < training["unroll"]:
        training["horizon"] = training["unroll"], horizon[1]
    try:
        log = meta_train(
            optimizer,
            optimizee,
            **training,
            seed=seed,
            on_step=on_step or (lambda log: None),
        )
    except MetaTrainingDiverged as error:
        log = error.log
    return optimizer, log


def judge(exhibit: Exhibit, optimizer) -> np.ndarray:
    """The mean loss at each step on fresh problems, over the first: [steps + 1]."""
    problems = 8 if exhibit.shipped else 32
    curves = optimize(
        optimizer, exhibit.judged_on(), steps=exhibit.steps, batch=problems, seed=1
    )
    losses = curves.losses.double().nan_to_num(torch.inf, torch.inf)
    means = losses.mean(1).numpy()
    return (means / means[0]).clip(max=WORST)


def outcome(curve: np.ndarray) -> float:
    """The mean over the last tenth of the steps."""
    return float(curve[last_tenth_of(len(curve) - 1) :].mean())


def build() -> dict:
    """outcome [exhibit, 1 + cures, seed]: its own switch first, then each of CURES."""
    table = np.zeros((len(EXHIBITS), 1 + len(CURES), SEEDS))
    for (i, exhibit), seed in itertools.product(
        enumerate(EXHIBITS.values()), range(SEEDS)
    ):
        for k, change in enumerate([exhibit.cure, *CURES.values()]):
            optimizer, _ = train(exhibit, change, seed)
            table[i, k, seed] = outcome(judge(exhibit, optimizer))
    return {"outcome": table}


BUILDERS = {"museum": build}
