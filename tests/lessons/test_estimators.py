"""Estimators against closed forms; the fixed points of lesson 02."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.optimize import minimize_scalar

from l2o_kit.lessons.l02_meta_gradient import estimators
from l2o_kit.lessons.l02_meta_gradient.estimators import (
    NAMES,
    NoisyQuadratic,
    cost,
    estimate,
    expected,
    fixed_point,
    true_gradient,
)

SMALL = NoisyQuadratic(h=(1.0, 0.3), v=(2.0, 0.5), s=(1.0, 4.0), horizon=12)
LESSON = NoisyQuadratic()
STEEP = NoisyQuadratic(h=(1.0,), v=(100.0,), s=(1e4,))


def loss(problem, phi):
    return float(problem.loss(torch.tensor(phi, dtype=torch.float64)))


def test_the_loss_is_what_sampled_roll_outs_average_to():
    theta, noise = SMALL.draw(200_000)
    phi = torch.full((200_000,), -1.0, dtype=torch.float64)
    total, _ = estimators.run(SMALL, theta, noise, phi, range(12))
    assert float(total.mean()) == pytest.approx(
        loss(SMALL, -1.0), abs=4 * float(total.std()) / math.sqrt(200_000)
    )


def test_the_loss_by_hand():
    """One coordinate, two steps: a_1 = (1 - al)^2 s + al^2 v, and so on."""
    problem = NoisyQuadratic(h=(2.0,), v=(3.0,), s=(5.0,), horizon=2)
    alpha = 0.1
    first = (1 - 0.2) ** 2 * 5 + 0.01 * 3
    second = 0.8**2 * first + 0.03
    assert loss(problem, math.log(alpha)) == pytest.approx(first + second)


def test_the_true_gradient_is_the_slope_of_the_loss():
    for phi in (-3.0, -1.0, 0.3):
        slope = (loss(SMALL, phi + 1e-5) - loss(SMALL, phi - 1e-5)) / 2e-5
        assert float(true_gradient(SMALL, phi)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("phi", [-2.5, -0.7])
@pytest.mark.parametrize("name", NAMES)
def test_estimates_average_to_what_is_expected(name, phi):
    samples = estimate(name, SMALL, phi, 4, 100_000)
    error = float(samples.std()) / math.sqrt(len(samples))
    assert float(samples.mean()) == pytest.approx(
        float(expected(name, SMALL, phi, 4)), abs=4.5 * error
    )
    assert error < 0.05 * abs(
        float(expected(name, SMALL, phi, 4))
    )  # the test could fail


def test_full_is_unbiased_and_equals_a_finite_difference_on_each_roll_out():
    theta, noise = SMALL.draw(7, seed=3)
    phi, step = -0.9, 1e-6

    def total(value):
        phis = torch.full((7,), value, dtype=torch.float64)
        return estimators.run(SMALL, theta, noise, phis, range(12))[0]

    slopes = (total(phi + step) - total(phi - step)) / (2 * step)
    torch.testing.assert_close(
        estimate("full", SMALL, phi, 4, 7, seed=3), slopes, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("first_order", [False, True])
def test_carrying_the_derivative_along_is_backpropagation(first_order):
    """Autograd through the windows, each start detached; the gradient too, or not."""
    h, _, _ = SMALL.tensors()
    theta, noise = SMALL.draw(5, seed=2)
    phi = torch.full((5,), -0.8, dtype=torch.float64, requires_grad=True)
    total = 0.0
    for steps in SMALL.windows(5):
        theta, loss = theta.detach(), 0.0
        for t in steps:
            grad = h * theta + noise[t]
            grad = grad.detach() if first_order else grad
            theta = theta - phi.exp()[:, None] * grad
            loss = loss + 0.5 * (h * theta**2).sum()
        total = total + torch.autograd.grad(loss, phi)[0]
    name = "first_order" if first_order else "truncated"
    torch.testing.assert_close(estimate(name, SMALL, -0.8, 5, 5, seed=2), total)


def test_windows_as_long_as_the_roll_out_truncate_nothing():
    for short, whole in (("truncated", "full"), ("truncated_es", "es"), ("pes", "es")):
        torch.testing.assert_close(
            estimate(short, SMALL, -1.0, 12, 50), estimate(whole, SMALL, -1.0, 12, 50)
        )


def test_a_last_window_may_be_shorter():
    assert [len(steps) for steps in SMALL.windows(5)] == [5, 5, 2]
    assert len(SMALL.windows(100)) == 1


def test_expected_es_is_the_slope_of_the_smoothed_loss():
    """Against a plain sum over a fine grid of perturbations, another quadrature."""
    e = torch.linspace(-8, 8, 20_001, dtype=torch.float64)
    density = torch.exp(-(e**2) / 2)
    density /= density.sum()

    def smoothed(phi):
        return float(density @ SMALL.loss(phi + estimators.SIGMA * e))

    slope = (smoothed(-1 + 1e-4) - smoothed(-1 - 1e-4)) / 2e-4
    assert float(expected("es", SMALL, -1.0, 4)) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_many_rates_at_once_are_the_same_as_one_by_one(name):
    phis = torch.tensor([-2.0, -1.0, 0.1], dtype=torch.float64)
    together = expected(name, SMALL, phis, 5)
    for phi, value in zip(phis, together, strict=True):
        torch.testing.assert_close(expected(name, SMALL, float(phi), 5), value)


def test_persistence_removes_the_bias_of_truncation():
    truth = expected("es", LESSON, math.log(0.05), 10)
    persistent = expected("pes", LESSON, math.log(0.05), 10)
    assert float(persistent) == pytest.approx(float(truth), rel=0.2)
    assert expected("truncated_es", LESSON, math.log(0.05), 10) * truth < 0


def test_the_fixed_points_of_the_lesson():
    best = minimize_scalar(
        lambda phi: loss(LESSON, phi), bounds=(-6, 0), method="bounded"
    )
    assert fixed_point("full", LESSON, 10) == pytest.approx(math.exp(best.x), rel=1e-3)
    assert fixed_point("full", LESSON, 10) == pytest.approx(0.29, abs=0.01)
    assert fixed_point("truncated", LESSON, 10) == pytest.approx(0.021, abs=0.002)
    assert fixed_point("first_order", LESSON, 10) < fixed_point("truncated", LESSON, 10)
    assert fixed_point("first_order", LESSON, 100) == pytest.approx(0.067, abs=0.003)
    assert fixed_point("pes", LESSON, 10) == pytest.approx(math.exp(best.x), rel=0.2)


def test_one_curvature_is_not_harmed_by_truncation():
    best = fixed_point("full", STEEP, 10)
    assert fixed_point("truncated", STEEP, 10) == pytest.approx(best, rel=0.02)


def test_cost_counts_steps_and_states():
    assert cost("full", LESSON, 10) == (200, 100)
    assert cost("truncated", LESSON, 10) == (200, 10)
    assert cost("pes", LESSON, 10) == (200, 2)
    assert cost("truncated", replace(LESSON, horizon=5), 10) == (10, 5)


@pytest.mark.parametrize("function", [estimate, expected])
def test_an_unknown_estimator_is_named(function):
    arguments = (SMALL, 0.0, 4) + ((3,) if function is estimate else ())
    with pytest.raises(ValueError, match=r"'magic' is no estimator. Use one of"):
        function("magic", *arguments)


@pytest.mark.parametrize(
    ("name", "whole"), [("truncated", "full"), ("truncated_es", "es"), ("pes", "es")]
)
def test_a_window_longer_than_the_horizon_truncates_nothing(name, whole):
    problem = NoisyQuadratic(horizon=12)
    phi = torch.tensor([-3.0, -1.0]).double()
    longer = expected(name, problem, phi, 50)
    torch.testing.assert_close(longer, expected(whole, problem, phi, 50))
    samples = [estimate(each, problem, -2.0, 50, 40) for each in (name, whole)]
    torch.testing.assert_close(*samples)


def test_moments_are_those_of_the_recursion_also_where_a_step_lands_on_the_minimum():
    problem = NoisyQuadratic(h=(1.0, 0.5), v=(2.0, 3.0), s=(4.0, 5.0), horizon=6)
    for alpha in (1.0, 2.0, 0.3, 4.0):  # keep = 0, 1, ...
        h, v, a = problem.tensors()
        for t, moment in enumerate(problem.moments(a, torch.tensor([alpha]), 6)):
            a = (1 - alpha * h) ** 2 * a + alpha**2 * v
            torch.testing.assert_close(moment, a, msg=str((alpha, t)))
        phi = torch.tensor(alpha).double().log()
        assert estimators.true_gradient(problem, phi).isfinite()
