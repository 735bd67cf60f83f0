"""The museum: each exhibit is sick without its switch, and well with it."""

import numpy as np
import pytest

from l2o_kit.lessons.l05_generalization import museum
from l2o_kit.lessons.l05_generalization.museum import (
    CURES,
    EXHIBITS,
    Change,
    judge,
    outcome,
    train,
)
from l2o_kit.optimizees import RandomScaling


@pytest.mark.parametrize("name", EXHIBITS)
def test_the_switch_cures_it(name):
    exhibit = EXHIBITS[name]
    ends = {}
    for change in (Change(), exhibit.cure):
        optimizer, _ = train(exhibit, change, seed=1)
        ends[change is exhibit.cure] = outcome(judge(exhibit, optimizer))
    assert ends[True] < 0.5 * ends[False]


def test_what_is_wrong_is_what_the_exhibit_says():
    _, log = train(EXHIBITS["discount 2"], Change())
    assert not log.meta_losses  # it ended at the first window
    _, log = train(EXHIBITS["exploding meta-gradient"], Change())
    assert max(log.norms) > 100 * np.median(log.norms)
    asleep, _ = train(EXHIBITS["inputs that vanish"], Change())
    assert outcome(judge(EXHIBITS["inputs that vanish"], asleep)) > 0.8


def test_a_change_reaches_what_it_changes(monkeypatch):
    seen = {}

    def spy(optimizer, optimizee, **training):
        seen.update(training, optimizer=optimizer.config, optimizee=optimizee)
        return "log"

    monkeypatch.setattr(museum, "meta_train", spy)
    exhibit = EXHIBITS["another scale"]
    train(exhibit, CURES["random scaling"])
    assert isinstance(seen["optimizee"], RandomScaling)
    train(exhibit, CURES["normalized, bounded"])
    assert seen["optimizer"]["bounded"]
    train(EXHIBITS["only the last loss"], CURES["curriculum"])
    assert seen["curriculum"] and seen["horizon"] == (100, 400) and not seen["discount"]


def test_the_outcome_is_the_last_tenth():
    assert outcome(np.array([9.0] * 91 + [2.0] * 10)) == 2.0
