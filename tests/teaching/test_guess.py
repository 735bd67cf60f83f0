"""Guesses: bars and keyboard; every panel of a notebook asks before it opens."""

import ast
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from l2o_kit.baselines import SIX
from l2o_kit.lessons.l00_start.race import Race, fresh_question
from l2o_kit.lessons.l01_descent.landscape import ball_question
from l2o_kit.lessons.l01_descent.valleys import descend
from l2o_kit.lessons.l03_lstm import minute
from l2o_kit.lessons.l03_lstm.away_panel import Away, break_question
from l2o_kit.lessons.l04_networks import warm_start
from l2o_kit.lessons.l05_generalization.places_panel import Map, map_question
from l2o_kit.lessons.l07_softmax import live
from l2o_kit.lessons.l07_softmax.live import LiveTrust, LiveTurned
from l2o_kit.lessons.l07_softmax.paths import Paths
from l2o_kit.lessons.l08_convnets.live import settled_question
from l2o_kit.lessons.l09_art import questions
from l2o_kit.lessons.l09_art.features import RandomFilters
from l2o_kit.lessons.l09_art.standings import ArtRace
from l2o_kit.lessons.l10_take_home.scorecard_panel import TrustCard
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.teaching.guess import Guess, GuessBox, shares
from l2o_kit.teaching.live_training import watch, watched_rivals
from tests.rooms import ALL, ROOMS

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
BARS = Guess(
    "How much each?", lambda: [0.7, 0.2, 0.1], "So it is.", bars=("a", "b", "c")
)


def asked(guess):
    """A box and the list of what it was answered."""
    told = []
    return GuessBox(guess, told.append), told


def test_bars_are_shares_whatever_their_sum():
    box, told = asked(BARS)
    for bar, value in zip(box.bars, (80, 0, 20), strict=True):
        bar.value = value
    assert "a gets 0.80, b gets 0.00, c gets 0.20" in box.hint.value
    assert 'aria-live="polite"' in box.hint.value
    box.go.click()
    assert told == [(0.8, 0.0, 0.2)]
    box.bars[0].value = 20
    assert "a gets 0.50, b gets 0.00, c gets 0.50" in box.hint.value
    assert shares((0, 0)) == (0.0, 0.0) and sum(shares((1, 2, 4))) == pytest.approx(1)


def test_bars_of_nothing_are_no_answer():
    box, told = asked(BARS)
    for bar in box.bars:
        bar.value = 0
    box.go.click()
    assert not told and "Raise a bar first" in box.hint.value
    box.skip.click()
    assert told == [None]


def cells(html):
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r">([^<>]+)</t[hd]>", row) for row in rows]


def test_guessed_and_true_bars_stand_side_by_side():
    html = BARS.answer((0.5, 0.5, 0.0))
    assert "Your bars are off by 0.60 in all." in html and "So it is." in html
    assert cells(html) == [
        ["share", "a", "b", "c"],
        ["your guess", "0.50", "0.50", "0.00"],
        ["the answer", "0.70", "0.20", "0.10"],
    ]
    html = BARS.answer(None)
    assert "You skipped the guess." in html
    assert cells(html)[1:] == [["the answer", "0.70", "0.20", "0.10"]]


@pytest.mark.parametrize(
    "guess", [BARS, Guess("?", 1.0), Guess("?", "a", options=("a", "b"))]
)
def test_every_part_can_be_reached_by_tab(guess):
    """No tabindex of -1; a number is sent by Enter, which ends it; bars by arrows."""
    box, _ = asked(guess)
    assert box.skip.description == "Skip" and {box.go, box.skip} < set(box.parts())
    assert all(part.tabbable is not False for part in box.parts())
    if not (guess.bars or guess.options):
        assert box.field.continuous_update is False and box.field.description


def test_the_bars_of_the_lock_become_those_of_the_panel():
    panel = LiveTrust(live.law_question())
    assert panel.locked and len(panel.question.bars) == 4
    for bar, value in zip(panel.question.bars, (60, 20, 20, 0), strict=True):
        bar.value = value
    panel.question.go.click()
    assert not panel.locked
    assert panel.bars.tops["guess"].get_ydata() == pytest.approx([0.6, 0.2, 0.2, 0])
    variance = 1 / np.array([0.5, 1, 2, 3]) ** 2
    law = [f"{share:.2f}" for share in variance / variance.sum()]
    guess = ["your guess", "0.60", "0.20", "0.20", "0.00"]
    assert cells(panel._answer.value)[1:] == [guess, ["the answer", *law]]


def test_skipped_bars_leave_the_panels_own():
    panel = LiveTurned(live.angles_question())
    before = panel.state()
    panel.question.skip.click()
    assert panel.state() == before and "You skipped the guess" in panel._answer.value


