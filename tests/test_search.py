"""A search over candidates: the same anywhere, sorted, on fresh problems."""

import math
import sys

import joblib
import pytest
import torch

from l2o_kit import search as search_function
from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.search import Found, Trial, search, try_one
from l2o_kit.trainer import meta_train
from l2o_kit.window import Log

COMMON = {"meta_steps": 4, "batch": 4, "horizon": 6, "unroll": 3}
JUDGED = {"judged_on": 6, "steps": 9}
CANDIDATES = [
    {"lr": 0.001},
    {"lr": 0.01, "config": {"output_scale": 1e30}},
    {"lr": 0.02, "unroll": 2},
    {"lr": 0.01, "config": {"hidden_size": 4, "preprocess": "identity"}},
]


class Watched(Quadratic):
    """Notes how many threads its problems are drawn with."""

    threads = ()

    def sample(self, *arguments):
        self.threads = (*self.threads, torch.get_num_threads())
        return super().sample(*arguments)


@pytest.fixture(scope="module")
def alone():
    return search(LSTMOptimizer, Quadratic(3), CANDIDATES, jobs=1, **JUDGED, **COMMON)


def assert_equal(ours, theirs):
    for a, b in zip(ours.trials, theirs.trials, strict=True):
        assert (a.candidate, a.score, a.reason) == (b.candidate, b.score, b.reason)
        pairs = zip(a.optimizer.parameters(), b.optimizer.parameters(), strict=True)
        assert all(torch.equal(p, q) for p, q in pairs)


def test_two_processes_find_what_one_finds_and_show_how_far_they_are(alone, capsys):
    class Own(Quadratic):  # of no module that another process could import
        pass

    found = search(
        lambda **config: LSTMOptimizer(**config),
        Own(3),
        CANDIDATES,
        jobs=2,
        **JUDGED,
        **COMMON,
    )
    assert_equal(found, alone)
    shown = capsys.readouterr().err
    assert "search: 100%" in shown and "4/4" in shown


def test_another_backend_of_joblib_finds_the_same(alone):
    with joblib.parallel_config(backend="threading"):
        found = search(
            LSTMOptimizer, Quadratic(3), CANDIDATES, jobs=2, **JUDGED, **COMMON
        )
    assert_equal(found, alone)


def test_the_score_is_that_of_the_definition_on_problems_for_tuning(alone):
    for trial in alone.trials[:-1]:
        settings = {**COMMON, **trial.candidate}
        optimizer = LSTMOptimizer(**settings.pop("config", {}))
        meta_train(optimizer, Quadratic(3), **settings)
        losses = optimize(optimizer, Quadratic(3), steps=9, batch=6, purpose="tuning")
        expected = float(losses.losses[1:].mean())
        assert trial.score == pytest.approx(expected, rel=1e-5)
        assert torch.equal(trial.optimizer.lstm.w_out, optimizer.lstm.w_out)


def test_the_best_is_first_and_what_diverged_is_last_with_its_reason(alone):
    scores = [trial.score for trial in alone.trials]
    assert scores == sorted(scores) and scores[-1] == math.inf > scores[-2]
    assert alone.best is alone.trials[0]
    last = alone.trials[-1]
    assert last.candidate == CANDIDATES[1] and "was not finite" in last.reason
    assert sorted(map(str, CANDIDATES)) == sorted(
        str(trial.candidate) for trial in alone.trials
    )


def test_a_training_that_ends_well_may_still_diverge_when_it_is_scored():
    class Steep(Quadratic):
        def sample(self, batch, *rest):
            problem = super().sample(batch, *rest)
            problem.W[0] *= 1e30 if batch == 6 else 1
            return problem

    found = search(LSTMOptimizer, Steep(3), [{"lr": 0.01}], jobs=1, **JUDGED, **COMMON)
    assert found.best.score == math.inf
    assert found.best.reason == "Trained, it diverges on 1 of 6 problems."


def test_one_thread_each_and_then_as_many_as_before(capsys):
    watched, before = Watched(3), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        search(LSTMOptimizer, watched, [{"lr": 0.01}], jobs=1, **JUDGED, **COMMON)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(watched.threads) == {1}
    assert "meta-training" not in capsys.readouterr().err  # one bar is enough


def test_an_interrupt_ends_the_search(monkeypatch):
    seen = []

    def interrupted(*arguments, **settings):
        seen.append(1)
        return Log(3, interrupted=True)

    module = sys.modules[search.__module__]  # l2o_kit.search is the function
    monkeypatch.setattr(module, "meta_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(LSTMOptimizer, Quadratic(3), CANDIDATES, jobs=1, **JUDGED, **COMMON)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([], "candidates is empty"),
        ([{"lr": 0.01}, {"lr": -1.0}], "lr=-1.0: it must be above 0"),
        ([{"lr": 0.01, "unroll": 4}], "does not divide horizon=6"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(candidates, words):
    with pytest.raises(ValueError, match=words) as caught:
        search(LSTMOptimizer, Quadratic(3), candidates, jobs=1, **JUDGED, **COMMON)
    named = [f"This was the candidate {c}." for c in candidates[-1:]]
    assert getattr(caught.value, "__notes__", []) == named


def test_among_several_ranks_it_is_refused(monkeypatch):
    monkeypatch.setattr("l2o_kit.distributed.world", lambda: 3)
    with pytest.raises(ValueError, match=r"there are 3 ranks.*without torchrun"):
        search(LSTMOptimizer, Quadratic(3), CANDIDATES)


def test_what_was_found_is_shown_as_a_table():
    rule = LSTMOptimizer(3)
    good = Trial({"lr": 0.1}, 0.25, "", rule)
    bad = Trial({"unroll": 5}, math.inf, "a < b", rule)
    found = Found([good, bad], "Mean loss")
    lines = repr(found).splitlines()
    assert lines[0] == "Mean loss" and lines[1].split() == ["0.25", "lr=0.1"]
    assert lines[2].split() == ["inf", "unroll=5", "a", "<", "b"]
    table = found._repr_html_()
    assert table.count("<tr>") == 3 and "a &lt; b" in table and "unroll" in table


def test_it_is_public_and_its_task_can_be_sent():
    assert search_function is search
    settings = {**COMMON, "lr": 0.01}
    trial = try_one(LSTMOptimizer, Quadratic(3), settings, 2, 3, {})
    assert math.isfinite(trial.score)
