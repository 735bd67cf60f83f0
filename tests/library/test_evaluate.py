"""Curves and comparisons: the same problems for all, intervals, bad rules."""

import math
from functools import partial

import pytest
import torch

from l2o_kit import data
from l2o_kit.evaluate import _ratio, compare, optimize, paired_ratio
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer


def digits():
    return Network(mlp([64, 3, 10]), *data.digits(), batch_size=16)


def test_every_rule_meets_the_same_problems_and_minibatches():
    rules = [LSTMOptimizer(), partial(torch.optim.Adam, lr=0.0), lambda g: 0 * g]
    runs = [optimize(rule, digits(), steps=2, batch=3, seed=4) for rule in rules]
    assert torch.equal(runs[0].losses[0], runs[1].losses[0])
    assert torch.equal(
        runs[1].losses, runs[2].losses
    )  # nothing moves: minibatches only
    assert not torch.equal(runs[1].losses[0], runs[1].losses[1])


def test_losses_are_on_each_steps_own_minibatch():
    curves = optimize(lambda g: -0.1 * g, digits(), steps=3, batch=2, seed=1)
    problem = digits().sample(2, data.stream(1, "problems"))
    generator, theta = data.stream(1, "problems minibatches"), problem.theta0
    for t in range(4):
        rows = problem.minibatch(generator)
        loss, grad = problem.value_and_grad(theta, rows)
        torch.testing.assert_close(curves.losses[t], loss)
        theta = theta - 0.1 * grad
    assert curves.losses.shape == (4, 2)
    assert curves.held_out_accuracy.shape == (2,)


def test_learned_rule_equals_its_own_steps():
    rule, optimizee = LSTMOptimizer(preprocess="identity"), Quadratic(3)
    curves = optimize(rule, optimizee, steps=2, batch=2, seed=0)
    problem = optimizee.sample(2, data.stream(0, "problems"))
    theta, state = problem.theta0, rule.initial_state(6)
    for _ in range(2):
        update, state = rule(problem.value_and_grad(theta)[1].flatten(), state)
        theta = theta + update.view(2, 3).detach()
    torch.testing.assert_close(curves.theta, theta)


def test_same_seed_same_curve():
    one, two, other = (
        optimize(LSTMOptimizer(), digits(), steps=3, batch=2, seed=s).losses
        for s in (5, 5, 6)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_divergence_is_reported_per_problem():
    curves = optimize(partial(torch.optim.SGD, lr=1e30), Quadratic(2), steps=5, batch=3)
    assert curves.diverged.all() and "3 diverged" in repr(curves)
    fine = optimize(partial(torch.optim.SGD, lr=1e-4), Quadratic(2), steps=5, batch=3)
    assert not fine.diverged.any() and "diverged" not in repr(fine)


def test_an_infinite_gradient_marks_a_learned_rule_as_diverged():
    class Steep(Quadratic):
        def sample(self, batch, generator, dtype=torch.float32):
            problem = super().sample(batch, generator, dtype)
            problem.W[1] = math.inf
            return problem

    curves = optimize(LSTMOptimizer(), Steep(2), steps=2, batch=3)
    assert curves.diverged.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ("Adam", TypeError, "'Adam' is not an update rule"),
        (torch.optim.Adam, TypeError, "partial\\(torch.optim.Adam, lr=0.01\\)"),
        (partial(torch.optim.LBFGS, lr=1), ValueError, "LBFGS does not treat each"),
    ],
)
def test_what_is_no_rule_is_refused(rule, error, message):
    with pytest.raises(error, match=message):
        optimize(rule, Quadratic(2), steps=1, batch=1)


@pytest.mark.parametrize("bad", [{"steps": 0}, {"batch": 0}])
def test_steps_and_batch_below_one(bad):
    with pytest.raises(ValueError, match="=0: it must be at least 1"):
        optimize(lambda g: g, Quadratic(2), **{"steps": 1, "batch": 1, **bad})


def test_on_step_sees_every_step_and_can_end_the_run():
    seen = []
    optimize(lambda g: -g, Quadratic(2), steps=3, batch=1, on_step=seen.append)
    assert seen == [0, 1, 2, 3]

    def stop(t):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        optimize(lambda g: -g, Quadratic(2), steps=3, batch=1, on_step=stop)


def test_paired_ratio_covers_the_truth_and_pairs():
    """A ratio of exactly 0.5 in every problem has no width; unpaired noise has some."""
    theirs = torch.rand(50, generator=data.stream(0, "theirs")) + 0.1
    assert paired_ratio(0.5 * theirs, theirs) == pytest.approx((0.5, 0.5, 0.5))
    covered = 0
    for seed in range(200):
        draw = data.stream(seed, "coverage")
        ours, theirs = torch.rand(2, 40, generator=draw).square()  # true ratio: 1
        _, low, high = paired_ratio(ours, theirs, resamples=400)
        covered += low <= 1 <= high
    assert 180 <= covered <= 199  # 95 % of 200, give or take


def test_comparison_reports_means_medians_ratios_and_html():
    rules = {"learned": lambda g: -0.05 * g, "SGD": partial(torch.optim.SGD, lr=0.01)}
    result = compare(rules, Quadratic(3), steps=20, batch=10, seed=3)
    first, second = result.rows()
    losses = result.curves["SGD"].losses
    assert second["mean"] == pytest.approx(losses[1:].mean().item(), rel=1e-5)
    assert second["last"] == pytest.approx(losses[19:].mean().item(), rel=1e-5)
    assert second["last median"] == pytest.approx(losses[19:].mean(0).median().item())
    assert first["mean ratio"] == pytest.approx((1, 1, 1))
    expected = result.curves["learned"].losses[1:].mean() / losses[1:].mean()
    assert second["mean ratio"][0] == pytest.approx(expected.item(), rel=1e-5)
    html = result._repr_html_()
    assert "<table>" in html and 'alt="Loss against step' in html and "nan" not in html
    assert "SGD" in repr(result)


@pytest.mark.parametrize(
    ("triple", "text"),
    [
        ((0.5, 0.41, 0.6), "0.50 [0.41, 0.60]"),
        ((5.8e10, 999.0, 1e11), "5.8e+10 [999.00, 1e+11]"),
        ((1.0, 1.0, 1.0), "itself"),
    ],
)
def test_a_ratio_of_the_table_is_short(triple, text):
    assert _ratio(triple) == text


def test_compare_needs_a_rule():
    with pytest.raises(ValueError, match="rules is empty"):
        compare({}, Quadratic(2), batch=1)
