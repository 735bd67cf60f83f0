"""Does cooperation help, and when: more sources, larger subsets, other ways to combine.

Every setting ends in a loss on the target, the mean over the last tenth of 100 steps
on fresh problems. Divided by that of the first setting of its choice, it says whether
cooperation helped. A seed is one of the problems, and of the training where something
is trained.

Source: the settings that MikyLanfra's Learning-to-Optimize compares.
"""

import itertools
import time
from functools import partial

import numpy as np
from torch.nn import functional as F

from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l06_concurrent.cooperation import end, tuned_adam
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.problems import diabetes, digits, noisy
from l2o_kit.sources import Activation, Loss, Subset
from l2o_kit.trainer import meta_train
from l2o_kit.trust import KINDS, learn_lambda, trusting

SEEDS, TIMED = 3, 5
COMBINED = {"unroll": 20, "meta_steps": 1000, "batch": 64, "lr": (1e-2, 1e-4)}
LAMBDA = {"unroll": 20, "meta_steps": 60, "batch": 4, "lr": (0.1, 0.003)}
NOISE = (0.5, 1.0, 2.0, 3.0)
COUNTS = range(1, 10)
RELU, TANH, SILU = map(Activation, ("relu", "tanh", "silu"))
L1, SMOOTH = Loss(F.l1_loss), Loss(F.smooth_l1_loss)


def subsets(count: int, size: int, concentration: float) -> Concurrent:
    """The digits network, seen through subsets of its data; the clean one has all."""
    sources = [Subset(size, concentration)] * count
    return Concurrent(digits(), sources, "clean")


def as_shipped(concurrent: Concurrent, name: str, batch: int, seed: int):
    """A shipped LSTM that reads the plain average of all sources."""
    return load(name), concurrent, batch


def with_lambda(concurrent: Concurrent, name: str, batch: int, seed: int):
    """The same with the lambda that it learns."""
    optimizer = trusting(name, concurrent.num_sources)
    learn_lambda(optimizer, concurrent, **LAMBDA, seed=seed, on_step=lambda log: None)
    return optimizer, concurrent, batch


def trained(stds: tuple, combine: str, seed: int):
    """An LSTM that was trained, all of it, to read these sources in one of four ways.

    With combine "average" it reads one gradient, the plain mean.
    """
    alone = combine == "average"
    optimizer = LSTMOptimizer(
        combine="concat" if alone else combine,
        num_sources=1 if alone else len(stds),
        seed=seed,
    )
    concurrent = noisy(stds)
    meta_train(
        optimizer,
        Averaged(concurrent) if alone else concurrent,
        **COMBINED,
        seed=seed,
        on_step=lambda log: None,
    )
    return optimizer, concurrent, 128


class Averaged:
    """The K sources of a Concurrent as one: the mean of their gradients."""

    def __init__(self, concurrent: Concurrent):
        self.concurrent, self.coords = concurrent, concurrent.coords

    def sample(self, *arguments, **options):
        """Draw problems whose gradients are averaged."""
        problem = self.concurrent.sample(*arguments, **options)
        return AveragedProblem(problem)


class AveragedProblem:
    """Problems that give one gradient, the mean, and the target's loss and gradient."""

    def __init__(self, problem):
        self.problem, self.theta0 = problem, problem.theta0

    def value_and_grads(self, *arguments, **options):
        """As the Concurrent's, its sources averaged."""
        loss, sources, target = self.problem.value_and_grads(*arguments, **options)
        return loss, sources.mean(0, keepdim=True), target

    def __getattr__(self, name):
        return getattr(self.problem, name)


def _each(function, concurrents: dict, name: str, batch: int) -> dict:
    return {
        label: partial(function, concurrent, name, batch)
        for label, concurrent in concurrents.items()
    }


