"""What two LSTMs learned, side by side: the update as a function of the gradient.

A coordinate has met gradients of one size for a while, all of one sign or with signs
that alternate. Now comes the next gradient: which update follows? The same for the LSTM
of the convolutions, for that of the rest, and for Adam.
"""

import functools

import numpy as np
import torch

from l2o_kit.baselines import adam, rivals
from l2o_kit.checkpoint import load
from l2o_kit.plots import BLUE, GREEN, GREY, VERMILION, new_figure, scale
from l2o_kit.teaching.controls import buttons, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

WHO = {
    "conv": ("LSTM of conv", BLUE, "-", "o"),
    "fc": ("LSTM of the rest", GREEN, "--", "s"),
    "Adam": ("Adam", GREY, ":", "X"),
}
FACTORS = np.linspace(-3, 3, 61)  # the next gradient over the size of those before
STEADY, ALTERNATING = "one sign", "alternating"
MOST = 0.03  # of the update's axis


class Updates(Panel):
    """Choose what came before: how large, how many, of which signs."""

    title = "What the two LSTMs learned: from the next gradient to the update"
    strip = (
        {"size": -3.0, "before": 5},
        {"size": -3.0, "before": 50},
        {"size": -3.0, "before": 20, "signs": ALTERNATING},
    )

    def make_controls(self):
        signs = buttons("signs before", [STEADY, ALTERNATING])
        return {
            "signs": signs,
            "size": slider("log10 of size", -3, -6, 0, 0.5),
            "before": slider("steps before", 20, 0, 100, 5),
        }

    def compute(self, state):
        """updates[name] [factors], and the update one more of the same kind gets."""
        size, count = 10.0 ** state["size"], state["before"]
        signs = np.ones(count)
        if state["signs"] == ALTERNATING:
            signs[-2::-2] = -1  # the last one is positive
        past = torch.tensor(size * signs, dtype=torch.float32)
        new = torch.tensor(size * FACTORS, dtype=torch.float32)
        members = dict(load("conv").groups)
        updates = {
            name: learned_update(members[name], past, new) for name in ("conv", "fc")
        }
        return {**state, "updates": updates | {"Adam": adam_update(past, new)}}

    def make_figure(self):
        """The update against the next gradient."""
        figure, (ax,) = new_figure(8.5, 4.2)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.axvline(0, color="black", linewidth=0.8)
        self.lines = {}
        for name, (words, colour, line, marker) in WHO.items():
            (self.lines[name],) = ax.plot(
                FACTORS,
                FACTORS,
                color=colour,
                linestyle=line,
                marker=marker,
                markevery=10,
                linewidth=2.4,
                label=words,
            )
        ax.axvline(1, color=VERMILION, linewidth=1, linestyle=":")
        ax.text(1.05, 0.93 * MOST, "as before", color=VERMILION, va="top")
        scale(ax.xaxis, "next gradient / size of those before", -3, 3)
        scale(ax.yaxis, "update g_t", -MOST, MOST)
        ax.legend(loc="upper left", frameon=False)
        return figure, [*self.lines.values()]

    def draw(self, result):
        for name, line in self.lines.items():
            line.set_ydata(np.clip(result["updates"][name], -1.2 * MOST, 1.2 * MOST))

    def describe(self, result):
        at = int(np.abs(FACTORS - 1).argmin())
        said = ", ".join(
            f"{WHO[name][0]} {values[at]:+.4f}"
            for name, values in result["updates"].items()
        )
        return (
            f"After {result['before']} gradients of size {10 ** result['size']:.1g} "
            f"({result['signs']}), one more of that size, positive, leads to the "
            f"updates: {said}."
        )

    def numbers(self, result):
        at = [int(np.abs(FACTORS - factor).argmin()) for factor in (-3, -1, 0, 1, 3)]
        rows = [
            [WHO[name][0], *(f"{values[k]:+.4f}" for k in at)]
            for name, values in result["updates"].items()
        ]
        return ["next gradient / size", "-3", "-1", "0", "1", "3"], rows


def learned_update(rule, past: torch.Tensor, new: torch.Tensor) -> np.ndarray:
    """The update for each of ``new``, after the same ``past``."""
    state = rule.initial_state(len(new))
    with torch.no_grad():
        for grad in past:
            _, state = rule(grad.expand(len(new)), state)
        return rule(new, state)[0].numpy()


def adam_update(past: torch.Tensor, new: torch.Tensor) -> np.ndarray:
    """The same of Adam at its best rate for the network with all labels."""
    memory, t, lr = (0.0, 0.0), 0, adam_rate()
    for t, grad in enumerate(past.tolist(), start=1):
        _, memory = adam(grad, memory, t, lr, 0.9)
    return adam(new, memory, len(past) + 1, lr, 0.9)[0].numpy()


@functools.cache
def adam_rate() -> float:
    """Adam's best rate for the mean loss over 100 steps."""
    return rivals("conv_all")["Adam"].lr


def larger_question() -> Guess:
    """Before the panel opens: whose steps are larger?"""
    options = (
        "The LSTM of the convolutions",
        "The LSTM of the rest",
        "Both alike, within a tenth",
    )

    def truth():
        shown = Updates().compute({"signs": STEADY, "size": -3.0, "before": 20})
        at = int(np.abs(FACTORS - 1).argmin())
        ratio = abs(shown["updates"]["conv"][at] / shown["updates"]["fc"][at])
        return options[2 if 0.9 < ratio < 1.1 else 0 if ratio > 1 else 1]

    return Guess(
        "Both LSTMs have read twenty gradients of 0.001, all positive, and read one "
        "more. Whose update is larger?",
        truth=truth,
        options=options,
        because="Read both at the dotted line, <i>as before</i>.",
    )
