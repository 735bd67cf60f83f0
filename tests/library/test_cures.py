"""The cures that meta_train offers: imitation, curriculum, clipping, schedules."""

import math

import pytest
import torch

from l2o_kit import data
from l2o_kit.autograd import FirstOrder
from l2o_kit.optimizees import Quadratic, Scaled
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train, scheduled
from l2o_kit.window import Teacher, Trainer

SHORT = {"horizon": 8, "unroll": 4, "batch": 3}


def small(seed=0, **arguments):
    return LSTMOptimizer(
        hidden_size=4, preprocess="identity", seed=seed, **arguments
    ).double()


def test_the_teacher_is_adam():
    problem = Quadratic(3).sample(2, data.stream(0, "teacher"), torch.float64)
    theta = problem.theta0.clone()
    adam = torch.optim.Adam([theta], lr=0.05)
    teacher = Teacher(0.05, theta, 6)
    for _ in range(20):
        grad = problem.value_and_grad(theta)[1]
        before = theta.clone()
        teacher.see(grad.flatten())
        theta.grad = grad
        adam.step()
        torch.testing.assert_close(
            teacher.update().view(2, 3), theta - before, rtol=1e-9, atol=1e-12
        )


def by_hand(optimizer, rate, pull):
    """L + pull * sum_t |g_t - u_t|^2 / |u_t|^2 of one window, in plain autograd."""
    problem = Quadratic(3).sample(
        3, data.stream(0, "meta-train problems"), torch.float64
    )
    theta, state, total = problem.theta0, optimizer.initial_state(9), 0
    guide = torch.zeros_like(theta).requires_grad_()
    adam = torch.optim.Adam([guide], lr=rate)
    for _ in range(4):
        grad = problem.value_and_grad(theta)[1].detach()
        before, guide.grad = guide.detach().clone(), grad
        adam.step()
        taught = (guide - before).detach().flatten()
        update, state = optimizer(grad.flatten(), state)
        apart = (update - taught).square().sum() / taught.square().sum()
        theta = theta + update.view(3, 3)
        total = total + pull * apart + problem.loss(theta).mean()
    return torch.autograd.grad(total, list(optimizer.parameters()))


@pytest.mark.parametrize("done", [0.0, 0.75])
@pytest.mark.parametrize("kind", ["engine", "first order"])
def test_imitation_adds_the_gradient_of_its_own_term(kind, done):
    optimizer = small()
    trainer = Trainer(optimizer, Quadratic(3), **SHORT, imitate=0.05)
    if kind == "first order":
        trainer.engine = FirstOrder(optimizer, 4, 9)
    trainer.done = done
    trainer.meta_gradient()
    expected = by_hand(optimizer, 0.05, 1 - done)
    for weight, grad in zip(optimizer.parameters(), expected, strict=True):
        assert (weight.grad - grad).norm() <= 1e-9 * grad.norm()


def test_imitation_begins_anew_with_each_roll_out():
    trainer = Trainer(small(), Quadratic(3), **SHORT, imitate=0.05)
    counts = []
    for _ in range(3):
        trainer.meta_gradient()
        counts.append(trainer.teacher.t)
    assert counts == [5, 9, 5]  # each gradient is seen once


def test_imitation_alone_brings_a_random_rule_near_adam():
    """Where the loss is nearly nothing, so that only the teacher counts."""
    optimizee = Scaled(Quadratic(3), 1e-5)

    @torch.no_grad()
    def apart(optimizer):
        problem = optimizee.sample(20, data.stream(1, "judge"))
        teacher = Teacher(0.03, problem.theta0, 60)
        theta, state, apart = problem.theta0, optimizer.initial_state(60), 0
        for _ in range(8):
            grad = problem.value_and_grad(theta)[1].flatten()
            teacher.see(grad)
            update, state = optimizer(grad, state)
            taught, theta = teacher.update(), theta + update.view(20, 3)
            apart += float((update - taught).square().sum() / taught.square().sum())
        return apart / 8

    optimizer = LSTMOptimizer(hidden_size=8, preprocess="normalized", bounded=True)
    untrained = apart(optimizer)
    meta_train(
        optimizer,
        optimizee,
        meta_steps=150,
        horizon=8,
        unroll=4,
        batch=16,
        lr=0.01,
        imitate=0.03,
    )
    assert apart(optimizer) < 0.2 * untrained


