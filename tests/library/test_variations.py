"""Variations against autograd through the problem that they vary."""

import pytest
import torch

from l2o_kit import data
from l2o_kit.evaluate import optimize
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Mixture, Quadratic, RandomScaling, Scaled
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def network(activation="sigmoid"):
    return Network(mlp([64, 3, 10], activation), *data.digits(), batch_size=7)


@pytest.mark.parametrize("make", [lambda: Quadratic(4), network])
@pytest.mark.parametrize(
    "vary", [lambda f: Scaled(f, 5.0), RandomScaling, lambda f: RandomScaling(f, 2.0)]
)
def test_values_and_gradients_are_autograds(make, vary):
    problem = vary(make()).sample(3, draw(), torch.float64)
    rows = problem.minibatch(draw(1))
    theta = problem.theta0 + 0.1
    loss, grad = problem.value_and_grad(theta, rows)
    at = theta.clone().requires_grad_()
    expected = problem.loss(at, rows)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), at)[0])


def test_scaled_is_the_problem_times_the_factor():
    plain = Quadratic(4).sample(3, draw(), torch.float64)
    scaled = Scaled(Quadratic(4), 5.0).sample(3, draw(), torch.float64)
    assert torch.equal(plain.theta0, scaled.theta0)
    pairs = zip(
        plain.value_and_grad(plain.theta0),
        scaled.value_and_grad(plain.theta0),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(5.0 * one, other)


def test_random_scaling_begins_where_the_problem_does_and_scales_within_its_spread():
    plain = network().sample(3, draw(), torch.float64)
    varied = RandomScaling(network(), 1.5).sample(3, draw(), torch.float64)
    torch.testing.assert_close(varied.scale * varied.theta0, plain.theta0)
    rows = plain.minibatch(draw(1))
    torch.testing.assert_close(
        varied.loss(varied.theta0, rows), plain.loss(plain.theta0, rows)
    )
    logs = varied.scale.log()
    assert logs.min() < -1.4 and logs.max() > 1.4 and logs.abs().max() <= 1.5
    assert logs.mean().abs() < 0.1
    for mine, theirs in zip(
        varied.held_out(varied.theta0), plain.held_out(plain.theta0), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_sgd_on_scaled_coordinates_is_sgd_with_a_rate_for_each():
    """theta' -= lr s grad, so theta = s theta' moves by lr s^2 grad."""
    varied = optimize(
        lambda grad: -0.01 * grad,
        RandomScaling(Quadratic(4)),
        steps=5,
        batch=2,
        dtype=torch.float64,
    )
    problem = RandomScaling(Quadratic(4)).sample(
        2, data.stream(0, "problems"), torch.float64
    )
    theta = problem.scale * problem.theta0
    for _ in range(5):
        _, grad = problem.problem.value_and_grad(theta)
        theta = theta - 0.01 * problem.scale**2 * grad
    torch.testing.assert_close(problem.scale * varied.theta, theta)


def test_a_mixture_draws_each_of_its_parts():
    kinds = [network(name) for name in ("sigmoid", "relu", "tanh")]
    mixture, generator = Mixture(*kinds), draw()
    seen = {id(mixture.sample(1, generator).network) for _ in range(40)}
    assert seen == set(map(id, kinds))


def test_variations_meta_train():
    optimizee = RandomScaling(Mixture(network(), network("relu")))
    log = meta_train(LSTMOptimizer(3), optimizee, meta_steps=3, batch=2, lr=1e-3)
    assert len(log.meta_losses) == 3


def test_variations_move_with_their_problem():
    problem = RandomScaling(Quadratic(3)).sample(2, draw()).to("meta")
    devices = {
        problem.scale.device.type,
        problem.theta0.device.type,
        problem.problem.W.device.type,
    }
    assert devices == {"meta"}


def test_bad_input_says_what_was_seen():
    with pytest.raises(ValueError, match=r"these have \[3, 4\]"):
        Mixture(Quadratic(3), Quadratic(4))
    with pytest.raises(ValueError, match="spread=-1"):
        RandomScaling(Quadratic(3), -1)
