"""The convolutional networks: three learned optimizers and seven tuned rivals.

Left the losses over 100 steps; right what each rule has in the mean over all steps, or
over the last ten, of 16 fresh networks. Everything is read from ``stored``.
"""

import functools

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit.baselines import SIX
from l2o_kit.convolutions import LEARNED, NAMES, PLACES, STEPS
from l2o_kit.evaluate import paired_ratio
from l2o_kit.panels.base import Panel
from l2o_kit.panels.guess import Guess
from l2o_kit.plots import BLACK, GREY, VERMILION, mean_band, new_figure, style
from l2o_kit.store import stored

WORDS = {"all": "all ten", "five": "0 to 4", "two": "0 and 1"}
MEASURES = {"steps 1 to 100": "mean", "steps 91 to 100": "last"}
LOOKS = {"two LSTMs": "-", "LSTM-sub": "--", "one LSTM": ":"}


class ConvNets(Panel):
    """Choose the labels, what is measured, and one rule to look at."""

    title = "Convolutional networks: who is ahead?"
    strip = (
        {"labels": "all", "measure": "steps 1 to 100"},
        {"labels": "five", "measure": "steps 1 to 100"},
        {"labels": "two", "measure": "steps 91 to 100"},
    )

    def make_controls(self):
        """What is measured, a rival for the left, the labels."""

        def buttons(options, description):
            made = widgets.ToggleButtons(options=options, description=description)
            made.style.button_width = "auto"
            return made

        return {
            "measure": buttons(list(MEASURES), "right"),
            "rival": buttons(NAMES[len(LEARNED) :], "rival, left"),
            "labels": widgets.SelectionSlider(
                options=[(WORDS[place], place) for place in PLACES],
                description="labels", continuous_update=False,
            ),
        }  # fmt: skip

    def compute(self, state):
        """Curves and what each rule ends with, and ratios to the best of six rivals."""
        rows, measure = _rows(state["labels"]), MEASURES[state["measure"]]
        each = rows[measure]  # [rule, network]
        means = each.mean(1)
        best = min(SIX, key=lambda name: means[NAMES.index(name)])
        theirs = as_tensor(each[NAMES.index(best)])
        ratios = {name: paired_ratio(as_tensor(each[k]), theirs)
                  for k, name in enumerate(LEARNED)}  # fmt: skip
        bands = np.array([np.array(mean_band(row[None])).ravel() for row in each])
        return {**state, "losses": rows["losses"], "bands": bands, "best": best,
                "ratios": ratios, "accuracy": rows["accuracy"]}  # fmt: skip

    def make_figure(self):
        """Left curves, right a row for each rule."""
        figure, (left, right) = new_figure(10.0, 4.2, columns=2)
        steps = np.arange(STEPS + 1)
        self.lines = {
            name: left.plot(steps, steps, color=VERMILION, linestyle=line,
                            linewidth=2.4, label=name)[0]
            for name, line in LOOKS.items()
        }  # fmt: skip
        look = style("Adam") | {"label": "the rival"}
        (self.rival,) = left.plot(steps, steps, **look)
        left.set(xlim=(0, STEPS), ylim=(0, 1), xlabel="step t", yticks=(0, 0.5, 1),
                 ylabel="training loss / that of step 0")  # fmt: skip
        left.legend(loc="lower left", frameon=False)
        self.dots = {}
        for k, name in enumerate(NAMES):
            colour = VERMILION if name in LEARNED else GREY
            (self.dots[name],) = right.plot([0, 1], [-k, -k], color=colour, linewidth=3,
                                            marker="o", markevery=[1])  # fmt: skip
        (self.line,) = right.plot([0, 0], [-len(NAMES), 1], color=BLACK, linewidth=1,
                                  linestyle="--")  # fmt: skip
        right.set_yticks([-k for k in range(len(NAMES))], NAMES)
        right.set(ylim=(-len(NAMES) + 0.4, 0.6), xlim=(0.2, 1.6),
                  xlabel="loss / that of the best of six")  # fmt: skip
        moving = [*self.lines.values(), *self.dots.values()]
        return figure, [*moving, self.rival, self.line]

    def draw(self, result):
        """Curves relative to the first loss; rules relative to the best rival."""
        first = result["losses"][0, 0, 0]
        for name, line in self.lines.items():
            line.set_ydata(result["losses"][NAMES.index(name), 0] / first)
        self.rival.set_ydata(result["losses"][NAMES.index(result["rival"]), 0] / first)
        base = result["bands"][NAMES.index(result["best"]), 0]
        for name, (mean, low, high) in zip(NAMES, result["bands"], strict=True):
            places = np.clip(np.array([low, mean, high]) / base, 0.2, 1.6)
            self.dots[name].set_data(places, [-NAMES.index(name)] * 3)
        self.line.set_xdata([1, 1])

    def describe(self, result):
        """The learned ones against the best of the six."""
        said = ", ".join(
            f"{name} {ratio:.2f} ({low:.2f} to {high:.2f})"
            for name, (ratio, low, high) in result["ratios"].items()
        )
        k = NAMES.index(result["rival"])
        return (
            f"Labels {WORDS[result['labels']]}, loss over {result['measure']}: the "
            f"best of six tuned rivals is {result['best']}. Relative to it, with 95 % "
            f"intervals: {said}. {result['rival']} has "
            f"{result['bands'][k, 0]:.3f}."
        )

    def numbers(self, result):
        """Every rule: loss, interval, held-out accuracy."""
        rows = [
            [name, *(f"{value:.3f}" for value in result["bands"][k]),
             f"{100 * result['accuracy'][k]:.1f} %"]
            for k, name in enumerate(NAMES)
        ]  # fmt: skip
        return ["rule", result["measure"], "from", "to", "held-out"], rows


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """For ``paired_ratio``."""
    return torch.from_numpy(np.ascontiguousarray(values))


@functools.cache
def _rows(place: str) -> dict:
    return stored(f"conv_{place}")


def unseen_question() -> Guess:
    """Before the panel opens: does the one that never met the labels fail on them?"""
    options = ("Ahead of the best rival", "Behind the best rival",
               "Too close to call")  # fmt: skip

    def truth():
        rows = _rows("five")["mean"]
        best = rows[[NAMES.index(name) for name in SIX]].mean(1).argmin()
        ours = as_tensor(rows[NAMES.index("LSTM-sub")])
        _, low, high = paired_ratio(ours, as_tensor(rows[NAMES.index(SIX[best])]))
        return options[0 if high < 1 else 1 if low > 1 else 2]

    return Guess(
        "LSTM-sub was trained on networks that tell the digits 5 to 9 apart. Now the "
        "networks learn 0 to 4, which it never met. In the mean over 100 steps, where "
        "does it stand beside the best of six tuned rivals?",
        truth=truth, options=options,
        because="Move the slider to <i>0 to 4</i> and read the dots on the right.",
    )  # fmt: skip
