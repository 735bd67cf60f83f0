"""The learned rule, opened: its update as a function of the gradients it has read.

Ten past gradients, a pattern times a size, and then one more, of that size. Left how
large the update is, for every size; right what each of the gradients counts for in it,
the derivative of g_t with respect to the gradient k steps ago. Momentum and Adam stand
beside it, at the rates tuned on the same kind of problem.
"""

import functools
from copy import deepcopy

import numpy as np
import torch

from l2o_kit.baselines import HAND_MADE, rivals
from l2o_kit.checkpoint import load
from l2o_kit.plots import BLACK, GREY, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import buttons, log_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

PAST = 10  # gradients read before the newest
SIZES = 10 ** np.arange(-3, 2.01, 0.1)
LOW, HIGH = 1e-5, 10.0  # of the left axis
PATTERNS = {
    "steady": np.ones(PAST),
    "alternating": (-1.0) ** np.arange(PAST),
    "all zero": np.zeros(PAST),
    "noisy": np.random.default_rng(0).normal(0.5, 1.0, PAST),
}
NAMES = ("learned", "Momentum", "Adam")


def respond(step, grads):
    """The update after gradients [PAST + 1, coords], the last one the newest: [coords].

    ``step(grad, memory)`` gives (update, memory); memory is None at first.
    """
    memory = None
    for grad in grads:
        update, memory = step(grad, memory)
    return update


def influence(step, grads) -> np.ndarray:
    """d update / d gradient k steps ago, of grads [PAST + 1], k = 0..PAST."""
    grads = torch.as_tensor(grads).double()[:, None].requires_grad_()
    update = respond(step, grads)
    return torch.autograd.grad(update.sum(), grads)[0][:, 0].flip(0).numpy()


def learned_step(optimizer):
    """One step of a learned optimizer, for ``respond``."""

    def step(grad, state):
        state = optimizer.initial_state(len(grad)) if state is None else state
        return optimizer(grad, state)

    return step


def hand_made_step(name: str):
    """One step of a hand-made rule, at the rate tuned on quadratics."""
    rule, lr = HAND_MADE[name], rivals("quadratic")[name].lr

    def step(grad, memory):
        t, memory = memory or (1, (0.0, 0.0))
        update, memory = rule(grad, memory, t, lr, 0.9)
        return update, (t + 1, memory)

    return step


@functools.cache
def shipped():
    """The optimizer that ships, trained on quadratics, in float64."""
    return load("quadratic").double()


