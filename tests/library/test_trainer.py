"""The meta-gradient against autograd through the window; how training ends."""

import math

import pytest
import torch

from l2o_kit import data
from l2o_kit.autograd import Exact, FirstOrder
from l2o_kit.engine import Engine
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Problem, Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train
from l2o_kit.window import Log, MetaTrainingDiverged, Trainer
from tests.oracle import Sources

OPTIMIZEES = {
    "quadratic": (lambda: Quadratic(3), "identity"),
    "network": (
        lambda: Network(mlp([64, 2, 10]), *data.digits(), batch_size=5),
        "log_sign",
    ),
}


def small(preprocess="identity"):
    return LSTMOptimizer(hidden_size=4, preprocess=preprocess).double()


@pytest.mark.parametrize("name", OPTIMIZEES)
@pytest.mark.parametrize(
    ("unroll", "horizon", "discount"),
    [(4, 12, 1.0), (1, 3, 1.0), (6, 6, 0.5), (4, 8, 0.0)],
)
def test_meta_gradient_equals_autograd(name, unroll, horizon, discount):
    make, preprocess = OPTIMIZEES[name]
    ours, theirs = small(preprocess), small(preprocess)
    same = {"horizon": horizon, "unroll": unroll, "discount": discount, "batch": 2}
    trainer = Trainer(ours, make(), **same, block_size=7)
    oracle = Trainer(theirs, make(), **same)
    oracle.engine = FirstOrder(theirs, unroll, 2 * make().coords)
    for _ in range(horizon // unroll + 1):  # into the second roll-out
        meta_loss, expected = trainer.meta_gradient(), oracle.meta_gradient()
        assert meta_loss == pytest.approx(expected, rel=1e-12)
        for weight, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert (weight.grad - other.grad).norm() <= 1e-9 * other.grad.norm()


def test_the_meta_loss_and_its_gradient_are_those_of_the_definition():
    """One window by hand, without a line of the trainer or the engine."""
    optimizer, discount, unroll = small(), 0.5, 3
    trainer = Trainer(
        optimizer, Quadratic(3), unroll=unroll, horizon=6, batch=2, discount=discount
    )
    problem = Quadratic(3).sample(
        2, data.stream(0, "meta-train problems"), torch.float64
    )
    theta, state, meta_loss = problem.theta0, optimizer.initial_state(6), 0
    for t in range(unroll):
        grad = problem.value_and_grad(theta)[1].detach()
        update, state = optimizer(grad.flatten(), state)
        theta = theta + update.view(2, 3)
        meta_loss = (
            meta_loss + discount ** (unroll - 1 - t) * problem.loss(theta).mean()
        )
    expected = torch.autograd.grad(meta_loss, list(optimizer.parameters()))
    assert trainer.meta_gradient() == pytest.approx(meta_loss.item(), rel=1e-12)
    for weight, grad in zip(optimizer.parameters(), expected, strict=True):
        assert (weight.grad - grad).norm() <= 1e-9 * grad.norm()


def test_same_seed_same_training_and_another_seed_another():
    def learned(seed):
        optimizer = small()
        meta_train(
            optimizer,
            Quadratic(3),
            meta_steps=4,
            horizon=4,
            unroll=2,
            batch=3,
            lr=0.01,
            seed=seed,
        )
        return optimizer.lstm.W[0].detach()

    assert torch.equal(learned(0), learned(0))
    assert not torch.equal(learned(0), learned(1))


def test_training_helps():
    optimizer = LSTMOptimizer(preprocess="identity")
    log = meta_train(
        optimizer,
        Quadratic(2),
        meta_steps=100,
        horizon=20,
        unroll=10,
        batch=32,
        lr=0.01,
    )
    means = log.rollouts()
    assert len(means) == 50 and sum(means[-5:]) < 0.5 * sum(means[:5])
    assert "100 meta-steps" in repr(log)
    (line,) = log.figure().axes[0].lines
    assert line.get_ydata().tolist() == means and line.get_xdata()[1] == 2
    assert "100 meta-steps" in log._repr_html_()


def test_horizon_is_drawn_in_multiples_of_unroll():
    log = meta_train(
        small(), Quadratic(2), meta_steps=60, horizon=(4, 8), unroll=2, batch=1, lr=1e-6
    )
    assert max(log.starts) == 6 and log.starts.count(0) > 10
    lengths = [
        b for a, b in zip(log.starts[1:], log.starts[:-1], strict=True) if a == 0
    ]
    assert set(lengths) == {2, 4, 6}


def test_seconds_end_the_training():
    log = meta_train(
        small(), Quadratic(2), seconds=0.2, horizon=4, unroll=2, batch=2, lr=0.01
    )
    assert 0.2 <= log.seconds[-1] < 5 and len(log.seconds) == len(log.meta_losses)


def test_learning_rate_falls_from_the_first_to_the_last(monkeypatch):
    seen = []
    monkeypatch.setattr(Trainer, "window", lambda self, lr: seen.append(lr) or 1.0)
    meta_train(
        small(),
        Quadratic(2),
        meta_steps=3,
        horizon=2,
        unroll=2,
        batch=1,
        lr=(0.1, 0.0001),
    )
    assert seen == pytest.approx([0.1, 0.01, 0.001])


def test_an_interrupt_between_two_entries_of_the_log_leaves_it_whole():
    log = Log(20, [3.0, 2.0], [0], [0.1], [0.5])
    log.interrupt()
    assert (log.meta_losses, log.starts, log.seconds) == ([3.0], [0], [0.1])
    assert log.norms == [0.5]
    assert log.interrupted and log.rollouts() == [3.0 / 20]


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    optimizer, steps = small(), []
    before = optimizer.lstm.W[0].detach().clone()
    real = Trainer.window

    def window(self, lr):
        if len(steps) == 3:
            raise KeyboardInterrupt
        steps.append(lr)
        return real(self, lr)

    monkeypatch.setattr(Trainer, "window", window)
    log = meta_train(
        optimizer, Quadratic(2), meta_steps=100, horizon=4, unroll=2, batch=2, lr=0.01
    )
    assert log.interrupted and len(log.meta_losses) == 3 and "interrupted" in repr(log)
    assert not torch.equal(before, optimizer.lstm.W[0])


class Exploding(Quadratic):
    """Fine at first; the fourth problem has a NaN in it."""

    def sample(self, batch, generator, dtype=torch.float32):
        self.drawn = getattr(self, "drawn", 0) + 1
        problem = super().sample(batch, generator, dtype)
        if self.drawn == 4:
            problem.y[0, 0] = math.nan
        return problem


def test_a_training_that_is_not_finite_stops_and_keeps_the_last_finite_weights():
    optimizer = small()
    with pytest.raises(MetaTrainingDiverged) as caught:
        meta_train(
            optimizer,
            Exploding(3),
            meta_steps=50,
            horizon=4,
            unroll=2,
            batch=2,
            lr=0.01,
        )
    message = str(caught.value)
    assert "Meta-step 7 (steps 0 to 2 of a roll-out) was not finite" in message
    assert "Try a smaller lr (it was 0.01)" in message
    assert len(caught.value.log.meta_losses) == 6
    assert all(w.isfinite().all() for w in optimizer.parameters())
    again = small()
    meta_train(again, Exploding(3), meta_steps=6, horizon=4, unroll=2, batch=2, lr=0.01)
    assert torch.equal(optimizer.lstm.w_out, again.lstm.w_out)


def test_an_infinite_first_gradient_is_not_hidden_by_a_saturated_lstm():
    class Steep(Flat):
        def value_and_grad(self, theta, minibatch=None):
            first = not hasattr(self, "seen")
            self.seen = True
            loss, grad = super().value_and_grad(theta, minibatch)
            return loss, grad + math.inf if first else grad

    with pytest.raises(MetaTrainingDiverged, match="Meta-step 1 "):
        meta_train(
            small("log_sign"),
            Steep(),
            meta_steps=2,
            horizon=2,
            unroll=2,
            batch=1,
            lr=0.01,
        )


def test_an_infinite_source_is_not_hidden_by_a_target_that_is_finite():
    class Broken(Sources):
        def sample(self, batch, generator, dtype):
            problem = super().sample(batch, generator, dtype)
            problem.seen, real = [], problem.value_and_grads

            def value_and_grads(*arguments):
                loss, sources, target = real(*arguments)
                problem.seen.append(1)
                return loss, sources / (len(problem.seen) != 3), target

            problem.value_and_grads = value_and_grads
            return problem

    optimizer = LSTMOptimizer(num_sources=2).double()
    with pytest.raises(MetaTrainingDiverged, match="Meta-step 1 "):
        meta_train(
            optimizer,
            Broken(2, clean=True),
            meta_steps=2,
            horizon=8,
            unroll=4,
            batch=1,
            lr=0.01,
        )


class Doubled(LSTMOptimizer):
    """A forward of its own, which the derivative by hand knows nothing of."""

    def forward(self, grads, state):
        update, state = super().forward(grads, state)
        return 2 * update, state


def test_an_own_forward_is_differentiated_as_it_is():
    """Its meta-gradient is that of the kit's forward at twice the output scale."""

    def trainer(kind, scale):
        optimizer = kind(4, preprocess="identity", output_scale=scale).double()
        return Trainer(optimizer, Quadratic(3), unroll=4, horizon=8, batch=2)

    ours, theirs = trainer(Doubled, 0.1), trainer(LSTMOptimizer, 0.2)
    kinds = type(ours.engine), type(theirs.engine)
    assert kinds == (FirstOrder, Engine)
    for _ in range(3):  # into the second roll-out
        assert ours.meta_gradient() == pytest.approx(theirs.meta_gradient(), rel=1e-12)
        pairs = zip(
            ours.optimizer.parameters(), theirs.optimizer.parameters(), strict=True
        )
        for weight, other in pairs:
            assert (weight.grad - other.grad).norm() <= 1e-9 * other.grad.norm()
    exact = Trainer(Doubled(), Quadratic(3), batch=2, second_derivatives=True)
    assert type(exact.engine) is Exact


def test_on_step_sees_every_meta_step_in_place_of_the_bar_and_may_stop(capsys):
    seen = []

    def stop_at_three(log):
        seen.append(len(log.meta_losses))
        if seen[-1] == 3:
            raise KeyboardInterrupt

    log = meta_train(
        small(), Quadratic(2), meta_steps=9, batch=2, lr=0.1, on_step=stop_at_three
    )
    assert seen == [1, 2, 3] and log.interrupted and len(log.meta_losses) == 3
    assert capsys.readouterr().err == ""


class Flat(Problem):
    """Gradients that are exactly zero, of one coordinate."""

    coords, theta0 = 1, torch.ones(1, 1).double()

    def sample(self, batch, generator, dtype):
        return self

    def loss(self, theta, minibatch=None):
        return 0 * theta.sum(1)


def test_one_coordinate_with_zero_gradient_trains_without_a_nan():
    optimizer = small("log_sign")
    meta_train(optimizer, Flat(), meta_steps=3, horizon=2, unroll=2, batch=1, lr=0.01)
    assert all(w.isfinite().all() for w in optimizer.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of meta_steps and seconds"),
        ({"meta_steps": 1, "seconds": 1.0}, "exactly one of meta_steps and seconds"),
        ({"meta_steps": 0}, "meta_steps=0"),
        ({"seconds": 0.0}, "seconds=0.0: it must be above 0"),
        ({"meta_steps": 1, "batch": 0}, "batch=0: it must be at least 1"),
        ({"meta_steps": 1, "horizon": 10}, "unroll=20 is longer than horizon=10"),
        (
            {"meta_steps": 1, "horizon": 50},
            "does not divide horizon=50.*Try horizon=40",
        ),
        ({"meta_steps": 1, "unroll": 0}, "unroll=0"),
        ({"meta_steps": 1, "lr": 0.0}, "lr=0.0: it must be above 0"),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, message):
    arguments = {"batch": 2, "lr": 0.01, **arguments}
    with pytest.raises(ValueError, match=message):
        meta_train(small(), Quadratic(2), **arguments)


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match=r"device='cuda:7' is not available \(.*cpu"):
        meta_train(
            small(), Quadratic(2), meta_steps=1, batch=2, lr=0.1, device="cuda:7"
        )
    with pytest.raises(ValueError, match="device='tpx' is not available"):
        meta_train(small(), Quadratic(2), meta_steps=1, batch=2, lr=0.1, device="tpx")


