"""The frame of panels that compare settings: a row for each, a dot for each seed.

A bar stands at the median of the dots.
"""

import numpy as np

from l2o_kit.plots import BLACK, VERMILION, new_figure, plain_ticks, scale
from l2o_kit.teaching.panel import Panel


class Dots(Panel):
    """Subclasses give the axis (low, high, ticks, label), rows, seeds, and results.

    A result has "names", and "shares" [setting, seed], of at most ``rows`` settings.
    ``longest`` is the longest name of a row, for which room is kept.
    """

    low, high, ticks, label = 0.1, 10.0, (0.1, 1, 10), ""
    rows, seeds, longest = 1, 3, ""

    def make_figure(self):
        """As many rows as the largest choice has settings."""
        figure, (ax,) = new_figure(8.0, 3.6)
        self.names = [
            ax.text(0.7 * self.low, -k, "", ha="right", va="center")
            for k in range(self.rows)
        ]
        self.bars = [
            ax.plot([1, 1], [-k - 0.3, -k + 0.3], color=BLACK, linewidth=3)[0]
            for k in range(self.rows)
        ]
        self.dots = [
            ax.plot(
                np.ones(self.seeds),
                np.full(self.seeds, -k),
                linestyle="",
                marker="o",
                color=VERMILION,
                markersize=8,
                markerfacecolor="none",
                markeredgewidth=2,
            )[0]
            for k in range(self.rows)
        ]
        scale(ax.xaxis, self.label, self.low, self.high, "log")
        ax.set(ylim=(-self.rows + 0.4, 0.6), yticks=[])
        ax.set_ylabel(self.longest, color="none", rotation=0, labelpad=60)
        plain_ticks(ax.xaxis, self.ticks)
        return figure, [*self.names, *self.bars, *self.dots]

    def draw(self, result):
        """Rows beyond the settings are moved out of sight."""
        for k in range(self.rows):
            there = k < len(result["names"])
            shares = result["shares"][k] if there else np.full(self.seeds, self.low / 9)
            diverges = ": diverges" if np.isinf(shares).any() else ""
            # infinite is out of sight
            shares = np.clip(shares, self.low / 9, 9 * self.high)
            self.names[k].set_text(result["names"][k] + diverges if there else "")
            self.dots[k].set_xdata(shares)
            self.bars[k].set_xdata([np.median(shares)] * 2)
