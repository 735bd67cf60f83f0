"""Your own f(theta): any function of a tensor is an optimizee.

    f: theta [coords] -> one number;    theta_0 ~ N(start, init_std^2)

Left out: minibatches, and an f that differs between the problems of a batch: for these
write a ``Problem`` of your own, as ``optimizees.py`` does.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from l2o_kit.optimizees import in_turn
from l2o_kit.sampled import Problem


class Function:
    """A plain function f(theta), which every problem of a batch starts elsewhere.

    Arguments:
        f: theta [coords] to one number, of torch operations.
        start: theta_0's mean [coords], as a tensor or a list.
        init_std: how far theta_0 is drawn around it.

    Raises ValueError where f does not give one finite number that depends on theta.

    >>> Function(lambda theta: theta.square().sum(), start=[1.0, 2.0])
    Function(<lambda>; theta has 2 coordinates)
    """

    def __init__(self, f: Callable, start, init_std: int | float = 1.0):
        self.f, self.init_std = f, init_std
        self.start = torch.as_tensor(start, dtype=torch.float32)
        if self.start.ndim != 1 or not len(self.start):
            raise ValueError(
                f"start has shape {list(self.start.shape)}: theta is a row of numbers. "
                "Give a list of at least one, or a tensor [coords]."
            )
        self.coords = len(self.start)
        _check(f, self.start)
        self.each = _how_to_map(f, self.start)

    def __repr__(self):
        name = getattr(self.f, "__name__", type(self.f).__name__)
        return f"Function({name}; theta has {self.coords:,} coordinates)"

    def sample(self, batch: int, generator, dtype=torch.float32) -> "FunctionProblem":
        """Draw theta_0 anew for each of ``batch`` problems."""
        noise = torch.randn(batch, self.coords, generator=generator)
        return FunctionProblem(self, (self.start + self.init_std * noise).to(dtype))


class FunctionProblem(Problem):
    """One f for all problems, each with a theta_0 of its own."""

    per_problem = ("theta0",)

    def __init__(self, function: Function, theta0: Float[Tensor, "batch coords"]):
        self.function, self.theta0 = function, theta0

    def loss(self, theta, minibatch=None):
        """f of each row of theta [batch, coords]: [batch]."""
        return self.function.each(self.function.f)(theta)


def _check(f, start):
    """Try f once at the start; say what does not fit."""
    theta = start.clone().requires_grad_()
    value = f(theta)
    if not isinstance(value, Tensor) or value.shape != ():
        seen = f"shape {list(value.shape)}" if isinstance(value, Tensor) else (
            f"a {type(value).__name__}"
        )  # fmt: skip
        raise ValueError(
            f"f gave {seen} for theta [{len(start)}], and must give one number, a "
            "tensor without dimensions. End it with .sum() or .mean(), and keep to "
            "torch's operations."
        )
    if not value.isfinite():
        raise ValueError(
            f"f is {value.item()} at the start. Start elsewhere, or look at its logs, "
            "roots and divisions."
        )
    if not value.requires_grad:
        raise ValueError(
            "f does not depend on theta in a way that autograd sees. Does it call "
            ".item(), .detach() or numpy? Keep to torch's operations."
        )


def _how_to_map(f, start):
    """vmap, all problems at once; where f is not made for it, one after the other."""
    rows = torch.stack([start, start + 1])
    try:
        vmap(f)(rows)
    except (RuntimeError, ValueError):  # an if on a value, .item(), ...
        return in_turn
    return vmap
