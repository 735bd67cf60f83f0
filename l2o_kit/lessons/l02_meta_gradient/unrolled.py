"""The unrolled graph of lesson 02: what a meta-gradient follows, and what it drops.

A roll-out of six steps: theta_t goes on to theta_{t+1}; the optimizer m reads the
gradient at theta_t, remembers, and adds its update; each theta_t pays a loss f_t. The
meta-gradient walks back along the solid arrows. Dotted arrows are dropped.
"""

import numpy as np

from l2o_kit.plots import BLACK, BLUE, GREEN, GREY, PURPLE, VERMILION, ink, new_figure
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

STEPS = 6
WEIGHTS = {
    "sum": lambda t, b: 1.0,
    "discount": lambda t, b: 0.5 ** (b - t),
    "last": lambda t, b: float(t == b),
}
KINDS = {
    "theta": BLACK,
    "update": VERMILION,
    "state": GREEN,
    "reads": PURPLE,
    "pays": BLUE,
}
OPTIMIZER, THETA, LOSS = 2.0, 1.0, 0.0  # the three rows
ROOM = 0.2  # between an arrow's end and the middle of a node


def edges() -> list[tuple[str, int, tuple, tuple]]:
    """(kind, step, from, to) of every arrow; places are (column, row)."""
    found = []
    for t in range(STEPS):
        found += [
            ("theta", t, (t, THETA), (t + 1, THETA)),
            ("reads", t, (t, THETA), (t + 0.35, OPTIMIZER)),
            ("update", t, (t + 0.35, OPTIMIZER), (t + 1, THETA)),
            ("pays", t + 1, (t + 1, THETA), (t + 1, LOSS)),
        ]
        if t:
            found.append(("state", t, (t - 0.65, OPTIMIZER), (t + 0.35, OPTIMIZER)))
    return found


def kept(kind: str, t: int, second_derivatives: bool, window: int, weight) -> bool:
    """Whether the meta-gradient follows an arrow of step t.

    Reads: only with second derivatives, and not from a window's first theta, which is
    a constant. Theta and state are cut where a window begins.
    """
    begins = t % window == 0
    if kind == "reads":
        return second_derivatives and not begins
    if kind == "pays":
        return weight(t, _end(t, window)) > 0
    return kind == "update" or not begins


