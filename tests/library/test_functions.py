"""Plain functions as optimizees."""

import pytest
import torch

import l2o_kit as l2o
from l2o_kit.optimizees import Function, in_turn


def rosenbrock(theta):
    x, y = theta
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def with_an_if(theta):
    return theta.square().sum() if theta[0] > 0 else theta.abs().sum()


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("f", [rosenbrock, with_an_if])
def test_loss_and_gradient_are_those_of_f_alone(f):
    problem = Function(f, [0.0, 0.0]).sample(5, draw())
    loss, grad = problem.value_and_grad(problem.theta0)
    for k in range(5):
        theta = problem.theta0[k].clone().requires_grad_()
        value = f(theta)
        torch.testing.assert_close(loss[k], value.detach())
        torch.testing.assert_close(grad[k], torch.autograd.grad(value, theta)[0])


def test_an_if_on_a_value_is_followed_for_each_problem():
    function = Function(with_an_if, [1.0, 1.0])
    assert function.each is in_turn
    loss = function.sample(2, draw()).loss(torch.tensor([[2.0, 1.0], [-2.0, 1.0]]))
    assert loss.tolist() == [5.0, 3.0]


def test_it_starts_around_start():
    theta0 = Function(rosenbrock, [3.0, -2.0], 0.1).sample(400, draw()).theta0
    torch.testing.assert_close(
        theta0.mean(0), torch.tensor([3.0, -2.0]), atol=0.03, rtol=0
    )
    assert theta0.std(0).tolist() == pytest.approx([0.1, 0.1], rel=0.2)


def test_it_can_be_optimized_and_trained_on():
    function = Function(lambda theta: theta.square().sum(), [2.0, 2.0, 2.0])
    rule = l2o.LSTMOptimizer(preprocess="identity")
    l2o.meta_train(
        rule, function, meta_steps=30, batch=16, lr=1e-2, on_step=lambda log: None
    )
    losses = l2o.optimize(rule, function, steps=20, batch=16).losses
    assert losses[-1].mean() < 0.5 * losses[0].mean()


@pytest.mark.parametrize(
    "f, start, message",
    [
        (rosenbrock, [], "row of numbers"),
        (rosenbrock, [[1.0, 2.0]], r"shape \[1, 2\]"),
        (torch.square, [1.0, 2.0], r"shape \[2\] for theta \[2\]"),
        (lambda theta: 1.0, [1.0], "a float"),
        (lambda theta: theta.log().sum(), [0.0], "-inf at the start"),
        (lambda theta: theta.detach().sum(), [1.0], "autograd"),
    ],
)
def test_what_is_no_function_of_theta_is_refused(f, start, message):
    with pytest.raises(ValueError, match=message):
        Function(f, start)
