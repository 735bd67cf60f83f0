"""The rivals against torch.optim step by step; their tuning against brute force."""

from functools import partial

import pytest
import torch

from l2o_kit import data
from l2o_kit.baselines import GRID, RULES, SIX, SPACING, Baseline, tune, tuned_baselines
from l2o_kit.evaluate import optimize
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize(
    "optimizee",
    [Quadratic(4), Network(mlp([64, 3, 10]), *data.digits(), batch_size=5)],
    ids=["quadratic", "network"],
)
def test_rivals_equal_torch_optim_on_one_problem_at_a_time(name, optimizee):
    curves = optimize(Baseline(name, 0.01), optimizee, steps=5, batch=3, seed=2)
    problem = optimizee.sample(3, data.stream(2, "problems"))
    generator = data.stream(2, "problems minibatches")
    thetas = [row.clone().requires_grad_() for row in problem.theta0]
    optimizers = [RULES[name]([theta], lr=0.01) for theta in thetas]
    for t in range(6):
        rows = problem.minibatch(generator)
        losses = problem.loss(torch.stack(thetas), rows)
        torch.testing.assert_close(
            curves.losses[t], losses.detach(), rtol=1e-4, atol=1e-5
        )
        grads = torch.autograd.grad(losses.sum(), thetas)
        for theta, grad, optimizer in zip(thetas, grads, optimizers, strict=True):
            theta.grad = grad
            optimizer.step()


def test_rivals_equal_their_formulas():
    """Momentum and NAG written out, so that names cannot be swapped."""
    grads = torch.randn(4, 2, 3)
    for name in ("Momentum", "NAG"):
        theta = torch.zeros(2, 3)
        step = Baseline(name, 0.1).start(theta)
        velocity, expected = torch.zeros(2, 3), torch.zeros(2, 3)
        for grad in grads:
            step(grad)
            velocity = 0.9 * velocity + grad
            expected -= 0.1 * (
                velocity if name == "Momentum" else grad + 0.9 * velocity
            )
        torch.testing.assert_close(theta, expected)


def test_cosine_rate_falls_to_zero_over_the_horizon():
    theta = torch.zeros(1, 1)
    step = Baseline("Adam + cosine", 0.1, cosine_steps=10).start(theta)
    moves = []
    for _ in range(10):
        before = theta.clone()
        step(torch.ones(1, 1))
        moves.append((before - theta).item())
    rates = [
        0.05 * (1 + torch.tensor(torch.pi * t / 10).cos().item()) for t in range(10)
    ]
    assert moves == pytest.approx(rates, rel=1e-3)


def test_grid_is_16_rates_from_1e_minus_5_to_10():
    assert len(GRID) == 16
    assert GRID[0] == pytest.approx(1e-5) and GRID[-1] == pytest.approx(10)


def score_with_best_at(best, tried):
    def score(rival):
        tried.append(rival.lr)
        return abs(torch.tensor(rival.lr / best).log().item())

    return score


def test_tuning_finds_the_best_rate_and_tries_21_at_most():
    tried = []
    best = 0.0123
    tuned = tune(Baseline("SGD", 1.0), score_with_best_at(best, tried))
    assert tuned.lr / best < SPACING ** (1 / 3) and best / tuned.lr < SPACING ** (1 / 3)
    assert len(tried) == 20  # 16, and 4 new ones of the 5 around the best


@pytest.mark.parametrize("best", [300.0, 1e-7])
def test_a_best_rate_at_the_edge_extends_the_grid(best):
    tuned = tune(Baseline("SGD", 1.0), score_with_best_at(best, []))
    assert 0.5 < tuned.lr / best < 2


def test_a_rival_that_always_diverges_is_reported():
    with pytest.raises(ValueError, match="NAG diverges at every learning rate"):
        tune(Baseline("NAG", 1.0), lambda rival: float("inf"))


def test_tuned_rates_are_the_best_of_their_neighbours_on_the_tuning_problems():
    optimizee = Quadratic(2)
    for objective, first in (("mean", 1), ("last", 10)):
        tuned = tuned_baselines(optimizee, steps=10, batch=8, objective=objective)
        assert list(tuned) == list(RULES)

        def score(rival, first=first):
            curves = optimize(rival, optimizee, steps=10, batch=8, purpose="tuning")
            return curves.mean_loss(first).mean()

        for name in ("SGD", "Adam"):
            best = tuned[name]
            for factor in (SPACING ** (1 / 3), SPACING ** (-1 / 3)):
                assert score(best) <= score(Baseline(name, best.lr * factor)) * 1.0001


def test_tuning_and_judging_problems_differ_for_every_seed():
    def first_losses(**arguments):
        rule = partial(torch.optim.SGD, lr=0.0)
        curves = optimize(rule, Quadratic(3), steps=1, batch=4, **arguments)
        return tuple(curves.losses[0].tolist())

    judged = {first_losses(seed=s) for s in range(20)}
    tuning = {first_losses(seed=s, purpose="tuning") for s in range(20)}
    assert len(judged) == 20 and not judged & tuning


def test_unknown_objective():
    with pytest.raises(ValueError, match="objective='best'"):
        tuned_baselines(Quadratic(2), steps=2, batch=2, objective="best")
