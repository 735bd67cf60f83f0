"""The places of lesson 09: who is tuned where, and judged where."""

import numpy as np
import pytest

from l2o_kit.baselines import GRID, RULES
from l2o_kit.lessons.l09_art import places, styles
from l2o_kit.lessons.l09_art.art import StyleTransfer
from l2o_kit.lessons.l09_art.features import RandomFilters


@pytest.fixture
def tiny(monkeypatch):
    """The gallery in miniature; remembers from which split each place was taken."""
    splits = []

    def place(name, content="test"):
        splits.append((name, content))
        return StyleTransfer("mosaic", content, size=16, features=RandomFilters(1))

    monkeypatch.setattr(places, "place", place)
    monkeypatch.setattr(places, "STEPS", 3)
    return splits


def test_places_differ_in_one_thing_each_and_new_styles_are_new():
    home, large, new = (places.place(name) for name in places.PLACES)
    assert home.coords == new.coords == 12_288 and large.coords == 49_152
    assert home.style_names == large.style_names == list(styles.KNOWN)
    assert not set(new.style_names) & set(styles.KNOWN)
    assert home.content == "test" and home.weights == large.weights == new.weights
    with pytest.raises(ValueError, match="place='away' is not known"):
        places.place("away")


def test_rivals_are_tuned_on_the_validation_regions_and_judged_on_others(tiny):
    best = places.tuned("home", "Adam")
    assert set(tiny) == {("home", "validation")}
    around = [places.rival("Adam", best.lr * factor) for factor in (0.2, 1, 5)]
    task = places.place("home", "validation")
    scores = [places.score(task, 4, rival) for rival in around]
    assert scores[1] == min(scores) and best.lr > GRID[0]
    tiny.clear()
    assert places.losses("large", best).shape == (4, places.JUDGED_ON)
    assert tiny == [("large", "test")]


def test_a_rival_that_diverges_scores_infinity(tiny):
    task = places.place("home")
    assert places.score(task, 1, places.rival("SGD", 1e30)) == float("inf")


def test_build_keeps_every_curve(tiny, monkeypatch):
    monkeypatch.setattr(places, "tuned", lambda where, name: places.rival(name, 0.01))
    monkeypatch.setattr(places, "learned", lambda: {"stays": lambda grad: 0 * grad})
    arrays = places.build("new")
    assert arrays["rates"].tolist() == [0.01] * len(RULES)
    assert arrays["losses"].shape == (1 + len(RULES), 4, places.JUDGED_ON)
    assert np.all(arrays["losses"][0] == arrays["losses"][0, :1])  # it never moved
    assert set(tiny) == {("new", "test")}
    assert places.rival("Adam + cosine").cosine_steps == 3


def test_what_diverges_counts_as_the_worst(tiny):
    losses = places.losses("home", places.rival("SGD", 1e30))
    assert (losses[2:] == places.WORST).all() and losses[0].max() < 2
