"""Curves on fresh problems, and fair comparisons of update rules.

``optimize`` runs any rule: a learned optimizer, a torch.optim class with its arguments,
a tuned baseline, or a plain function of the gradient. The same seed means the same
theta_0, the same W and y, the same minibatches, for every rule.

Left out: wall-clock time of the rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from l2o_kit.autograd import engine_for
from l2o_kit.data import stream
from l2o_kit.engine import Engine, Grouped
from l2o_kit.groups import Assigned
from l2o_kit.optimizees import Optimizee, Theta
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.plots import html_table, img, loss_curves, png

# Methods that treat each coordinate alone, so that problems may lie side by side.
COORDINATEWISE = {
    *("SGD", "Rprop", "RMSprop", "Adagrad", "Adadelta"),
    *("Adam", "AdamW", "NAdam", "RAdam", "Adamax"),
}


def last_tenth_of(steps: int) -> int:
    """The step with which the last tenth of so many steps begins, 91 of 100."""
    return steps - max(1, steps // 10) + 1


@dataclass
class Curves:
    """What ``optimize`` saw. losses[t] is f(theta_t) on step t's training minibatch.

    held_out_loss and held_out_accuracy are at the last theta, or None where the problem
    has none; diverged marks problems in which a loss or gradient was not finite.
    """

    losses: Float[Tensor, "steps_and_one batch"]
    theta: Float[Tensor, "batch coords"]
    diverged: Bool[Tensor, "batch"]
    held_out_loss: Float[Tensor, "batch"] | None = None
    held_out_accuracy: Float[Tensor, "batch"] | None = None

    def mean_loss(self, first: int = 1, last: int | None = None):
        """Mean over the steps first..last of each problem: [batch]."""
        stop = None if last is None else last + 1
        return self.losses[first:stop].mean(0)

    def last_tenth(self):
        """Mean over the last tenth of the steps of each problem: [batch]."""
        return self.mean_loss(last_tenth_of(len(self.losses) - 1))

    def __repr__(self):
        steps, batch = len(self.losses) - 1, self.losses.shape[1]
        bad = int(self.diverged.sum())
        return (
            f"Curves({steps} steps of {batch} problems; mean loss "
            f"{self.losses[0].mean():.3g} -> "
            f"{self.losses[-1].mean():.3g}{f'; {bad} diverged' if bad else ''})"
        )


@torch.no_grad()
def optimize(
    rule: object,
    optimizee: Optimizee,
    *,
    steps: int = 100,
    batch: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    purpose: str = "problems",
    on_step: Callable[[int], Any] | None = None,
) -> Curves:
    """Optimize ``batch`` fresh problems for ``steps`` steps with one rule.

    Arguments:
        rule: an LSTMOptimizer; ``partial(torch.optim.Adam, lr=0.1)``; a Baseline; or a
            function of the gradient [batch, coords] that returns the update.
        optimizee: what the problems are drawn from, in this dtype.
        seed: of the problems and of the minibatches, which no rule can change.
        purpose: problems drawn for another purpose are other problems. For "tuning"
            held-out data is not looked at.
        on_step: called with t at every step; whatever it raises ends the run.

    Example: ``optimize(lambda grad: -0.01 * grad, Quadratic(), batch=8).losses``
    """
    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1.")
    problem = optimizee.sample(batch, stream(seed, purpose), dtype)
    minibatches = stream(seed, f"{purpose} minibatches")
    theta = problem.theta0.clone()
    step = start(rule.on(optimizee) if hasattr(rule, "on") else rule, theta)
    losses, diverged = [], torch.zeros(batch, dtype=torch.bool)
    for t in range(steps + 1):
        minibatch = problem.minibatch(minibatches)
        loss, sources, _ = problem.value_and_grads(theta, minibatch)
        losses.append(loss)
        diverged |= ~(loss.isfinite() & sources.isfinite().all(2).all(0))
        if on_step:
            on_step(t)
        if t < steps:
            step(sources if reads_sources(rule) else sources.mean(0))
    # what tunes a rate never sees held-out data
    held_out = () if purpose == "tuning" else problem.held_out(theta)
    return Curves(torch.stack(losses), theta, diverged, *held_out)


def reads_sources(rule: object) -> bool:
    """Whether a rule reads the gradients of several sources, not their mean."""
    return getattr(rule, "num_sources", 1) > 1


def start(rule: object, theta: Theta):
    """A function of the gradient that moves theta in place by one step of the rule."""
    if hasattr(rule, "start"):
        return rule.start(theta)
    if isinstance(rule, LSTMOptimizer | Assigned):
        return _start_learned(rule, theta)
    if isinstance(rule, partial) and issubclass(rule.func, torch.optim.Optimizer):  # type: ignore[arg-type]
        return start_torch(rule, theta)
    if callable(rule) and not isinstance(rule, type):
        return lambda grad: theta.add_(rule(grad))
    raise TypeError(
        f"{rule!r} is not an update rule. Pass a learned optimizer, a function of the "
        "gradient, or partial(torch.optim.Adam, lr=0.01)."
    )


def start_torch(rule: partial, theta: Theta, scheduler: Callable | None = None):
    """Step a torch.optim optimizer on all problems at once."""
    if rule.func.__name__ not in COORDINATEWISE:
        raise ValueError(
            f"{rule.func.__name__} does not treat each coordinate alone, so it would "
            f"mix problems that lie side by side. Use one of {sorted(COORDINATEWISE)}."
        )
    optimizer = rule([theta])
    schedule = scheduler(optimizer) if scheduler else None

    def step(grad):
        theta.grad = grad
        optimizer.step()
        if schedule:
            schedule.step()

    return step


def _start_learned(rule, theta):
    """The trainer's own steps, to the last bit, unless its forward is your own."""
    if isinstance(rule, LSTMOptimizer) and engine_for(rule, False) is not Engine:
        return _start_plain(rule, theta)
    kind = Grouped if isinstance(rule, Assigned) else Engine
    engine = kind(rule, 1, theta.numel())  # windows of one step
    engine.reset()

    def step(grad):
        sources = grad.view(-1, theta.numel())
        rule.check_sources(len(sources))
        engine.begin()
        engine.see(0, None, sources, None)
        theta.add_(engine.step(0).view_as(theta))

    return step


