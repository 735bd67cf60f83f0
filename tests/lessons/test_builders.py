"""What makes the stored results, piece by piece: rivals, rates, what counts."""

from functools import partial

import pytest
import torch

from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import Curves, optimize
from l2o_kit.groups import shapes
from l2o_kit.lessons.l05_generalization import choices
from l2o_kit.lessons.l05_generalization import choices as experiments
from l2o_kit.lessons.l06_concurrent.cooperation import STEP, tuned_adam
from l2o_kit.lessons.l06_concurrent.teamwork import Averaged
from l2o_kit.lessons.l08_convnets.places import TwoRates
from l2o_kit.lessons.l09_art import art
from l2o_kit.optimizees import Quadratic
from l2o_kit.problems import conv
from l2o_kit.sources import Noise


def test_two_rates_are_torchs_adam_with_a_rate_for_the_convolutions():
    network = conv()
    rule, names = TwoRates(0.03, 0.001, network), list(shapes(network))
    theta = torch.zeros(2, network.coords)
    step = rule.start(theta)
    columns, first = {}, 0
    for name, shape in shapes(network).items():
        columns[name] = slice(first, first := first + shape.numel())
    parts = {
        name: torch.zeros(2, c.stop - c.start, requires_grad=True)
        for name, c in columns.items()
    }
    is_conv = {name: len(shapes(network)[name]) == 4 for name in names}
    assert sorted(set(is_conv.values())) == [False, True]
    groups = [
        {"params": [parts[n] for n in names if is_conv[n] is kind], "lr": lr}
        for kind, lr in ((True, 0.03), (False, 0.001))
    ]
    oracle = torch.optim.Adam(groups)
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        grad = torch.randn(2, network.coords, generator=random)
        step(grad)
        for name, part in parts.items():
            part.grad = grad[:, columns[name]].clone()
        oracle.step()
    for name, part in parts.items():
        torch.testing.assert_close(theta[:, columns[name]], part.detach(), msg=name)


@pytest.mark.parametrize("power", [-4, 3])
def test_the_rival_of_cooperation_is_at_its_best_rate(power):
    """Wherever the search begins: both neighbours are worse, by torch's Adam."""
    concurrent = Concurrent(Quadratic(4, theta_true=True), [Noise(0.5), Noise(1.0)])
    near = 0.3 * STEP**power
    best = tuned_adam(concurrent, near, batch=8).lr

    def end(lr):
        rule = partial(torch.optim.Adam, lr=lr)
        curves = optimize(rule, concurrent, batch=8, purpose="tuning")
        return float(curves.losses[-10:].mean())

    assert best != near
    assert end(best) < min(end(best / STEP), end(best * STEP))


def test_what_an_experiment_keeps_is_the_loss_of_ten_steps_over_the_first(monkeypatch):
    """Of losses 1, 2, 3 ...: after 100 steps the mean of 92 to 101."""

    def counted(rule, problem, steps, batch, seed):
        losses = torch.arange(1.0, steps + 2)[:, None].expand(-1, batch)
        return Curves(losses, torch.zeros(batch, 1), torch.zeros(batch).bool())

    monkeypatch.setattr(experiments, "optimize", counted)
    monkeypatch.setattr(experiments, "meta_train", lambda *words, **more: None)
    kept = choices.outcome(*choices.SETTINGS[0], seed=0)
    assert kept.tolist() == [96.5, 496.5, 996.5]


def test_art_is_tuned_on_contents_that_it_was_not_trained_on():
    trained, tuned = art.neural_art_training(), art.neural_art()
    assert (trained.content, tuned.content) == ("train", "validation")


def test_the_average_of_sources_counts_each_as_much():
    concurrent = Concurrent(
        Quadratic(4, theta_true=True), [Noise(0.5), Noise(2.0), ()], "clean"
    )
    one, all_three = (
        kind.sample(5, torch.Generator().manual_seed(0))
        for kind in (Averaged(concurrent), concurrent)
    )
    losses, grads, target = one.value_and_grads(one.theta0)
    expected, (a, b, c), clean = all_three.value_and_grads(all_three.theta0)
    assert grads.shape == (1, 5, 4)
    torch.testing.assert_close(grads[0], (a + b + c) / 3)
    assert torch.equal(losses, expected) and torch.equal(target, clean)