def choices() -> dict[str, dict]:
    """choice -> setting -> a function of the seed that gives (rule, problems, batch).

    The first setting of a choice is what the others are compared with.
    """
    by_count = {str(K): subsets(K, 60, 1.0) for K in COUNTS}
    by_size = {str(n): subsets(3, n, 1.0) for n in (40, 60, 80, 100, 120)}
    by_evenness = {str(c): subsets(3, 80, c) for c in (0.25, 0.5, 1.0, 2.0)}
    ways = ("average", "concat", "softmax", "mean_std", "difference")
    alone = {"source 0 alone": partial(trained, NOISE[:1], "average")}
    return {
        "noisy sources": _each(
            as_shipped, {str(K): noisy((1.0,) * K) for K in COUNTS}, "quadratic", 128
        ),
        "subsets": _each(as_shipped, by_count, "digits", 8),
        "subset size": _each(as_shipped, by_size, "digits", 8),
        "concentration": _each(as_shipped, by_evenness, "digits", 8),
        "ways to combine": alone | {way: partial(trained, NOISE, way) for way in ways},
        "activations": _with_all(digits(), ACTIVATIONS, "digits", 8),
        "losses": _with_all(diabetes(), LOSSES, "diabetes", 16),
    }


ACTIVATIONS = {
    "sigmoid alone": [()],
    "+ tanh": [(), TANH],
    "+ ReLU": [(), RELU],
    "+ SiLU": [(), SILU],
    "all four": [(), TANH, RELU, SILU],
}
LOSSES = {
    "squared alone": [()],
    "+ absolute": [(), L1],
    "+ smooth": [(), SMOOTH],
    "all three": [(), L1, SMOOTH],
}


def _with_all(optimizee, kinds: dict, name: str, batch: int) -> dict:
    """Each kind of sources, as shipped; and all of them, with lambda learned."""
    made = {words: Concurrent(optimizee, parts) for words, parts in kinds.items()}
    learned = partial(with_lambda, list(made.values())[-1], name, batch)
    return _each(as_shipped, made, name, batch) | {"all, lambda": learned}


def outcome(choice: str, setting: str, seed: int) -> tuple[float, float]:
    """(the loss on the target, seconds for 100 steps of one problem)."""
    rule, concurrent, batch = choices()[choice][setting](seed=seed)
    curves = optimize(rule, concurrent, batch=batch, seed=1 + seed)
    times = []
    for _ in range(TIMED if seed == 0 else 1):
        began = time.perf_counter()
        optimize(rule, concurrent, batch=1, seed=1)
        times.append(time.perf_counter() - began)
    return float(curves.last_tenth().mean()), float(np.median(times))


def build() -> dict:
    """CHOICE [setting, seed, 2], for every choice: loss and seconds."""
    return {
        choice: np.array(
            [
                [outcome(choice, name, seed) for seed in range(SEEDS)]
                for name in settings
            ]
        )
        for choice, settings in choices().items()
    }


# The digits network seen through subsets

GRID = {
    "count": (1, 2, 3, 5, 9),
    "size": (40, 80, 120),
    "concentration": (0.25, 0.5, 1.0, 2.0),
}
JUDGED_ON = 8


def subsets_row(count: int, size: int, concentration: float) -> dict:
    """Losses [problem] of the shipped LSTM and of tuned Adam, both on the average."""
    concurrent = subsets(count, size, concentration)
    adam = tuned_adam(concurrent, KINDS["rotation"].adam, 4)
    return {
        "average": end(load("digits"), concurrent, JUDGED_ON),
        "adam": end(adam, concurrent, JUDGED_ON),
        "lr": adam.lr,
    }


def build_subsets() -> dict:
    """Arrays by name, [count, size, concentration, ...]."""
    places = list(itertools.product(*GRID.values()))
    rows = [subsets_row(*place) for place in places]
    shape = tuple(map(len, GRID.values()))
    return {
        name: np.reshape(
            [row[name] for row in rows], (*shape, *np.shape(rows[0][name]))
        )
        for name in rows[0]
    }


BUILDERS = {"subsets": build_subsets, "teamwork": build}
