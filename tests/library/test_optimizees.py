"""Optimizees against closed forms and autograd, and what they say of bad input."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_quadratic_equals_its_definition_and_autograd():
    problem = Quadratic(dim=4).sample(3, draw(), torch.float64)
    theta = problem.theta0.clone().requires_grad_()
    by_hand = torch.stack(
        [
            (W @ th - y).square().sum()
            for W, th, y in zip(problem.W, theta, problem.y, strict=True)
        ]
    )
    (expected,) = torch.autograd.grad(by_hand.sum(), theta)
    loss, grad = problem.value_and_grad(theta)
    torch.testing.assert_close(loss, by_hand.detach())
    torch.testing.assert_close(problem.loss(theta.detach()), by_hand.detach())
    torch.testing.assert_close(grad, expected)


def test_quadratic_with_theta_true_and_no_noise_reaches_zero():
    problem = Quadratic(dim=3, theta_true=True).sample(5, draw(), torch.float64)
    theta = torch.linalg.solve(problem.W, problem.y)
    assert problem.loss(theta).max() < 1e-18


def test_noise_std_is_the_standard_deviation_of_the_noise():
    clean = Quadratic(5, theta_true=True).sample(2000, draw())
    noisy = Quadratic(5, theta_true=True, noise_std=3.0).sample(2000, draw())
    assert torch.equal(clean.W, noisy.W) and torch.equal(clean.theta0, noisy.theta0)
    assert (noisy.y - clean.y).std() == pytest.approx(3.0, rel=0.05)


LOSSES = {
    "cross_entropy": data.digits,
    "mse_loss": data.diabetes,
    "l1_loss": data.diabetes,
    "smooth_l1_loss": data.diabetes,
    "binary_cross_entropy_with_logits": lambda: [
        part if part.is_floating_point() else part[:, None].float()
        for part in data.breast_cancer()
    ],
}


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "silu"])
def test_network_gradients_equal_a_loop_of_plain_modules(loss_name, activation):
    parts, loss_fn = LOSSES[loss_name](), getattr(F, loss_name)
    sizes = [parts[0].shape[1], 3, 3, 10 if loss_name == "cross_entropy" else 1]
    network = Network(mlp(sizes, activation), *parts, batch_size=7, loss=loss_fn)
    problem = network.sample(4, draw(), torch.float64)
    rows = problem.minibatch(draw(1))
    loss, grad = problem.value_and_grad(problem.theta0, rows)
    module = mlp(sizes, activation).double()
    for k in range(4):
        nn.utils.vector_to_parameters(problem.theta0[k], module.parameters())
        module.zero_grad()
        value = loss_fn(module(problem.X[rows[k]]), problem.y[rows[k]])
        value.backward()
        expected = nn.utils.parameters_to_vector([p.grad for p in module.parameters()])
        torch.testing.assert_close(loss[k], value.detach())
        torch.testing.assert_close(grad[k], expected)


def test_held_out_accuracy_equals_counting():
    network = Network(mlp([64, 5, 10]), *data.digits())
    problem = network.sample(2, draw())
    _, accuracy = problem.held_out(problem.theta0)
    X, y = network.held_out_data
    right = network.outputs(problem.theta0[1], X).argmax(1) == y
    assert accuracy[1] == pytest.approx(right.float().mean().item())


def test_numpy_arrays_of_doubles_are_welcome():
    X, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 2
    network = Network(mlp([3, 2]), X, y, batch_size=4)
    problem = network.sample(2, draw())
    loss, grad = problem.value_and_grad(problem.theta0, problem.minibatch(draw()))
    assert loss.dtype == torch.float32 and grad.shape == (2, 8)


def test_minibatches_come_from_the_training_examples_and_change():
    network = Network(mlp([2, 2]), torch.ones(10, 2), torch.arange(10) % 2)
    problem, generator = network.sample(3, draw()), draw(1)
    first, second = problem.minibatch(generator), problem.minibatch(generator)
    assert first.shape == (3, 128) and not torch.equal(first, second)
    assert set(first.flatten().tolist()) == set(range(8))  # a fifth is held out


def test_own_initialization_is_used_seeded_and_leaves_the_global_generator_alone():
    network = Network(mlp([64, 5, 10]), *data.digits(), init_std=None)
    before = torch.random.get_rng_state()
    one, again = (network.sample(2, draw(3)).theta0 for _ in range(2))
    assert torch.equal(one, again) and not torch.equal(one[0], one[1])
    assert torch.equal(before, torch.random.get_rng_state())
    assert one[:, : 64 * 5].abs().max() <= 1 / 8  # nn.Linear: within 1 / sqrt(64)


def test_regression_has_held_out_loss_and_no_accuracy():
    X, y = torch.randn(20, 3, generator=draw()), torch.randn(20, 1, generator=draw(1))
    network = Network(mlp([3, 1]), X, y, loss=F.mse_loss, batch_size=4)
    loss, accuracy = network.sample(2, draw()).held_out(torch.zeros(2, 4))
    y_held_out = network.held_out_data[1]
    assert accuracy is None
    assert loss[0] == pytest.approx(y_held_out.square().mean().item(), rel=1e-5)


X, Y = torch.randn(6, 3, generator=draw()), torch.arange(6) % 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(mlp([3, 2]), X, Y[:4]), "6 examples and 4 targets"),
        (lambda: Network(mlp([3, 2]), X[:0], Y[:0]), "X and y are empty"),
        (lambda: Network(mlp([3, 2]), X / 0, Y), "X holds 18 NaN or infinite"),
        (lambda: Network(mlp([3, 2]), X, Y, batch_size=0), "batch_size=0"),
        (
            lambda: Network(
                mlp([3, 2]),
                X,
                Y,
                loss=lambda o, y: F.cross_entropy(o, y, reduction="none"),
            ),
            r"one number per problem, and gave shape \[2\]",
        ),
        (lambda: Quadratic(0), "dim=0"),
        (lambda: Quadratic(noise_std=1.0), "without theta_true"),
        (lambda: mlp([3, 2], "step"), "activation='step' is not known"),
        (lambda: mlp([3]), "at least an input and an output"),
        (lambda: data.add_noise(X, -1.0, draw()), "cannot be negative"),
    ],
)
def test_bad_input_says_what_was_seen(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_digits_split_is_fixed_disjoint_and_complete():
    one, two = data.digits(), data.digits()
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert len(one.X) == 1438 and len(one.X_held_out) == 359
    assert one.X.min() == 0 and one.X.max() == 1
    from sklearn.datasets import load_digits

    rows = torch.cat([one.X, one.X_held_out])
    shipped = load_digits()
    original = torch.tensor(shipped.data, dtype=torch.float32) / 16
    labels = torch.cat([one.y, one.y_held_out]).tolist()
    ours = zip(map(tuple, rows.tolist()), labels, strict=True)
    theirs = zip(map(tuple, original.tolist()), shipped.target.tolist(), strict=True)
    assert sorted(ours) == sorted(theirs)
