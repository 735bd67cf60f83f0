"""The meta-gradient laboratory of lesson 02: six estimators and the truth.

Left the meta-loss against the learning rate, with the place each estimator leads to;
right what each estimator gives at your rate, the truth being 1.
"""

import functools
import math

import numpy as np
import torch

from l2o_kit.lessons.l02_meta_gradient.estimators import (
    NAMES,
    NoisyQuadratic,
    cost,
    estimate,
    expected,
    fixed_point,
)
from l2o_kit.plots import (
    BLACK,
    BLUE,
    GREY,
    PURPLE,
    SKY,
    VERMILION,
    legend_above,
    new_figure,
    plain_ticks,
    scale,
)
from l2o_kit.teaching.controls import buttons, list_slider, log_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

GROUPS, BATCH = 40, 16  # an estimate is the mean over a batch of roll-outs
RATES = 10 ** np.arange(-3, 0.326, 0.025)
LEADS = {
    "full": ("*", BLACK, "full", "the truth leads here"),
    "truncated": ("v", BLUE, "full", "truncated"),
    "first_order": ("D", PURPLE, "none", "first order"),
}
LABELS = {
    "full": "full backprop",
    "truncated": "truncated",
    "first_order": "first order",
    "es": "ES",
    "truncated_es": "truncated ES",
    "pes": "PES",
}
FLOOR = 0.1  # per cent above the lowest; the axis is logarithmic
EDGE = 30.0  # of the estimates' axis, in multiples of the truth
CURVATURES = {
    "two": ((1.0, 0.01), (1.0, 0.0), (1.0, 1e4)),
    "one": ((1.0,), (1.0,), (1e4,)),
}


