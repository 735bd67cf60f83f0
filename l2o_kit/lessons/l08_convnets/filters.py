"""The filters of the first convolution as they grow, and the sizes of the gradients.

Left the sixteen filters of 5x5 pixels in colour; right how large the gradients of the
two groups are, a band from the 10th to the 90th percentile, over the steps. One
network, trained by two learned LSTMs or by Adam. Read from ``stored``.
"""

import functools

import ipywidgets as widgets
import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l08_convnets.places import EVERY, FILTERS, QUANTILES, STEPS
from l2o_kit.plots import BLACK, BLUE, GREEN, new_figure, scale
from l2o_kit.teaching.controls import buttons
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

GROUPS = {"conv": (BLUE, "-"), "rest": (GREEN, "--")}
SIDE, GAP = 4, 1  # filters in a row; pixels between them
FILTER, CHANGE = "the filters", "their change since step 0"
LOW, MIDDLE, HIGH = 0, QUANTILES.index(0.5), len(QUANTILES) - 1


class Filters(Panel):
    """Choose who trains and the step."""

    title = "What the network learns to see, step by step"
    strip = ({"step": 0}, {"step": 100}, {"show": CHANGE, "step": 100})

    def make_controls(self):
        rule = buttons("trained by", FILTERS)
        show = buttons("left", [FILTER, CHANGE])
        step = widgets.IntSlider(40, 0, STEPS, EVERY, description="step t")
        return {"rule": rule, "show": show, "step": step}

    def compute(self, state):
        """The filters now, how far they moved, the loss, the gradients' sizes."""
        rows = _rows(state["rule"])
        filters = rows["filters"].astype(float)
        shot = filters[state["step"] // EVERY]
        moved = np.linalg.norm(shot - filters[0]) / np.linalg.norm(filters[0])
        if state["show"] == CHANGE:
            filters = filters - filters[0]
            shot = filters[state["step"] // EVERY]
        return {
            **state,
            "tiles": tiled(shot, np.abs(filters).max()),
            "moved": moved,
            "loss": rows["loss"][state["step"]],
            "sizes": 10.0 ** rows["sizes"],
        }

    def make_figure(self):
        """Left a picture; right two bands and a line that says when."""
        figure, (left, right) = new_figure(10.0, 4.0, columns=2)
        left.grid(False)
        left.axis("off")
        wide = SIDE * (5 + GAP) - GAP
        self.image = left.imshow(np.zeros((wide, wide, 3)), interpolation="nearest")
        left.set_title("first convolution: 16 filters, grey is 0", fontsize=11)
        steps = np.arange(STEPS + 1)
        self.lines, self.bands = {}, {}
        for name, (colour, line) in GROUPS.items():
            self.bands[name] = right.fill_between(
                steps, 1, 1, color=colour, alpha=0.2, linewidth=0
            )
            (self.lines[name],) = right.plot(
                steps,
                steps + 1.0,
                color=colour,
                linestyle=line,
                label=name,
                linewidth=2.2,
            )
        (self.now,) = right.plot([0, 0], [1e-9, 1], color=BLACK, linestyle=":")
        scale(right.xaxis, "step t", 0, STEPS)
        scale(right.yaxis, "|gradient| of a coordinate", 1e-6, 1.0, "log")
        right.set_title("median, and 10 % to 90 %")
        right.legend(loc="lower left", frameon=False)
        moving = [*self.bands.values(), *self.lines.values(), self.now]
        return figure, [self.image, *moving]

    def draw(self, result):
        self.image.set_data(result["tiles"])
        steps = np.arange(STEPS + 1)
        for k, name in enumerate(GROUPS):
            sizes = np.clip(result["sizes"][:, k], 1e-7, 10)
            self.lines[name].set_ydata(sizes[:, MIDDLE])
            self.bands[name].set_data(steps, sizes[:, LOW], sizes[:, HIGH])
        self.now.set_xdata([result["step"]] * 2)

    def describe(self, result):
        conv, rest = result["sizes"][result["step"], :, MIDDLE]
        return (
            f"Trained by {result['rule']}, step {result['step']}, left "
            f"{result['show']}: the loss is {result['loss']:.2f}. The filters have "
            f"moved by {result['moved']:.2f} times their first length. The median "
            f"gradient is {conv:.1e} for the convolutions' weights and {rest:.1e} for "
            "the rest."
        )

    def data(self):
        """The pixels of the filters, too."""
        return np.concatenate([super().data(), self.image.get_array().ravel()])

    def numbers(self, result):
        rows = [
            [name, *(f"{size:.1e}" for size in sizes)]
            for name, sizes in zip(GROUPS, result["sizes"][result["step"]], strict=True)
        ]
        header = [f"{100 * quantile:.0f} %" for quantile in QUANTILES]
        return ["|gradient|, of all coordinates", *header], rows


def tiled(filters: np.ndarray, largest: float) -> np.ndarray:
    """Filters [16, 3, 5, 5] as one colour picture in [0, 1]; grey is 0."""
    wide = SIDE * (5 + GAP) - GAP
    out = np.ones((wide, wide, 3))
    for k, one in enumerate(filters):
        top, left = (5 + GAP) * (k // SIDE), (5 + GAP) * (k % SIDE)
        out[top : top + 5, left : left + 5] = 0.5 + 0.5 * one.transpose(1, 2, 0) / (
            largest
        )
    return out


@functools.cache
def _rows(rule: str) -> dict:
    arrays = stored("watched", __file__)
    return {key: arrays[f"{rule}_{key}"] for key in ("filters", "sizes", "loss")}


def moved_question() -> Guess:
    """Before the panel opens: who moves the filters further?"""
    options = ("The two LSTMs", "Adam, at its best rate", "Both as far, within a tenth")

    def truth():
        far = []
        for rule in FILTERS:
            filters = _rows(rule)["filters"].astype(float)
            far.append(np.linalg.norm(filters[-1] - filters[0]))
        ratio = far[0] / far[1]
        return options[2 if 0.9 < ratio < 1.1 else 0 if ratio > 1 else 1]

    return Guess(
        "The same network, twice: the two learned LSTMs train it for 100 steps, and so "
        "does Adam. Who moves the filters of the first convolution further?",
        truth=truth,
        options=options,
        because="The sentence below the picture says how far, at each step.",
    )
