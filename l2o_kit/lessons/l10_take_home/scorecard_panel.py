"""The scorecard: which learned optimizer can be trusted on which task.

Left a cell for each pair, green where it is ahead of tuned Adam, red where it is
behind; right the losses of one pair. Read from ``stored/scorecard``.
"""

import functools
import itertools

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l10_take_home.scorecard import (
    MEASURES,
    POINTS,
    RULES,
    TASKS,
    WORST,
    colour,
)
from l2o_kit.plots import BLACK, GREY, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

KINDS = {"green": "✓", "undecided": "?", "red": "✗", "no fit": ""}
COLOURS = ListedColormap(["#BFE5D8", "#E8E8E8", "#F6CFB8", "#FFFFFF"])
LOW, HIGH = 1e-3, 30.0  # of the losses on the right
RAW = ("quadratic",)
ROBUST = ("digits_robust", "diabetes", "neural_art")


class TrustCard(Panel):
    """Choose an optimizer, a task, and what is measured."""

    title = "How far can it be trusted?"
    strip = (
        {"optimizer": "digits", "task": "digits, ReLU"},
        {"optimizer": "digits_robust", "task": "breast cancer"},
    )

    def make_controls(self):
        return {
            "measure": buttons("loss over", MEASURES),
            "optimizer": list_slider("optimizer", list(RULES), "digits"),
            "task": list_slider("task", list(TASKS), "digits"),
        }

    def compute(self, state):
        """All ratios [task, rule, 3], and the two curves of the cell."""
        rows, k = _rows(), MEASURES.index(state["measure"])
        task, rule = list(TASKS).index(state["task"]), RULES.index(state["optimizer"])
        return {
            **state,
            "ratios": rows["ratios"][:, :, k],
            "at": (task, rule),
            "adam": rows["curves"][task, 0],
            "rate": rows["rates"][task, k],
            "learned": rows["curves"][task, 1 + rule],
        }

    def make_figure(self):
        """Left the cells, right two curves."""
        figure, (left, right) = new_figure(10.5, 5.0, columns=2)
        left.get_subplotspec().get_gridspec().set_width_ratios([2.1, 1])
        left.grid(False)
        shape = (len(RULES), len(TASKS))
        self.image = left.imshow(
            np.zeros(shape), cmap=COLOURS, vmin=0, vmax=3, aspect="auto"
        )
        self.cells = [
            left.text(j, i, "", ha="center", va="center", fontsize=8)
            for j in range(shape[1])
            for i in range(shape[0])
        ]
        self.homes = [
            left.add_patch(_frame(j, i, linewidth=1.6))
            for j, task in enumerate(TASKS.values())
            for i, rule in enumerate(RULES)
            if rule in task.home
        ]
        self.here = left.add_patch(_frame(0, 0, linewidth=4))
        left.set_xticks(range(shape[1]), list(TASKS), rotation=35, ha="right")
        left.set_yticks(range(shape[0]), RULES)
        left.set_title("loss / that of tuned Adam; framed: trained there", fontsize=10)
        share = np.linspace(0, 100, POINTS)
        self.lines = [
            right.plot(share, share, **style(name, POINTS))[0]
            for name in ("learned", "Adam")
        ]
        (self.span,) = right.plot(
            [0, 100], [1.5 * LOW] * 2, color=GREY, linewidth=7, solid_capstyle="butt"
        )
        right.set_title("grey: the steps that count", fontsize=10)
        scale(right.xaxis, "step, % of the horizon", 0, 100)
        scale(right.yaxis, "loss / first loss", LOW, HIGH, "log")
        plain_ticks(right.yaxis, (0.001, 0.01, 0.1, 1, 10))
        right.legend(handles=self.lines, loc="upper right", frameon=False)
        moving = [self.image, *self.cells, *self.homes, self.here, self.span]
        return figure, [*moving, *self.lines]

    def draw(self, result):
        kinds = [[colour(cell) for cell in column] for column in result["ratios"]]
        numbers = [[list(KINDS).index(kind) for kind in column] for column in kinds]
        self.image.set_data(np.array(numbers).T)
        cells = result["ratios"].reshape(-1, 3)
        for text, kind, cell in zip(
            self.cells, itertools.chain(*kinds), cells, strict=True
        ):
            text.set_text(
                "no fit" if kind == "no fit" else f"{KINDS[kind]} {_short(cell[0])}"
            )
        task, rule = result["at"]
        self.here.set_xy((task - 0.5, rule - 0.5))
        fit = np.isfinite(result["learned"]).all()
        self.lines[0].set_visible(bool(fit))
        curves = result["learned"] if fit else result["adam"], result["adam"]
        for line, losses in zip(self.lines, curves, strict=True):
            line.set_ydata(np.clip(losses, LOW / 2, 2 * HIGH))
        self.span.set_xdata([0 if result["measure"] == MEASURES[0] else 90, 100])

    def describe(self, result):
        task, rule = result["at"]
        value, low, high = result["ratios"][task, rule]
        name, kind = result["optimizer"], colour((value, low, high))
        head = f"{name} on {result['task']}, {result['measure']}: "
        if kind == "no fit":
            return head + f"it cannot be used. {reason(name, result['task'], kind)}"
        many = "more than " if value >= WORST else ""
        return head + (
            f"{kind}. Its loss is {many}{_short(value)} times that of Adam at its best "
            f"rate, {result['rate']:.2g} (95 % interval {_short(low)} to "
            f"{_short(high)}). {reason(name, result['task'], kind)}"
        )

    def numbers(self, result):
        counts = count(result["measure"])
        header = ["", *KINDS]
        rows = [
            [where, *(str(counts[where][kind]) for kind in KINDS)]
            for where in ("at home", "away")
        ]
        return header, rows


