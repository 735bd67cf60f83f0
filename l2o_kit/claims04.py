"""What lesson 04 claims: real networks, beside rivals tuned for the same steps.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` is an untrained optimizer, of which the claim must not hold.
"""

import functools

import torch

from l2o_kit import data, downloads
from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.networks import last_tenth
from l2o_kit.optimizees import Network, mlp
from l2o_kit.recipes import PROBLEMS
from l2o_kit.store import rivals

JUDGED = {"mnist_mlp": (16, 4), "diabetes": (32, 16)}  # networks: in full, quickly


@functools.cache
def _ends(problem: str, steps: int, names: tuple, quick: bool, optimizer=None) -> dict:
    """name -> each network's mean loss over the last tenth, [batch]."""
    tuned = rivals(problem, "last", steps)
    rules = {"learned": optimizer or load(problem)} | {n: tuned[n] for n in names}
    curves = {
        name: optimize(rule, PROBLEMS[problem](), steps=steps, seed=1,
                       batch=JUDGED[problem][quick])
        for name, rule in rules.items()
    }  # fmt: skip
    return {name: last_tenth(c).nan_to_num(torch.inf) for name, c in curves.items()}


def end_ratio(problem: str, steps: int, names: tuple, quick: bool, optimizer=None):
    """The learned loss over the last tenth of the steps, over the best rival's."""
    ends = _ends(problem, steps, names, quick, optimizer)
    best = min(names, key=lambda name: float(ends[name].mean()))
    return *paired_ratio(ends["learned"], ends[best]), best


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
