"""Whom to trust, for many settings of three kinds of sources, and what it gains.

A setting gives each of K sources an amount: of noise, of rotation, of poison. At every
setting lambda is learned anew, on a frozen LSTM, for the clean target; then five rules
run on fresh problems, judged on the clean loss over the last tenth of 100 steps:

    anew       the frozen LSTM with the lambda that it learned here
    average    the same LSTM, every lambda 1 / K
    alone      the same LSTM, which reads one source
    shipped    the optimizer that was trained at home, with its lambda
    Adam       on the average of the gradients, at the rate that is best here

Sources are drawn alike, so that their order matters to ``shipped`` alone.
"""

import itertools
from functools import partial

import numpy as np

from l2o_kit.baselines import Baseline, tune
from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.trust import KINDS, Kind, learned, trusting

STEP = 10**0.25  # between two rates that are tried for Adam


def settings(kind: Kind) -> list[tuple]:
    """Every choice of K levels, whatever their order: each is sorted."""
    return list(itertools.combinations_with_replacement(kind.levels, kind.num_sources))


def end(rule, concurrent: Concurrent, batch: int, seed: int = 1) -> np.ndarray:
    """The clean loss over the last tenth of 100 steps, of each problem: [batch]."""
    curves = optimize(rule, concurrent, batch=batch, seed=seed)
    return curves.last_tenth().nan_to_num(1e9, posinf=1e9).float().numpy()


def tuned_adam(concurrent: Concurrent, near: float, batch: int) -> Baseline:
    """Adam at the best rate, to a factor of 1.8; other problems than those judged."""

    def score(rule):
        curves = optimize(rule, concurrent, batch=batch, purpose="tuning")
        return float(curves.last_tenth().mean().nan_to_num(1e9))

    rates = [near * STEP**k for k in (-1, 0, 1)]
    return tune(Baseline("Adam", near), score, rates, STEP, parts=1)


def row(kind: Kind, amounts) -> dict:
    """What is kept of a setting: lambdas [K], losses [problem] of three rules, lr."""
    concurrent, (anew, _) = kind.make(amounts), learned(kind, amounts)
    adam = tuned_adam(concurrent, kind.adam, max(4, kind.judged_on // 4))
    rules = {"anew": anew, "average": trusting(kind.frozen, len(amounts)), "adam": adam}
    losses = {name: end(r, concurrent, kind.judged_on) for name, r in rules.items()}
    return {"lambdas": anew.lambdas.numpy(), "lr": adam.lr, **losses}


def alone(kind: Kind, amount) -> np.ndarray:
    """The losses [problem] of the frozen LSTM that reads one source."""
    return end(load(kind.frozen), kind.make((amount,)), kind.judged_on)


def build(name: str) -> dict:
    """Arrays by name: a row for each setting, or level, or, for shipped, each order."""
    kind = KINDS[name]
    rows = [row(kind, amounts) for amounts in settings(kind)]
    arrays = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    arrays["alone"] = np.array([alone(kind, level) for level in kind.levels])
    shipped = load(f"concurrent_{name}")
    orders = itertools.product(kind.levels, repeat=kind.num_sources)
    arrays["shipped"] = np.array(
        [end(shipped, kind.make(amounts), kind.judged_on) for amounts in orders]
    )
    return arrays


# Sources that contradict each other

CONFLICT, CONFLICT_SEEDS = (20, 20, 180), 3
CONFLICT_TRAINING = {"meta_steps": 40}


def in_conflict(seed: int, second: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lambda [K] and losses [problem], learned with second derivatives or without.

    Two sources are turned by 20 degrees, one is upside down. Without second derivatives
    the gradients of the sources count as given: that today's update changes what they
    will be tomorrow, and whether they then agree, is not seen.
    """
    kind = KINDS["rotation"]
    optimizer, _ = learned(
        kind, CONFLICT, seed=seed, second_derivatives=second, **CONFLICT_TRAINING
    )
    losses = end(optimizer, kind.make(CONFLICT), kind.judged_on, seed=1 + seed)
    return optimizer.lambdas.numpy(), losses


def build_conflict() -> dict:
    """lambdas and losses [without, with][seed, ...]."""
    runs = [
        [in_conflict(seed, second) for seed in range(CONFLICT_SEEDS)]
        for second in (False, True)
    ]
    return {
        name: np.array([[run[k] for run in each] for each in runs])
        for k, name in enumerate(("lambdas", "losses"))
    }


BUILDERS = {
    **{f"cooperation_{kind}": partial(build, kind) for kind in KINDS},
    "conflict": build_conflict,
}
