"""Far beyond the horizon: up to 10,000 steps, where training had 100 to 300.

The losses of two learned optimizers and of Adam, means over 16 networks with the
lowest and the highest of them. Read from ``stored/horizons``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l05_generalization.horizon import (
    JUDGED_ON,
    LONGEST,
    MARKS,
    TUNED_FOR,
)
from l2o_kit.lessons.l05_generalization.places_panel import NAMES, look
from l2o_kit.plots import GREY, SKY, new_figure, plain_ticks, scale, size
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

LOW, HIGH = 1e-9, 30.0
STEPS = (100, 200, 500, 1000, 2000, 5000, LONGEST)


class Horizon(Panel):
    """Drag how long it runs."""

    title = "A hundred times the horizon"
    strip = ({"steps": 100}, {"steps": 2000}, {"steps": LONGEST})

    def make_controls(self):
        steps = list_slider("steps", [(f"{t:,}", t) for t in STEPS])
        return {"steps": steps}

    def compute(self, state):
        """name -> curve [3, mark] up to the chosen step."""
        count = 1 + int(np.abs(MARKS - state["steps"]).argmin())
        return {
            **state,
            "marks": MARKS[:count],
            "lr": float(_stored()["lr"]),
            "curves": {n: c[:, :count] for n, c in curves().items()},
        }

    def make_figure(self):
        """Three curves with bands, on logarithmic axes."""
        figure, (ax,) = new_figure(8.0, 4.2)
        ax.axvspan(1, 100, color=SKY, alpha=0.18, linewidth=0)
        ax.text(115, 2 * LOW, "\u2190 plain was trained for", color=GREY)
        self.lines = {name: ax.plot(MARKS, MARKS, **look(name))[0] for name in NAMES}
        for line in self.lines.values():
            line.set_marker("")
        self.lines["Adam"].set_linestyle("-.")
        self.bands = {}
        for name in NAMES:
            colour = self.lines[name].get_color()
            self.bands[name] = [
                ax.plot(MARKS, MARKS, color=colour, linewidth=0.8)[0] for _ in range(2)
            ]
        scale(ax.xaxis, "step t", 1, LONGEST, "log")
        scale(ax.yaxis, "training loss f(theta_t)", LOW, HIGH, "log")
        plain_ticks(ax.xaxis, (1, 10, 100, 1000, 10_000))
        ax.legend(loc="lower left", frameon=False)
        thin = [line for pair in self.bands.values() for line in pair]
        return figure, [*thin, *self.lines.values()]

    def draw(self, result):
        for name, curve in result["curves"].items():
            lines = self.lines[name], *self.bands[name]
            for line, losses in zip(lines, curve, strict=True):
                line.set_data(result["marks"], np.clip(losses, LOW / 2, 2 * HIGH))

    def describe(self, result):
        ends = {name: float(c[0, -1]) for name, c in result["curves"].items()}
        return (
            f"After {result['steps']:,} steps, mean of {JUDGED_ON} networks: plain "
            f"{size(ends['plain'])}, robust {size(ends['robust'])}, Adam at the rate "
            f"that is best for {TUNED_FOR:,} steps, {result['lr']:.2g}, "
            f"{size(ends['Adam'])}. Thin lines: the lowest and the highest network."
        )

    def numbers(self, result):
        steps = [t for t in STEPS if t <= result["steps"]]
        places = [int(np.abs(result["marks"] - t).argmin()) for t in steps]
        rows = [
            [name, *(size(float(curve[0, k])) for k in places)]
            for name, curve in result["curves"].items()
        ]
        return ["loss near step", *(f"{t:,}" for t in steps)], rows


@functools.cache
def _stored() -> dict:
    return stored("horizons", __file__)


def curves() -> dict[str, np.ndarray]:
    """name -> [3, mark]."""
    return dict(zip(NAMES, _stored()["curves"], strict=True))


BEST, BEHIND, RISES = "It is still ahead", "It is behind Adam", "It is back at the top"


def horizon_question() -> Guess:
    """Before the panel opens: where is plain after 2,000 steps?"""

    def truth():
        at = int(np.searchsorted(MARKS, TUNED_FOR))
        plain, adam = curves()["plain"][0, at], curves()["Adam"][0, at]
        return BEST if plain < adam else RISES if plain > 1 else BEHIND

    return Guess(
        "The plain optimizer was trained for 100 steps, and there it beats Adam. Let "
        "it run for 2,000. How does it stand?",
        truth=truth,
        options=(BEST, BEHIND, RISES),
        because="It never had to settle: nothing in its training came after step 100.",
    )
