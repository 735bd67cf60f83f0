"""Exercises answered by reading a figure: what the panels show is right, slips are not.

The truths are taken from the panels' own pictures and tables, not from the checks.
"""

import numpy as np
import pytest
import torch

from l2o_kit.lessons.l00_start import checks as checks00
from l2o_kit.lessons.l00_start.race import Race
from l2o_kit.lessons.l01_descent.valleys import descend
from l2o_kit.lessons.l02_meta_gradient.laboratory import Laboratory
from l2o_kit.lessons.l03_lstm.opened import SIZES, Opened
from l2o_kit.lessons.l04_networks.standings_panel import Networks
from l2o_kit.lessons.l05_generalization.horizon_panel import Horizon
from l2o_kit.lessons.l06_concurrent.subsets import Subsets
from l2o_kit.lessons.l07_softmax.paths import Paths
from l2o_kit.lessons.l08_convnets.convnets import ConvNets
from l2o_kit.lessons.l09_art.standings import ArtRace
from l2o_kit.lessons.l10_take_home.scorecard_panel import TrustCard
from l2o_kit.teaching import answers
from tests.rooms import CHECKS


def shown(kind, **state):
    """A panel at a setting: what it draws."""
    panel = kind()
    for name, value in state.items():
        panel.controls[name].value = value
    return panel


def first(steps, values, level):
    """The first step at which a drawn curve is at or below a level."""
    return float(np.asarray(steps)[np.asarray(values) <= level][0])


def nags_star():
    return float(shown(Race, rival="NAG").best.get_xdata()[0])


def ball_leaves():
    """The largest rate at which 2,000 steps do not grow, found by bisection."""
    H, low, high = np.diag([1.0, 0.05]), 2.0, 4.0
    for _ in range(30):
        rate = (low + high) / 2
        with np.errstate(over="ignore", invalid="ignore"):
            path = descend(
                "Momentum",
                H,
                np.ones(2),
                np.array([rate]),
                0.5,
                np.zeros((2000, 2)),
                2000,
            )
        grows = not np.abs(path[-1]).max() < 1
        low, high = (low, rate) if grows else (rate, high)
    return low


def laboratorys_lowest():
    panel = Laboratory()
    return float(panel.leads["full"].get_xdata()[0])


def growth():
    line = Opened().sizes["learned"].get_ydata()
    at = [np.abs(np.log(SIZES / size)).argmin() for size in (0.01, 1.0)]
    return float(line[at[1]] / line[at[0]])


def adams_level():
    panel = shown(Networks, place="digits, 28x28", steps=100)
    curves = dict(
        zip(("learned", "Adam"), (panel.lines[0], panel.lines[7]), strict=True)
    )
    x, y = curves["learned"].get_xdata(), curves["learned"].get_ydata()
    return first(x, y, curves["Adam"].get_ydata()[-1])


def adam_below_plain():
    lines = shown(Horizon, steps=10_000).lines
    steps, plain = lines["plain"].get_xdata(), lines["plain"].get_ydata()
    return first(steps, np.asarray(lines["Adam"].get_ydata()) - plain, 0)


def needed():
    header, rows = shown(Subsets, size=40, concentration=0.25).table
    losses = [float(cell) for cell in rows[0][1:]]
    return next(
        int(n) for n, loss in zip(header[1:], losses, strict=True) if loss < 2.3
    )


def trusted():
    line = shown(Paths, sources="poison", steps=200).means[0]
    return first(line.get_xdata(), -np.asarray(line.get_ydata()), -0.9)


def halved():
    line = ConvNets().lines["two LSTMs"]
    return first(line.get_xdata(), line.get_ydata(), 0.5)


def left():
    return float(ArtRace().lines["learned"].get_ydata()[16])


def green():
    """From the sentences of the panel, cell by cell."""
    panel, found = shown(TrustCard, optimizer="neural_art"), 0
    for task in panel.controls["task"].options:
        panel.controls["task"].value = task
        found += "green." in panel.text and "trained on this task" not in panel.text
    return found


# name: (the panel's own number, how far a reader may be off, as a share)
FIGURES = {
    "best_rate_of_nag": (nags_star, 0.2),
    "limit_of_momentum": (ball_leaves, 0.05),
    "best_rate_of_the_roll_out": (laboratorys_lowest, 0.2),
    "growth_of_update": (growth, 0.2),
    "step_of_equal_loss": (adams_level, 0.08),
    "adam_passes": (adam_below_plain, 0.25),
    "sources_needed": (needed, 0.0),
    "step_of_trust": (trusted, 0.1),
    "half_of_the_loss": (halved, 0.05),
    "share_left": (left, 0.15),
    "green_cells": (green, 0.0),
}


@pytest.mark.parametrize("name", FIGURES)
def test_what_the_panel_shows_is_right_and_twice_that_is_not(name, capsys):
    figure, off = FIGURES[name]
    seen = figure()
    for value in (seen, seen * (1 + off), seen * (1 - off), torch.tensor(seen)):
        assert CHECKS[name](lambda value=value: value)() is value
        assert capsys.readouterr().out.startswith("Right: "), value
    for value in (2.3 * seen, -seen, 0.0, float("inf"), float("nan")):
        own = CHECKS[name](lambda value=value: value)
        assert "kit's own" in capsys.readouterr().out and own() != value


