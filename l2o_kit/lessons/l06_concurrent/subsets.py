"""Sources that see small subsets of the data, their classes uneven.

Left how many examples of each class every source has; right the loss on all data of
the shipped optimizer and of tuned Adam, both on the plain average, for every number of
sources. Read from ``stored/subsets``.
"""

import functools

import numpy as np
import torch

from l2o_kit import data
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l06_concurrent.gains import mean_interval, ratio_of
from l2o_kit.lessons.l06_concurrent.teamwork import GRID
from l2o_kit.plots import BLUE, GREY, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

MOST = max(GRID["count"])
LOW, HIGH = 0.05, 30.0
RULES = {"average": "learned", "adam": "Adam"}  # key of the store: look


class Subsets(Panel):
    """Choose how many sources, how large they are, and how uneven their classes."""

    title = "Small, uneven subsets: does cooperation help?"
    strip = (
        {"sources": 3, "size": 80, "concentration": 0.25},
        {"sources": 9, "size": 80, "concentration": 2.0},
    )

    def make_controls(self):
        options = {
            "sources": (GRID["count"], 3),
            "size": (GRID["size"], 80),
            "concentration": (GRID["concentration"], 0.5),
        }
        return {
            name: list_slider(name, values, value)
            for name, (values, value) in options.items()
        }

    def compute(self, state):
        """Counts [source, class], and losses [count of sources, problem]."""
        rows = _rows()
        size = GRID["size"].index(state["size"])
        even = GRID["concentration"].index(state["concentration"])
        losses = {name: rows[name][:, size, even] for name in RULES}
        here = GRID["count"].index(state["sources"])
        return {
            **state,
            "here": here,
            "losses": losses,
            "counts": counts(state["size"], state["concentration"]),
            "gain": ratio_of(losses["average"][here], losses["average"][0]),
            "adam": ratio_of(losses["average"][here], losses["adam"][here]),
            "lr": rows["lr"][here, size, even],
        }

    def make_figure(self):
        """A row of bars for each source; two curves with bands."""
        figure, (left, right) = new_figure(10.0, 4.2, columns=2)
        self.bars = [
            [
                left.plot(
                    [j, j], [-k, -k], color=BLUE, linewidth=9, solid_capstyle="butt"
                )[0]
                for j in range(10)
            ]
            for k in range(MOST)
        ]
        scale(left.xaxis, "class", -0.7, 9.7)
        left.set(
            ylim=(-MOST + 0.4, 1.1), xticks=range(10), yticks=[-k for k in range(MOST)]
        )
        left.set_yticklabels([f"source {k}" for k in range(MOST)])
        left.set_title("examples of each class", fontsize=10)
        self.here = right.axvline(3, color=GREY, linewidth=9, alpha=0.25)
        self.lines, self.spans = {}, {}
        for name, look in RULES.items():
            look = style(look, 5) | {"markevery": 1}
            look["label"] = {"average": "learned, average"}.get(name, "Adam, average")
            self.lines[name] = right.plot(GRID["count"], np.ones(5), **look)[0]
            self.spans[name] = [
                right.plot([x, x], [1, 1], color=look["color"], linewidth=2.5)[0]
                for x in GRID["count"]
            ]
        scale(right.xaxis, "number of sources", 0.5, MOST + 0.5)
        scale(right.yaxis, "loss on all data, near step 100", LOW, HIGH, "log")
        right.set(xticks=GRID["count"])
        plain_ticks(right.yaxis, (0.1, 0.3, 1, 3, 10, 30))
        right.legend(loc="upper right", frameon=False)
        spans = [span for spans in self.spans.values() for span in spans]
        bars = [bar for row in self.bars for bar in row]
        return figure, [self.here, *bars, *spans, *self.lines.values()]

    def draw(self, result):
        tallest = result["counts"].max()
        for k, row in enumerate(self.bars):
            there = k < result["sources"]
            for bar, count in zip(row, result["counts"][k], strict=True):
                top = 0.85 * count / tallest if there else 0.0
                bar.set_ydata([-k - 0.4, -k - 0.4 + top])
        for name, losses in result["losses"].items():
            means, low, high = np.array([mean_interval(each) for each in losses]).T
            self.lines[name].set_ydata(means.clip(LOW / 2, 2 * HIGH))
            for span, *ends in zip(self.spans[name], low, high, strict=True):
                span.set_ydata(np.clip(ends, LOW / 2, 2 * HIGH))
        self.here.set_xdata([result["sources"]] * 2)

    def describe(self, result):
        gain, adam = result["gain"], result["adam"]
        alone = (
            "its loss on all data is"
            if result["sources"] == 1
            else f"its loss on all data is {gain[0]:.2g} times that of one source "
            "alone, and"
        )
        return (
            f"K = {result['sources']}, subsets of {result['size']} examples, "
            f"concentration {result['concentration']:g} (the largest class of source 0 "
            f"has {result['counts'][0].max()}): {alone} {adam[0]:.2g} times that of "
            f"Adam on the average (rate {result['lr']:.2g}). Lambda is 1/K for each, "
            "by symmetry: no source is better than another."
        )

    def numbers(self, result):
        rows = [
            [look, *(f"{loss:.3g}" for loss in result["losses"][name].mean(1))]
            for name, look in RULES.items()
        ]
        return ["sources", *map(str, GRID["count"])], rows


@functools.cache
def _rows() -> dict:
    return stored("subsets", __file__)


@functools.cache
def counts(size: int, concentration: float) -> np.ndarray:
    """How many examples of each class some sources have: [MOST, 10]."""
    y = data.digits()[1]
    return np.stack(
        [
            torch.bincount(
                y[
                    data.dirichlet_subset(
                        y, size, concentration, data.stream(k, "subsets")
                    )
                ],
                minlength=10,
            ).numpy()
            for k in range(MOST)
        ]
    )


def subsets_question() -> Guess:
    """Before the panel opens: how much do two friends help?"""

    def truth():
        size, even = GRID["size"].index(80), GRID["concentration"].index(0.5)
        losses = _rows()["average"][:, size, even].mean(1)
        return float(losses[0] / losses[GRID["count"].index(3)])

    return Guess(
        "A source sees 80 of the 1,438 digits, its classes uneven. Two more like it "
        "join. How many times smaller does the loss on all data become?",
        truth=truth,
        because="Each source knows classes that another hardly has.",
    )
