"""Hand-made rules against torch.optim, and the rates that theory names."""

import math

import numpy as np
import pytest
import torch

from l2o_kit.baselines import HAND_MADE, RULES
from l2o_kit.lessons.l01_descent.valleys import (
    Valleys,
    best_heavy_ball,
    best_plain,
    descend,
    divergence_rate,
    diverges,
    measured_divergence_rate,
)


@pytest.mark.parametrize("rule", HAND_MADE)
def test_rules_compute_what_torch_optim_computes(rule):
    theta = torch.tensor([3.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    mine, memory, curvature = theta.detach().clone(), (0.0, 0.0), [1.0, 0.1, 5.0]
    optimizer = RULES[rule]([theta], lr=0.05)
    curvature = torch.tensor(curvature, dtype=torch.float64)
    for t in range(1, 41):
        theta.grad = curvature * theta.detach()
        optimizer.step()
        update, memory = HAND_MADE[rule](curvature * mine, memory, t, 0.05, 0.9)
        mine = mine + update
    torch.testing.assert_close(mine, theta.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("rule", ["SGD", "Momentum", "NAG"])
def test_divergence_begins_where_theory_says(rule, beta):
    assert measured_divergence_rate(rule, beta) == pytest.approx(
        divergence_rate(rule, beta), rel=0.01
    )


@pytest.mark.parametrize("rule", ["RMSprop", "Adagrad", "Adam"])
def test_adaptive_rules_do_not_run_away(rule):
    assert divergence_rate(rule, 0.9) == math.inf
    path = descend(rule, np.eye(1), [1.0], [10.0], 0.9, np.zeros((2000, 1)), 2000)
    assert np.abs(path).max() < 1e4
    assert diverges("SGD", [1.99, 2.01], 0.9).tolist() == [False, True]


def contraction(rule, lr, beta, curvatures):
    """The factor by which a rule shrinks the distance, step by step, in the end."""
    H, steps = np.diag(curvatures), 600
    path = descend(rule, H, [1.0, 1.0], [lr], beta, np.zeros((steps, 2)), steps)
    sizes = np.abs(path[:, 0]).max(1)
    return (sizes[500:].max() / sizes[400:500].max()) ** (1 / 100)


@pytest.mark.parametrize("kappa", [3.0, 30.0])
def test_the_best_rates_cannot_be_bettered(kappa):
    curvatures = [1.0, 1 / kappa]
    lr = best_plain(1.0, 1 / kappa)
    here = contraction("SGD", lr, 0.0, curvatures)
    assert here == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-3)
    assert all(contraction("SGD", lr * f, 0.0, curvatures) > here for f in (0.95, 1.05))
    lr, beta = best_heavy_ball(1.0, 1 / kappa)
    here = contraction("Momentum", lr, beta, curvatures)
    assert here == pytest.approx(math.sqrt(beta), abs=0.02)
    for change in ((0.8, 1.0), (1.25, 1.0), (1.0, 0.8), (1.0, 1.1)):
        worse = contraction("Momentum", lr * change[0], beta * change[1], curvatures)
        assert worse > here, change


@pytest.mark.parametrize("rotated", [False, True])
def test_valleys_have_the_curvatures_they_promise(rotated):
    problem = Valleys(dim=6, kappa=50, rotated=rotated).sample(
        3, torch.Generator().manual_seed(1), torch.float64
    )
    H = 2 * problem.W.mT @ problem.W
    wanted = torch.logspace(-math.log10(50), 0, 6, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(H), wanted.expand(3, 6))
    diagonal = (H - torch.diag_embed(H.diagonal(dim1=1, dim2=2))).abs().amax((1, 2))
    assert bool((diagonal > 1e-2).all()) == rotated
    assert bool((diagonal < 1e-12).all()) != rotated


def test_valleys_reach_zero_loss_at_their_minimizer():
    problem = Valleys(dim=4).sample(2, torch.Generator().manual_seed(0), torch.float64)
    minimizer = torch.linalg.solve(problem.W, problem.y)
    assert problem.loss(minimizer).abs().max() < 1e-20


def test_impossible_valleys_are_refused():
    with pytest.raises(
        ValueError, match=r"dim=1, kappa=100.0: a valley needs at least"
    ):
        Valleys(dim=1)
