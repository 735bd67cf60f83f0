"""Does cooperation help: one choice changed at a time, three seeds each.

A row for each setting, a dot for each seed, a bar at their median; 1 is the first
setting of the choice. Read from ``stored/teamwork``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l06_concurrent.teamwork import choices
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.dots import Dots
from l2o_kit.teaching.guess import Guess

NAMES = {choice: tuple(settings) for choice, settings in choices().items()}
UNITS = {"noisy sources": "sources", "subsets": "sources", "subset size": "examples"}


class Together(Dots):
    """Choose what varies."""

    title = "Does cooperation help?"
    strip = (
        {"choice": "noisy sources"},
        {"choice": "ways to combine"},
        {"choice": "activations"},
    )
    low, high, rows = 0.02, 20.0, max(map(len, NAMES.values()))
    ticks = (0.03, 0.1, 0.3, 1, 3, 10)
    label, longest = "loss on the target / that of the first row", "source 0 alone xx"

    def make_controls(self):
        choice = list_slider("choice", list(NAMES))
        return {"choice": choice}

    def compute(self, state):
        """shares [setting, seed] of the first setting's loss; seconds [setting]."""
        losses, seconds = np.moveaxis(_rows()[state["choice"]], -1, 0)
        names = [named(n, state["choice"]) for n in NAMES[state["choice"]]]
        return {
            **state,
            "shares": losses / losses[0],
            "seconds": seconds[:, 0],
            "names": names,
        }

    def describe(self, result):
        medians = np.median(result["shares"], axis=1)
        best, worst = int(medians.argmin()), int(medians.argmax())
        cost = result["seconds"] / result["seconds"][0]
        return (
            f"{result['choice'].capitalize()}, median of three seeds: best is "
            f"{result['names'][best]}, with {medians[best]:.2g} times the loss of "
            f"{result['names'][0]}; worst is {result['names'][worst]}, with "
            f"{medians[worst]:.2g} times. A step of {result['names'][-1]} takes "
            f"{cost[-1]:.1f} times as long."
        )

    def numbers(self, result):
        rows = [
            [name, *(f"{s:.3g}" for s in some), f"{100 * seconds / 10:.1f}"]
            for name, some, seconds in zip(
                result["names"], result["shares"], result["seconds"], strict=True
            )
        ]
        seeds = (f"seed {k}" for k in range(result["shares"].shape[1]))
        return [result["choice"], *seeds, "ms a step"], rows


def named(setting: str, choice: str) -> str:
    """A setting with its unit: 1 source, 2 sources."""
    unit = UNITS.get(choice, "")
    return f"{setting} {unit.rstrip('s') if setting == '1' else unit}".strip()


@functools.cache
def _rows() -> dict:
    return stored("teamwork", __file__)


def combine_question() -> Guess:
    """Before the panel opens: which of four ways to combine ends lowest?"""
    ways = ("concat", "softmax", "mean_std", "difference")

    def truth():
        losses = np.median(_rows()["ways to combine"][..., 0], axis=1)
        found = dict(zip(NAMES["ways to combine"], losses, strict=True))
        return min(ways, key=found.get)

    return Guess(
        "Four sources of noise 0.5, 1, 2, 3. Four ways to combine their gradients, "
        "each trained equally long from nothing. Which ends with the lowest clean "
        "loss?",
        truth=truth,
        options=ways,
        because="Open the panel at <i>ways to combine</i> and see by how much.",
    )
