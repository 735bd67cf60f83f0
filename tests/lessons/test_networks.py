"""Lessons 04 and 05: held-out data stays out of tuning; the rows that are stored."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from l2o_kit import data, plots
from l2o_kit.baselines import Baseline, tuned_baselines
from l2o_kit.evaluate import Curves, optimize
from l2o_kit.lessons.l04_networks import standings
from l2o_kit.lessons.l05_generalization import places
from l2o_kit.lessons.l05_generalization import places as generalization
from l2o_kit.network import Network, NetworkProblem, mlp
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train


def tiny(X_held_out=None, y_held_out=None):
    X, y, *held_out = data.digits()
    if X_held_out is not None:
        held_out = [X_held_out, y_held_out]
    return Network(mlp([64, 2, 10]), X[:40], y[:40], *held_out, batch_size=5)


def test_tuning_cannot_see_held_out_data(monkeypatch):
    """Looking at it would raise; and other held-out data gives the same rates."""
    honest = tuned_baselines(tiny(), steps=3, batch=2)

    def look(self, theta):
        raise AssertionError("held-out data was looked at")

    monkeypatch.setattr(NetworkProblem, "held_out", look)
    other = tiny(torch.full((3, 64), 9.0), torch.tensor([1, 2, 3]))
    assert tuned_baselines(other, steps=3, batch=2) == honest
    with pytest.raises(AssertionError, match="looked at"):
        optimize(honest["Adam"], tiny(), steps=1, batch=1)  # a judge does look


def test_meta_training_cannot_see_held_out_data(monkeypatch):
    def weights(network):
        optimizer = LSTMOptimizer(hidden_size=3)
        meta_train(
            optimizer,
            network,
            meta_steps=2,
            horizon=4,
            unroll=2,
            batch=1,
            lr=0.01,
            on_step=lambda log: None,
        )
        return torch.nn.utils.parameters_to_vector(optimizer.parameters()).detach()

    honest = weights(tiny())
    monkeypatch.setattr(NetworkProblem, "held_out", None)
    other = tiny(torch.full((3, 64), 9.0), torch.tensor([1, 2, 3]))
    assert torch.equal(weights(other), honest)


def test_binary_cross_entropy_counts_right_answers():
    X, y, X_held_out, y_held_out = data.breast_cancer()
    network = Network(
        mlp([30, 3, 1]),
        X,
        y[:, None].float(),
        X_held_out,
        y_held_out[:, None].float(),
        loss=F.binary_cross_entropy_with_logits,
    )
    curves = optimize(Baseline("Adam", 0.1), network, steps=60, batch=2)
    outputs = network.outputs(curves.theta[0], X_held_out)
    right = (outputs.sigmoid().round() == y_held_out[:, None]).double().mean()
    assert float(curves.held_out_accuracy[0]) == pytest.approx(float(right))
    assert curves.held_out_accuracy.min() > 0.9


def test_the_last_tenth_and_the_first_step_that_reaches_a_loss():
    losses = torch.arange(21.0)[:, None].expand(21, 2)
    curves = Curves(losses, torch.zeros(2, 1), torch.zeros(2, dtype=torch.bool))
    assert curves.last_tenth().tolist() == [19.5, 19.5]
    falling = np.linspace(5, 0, plots.POINTS)
    assert standings.first_reached(falling, 2.5, 100) == 50
    assert standings.first_reached(falling, -1.0, 100) == float("inf")


def test_places_are_the_digits_network_in_other_forms():
    place = (10, 2, "relu", 16, 4.0)
    assert place in places.PLACES and len(places.PLACES) == 144
    network = places.network(*place)
    assert network.coords == 64 * 10 + 10 + 10 * 10 + 10 + 10 * 10 + 10
    assert network.batch_size == 16
    theta = 0.1 * torch.randn(network.coords, generator=data.stream(0, "theta"))
    X = network.data[0][:3]
    plain = Network(mlp([64, 10, 10, 10], "relu"), *data.digits())
    torch.testing.assert_close(network.outputs(theta, X), plain.outputs(theta, 4.0 * X))


def test_bins_are_means_and_survive_what_explodes():
    losses = torch.arange(21.0)[:, None].repeat(1, 2)
    np.testing.assert_allclose(places.binned(losses), [0, 5.5, 15.5])
    losses[15] = torch.nan
    assert places.binned(losses)[2] == 1e4


def test_adam_at_a_place_has_a_rate_that_its_neighbours_do_not_beat(monkeypatch):
    monkeypatch.setattr(generalization, "HORIZONS", (20, 40))
    monkeypatch.setattr(generalization, "NETWORKS", 2)
    place = (10, 1, "sigmoid", 16, 1.0)
    row = places.adam_row(place)
    assert row["curves"].shape == (2, 5) and row["rates"].shape == (2,)

    def last(lr):
        curves = optimize(
            Baseline("Adam", lr),
            places.network(*place),
            steps=40,
            batch=2,
            purpose="tuning",
        )
        return float(curves.mean_loss(31).mean())

    best = float(row["rates"][1])
    assert last(best) <= 1.001 * min(last(best * 10**0.25), last(best / 10**0.25))
    again = optimize(
        Baseline("Adam", best), places.network(*place), steps=40, batch=2
    ).losses
    np.testing.assert_allclose(row["curves"][1], places.binned(again), rtol=1e-5)