def test_phi_on_several_devices():
    optimizer = small()
    optimizer.lstm.w_out = torch.nn.Parameter(optimizer.lstm.w_out.to("meta"))
    with pytest.raises(ValueError, match=r"several devices: \['cpu', 'meta'\]"):
        meta_train(optimizer, Quadratic(2), meta_steps=1, batch=2, lr=0.1)


def test_problems_are_moved_to_where_phi_is():
    problem = Network(mlp([64, 2, 10]), *data.digits()).sample(2, data.stream(0, "x"))
    moved = problem.to("meta")
    tensors = [v for v in vars(moved).values() if isinstance(v, torch.Tensor)]
    assert len(tensors) == 5 and {t.device.type for t in tensors} == {"meta"}


def test_integer_parameters():
    module = mlp([64, 2, 10])
    module.register_parameter(
        "count", torch.nn.Parameter(torch.zeros(3).long(), requires_grad=False)
    )
    with pytest.raises(ValueError, match=r"'count' is torch.int64.*as a buffer"):
        Network(module, *data.digits())

    class Whole(Flat):
        theta0 = torch.ones(1, 1).long()

    with pytest.raises(ValueError, match=r"theta_0 is torch.int64 and phi is .*64"):
        meta_train(small(), Whole(), meta_steps=1, batch=1, lr=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_of_phis_type(dtype):
    optimizer = LSTMOptimizer(3, preprocess="normalized").to(dtype)
    trainer = Trainer(optimizer, Quadratic(2), batch=2)
    trainer.window(0.01)
    assert trainer.theta.dtype == trainer.engine.grads.dtype == dtype
    assert {part.dtype for part in trainer.engine.state.values()} == {dtype}