def test_a_curriculum_lets_the_longest_horizon_grow():
    arguments = {"meta_steps": 400, "horizon": (2, 20), "unroll": 2, "batch": 1}

    def lengths(**cure):
        log = meta_train(small(), Quadratic(2), **arguments, lr=1e-6, **cure)
        ends = [k for k, start in enumerate(log.starts) if start == 0][1:]
        return [(k, log.starts[k - 1] + 2) for k in ends]

    grown = lengths(curriculum=True)
    assert all(steps <= 2 + 18 * k / 400 + 2 for k, steps in grown)
    assert max(steps for _, steps in grown) >= 14
    early = [steps for k, steps in lengths() if k < 100]
    assert max(early) > 10  # without it, long ones come at once


def test_clipping_bounds_the_meta_gradient_and_none_leaves_it():
    norms = {}
    for clip in (None, 1e-3):
        optimizer = small()
        trainer = Trainer(optimizer, Quadratic(3), **SHORT, clip=clip)
        trainer.window(1e-9)
        grads = [weight.grad.norm() for weight in optimizer.parameters()]
        norms[clip] = float(torch.stack(grads).norm()), trainer.norm
    assert norms[1e-3][0] == pytest.approx(1e-3, rel=1e-3)
    assert norms[None][0] == pytest.approx(norms[None][1])
    assert norms[1e-3][1] == pytest.approx(norms[None][1])  # before clipping


def test_the_log_keeps_the_norms_and_what_was_trained():
    optimizer, optimizee = small(), Quadratic(3)
    log = meta_train(optimizer, optimizee, meta_steps=3, lr=0.01, **SHORT)
    assert len(log.norms) == 3 and all(map(math.isfinite, log.norms))
    assert log.trained[0] is optimizer and log.trained[1] is optimizee
    assert log.trained[2]["horizon"] == 8


def test_a_list_of_rates_falls_in_steps():
    rates = [scheduled([0.1, 0.01, 0.001], done) for done in (0.0, 0.3, 0.4, 0.7, 1.0)]
    assert rates == [0.1, 0.1, 0.01, 0.001, 0.001]
    assert scheduled((1.0, 0.01), 0.5) == pytest.approx(0.1)
    assert scheduled(0.3, 0.9) == 0.3


def test_a_cured_training_resumes_to_the_last_bit(tmp_path):
    path = tmp_path / "state"
    arguments = {
        "meta_steps": 12,
        "horizon": (4, 12),
        "unroll": 4,
        "batch": 2,
        "lr": [0.01, 0.003],
        "curriculum": True,
        "imitate": 0.05,
    }

    class Killed(Exception):
        pass

    def kill(log):
        if len(log.meta_losses) == 7:
            raise Killed

    whole, parts = small(), small()
    meta_train(whole, Quadratic(3), **arguments)
    with pytest.raises(Killed):
        meta_train(
            parts,
            Quadratic(3),
            **arguments,
            checkpoint=path,
            on_step=kill,
            checkpoint_seconds=0,
        )
    again = small(seed=5)
    log = meta_train(again, Quadratic(3), **arguments, resume=path)
    assert len(log.meta_losses) == 12
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"curriculum": True}, r"horizon=8: it has nothing to grow to.*horizon=\(20"),
        ({"imitate": 0.0}, "imitate=0.0: it must be above 0, or None"),
        ({"clip": -1.0}, "clip=-1.0: it must be above 0, or None"),
        ({"lr": []}, r"lr=\[\]: it must be above 0"),
        ({"lr": [0.1, 0.0]}, r"lr=\[0.1, 0.0\]: it must be above 0"),
    ],
)
def test_cures_that_could_do_nothing_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        meta_train(
            small(), Quadratic(2), meta_steps=1, **{"lr": 0.1, **SHORT, **arguments}
        )


def test_without_cures_nothing_changes():
    """A curriculum that has grown and a pull of nothing are the plain training."""
    plain, cured = small(), small()
    trainers = [
        Trainer(plain, Quadratic(3), **SHORT),
        Trainer(cured, Quadratic(3), **SHORT, imitate=0.1),
    ]
    trainers[1].done = 1.0
    for trainer in trainers:
        trainer.window(0.01)
    for a, b in zip(plain.parameters(), cured.parameters(), strict=True):
        assert torch.equal(a, b)
