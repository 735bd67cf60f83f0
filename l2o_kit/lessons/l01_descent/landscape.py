"""The landscape of lesson 01: one rule on one valley, and where it must diverge.

Left the path on the contours of f, in the middle the loss, on the right the loss after
the last step at every rate, with the rates that theory names.
"""

import math

import numpy as np

from l2o_kit.baselines import HAND_MADE, REMEMBER
from l2o_kit.lessons.l01_descent.valleys import (
    best_heavy_ball,
    best_plain,
    descend,
    divergence_rate,
)
from l2o_kit.plots import BLACK, GREY, VERMILION, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import buttons, log_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

STEPS = 60
RATES = 10 ** np.linspace(-3, 1, 81)
TURN = math.radians(25)  # how askew the valley lies
HALF = 2.2  # of the square that is shown
TOP, BOTTOM = 1e2, 1e-6  # of the loss axes
LEVELS = 0.5 * np.array([0.02, 0.1, 0.3, 0.7, 1.4, 2.4, 4.0])
CIRCLE = np.linspace(0, 2 * np.pi, 121)
AXES = np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]])


class Landscape(Panel):
    """Drag the step size, momentum, condition number, noise and starting point."""

    title = "A landscape: where does a rule go, and when does it break?"
    strip = (
        {
            "rule": "SGD",
            "rate": 0.1,
            "momentum": 0.9,
            "kappa": 20.0,
            "noise": 0.0,
            "start": 70,
        },
        {
            "rule": "SGD",
            "rate": 10**0.325,
            "momentum": 0.9,
            "kappa": 20.0,
            "noise": 0.0,
            "start": 70,
        },
        {
            "rule": "Momentum",
            "rate": 0.1,
            "momentum": 0.9,
            "kappa": 20.0,
            "noise": 0.0,
            "start": 70,
        },
        {
            "rule": "Momentum",
            "rate": 10**0.5,
            "momentum": 0.67,
            "kappa": 100.0,
            "noise": 0.0,
            "start": 70,
        },
    )

    def make_controls(self):
        rule = buttons("rule", HAND_MADE, "Momentum")
        return {
            "rule": rule,
            "rate": log_slider("learning rate", 0.1, -3, 1, 0.025, ".3g"),
            "momentum": slider("momentum beta", 0.9, 0.0, 0.99, 0.01),
            "kappa": log_slider("condition number", 20.0, 0, 3, 0.05, ".3g"),
            "noise": slider("gradient noise", 0.0, 0.0, 1.0, 0.05),
            "start": slider("start, degrees", 70, 0, 180, 5),
        }

    def compute(self, state):
        """The path at the chosen rate, and the last loss at every rate."""
        curvatures = np.array([1.0, 1 / state["kappa"]])
        H = AXES.T @ np.diag(curvatures) @ AXES
        angle = math.radians(state["start"])
        theta0 = 2.0 * np.array([math.cos(angle), math.sin(angle)])
        noise = state["noise"] * np.random.default_rng(0).normal(size=(STEPS, 2))
        rates = np.append(RATES, state["rate"])
        paths = descend(
            state["rule"], H, theta0, rates, state["momentum"], noise, STEPS
        )
        with np.errstate(over="ignore", invalid="ignore"):
            losses = 0.5 * ((paths @ H) * paths).sum(2)  # [step, rate]
        losses = np.nan_to_num(losses, nan=1e9, posinf=1e9).clip(0, 1e9)
        return {
            **state,
            "path": _until_out_of_sight(paths[:, -1]),
            "losses": losses[:, -1],
            "valley": losses[-1, :-1],
            "limit": divergence_rate(state["rule"], state["momentum"]),
            "best": _best(state["rule"], 1.0, 1 / state["kappa"]),
        }

    def make_figure(self):
        """Three axes: path, loss, and the loss after the last step at every rate."""
        figure, (left, middle, right) = new_figure(10.5, 3.5, columns=3)
        path = self._make_path(left)
        (self.loss,) = middle.plot(range(STEPS + 1), np.ones(STEPS + 1), linewidth=2)
        scale(middle.yaxis, "loss f(theta_t)", BOTTOM, TOP, "log")
        scale(middle.xaxis, "step t", 0, STEPS)
        middle.set_title("the loss")
        valley = self._make_valley(right)
        for ax in (middle, right):
            plain_ticks(ax.yaxis, (1e-6, 1e-4, 0.01, 1, 100))
        return figure, [*path, self.loss, *valley]

    def _make_path(self, left):
        """Contours, the path, where it begins, and the minimum as a star."""
        self.contours = [
            left.plot([0], [0], color=GREY, linewidth=0.8)[0] for _ in LEVELS
        ]
        (self.path,) = left.plot([0], [0], marker="o", markersize=3, linewidth=1.2)
        (self.origin,) = left.plot([0], [0], "s", color=BLACK, markersize=7)
        (star,) = left.plot([0], [0], "*", color=BLACK, markersize=13, zorder=5)
        scale(left.xaxis, "theta 1", -HALF, HALF)
        scale(left.yaxis, "theta 2", -HALF, HALF)
        left.set(aspect="equal", title="the path")
        return [*self.contours, self.path, self.origin, star]

    def _make_valley(self, right):
        """The last loss at every rate, the chosen rate, and two that theory names."""
        (self.valley,) = right.plot(RATES, np.ones_like(RATES), linewidth=2)
        (self.here,) = right.plot([1], [1], "X", color=BLACK, markersize=11)
        self.limit = right.axvline(1, color=VERMILION, linestyle="--")
        self.best = right.axvline(1, color=BLACK, linestyle=":")
        self.names = [
            right.text(
                1,
                height,
                "",
                rotation=turned,
                ha=side,
                va=place,
                color=colour,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
            for side, colour, height, place, turned in (
                ("left", VERMILION, TOP / 1.2, "top", 90),
                ("right", BLACK, TOP / 12, "center", 0),
            )
        ]
        scale(right.xaxis, "learning rate", 1e-3, 13, "log")
        scale(right.yaxis, f"loss after {STEPS} steps", BOTTOM, TOP, "log")
        right.set_title("every rate")
        plain_ticks(right.xaxis, (0.001, 0.01, 0.1, 1, 10))
        return [self.limit, self.best, *self.names, self.valley, self.here]

    def draw(self, result):
        radii = np.sqrt([1.0, result["kappa"]])[:, None]
        ring = AXES.T @ (radii * np.stack([np.cos(CIRCLE), np.sin(CIRCLE)]))
        for line, level in zip(self.contours, LEVELS, strict=True):
            line.set_data(*(math.sqrt(2 * level) * ring))
        self.path.set_data(*result["path"].T)
        self.origin.set_data(*result["path"][:1].T)
        shown = {
            key: result[key].clip(BOTTOM / 3, TOP * 3) for key in ("losses", "valley")
        }
        self.loss.set_ydata(shown["losses"])
        self.valley.set_ydata(shown["valley"])
        last = np.clip(result["losses"][-1], 1.5 * BOTTOM, TOP / 1.5)
        self.here.set_data([result["rate"]], [last])
        colour = style(result["rule"])["color"]
        for line in (self.path, self.loss, self.valley):
            line.set_color(colour)
        limit, (rate, beta) = result["limit"], result["best"]
        best = f"best: beta {beta:.2f}" if beta else "best"
        lines = (
            (self.limit, limit, 1.06 * limit, "diverges"),
            (self.best, rate, 0.9 * min(rate, limit), best),
        )
        for (line, rate, x, name), text in zip(lines, self.names, strict=True):
            there = math.isfinite(rate)
            line.set_xdata([rate if there else 100.0] * 2)
            text.set(x=x if there else 1.0, text=name if there else "")

    def describe(self, result):
        return (
            f"From {result['start']} degrees, condition number {result['kappa']:.3g}, "
            f"gradient noise {result['noise']:.2f}: {_setting(result)} takes the loss "
            f"from {result['losses'][0]:.3g} to {_size(result['losses'][-1])} in "
            f"{STEPS} steps. {_theory(result)}"
        )

    def numbers(self, result):
        steps = (0, 5, 10, 30, STEPS)
        row = [result["rule"], *(_size(result["losses"][t]) for t in steps)]
        return ["loss", *(f"step {t}" for t in steps)], [row]


def _until_out_of_sight(path):
    """The path [steps + 1, 2], standing still once it has left the picture for good."""
    inside = np.flatnonzero(np.abs(path).max(1) < 3 * HALF)
    leaves = min(inside[-1] + 1, STEPS)
    path = np.nan_to_num(path, posinf=1e3, neginf=-1e3).clip(-1e3, 1e3)
    path[leaves:] = path[leaves]
    return path


def _best(rule, L, mu):
    """(best rate, the beta it needs or None) where theory knows it."""
    if rule == "Momentum":
        return best_heavy_ball(L, mu)
    return (best_plain(L, mu), None) if rule == "SGD" else (math.inf, None)


def _setting(result) -> str:
    beta = f" and beta {result['momentum']:.2f}" if result["rule"] in REMEMBER else ""
    return f"{result['rule']} at rate {result['rate']:.3g}{beta}"


def _size(loss: float) -> str:
    return f"{loss:.2g}" if loss < 1e6 else "out of sight"


def _theory(result) -> str:
    if not math.isfinite(result["limit"]):
        return (
            "It does not run away at any rate: its steps do not grow with the gradient."
        )
    state = "above" if result["rate"] > result["limit"] else "below"
    rate, beta = result["best"]
    quiet = " without noise" if result["noise"] else ""
    best = f" Best{quiet}: rate {rate:.3g}" if math.isfinite(rate) else ""
    best += f" with beta {beta:.2f}." if beta is not None else "." if best else ""
    return f"Its rate is {state} {result['limit']:.3g}, where it diverges.{best}"


def curvature_question() -> Guess:
    """Before the panel opens: where does plain gradient descent diverge?"""
    return Guess(
        "The steepest curvature of the valley is L = 1. You slowly raise the learning "
        "rate of plain gradient descent (SGD). From which rate on does it run away?",
        truth=divergence_rate("SGD", 0.0),
        because="A step is -rate times L times the distance: at 2 / L it lands as far "
        "on the other side. The condition number does not matter for this.",
    )


def ball_question() -> Guess:
    """Before the second panel opens: what does momentum do to the limit?"""
    options = ("A larger rate", "The same rate", "A smaller rate")

    def truth():
        ball, plain = divergence_rate("Momentum", 0.9), divergence_rate("SGD", 0.0)
        return options[0 if ball > plain else 2 if ball < plain else 1]

    return Guess(
        "The same valley, L = 1, and momentum with beta = 0.9. Which learning rate may "
        "one use before it diverges, compared with plain gradient descent?",
        truth=truth,
        options=options,
        because="The limit is 2 (1 + beta) / L. Where a step lands too far on the "
        "other side, the running sum still points back, and takes a part of it away.",
    )
