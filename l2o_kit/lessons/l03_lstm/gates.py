"""One LSTM cell on one coordinate, step by step; its gates are set by hand.

    c' = f c + i tanh(d)            h' = o tanh(c')           o = 1

With the gates held still, that is momentum with beta = f, but for the two tanh: the
cell clips what is large.
"""

import numpy as np

from l2o_kit.plots import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    legend_above,
    new_figure,
    scale,
)
from l2o_kit.teaching.controls import buttons, log_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

STEPS = 20
STREAMS = {
    "steady": lambda t: np.ones_like(t),
    "alternating": lambda t: (-1.0) ** (t + 1),
    "one kick": lambda t: (t == 1).astype(float),
    "noisy": lambda t: np.random.default_rng(0).normal(0.3, 1.0, len(t)),
}
PARTS = (
    ("kept\nf c", BLUE),
    ("new\ni tanh d", ORANGE),
    ("cell\nc'", VERMILION),
    ("hidden\nh'", GREEN),
)


def run_cell(d, f: float, i: float):
    """One cell on the stream d [steps], from zero: kept, new, c', h' [4, steps]."""
    c, rows = 0.0, []
    for x in d:
        kept, new = f * c, i * np.tanh(x)
        c = kept + new
        rows.append((kept, new, c, np.tanh(c)))
    return np.array(rows).T


def momentum(d, beta: float, gain: float) -> np.ndarray:
    """The heavy ball's running sum v = beta v + gain d: [steps]."""
    v, sums = 0.0, []
    for x in d:
        v = beta * v + gain * x
        sums.append(v)
    return np.array(sums)


