"""The debugger: each finding on a healthy case and on a sick one, beside an oracle."""

import re
from functools import partial

import numpy as np
import pytest
import torch

from l2o_kit import data
from l2o_kit.baselines import Baseline
from l2o_kit.checkpoint import load
from l2o_kit.diagnosis import (
    Diagnosis,
    Finding,
    diagnose,
    position_grad,
    position_norms,
    watch,
)
from l2o_kit.evaluate import optimize
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Problem, Quadratic, Scaled
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train
from l2o_kit.window import Log, MetaTrainingDiverged, Trainer
from tests.oracle import Sources

quiet = {"on_step": lambda log: None}
train = partial(
    meta_train, meta_steps=2, horizon=10, unroll=10, batch=4, lr=1e-9, **quiet
)


class Made(Problem):
    """Problems with a loss of (theta), and theta_0 times a factor; an optimizee too."""

    def __init__(self, function, coords=3, start=1.0):
        self.function, self.coords, self.start = function, coords, start

    def sample(self, batch, generator, dtype=torch.float32):
        problem = Made(self.function)
        theta0 = torch.randn(batch, self.coords, generator=generator)
        problem.theta0 = self.start * theta0.to(dtype)
        return problem

    def loss(self, theta, minibatch=None):
        return self.function(theta)


bowl = Made(lambda theta: theta.square().sum(1))


class Descent(LSTMOptimizer):
    """theta_{t+1} = theta_t - rate grad: one number to learn, a forward of its own."""

    def __init__(self, rate):
        super().__init__(1, 1)
        self.rate = torch.nn.Parameter(torch.tensor(rate))

    def forward(self, grads, state):
        nothing = 0 * sum(w.sum() for w in self.parameters())
        return -self.rate * grads.flatten() + nothing, state


def found(log) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(log).findings}


@pytest.fixture(scope="module")
def healthy():
    return train(load("quadratic"), Quadratic(), horizon=(20, 40), seed=3)


@pytest.fixture(scope="module")
def diagnosis(healthy):
    return diagnose(healthy)


def test_a_trained_optimizer_is_healthy(diagnosis):
    assert [f.ok for f in diagnosis.findings] == [True] * 6
    assert all(line.startswith("ok   ") for line in repr(diagnosis).splitlines())
    assert "mean loss over 40 steps" in repr(diagnosis)  # the larger of the horizons


def test_nothing_is_changed_and_nothing_is_left_to_chance(healthy, diagnosis):
    weights = list(healthy.trained[0].parameters())
    for weight in weights:
        weight.grad = torch.full_like(weight, 7.0)
    before = [w.detach().clone() for w in weights]
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again = diagnose(healthy)
    assert torch.equal(torch.get_rng_state(), state)
    assert repr(again) == repr(diagnosis)
    assert torch.equal(again.positions, diagnosis.positions)
    for old, weight in zip(before, weights, strict=True):
        assert torch.equal(old, weight) and weight.grad.eq(7).all()


@pytest.mark.parametrize(("coords", "few", "many"), [(2, 8, 64), (5000, 1, 8)])
def test_the_problems_are_new_ones_and_few_where_they_are_large(coords, few, many):
    """None of those trained on; a rate is not judged where it was tuned."""
    drawn = []

    class Spied(Made):
        def sample(self, batch, generator, dtype=torch.float32):
            drawn.append((generator.initial_seed(), batch))
            return super().sample(batch, generator, dtype)

    log = train(LSTMOptimizer(2, 1), Spied(bowl.function, coords), horizon=2, unroll=2)
    trained = {seed for seed, _ in drawn}
    drawn.clear()
    diagnose(log)
    assert trained and trained.isdisjoint(seed for seed, _ in drawn)
    tuned, judged = drawn[-3], drawn[-2]
    assert drawn[-1] == judged and tuned[0] != judged[0]
    assert drawn[0][1] == drawn[1][1] == few and judged[1] == many


@pytest.mark.parametrize("second", [False, True])
def test_positions_add_up_to_the_meta_gradient(second):
    optimizer = LSTMOptimizer(3, preprocess="identity").double()
    trainer = Trainer(
        optimizer,
        Quadratic(3),
        horizon=8,
        unroll=4,
        batch=2,
        discount=0.7,
        second_derivatives=second,
    )
    for _ in range(2):  # the second window carries a state on
        trainer.begin_window()
        trainer.roll_out()
    parts = [position_grad(trainer, s) for s in range(4)]
    optimizer.zero_grad()
    trainer.engine.backward(trainer.w / trainer.batch)
    whole = torch.cat([w.grad.flatten() for w in optimizer.parameters()])
    added = sum(w * part for w, part in zip(trainer.w, parts, strict=True))
    assert whole.norm() > 0 and (added - whole).norm() <= 1e-10 * whole.norm()