class Opened(Panel):
    """Choose what came before and how large it was; see what the rule does.

    Arguments: a learned optimizer that reads one gradient (the shipped one if left
    out), and those of every panel.
    """

    title = "The learned rule, opened: how large a step, and whose gradient?"
    strip = (
        {"past": "steady", "size": 0.1},
        {"past": "steady", "size": 10.0},
        {"past": "alternating", "size": 0.1},
    )

    def __init__(
        self,
        guess: Guess | None = None,
        projector: bool | None = None,
        *,
        optimizer=None,
    ):
        learned = shipped() if optimizer is None else deepcopy(optimizer).double()
        self.rules = {"learned": learned_step(learned)}
        self.rules |= {name: hand_made_step(name) for name in NAMES[1:]}
        super().__init__(guess, projector)

    def make_controls(self):
        past = buttons("ten before", PATTERNS, "steady")
        size = log_slider("gradient size", 0.1, -3, 2, 0.1)
        return {"past": past, "size": size}

    def compute(self, state):
        """Updates at every size; influences at the chosen one, the largest being 1."""
        pattern = np.append(PATTERNS[state["past"]], 1.0)
        counts = {
            name: influence(step, state["size"] * pattern)
            for name, step in self.rules.items()
        }
        return {
            **state,
            "updates": {n: _sizes(s, pattern) for n, s in self.rules.items()},
            "counts": {n: c / (np.abs(c).max() or 1.0) for n, c in counts.items()},
        }

    def make_figure(self):
        """Left |update| against |gradient|, right influence against age."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        self.sizes, self.ages, ages = {}, {}, np.arange(PAST + 1)
        for phase, name in enumerate(NAMES):
            look = style(name, len(SIZES), 2 * phase)
            self.sizes[name] = left.plot(SIZES, SIZES, **look)[0]
            look |= {"markevery": 1}
            self.ages[name] = right.plot(ages, ages, **look)[0]
        self.here = left.axvline(1, color=BLACK, linewidth=1, linestyle=":")
        scale(left.xaxis, "gradient size", SIZES[0], SIZES[-1], "log")
        scale(left.yaxis, "size of the update", LOW, HIGH, "log")
        plain_ticks(left.xaxis, (0.001, 0.01, 0.1, 1, 10, 100))
        plain_ticks(left.yaxis, (1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10))
        left.legend(loc="lower right", frameon=False)
        right.axhline(0, color=GREY, linewidth=1)
        scale(right.xaxis, "gradient of k steps ago", -0.3, PAST + 0.3)
        scale(right.yaxis, "influence, largest = 1", -1.1, 1.1)
        right.set(yticks=(-1, 0, 1))
        right.text(PAST, 0.9, "pushes downhill", color=GREY, ha="right")
        right.text(PAST, -1.0, "pushes uphill", color=GREY, ha="right")
        right.set_xticks(ages[::2])
        return figure, [*self.sizes.values(), self.here, *self.ages.values()]

    def draw(self, result):
        for name in NAMES:
            updates = np.abs(result["updates"][name])
            self.sizes[name].set_ydata(np.clip(updates, LOW, HIGH))
            self.ages[name].set_ydata(-result["counts"][name])
        self.here.set_xdata([result["size"]] * 2)

    def describe(self, result):
        sizes = [f"{name} {self._update(result, name):.2g}" for name in NAMES]
        counts = np.abs(result["counts"]["learned"])
        reach = int((counts >= 0.5).nonzero()[0][-1])
        return (
            f"After ten gradients ({result['past']}) of size {result['size']:.2g} and "
            f"one more, the updates are: {', '.join(sizes)}. The oldest gradient that "
            "still counts half as much as the weightiest, in the learned rule, is "
            f"{reach} steps old."
        )

    def numbers(self, result):
        ages = (0, 1, 5, PAST)
        rows = [
            [
                name,
                f"{self._update(result, name):.3g}",
                *(f"{-result['counts'][name][k]:.2f}" for k in ages),
            ]
            for name in NAMES
        ]
        return ["rule", "update", *(f"influence, k = {k}" for k in ages)], rows

    def _update(self, result, name):
        nearest = np.abs(np.log(SIZES / result["size"])).argmin()
        return float(result["updates"][name][nearest])


def _sizes(step, pattern) -> np.ndarray:
    """The update at every size of SIZES, each in a column of its own."""
    with torch.no_grad():
        grads = torch.from_numpy(pattern[:, None] * SIZES)
        return respond(step, grads).numpy()


OPTIONS = ("Like Momentum: ten times", "Like Adam: about the same", "In between")


def growth_question() -> Guess:
    """Before the panel opens: how does the update grow with the gradient?"""

    def truth():
        pattern = np.append(PATTERNS["steady"], 1.0)
        updates = np.abs(_sizes(learned_step(shipped()), pattern))
        small, large = (updates[np.abs(np.log(SIZES / s)).argmin()] for s in (0.1, 1))
        return OPTIONS[0 if large > 8 * small else 1 if large < 1.25 * small else 2]

    return Guess(
        "All gradients become ten times larger, 1 in place of 0.1. How much larger is "
        "the learned optimizer's step?",
        truth=truth,
        options=OPTIONS,
        because="Read it off on the left: Momentum's line rises tenfold, Adam's is "
        "level.",
    )