# The truths, by other ways


def test_the_angles_are_those_of_the_panel_and_add_up_to_one():
    guess = live.angles_question()
    truth = guess.measured()
    assert sum(truth) == pytest.approx(1, abs=1e-3)
    paths = Paths()
    paths.controls["sources"].value = "rotation_last"
    told = dict(re.findall(r"(\d+)° has ([\d.]+)", paths.text))
    names = [name.removeprefix("turned by ").removesuffix("°") for name in guess.bars]
    assert [f"{share:.3f}" for share in truth] == [told[name] for name in names]


def test_fresh_networks_are_expected_as_the_race_shows():
    race = Race()
    race.controls["rate"].value = 0.1
    ratio = re.search(r"([\d.]+) times the learned", race.text).group(1)
    assert f"{fresh_question().measured():.1f}" == ratio


def test_what_hurts_most_away_from_home_is_what_the_panel_says():
    away, ratios = Away(), {}
    for word, place in (("scale", 10), ("dimension", 20), ("horizon", 1000)):
        away.controls["place"].value = (word, place)
        ratios[word] = float(re.search(r"is ([\d.]+) times as", away.text).group(1))
    worst = max(ratios, key=ratios.get)
    assert worst in break_question().measured().lower()
    assert ratios[worst] > 2 * sorted(ratios.values())[1]


def test_a_ball_may_be_pushed_harder():
    H = np.diag([1.0, 0.05])
    ends = {}
    for rule in ("SGD", "Momentum"):
        with np.errstate(over="ignore"):
            path = descend(
                rule, H, np.ones(2), np.array([2.5]), 0.9, np.zeros((300, 2)), 300
            )
        ends[rule] = np.abs(path[-1]).max()
    assert ends["Momentum"] < 1 < ends["SGD"]
    assert ball_question().measured() == "A larger rate"


def test_the_map_says_which_change_is_worse():
    the_map = Map()
    header, rows = the_map.table
    cell = {
        (row[0], name): float(value)
        for row in rows
        for name, value in zip(header[1:], row[1:], strict=True)
    }
    worse = cell["3", "20 units"] > cell["1", "80 units"]
    right = "Three layers in place of one" if worse else "80 units in place of 20"
    assert map_question().measured() == right


def test_conv_small_stands_where_the_scorecard_says():
    card = TrustCard()
    card.controls["optimizer"].value = "conv_small"
    card.controls["task"].value = "small convnet"
    kind = re.search(r"(green|red|undecided)\.", card.text).group(1)
    right = {
        "green": "Surely ahead of Adam",
        "red": "Surely behind Adam",
        "undecided": "Too close to call",
    }
    assert settled_question().measured() == right[kind]


def test_an_untrained_lstm_is_measured_as_it_begins():
    untrained = LSTMOptimizer(preprocess="identity", seed=0)
    rivals = watched_rivals("quadratic")
    best = min(rivals[name][1:].mean() for name in SIX)
    ratio = watch(untrained, "quadratic")[1:].mean() / best
    truth = minute.untrained_question().measured()
    assert truth == pytest.approx(float(ratio)) and truth > 5
    assert 0.5 < warm_start.warm_question().measured() < 2


def test_the_painting_is_where_adam_ends():
    lines = ArtRace()
    lines.controls["rival"].value = "Adam"
    learned = np.asarray(lines.lines["learned"].get_ydata())
    step = questions.finished_question().measured()
    assert learned[step] <= lines.rival.get_ydata()[-1] < learned[step - 1]


def test_a_gram_matrix_does_not_know_where():
    """Not at all where the filters see one pixel; here they see eleven at most."""
    assert questions.swapped_question().measured() == "Less than 10 %"
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    moved = picture.roll((16, 16), (2, 3))
    grams = []
    for image in (picture, moved):
        flat = RandomFilters(sizes=(1,))(image)[0][0].flatten(2)
        grams.append(flat @ flat.mT)
    assert torch.allclose(*grams, rtol=1e-4)
    assert 0 < questions._swapped() < 0.1


# Every panel of a notebook


def made(source):
    """(name, arguments) of each panel that a code cell makes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).removeprefix("lesson.")
            if name in {kind.__name__ for kind in ALL}:
                yield name, [ast.unparse(argument) for argument in node.args]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_panel_asks_before_it_opens(path):
    sources = [
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    found = [panel for source in sources for panel in made(source)]
    assert found
    for name, arguments in found:
        assert arguments and arguments[0].startswith("lesson."), name
        guess = eval(arguments[0], {"lesson": ROOMS[path.stem[:2]]})
        assert isinstance(guess, Guess) and guess.because, name
        assert not guess.options or guess.measured() in guess.options
