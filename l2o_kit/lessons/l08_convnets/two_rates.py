"""Adam with two rates: one for the convolutions' weights, another for all else.

Left the loss with these two rates, beside the best single rate; right the mean loss of
every pair, where the dashed line is one rate for both. Read from ``stored``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l08_convnets.places import RATES, STEPS
from l2o_kit.plots import BLACK, GREY, VERMILION, new_figure, scale
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel


class TwoRates(Panel):
    """Choose the rate of each group."""

    title = "Adam with two rates: one for the convolutions, one for the rest"
    strip = (
        {"conv": RATES[2], "rest": RATES[2]},
        {"conv": RATES[2], "rest": RATES[3]},
        {"conv": RATES[3], "rest": RATES[2]},
    )

    def make_controls(self):
        return {
            name: list_slider(
                words, [(f"{rate:.2g}", rate) for rate in RATES], RATES[2]
            )
            for name, words in (("conv", "rate of conv"), ("rest", "rate of the rest"))
        }

    def compute(self, state):
        """The curve of this pair, and of the best single rate."""
        curves, means = _curves(), mean_losses()
        here = tuple(RATES.index(state[name]) for name in ("conv", "rest"))
        single, pair = best_single(), best_pair()
        return {
            **state,
            "here": here,
            "curve": curves[here],
            "mean": means[here],
            "single": single,
            "pair": pair,
            "best_mean": means[single, single],
            "pair_mean": means[pair],
        }

    def make_figure(self):
        """Two axes of the same height."""
        figure, (left, right) = new_figure(10.0, 4.0, columns=2)
        steps, single = np.arange(STEPS + 1), best_single()
        dashed = {"color": GREY, "linewidth": 2, "linestyle": "--"}
        words = f"best single rate, {RATES[single]:.2g}"
        left.plot(steps, _curves()[single, single], **dashed, label=words)
        (self.line,) = left.plot(
            steps, steps, color=VERMILION, linewidth=2.6, label="these two rates"
        )
        scale(left.xaxis, "step t", 0, STEPS)
        scale(left.yaxis, "training loss f(theta_t)", 0.5, 3.0)
        left.legend(loc="lower left", frameon=False)
        self._make_map(right)
        return figure, [self.line, self.mark]

    def _make_map(self, right):
        """The mean loss of every pair, the diagonal, and a frame for the chosen one."""
        means = mean_losses()
        right.imshow(
            means, origin="lower", cmap="Blues_r", vmin=0.9, vmax=2.4, aspect="auto"
        )
        right.grid(False)
        ends = [-0.5, len(RATES) - 0.5]
        right.plot(ends, ends, color=GREY, linestyle="--", linewidth=0.8)
        look = {"ha": "center", "va": "center", "fontsize": 9, "color": BLACK}
        for (row, column), value in np.ndenumerate(means):
            right.text(column, row, f"{value:.2f}", **look)
        ticks = range(len(RATES)), [f"{rate:.2g}" for rate in RATES]
        right.set_xticks(*ticks, rotation=30), right.set_yticks(*ticks)
        right.set(
            xlabel="rate of the rest",
            ylabel="rate of conv",
            title="mean loss, steps 1 to 100",
        )
        frame = {"marker": "s", "markersize": 30, "markerfacecolor": "none"}
        look = {"linestyle": "", "markeredgewidth": 3, "color": BLACK}
        (self.mark,) = right.plot([0], [0], **frame, **look)

    def draw(self, result):
        self.line.set_ydata(np.clip(result["curve"], 0.4, 3.2))
        row, column = result["here"]
        self.mark.set_data([column], [row])

    def describe(self, result):
        a, b = (RATES[k] for k in result["pair"])
        return (
            f"Rates {result['conv']:.2g} for the convolutions and {result['rest']:.2g} "
            f"for the rest: the mean loss is {result['mean']:.3f}. The best single "
            f"rate, {RATES[result['single']]:.2g}, gives {result['best_mean']:.3f}; "
            f"the best pair, {a:.2g} and {b:.2g}, {result['pair_mean']:.3f}."
        )

    def numbers(self, result):
        rows = [
            [
                "these two rates",
                f"{result['conv']:.2g}",
                f"{result['rest']:.2g}",
                f"{result['mean']:.3f}",
            ]
        ]
        for name, (a, b) in (
            ("best single", 2 * (result["single"],)),
            ("best pair", result["pair"]),
        ):
            rows.append(
                [
                    name,
                    f"{RATES[a]:.2g}",
                    f"{RATES[b]:.2g}",
                    f"{mean_losses()[a, b]:.3f}",
                ]
            )
        return ["", "conv", "rest", "mean loss"], rows


@functools.cache
def _curves() -> np.ndarray:
    return stored("two_rates", __file__)["curves"].astype(float)


def mean_losses() -> np.ndarray:
    """[rate of conv, rate of the rest]: the mean over steps 1 to 100."""
    return _curves()[..., 1:].mean(-1)


def best_single() -> int:
    """The number of the best rate for both."""
    return int(np.diagonal(mean_losses()).argmin())


def best_pair() -> tuple[int, int]:
    """The numbers of the best two."""
    row, column = np.unravel_index(mean_losses().argmin(), mean_losses().shape)
    return int(row), int(column)


def pair_question() -> Guess:
    """Before the panel opens: which group wants the larger rate?"""
    options = ("The convolutions", "The rest", "Both the same")

    def truth():
        conv, rest = best_pair()
        return options[0 if conv > rest else 1 if rest > conv else 2]

    return Guess(
        "Adam gets two learning rates: one for the weights of the convolutions, one "
        "for all other parameters. Of all pairs the best is taken. Which group has the "
        "larger rate in it?",
        truth=truth,
        options=options,
        because="The darkest cell of the map says so.",
    )