def _start_plain(optimizer, theta):
    state = optimizer.initial_state(theta.numel())

    def step(grad):
        nonlocal state
        grads = grad.flatten(1) if optimizer.num_sources > 1 else grad.flatten()
        update, state = optimizer(grads, state)
        theta.add_(update.view_as(theta))

    return step


def compare(
    rules: dict,
    optimizee: Optimizee,
    *,
    steps: int = 100,
    batch: int = 100,
    seed: int = 0,
) -> "Comparison":
    """Run every rule on the same ``batch`` fresh problems; the first is the reference.

    Fresh means new theta_0 and minibatches (for Quadratic also W and y), the same for
    every rule, and never those that ``tuned_baselines`` saw.

    Arguments:
        rules: name -> rule, as for ``optimize``.
        optimizee: what the problems are drawn from.
        steps, batch: how many steps, on how many problems.
        seed: of the problems and of the minibatches.

    Example: ``compare({"learned": load("quadratic"), **rivals}, Quadratic())``
    """
    if not rules:
        raise ValueError("rules is empty. Give at least one, as {name: rule}.")
    curves = {
        name: optimize(rule, optimizee, steps=steps, batch=batch, seed=seed)
        for name, rule in rules.items()
    }
    return Comparison(curves, repr(optimizee))


def paired_ratio(
    ours: Float[Tensor, "batch"],
    theirs: Float[Tensor, "batch"],
    *,
    resamples: int = 2000,
    seed: int = 0,
):
    """mean(ours) / mean(theirs), with a paired 95 % bootstrap: (ratio, low, high).

    Problems are drawn again with replacement, each with both its numbers, so that what
    a hard problem does to both cancels. Below 1 means that ours is smaller.
    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval).

    >>> paired_ratio(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    (0.5, 0.5, 0.5)
    """
    n = len(ours)
    picks = torch.randint(n, (resamples, n), generator=stream(seed, "bootstrap"))
    ratios = ours.double()[picks].mean(1) / theirs.double()[picks].mean(1)
    low, high = ratios.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return float(ours.double().mean() / theirs.double().mean()), low, high


@dataclass
class Comparison:
    """Curves by name; the first is the reference of every ratio."""

    curves: dict[str, Curves]
    problem: str

    @property
    def reference(self) -> str:
        return next(iter(self.curves))

    def rows(self) -> list[dict]:
        """One dictionary per rule: means, medians, ratios with intervals, divergence.

        "mean" is over the steps 1..T, "last" over the last ten per cent. A ratio is the
        reference divided by this rule: below 1, the reference is better.
        """
        rows = []
        for name, curve in self.curves.items():
            row = {"rule": name, "diverged": int(curve.diverged.sum())}
            for key, part in (("mean", Curves.mean_loss), ("last", Curves.last_tenth)):
                ours, losses = part(self.curves[self.reference]), part(curve)
                row[key] = float(losses.mean())
                row[f"{key} median"] = float(losses.median())
                row[f"{key} ratio"] = paired_ratio(ours, losses)
            if curve.held_out_accuracy is not None:
                row["accuracy"] = float(curve.held_out_accuracy.mean())
            rows.append(row)
        return rows

    def __repr__(self):
        lines = [self.problem, f"{'':16} mean loss   last 10 %"]
        for row in self.rows():
            lines.append(f"{row['rule']:16} {row['mean']:9.4g}   {row['last']:9.4g}")
        return "\n".join(lines)

    def _repr_html_(self):
        columns = ("median", f"{self.reference} / rule")
        header = ["rule", "mean loss", *columns, "last 10 %", *columns]
        cells = []
        for row in self.rows():
            cells.append([row["rule"]])
            for key in ("mean", "last"):
                numbers = map(_number, (row[key], row[f"{key} median"]))
                cells[-1] += [*numbers, _ratio(row[f"{key} ratio"])]
            right = f"{100 * row['accuracy']:.1f} %" if "accuracy" in row else "none"
            cells[-1] += [right, str(row["diverged"])]
        caption = (
            f"{self.problem}. Loss over the steps 1 to T and over the last tenth of "
            "them; held-out accuracy at step T. A ratio below 1 means that "
            f"{self.reference} is better; in brackets its paired 95 % interval."
        )
        picture = img(png(self.figure()), self.alt())
        return picture + html_table([*header, "held-out", "diverged"], cells, caption)

    def figure(self):
        """Mean loss against step with 95 % bands: a matplotlib Figure."""
        return loss_curves({name: c.losses.numpy() for name, c in self.curves.items()})

    def alt(self) -> str:
        """The picture in a sentence, for readers who cannot see it."""
        ends = [f"{row['rule']} {_number(row['last'])}" for row in self.rows()]
        return f"Loss against step. Over the last ten per cent: {', '.join(ends)}."


def _number(value: float) -> str:
    return f"{value:.3g}"


def _ratio(triple) -> str:
    value, low, high = triple
    if value == low == high == 1:
        return "itself"
    value, low, high = (f"{x:.2f}" if x < 1000 else f"{x:.2g}" for x in triple)
    return f"{value} [{low}, {high}]"
