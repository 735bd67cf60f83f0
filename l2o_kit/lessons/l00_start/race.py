"""The race of lesson 00: a learned optimizer against one rival at a rate you choose.

``Race`` answers at once from stored curves; ``FreshRace`` trains new networks now.
"""

import functools

import ipywidgets as widgets
import numpy as np

from l2o_kit import data
from l2o_kit.baselines import RULES, STEPS, Baseline
from l2o_kit.checkpoint import load, stored
from l2o_kit.evaluate import optimize
from l2o_kit.network import Network, mlp
from l2o_kit.plots import (
    BLACK,
    GREY,
    ink,
    mean_band,
    new_figure,
    plain_ticks,
    scale,
    size,
    style,
)
from l2o_kit.teaching.controls import buttons, list_slider, log_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel
from l2o_kit.teaching.run_panel import RunPanel

TOP, BOTTOM = 10.0, 0.01  # of the loss axis
NAMES = ("learned", "rival")
RACE_RATES = 10.0 ** np.arange(-5, 1.01, 0.25)
RACE_NOISE = np.array([0.0, 0.25, 0.5, 1.0])
RACE_NETWORKS = 8


def noisy_digits(noise: float) -> Network:
    """The digits network on pictures with Gaussian pixel noise of that size."""
    X, y, X_held_out, y_held_out = data.digits()
    X = data.add_noise(X, noise, data.stream(0, "pixel noise"))
    X_held_out = data.add_noise(X_held_out, noise, data.stream(1, "pixel noise"))
    return Network(mlp([64, 20, 10]), X, y, X_held_out, y_held_out)


def race_curve(rule, noise: float) -> np.ndarray:
    """[3, steps + 1]: the mean loss of RACE_NETWORKS networks, and its 95 % band."""
    curves = optimize(
        rule, noisy_digits(noise), steps=STEPS, batch=RACE_NETWORKS, purpose="race"
    )
    band = np.nan_to_num(np.stack(mean_band(curves.losses)), nan=np.inf)
    return np.minimum(band, 6e4).astype(np.float16)


def race_rival(name: str, lr: float) -> Baseline:
    """A rival of the race at a rate that need not be its best."""
    return Baseline(name, float(lr), STEPS if name == "Adam + cosine" else None)


def build_race_rivals() -> dict:
    """losses [rule, rate, noise, 3, step], float16: every rival at every rate."""
    losses = [
        [
            [race_curve(race_rival(name, lr), noise) for noise in RACE_NOISE]
            for lr in RACE_RATES
        ]
        for name in RULES
    ]
    return {"losses": np.array(losses)}


def build_race_learned() -> dict:
    """losses [noise, 3, step], float16: the shipped optimizer on the same networks."""
    learned = load("digits")
    return {"losses": np.array([race_curve(learned, noise) for noise in RACE_NOISE])}


BUILDERS = {"race_rivals": build_race_rivals, "race_learned": build_race_learned}


def rate_slider(value: float = 0.01) -> widgets.FloatLogSlider:
    """Learning rates from 1e-5 to 10, four to a decade."""
    return log_slider("learning rate", value, -5, 1, 0.25)


def rival_buttons() -> widgets.ToggleButtons:
    """The hand-designed rivals; JupyterLab would take the arrow keys of a menu."""
    return buttons("rival", RULES, "Adam")


class Curves:
    """The axes of both panels: loss against step, learned and rival, with bands.

    Each curve carries its name at its right end, so that no legend needs to be read.
    """

    def __init__(self, ax):
        self.lines, self.bands, self.names = {}, {}, {}
        self.steps = np.arange(STEPS + 1)
        for name in NAMES:
            look = style(name, phase=0 if name == "learned" else 6)
            (self.lines[name],) = ax.plot(self.steps, np.ones(STEPS + 1), **look)
            self.bands[name] = ax.fill_between(
                self.steps, 1, 1, color=look["color"], alpha=0.2, linewidth=0
            )
            self.names[name] = ax.text(
                STEPS + 2, 1, name, color=ink(look["color"]), va="center", weight="bold"
            )
        scale(ax.xaxis, "step t", 0, 1.48 * STEPS)
        scale(ax.yaxis, "training loss f(theta_t)", BOTTOM, TOP, "log")
        ax.set_xticks(range(0, STEPS + 1, 20))
        plain_ticks(ax.yaxis, (0.01, 0.1, 1, 10))
        self.moving = [*self.bands.values(), *self.lines.values(), *self.names.values()]

    def draw(self, learned, rival, rival_name: str):
        """Bands [3, steps + 1]: mean, low, high; clipped to just outside the axes."""
        for name, band in (("learned", learned), ("rival", rival)):
            middle, low, high = np.clip(band, BOTTOM / 2, TOP * 2)
            self.lines[name].set_ydata(middle)
            self.bands[name].set_data(self.steps, low, high)
        self._place_names(learned[0, -1], rival[0, -1])
        look = style(rival_name, phase=6)
        self.lines["rival"].set(
            color=look["color"], linestyle=look["linestyle"], marker=look["marker"]
        )
        self.bands["rival"].set_color(look["color"])
        self.names["rival"].set(
            color=ink(look["color"]), text=rival_name.replace(" + ", "\n+ ")
        )

    def _place_names(self, *losses):
        """At the curves' ends, but never on top of each other or outside."""
        ends = np.clip(np.log10(losses), np.log10(BOTTOM) + 0.1, np.log10(TOP) - 0.1)
        apart = ends[1] - ends[0]
        if abs(apart) < 0.22:
            ends = ends.mean() + np.array([-0.11, 0.11]) * (1 if apart >= 0 else -1)
        for name, end in zip(NAMES, ends, strict=True):
            self.names[name].set_y(10**end)