SLIPS = [
    ("best_rate_of_nag", 3.2, "edge of stability"),
    ("best_rate_of_nag", 0.056, "Adam's best rate"),
    ("best_rate_of_nag", 0.38, "how low the valley is"),
    ("best_rate_of_nag", 0.25, "the power of ten"),
    ("best_rate_of_nag", 0.01, "where the slider stands"),
    ("best_rate_of_nag", 10.0, "You read 10, and that is not it. Choose NAG"),
    ("limit_of_momentum", 3.8, "for beta 0.9"),
    ("limit_of_momentum", 2.0, "plain gradient descent"),
    ("limit_of_momentum", 1.5, "the limit of NAG"),
    ("limit_of_momentum", 2.67, "the best rate"),
    ("limit_of_momentum", 1.0, "run away sooner"),
    ("best_rate_of_the_roll_out", 0.0215, "short-horizon bias"),
    ("best_rate_of_the_roll_out", 0.1, "where the slider stands"),
    ("best_rate_of_the_roll_out", -1.2, "That is phi"),
    ("best_rate_of_the_roll_out", 2.0, "edge of stability"),
    ("growth_of_update", 100, "Momentum's update with it"),
    ("growth_of_update", 1, "That is Adam"),
    ("growth_of_update", 4.5, "from 0.1 to 1"),
    ("growth_of_update", 1.15, "in powers of ten"),
    ("step_of_equal_loss", 100, "There Adam ends"),
    ("step_of_equal_loss", 54, "how many steps it saves"),
    ("step_of_equal_loss", 2.0, "up and down"),
    ("step_of_equal_loss", 0.145, "Adam's last loss"),
    ("step_of_equal_loss", 29, "Adam has the green crosses: see the picture on the r"),
    ("adam_passes", 350, "robust that leaves plain"),
    ("adam_passes", 2000, "Adam's rate was tuned"),
    ("adam_passes", 100, "training of plain ended"),
    ("adam_passes", 10_000, "where the two curves cross"),
    ("sources_needed", 3, "subsets of 80"),
    ("sources_needed", 2, "Adam's curve"),
    ("sources_needed", 9, "the loss is lowest"),
    ("sources_needed", 1, "worse than no training"),
    ("step_of_trust", 14, "one half"),
    ("step_of_trust", 100, "where this training ends"),
    ("step_of_trust", 0.953, "its weight at the end"),
    ("step_of_trust", 0.9, "the weight itself"),
    ("step_of_trust", 29, "the turned pictures"),
    ("half_of_the_loss", 86, "That is SGD"),
    ("half_of_the_loss", 61.5, "does NAG take"),
    ("half_of_the_loss", 20, "labels 0 to 4"),
    ("half_of_the_loss", 31.5, "a quarter of the loss"),
    ("half_of_the_loss", 0.5, "after half of the steps"),
    ("share_left", 0.93, "the share that is gone"),
    ("share_left", 7.3, "per cent"),
    ("share_left", 0.051, "at the end"),
    ("share_left", 0.128, "has Adam left"),
    ("share_left", 0.26, "has SGD left"),
    ("share_left", 0.215, "before it saw"),
    ("green_cells", 5, "the framed cell"),
    ("green_cells", 6, "the grey cells"),
    ("green_cells", 2, "the red ones"),
    ("green_cells", 8, "away from home"),
    ("fair_comparisons", {"A", "B", "D"}, "A is not fair. An untuned rival"),
    ("fair_comparisons", {"B", "C", "D"}, "C is not fair. A picked example"),
    ("fair_comparisons", ["b", "d", "e"], "E is not fair. Tuned on what is judged"),
    ("fair_comparisons", {"B"}, "Look at D once more. Must a comparison be won"),
    ("fair_comparisons", {"D"}, "Look at B once more"),
    ("fair_comparisons", set(), "Look at B once more"),
    ("fair_comparisons", "B, D, F", "There is no line F"),
    ("fair_comparisons", 2, "Return a set of letters"),
]


@pytest.mark.parametrize(("name", "value", "message"), SLIPS, ids=range(len(SLIPS)))
def test_slips_are_named(name, value, message, capsys):
    CHECKS[name](lambda: value)
    out = capsys.readouterr().out
    assert message in out and "kit's own" in out


@pytest.mark.parametrize("value", [{"B", "D"}, ["d", "b"], "B, D"])
def test_the_fair_ones_are_right(value, capsys):
    assert checks00.fair_comparisons(lambda: value)() is value
    assert capsys.readouterr().out.startswith("Right: every rule at its best")


def test_each_reading_names_three_slips_or_more():
    for name in (*FIGURES, "fair_comparisons"):
        assert sum(one == name for one, _, _ in SLIPS) >= 3, name


def test_where_a_curve_comes_down_to_a_level():
    assert answers.reaches(np.array([3.0, 2.0, 0.0, 5.0]), 1.0) == 1.5
    assert answers.reaches([1.0, 0.5], 2.0) == 0.0
    assert answers.reaches([2.0, 1.0], 1.0) == 1.0
