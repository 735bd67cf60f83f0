"""Where learned optimizers stand beside seven tuned rivals, at several places.

Left the losses over the steps; right what each rule has, over all steps or over the
last tenth, relative to the best of the six rivals there. Subclasses say what is stored.
"""

import numpy as np
import torch

from l2o_kit.baselines import RULES, SIX
from l2o_kit.evaluate import paired_ratio
from l2o_kit.plots import (
    BLACK,
    GREY,
    VERMILION,
    mean_band,
    new_figure,
    plain_ticks,
    scale,
    style,
)
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.panel import Panel

LINES = ("-", "--", ":")  # of the learned ones
LOW, HIGH = 0.4, 2.0  # of the right axis


class Standings(Panel):
    """Choose the place, what is measured, and a rival to look at.

    Subclasses set: learned, the names of the learned optimizers; places, {name: words};
    measures, {words: name}; steps; slider, the place's description; vertical and ticks,
    of the left axis; ``rows(place)``, with losses [rule, step] and, by the name of a
    measure, [rule, problem].
    """

    learned: tuple[str, ...] = ()
    places: dict[str, str] = {}  # noqa: RUF012
    measures: dict[str, str] = {}  # noqa: RUF012
    steps, slider = 100, "place"
    vertical = {"ylim": (0, 1)}  # noqa: RUF012
    ticks: tuple[float, ...] = (0, 0.5, 1)

    @property
    def names(self) -> tuple[str, ...]:
        """All rules, the learned first."""
        return (*self.learned, *RULES)

    def rows(self, place: str) -> dict:
        """What is stored of a place."""
        raise NotImplementedError

    def make_controls(self):
        """What is measured, a rival for the left, the place."""
        return {
            "measure": buttons("right", self.measures),
            "rival": buttons("rival, left", RULES),
            "place": list_slider(
                self.slider, [(words, place) for place, words in self.places.items()]
            ),
        }

    def compute(self, state):
        """Curves, what each rule has, and the ratios to the best of six rivals."""
        rows = self.rows(state["place"])
        each = dict(zip(self.names, rows[self.measures[state["measure"]]], strict=True))
        best = min(SIX, key=lambda name: each[name].mean())
        ratios = {
            name: paired_ratio(tensor(each[name]), tensor(each[best]))
            for name in self.learned
        }
        bands = {
            name: np.array(mean_band(values[None])).ravel()
            for name, values in each.items()
        }
        losses = dict(
            zip(self.names, rows["losses"] / rows["losses"][0, 0], strict=True)
        )
        return {
            **state,
            "losses": losses,
            "bands": bands,
            "best": best,
            "ratios": ratios,
            "more": rows.get("accuracy"),
        }

    def make_figure(self):
        """Left curves, right a row for each rule."""
        figure, (left, right) = new_figure(10.0, 4.2, columns=2)
        steps = np.arange(self.steps + 1)
        self.lines = {
            name: left.plot(
                steps, steps, color=VERMILION, linestyle=line, linewidth=2.4, label=name
            )[0]
            for name, line in zip(self.learned, LINES, strict=False)
        }
        (self.rival,) = left.plot(steps, steps, **style("Adam", self.steps))
        left.set(
            xlim=(0, self.steps),
            xlabel="step t",
            ylabel="training loss / that of step 0",
            **self.vertical,
        )
        plain_ticks(left.yaxis, self.ticks)
        self.legend = left.legend(
            loc="upper right", frameon=False, fontsize=9, labelspacing=0.2, borderpad=0
        )
        self.dots = {}
        for k, name in enumerate(self.names):
            colour = VERMILION if name in self.learned else GREY
            (self.dots[name],) = right.plot(
                [0, 1], [-k, -k], color=colour, linewidth=3, marker="o", markevery=[1]
            )
        right.axvline(1, color=BLACK, linewidth=1, linestyle="--")
        right.set_yticks([-k for k in range(len(self.names))], self.names)
        scale(right.xaxis, "loss / that of the best of six", LOW, HIGH)
        right.set(ylim=(-len(self.names) + 0.4, 0.6))
        moving = [*self.lines.values(), self.rival, self.legend]
        return figure, [*moving, *self.dots.values()]

    def draw(self, result):
        """Curves relative to the first loss; rules relative to the best rival."""
        for name, line in self.lines.items():
            line.set_ydata(result["losses"][name])
        self.rival.set_ydata(result["losses"][result["rival"]])
        self._name_rival(result["rival"])
        base = result["bands"][result["best"]][0]
        for k, name in enumerate(self.names):
            mean, low, high = np.clip(result["bands"][name] / base, LOW, HIGH)
            self.dots[name].set_data([low, mean, high], [-k] * 3)

    def _name_rival(self, name: str):
        """The rival's own look and name, in the picture and in the legend."""
        look = style(name, self.steps)
        for line in (self.rival, self.legend.legend_handles[-1]):
            line.set(
                color=look["color"], linestyle=look["linestyle"], marker=look["marker"]
            )
        self.legend.get_texts()[-1].set_text(name)

    def describe(self, result):
        """The learned ones against the best of the six."""
        said = ", ".join(
            f"{name} {ratio:.2f} ({low:.2f} to {high:.2f})"
            for name, (ratio, low, high) in result["ratios"].items()
        )
        rival = result["bands"][result["rival"]][0]
        return (
            f"{self.slider.capitalize()} {self.places[result['place']]}, loss over "
            f"{result['measure']}: the best of six tuned rivals is {result['best']}. "
            f"Relative to it, with 95 % intervals: {said}. {result['rival']} has "
            f"{rival:.3f}."
        )

    def numbers(self, result):
        """Every rule: loss, interval, and held-out accuracy where there is one."""
        header = ["rule", result["measure"], "from", "to"]
        rows = [
            [name, *(f"{value:.3f}" for value in band)]
            for name, band in result["bands"].items()
        ]
        if result["more"] is not None:
            header.append("held-out")
            for row, share in zip(rows, result["more"], strict=True):
                row.append(f"{100 * share:.1f} %")
        return header, rows


def tensor(values: np.ndarray) -> torch.Tensor:
    """For ``paired_ratio``."""
    return torch.from_numpy(np.ascontiguousarray(values))
