"""The failure museum, live: train a sick optimizer in seconds, then throw the switch.

Left the mean loss of each roll-out of the training; right the loss on fresh problems,
without and, once it was run so, with the switch.
"""

import functools

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l05_generalization.museum import (
    CURES,
    EXHIBITS,
    SMALL,
    Change,
    judge,
    outcome,
    train,
)
from l2o_kit.plots import GREEN, VERMILION, new_figure, plain_ticks, rounded, scale
from l2o_kit.teaching.controls import buttons
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.run_panel import RunPanel
from l2o_kit.teaching.sweep import sweep

LOW, HIGH = 1e-4, 10.0  # of the right axis
POINTS = 101
OUTSIDE = np.full(POINTS, 2 * HIGH)  # where a curve waits that was not run yet


class Museum(RunPanel):
    """Choose an exhibit, run it; throw the switch, run it again."""

    title = "The failure museum"
    strip = (
        {"exhibit": "inputs that vanish", "switch": False, "seed": 0},
        {"exhibit": "inputs that vanish", "switch": True, "seed": 0},
    )
    share = 1.0  # of the meta-steps that are made
    seen = (None, {})  # (exhibit, seed), and switch -> the curve of that run

    def rehearse(self) -> str:
        """Sweep a fresh copy, with a moment of training at each setting."""
        panel = type(self)()
        panel.share = 0.05
        return sweep(panel)

    def make_controls(self):
        exhibit = buttons("exhibit", EXHIBITS, "another scale")
        return {
            "exhibit": exhibit,
            "switch": widgets.Checkbox(False, description="the switch that cures it"),
            "seed": widgets.IntSlider(0, 0, 9, description="seed"),
        }

    def work(self, state, job):
        """Train, then judge on fresh problems."""
        exhibit = EXHIBITS[state["exhibit"]]
        change = exhibit.cure if state["switch"] else Change()
        steps = exhibit.training.get("meta_steps", SMALL["meta_steps"])
        steps = max(2, round(self.share * steps))
        short = Change(change.optimizer, change.training | {"meta_steps": steps})
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            optimizer, log = train(
                exhibit,
                change if exhibit.shipped else short,
                state["seed"],
                on_step=lambda log: job.step(0.9 * len(log.meta_losses) / steps),
            )
            curve = judge(exhibit, optimizer)
        finally:
            torch.set_num_threads(threads)
        return {**state, "log": log, "curve": curve, "meta_steps": steps}

    def make_figure(self):
        """Left the meta-loss, right the fresh losses."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        (self.meta,) = left.plot([0], [1], color=VERMILION, linewidth=2)
        self.note = left.text(50, 1, "", ha="center", weight="bold", color=VERMILION)
        scale(left.xaxis, "training, % of its meta-steps", 0, 100)
        scale(left.yaxis, "mean loss of a roll-out / first", 1e-3, 1e3, "log")
        plain_ticks(left.yaxis, (0.001, 0.01, 0.1, 1, 10, 100))
        share = np.linspace(0, 100, POINTS)
        self.lines = {
            switch: right.plot(
                share,
                np.ones(POINTS),
                linewidth=2.6,
                color=colour,
                linestyle=line,
                label=label,
            )[0]
            for switch, colour, line, label in (
                (False, VERMILION, "-", "as it is"),
                (True, GREEN, "--", "with the switch"),
            )
        }
        scale(right.xaxis, "step t, % of the steps judged", 0, 100)
        scale(right.yaxis, "loss / first loss, fresh problems", LOW, HIGH, "log")
        plain_ticks(right.yaxis, (1e-4, 1e-3, 0.01, 0.1, 1, 10))
        right.legend(loc="lower left", frameon=False)
        return figure, [self.meta, self.note, *self.lines.values()]

    def draw(self, result):
        means = np.array(result["log"].rollouts())
        begun = [k for k, start in enumerate(result["log"].starts) if start == 0]
        self.meta.set_data(
            100 * np.array(begun) / result["meta_steps"],
            np.clip(np.nan_to_num(means / means[:1], nan=1e3), 1e-3, 1e3),
        )
        self.meta.set_color(self.lines[result["switch"]].get_color())
        self.note.set_text(_note(result))
        which = result["exhibit"], result["seed"]
        runs = self.seen[1] if self.seen[0] == which else {}
        runs[result["switch"]] = result["curve"]
        self.seen = which, runs
        for switch, line in self.lines.items():
            line.set_ydata(_thin(runs[switch]) if switch in runs else OUTSIDE)

    def describe(self, result):
        exhibit = EXHIBITS[result["exhibit"]]
        end = outcome(result["curve"])
        if result["switch"]:
            return (
                f"{result['exhibit']}, cured by {exhibit.switch}: over the last tenth "
                f"of {exhibit.steps} steps the loss is {_percent(end)} of the first "
                f"(seed {result['seed']})."
            )
        return (
            f"{exhibit.happens} {exhibit.why} Over the last tenth of {exhibit.steps} "
            f"steps the loss is {_percent(end)} of the first (seed {result['seed']}). "
            f"The switch: {exhibit.switch}."
        )

    def numbers(self, result):
        table = np.median(_ablation(), axis=2)
        header = ["exhibit (median of 3 seeds)", "its switch", *CURES]
        rows = [
            [name, *map(_percent, row)]
            for name, row in zip(EXHIBITS, table, strict=True)
        ]
        return header, rows


@functools.cache
def _ablation() -> np.ndarray:
    return stored("museum", __file__)["outcome"]


def _note(result) -> str:
    if EXHIBITS[result["exhibit"]].shipped:
        return "trained already"
    done = len(result["log"].meta_losses)
    return "" if done >= result["meta_steps"] else f"not finite after {done} meta-steps"


def _thin(curve: np.ndarray) -> np.ndarray:
    places = np.linspace(0, len(curve) - 1, POINTS)
    return np.clip(np.interp(places, np.arange(len(curve)), curve), LOW / 2, 2 * HIGH)


def _percent(share: float) -> str:
    """Two digits, as in 0.022 % and 120 %."""
    return f"{rounded(100 * share)} %" if share < 100 else "it explodes"


def cheap_question() -> Guess:
    """Before the museum opens."""
    options = ("Random scaling", "Normalized inputs, bounded output", "Clipping")

    def truth():
        names = ["random scaling", "normalized, bounded", "clipping"]
        row = list(EXHIBITS).index("another scale")
        ends = [np.median(_ablation()[row, 1 + list(CURES).index(n)]) for n in names]
        return options[int(np.argmin(ends))]

    return Guess(
        "An optimizer of quadratics meets losses a hundred times as large as those it "
        "was trained on. Which single cure helps most?",
        truth=truth,
        options=options,
        because="Inputs that are divided by their own size do not know the scale.",
    )