def test_one_position_against_autograd_by_hand():
    optimizer = LSTMOptimizer(3, preprocess="log_sign").double()
    settings = {"horizon": 4, "unroll": 4, "batch": 2, "seed": 5}
    problem = Quadratic(3).sample(
        2, data.stream(5, "meta-train problems"), torch.float64
    )
    theta, state, norms = problem.theta0, optimizer.initial_state(6), []
    for _ in range(4):
        grad = problem.value_and_grad(theta.detach())[1]
        update, state = optimizer(grad.flatten(), state)
        theta = theta + update.view_as(theta)
        L = problem.loss(theta).mean()
        parts = torch.autograd.grad(L, list(optimizer.parameters()), retain_graph=True)
        norms.append(torch.cat([part.flatten() for part in parts]).norm())
    ours = position_norms(Trainer(optimizer, Quadratic(3), **settings))
    assert torch.allclose(ours, torch.stack(norms), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rate", [0.3, 1.5])
def test_positions_of_gradient_descent_in_closed_form(rate):
    """grad_t = 2 c^t theta_0, c = 1 - 2 rate; dL_s = -grad_s . sum of grad_t, t < s."""
    optimizer = Descent(rate).double()
    trainer = Trainer(optimizer, bowl, horizon=12, unroll=4, batch=2)
    ours, c = position_norms(trainer), 1 - 2 * rate
    size = trainer.problem.theta0.square().sum(1).mean()
    expected = [
        abs(4 * size * c**s * sum(c**t for t in range(start, s)))
        for start in (0, 8)
        for s in range(start + 1, start + 5)
    ]
    means = torch.stack(expected).view(2, 4).mean(0)  # the first and the last window
    assert torch.allclose(ours, means, rtol=1e-6, atol=0)


def test_meta_gradients_that_explode_and_that_vanish():
    name = "meta-gradient by position"
    explodes = found(train(Descent(1.5), bowl))[name]
    assert not explodes.ok and "at step 10 of the unroll's 10" in explodes.measured
    assert "it grows" in explodes.measured and "smaller output_scale" in explodes.cure
    vanishes = found(train(Descent(0.3), bowl))[name]
    assert not vanishes.ok and "at step 1 of the unroll's 10" in vanishes.measured
    assert "it falls" in vanishes.measured and "discount below 1" in vanishes.cure
    assert found(train(Descent(0.05), bowl))[name].ok


def test_a_meta_gradient_of_zero():
    optimizer = LSTMOptimizer(2, 1, bounded=True)
    with torch.no_grad():
        optimizer.lstm.b_out.fill_(100.0)  # tanh is flat there
    findings = found(train(optimizer, Quadratic(2)))
    zero = findings["meta-gradient by position"]
    assert not zero.ok and "zero at all 10 steps" in zero.measured


def test_dead_inputs_are_counted():
    """Slopes of 0 and far below e^-p are dead; 2e-5 has a sign still, at p = 10."""
    slopes = torch.tensor([0.0, 1e-9, 2e-5, 1.0])
    line = Made(lambda theta: theta @ slopes, coords=4)
    optimizer = LSTMOptimizer(2, 1, preprocess="log_sign", p=10.0)
    dead, _, _ = watch(Trainer(optimizer, line, horizon=5, unroll=1, batch=2))
    assert dead == 0.5
    sharp = LSTMOptimizer(2, 1, preprocess="log_sign", p=25.0)
    assert watch(Trainer(sharp, line, horizon=5, unroll=1, batch=2))[0] == 0.25


@pytest.mark.parametrize(
    "rule", [{"preprocess": "identity"}, {"preprocess": "log_sign", "p": 1.0}]
)
def test_inputs_too_small_to_be_read(rule):
    tiny = Scaled(Quadratic(2), 1e-9)
    inputs = found(train(LSTMOptimizer(2, 1, **rule), tiny))["inputs"]
    assert not inputs.ok and "100.0%" in inputs.measured
    assert '"normalized"' in inputs.cure and "larger p" in inputs.cure
    normalized = LSTMOptimizer(2, 1, preprocess="normalized")
    assert found(train(normalized, tiny))["inputs"].ok


def test_a_dead_input_is_judged_in_its_own_state():
    """ "normalized" remembers: after a slope of 1, 0 is no input of zeros."""
    seen = []

    def stops(theta):  # a slope of 1 at the first step, of 0 later
        seen.append(theta)
        return (len(seen) == 1) * theta.sum(1)

    optimizer = LSTMOptimizer(2, 1, preprocess="normalized")
    trainer = Trainer(optimizer, Made(stops), horizon=5, unroll=1, batch=2)
    assert watch(trainer)[0] == pytest.approx(4 / 5)


def test_saturated_gates_are_counted():
    optimizer = LSTMOptimizer(4, 2)
    with torch.no_grad():
        optimizer.lstm.W[0][4:8, -1] = 20.0  # f of the lower layer: 4 gates of 24
    settings = {"horizon": 5, "unroll": 1, "batch": 2}
    _, shut, _ = watch(Trainer(optimizer, Quadratic(3), **settings))
    assert shut == pytest.approx(1 / 6)
    with torch.no_grad():
        optimizer.lstm.W[1][8:12, -1] = -20.0  # o of the upper
    _, shut, _ = watch(Trainer(optimizer, Quadratic(3), **settings))
    assert shut == pytest.approx(1 / 3)


def test_gates_are_those_of_the_state_of_the_step():
    """Input gates that hang on h alone: 1/2 at the first step, then shut or open."""
    optimizer = LSTMOptimizer(4, 1)
    with torch.no_grad():
        optimizer.lstm.W[0][:4] = 0
        optimizer.lstm.W[0][:4, 2:6] = 1e6
    trainer = Trainer(optimizer, Quadratic(3), horizon=5, unroll=1, batch=2)
    assert watch(trainer)[1] == pytest.approx(4 / 5 / 3)


def test_gates_of_an_lstm_whose_weights_are_too_large():
    optimizer = LSTMOptimizer(8, 2)
    assert found(train(optimizer, Quadratic(3)))["gates"].ok
    with torch.no_grad():
        for W in optimizer.lstm.W:
            W *= 50
    gates = found(train(optimizer, Quadratic(3)))["gates"]
    assert not gates.ok and float(gates.measured.split("%")[0]) > 50


def test_step_size_in_closed_form():
    """|g_t| / |theta_0| = 2 rate |1 - 2 rate|^t; the median of five is t = 2."""
    trainer = Trainer(Descent(0.1).double(), bowl, horizon=5, unroll=1, batch=3)
    assert watch(trainer)[2] == pytest.approx(0.2 * 0.8**2, rel=1e-6)
    size = found(train(Descent(0.1), bowl, horizon=20))["step size"]  # of 20, t = 10
    assert size.measured.endswith(f"is {0.2 * 0.8**10:.2g}.")


@pytest.mark.parametrize(
    ("scale", "cure"), [(100.0, "a smaller output_scale"), (1e-9, "a larger output")]
)
def test_steps_too_long_or_too_short(scale, cure):
    size = found(train(LSTMOptimizer(4, 1, output_scale=scale), Quadratic(3)))
    assert not size["step size"].ok and size["step size"].cure.startswith(cure)


def test_against_sgd_at_its_best_rate(monkeypatch):
    """Descent at that rate is SGD itself: as good on the same problems."""
    untrained = found(train(LSTMOptimizer(4, 1), Quadratic(3)))["against SGD"]
    assert not untrained.ok and float(untrained.measured.split()[0]) > 2
    rate = float(re.search(r"rate is ([\d.e-]+\d)", untrained.measured)[1])
    rules = LSTMOptimizer(4, 1), Baseline("SGD", rate)
    ours, sgd = (
        optimize(rule, Quadratic(3), steps=10, batch=64, purpose="diagnosis")
        for rule in rules
    )
    ratio = float(ours.mean_loss().mean() / sgd.mean_loss().mean())
    assert float(untrained.measured.split()[0]) == pytest.approx(ratio, rel=0.05)
    log = train(Descent(rate), Quadratic(3))
    assert found(log)["against SGD"].measured.startswith("1 times [1, 1] its mean")
    for high, ok in ((0.99, True), (1.0, False), (1.2, False)):
        monkeypatch.setattr(
            "l2o_kit.diagnosis.paired_ratio",
            lambda *losses, high=high: (0.9, 0.8, high),
        )
        assert found(log)["against SGD"].ok == ok


def test_a_rate_of_three_digits_is_written_out():
    """|W theta - y|^2 times 1e-4: SGD's best rate is some 1e4 times as large."""
    log = train(LSTMOptimizer(2, 1), Scaled(Quadratic(3), 1e-4))
    measured = found(log)["against SGD"].measured
    assert "e+" not in measured
    assert float(re.search(r"rate is ([\d,]+)\.", measured)[1].replace(",", "")) > 99


def test_norms_of_the_training():
    log = train(LSTMOptimizer(2, 1), Quadratic(2), horizon=4, unroll=2, clip=5.0)
    log.norms = [1.0] * 190 + [2000.0] * 10
    norms = found(log)["norms in training"]
    assert not norms.ok and "largest 2,000; 5% were clipped" in norms.measured
    log.trained[2]["clip"] = None
    assert "2,000; 0% were clipped" in found(log)["norms in training"].measured
    log.norms = [1.0] * 999 + [2000.0]  # one steep problem is no jump
    assert found(log)["norms in training"].ok
    log.norms = [1.0]
    short = found(log)["norms in training"]
    assert short.ok is None and "1 meta-steps are too few" in short.measured


def test_what_cannot_be_measured_is_said(monkeypatch):
    own = found(train(Descent(0.1), bowl))
    for name in ("inputs", "gates"):
        assert own[name].ok is None and "forward is its own" in repr(own[name])
    sources = found(train(LSTMOptimizer(2, 1, num_sources=2), Sources(2, True)))
    assert "times" in sources["against SGD"].measured  # SGD gets the mean gradient
    assert sources["inputs"].ok and sources["gates"].ok

    def no_loss(*arguments, **settings):
        raise NotImplementedError

    log = train(LSTMOptimizer(2, 1), Quadratic(2))
    monkeypatch.setattr("l2o_kit.diagnosis.optimize", no_loss)
    against = found(log)["against SGD"]
    assert against.ok is None and "no loss of their own" in repr(against)
    still = Made(lambda theta: (theta - 1).square().sum(1), start=0.0)
    size = found(train(LSTMOptimizer(2, 1), still))["step size"]
    assert repr(size) == "--   step size: not measured: theta_0 is zero."


def test_a_training_that_diverged_can_be_diagnosed():
    with pytest.raises(MetaTrainingDiverged) as error:
        train(Descent(30.0), bowl, horizon=40)
    findings = found(error.value.log)
    position = findings["meta-gradient by position"]
    assert not position.ok and "not finite at 10 of the 10" in position.measured
    assert "not finite on 64 of 64" in findings["against SGD"].measured
    assert not findings["against SGD"].ok and not findings["step size"].ok
    with pytest.raises(MetaTrainingDiverged) as error:
        train(LSTMOptimizer(2, 1), Made(lambda theta: torch.nan * theta.sum(1)))
    against = found(error.value.log)["against SGD"]
    assert against.ok is None and ": not measured: SGD diverges at every" in repr(
        against
    )
    assert "no loss of their own" not in repr(against)


@pytest.mark.parametrize("second", [False, True])
def test_a_network_with_every_cure(second):
    network = Network(mlp([64, 2, 10]), *data.digits(), batch_size=5)
    log = train(
        LSTMOptimizer(2, 1).double(),
        network,
        horizon=(2, 4),
        unroll=2,
        curriculum=True,
        imitate=0.1,
        clip=None,
        discount=0.5,
        second_derivatives=second,
    )
    diagnosis = diagnose(log)
    assert len(diagnosis.positions) == 2 and None not in [
        finding.ok for finding in diagnosis.findings
    ]


def test_a_log_that_knows_no_optimizer():
    with pytest.raises(ValueError, match=r"does not know its optimizer.*resume="):
        diagnose(Log(20))


def test_what_is_shown(diagnosis):
    page = diagnosis._repr_html_()
    assert page.startswith('<img alt="Norm of the meta-gradient against position. ok')
    assert page.count("<tr>") == 7 and "what to try" in page and "LOOK" not in page
    (ax,) = diagnosis.figure().axes
    assert ax.get_yscale() == "log" and ax.get_xlabel() and ax.get_ylabel()
    assert np.array_equal(ax.lines[0].get_ydata(), diagnosis.positions.tolist())
    (twenty,) = Diagnosis(diagnosis.findings, torch.ones(20)).figure().axes
    assert all(tick == int(tick) for tick in twenty.get_xticks())  # a step is whole
    sick = Finding("inputs", "50 % & more < all.", False, "a larger p.")
    assert repr(sick) == "LOOK inputs: 50 % & more < all. Try: a larger p."
    findings = [diagnosis.findings[0], sick, *diagnosis.findings[2:]]
    for number in (torch.nan, torch.inf, 0.0):
        page = Diagnosis(findings, torch.full((4,), number))._repr_html_()
    assert "50 % &amp; more &lt; all." in page and "LOOK" in page
    assert "a larger p." in page and findings[2].cure not in page