class Race(Panel):
    """Drag a rival's learning rate, or the pixel noise; see who is ahead."""

    title = "The race: who trains the digits network faster?"
    strip = (
        {"rival": "Adam", "rate": 0.001, "noise": 0.0},
        {"rival": "Adam", "rate": 0.1, "noise": 0.0},
        {"rival": "NAG", "rate": 10**0.25, "noise": 0.5},
    )

    def make_controls(self):
        noise = list_slider(
            "pixel noise", [(f"{noise:g}", noise) for noise in RACE_NOISE.tolist()], 0.0
        )
        return {"rival": rival_buttons(), "rate": rate_slider(), "noise": noise}

    def compute(self, state):
        """Look the setting up in the grid: the two bands, and the rival's U curve."""
        noise = int(np.abs(RACE_NOISE - state["noise"]).argmin())
        rate = int(np.abs(np.log(RACE_RATES / state["rate"])).argmin())
        rivals = _losses("rivals")[list(RULES).index(state["rival"]), :, noise]
        learned = _losses("learned")[noise]
        valley = rivals[:, 0, 1:].mean(1)  # [rate]: mean loss over steps
        return {
            **state,
            "rate": RACE_RATES[rate],
            "learned": learned,
            "valley": valley,
            "rival_band": rivals[rate],
            "rate_index": rate,
            "learned_mean": float(learned[0, 1:].mean()),
        }

    def make_figure(self):
        """Left the two curves, right the rival's mean loss at every rate: a valley."""
        figure, (left, right) = new_figure(8.0, 3.4, columns=2)
        self.curves = Curves(left)
        (self.valley,) = right.plot(
            RACE_RATES, np.ones_like(RACE_RATES), color=GREY, marker="."
        )
        (self.here,) = right.plot(
            [1],
            [1],
            linestyle="",
            marker="X",
            markersize=12,
            color=BLACK,
            label="your rate",
        )
        (self.best,) = right.plot(
            [1],
            [1],
            linestyle="",
            marker="*",
            markersize=14,
            color=BLACK,
            label="its best rate",
        )
        colour = style("learned")["color"]
        self.learned = right.axhline(1, color=colour, linewidth=2.6)
        self.name = right.text(
            1e-5, 1, "learned optimizer", color=colour, va="top", weight="bold"
        )
        scale(right.xaxis, "learning rate of the rival", 7e-6, 14, "log")
        scale(right.yaxis, "mean loss over 100 steps", 0.1, TOP, "log")
        plain_ticks(right.yaxis, (0.1, 0.3, 1, 3, 10))
        plain_ticks(right.xaxis, (1e-5, 1e-3, 0.1, 10))
        right.legend(loc="upper left", frameon=False)
        moving = [self.learned, self.name, self.valley, self.best, self.here]
        return figure, [*self.curves.moving, *moving]

    def draw(self, result):
        self.curves.draw(result["learned"], result["rival_band"], result["rival"])
        valley = np.clip(result["valley"], 0.1, 0.8 * TOP)
        best = int(result["valley"].argmin())
        self.valley.set_ydata(valley)
        self.here.set_data([result["rate"]], [valley[result["rate_index"]]])
        self.best.set_data([RACE_RATES[best]], [valley[best]])
        self.learned.set_ydata([result["learned_mean"]] * 2)
        self.name.set_y(0.96 * result["learned_mean"])

    def describe(self, result):
        mine = result["valley"][result["rate_index"]]
        best = int(result["valley"].argmin())
        ratio = mine / result["learned_mean"]
        return (
            f"With pixel noise {result['noise']:g}, {result['rival']} at rate "
            f"{result['rate']:.2g} has a mean loss of {size(mine)}, "
            f"{f'{ratio:.1f} times' if ratio < 1e3 else 'far above'} the learned "
            f"optimizer's {result['learned_mean']:.3g}; its best rate on this grid, "
            f"{RACE_RATES[best]:.2g}, gives {size(result['valley'][best])}."
        )

    def numbers(self, result):
        names = ("learned", result["rival"])
        return loss_table(names, [result["learned"], result["rival_band"]])


