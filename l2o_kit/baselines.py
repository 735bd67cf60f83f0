"""The hand-designed rivals, each at its own best learning rate.

A rival is tuned as a careful user would: 16 rates from 1e-5 to 10, evenly spaced in the
logarithm, each tried on problems that are not those it is judged on; then 5 around the
best. A best at the edge extends the grid. Everything else stays at torch.optim's
defaults, with momentum 0.9 where there is momentum. Those of the shipped problems are
tuned already: ``rivals``.

Their rules, in the two or three lines that each is, stand below: ``sgd`` and others
compute what torch.optim computes, and a test compares the two step by step::

    update, memory = rule(grad, memory, t, lr, beta)          theta <- theta + update

grad may have any shape; lr anything that broadcasts with it, so that many rates run
side by side. t counts from 1. memory begins as ``(0.0, 0.0)``.

    SGD        g = -lr d                               d = grad f(theta)
    Momentum   v = beta v + d          g = -lr v       (Polyak 1964, the heavy ball)
    NAG        v = beta v + d          g = -lr (d + beta v)         (Nesterov 1983)
    RMSprop    s = 0.99 s + 0.01 d^2   g = -lr d / sqrt(s)            (Hinton 2012)
    Adagrad    s = s + d^2             g = -lr d / sqrt(s)      (Duchi et al. 2011)
    Adam       m, s running means of d, d^2, bias corrected
                                       g = -lr m / sqrt(s)   (Kingma and Ba 2015)

Source: the tuning protocol of Andrychowicz et al. 2016, section 3, made explicit.
Left out: schedules other than a cosine; methods that mix coordinates.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from l2o_kit.checkpoint import stored
from l2o_kit.evaluate import last_tenth_of, optimize, start_torch
from l2o_kit.optimizees import Optimizee, Theta

RULES: dict[str, partial] = {
    "SGD": partial(torch.optim.SGD),
    "Momentum": partial(torch.optim.SGD, momentum=0.9),
    "NAG": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "RMSprop": partial(torch.optim.RMSprop),
    "Adagrad": partial(torch.optim.Adagrad),
    "Adam": partial(torch.optim.Adam),
    "Adam + cosine": partial(torch.optim.Adam),  # decays to 0 over the horizon
}
SIX = tuple(RULES)[:6]
SPACING = 10 ** (6 / 15)  # between neighbours of 16 rates from 1e-5 to 10
GRID = tuple(1e-5 * SPACING**k for k in range(16))
STEPS = 100


@dataclass(frozen=True)
class Baseline:
    """A rival at a learning rate; a rule for ``optimize`` and ``compare``.

    cosine_steps: where given, the rate falls to zero over so many steps.
    """

    name: str
    lr: float
    cosine_steps: int | None = None

    def start(self, theta: Theta):
        """Step theta [batch, coords] in place, given gradients."""
        scheduler = None
        if self.cosine_steps:
            cosine = torch.optim.lr_scheduler.CosineAnnealingLR
            scheduler = partial(cosine, T_max=self.cosine_steps)
        return start_torch(partial(RULES[self.name], lr=self.lr), theta, scheduler)

    def __repr__(self):
        return f"{self.name} (lr {self.lr:.3g})"


def tuned_baselines(
    optimizee: Optimizee,
    *,
    steps: int = 100,
    batch: int,
    seed: int = 0,
    objective: str = "mean",
) -> dict[str, Baseline]:
    """The six rivals, and Adam with cosine decay, each tuned on ``batch`` problems.

    Arguments:
        optimizee: what the problems are drawn from.
        steps: the horizon they will be judged at; a rate is right for one horizon.
        seed: of the tuning problems; ``optimize`` and ``compare`` never draw the same
            ones, whatever their seed.
        objective: what a rate is chosen for, the "mean" loss over the steps or the
            "last" ten per cent of them. Judge a rival by what it was tuned for.

    Returns name -> Baseline. Raises ValueError where every rate of a rival diverges.
    """
    first = {"mean": 1, "last": last_tenth_of(steps)}
    if objective not in first:
        raise ValueError(f"objective={objective!r}: use one of {list(first)}.")

    def score(rival):
        curves = optimize(
            rival, optimizee, steps=steps, batch=batch, seed=seed, purpose="tuning"
        )
        value = float(curves.mean_loss(first[objective]).mean())
        return value if math.isfinite(value) else math.inf

    rivals = [Baseline(name, GRID[0]) for name in SIX]
    rivals.append(Baseline("Adam + cosine", GRID[0], cosine_steps=steps))
    return {rival.name: tune(rival, score) for rival in rivals}


def tune(
    rival: Baseline,
    score: Callable[[Baseline], float],
    rates: Sequence[float] = GRID,
    spacing: float = SPACING,
    parts: int = 3,
) -> Baseline:
    """The rival at the learning rate with the smallest score(rival).

    Arguments: the rival, at any rate; its score; rates from low to high, each
    ``spacing`` times the one before; into how many parts the two gaps beside the best
    are then cut. A best at the edge extends the rates.
    """
    scores = {lr: score(replace(rival, lr=lr)) for lr in rates}
    if not any(map(math.isfinite, scores.values())):
        raise ValueError(
            f"{rival.name} diverges at every learning rate from {rates[0]:g} to "
            f"{rates[-1]:g}. Rescale the loss, or check the data for huge values."
        )

    def best():
        return min(scores, key=scores.get)

    most = len(rates) + len(GRID)
    while best() in (min(scores), max(scores)) and len(scores) < most:
        further = spacing if best() == max(scores) else 1 / spacing
        scores[best() * further] = score(replace(rival, lr=best() * further))
    middle = best()
    for part in (k for k in range(1 - parts, parts) if k):
        lr = middle * spacing ** (part / parts)
        scores[lr] = score(replace(rival, lr=lr))
    return replace(rival, lr=best())


def rivals(problem: str, objective: str = "mean", steps: int = STEPS) -> dict:
    """The rivals of a shipped problem, tuned for an objective after so many steps.

    Returns name -> Baseline, from ``stored/rates_PROBLEM``. Raises ValueError where
    nothing is stored for that.
    """
    rates, key = stored(f"rates_{problem}"), f"{objective}_{steps}"
    if key not in rates:
        there = sorted(rates.keys() - {"provenance"})
        raise ValueError(
            f"{problem}: no rates are stored for {key}; there are {there}. Tune them "
            "yourself, with tuned_baselines."
        )
    return {
        name: Baseline(name, float(lr), steps if name == "Adam + cosine" else None)
        for name, lr in zip(RULES, rates[key], strict=True)
    }


Values = Any  # a number or an array, of any library
Memory = tuple[Values, Values]
SMALL = 1e-8  # keeps a division by zero away
KEEP = {"RMSprop": 0.99, "Adam": 0.999}  # how much of s stays each step


def sgd(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """Plain gradient descent."""
    return -lr * grad, memory


def momentum(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """The heavy ball: a running sum of gradients."""
    v = beta * memory[0] + grad
    return -lr * v, (v, memory[1])


def nag(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """Nesterov's: the running sum, looked at one step ahead."""
    v = beta * memory[0] + grad
    return -lr * (grad + beta * v), (v, memory[1])


def rmsprop(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """Each coordinate divided by the size of its recent gradients."""
    s = KEEP["RMSprop"] * memory[1] + (1 - KEEP["RMSprop"]) * grad**2
    return -lr * grad / (s**0.5 + SMALL), (memory[0], s)


def adagrad(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """Each coordinate divided by the size of all its gradients."""
    s = memory[1] + grad**2
    return -lr * grad / (s**0.5 + SMALL), (memory[0], s)


def adam(
    grad: Values, memory: Memory, t: int, lr: Values, beta: Values
) -> tuple[Values, Memory]:
    """Momentum and RMSprop together, both corrected for their start at zero."""
    m = beta * memory[0] + (1 - beta) * grad
    s = KEEP["Adam"] * memory[1] + (1 - KEEP["Adam"]) * grad**2
    root = (s / (1 - KEEP["Adam"] ** t)) ** 0.5 + SMALL
    return -lr * m / (1 - beta**t) / root, (m, s)


HAND_MADE = {
    "SGD": sgd,
    "Momentum": momentum,
    "NAG": nag,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adam": adam,
}
REMEMBER = ("Momentum", "NAG", "Adam")  # the rules that beta means something to
