"""The networks of lesson 05: wider, deeper, another activation, batch size or scale.

Two learned optimizers come as they are: "plain", trained on the 64-20-10 sigmoid
network, and "robust", trained with all cures on three activations. Adam stands beside
them at the rate that is best at each place, for each horizon, on other networks.
"""

import functools
import itertools
from functools import partial

import numpy as np
from torch import nn

from l2o_kit import data
from l2o_kit.baselines import SIX, Baseline, tune, tuned_baselines
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.network import Network, mlp

AXES = {
    "units": (10, 20, 40),
    "layers": (1, 2),
    "activation": ("sigmoid", "tanh", "relu", "silu"),
    "batch size": (16, 128),
    "input scale": (0.25, 1.0, 4.0),
}
HOME = {
    "units": 20,
    "layers": 1,
    "activation": "sigmoid",
    "batch size": 128,
    "input scale": 1.0,
}
PLACES = list(itertools.product(*AXES.values()))
HORIZONS = (100, 200, 500)
BIN = 10  # steps whose losses are averaged
ADAM = Baseline("Adam", 0.001)
HALVES = tuple(10 ** (-3 + 0.5 * k) for k in range(6))  # 0.001 to 0.3
RATES = {"rates": HALVES, "spacing": 10**0.5, "parts": 2}  # how Adam is tuned
NETWORKS = 4  # tuned on, and as many others judged
MAP_UNITS, MAP_LAYERS = (5, 10, 20, 40, 80), (1, 2, 3)
MAP_NETWORKS = 16


class Scale(nn.Module):
    """The inputs times a factor."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, X):
        """X [n, features] to the same shape."""
        return self.factor * X


def network(
    units=20, layers=1, activation="sigmoid", batch_size=128, scale=1.0
) -> Network:
    """The digits network with so many hidden layers of so many units."""
    module = nn.Sequential(Scale(scale), mlp([64, *[units] * layers, 10], activation))
    return Network(module, *data.digits(), batch_size=batch_size)


def last_bins(steps: int) -> slice:
    """The bins of the last tenth of so many steps."""
    return slice(1 + (steps - steps // 10) // BIN, 1 + steps // BIN)


def binned(losses) -> np.ndarray:
    """losses [steps + 1, batch] to [1 + steps / BIN]: the first, and means of bins.

    A loss that is not finite, or beyond 1e4, is 1e4.
    """
    losses = losses.double().numpy()
    means = losses[1:].reshape(-1, BIN, losses.shape[1]).mean((1, 2))
    curve = np.concatenate([losses[:1].mean(1), means])
    return np.nan_to_num(curve, nan=1e4, posinf=1e4).clip(max=1e4).astype(np.float32)


def learned_row(rule, place: tuple) -> np.ndarray:
    """The curve of a rule that comes as it is, over the longest horizon."""
    return binned(
        optimize(rule, network(*place), steps=HORIZONS[-1], batch=NETWORKS).losses
    )


def adam_row(place: tuple) -> dict:
    """Adam at its best rate for each horizon: rates [3], curves [3, 1 + bins].

    Tuned on other networks, by the last tenth.
    """
    optimizee = network(*place)

    @functools.cache  # one run is judged at each horizon
    def tried(rival):
        settings = {"steps": HORIZONS[-1], "batch": NETWORKS, "purpose": "tuning"}
        return binned(optimize(rival, optimizee, **settings).losses)

    def best(steps):
        return tune(ADAM, lambda rival: tried(rival)[last_bins(steps)].mean(), **RATES)

    rates = [best(steps).lr for steps in HORIZONS]
    curves = {lr: learned_row(Baseline("Adam", lr), place) for lr in set(rates)}
    return {"rates": np.array(rates), "curves": np.stack([curves[lr] for lr in rates])}


def map_row(units: int, layers: int, learned: dict) -> dict:
    """A place of the map, over 100 steps: each learned rule over the best of six.

    Rivals are tuned there for the last tenth. ratio [rule, 3] with its interval; best,
    which rival that is; loss [rule + rival], means of the last tenth.
    """
    optimizee = network(units, layers)
    tuned = tuned_baselines(optimizee, steps=100, batch=4, objective="last")
    rules = learned | {name: tuned[name] for name in SIX}
    ends = {
        name: optimize(rule, optimizee, batch=MAP_NETWORKS, seed=1).last_tenth()
        for name, rule in rules.items()
    }
    best = min(SIX, key=lambda name: float(ends[name].mean().nan_to_num(np.inf)))
    return {
        "ratio": np.array([paired_ratio(ends[name], ends[best]) for name in learned]),
        "best": SIX.index(best),
        "loss": np.array([float(ends[name].mean()) for name in rules]),
        "rates": np.array([tuned[name].lr for name in SIX]),
    }


def build_map() -> dict:
    """Every place of the map: arrays [layers, units, ...]."""
    learned = plain_and_robust()
    rows = [
        [map_row(units, layers, learned) for units in MAP_UNITS]
        for layers in MAP_LAYERS
    ]
    return {
        name: np.array([[row[name] for row in some] for some in rows])
        for name in rows[0][0]
    }


def build_places(name: str) -> dict:
    """curves [place, 1 + bins] of a learned optimizer, as it is, at every place."""
    rule = load(name)
    places = PLACES
    return {"curves": np.stack([learned_row(rule, p) for p in places])}


def build_places_adam() -> dict:
    """rates [place, 3] and curves [place, 3, 1 + bins]: Adam tuned at every place."""
    rows = [adam_row(place) for place in PLACES]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def plain_and_robust() -> dict:
    """The two learned optimizers of lesson 05."""
    return {"plain": load("digits"), "robust": load("digits_robust")}


BUILDERS = {
    "places_adam": build_places_adam,
    "places_plain": partial(build_places, "digits"),
    "places_robust": partial(build_places, "digits_robust"),
    "map": build_map,
}
