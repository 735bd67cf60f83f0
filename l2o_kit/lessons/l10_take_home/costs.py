"""What a learned optimizer costs: time and memory of a step, beside Adam's.

    a step   = gradient + update
    it pays  where  steps_learned / steps_Adam  <  (g + a) / (g + u)

g is the time of a gradient, a that of Adam's update, u that of the learned one. The
right side is the break-even: the share of Adam's steps that the learned optimizer may
take and still be done at the same time. With g large it is 1, with g small a / u.

Left out: the time of meta-training, which lesson 04 weighs.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit.data import stream
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.network import mlp
from l2o_kit.plots import html_table

LEARNED = "digits_robust"
WIDTHS = (20, 64, 256, 960)  # of networks with two hidden layers
BATCHES = (16, 128, 1024, 8192)  # examples of a minibatch
MODELS = tuple([64, width, width, 10] for width in WIDTHS)


@dataclass
class Costs:
    """Seconds of a step's parts, and bytes of state for each parameter."""

    parameters: int
    gradient: float
    adam: float
    learned: float
    adam_bytes: float
    learned_bytes: float

    @property
    def break_even(self) -> float:
        """The share of Adam's steps at which both take the same time."""
        return (self.gradient + self.adam) / (self.gradient + self.learned)

    def rows(self) -> list[list[str]]:
        """Adam and the learned optimizer: ms of a step's parts, bytes of state."""
        return [
            [name, f"{1e3 * self.gradient:.3g}", f"{1e3 * update:.3g}", f"{state:.0f}"]
            for name, update, state in (
                ("Adam", self.adam, self.adam_bytes),
                ("learned", self.learned, self.learned_bytes),
            )
        ]

    def sentence(self) -> str:
        """The break-even in words."""
        return (
            f"{self.parameters:,} parameters: a learned step takes "
            f"{(self.gradient + self.learned) / (self.gradient + self.adam):.1f} times "
            "as long as one of Adam. It pays, in time, where it needs less than "
            f"{self.break_even:.0%} of Adam's steps."
        )

    def __repr__(self):
        return self.sentence()

    def _repr_html_(self):
        header = ["rule", "gradient, ms", "update, ms", "state, bytes a parameter"]
        return html_table(header, self.rows(), self.sentence())


def measure(
    model: nn.Module, loss: Callable, rule=LEARNED, *, repeats: int = 7
) -> Costs:
    """Time a gradient, an update of Adam, and one of a learned optimizer, in turn.

    Arguments:
        model: it is trained a few steps on copies; your own stays as it is.
        loss: a function of the model: one number, on a minibatch of yours.
        rule: as for ``LearnedOptimizer``.
        repeats: of the three in turn; medians are told.

    Example: ``measure(model, lambda model: F.cross_entropy(model(X), y))``
    """
    rivals = [_Trial(model, torch.optim.Adam), _Trial(model, LearnedOptimizer, rule)]
    seconds = []
    for _ in range(repeats + 1):  # the first, in which buffers are made, is not counted
        timed = [rival.step(loss) for rival in rivals]
        seconds.append([timed[0][0], timed[0][1], timed[1][1]])
    gradient, adam, learned = np.median(seconds[1:], axis=0).tolist()
    count = sum(p.numel() for p in model.parameters())
    return Costs(
        count,
        gradient,
        adam,
        learned,
        *(rival.state_bytes() / count for rival in rivals),
    )


class _Trial:
    """A copy of the model and an optimizer for it."""

    def __init__(self, model, kind, *rule):
        self.model = copy.deepcopy(model)
        self.optimizer = kind(list(self.model.named_parameters()), *rule)

    def step(self, loss) -> tuple[float, float]:
        """(seconds of the gradient, seconds of the update)."""
        self.optimizer.zero_grad()
        began = time.perf_counter()
        loss(self.model).backward()
        between = time.perf_counter()
        self.optimizer.step()
        return between - began, time.perf_counter() - between

    def state_bytes(self) -> int:
        """Of all tensors that the optimizer keeps; not Adam's count of steps."""
        return sum(
            part.nbytes
            for state in self.optimizer.state.values()
            for part in state.values()
            if part.ndim
        )


def build() -> dict:
    """What ``stored/costs`` keeps: seconds [width, minibatch, 3], one core.

    The three are a gradient, Adam's update and the learned one; bytes [2] of Adam's
    and the learned one's state for each parameter.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = [[_of_mlp(sizes, n) for n in BATCHES] for sizes in MODELS]
    finally:
        torch.set_num_threads(threads)
    seconds = [[[c.gradient, c.adam, c.learned] for c in line] for line in found]
    last = found[-1][-1]
    return {
        "seconds": np.array(seconds),
        "parameters": np.array([line[0].parameters for line in found]),
        "bytes": np.array([last.adam_bytes, last.learned_bytes]),
    }


def _of_mlp(sizes, examples: int) -> Costs:
    """Of a network on random pictures."""
    draw = stream(0, "costs")
    X = torch.randn(examples, sizes[0], generator=draw)
    y = torch.randint(sizes[-1], (examples,), generator=draw)
    return measure(mlp(sizes, "relu"), lambda model: F.cross_entropy(model(X), y))


BUILDERS = {"costs": build}
