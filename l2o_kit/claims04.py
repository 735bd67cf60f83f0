"""What lesson 04 claims: real networks, beside rivals tuned for the same steps.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` is an untrained optimizer, of which the claim must not hold.
"""

import functools

import torch

from l2o_kit import data, downloads
from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import Curves, optimize, paired_ratio
from l2o_kit.networks import HORIZONS, NAMES, PLACES, last_tenth
from l2o_kit.optimizees import Network, mlp
from l2o_kit.recipes import PROBLEMS
from l2o_kit.store import rivals, stored

JUDGED = {"mnist_mlp": (16, 2), "diabetes": (32, 8)}  # networks: in full, quickly
LONGEST = {"mnist_mlp": 200, "diabetes": 500}  # steps that a claim is about


@functools.cache
def _run(rule, problem: str, steps: int, quick: bool) -> Curves:
    batch = JUDGED[problem][quick]
    return optimize(rule, PROBLEMS[problem](), steps=steps, batch=batch, seed=1)


@functools.cache
def _shipped(problem: str):
    return load(problem)


def _end(curves: Curves, steps: int) -> torch.Tensor:
    """Each network's mean loss over the last tenth of so many steps, [batch]."""
    return curves.mean_loss(steps - steps // 10 + 1, steps).nan_to_num(torch.inf)


def _best(problem: str, steps: int, names: tuple, quick: bool) -> str:
    """The best of some rivals: quickly the one that is best where it is stored."""
    if quick:
        place = list(PLACES.values()).index(problem)
        ends = stored("networks")["last"][place, HORIZONS.index(steps), :, 0]
        return min(names, key=lambda name: ends[NAMES.index(name)])
    tuned = rivals(problem, "last", steps)
    ends = {n: _end(_run(tuned[n], problem, steps, quick), steps) for n in names}
    return min(names, key=lambda name: float(ends[name].mean()))


def end_ratio(problem: str, steps: int, names: tuple, quick: bool, optimizer=None):
    """The learned loss over the last tenth of the steps, over the best rival's."""
    learned = _run(optimizer or _shipped(problem), problem, LONGEST[problem], quick)
    best = _best(problem, steps, names, quick)
    theirs = _run(rivals(problem, "last", steps)[best], problem, steps, quick)
    return *paired_ratio(_end(learned, steps), _end(theirs, steps)), best


def real_mnist(quick: bool, optimizer=None):
    """The same on MNIST itself, where it has been downloaded: else None.

    Rivals keep the rates that were tuned on the stand-in.
    """
    if quick or not all(map(downloads.cached, data.MNIST_FILES)):
        return None
    network = Network(mlp([784, 20, 10]), *data.mnist())
    rules = {"learned": optimizer or load("mnist_mlp")} | rivals("mnist_mlp", "last")
    ends = {
        name: last_tenth(optimize(rule, network, batch=16, seed=1))
        for name, rule in rules.items()
    }
    best = min(SIX, key=lambda name: float(ends[name].mean().nan_to_num(torch.inf)))
    return *paired_ratio(ends["learned"], ends[best]), best
