"""What lesson 04 claims: real networks, beside rivals tuned for the same steps.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` is an untrained optimizer, of which the claim must not hold.
"""

import functools
from functools import partial

import torch

from l2o_kit import data, downloads
from l2o_kit.baselines import SIX, rivals
from l2o_kit.checkpoint import load, stored
from l2o_kit.evaluate import Curves, last_tenth_of, optimize, paired_ratio
from l2o_kit.lessons.l04_networks.standings import HORIZONS, NAMES, PLACES
from l2o_kit.network import Network, mlp
from l2o_kit.problems import PROBLEMS
from l2o_kit.teaching.claim import EXTENSION, PAPER, Claim, judged

JUDGED = {"mnist_mlp": (16, 2), "diabetes": (32, 8)}  # networks: in full, quickly
NETWORKS, DIABETES = (f"{JUDGED[name][0]} networks, seed 1" for name in JUDGED)


@functools.cache
def _run(rule, problem: str, steps: int, quick: bool) -> Curves:
    batch = JUDGED[problem][quick]
    return optimize(rule, PROBLEMS[problem](), steps=steps, batch=batch, seed=1)


def _end(curves: Curves, steps: int) -> torch.Tensor:
    """Each network's mean loss over the last tenth of so many steps, [batch]."""
    return curves.mean_loss(last_tenth_of(steps), steps).nan_to_num(torch.inf)


def end_ratio(problem: str, steps: int, names: tuple, quick: bool, optimizer=None):
    """The learned loss over the last tenth of the steps, over the best rival's.

    Quickly it is read from ``stored/networks``.
    """
    if quick and optimizer is None:
        return _as_stored(problem, steps, names)
    tuned = rivals(problem, "last", steps)
    ends = {n: _end(_run(tuned[n], problem, steps, quick), steps) for n in names}
    best = min(names, key=lambda name: float(ends[name].mean()))
    rule = optimizer or load(problem)
    learned = _end(_run(rule, problem, steps, quick), steps)
    return *paired_ratio(learned, ends[best]), best


def _as_stored(problem: str, steps: int, names: tuple):
    rows = stored("networks", __file__)
    at = list(PLACES.values()).index(problem), HORIZONS.index(steps)
    ends = rows["last"][*at, :, 0]
    best = min(names, key=lambda name: ends[NAMES.index(name)])
    return *rows["ratio"][*at, NAMES.index(best)].tolist(), best


def real_mnist(quick: bool, optimizer=None):
    """The same on MNIST itself, where it has been downloaded: else None.

    Rivals keep the rates that were tuned on the stand-in.
    """
    if quick or not all(map(downloads.cached, data.MNIST_FILES)):
        return None
    network = Network(mlp([784, 20, 10]), *data.mnist())
    rules = {"learned": optimizer or load("mnist_mlp")} | rivals("mnist_mlp", "last")
    ends = {
        name: optimize(rule, network, batch=16, seed=1).last_tenth()
        for name, rule in rules.items()
    }
    best = min(SIX, key=lambda name: float(ends[name].mean().nan_to_num(torch.inf)))
    return *paired_ratio(ends["learned"], ends[best]), best


CLAIMS = {
    "mnist-mlp-100": Claim(
        "784-20-10 on the 28x28 digits: after 100 steps at most 0.72 times Adam's loss",
        partial(end_ratio, "mnist_mlp", 100, ("Adam",)),
        0.72,
        published="0.72 on MNIST (0.26 / 0.36)",
        judged_on=NETWORKS,
    ),
    "mnist-mlp-200": Claim(
        "784-20-10 on the 28x28 digits: after 200 steps a lower loss than any of six "
        "rivals",
        partial(end_ratio, "mnist_mlp", 200, SIX),
        published="0.81 on MNIST (0.21 / 0.26, NAG)",
        judged_on=NETWORKS,
    ),
    "diabetes-500": Claim(
        "Diabetes: after 500 steps at most the loss of the best of Adam, SGD and "
        "Momentum",
        partial(end_ratio, "diabetes", 500, ("Adam", "SGD", "Momentum")),
        1.0,
        EXTENSION,
        judged_on=DIABETES,
    ),
    "mnist-itself": Claim(
        "784-20-10 on MNIST itself: after 100 steps a lower loss than any of six "
        "rivals",
        real_mnist,
        published="0.76 (0.26 / 0.34, NAG)",
        judged_on=f"{NETWORKS}, once MNIST is downloaded",
    ),
}
CLAIMS = judged("-", CLAIMS, source=PAPER)