def reason(rule: str, task: str, kind: str) -> str:
    """Why, in a sentence: what lesson 05 says of it."""
    if kind == "no fit":
        return "Its two LSTMs are for convolutions and for the rest: none are here."
    if rule in TASKS[task].home:
        return "It was trained on this task."
    if task == "digits, 1,000 steps" and rule == "digits":
        return "It was trained for 100 steps: it falls quickly, and cannot settle."
    if rule in RAW:
        return "It reads gradients as they are: it knows the sizes it met, no others."
    if rule in ROBUST:
        return (
            "Its inputs are divided by their usual size and its steps are bounded: "
            "other sizes do not upset it, and its pace was learned elsewhere."
        )
    return "Nothing bounds its steps, and its pace was learned elsewhere."


@functools.cache
def count(measure: str) -> dict:
    """{"at home" or "away": {kind: how many cells}}."""
    ratios = _rows()["ratios"][:, :, MEASURES.index(measure)]
    counts = {where: dict.fromkeys(KINDS, 0) for where in ("at home", "away")}
    for task, column in zip(TASKS.values(), ratios, strict=True):
        for rule, cell in zip(RULES, column, strict=True):
            where = "at home" if rule in task.home else "away"
            counts[where][colour(cell)] += 1
    return counts


@functools.cache
def _rows() -> dict:
    return {k: v for k, v in stored("scorecard", __file__).items() if k != "provenance"}


def _frame(column: int, row: int, linewidth: int | float) -> Rectangle:
    return Rectangle(
        (column - 0.5, row - 0.5),
        1,
        1,
        fill=False,
        edgecolor=BLACK,
        linewidth=linewidth,
    )


def _short(value: float) -> str:
    """Two digits that matter, and 99 for all that is more."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.0f}"


FEW, SOME, MOST = (
    "Fewer than a third",
    "Between a third and two thirds",
    ("More than two thirds"),
)


def trust_question() -> Guess:
    """Before the panel opens: how often does it hold away from home?"""

    def truth():
        away = count(MEASURES[0])["away"]
        share = away["green"] / (sum(away.values()) - away["no fit"])
        return FEW if share < 1 / 3 else SOME if share < 2 / 3 else MOST

    return Guess(
        "Each shipped optimizer is put on the tasks that it was not trained on. In how "
        "many of these pairs is it surely ahead of a tuned Adam?",
        truth=truth,
        options=(FEW, SOME, MOST),
        because="At home they are ahead. What was learned does not travel by itself.",
    )
