"""One rule, used three ways: optimize, LearnedOptimizer and the trainer's roll-out.

Given the same gradients, in the same blocks, they are equal to the last bit. Gradients
of another implementation (vmap here, loss.backward() of a plain module there) are equal
up to rounding at the same theta; so this is judged one step at a time. Along a whole
run it cannot be: a learned rule makes thousands out of the last bit.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import vector_to_parameters

from l2o_kit import data
from l2o_kit.checkpoint import load
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.evaluate import optimize
from l2o_kit.groups import CONV_AND_FC, GroupedOptimizer
from l2o_kit.lessons.l02_meta_gradient.exactness import LIMITS, Beside
from l2o_kit.network import Network, convnet, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.window import Trainer

PURPOSE = "meta-train problems"  # those that the trainer draws
RULES = ["digits", "digits_robust", "quadratic"]


@pytest.mark.parametrize("name", RULES)
def test_three_ways_give_the_same_bits(name):
    rule, quadratic, steps = load(name), Quadratic(64), 40
    theta = optimize(rule, quadratic, steps=steps, batch=3, purpose=PURPOSE).theta
    trainer = Trainer(rule, quadratic, horizon=steps, unroll=20, batch=3)
    for _ in range(2):
        trainer.begin_window()
        trainer.roll_out()
    p = nn.Parameter(trainer.problem.theta0.flatten().clone())
    optimizer = LearnedOptimizer([p], rule)
    for _ in range(steps):
        _, grad = trainer.problem.value_and_grad(p.view(3, 64))
        p.grad = grad.flatten()
        optimizer.step()
    assert torch.equal(trainer.theta, theta)
    assert torch.equal(p.detach().view(3, 64), theta)
    assert (theta - trainer.problem.theta0).abs().min() > 0


def a_quadratic(dtype):
    """(optimizee, its module, what it is judged by on a minibatch)."""
    problem = Quadratic(10).sample(1, data.stream(0, "problems"), dtype)
    module = nn.Linear(10, 10, bias=False)  # one row is theta, W is the data
    module.weight = nn.Parameter(problem.theta0.clone())  # [1, 10]

    def loss(minibatch):
        return (module(problem.W[0]).squeeze(1) - problem.y[0]).square().sum()

    return Quadratic(10), module, loss


def of(network, dtype):
    """The same for a Network: its module, as anybody would train it."""
    problem = network.sample(1, data.stream(0, "problems"), dtype)
    module = network.module.to(dtype)
    vector_to_parameters(problem.theta0[0].clone(), module.parameters())

    def loss(minibatch):
        return F.cross_entropy(module(problem.X[minibatch[0]]), problem.y[minibatch[0]])

    return network, module, loss


def a_perceptron(dtype):
    return of(Network(mlp([64, 20, 10]), *data.digits()), dtype)


def a_convnet(dtype):
    draw = torch.Generator().manual_seed(0)
    X, y = torch.randn(64, 3, 8, 8, generator=draw), torch.arange(64) % 10
    return of(Network(convnet(4, 8), X, y, X, y, batch_size=16), dtype)


def two():
    small = {"output_scale": 0.01}
    groups = {name: LSTMOptimizer(seed=k, **small) for k, name in enumerate("ab")}
    return GroupedOptimizer(
        dict(zip(["conv", "fc"], groups.values(), strict=True)), CONV_AND_FC
    )


CASES = [
    (a_quadratic, "quadratic"),
    (a_quadratic, "digits_robust"),
    (a_perceptron, "digits"),
    (a_convnet, "digits_robust"),
    (a_convnet, two),
]


@pytest.mark.parametrize("dtype, steps", [(torch.float64, 100), (torch.float32, 20)])
@pytest.mark.parametrize("case, name", CASES)
def test_each_from_its_own_gradients(case, name, dtype, steps, rounding):
    """At every theta of a run: loss, gradients, and the update from the same ones."""
    rule = (load(name) if isinstance(name, str) else name()).to(dtype)
    optimizee, module, loss = case(dtype)
    beside = Beside(rule, module, loss)
    curves = optimize(beside, optimizee, steps=steps, batch=1, dtype=dtype)
    alone = optimize(rule, optimizee, steps=steps, batch=1, dtype=dtype)
    assert torch.equal(curves.theta, alone.theta)  # it only looked on
    before = optimizee.sample(1, data.stream(0, "problems"), dtype).theta0
    assert float((curves.theta - before).norm() / before.norm()) > 0.01
    gradients, updates = beside.apart["gradient"], beside.apart["update"]
    gradients = {name: e for name, e in gradients.items() if not is_noise(name)}
    assert len(updates) == len(list(module.parameters()))
    losses = torch.tensor(beside.losses, dtype=dtype) / curves.losses[:-1, 0]
    rounding("loss", float((losses - 1).abs().max()), LIMITS[dtype]["gradient"])
    rounding("gradient", max(gradients.values()), LIMITS[dtype]["gradient"])
    rounding("update", max(updates.values()), LIMITS[dtype]["update"])


def is_noise(name):
    """A bias that batch normalization takes out again: its gradient is rounding."""
    return name.startswith("conv") and name.endswith("bias")