class Gates(Panel):
    """Set the gates, choose a stream of gradients, and step through the cell."""

    title = "One cell, one coordinate: what do the gates do?"
    strip = (
        {"stream": "steady", "size": 0.1, "forget": 0.9, "input": 1.0, "step": 10},
        {"stream": "alternating", "size": 0.1, "forget": 0.9, "input": 1.0, "step": 10},
        {"stream": "steady", "size": 10.0, "forget": 0.9, "input": 1.0, "step": 3},
    )

    def make_controls(self):
        stream = buttons("gradients", STREAMS, "steady")
        return {
            "stream": stream,
            "size": log_slider("size", 0.1, -2, 1, 0.25),
            "forget": slider("forget gate f", 0.9, 0.0, 1.0, 0.05),
            "input": slider("input gate i", 1.0, 0.0, 1.0, 0.05),
            "step": slider("look at step", 10, 1, STEPS),
        }

    def compute(self, state):
        """The stream, what the cell makes of it, and momentum beside it."""
        d = state["size"] * STREAMS[state["stream"]](np.arange(1, STEPS + 1))
        f, i = state["forget"], state["input"]
        return {**state, "d": d, "cell": run_cell(d, f, i), "v": momentum(d, f, i)}

    def make_figure(self):
        """Left one step as a sum, right all steps; both relative to the largest."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        return figure, [*self._make_sum(left), *self._make_steps(right)]

    def _make_sum(self, left):
        """Bars: what is kept, what is new, the cell, the hidden state."""
        places = np.arange(len(PARTS))
        self.stems = [
            left.plot(
                [x, x], [0, 1], color=colour, linewidth=26, solid_capstyle="butt"
            )[0]
            for x, (_, colour) in zip(places, PARTS, strict=True)
        ]
        self.values = [
            left.text(x, 0, "", ha="center", va="center", weight="bold") for x in places
        ]
        self.signs = [
            left.text(x, 1.5, sign, ha="center", fontsize=14, color=GREY)
            for x, sign in ((0.5, "+"), (1.5, "="), (2.5, "tanh"))
        ]
        left.axhline(0, color=BLACK, linewidth=0.8)
        left.set_xticks(places, [name for name, _ in PARTS])
        left.set(
            xlim=(-0.6, 3.6), ylim=(-1.5, 1.9), yticks=[], ylabel="one step, relative"
        )
        return [*self.stems, *self.values]

    def _make_steps(self, right):
        """What goes in, what momentum would keep, the cell and the hidden state."""
        steps = np.arange(1, STEPS + 1)
        dash = {"linestyle": "", "marker": "_", "markersize": 9, "markeredgewidth": 2.5}
        looks = (
            {"color": GREY, "label": "gradient d"} | dash,
            {"color": SKY, "linewidth": 7, "label": "momentum v"},
            {"color": VERMILION, "marker": "o", "markersize": 4, "linewidth": 2.2}
            | {"label": "cell c'"},
            {"color": GREEN, "linestyle": "-.", "label": "hidden h'"},
        )
        lines = [right.plot(steps, steps, **look)[0] for look in looks]
        self.d, self.v, self.c, self.h = lines
        self.here = right.axvline(1, color=BLACK, linewidth=1, linestyle=":")
        self.scale = right.text(0.6, -1.38, "", color=GREY)
        right.axhline(0, color=BLACK, linewidth=0.8)
        scale(right.xaxis, "step t", 0.3, STEPS + 0.7)
        scale(right.yaxis, "relative to the largest", -1.5, 1.2)
        right.set(yticks=(-1, 0, 1))
        right.set_xticks((1, 5, 10, 15, 20))
        narrow = {"columnspacing": 0.7, "handlelength": 1.2, "handletextpad": 0.8}
        legend_above(right, 4, x=0.48, fontsize=9, **narrow)
        return [self.here, *lines, self.scale]

    def draw(self, result):
        parts = result["cell"][:, result["step"] - 1]
        top = np.abs(parts).max() or 1.0
        for stem, text, value in zip(self.stems, self.values, parts, strict=True):
            stem.set_ydata([0, value / top])
            text.set(
                text=f"{value:.2g}", y=value / top + (0.12 if value >= 0 else -0.12)
            )
        lines = [
            (self.d, result["d"]),
            (self.v, result["v"]),
            (self.c, result["cell"][2]),
            (self.h, result["cell"][3]),
        ]
        scale = max(np.abs(values).max() for _, values in lines)
        for line, values in lines:
            line.set_ydata(values / scale)
        self.scale.set_text(f"1 stands for {scale:.3g}")
        self.here.set_xdata([result["step"]] * 2)

    def describe(self, result):
        t = result["step"]
        kept, new, c, h = result["cell"][:, t - 1]
        return (
            f"Step {t}, gradient {result['d'][t - 1]:.2g} ({result['stream']}), gates "
            f"f = {result['forget']:g}, i = {result['input']:g}: the cell keeps "
            f"{kept:.3g} and adds {new:.3g}, so c' = {c:.3g} and h' = {h:.3g}. "
            f"Momentum with beta = {result['forget']:g} has {result['v'][t - 1]:.3g}."
        )

    def numbers(self, result):
        shown = sorted({1, 2, 5, STEPS, result["step"]})
        rows = [
            [name, *(f"{values[t - 1]:.3g}" for t in shown)]
            for name, values in (
                ("gradient d", result["d"]),
                ("cell c'", result["cell"][2]),
                ("hidden h'", result["cell"][3]),
                ("momentum v", result["v"]),
            )
        ]
        return ["", *(f"step {t}" for t in shown)], rows


def settle_question() -> Guess:
    """Before the panel opens: where does the cell settle under a steady gradient?"""
    return Guess(
        "Forget gate 0.9, input gate 1, and the gradient is 0.1 at every step. Where "
        "does the cell c' settle in the end?",
        truth=lambda: float(run_cell(np.full(500, 0.1), 0.9, 1.0)[2, -1]),
        because="Each step keeps 0.9 of the old and adds 0.1 (tanh of it, to be "
        "exact): c = 0.9 c + 0.1 gives c = 1, ten times the gradient, as momentum.",
    )
