"""Real networks: the learned optimizers and seven tuned rivals, after 100 to 500 steps.

Left training losses against steps or time; right what each rule ends with: training
loss, held-out loss, held-out score. Everything is read from ``stored``.
"""

import functools

import numpy as np

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l04_networks.standings import HORIZONS, NAMES, PLACES
from l2o_kit.plots import POINTS, look_of, new_figure, plain_ticks, scale
from l2o_kit.problems import PROBLEMS
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

STEPS, SECONDS = "steps", "time"
MEASURES = {
    "training loss": "last",
    "held-out loss": "held_out",
    "held-out score": "score",
}
LOW, HIGH = 1e-3, 5.0  # of all losses


class Networks(Panel):
    """Choose a network, a measure, steps or time, and how many steps."""

    title = "Real networks: who is ahead, by which measure?"
    strip = (
        {"place": "digits, 28x28", "measure": "training loss", "steps": 100},
        {"place": "digits, 28x28", "measure": "held-out score", "steps": 500},
        {"place": "diabetes", "measure": "held-out loss", "steps": 500},
    )

    def make_controls(self):
        return {
            "place": buttons("network", PLACES),
            "measure": buttons("right", MEASURES),
            "axis": buttons("left, against", [STEPS, SECONDS]),
            "steps": list_slider("steps T", HORIZONS),
        }

    def compute(self, state):
        """The curves of all rules, and what each ends with."""
        place = list(PLACES).index(state["place"])
        horizon = HORIZONS.index(state["steps"])
        rows = {
            name: values[place, horizon]
            for name, values in _stored().items()
            if name != "seconds"
        }
        rows["score"] = score(rows, state["place"])
        seconds = _stored()["seconds"][place] * state["steps"]
        return {
            **state,
            "curves": rows["losses"][:, 0],
            "run": seconds,
            "ends": rows[MEASURES[state["measure"]]],
            "ratio": rows["ratio"],
        }

    def make_figure(self):
        """Left nine curves; right nine dots with their intervals."""
        figure, (left, right) = new_figure(10.0, 4.2, columns=2)
        share = np.linspace(0, 100, POINTS)
        self.lines = []
        for phase, name in enumerate(NAMES):
            look = look_of(name, phase)
            self.lines += left.plot(share, share, **look)
        scale(left.xaxis, "steps, or time: % of the longest run", 0, 100)
        scale(left.yaxis, "training loss f(theta_t)", LOW, HIGH, "log")
        plain_ticks(left.yaxis, (0.001, 0.01, 0.1, 1))
        self.dots, self.spans = [], []
        for k, name in enumerate(NAMES):
            look = look_of(name, 0)
            height = len(NAMES) - k
            (dot,) = right.plot(
                [0.5],
                [height],
                linestyle="",
                color=look["color"],
                marker=look["marker"],
                markersize=8,
            )
            (span,) = right.plot(
                [0.4, 0.6], [height] * 2, color=look["color"], linewidth=2.5
            )
            self.dots.append(dot)
            self.spans.append(span)
        right.set_yticks(range(len(NAMES), 0, -1), NAMES)
        right.set(xlim=(-0.02, 1.02), xticks=[], ylim=(0.4, len(NAMES) + 0.6))
        right.set_xlabel("better  <-      ->  worse\nrelative to the range of all")
        self.values = [
            right.text(1.04, len(NAMES) - k, "", va="center", fontsize=9)
            for k in range(len(NAMES))
        ]
        right.text(1.04, 0, "0.000000", alpha=0, fontsize=9)  # keeps room for them
        return figure, [*self.lines, *self.spans, *self.dots, *self.values]

    def draw(self, result):
        share = np.linspace(0, 100, POINTS)
        run = result["run"] / result["run"].max()
        for line, losses, part in zip(self.lines, result["curves"], run, strict=True):
            line.set_xdata(share * part if result["axis"] == SECONDS else share)
            line.set_ydata(np.clip(losses, LOW / 2, 2 * HIGH))
        ends, sign = result["ends"], -1 if "score" in result["measure"] else 1
        places = _places(sign * ends)
        for k, (x, low, high) in enumerate(places):
            self.dots[k].set_xdata([x])
            self.spans[k].set_xdata(np.clip([low, high], 0, 1))
            self.values[k].set_text(_written(ends[k, 0], result["measure"]))

    def describe(self, result):
        sign = -1 if "score" in result["measure"] else 1
        best = NAMES[int((sign * result["ends"][:, 0]).argmin())]
        six = [NAMES.index(name) for name in SIX]
        rival = min(six, key=lambda k: -result["ratio"][k, 0])
        ratio, low, high = result["ratio"][rival]
        time = 1000 * result["run"] / result["steps"]
        against = (
            ""
            if result["axis"] == STEPS
            else (
                f" A step takes {time[0]:.1f} ms for the learned optimizer and "
                f"{time[NAMES.index('Adam')]:.1f} ms for Adam, the gradient included."
            )
        )
        return (
            f"{result['place']}, {result['steps']} steps: by {result['measure']} "
            f"{best} is best. In training the learned optimizer ends with {ratio:.2f} "
            f"times the loss of the best of six rivals, {NAMES[rival]} (95 % interval "
            f"{low:.2f} to {high:.2f}).{against}"
        )

    def numbers(self, result):
        values = [_written(v, result["measure"]) for v in result["ends"][:, 0]]
        return [result["measure"], *NAMES], [["at the end", *values]]


def score(rows: dict, place: str) -> np.ndarray:
    """[rule, 3]: accuracy; for a regression R^2 = 1 - loss / variance of y."""
    if np.isfinite(rows["accuracy"]).all():
        return rows["accuracy"]
    y = PROBLEMS[PLACES[place]]().held_out_data[1]
    r2 = 1 - rows["held_out"] / float(y.var(correction=0))
    return r2[:, [0, 2, 1]]  # the highest loss is the lowest score


def _places(ends: np.ndarray) -> np.ndarray:
    """[rule, 3] on the way from the best, 0, to the worst, 1, intervals included."""
    best, worst = ends.min(), ends.max()
    return np.sort((ends - best) / max(worst - best, 1e-12), axis=1)[:, [1, 0, 2]]


def _written(value: float, measure: str) -> str:
    return f"{100 * value:.1f} %" if "score" in measure else f"{value:.3g}"


@functools.cache
def _stored() -> dict:
    return {k: v for k, v in stored("networks", __file__).items() if k != "provenance"}


def overfit_question() -> Guess:
    """Before the panel opens: does the lowest training loss win on held-out data?"""
    options = ("Yes, the same rule", "No, another rule")

    def truth():
        rows = _stored()
        place, horizon = list(PLACES).index("diabetes"), HORIZONS.index(500)
        best = [
            rows[name][place, horizon, :, 0].argmin() for name in ("last", "held_out")
        ]
        return options[int(best[0] != best[1])]

    return Guess(
        "The diabetes network has 354 examples to train on. After 500 steps one rule "
        "has the lowest training loss. Has it also the lowest loss on held-out data?",
        truth=truth,
        options=options,
        because="Choose diabetes and 500 steps, and switch between the two losses.",
    )
