"""What the engine claims: that it is exact, small, and hard to break.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold. What only a test
can show is listed as not tested, with the command. Speed and memory are in
``claims_bench.py``.
"""

import torch

from l2o_kit import data
from l2o_kit.checkpoint import PRETRAINED, load
from l2o_kit.claim import OWN, claim, elsewhere
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.engine import FirstOrder
from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Network, mlp
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import Trainer

LESSON, UNROLL, BATCH, WINDOWS = "engine", 5, 2, 3


def exact(dtype: torch.dtype, quick: bool, control: bool | None = None):
    """|meta-gradient - autograd's| / |autograd's|: the largest of three windows.

    In the control ours discounts early losses.
    """
    network = Network(mlp([64, 20, 10]), *data.digits())
    rules = [LSTMOptimizer(seed=3).to(dtype) for _ in range(2)]
    same = {"horizon": WINDOWS * UNROLL, "unroll": UNROLL, "batch": BATCH}
    ours = Trainer(rules[0], network, discount=0.5 if control else 1.0, **same)
    theirs = Trainer(rules[1], network, **same)
    theirs.engine = FirstOrder(rules[1], UNROLL, BATCH * network.coords)
    errors = []
    for _ in range(WINDOWS):
        ours.meta_gradient(), theirs.meta_gradient()
        a, b = (torch.cat([w.grad.flatten() for w in r.parameters()]) for r in rules)
        errors.append(float((a - b).norm() / b.norm()))
    return max(errors), max(errors), max(errors), "autograd"


def agree(dtype: torch.dtype, steps: int, quick: bool, control: bool | None = None):
    """|theta of LearnedOptimizer - theta of optimize| / |theta|, own gradients each.

    The control is a step short.
    """
    rule = load("digits").to(dtype)
    network = Network(mlp([64, 20, 10]), *data.digits())
    there = optimize(rule, network, steps=steps, batch=1, dtype=dtype).theta[0]
    problem = network.sample(1, data.stream(0, "problems"), dtype)
    minibatches = data.stream(0, "problems minibatches")
    module = network.module.to(dtype)
    torch.nn.utils.vector_to_parameters(problem.theta0[0].clone(), module.parameters())
    optimizer = LearnedOptimizer(module.parameters(), rule)
    for _ in range(steps - bool(control)):
        (picked,) = problem.minibatch(minibatches)
        optimizer.zero_grad()
        outputs = module(problem.X[picked])
        torch.nn.functional.cross_entropy(outputs, problem.y[picked]).backward()
        optimizer.step()
    here = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
    apart = float((here - there).norm() / there.norm())
    return apart, apart, apart, "optimize"


def size(quick: bool, control: bool | None = None):
    """kB of the largest shipped checkpoint; the control adds all of them up."""
    sizes = [path.stat().st_size / 1000 for path in PRETRAINED.glob("*.safetensors")]
    largest = sum(sizes) if control else max(sizes)
    return largest, largest, largest, f"{len(sizes)} checkpoints"


def _open(id, words, source=OWN):
    return claim(id, LESSON, words, source, 0.0, elsewhere, judged_on="-")


CLAIMS = (
    claim("exact-64", LESSON, "The meta-gradient on digits is autograd's, to a "
          "relative 1e-9 in float64", OWN, 1e-9, exact, torch.float64,
          judged_on=f"{BATCH} networks, {WINDOWS} windows"),
    claim("exact-32", LESSON, "The same in float32, to 1e-4", OWN, 1e-4, exact,
          torch.float32, judged_on=f"{BATCH} networks, {WINDOWS} windows"),
    claim("agree-64", LESSON, "LearnedOptimizer and optimize, each from its own "
          "gradients, on digits: the same theta to 1e-9, 100 steps in float64", OWN,
          1e-9, agree, torch.float64, 100, judged_on="1 network, 100 steps"),
    claim("agree-32", LESSON, "The same to 1e-4, 20 steps in float32", OWN, 1e-4, agree,
          torch.float32, 20, judged_on="1 network, 20 steps"),
    claim("checkpoint-size", LESSON, "A shipped checkpoint has at most 50 kB", OWN,
          50.0, size, judged_on="all that ship"),
    _open("kills", "Killed 100 times at random moments, each training goes on to the "
          "last bit. `python -m tests.kills 100` shows it"),
    _open("damaged", "1,000 damaged checkpoints are refused, and no code in them runs. "
          "`pytest tests/test_checkpoint.py tests/test_resume.py` shows it"),
    _open("protocol", "What PyTorch asks of an optimizer; 30 models step. `pytest "
          "tests/test_deploy.py tests/test_zoo.py` shows it"),
    _open("ranks", "Two processes train as one does. `pytest "
          "tests/test_distributed.py` shows it"),
    _open("held-out", "Held-out data are never tuned on. `pytest "
          "tests/test_networks.py` shows it"),
    _open("time-of-notebooks", "Each notebook runs in 60 s on two cores, with 2 GB. "
          "`make rehearse` measures it"),
)  # fmt: skip
