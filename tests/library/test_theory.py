"""Weights of least error, against scipy, closed forms and simulated errors."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from l2o_kit.concurrent import Concurrent
from l2o_kit.optimizees import Quadratic
from l2o_kit.sources import Bias, Noise, Shared
from l2o_kit.trust import best_weights, inverse_variance, second_moments


def by_scipy(M):
    K = len(M)
    found = minimize(
        lambda w: w @ M @ w,
        np.full(K, 1 / K),
        jac=lambda w: 2 * M @ w,
        bounds=[(0, 1)] * K,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.x


@pytest.mark.parametrize("K", [1, 2, 4, 6])
def test_the_minimizer_is_scipys(K):
    draw = np.random.default_rng(K)
    on_the_border = 0
    for _ in range(20):
        errors = draw.normal(size=(K, K + 1)) + draw.normal(size=K + 1)
        M = errors @ errors.T
        ours = best_weights(M)
        np.testing.assert_allclose(ours, by_scipy(M), atol=2e-4)
        on_the_border += bool((ours < 1e-9).any())
    assert K < 4 or on_the_border  # both kinds were met


def test_independent_noise_gives_inverse_variances():
    draw = np.random.default_rng(0)
    for _ in range(10):
        stds = draw.uniform(0.1, 4, size=5)
        weights = inverse_variance(stds)
        np.testing.assert_allclose(best_weights(second_moments(stds)), weights)
        np.testing.assert_allclose(weights, stds**-2 / (stds**-2).sum())


def test_inside_the_simplex_it_is_the_normalized_inverse():
    M = second_moments([1.0, 2.0, 3.0], shared=[0.3, 0.2, 0.1])
    weights = np.linalg.solve(M, np.ones(3))
    assert (weights > 0).all()
    np.testing.assert_allclose(best_weights(M), weights / weights.sum())


def test_sources_without_noise_share_all_the_trust():
    assert inverse_variance([0.0, 1.0, 0.0]).tolist() == [0.5, 0.0, 0.5]
    assert inverse_variance([0.0, 0.0]).tolist() == [0.5, 0.5]
    np.testing.assert_allclose(best_weights(np.zeros((3, 3))), [1 / 3] * 3)
    np.testing.assert_allclose(
        best_weights(second_moments([0.0, 1.0, 0.0])), [0.5, 0.0, 0.5], atol=1e-9
    )


def test_tiny_and_huge_noise_do_not_overflow():
    np.testing.assert_allclose(inverse_variance([1e-200, 1e200]), [1.0, 0.0])
    np.testing.assert_allclose(inverse_variance([3e-200, 3e-200]), [0.5, 0.5])


def test_the_moments_are_those_of_the_sources():
    sources = [(Noise(0.5), Shared(1.0)), (Noise(2.0), Shared(0.5), Bias(1.5)), ()]
    problem = Concurrent(Quadratic(8, theta_true=True), sources).sample(
        5000, torch.Generator().manual_seed(0)
    )
    errors = torch.stack([view.y - problem.clean.y for view in problem.views]).double()
    seen = torch.einsum("kbi,lbi->kl", errors, errors) / errors[0].numel()
    M = second_moments([0.5, 2.0, 0.0], shared=[1.0, 0.5, 0.0], bias=[0.0, 1.5, 0.0])
    np.testing.assert_allclose(seen.numpy(), M, atol=0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: inverse_variance([-1.0, 1.0]), "0 or more"),
        (lambda: inverse_variance([float("nan")]), "finite size"),
        (lambda: inverse_variance([]), "one size of noise per source"),
        (lambda: best_weights(np.ones((2, 3))), "symmetric"),
        (lambda: best_weights(np.array([[1.0, 2.0], [2.0, 1.0]])), "negative eigenv"),
        (lambda: best_weights(np.eye(13)), "at most 12"),
    ],
)
def test_bad_input_is_refused_kindly(make, words):
    with pytest.raises(ValueError, match=words):
        make()
