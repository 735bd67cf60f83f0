"""What lesson 00 claims: a learned optimizer against six tuned rivals.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does. The best of the rivals is the one that is best on the very problems judged.
"""

import functools

import torch

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import Comparison, compare, paired_ratio
from l2o_kit.recipes import RECIPES
from l2o_kit.store import STEPS, rivals

JUDGED = {"quadratic": (1000, 200), "digits": (32, 8)}  # problems: in full, quickly


@functools.cache
def _race(problem: str, objective: str, quick: bool, optimizer=None) -> Comparison:
    """The learned optimizer (first) and the six rivals on the same fresh problems."""
    learned = optimizer or load(problem)
    rules = {"learned": learned}
    rules |= {name: rivals(problem, objective)[name] for name in SIX}
    batch = JUDGED[problem][quick]
    return compare(
        rules, RECIPES[problem].optimizee(), steps=STEPS, batch=batch, seed=1
    )


def loss_ratio(problem, objective, first, last, quick, optimizer):
    """Mean loss over the steps first..last, relative to the best of the six."""
    curves = _race(problem, objective, quick, optimizer).curves
    losses = {name: curve.mean_loss(first, last) for name, curve in curves.items()}
    best = min(SIX, key=lambda name: float(losses[name].mean().nan_to_num(torch.inf)))
    return *paired_ratio(losses["learned"], losses[best]), best


def error_ratio(problem, quick, optimizer):
    """Held-out errors after the last step, relative to the best of the six."""
    curves = _race(problem, "last", quick, optimizer).curves
    errors = {name: 1 - curve.held_out_accuracy for name, curve in curves.items()}
    best = min(SIX, key=lambda name: float(errors[name].mean()))
    return *paired_ratio(errors["learned"], errors[best]), best
