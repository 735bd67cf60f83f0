"""Choices in meta-training: what a discount, a horizon, a rate of phi lead to.

A row for each setting, a dot for each seed, a bar at their median. Read from
``stored/experiments``.
"""

import functools

import ipywidgets as widgets
import numpy as np

from l2o_kit.experiments import CHOICES, MARKS, SEEDS, SETTINGS
from l2o_kit.panels.base import Panel
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.race import plain_ticks
from l2o_kit.plots import BLACK, VERMILION, new_figure
from l2o_kit.store import stored


class Choices(Panel):
    """Choose what varies, and after how many steps it is judged."""

    title = "Choices in meta-training"
    strip = (
        {"choice": "discount", "steps": 100},
        {"choice": "horizon", "steps": 1000},
        {"choice": "rate of phi", "steps": 100},
    )
    low, high, rows = 1e-5, 10.0, max(map(len, CHOICES.values()))
    ticks = (1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10)
    label = "loss at that step / first loss, fresh problems"
    longest = "0.01, 0.001, 0.0001"  # name of a row

    def make_controls(self):
        """What varies; the steps."""
        choice = widgets.ToggleButtons(options=list(CHOICES), description="choice")
        steps = widgets.SelectionSlider(
            options=MARKS, description="judged at step", continuous_update=False
        )
        return {"choice": choice, "steps": steps}

    def compute(self, state):
        """shares [setting, seed] of the first loss, and the settings' names."""
        rows = [k for k, (kind, _) in enumerate(SETTINGS) if kind == state["choice"]]
        shares = _outcome()[rows, :, MARKS.index(state["steps"])]
        return {**state, "shares": shares, "names": list(CHOICES[state["choice"]])}

    def make_figure(self):
        """As many rows as the largest choice has settings."""
        figure, (ax,) = new_figure(8.0, 3.6)
        self.names = [ax.text(0.7 * self.low, -k, "", ha="right", va="center")
                      for k in range(self.rows)]  # fmt: skip
        self.bars = [ax.plot([1, 1], [-k - 0.3, -k + 0.3], color=BLACK, linewidth=3)[0]
                     for k in range(self.rows)]  # fmt: skip
        self.dots = [ax.plot(np.ones(SEEDS), np.full(SEEDS, -k), linestyle="",
                             marker="o", color=VERMILION, markersize=8,
                             markerfacecolor="none", markeredgewidth=2)[0]
                     for k in range(self.rows)]  # fmt: skip
        ax.set(xscale="log", xlim=(self.low, self.high), ylim=(-self.rows + 0.4, 0.6),
               yticks=[], xlabel=self.label)  # fmt: skip
        ax.set_ylabel(self.longest, color="none", rotation=0, labelpad=60)
        plain_ticks(ax.xaxis, self.ticks)
        return figure, [*self.names, *self.bars, *self.dots]

    def draw(self, result):
        """Rows beyond the settings are moved out of sight."""
        for k in range(self.rows):
            there = k < len(result["names"])
            shares = result["shares"][k] if there else np.full(SEEDS, self.low / 9)
            diverges = ": diverges" if np.isinf(shares).any() else ""
            shares = np.clip(
                shares, self.low / 9, 9 * self.high
            )  # infinite: out of sight
            self.names[k].set_text(result["names"][k] + diverges if there else "")
            self.dots[k].set_xdata(shares)
            self.bars[k].set_xdata([np.median(shares)] * 2)

    def describe(self, result):
        """The best and the worst setting."""
        medians = np.median(result["shares"], axis=1)
        best, worst = int(medians.argmin()), int(medians.argmax())
        return (
            f"{result['choice']}, judged at step {result['steps']}: best is "
            f"{result['names'][best]}, with {_share(medians[best])} of the first loss "
            f"left (median of {SEEDS} seeds), worst {result['names'][worst]}: "
            f"{_share(medians[worst])}."
        )

    def numbers(self, result):
        """All seeds."""
        pairs = zip(result["names"], result["shares"], strict=True)
        rows = [[name, *map(_share, some)] for name, some in pairs]
        return [result["choice"], *(f"seed {k}" for k in range(SEEDS))], rows


@functools.cache
def _outcome() -> np.ndarray:
    return stored("experiments")["outcome"]


def _share(value: float) -> str:
    return f"{value:.2g}" if value < 1e4 else "it diverges"


def discount_question() -> Guess:
    """Before the panel opens: which discount leads furthest in 100 steps?"""
    names = list(CHOICES["discount"])

    def truth():
        rows = [SETTINGS.index(("discount", name)) for name in names]
        return names[int(np.median(_outcome()[rows, :, 0], axis=1).argmin())]

    return Guess(
        "The loss at step s of a roll-out that ends at b weighs discount^(b - s): 0 is "
        "the last loss only, 1 the plain sum. Which leads to the lowest loss at step "
        "100?",
        truth=truth, options=tuple(names),
        because="One loss says little about a hundred updates; a sum says something "
        "about each.",
    )  # fmt: skip
