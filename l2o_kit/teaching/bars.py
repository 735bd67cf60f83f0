"""Bars of trust: what each of K sources weighs, by one or several accounts.

A bar is a thick line, so that its height is among the plotted numbers.
"""

import numpy as np
from matplotlib.lines import Line2D

from l2o_kit.plots import BLACK, GREEN, GREY, VERMILION, legend_above, scale

# account: colour; a hatch would need patches, so each has a marker at its top too
LOOKS = {
    "shipped": (GREY, "s"),
    "learned": (VERMILION, "o"),
    "theory": (GREEN, "^"),
    "guess": (GREY, "s"),
    "inverse variances": (GREY, "s"),
}
WIDTH = 0.8  # of a source's place


class Bar(Line2D):
    """An upright line, as broad as it is told in units of the horizontal axis."""

    def __init__(self, x: int | float, broad: int | float, colour: str):
        super().__init__([x, x], [0, 0], color=colour, solid_capstyle="butt")
        self.broad = broad

    def draw(self, renderer):
        """As every line, in the width that the axes have now."""
        left, right = self.axes.transData.transform([[0, 0], [self.broad, 0]])[:, 0]
        self.set_linewidth((right - left) * 72 / self.figure.dpi)
        super().draw(renderer)


class Bars:
    """Groups of bars on an axes: one group for each source, one bar per account."""

    def __init__(self, ax, num_sources: int, accounts: tuple[str, ...]):
        self.lines, self.tops = {}, {}
        places = np.arange(num_sources)
        step = WIDTH / len(accounts)
        for j, name in enumerate(accounts):
            colour, marker = LOOKS[name]
            at = places + (j - (len(accounts) - 1) / 2) * step
            self.lines[name] = [ax.add_line(Bar(x, 0.96 * step, colour)) for x in at]
            self.tops[name] = ax.plot(
                at,
                np.zeros(num_sources),
                color=BLACK,
                linestyle="",
                marker=marker,
                markersize=5,
                markerfacecolor=colour,
                label=name,
            )[0]
        scale(ax.xaxis, "source k", -0.55, num_sources - 0.45)
        scale(ax.yaxis, "weight lambda_k", 0, 1.02)
        ax.set(xticks=places)
        ax.grid(axis="x", visible=False)
        narrow = {"handletextpad": 0.1, "columnspacing": 0.8}
        legend_above(ax, len(accounts), fontsize=9, **narrow)

    @property
    def moving(self) -> list:
        """The artists that ``set`` updates."""
        bars = [line for lines in self.lines.values() for line in lines]
        return [*bars, *self.tops.values()]

    def set(self, name: str, weights):
        """Give one account's weights [K]; None hides them below the axis."""
        weights = np.full(len(self.lines[name]), -1.0) if weights is None else weights
        for line, weight in zip(self.lines[name], weights, strict=True):
            line.set_ydata([min(0.0, float(weight)), float(weight)])
        self.tops[name].set_ydata(weights)


def listed(weights) -> str:
    """Weights in words: 0.75, 0.19, 0.05, 0.02."""
    return ", ".join(f"{weight:.2f}" for weight in weights)