def _end(t: int, window: int) -> int:
    """The last step of the window that theta_t, t >= 1, belongs to."""
    return min(-(-t // window) * window, STEPS)


class Unrolled(Panel):
    """Choose what to drop and how long a window is; see what is left."""

    title = "The unrolled graph: what does the meta-gradient follow?"
    strip = (
        {"derivative": "exact", "window": 6, "weights": "sum"},
        {"derivative": "first order", "window": 6, "weights": "sum"},
        {"derivative": "first order", "window": 3, "weights": "sum"},
    )

    def make_controls(self):
        derivative = buttons("derivative", ["exact", "first order"], "exact")
        weights = buttons("weights w_t", WEIGHTS, "sum")
        window = list_slider("window U", [(str(u), u) for u in (1, 2, 3, 6)], 6)
        return {"derivative": derivative, "weights": weights, "window": window}

    def compute(self, state):
        """Which arrows are kept, and with what each update is credited."""
        window, weight = state["window"], WEIGHTS[state["weights"]]
        exact = state["derivative"] == "exact"
        follows = [kept(kind, t, exact, window, weight) for kind, t, *_ in edges()]
        credit = [
            sum(
                weight(s, _end(s, window))
                for s in range(t + 1, _end(t + 1, window) + 1)
            )
            for t in range(STEPS)
        ]
        return {**state, "kept": follows, "credit": np.array(credit)}

    def make_figure(self):
        """The graph above, and below it the credit of every update."""
        figure, _ = new_figure(9.0, 4.6)
        figure.clear()
        graph, bars = figure.subplots(2, 1, height_ratios=[3, 1.2], sharex=True)
        graph.axis("off")
        graph.set(xlim=(-0.9, STEPS + 0.4), ylim=(-0.45, 2.5))
        self.arrows, self.heads = zip(
            *(_arrow(graph, *edge) for edge in edges()), strict=True
        )
        for t in range(STEPS + 1):
            _node(graph, t, THETA, f"$\\theta_{t}$")
            if t:
                _node(graph, t, LOSS, f"$f_{t}$", BLUE)
        for t in range(STEPS):
            _node(graph, t + 0.35, OPTIMIZER, "$m$", VERMILION)
        for k, (kind, colour) in enumerate(KINDS.items()):
            graph.text(
                0.9 + 1.1 * k, 2.32, f"\u2192 {kind}", color=ink(colour), weight="bold"
            )
        for row, name in (
            (OPTIMIZER, "optimizer"),
            (THETA, "parameters"),
            (LOSS, "losses"),
        ):
            graph.text(-0.85, row + 0.28, name, color=GREY)
        (self.credit,) = bars.plot(
            np.arange(STEPS) + 0.35, np.zeros(STEPS), "o", color=VERMILION, markersize=9
        )
        self.stems = [
            bars.plot([t + 0.35] * 2, [0, 1], color=VERMILION, linewidth=3)[0]
            for t in range(STEPS)
        ]
        self.total = bars.text(STEPS + 0.35, 5.5, "", ha="right", va="center")
        bars.set(ylim=(0, 6.6), ylabel="losses credited\nto $g_t$", yticks=(0, 2, 4, 6))
        bars.set_xticks(np.arange(STEPS) + 0.35, [f"$g_{t}$" for t in range(STEPS)])
        bars.spines[["top", "right"]].set_visible(False)
        return figure, [*self.arrows, *self.heads, *self.stems, self.credit, self.total]

    def draw(self, result):
        for arrow, head, follows in zip(
            self.arrows, self.heads, result["kept"], strict=True
        ):
            alpha = 1.0 if follows else 0.8
            arrow.set(
                linestyle="-" if follows else (0, (1, 3)),
                alpha=alpha,
                linewidth=1.7 if follows else 1.2,
            )
            head.set_alpha(alpha)
        self.credit.set_ydata(result["credit"])
        for stem, height in zip(self.stems, result["credit"], strict=True):
            stem.set_ydata([0, height])
        self.total.set_text(_counted(result))

    def describe(self, result):
        return (
            f"Derivative {result['derivative']}, windows of {result['window']}, "
            f"weights {result['weights']}: {_counted(result)}. The first update is "
            f"credited with {result['credit'][0]:g} of the {STEPS} losses it helped to "
            "make."
        )

    def numbers(self, result):
        kinds = [kind for kind, *_ in edges()]
        rows = []
        for kind in KINDS:
            follows = [
                k for k, name in zip(result["kept"], kinds, strict=True) if name == kind
            ]
            rows.append([kind, str(sum(follows)), str(len(follows) - sum(follows))])
        return ["arrows", "followed", "dropped"], rows

    def data(self):
        """What is plotted, and which arrows are solid."""
        solid = np.array([float(arrow.get_alpha() == 1.0) for arrow in self.arrows])
        return np.concatenate([super().data(), solid])


def credit_question() -> Guess:
    """Before the panel opens: what is the first update credited with?"""
    return Guess(
        "Six steps, windows of two. How many of the six losses does the meta-gradient "
        "credit to the first update, g_0?",
        truth=lambda: len(range(1, _end(1, 2) + 1)),
        because="f_1 and f_2 lie in its window. The arrow to theta_3 is cut, although "
        "g_0 did help to make all that follows.",
    )


def _counted(result) -> str:
    return f"{sum(result['kept'])} of {len(result['kept'])} arrows are followed"


def _arrow(ax, kind, t, start, end):
    """A line between two nodes, and its head: half the time of a FancyArrowPatch."""
    start, end = np.array(start), np.array(end)
    along = (end - start) / np.linalg.norm(end - start)
    start, end = start + ROOM * along, end - ROOM * along
    angle = np.degrees(np.arctan2(along[1], along[0]))
    line = ax.plot(
        *zip(start, end - 0.05 * along, strict=True),
        color=KINDS[kind],
        linewidth=1.7,
        zorder=2,
    )[0]
    head = ax.plot(
        *(end - 0.05 * along),
        marker=(3, 0, angle - 90),
        markersize=9,
        color=KINDS[kind],
        linestyle="",
        zorder=2,
    )[0]
    return line, head


def _node(ax, x, y, text, colour=BLACK):
    ax.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        color=colour,
        fontsize=11,
        zorder=3,
        bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": colour},
    )