class Laboratory(Panel):
    """Move horizon, truncation, noise and the rate; see who points the right way."""

    title = "Meta-gradient laboratory: who points the right way?"
    strip = (
        {"curvatures": "two", "horizon": 100, "window": 10, "noise": 10.0, "rate": 0.1},
        {"curvatures": "one", "horizon": 100, "window": 10, "noise": 10.0, "rate": 0.1},
    )

    def make_controls(self):
        curvatures = buttons("curvatures", CURVATURES, "two")
        return {
            "curvatures": curvatures,
            "horizon": slider("horizon T", 100, 20, 200, 20),
            "window": list_slider(
                "window U", [(str(u), u) for u in (1, 2, 5, 10, 20, 50, 100, 200)], 10
            ),
            "noise": slider("noise (std)", 10.0, 0.0, 20.0, 1.0),
            "rate": log_slider("learning rate", 0.1, -3, 0.325, 0.025, ".3g"),
        }

    def compute(self, state):
        """The loss curve, the fixed points, and estimates at the chosen rate."""
        h, v, s = CURVATURES[state["curvatures"]]
        v = tuple(x * state["noise"] ** 2 for x in v)
        problem = NoisyQuadratic(h, v, s, state["horizon"])
        phi, window = math.log(state["rate"]), state["window"]
        truth = _expected("full", problem, window, state["rate"])
        rows = {
            name: _summary(
                _batches(name, problem, phi, window),
                _expected(name, problem, window, state["rate"]),
                truth,
            )
            | dict(zip(("steps", "states"), cost(name, problem, window), strict=True))
            for name in NAMES
        }
        return {
            **state,
            "rows": rows,
            "truth": truth,
            "excess": _excess(problem),
            "leads": {name: fixed_point(name, problem, window) for name in LEADS},
        }

    def make_figure(self):
        """Left the valley of L, right one row for each estimator."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        return figure, [*self._make_valley(left), *self._make_rows(right)]

    def _make_valley(self, left):
        """The curve, where each way to look leads, and the chosen rate."""
        (self.curve,) = left.plot(RATES, np.ones_like(RATES), color=GREY, linewidth=2)
        large, self.leads = {"markersize": 12, "linestyle": ""}, {}
        for name, (marker, colour, fill, label) in LEADS.items():
            look = {"color": colour, "fillstyle": fill, "markeredgewidth": 2} | large
            above = 4 if name == "full" else 3
            (mark,) = left.plot([1], [1], marker, label=label, zorder=above, **look)
            self.leads[name] = mark
        here = {"color": VERMILION, "label": "your rate"} | large
        (self.here,) = left.plot([1], [1], "X", **here)
        scale(left.xaxis, "learning rate alpha = exp(phi)", 8e-4, 3, "log")
        scale(left.yaxis, "L(phi) above its lowest, %", FLOOR / 2, 1e4, "log")
        plain_ticks(left.xaxis, (0.001, 0.01, 0.1, 1))
        plain_ticks(left.yaxis, (0.1, 1, 10, 100, 1000))
        legend_above(left, 2, columnspacing=0.8, handletextpad=0.2)
        return [self.curve, *reversed(self.leads.values()), self.here]

    def _make_rows(self, right):
        """A row for each estimator: its mean, its span, how often its sign is right."""
        places = np.arange(len(NAMES))[::-1]
        (self.means,) = right.plot(
            np.zeros(len(NAMES)), places, "o", color=BLACK, markersize=8, zorder=4
        )
        self.spans = [
            right.plot([0, 0], [y, y], color=SKY, linewidth=7, solid_capstyle="butt")[0]
            for y in places
        ]
        right.axvline(0, color=GREY, linewidth=1)
        right.axvline(1, color=VERMILION, linestyle="--")
        above = {"transform": right.get_xaxis_transform(), "va": "bottom"}
        right.text(1, 1.02, "the truth", color=VERMILION, ha="center", **above)
        right.text(-1.1, 1.02, "wrong way", color=GREY, ha="right", **above)
        right.text(1.02, 1.02, "sign right", transform=right.transAxes, va="bottom")
        self.signs = [
            right.text(1.06, y, "", transform=right.get_yaxis_transform(), va="center")
            for y in places
        ]
        right.set_xscale("symlog", linthresh=1.0)
        scale(
            right.xaxis, "estimate / truth:\nmean, and 80 % of estimates", -EDGE, EDGE
        )
        right.set(ylim=(-0.6, len(NAMES) - 0.4))
        plain_ticks(right.xaxis, (-10, -1, 0, 1, 10))
        right.set_yticks(places, [LABELS[name] for name in NAMES])
        return [*self.spans, self.means, *self.signs]

    def draw(self, result):
        self.curve.set_ydata(result["excess"])
        places = [(self.here, result["rate"])]
        places += [(line, result["leads"][name]) for name, line in self.leads.items()]
        for line, rate in places:
            excess = np.interp(rate, RATES, result["excess"])
            line.set_data([rate], [min(excess, 3e3)])
        rows = [result["rows"][name] for name in NAMES]
        self.means.set_xdata(
            [np.clip(r["mean"], -0.97 * EDGE, 0.97 * EDGE) for r in rows]
        )
        for line, text, row in zip(self.spans, self.signs, rows, strict=True):
            line.set_xdata(np.clip([row["low"], row["high"]], -EDGE, EDGE))
            text.set_text(f"{row['sign']:.0%}")

    def describe(self, result):
        rows, leads = result["rows"], result["leads"]
        best = max(NAMES, key=lambda name: rows[name]["sign"])
        return (
            f"At rate {result['rate']:.3g}, with horizon {result['horizon']}, windows "
            f"of {result['window']} and noise {result['noise']:.0f}, the true "
            f"meta-gradient is {result['truth']:.3g}. The best rate is "
            f"{leads['full']:.2g}; truncated backpropagation leads to "
            f"{leads['truncated']:.2g}, first order to {leads['first_order']:.2g}. The "
            f"sign of an estimate is right most often for {LABELS[best]} "
            f"({rows[best]['sign']:.0%} of estimates); for truncated it is in "
            f"{rows['truncated']['sign']:.0%}, for PES in {rows['pes']['sign']:.0%}."
        )

    def numbers(self, result):
        header = [
            "estimator",
            "bias / truth",
            "std / truth",
            "sign right",
            "steps",
            "states kept",
        ]
        rows = [
            [
                LABELS[name],
                _size(row["mean"] - 1, "+"),
                _size(row["std"]),
                f"{row['sign']:.0%}",
                str(row["steps"]),
                str(row["states"]),
            ]
            for name, row in result["rows"].items()
        ]
        return header, rows


def truncation_question() -> Guess:
    """Before the panel opens: where do short windows lead?"""
    options = ("Too small", "About right", "Too large")

    def truth():
        found, best = (
            fixed_point(name, NoisyQuadratic(), 10) for name in ("truncated", "full")
        )
        return options[0 if found < best / 1.5 else 2 if found > best * 1.5 else 1]

    return Guess(
        "The loss counts 100 steps, and the meta-gradient sees windows of 10. The rate "
        "learned in this way is ...",
        truth=truth,
        options=options,
        because="In a few steps it pays to calm the noisy, steep coordinate down "
        "with a tiny rate; the long way along the flat one does not pay before the "
        "window ends.",
    )


def _excess(problem) -> np.ndarray:
    """By how many per cent L is above its lowest, at every rate."""
    loss = problem.loss(torch.from_numpy(np.log(RATES))).numpy()
    return (100 * (loss / loss.min() - 1)).clip(FLOOR, 1e5)


@functools.lru_cache(1024)
def _expected(name, problem, window, rate) -> float:
    """What the estimator gives on average at a rate."""
    return float(expected(name, problem, math.log(rate), window))


def _batches(name, problem, phi, window) -> np.ndarray:
    """Estimates, each the mean over a batch of roll-outs."""
    samples = estimate(name, problem, phi, window, GROUPS * BATCH)
    return samples.view(GROUPS, BATCH).mean(1).numpy()


def _size(value: float, sign: str = "") -> str:
    return f"{value:{sign}.2g}" if abs(value) < 1e4 else "huge"


def _summary(samples, mean, truth) -> dict:
    """Estimates relative to the truth: exact mean; spread and signs of the samples."""
    low, high = np.quantile(samples / truth, [0.1, 0.9])
    return {
        "mean": mean / truth,
        "std": float(samples.std() / abs(truth)),
        "low": low,
        "high": high,
        "sign": float((samples * truth > 0).mean()),
    }
