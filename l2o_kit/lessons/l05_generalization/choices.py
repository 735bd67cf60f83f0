"""Choices in meta-training, one changed at a time: discount, horizon, rate of phi.

All train on quadratics, with 100 updates of phi, each after a window of 100 steps, and
are judged on fresh ones after 100, 500 and 1,000 steps. As in the extension, a window
is a whole roll-out where the discount is varied.

Source: the settings that MikyLanfra's Learning-to-Optimize compares.
"""

import itertools

import numpy as np
import torch

from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train
from l2o_kit.window import MetaTrainingDiverged

USUAL = {
    "unroll": 100,
    "horizon": 100,
    "meta_steps": 100,
    "batch": 32,
    "lr": (1e-2, 1e-3),
}
CHOICES = {
    "discount": {str(d): {"discount": d} for d in (0.0, 0.001, 0.1, 0.9, 1.0, 2.0)},
    "horizon": {
        "100": {"horizon": 100},
        "500": {"horizon": 500},
        "200 to 500": {"horizon": (200, 500)},
        "500 to 800": {"horizon": (500, 800)},
        "growing to 800": {"horizon": (100, 800), "curriculum": True},
    },
    "rate of phi": {
        "0.1": {"lr": 0.1},
        "0.01": {"lr": 0.01},
        "0.001": {"lr": 0.001},
        "0.0001": {"lr": 0.0001},
        "0.1, 0.01, 0.001": {"lr": [0.1, 0.01, 0.001]},
        "0.01, 0.001, 0.0001": {"lr": [0.01, 0.001, 0.0001]},
    },
}
SETTINGS = [(kind, name) for kind, settings in CHOICES.items() for name in settings]
MARKS = (100, 500, 1000)  # steps after which the loss is kept
SEEDS, JUDGED_ON = 3, 64


def outcome(kind: str, name: str, seed: int) -> np.ndarray:
    """[3]: losses over the ten steps up to each of MARKS, over the first loss.

    Infinite where the training, or what it made, diverges.
    """
    optimizer = LSTMOptimizer(preprocess="identity", seed=seed)
    try:
        meta_train(
            optimizer,
            Quadratic(),
            **USUAL | CHOICES[kind][name],
            seed=seed,
            on_step=lambda log: None,
        )
    except MetaTrainingDiverged:
        return np.full(len(MARKS), np.inf)
    curves = optimize(optimizer, Quadratic(), steps=MARKS[-1], batch=JUDGED_ON, seed=1)
    losses = curves.losses.double().mean(1).nan_to_num(torch.inf, torch.inf)
    return np.array([float(losses[t - 9 : t + 1].mean() / losses[0]) for t in MARKS])


def build() -> dict:
    """outcome [setting, seed, mark], in the order of SETTINGS."""
    runs = itertools.product(SETTINGS, range(SEEDS))
    table = [outcome(*setting, seed) for setting, seed in runs]
    return {"outcome": np.reshape(table, (len(SETTINGS), SEEDS, len(MARKS)))}


BUILDERS = {"experiments": build}
