"""Sources against their definitions, autograd and scipy; what they share; bad input."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.sources import (
    Activation,
    Bias,
    Loss,
    Noise,
    PixelNoise,
    Poison,
    Rotation,
    Shared,
    Subset,
)

LINE = Quadratic(6, theta_true=True)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(activation="tanh", **settings):
    X, y, *held_out = data.digits()
    module = mlp([64, 5, 10], activation)
    return Network(module, X[:60], y[:60], *held_out, batch_size=7, **settings)


def test_rotation_agrees_with_scipy_away_from_the_border():
    X = torch.rand(3, 400, generator=generator())
    for degrees in (17.0, -45.0, 90.0):
        ours = data.rotate(X, degrees).view(3, 20, 20)[:, 4:-4, 4:-4].numpy()
        theirs = ndimage.rotate(
            X.view(3, 20, 20).numpy(), degrees, axes=(2, 1), reshape=False, order=1
        )[:, 4:-4, 4:-4]
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert torch.allclose(data.rotate(X, 0.0), X, atol=1e-6)
    assert torch.allclose(data.rotate(data.rotate(X, 90.0), -90.0), X, atol=1e-4)


def test_poison_changes_just_so_many_labels_to_every_other_class():
    y = torch.zeros(3000, dtype=torch.long)
    y[0] = 4
    bad = data.poison(y, 0.5, generator())
    assert int((bad != y).sum()) == 1500
    counts = bad[y == 0].bincount(minlength=5)[1:].double()
    assert ((counts - 375).abs() < 4 * 375**0.5).all()
    assert torch.equal(data.poison(y, 0.0, generator()), y)


def test_dirichlet_subsets_are_uneven_below_one_and_even_above():
    y = data.digits().y
    shares = {}
    for concentration in (0.1, 100.0):
        rows = data.dirichlet_subset(y, 100, concentration, generator())
        assert rows.shape == (100,) and len(rows.unique()) == 100
        shares[concentration] = float(y[rows].bincount(minlength=10).max()) / 100
    assert shares[0.1] > 0.4 and shares[100.0] < 0.25
    everything = data.dirichlet_subset(y, len(y), 0.1, generator())
    assert len(everything.unique()) == len(y)


def test_noise_is_its_own_shared_noise_is_common_and_bias_is_the_same():
    sources = [Noise(2.0), Noise(2.0), Shared(3.0), (Shared(1.5), Bias(0.5)), ()]
    problem = Concurrent(LINE, sources).sample(4000, generator())
    errors = torch.stack([view.y - problem.clean.y for view in problem.views])
    moments = torch.einsum("kbi,lbi->kl", errors, errors) / errors[0].numel()
    expected = torch.zeros(5, 5)
    expected[0, 0] = expected[1, 1] = 4.0
    expected[2, 2], expected[3, 3] = 9.0, 1.5**2 + 0.25
    expected[2, 3] = expected[3, 2] = 4.5
    torch.testing.assert_close(moments, expected, atol=0.15, rtol=0.02)


@pytest.mark.parametrize("target", ["source0", "clean"])
def test_gradients_of_sources_and_target_are_those_of_autograd(target):
    network = small()
    sources = [Rotation(30.0), (Poison(0.4), PixelNoise(0.2)), Subset(20, 0.5), ()]
    problem = Concurrent(network, sources, target).sample(3, generator(), torch.float64)
    minibatch = problem.minibatch(generator(1))
    loss, grads, clean = problem.value_and_grads(problem.theta0, minibatch)
    assert grads.shape == (4, 3, network.coords)
    for k, view in enumerate(problem.views):
        for b in range(3):
            theta = problem.theta0[b].clone().requires_grad_()
            rows = minibatch[k][b]
            X = view.X[b][rows] if view.each_X else view.X[rows]
            y = view.y[b][rows] if view.each_y else view.y[rows]
            one = F.cross_entropy(network.outputs(theta, X), y)
            (expected,) = torch.autograd.grad(one, theta)
            torch.testing.assert_close(grads[k, b], expected)
            if k == (0 if target == "source0" else 3):
                assert float(loss[b]) == pytest.approx(one.item())
    if target == "clean":
        torch.testing.assert_close(clean, grads[3])
    else:
        assert clean is None
    _, mean = problem.value_and_grad(problem.theta0, minibatch)
    torch.testing.assert_close(mean, grads.mean(0))


def test_with_a_graph_the_gradients_are_the_same_and_have_derivatives():
    concurrent = Concurrent(LINE, [Noise(1.0), Noise(2.0)], "clean")
    problem = concurrent.sample(2, generator(), torch.float64)
    theta = problem.theta0.requires_grad_()
    loss, grads, clean = problem.value_and_grads(theta, create_graph=True)
    again = problem.value_and_grads(theta.detach())
    for a, b in zip((loss, grads, clean), again, strict=True):
        torch.testing.assert_close(a.detach(), b)
    (second,) = torch.autograd.grad(grads[1].sum(), theta)
    expected = 2 * (problem.clean.W.mT @ problem.clean.W).sum(1)
    torch.testing.assert_close(second, expected)


def test_sources_share_all_but_what_spoils_them():
    problem = Concurrent(small(), [Rotation(10), Poison(0.2), Subset(30)]).sample(
        2, generator()
    )
    minibatch = problem.minibatch(generator(1))
    assert torch.equal(minibatch[0], minibatch[1]) and len(minibatch) == 4
    assert not torch.equal(minibatch[0], minibatch[2])
    for b in range(2):
        assert set(minibatch[2][b].tolist()) <= set(problem.views[2].rows[b].tolist())
    assert not torch.equal(*problem.views[1].y)  # drawn for each problem
    assert not torch.equal(*problem.views[2].rows)


def test_other_sources_leave_the_problems_as_they_were():
    """What spoils them takes one random number, however much it draws."""
    few = Concurrent(LINE, [Noise(0.0)])
    many = Concurrent(LINE, [(Noise(1.0), Shared(2.0)), Noise(3.0)])
    one, other = generator(), generator()
    for _ in range(2):
        a, b = few.sample(2, one), many.sample(2, other)
        assert torch.equal(a.clean.W, b.clean.W) and torch.equal(a.theta0, b.theta0)
    assert torch.equal(a.views[0].y, a.clean.y)


def test_losses_and_activations_as_sources():
    network = small()
    sources = [
        (),
        Loss(lambda z, y: 3 * F.cross_entropy(z, y)),
        Activation("relu"),
    ]
    problem = Concurrent(network, sources).sample(2, generator())
    minibatch = problem.minibatch(generator(1))
    _, grads, _ = problem.value_and_grads(problem.theta0, minibatch)
    torch.testing.assert_close(grads[1], 3 * grads[0])
    plain = small("relu").sample(2, generator())
    _, relu = plain.value_and_grad(problem.theta0, minibatch[2])
    torch.testing.assert_close(grads[2], relu)
    assert not torch.allclose(grads[2], grads[0])
    assert isinstance(network.module[1], torch.nn.Tanh)  # the original is untouched


def test_a_rule_of_one_gradient_gets_the_mean_and_the_learned_one_reads_all():
    concurrent = Concurrent(LINE, [Noise(0.5), Noise(3.0)], "clean")
    seen = []
    optimize(lambda grad: seen.append(grad) or 0 * grad, concurrent, steps=1, batch=2)
    problem = concurrent.sample(2, data.stream(0, "problems"))
    _, grads, _ = problem.value_and_grads(problem.theta0)
    torch.testing.assert_close(seen[0], grads.mean(0))
    single = optimize(load("quadratic"), concurrent, steps=3, batch=2).losses
    optimizer = LSTMOptimizer(preprocess="identity", combine="softmax", num_sources=2)
    weights = load("quadratic").state_dict() | {"alpha": torch.zeros(2)}
    optimizer.load_state_dict(weights)
    torch.testing.assert_close(
        optimize(optimizer, concurrent, steps=3, batch=2).losses, single
    )
    with torch.no_grad():
        optimizer.alpha.copy_(torch.tensor([9.0, -9.0]))
    trusting = optimize(optimizer, concurrent, steps=3, batch=2).losses
    alone = Concurrent(LINE, [Noise(0.5)], "clean")
    expected = optimize(load("quadratic"), alone, steps=3, batch=2).losses
    torch.testing.assert_close(trusting, expected, rtol=1e-3, atol=1e-4)


def test_held_out_data_is_never_spoilt():
    clean, spoilt = small(), Concurrent(small(), [(Rotation(90), Poison(0.5))])
    theta = 0.1 * torch.randn(2, clean.coords, generator=generator())
    ours = spoilt.sample(2, generator()).held_out(theta)
    theirs = clean.sample(2, generator()).held_out(theta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Concurrent(LINE, []), "K = 0"),
        (lambda: Concurrent(LINE, [Noise(-1.0)]), "cannot be negative"),
        (lambda: Concurrent(LINE, [Noise(float("nan"))]), "must be finite"),
        (lambda: Concurrent(LINE, [Bias(float("inf"))]), "must be finite"),
        (lambda: Concurrent(LINE, [()], "mean"), "target='mean' is not known"),
        (lambda: Concurrent(LINE, [Rotation(20)]), "spoils a Network"),
        (lambda: Concurrent(small(), [Noise(1.0)]), "spoils a Quadratic"),
        (lambda: Concurrent(Quadratic(), [()]), "theta_true=True"),
        (lambda: Concurrent(Quadratic(3, True, 0.5), [()]), "Give the noise to"),
        (lambda: Concurrent(Concurrent(small(), [()]), [()]), "cannot have sources"),
        (lambda: Concurrent(small(), [Poison(1.5)]), "a share of the labels"),
        (lambda: Concurrent(small(), [Subset(61)]), "drawn from 60 examples"),
        (lambda: Concurrent(small(), [Subset(5, 0.0)]), "must be above 0"),
        (lambda: Concurrent(small(), [Rotation(float("nan"))]), "must be finite"),
        (lambda: Concurrent(small(), [PixelNoise(-0.1)]), "cannot be negative"),
        (lambda: Concurrent(small(), [Loss(F.nll_loss)], "clean"), "no loss or activ"),
        (lambda: Concurrent(small(), [Activation("gelu")]), "'gelu' is not known"),
        (lambda: data.rotate(torch.zeros(2, 63), 5), "not square"),
        (
            lambda: data.poison(torch.zeros(4, dtype=torch.long), 0.5, generator()),
            "one class only",
        ),
        (lambda: data.poison(torch.zeros(4), 0.5, generator()), "labels are floats"),
        (lambda: data.dirichlet_subset(torch.zeros(4), 2, 1.0, generator()), "classes"),
    ],
)
def test_bad_input_is_refused_kindly(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_what_is_no_source_is_named():
    with pytest.raises(TypeError, match="20 is no source"):
        Concurrent(small(), [20])


def test_a_number_of_sources_that_does_not_fit_the_optimizer():
    three = Concurrent(LINE, [(), (), ()])
    optimizer = LSTMOptimizer(combine="softmax", num_sources=2)
    with pytest.raises(ValueError, match=r"num_sources=2 .* was given 3"):
        optimize(optimizer, three, batch=2)
