"""Lambda learned on a frozen LSTM: what moves, and where it goes."""

import numpy as np
import pytest
import torch

from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.sources import Noise
from l2o_kit.trust import inverse_variance, learn_lambda, trusting

LINE = Quadratic(10, theta_true=True)


def quiet(log):
    """No bar."""


def test_only_alpha_moves_and_all_can_be_trained_again():
    optimizer = trusting("quadratic", 2)
    before = {n: w.detach().clone() for n, w in optimizer.named_parameters()}
    learn_lambda(
        optimizer,
        Concurrent(LINE, [Noise(0.5), Noise(2.0)], "clean"),
        meta_steps=3,
        batch=4,
        on_step=quiet,
    )
    for name, weight in optimizer.named_parameters():
        assert torch.equal(weight, before[name]) == (name != "alpha"), name
        assert weight.requires_grad


def test_a_trusting_optimizer_begins_as_the_shipped_one_on_the_mean():
    concurrent = Concurrent(LINE, [Noise(0.5), Noise(2.0), Noise(1.0)], "clean")
    optimizer = trusting("quadratic", 3)
    np.testing.assert_allclose(optimizer.lambdas.detach().numpy(), [1 / 3] * 3)
    ours = optimize(optimizer, concurrent, steps=5, batch=3).losses
    theirs = optimize(load("quadratic"), concurrent, steps=5, batch=3).losses
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_judged_on_the_clean_objective_lambda_goes_to_the_inverse_variances():
    """In an order in which the best is neither first nor last."""
    stds = [2.0, 0.5, 1.0]
    optimizer = trusting("quadratic", 3)
    concurrent = Concurrent(LINE, [Noise(s) for s in stds], "clean")
    learn_lambda(optimizer, concurrent, meta_steps=100, batch=32, on_step=quiet)
    found = optimizer.lambdas.detach().numpy()
    assert np.abs(found - inverse_variance(stds)).sum() < 0.15, found


def test_judged_on_source_0_lambda_goes_to_source_0_though_it_is_the_noisiest():
    optimizer = trusting("quadratic", 2)
    concurrent = Concurrent(LINE, [Noise(2.0), Noise(0.5)], "source0")
    learn_lambda(optimizer, concurrent, meta_steps=60, batch=32, on_step=quiet)
    assert optimizer.lambdas[0] > 0.8


def test_without_a_softmax_there_is_no_lambda():
    concurrent = Concurrent(LINE, [Noise(1.0), Noise(2.0)])
    with pytest.raises(ValueError, match="'concat' has no lambda"):
        learn_lambda(LSTMOptimizer(num_sources=2), concurrent, meta_steps=1, batch=1)


@pytest.mark.parametrize("name", ["concurrent_rotation", "concurrent_poison"])
def test_recipes_of_lambda_alone_leave_the_lstm_as_it_was(name):
    start, made = load("digits").state_dict(), load(name).state_dict()
    for key, weight in start.items():
        assert torch.equal(weight, made[key]), key
    assert set(made) - set(start) == {"alpha"}
    assert made["alpha"].abs().max() > 0.5


def with_lambdas(name: str, lambdas) -> LSTMOptimizer:
    """A shipped optimizer with these lambdas; 0 is legal."""
    optimizer = trusting(name, len(lambdas))
    with torch.no_grad():
        optimizer.alpha.copy_(torch.as_tensor(lambdas).clamp(min=1e-30).log())
    return optimizer


def test_with_all_trust_in_one_source_the_others_are_not_read():
    concurrent = Concurrent(LINE, [Noise(0.5), Noise(2.0), Noise(0.1)], "clean")
    one = Concurrent(LINE, [Noise(0.5)], "clean")
    optimizer = with_lambdas("quadratic", [1.0, 0.0, 0.0])
    alone = optimize(optimizer, concurrent, steps=5, batch=3)
    shipped = optimize(load("quadratic"), one, steps=5, batch=3)
    torch.testing.assert_close(alone.losses, shipped.losses, rtol=1e-4, atol=1e-4)
