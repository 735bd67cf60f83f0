"""Lesson 10: the scorecard and the costs, anew; its panels against other accounts."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit import baselines, data, evaluate
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l10_take_home import costs, scorecard, two_names_one_loop
from l2o_kit.lessons.l10_take_home import two_names_one_loop as takehome
from l2o_kit.lessons.l10_take_home.costs import BATCHES, Costs, measure
from l2o_kit.lessons.l10_take_home.costs_panel import (
    HUNDREDS,
    LITTLE,
    TENS,
    CostMeter,
    cost_question,
    costs_of,
)
from l2o_kit.lessons.l10_take_home.scorecard import (
    MEASURES,
    POINTS,
    RULES,
    TASKS,
    colour,
    fits,
)
from l2o_kit.lessons.l10_take_home.scorecard_panel import (
    FEW,
    MOST,
    SOME,
    TrustCard,
    count,
    reason,
    trust_question,
)
from l2o_kit.lessons.l10_take_home.two_names_one_loop import (
    AHEAD,
    BEHIND,
    LEVEL,
    TakeHome,
    home_question,
)
from l2o_kit.lessons.stored import read
from l2o_kit.network import mlp

QUICK = ("digits", "digits, ReLU", "breast cancer", "diabetes")


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = value
    return panel


# The scorecard, recomputed


def losses_of(rule, task):
    """[step, problem], by ``optimize`` and nothing of scorecard.py but the task."""
    return optimize(
        rule,
        task.make(),
        steps=task.steps,
        batch=task.judged,
        seed=1,
        purpose="scorecard",
    ).losses


def test_a_random_cell_is_as_stored(draw):
    name, rule = draw(QUICK, (rule for rule in RULES if fits(rule, "digits")))
    task, rows = TASKS[name], read("scorecard")
    at = list(TASKS).index(name)
    ours = losses_of(load(rule), task)
    for k, first in enumerate((1, 91)):
        adam = baselines.Baseline("Adam", float(rows["rates"][at, k]))
        theirs = losses_of(adam, task)[first:].mean()
        found = min(float(ours[first:].mean() / theirs), scorecard.WORST)
        value, low, high = rows["ratios"][at, RULES.index(rule), k]
        slack = 0.3 * (high - low) + 0.02 * value  # rounding grows in a hundred steps
        assert found == pytest.approx(value, abs=slack), (name, rule, MEASURES[k])


def test_adam_is_no_better_at_neighbouring_rates(draw):
    name, k = draw(QUICK, (0, 1))
    task = TASKS[name]
    best = float(read("scorecard")["rates"][list(TASKS).index(name), k])
    scores = []
    for lr in (best, 1.36 * best, best / 1.36):
        losses = optimize(
            baselines.Baseline("Adam", lr),
            task.make(),
            batch=task.tuned,
            steps=task.steps,
            purpose="tuning",
        ).losses
        scores.append(float(losses[(1, 91)[k] :].mean().nan_to_num(np.inf)))
    assert scores[0] <= 1.05 * min(scores), (name, MEASURES[k])


def test_every_pair_that_fits_has_a_ratio_and_a_curve():
    rows = read("scorecard")
    assert rows["curves"].shape == (len(TASKS), 1 + len(RULES), POINTS)
    for i, task in enumerate(TASKS):
        for k, rule in enumerate(RULES):
            there = np.isfinite(rows["ratios"][i, k]).all()
            assert there == fits(rule, task)
            if there:
                value, low, high = rows["ratios"][i, k].T
                assert ((low <= value) & (value <= high)).all()
                assert rows["curves"][i, 1 + k, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("triple", "kind"),
    [
        ((0.8, 0.7, 0.99), "green"),
        ((0.9, 0.8, 1.01), "undecided"),
        ((1.2, 1.01, 2.0), "red"),
        ((np.nan, np.nan, np.nan), "no fit"),
    ],
)
def test_colours_look_at_the_whole_interval(triple, kind):
    assert colour(triple) == kind


def test_ratios_of_what_diverges_and_curves_stay_finite():
    bad = evaluate.Curves(
        torch.tensor([[1.0], [np.inf]]).repeat(60, 1),
        torch.zeros(1, 1),
        torch.ones(1).bool(),
    )
    score = scorecard.score(bad, MEASURES[0])
    assert score.isinf().all()
    assert (scorecard.ratio(score, torch.ones(1)) == scorecard.WORST).all()
    assert np.isfinite(scorecard.thinned(bad)).all()


def test_the_last_tenth_is_the_last_tenth():
    losses = torch.arange(101.0)[:, None]
    curves = evaluate.Curves(losses, torch.zeros(1, 1), torch.zeros(1).bool())
    assert float(scorecard.score(curves, MEASURES[0])) == pytest.approx(50.5)
    assert float(scorecard.score(curves, MEASURES[1])) == pytest.approx(95.5)


# Costs


def test_break_even_is_where_both_take_the_same_time():
    c = Costs(
        100, gradient=2.0, adam=0.5, learned=3.0, adam_bytes=8.0, learned_bytes=332.0
    )
    steps = 1000
    assert steps * (2.0 + 0.5) == pytest.approx(c.break_even * steps * (2.0 + 3.0))
    assert "2.0 times as long" in repr(c) and "50%" in repr(c)
    assert "<table>" in c._repr_html_()


def test_measuring_leaves_the_model_and_its_gradients_alone():
    model = mlp([4, 5, 2])
    before = copy.deepcopy(model.state_dict())
    X, y = torch.randn(8, 4), torch.zeros(8).long()
    found = measure(model, lambda m: F.cross_entropy(m(X), y), repeats=2)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert found.parameters == 37 and found.adam_bytes == 8
    assert found.learned_bytes == 332 and min(found.gradient, found.learned) > 0


def test_another_rule_is_measured_where_it_is_asked_for():
    model = nn.Linear(3, 1)
    found = measure(model, lambda m: m(torch.ones(2, 3)).sum(), "digits", repeats=1)
    assert found.learned_bytes == 320  # no running means


def test_stored_costs_are_of_the_networks_they_name():
    rows = read("costs")
    counts = [sum(p.numel() for p in mlp(s).parameters()) for s in costs.MODELS]
    assert rows["parameters"].tolist() == counts
    assert rows["seconds"].shape == (4, len(BATCHES), 3) and (rows["seconds"] > 0).all()
    assert rows["bytes"].tolist() == [8, 332]


# Panels


def test_the_cost_meter_draws_the_stored_times():
    panel = set_to(CostMeter(), parameters=2, examples=1024, share=30)
    gradient, adam, learned = read("costs")["seconds"][2, 2]
    heights = [bar.get_height() for bar in (*panel.gradients, *panel.updates)]
    longest = gradient + learned
    assert heights == pytest.approx(
        [gradient / longest, gradient / longest, adam / longest, learned / longest]
    )
    assert panel.here.get_ydata()[0] == pytest.approx(
        0.3 * (gradient + learned) / (gradient + adam)
    )
    even = panel.even.get_xdata()[0]  # there the line crosses Adam's
    crossing = np.interp(even, *panel.line.get_data())
    assert crossing == pytest.approx(1, rel=0.05)
    assert f"{costs_of(2, 2).break_even:.0%}" in panel.text


@pytest.mark.parametrize("share", [5, 100])
def test_the_cost_meter_says_whether_it_pays(share):
    panel = set_to(CostMeter(), parameters=3, examples=8192, share=share)
    pays = share / 100 < costs_of(3, len(BATCHES) - 1).break_even
    assert ("it pays" in panel.text) == pays


def test_the_card_shows_the_cell_that_is_chosen(draw):
    task, rule = draw(TASKS, RULES)
    panel = set_to(TrustCard(), task=task, optimizer=rule, measure=MEASURES[1])
    i, k = list(TASKS).index(task), RULES.index(rule)
    value = read("scorecard")["ratios"][i, k, 1, 0]
    assert panel.here.get_xy() == (i - 0.5, k - 0.5)
    text = panel.cells[i * len(RULES) + k].get_text()
    if fits(rule, task):
        assert float(text.split()[1]) == pytest.approx(value, abs=0.5)
        assert reason(rule, task, "green") in panel.text
    else:
        assert text == "no fit" and "cannot be used" in panel.text
    x, y = panel.cells[i * len(RULES) + k].get_position()
    assert (x, y) == (i, k)


def test_the_cards_colours_are_those_of_its_numbers():
    panel = TrustCard()
    shown = panel.image.get_array()
    ratios = read("scorecard")["ratios"][:, :, 0]
    for i in range(len(TASKS)):
        for k in range(len(RULES)):
            _, low, high = ratios[i, k]
            number = 3 if np.isnan(low) else 0 if high < 1 else 2 if low > 1 else 1
            assert shown[k, i] == number
    assert sum(count(MEASURES[0])["at home"].values()) == sum(
        len(task.home) for task in TASKS.values()
    )


def test_take_home_trains_plain_models(monkeypatch):
    """Its Adam curve against torch.optim on a loop of this test."""
    monkeypatch.setattr(takehome, "SEEDS", 1)
    panel = set_to(TakeHome(), units=8, activation="tanh")
    panel.run(), panel.wait()
    X, y, _, _ = data.breast_cancer()
    draw = data.stream(0, "take home")
    model = nn.Sequential(nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.1 * torch.randn(p.shape, generator=draw))
    optimizer, seen = torch.optim.Adam(model.parameters(), lr=0.001), []
    for _ in range(100):
        row = torch.randint(len(X), (64,), generator=draw)
        loss = F.softplus(model(X[row])[:, 0] * (1 - 2 * y[row])).mean()
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        seen.append(loss.item())
    found = panel.result["losses"][two_names_one_loop.PLAIN][:, 0]
    np.testing.assert_allclose(found, seen, rtol=1e-3)


def test_questions_have_the_truth_of_the_stored_rows():
    rows = read("scorecard")
    cell = rows["ratios"][
        list(TASKS).index("breast cancer"), RULES.index("digits_robust"), 1
    ]
    expected = AHEAD if cell[2] < 1 else BEHIND if cell[1] > 1 else LEVEL
    assert home_question().measured() == expected
    away = [
        rows["ratios"][i, k, 0]
        for i, task in enumerate(TASKS.values())
        for k, rule in enumerate(RULES)
        if rule not in task.home and fits(rule, list(TASKS)[i])
    ]
    share = np.mean([high < 1 for _, _, high in away])
    expected = FEW if share < 1 / 3 else SOME if share < 2 / 3 else MOST
    assert trust_question().measured() == expected
    times = np.median(read("costs")["seconds"][-1], axis=0)
    times = times[2] / times[1]
    expected = LITTLE if times < 5 else TENS if times < 30 else HUNDREDS
    assert cost_question().measured() == expected
