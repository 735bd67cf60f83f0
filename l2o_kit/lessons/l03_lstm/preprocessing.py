"""Preprocessing, seen: what the network is shown of a gradient, and what it can tell.

Left the two numbers that "log_sign" makes of a gradient d > 0, beside d itself. Right
how far a gate sigmoid(x) moves between d and 2 d: whatever moves no gate is invisible.
"""

import numpy as np
import torch

from l2o_kit.optimizer import log_sign
from l2o_kit.plots import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    legend_above,
    new_figure,
    plain_ticks,
    scale,
)
from l2o_kit.teaching.controls import log_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

SIZES = 10 ** np.arange(-8, 4.01, 0.05)  # |d|
LOW, HIGH = 1e-7, 5.0  # of the right axis
KINDS = {"raw": (VERMILION, "--", "d itself"), "log_sign": (BLUE, "-", "preprocessed")}


def features(d, p: float) -> np.ndarray:
    """What "log_sign" shows of gradients d [n]: log part, sign part [2, n]."""
    return log_sign(torch.as_tensor(d, dtype=torch.float64)[None], p).numpy()


def contrast(d, kind: str, p: float) -> np.ndarray:
    """How far gates sigmoid(x), one for each input, move between d and 2 d: [n]."""
    d = np.atleast_1d(np.asarray(d, dtype=float))
    once, twice = (
        features(k * d, p) if kind == "log_sign" else (k * d)[None] for k in (1, 2)
    )
    return np.linalg.norm(_gate(twice) - _gate(once), axis=0)


def _gate(x):
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


class Preprocessing(Panel):
    """Move p and the gradient's size; see what reaches the network."""

    title = "Preprocessing: what does the network see of a gradient?"
    strip = (
        {"p": 10.0, "size": 1.0},
        {"p": 10.0, "size": 1e-4},
        {"p": 5.0, "size": 1e-4},
    )

    def make_controls(self):
        return {
            "p": slider("p", 10.0, 2.0, 20.0, 0.5),
            "size": log_slider("gradient size |d|", 1e-3, -8, 4, 0.25),
        }

    def compute(self, state):
        """Both curves of both plots, and their values at the chosen size."""
        p, size = state["p"], state["size"]
        return {
            **state,
            "features": features(SIZES, p),
            "here": features([size], p)[:, 0],
            "contrast": {kind: contrast(SIZES, kind, p) for kind in KINDS},
            "contrast here": {kind: contrast(size, kind, p)[0] for kind in KINDS},
        }

    def make_figure(self):
        """Left what the network sees, right what a gate can tell apart."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        moving = [*self._make_inputs(left), *self._make_gates(right)]
        for ax in (left, right):
            plain_ticks(ax.xaxis, (1e-8, 1e-4, 1, 1e4))
        return figure, moving

    def _make_inputs(self, left):
        """The two parts that the network is shown, beside d itself."""
        left.plot(SIZES, SIZES, color=VERMILION, linestyle="--", linewidth=2)
        left.text(2.2, 1.25, "d itself", color=VERMILION, weight="bold")
        self.parts = [
            left.plot(
                SIZES, SIZES, color=colour, linestyle=line, linewidth=2.4, label=label
            )[0]
            for colour, line, label in (
                (BLUE, "-", "log part"),
                (GREEN, "-.", "sign part"),
            )
        ]
        self.threshold = left.axvline(1, color=GREY, linestyle=":")
        self.name = left.text(1, -1.35, "", color=GREY)
        self.points = [
            left.plot([1], [1], marker, color=BLACK, markersize=9)[0] for marker in "os"
        ]
        scale(left.xaxis, "gradient size |d|, d > 0", SIZES[0], SIZES[-1], "log")
        scale(left.yaxis, "input to the network", -1.5, 1.5)
        legend_above(left, 2)
        return [*self.parts, self.threshold, self.name, *self.points]

    def _make_gates(self, right):
        """How far a gate moves between d and 2 d, with and without preprocessing."""
        self.curves = {
            kind: right.plot(
                SIZES, SIZES, color=colour, linestyle=line, linewidth=2.4, label=label
            )[0]
            for kind, (colour, line, label) in KINDS.items()
        }
        self.marks = {
            kind: right.plot([1], [1], "o", color=BLACK, markersize=9)[0]
            for kind in KINDS
        }
        right.axhspan(LOW, 1e-3, color=GREY, alpha=0.15, linewidth=0)
        right.text(7e3, 2e-7, "too little to notice", color=GREY, ha="right")
        scale(right.xaxis, "gradient size |d|", SIZES[0], SIZES[-1], "log")
        scale(right.yaxis, "a gate moves, d against 2 d", LOW, HIGH, "log")
        right.legend(loc="upper left", frameon=False)
        plain_ticks(right.yaxis, (1e-6, 1e-4, 0.01, 1))
        return [*self.curves.values(), *self.marks.values()]

    def draw(self, result):
        edge = np.exp(-result["p"])
        for line, y in zip(self.parts, result["features"], strict=True):
            line.set_ydata(y)
        self.threshold.set_xdata([edge, edge])
        self.name.set(x=1.3 * max(edge, SIZES[0]), text="e^-p")
        for point, y in zip(self.points, result["here"], strict=True):
            point.set_data([result["size"]], [y])
        for kind, line in self.curves.items():
            line.set_ydata(np.clip(result["contrast"][kind], LOW / 2, HIGH))
            here = np.clip(result["contrast here"][kind], 1.1 * LOW, HIGH)
            self.marks[kind].set_data([result["size"]], [here])

    def describe(self, result):
        first, second = result["here"]
        raw, own = (result["contrast here"][kind] for kind in KINDS)
        return (
            f"With p = {result['p']:g}, a gradient of {result['size']:.2g} becomes "
            f"({first:.2f}, {second:.2g}), the {'log' if second == 1 else 'linear'} "
            f"branch. Between d and 2 d a gate moves by {own:.2g}; shown d itself, by "
            f"{raw:.2g}."
        )

    def numbers(self, result):
        rows = []
        for name, factor in (("d", 1), ("-d", -1), ("2 d", 2), ("d / 10", 0.1)):
            d = factor * result["size"]
            first, second = features([d], result["p"])[:, 0]
            rows.append([name, f"{d:.3g}", f"{first:.3f}", f"{second:.3g}"])
        return ["gradient", "d itself", "log part", "sign part"], rows


OPTIONS = ("Around 1", "The smallest ones", "The largest ones", "All the same")


def raw_question() -> Guess:
    """Before the panel opens: which raw gradients can a network tell apart?"""

    def truth():
        best = SIZES[contrast(SIZES, "raw", 10.0).argmax()]
        return OPTIONS[0 if 0.1 < best < 10 else 1 if best < 1 else 2]

    return Guess(
        "Feed gradients to the network as they are. Of which size can it best tell d "
        "from 2 d?",
        truth=truth,
        options=OPTIONS,
        because="A small d hardly moves a gate, and a large one has moved it as far as "
        "it goes: the dashed hump on the right.",
    )
