"""The cost meter: when is a learned step worth its time?

Left the parts of one step, of Adam and of a learned optimizer; right the time to the
same loss, against how many of Adam's steps the learned one needs. Read from
``stored/costs``, which was measured on one core.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l10_take_home.costs import BATCHES, Costs
from l2o_kit.plots import BLACK, GREEN, GREY, VERMILION, new_figure, plain_ticks, scale
from l2o_kit.teaching.controls import list_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

SHARES = np.linspace(0, 1.2, 121)
LOW, HIGH = 0.05, 100.0  # times Adam's time, on the right
NAMES = ("Adam", "learned")


class CostMeter(Panel):
    """Choose the network, the minibatch, and how many steps are needed."""

    title = "The cost meter: when is a learned step worth its time?"
    strip = (
        {"parameters": 0, "examples": 128, "share": 50},
        {"parameters": 3, "examples": 8192, "share": 50},
    )

    def make_controls(self):
        sizes = [(f"{n:,}", k) for k, n in enumerate(_rows()["parameters"])]
        return {
            "parameters": list_slider("parameters", sizes, 1),
            "examples": list_slider("minibatch", [(f"{n:,}", n) for n in BATCHES], 128),
            "share": slider("steps needed, %", 50, 5, 100, 5),
        }

    def compute(self, state):
        """The costs there, and the time at the chosen share of steps."""
        costs = costs_of(state["parameters"], BATCHES.index(state["examples"]))
        slope = 1 / costs.break_even
        return {
            **state,
            "costs": costs,
            "slope": slope,
            "time": slope * state["share"] / 100,
        }

    def make_figure(self):
        """Two bars, each of two parts; a line that crosses Adam's."""
        figure, (left, right) = new_figure(10.0, 3.9, columns=2)
        left.grid(False, axis="x")
        self.gradients = left.bar(
            NAMES, [1, 1], width=0.55, color=GREY, label="gradient"
        )
        self.updates = left.bar(
            NAMES,
            [1, 1],
            bottom=[1, 1],
            width=0.55,
            color=[GREEN, VERMILION],
            hatch=["//", "\\\\"],
            edgecolor="white",
            label="update",
        )
        self.words = [left.text(k, 1, "", ha="center", va="bottom") for k in range(2)]
        left.set(ylim=(0, 1.15), ylabel="one step / the longer one")
        left.set_title("grey: the gradient; hatched: the update", fontsize=10)
        right.axhline(1, color=GREEN, linestyle="-.", linewidth=1.6)
        right.text(119, 1.07, "Adam", color=GREEN, ha="right", weight="bold")
        (self.line,) = right.plot(100 * SHARES, SHARES, color=VERMILION, linewidth=2.6)
        (self.even,) = right.plot([50, 50], [0.05, 1], color=BLACK, linestyle=":")
        (self.here,) = right.plot([50], [1], marker="*", markersize=15, color=BLACK)
        scale(right.xaxis, "steps that the learned one needs,\n% of Adam's", 0, 120)
        scale(right.yaxis, "time to the same loss / Adam's", LOW, HIGH, "log")
        plain_ticks(right.yaxis, (0.1, 0.3, 1, 3, 10, 30, 100))
        moving = [*self.gradients, *self.updates, *self.words]
        return figure, [*moving, self.even, self.line, self.here]

    def draw(self, result):
        c = result["costs"]
        longest = c.gradient + max(c.adam, c.learned)
        for k, update in enumerate((c.adam, c.learned)):
            self.gradients[k].set_height(c.gradient / longest)
            self.updates[k].set(y=c.gradient / longest, height=update / longest)
            self.words[k].set(
                y=(c.gradient + update) / longest + 0.02,
                text=_written(c.gradient + update),
            )
        self.line.set_ydata(np.clip(result["slope"] * SHARES, LOW / 2, HIGH))
        self.even.set_xdata([100 * c.break_even] * 2)
        self.here.set_data([result["share"]], [result["time"]])

    def describe(self, result):
        c = result["costs"]
        verdict = "it pays" if result["time"] < 1 else "it does not pay"
        return (
            f"{c.parameters:,} parameters, minibatches of {result['examples']:,}: a "
            f"gradient takes {_written(c.gradient)}, Adam's update {_written(c.adam)}, "
            f"the learned one {_written(c.learned)}. The learned one pays where it "
            f"needs less than {c.break_even:.0%} of Adam's steps. At {result['share']} "
            f"% its time is {result['time']:.2g} times Adam's: {verdict}."
        )

    def numbers(self, result):
        c = result["costs"]
        rows = [[*row, f"{float(row[3]) * c.parameters / 1e6:.3g}"] for row in c.rows()]
        header = [
            "rule",
            "gradient, ms",
            "update, ms",
            "state, bytes a parameter",
            "in all, MB",
        ]
        return header, rows


@functools.cache
def _rows() -> dict:
    return {k: v for k, v in stored("costs", __file__).items() if k != "provenance"}


def costs_of(size: int, batch: int) -> Costs:
    """What was measured of a network and a minibatch, by their places in the table."""
    rows = _rows()
    gradient, adam, learned = rows["seconds"][size, batch].tolist()
    return Costs(
        int(rows["parameters"][size]), gradient, adam, learned, *rows["bytes"].tolist()
    )


def _written(seconds: float) -> str:
    """In ms, or in s from one second on."""
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


LITTLE, TENS, HUNDREDS = "About 2 times", "About 10 times", "50 times or more"


def cost_question() -> Guess:
    """Before the panel opens: how much longer is an update?"""

    def truth():
        _, adam, learned = _rows()["seconds"][-1].T
        times = float(np.median(learned) / np.median(adam))
        return LITTLE if times < 5 else TENS if times < 30 else HUNDREDS

    return Guess(
        "A network has a million parameters. How many times as long does an update of "
        "the learned optimizer take as one of Adam?",
        truth=truth,
        options=(LITTLE, TENS, HUNDREDS),
        because="Each parameter goes through two layers of 20 units: some 5,000 "
        "multiplications, where Adam does about ten.",
    )
