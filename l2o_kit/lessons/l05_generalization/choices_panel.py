"""Choices in meta-training: what a discount, a horizon, a rate of phi lead to.

A row for each setting, a dot for each seed, a bar at their median. Read from
``stored/experiments``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l05_generalization.choices import CHOICES, MARKS, SEEDS, SETTINGS
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.dots import Dots
from l2o_kit.teaching.guess import Guess


class Choices(Dots):
    """Choose what varies, and after how many steps it is judged."""

    title = "Choices in meta-training"
    strip = (
        {"choice": "discount", "steps": 100},
        {"choice": "horizon", "steps": 1000},
        {"choice": "rate of phi", "steps": 100},
    )
    low, high, rows, seeds = 1e-5, 10.0, max(map(len, CHOICES.values())), SEEDS
    ticks = (1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10)
    label = "loss at that step / first loss, fresh problems"
    longest = "0.01, 0.001, 0.0001"  # name of a row

    def make_controls(self):
        choice = buttons("choice", CHOICES)
        steps = list_slider("judged at step", MARKS)
        return {"choice": choice, "steps": steps}

    def compute(self, state):
        """shares [setting, seed] of the first loss, and the settings' names."""
        rows = [k for k, (kind, _) in enumerate(SETTINGS) if kind == state["choice"]]
        shares = _outcome()[rows, :, MARKS.index(state["steps"])]
        return {**state, "shares": shares, "names": list(CHOICES[state["choice"]])}

    def describe(self, result):
        medians = np.median(result["shares"], axis=1)
        best, worst = int(medians.argmin()), int(medians.argmax())
        return (
            f"{result['choice']}, judged at step {result['steps']}: best is "
            f"{result['names'][best]}, with {_share(medians[best])} of the first loss "
            f"left (median of {SEEDS} seeds), worst {result['names'][worst]}: "
            f"{_share(medians[worst])}."
        )

    def numbers(self, result):
        pairs = zip(result["names"], result["shares"], strict=True)
        rows = [[name, *map(_share, some)] for name, some in pairs]
        return [result["choice"], *(f"seed {k}" for k in range(SEEDS))], rows


@functools.cache
def _outcome() -> np.ndarray:
    return stored("experiments", __file__)["outcome"]


def _share(value: float) -> str:
    return f"{value:.2g}" if value < 1e4 else "it diverges"


def discount_question() -> Guess:
    """Before the panel opens: which discount leads furthest in 100 steps?"""
    names = list(CHOICES["discount"])

    def truth():
        rows = [SETTINGS.index(("discount", name)) for name in names]
        return names[int(np.median(_outcome()[rows, :, 0], axis=1).argmin())]

    return Guess(
        "The loss at step s of a roll-out that ends at b weighs discount^(b - s): 0 is "
        "the last loss only, 1 the plain sum. Which leads to the lowest loss at step "
        "100?",
        truth=truth,
        options=tuple(names),
        because="One loss says little about a hundred updates; a sum says something "
        "about each.",
    )