class FreshRace(RunPanel):
    """The same race on networks that nobody has seen, trained now."""

    title = "The race again, now, on fresh networks"
    strip = (
        {"rival": "Adam", "rate": 0.1, "networks": 4, "seed": 1},
        {"rival": "NAG", "rate": 10**0.25, "networks": 4, "seed": 1},
    )

    def make_controls(self):
        return {
            "rival": rival_buttons(),
            "rate": rate_slider(0.1),
            "networks": widgets.IntSlider(4, 2, 8, description="networks"),
            "seed": widgets.IntSlider(1, 1, 100, description="seed"),
        }

    def work(self, state, job):
        """Train the networks by both rules, from the same theta_0, on the same data."""
        rules = {
            "learned": load("digits"),
            "rival": race_rival(state["rival"], state["rate"]),
        }
        bands = {}
        for half, (name, rule) in enumerate(rules.items()):
            curves = optimize(
                rule,
                noisy_digits(0.0),
                steps=STEPS,
                batch=state["networks"],
                seed=state["seed"],
                purpose="fresh race",
                on_step=lambda t, half=half: job.step((half + t / STEPS) / 2),
            )
            band = np.stack(mean_band(curves.losses))
            bands[name] = np.nan_to_num(band, nan=6e4, posinf=6e4)
        return {**state, "rival name": state["rival"], **bands}

    def make_figure(self):
        """The two curves."""
        figure, (ax,) = new_figure(8.0, 3.4)
        self.curves = Curves(ax)
        return figure, self.curves.moving

    def draw(self, result):
        self.curves.draw(result["learned"], result["rival"], result["rival name"])

    def describe(self, result):
        learned, rival = (result[name][0, 1:].mean() for name in NAMES)
        winner = "the learned optimizer" if learned < rival else result["rival name"]
        return (
            f"On {result['networks']} fresh networks (seed {result['seed']}), "
            f"{result['rival name']} at rate {result['rate']:.2g} has a mean loss of "
            f"{size(rival)}, the learned optimizer {size(learned)}: {winner} is ahead."
        )

    def numbers(self, result):
        names = ("learned", result["rival name"])
        return loss_table(names, [result[name] for name in NAMES])


def loss_table(names, bands):
    """Loss at four steps and the mean: (header, rows) for a panel's table."""
    steps = (1, 10, 50, STEPS)
    rows = [
        [name, *(size(band[0, t]) for t in steps), size(band[0, 1:].mean())]
        for name, band in zip(names, bands, strict=True)
    ]
    return ["mean loss", *(f"step {t}" for t in steps), "mean 1 to 100"], rows


@functools.cache
def _losses(whose: str) -> np.ndarray:
    """Stored curves: rivals [rule, rate, noise, 3, step], learned [noise, 3, step]."""
    return stored(f"race_{whose}", __file__)["losses"].astype(float)


YES, NO = "Yes, with the right rate", "No, at no rate"


def adam_can_win() -> str:
    """The answer to lesson 00's question, read off the grid without pixel noise."""
    adam = _losses("rivals")[list(RULES).index("Adam"), :, 0, 0, 1:].mean(1)
    can = adam.min() < _losses("learned")[0, 0, 1:].mean()
    return YES if can else NO


def fresh_question() -> Guess:
    """Before the networks are trained now: how far is Adam at 0.1 behind?"""

    def truth():
        rate = int(np.abs(np.log(RACE_RATES / 0.1)).argmin())
        adam = _losses("rivals")[list(RULES).index("Adam"), rate, 0, 0, 1:].mean()
        return float(adam / _losses("learned")[0, 0, 1:].mean())

    return Guess(
        "Fresh networks, and Adam at rate 0.1. How many times the learned optimizer's "
        "mean loss over 100 steps will Adam's be?",
        truth=truth,
        because="So it was on the networks of the panel above. Press Run: is it about "
        "the same on fresh ones?",
    )


def win_question() -> Guess:
    """Before the race: can Adam win, at any rate?"""
    return Guess(
        "You may pick any learning rate for Adam. Can its mean loss over 100 steps get "
        "below the learned optimizer's?",
        truth=adam_can_win,
        because="Drag the rate and compare the valley's lowest point with the line.",
        options=(YES, NO),
    )


def readme_picture() -> bytes:
    """The README's picture: the race against NAG, the best rival, at its best rate."""
    panel = Race()
    panel.controls["rival"].value = "NAG"
    panel.controls["rate"].value = float(panel.best.get_xdata()[0])
    return panel.picture
