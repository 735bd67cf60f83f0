"""Away from home: the shipped optimizer on quadratics it was not trained for.

Left the losses at one place; right the learned mean loss over the best rival's at all
places, another scale, dimension or horizon. Everything is read from ``stored``.
"""

import functools

import numpy as np

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l03_lstm.away import AXES, HOME, PLACES, POINTS
from l2o_kit.plots import BLACK, GREY, VERMILION, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

HERE, ANEW = "at home, as the learned one", "anew, at each place"
TUNED = {HERE: 0, ANEW: 1}
NAMES = ("learned", *SIX)
LOW, HIGH = 1e-4, 30.0  # of the losses, relative to the first
GAP = 1  # empty columns between two axes on the right


class Away(Panel):
    """Choose a place, and where the rivals were tuned; see who is ahead."""

    title = "Away from home: does what was learned still hold?"
    strip = (
        {"place": ("dimension", 20), "tuned": HERE},
        {"place": ("scale", 10), "tuned": HERE},
        {"place": ("horizon", 1000), "tuned": ANEW},
    )

    def make_controls(self):
        place = list_slider(
            "place",
            [(f"{axis} {value:g}", (axis, value)) for axis, value in PLACES],
            ("dimension", 10),
        )
        tuned = buttons("rivals tuned", TUNED, HERE)
        return {"tuned": tuned, "place": place}

    def compute(self, state):
        """The place's curves, relative to the first loss, and every place's ratio."""
        rows, tuned = _rows(), TUNED[state["tuned"]]
        here = PLACES.index(state["place"])
        curves = rows["curves"][here, tuned]
        return {
            **state,
            "here": here,
            "curves": curves / curves[:, :1],
            "ratios": rows["ratio"][:, tuned],
            "ratio": rows["ratio"][here, tuned],
            "best": SIX[rows["best"][here, tuned]],
        }

    def make_figure(self):
        """Left curves against the share of the horizon, right three rows of ratios."""
        figure, (left, right) = new_figure(10.0, 4.0, columns=2)
        share = np.linspace(0, 100, POINTS)
        self.lines = [
            left.plot(share, share, **style(name, POINTS, 2 * phase))[0]
            for phase, name in enumerate(NAMES)
        ]
        scale(left.xaxis, "step, % of the horizon", 0, 100)
        scale(left.yaxis, "loss / first loss", LOW, HIGH, "log")
        plain_ticks(left.yaxis, (1e-4, 1e-3, 0.01, 0.1, 1, 10))
        left.legend(loc="upper right", frameon=False, ncols=2, fontsize=9)
        return figure, [*self.lines, *self._make_ratios(right)]

    def _make_ratios(self, right):
        """Every place, in three rows; home is named in each."""
        right.axhline(1, color=BLACK, linestyle="--", linewidth=1.4)
        self.columns = _columns()
        self.here = right.axvline(0, color=GREY, linewidth=9, alpha=0.25)
        self.ratios, self.spans = [], []
        for axis, values in AXES.items():
            xs = [self.columns[PLACES.index((axis, value))] for value in values]
            self.ratios += right.plot(xs, np.ones(len(xs)), color=VERMILION, marker="o")
            self.spans += [
                right.plot([x, x], [1, 1], color=VERMILION, linewidth=2.5)[0]
                for x in xs
            ]
            home = xs[values.index(HOME[axis])]
            right.text(np.mean(xs), 45, axis, ha="center", weight="bold")
            right.text(home, 0.27, "home", ha="center", color=BLACK)
        words, below = "worse than\nthe best rival", {"va": "bottom", "ha": "right"}
        right.text(self.columns[-1], 1.1, words, color=GREY, **below)
        scale(right.yaxis, "mean loss, learned / best rival", 0.25, 60, "log")
        right.set(xlim=(-0.8, self.columns[-1] + 0.8))
        right.set_xticks(
            self.columns, [f"{value:g}" for _, value in PLACES], rotation=90, fontsize=9
        )
        plain_ticks(right.yaxis, (0.3, 0.5, 1, 3, 10, 30))
        return [self.here, *self.spans, *self.ratios]

    def draw(self, result):
        for line, losses in zip(self.lines, result["curves"], strict=True):
            line.set_ydata(np.clip(losses, LOW / 2, 2 * HIGH))
        values, low, high = result["ratios"].T
        begin = 0
        for line in self.ratios:
            end = begin + len(line.get_xdata())
            line.set_ydata(values[begin:end])
            begin = end
        for span, *ends in zip(self.spans, low, high, strict=True):
            span.set_ydata(ends)
        self.here.set_xdata([self.columns[result["here"]]] * 2)

    def describe(self, result):
        axis, value = result["place"]
        ratio, low, high = result["ratio"]
        who = "ahead of" if high < 1 else "behind" if low > 1 else "level with"
        home = " (home)" if HOME[axis] == value else ""
        where = "at home" if result["tuned"] == HERE else "here"
        return (
            f"At {axis} {value:g}{home} the learned optimizer is {who} the best of six "
            f"rivals tuned {where}, {result['best']}: its mean loss is {ratio:.2f} "
            f"times as large (95 % interval {low:.2f} to {high:.2f})."
        )

    def numbers(self, result):
        rows = []
        for axis, values in AXES.items():
            ratios = [result["ratios"][PLACES.index((axis, v))] for v in values]
            rows.append(
                [axis]
                + [f"{v:g}: {r[0]:.2f}" for v, r in zip(values, ratios, strict=True)]
            )
        places = range(1, 1 + max(map(len, AXES.values())))
        return ["value: ratio", *(f"place {place}" for place in places)], rows


@functools.cache
def _rows() -> dict:
    return {k: v for k, v in stored("elsewhere", __file__).items() if k != "provenance"}


def _columns() -> list[int]:
    """Where each place stands on the right: a gap after each axis."""
    axes = list(AXES)
    return [k + GAP * axes.index(axis) for k, (axis, _) in enumerate(PLACES)]


OPTIONS = (
    "Another scale: all losses ten times as large",
    "Twice the dimension",
    "Ten times the horizon",
)


def break_question() -> Guess:
    """Before the panel opens: which change hurts most?"""
    changed = (("scale", 10), ("dimension", 20), ("horizon", 1000))

    def truth():
        ratios = [_rows()["ratio"][PLACES.index(place), 0, 0] for place in changed]
        return OPTIONS[int(np.argmax(ratios))]

    return Guess(
        "One thing changes, and nothing is trained or tuned anew. Which change hurts "
        "the learned optimizer most, beside the best of the six?",
        truth=truth,
        options=OPTIONS,
        because="It reads the gradient as it is, so it knows the size of the gradients "
        "it met in training, and of no others.",
    )
