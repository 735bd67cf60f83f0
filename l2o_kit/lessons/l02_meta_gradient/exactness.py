"""What the engine claims: that it is exact, small, and hard to break.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold. What only a test
can show is listed as not tested, with the command. Speed and memory are in
``bench.py``.
"""

from functools import partial

import torch
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from l2o_kit import data
from l2o_kit.autograd import FirstOrder
from l2o_kit.checkpoint import PRETRAINED, load
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.evaluate import optimize, start
from l2o_kit.network import Network, mlp
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.teaching.claim import Claim, judged
from l2o_kit.window import Trainer

LESSON, UNROLL, BATCH, WINDOWS = "engine", 5, 2, 3
# Relative errors of one step that may still be rounding: at most a sixth of these was
# seen under several sets of kernels; planted faults are ten times as large, and more.
LIMITS = {
    torch.float64: {"gradient": 1e-11, "update": 1e-12},
    torch.float32: {"gradient": 5e-4, "update": 1e-5},
}


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


class Beside:
    """A rule for ``optimize`` that takes a plain module along, one step at a time.

    At each theta the module has the same parameters: it gives a loss and, by
    ``loss.backward()``, gradients of its own. Then the gradients that ``optimize`` has
    go into the rule and into a LearnedOptimizer of the module, and both move. So no
    difference is carried into the next gradient, where a learned rule may make ten
    thousand of it; only the states of the rule are each implementation's own.

    Arguments: the rule; the module; its loss, a function of a minibatch; lr of
    LearnedOptimizer. After a run, ``apart`` has the largest relative errors of
    "gradient" and "update", each of every parameter by its name, and ``losses`` what
    the module lost at each step.
    """

    num_sources = 1

    def __init__(self, rule, module, loss, *, lr: float = 1.0):
        self.rule, self.module, self.loss = rule, module, loss
        self.optimizer = LearnedOptimizer(module.named_parameters(), rule, lr=lr)
        names = [name for name, _ in module.named_parameters()]
        self.apart = {what: dict.fromkeys(names, 0.0) for what in AGREE}
        self.losses = []

    def on(self, optimizee) -> "Beside":
        """Draw what ``optimize`` draws."""
        if hasattr(self.rule, "on"):
            self.rule = self.rule.on(optimizee)
        dtype = next(self.module.parameters()).dtype
        self.problem = optimizee.sample(1, data.stream(0, "problems"), dtype)
        self.minibatches = data.stream(0, "problems minibatches")
        return self

    def start(self, theta):
        """The step for ``optimize``, which has one problem: grad [1, coords]."""
        step, parameters = start(self.rule, theta), dict(self.module.named_parameters())
        sizes = [p.numel() for p in parameters.values()]

        def both(grad):
            old = theta[0].clone()
            vector_to_parameters(old.clone(), parameters.values())
            rows = self.problem.minibatch(self.minibatches)
            with torch.enable_grad():
                self.optimizer.zero_grad()
                loss = self.loss(rows)
                loss.backward()
            self.losses.append(loss.item())
            theirs = dict(zip(parameters, grad[0].split(sizes), strict=True))
            for name, p in parameters.items():
                self._note("gradient", name, p.grad.flatten(), theirs[name])
                p.grad = theirs[name].view(p.shape).clone()
            self.optimizer.step()
            step(grad)
            mine = parameters_to_vector(parameters.values()) - old
            updates = (u.split(sizes) for u in (mine, theta[0] - old))
            for name, here, there in zip(parameters, *updates, strict=True):
                self._note("update", name, here, there)

        return both

    def _note(self, what: str, name: str, mine, theirs):
        error = (mine - theirs).detach().norm() / theirs.norm()
        most = torch.maximum(error, error.new_tensor(self.apart[what][name]))
        self.apart[what][name] = float(most)  # and once NaN, always NaN


def agree(
    dtype: torch.dtype, steps: int, what: str, quick: bool, control: bool | None = None
):
    """The largest relative error of any step, of the gradient or of the update.

    The control's module has labels smoothed by a thousandth, and its steps are longer
    by as much.
    """
    off = 1e-3 if control else 0.0
    network = Network(mlp([64, 20, 10]), *data.digits())
    module = network.module.to(dtype)
    X, y = network.data[0].to(dtype), network.data[1]

    def loss(rows):
        outputs = module(X[rows[0]])
        return F.cross_entropy(outputs, y[rows[0]], label_smoothing=off)

    beside = Beside(load("digits").to(dtype), module, loss, lr=1 + off)
    optimize(beside, network, steps=steps, batch=1, dtype=dtype)
    most = max(beside.apart[what].values())
    return most, most, most, "each other"


def size(quick: bool, control: bool | None = None):
    """kB of the largest shipped checkpoint; the control adds all of them up."""
    sizes = [path.stat().st_size / 1000 for path in PRETRAINED.glob("*.safetensors")]
    largest = sum(sizes) if control else max(sizes)
    return largest, largest, largest, f"{len(sizes)} checkpoints"


def _short(limit: float) -> str:
    return f"{limit:.0e}".replace("e-0", "e-")


AGREE = {
    "gradient": "Digits, one step at a time: at the same theta optimize and a plain "
    "module have the same gradient of every parameter",
    "update": "Digits, one step at a time: from the same gradients optimize and "
    "LearnedOptimizer move every parameter by the same",
}


CLAIMS = {
    "exact-64": Claim(
        "The meta-gradient on digits is autograd's, to a relative 1e-9 in float64",
        partial(exact, torch.float64),
        1e-9,
        bound=True,
        judged_on=f"{BATCH} networks, {WINDOWS} windows",
    ),
    "exact-32": Claim(
        "The same in float32, to 1e-4",
        partial(exact, torch.float32),
        1e-4,
        bound=True,
        judged_on=f"{BATCH} networks, {WINDOWS} windows",
    ),
    **{
        f"agree-{bits}{'-update' * (what == 'update')}": Claim(
            f"{words}, to a relative {_short(LIMITS[dtype][what])} in float{bits}",
            partial(agree, dtype, steps, what),
            LIMITS[dtype][what],
            bound=True,
            judged_on=f"1 network, the largest of {steps} steps",
        )
        for bits, dtype, steps in (
            (64, torch.float64, 100),
            (32, torch.float32, 20),
        )
        for what, words in AGREE.items()
    },
    "checkpoint-size": Claim(
        "A shipped checkpoint has at most 50 kB",
        size,
        50.0,
        judged_on="all that ship",
    ),
}
CLAIMS = judged("-", CLAIMS, LESSON)
