"""Optimizees: the problems f(theta) that an optimizer is trained and judged on.

An optimizee is a distribution of problems. ``sample(batch, generator)`` draws ``batch``
of them, which are optimized side by side::

    problem = optimizee.sample(8, generator)
    theta = problem.theta0                               # [batch, coords]
    minibatch = problem.minibatch(generator)             # what step t is judged on
    loss, grad = problem.value_and_grad(theta, minibatch)  # [batch], [batch, coords]

    Quadratic                f(theta) = |W theta - y|^2
    Function(f)              any function of yours, of one number
    Scaled(f, c)             c f(theta)
    RandomScaling(f, r)      f(s * theta), s = exp(u), u uniform on [-r, r], drawn
                             for every coordinate of every problem
    Mixture(f, g, ...)       one of them, drawn for every roll-out
    Jittered(f, seed)        f, its gradients off by one unit in the last place

Random scaling makes gradients of every size common in meta-training, so that what is
learned cannot lean on one of them. Jitter stands for another processor, which adds up
in another order: what a result owes to the last bit alone is how far results under
several seeds of it lie apart.

Source: Andrychowicz et al. 2016, section 3.1; random scaling: Lv, Jiang and Li 2017
(arXiv 1703.03633). Networks are in ``network.py``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

Theta = Float[Tensor, "batch coords"]


class Problem:
    """``batch`` sampled problems. Subclasses set ``theta0`` and define ``loss``.

    Problems never meet: f_i depends on theta_i alone.
    """

    theta0: Theta

    def minibatch(self, generator: torch.Generator):
        """The data of one step; None where a problem has no minibatches."""
        return None

    def loss(self, theta: Theta, minibatch: Any = None):
        """f(theta), one number per problem: [batch]. Differentiable."""
        raise NotImplementedError

    def value_and_grad(self, theta: Theta, minibatch: Any = None):
        """(loss [batch], gradient [batch, coords]), each problem for itself."""
        with torch.enable_grad():
            theta = theta.detach().requires_grad_()
            loss = self.loss(theta, minibatch)
            (grad,) = torch.autograd.grad(loss.sum(), theta)
        return loss.detach(), grad

    def value_and_grads(
        self, theta: Theta, minibatch: Any = None, create_graph: bool = False
    ):
        """What meta-training asks for: (loss [batch], sources' gradients, target's).

        sources [sources, batch, coords] is what the optimizer reads; target
        [batch, coords] is the gradient of the loss that counts, None where that is
        source 0. With create_graph all of it can be differentiated again.
        """
        if not create_graph:
            loss, grad = self.value_and_grad(theta, minibatch)
            return loss, grad[None], None
        theta = theta if theta.requires_grad else theta.detach().requires_grad_()
        loss = self.loss(theta, minibatch)
        (grad,) = torch.autograd.grad(loss.sum(), theta, create_graph=True)
        return loss, grad[None], None

    def to(self, device: str | torch.device) -> "Problem":
        """Move every tensor of the problem to a device; returns the problem."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    def held_out(self, theta: Theta):
        """Held-out (loss [batch], accuracy [batch]); None where there is none."""
        return None, None


@runtime_checkable
class Optimizee(Protocol):
    """What draws problems of ``coords`` coordinates."""

    coords: int

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Problem:
        """Draw ``batch`` problems."""


class Quadratic:
    """f(theta) = |W theta - y|^2, a sum over dim rows; W, theta_0 are standard normal.

    y is standard normal, or, with theta_true=True, y = W theta_true + noise_std * eps.

    >>> Quadratic(dim=10).sample(4, torch.Generator().manual_seed(0)).theta0.shape
    torch.Size([4, 10])
    """

    def __init__(self, dim: int = 10, theta_true: bool = False, noise_std: float = 0.0):
        if dim < 1:
            raise ValueError(f"dim={dim}: a quadratic needs at least 1 dimension.")
        if noise_std and not theta_true:
            raise ValueError(
                f"noise_std={noise_std} without theta_true: there is no clean y to add "
                "noise to. Pass theta_true=True as well."
            )
        self.coords, self.theta_true, self.noise_std = dim, theta_true, noise_std

    def __repr__(self):
        extra = (
            f", theta_true=True, noise_std={self.noise_std}" if self.theta_true else ""
        )
        return f"Quadratic(dim={self.coords}{extra})  # |W theta - y|^2"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "QuadraticProblem":
        """W, y and theta_0 of ``batch`` problems, from the generator, in this dtype."""

        def normal(*shape):
            return torch.randn(batch, *shape, generator=generator).to(dtype)

        n = self.coords
        W, y, theta0 = normal(n, n), normal(n), normal(n)
        if self.theta_true:
            y = torch.einsum("bij,bj->bi", W, normal(n)) + self.noise_std * y
        return QuadraticProblem(W, y, theta0)


class QuadraticProblem(Problem):
    """Problems W [batch, dim, dim], y [batch, dim], started at theta0 [batch, dim]."""

    def __init__(self, W: Tensor, y: Tensor, theta0: Theta):
        self.W, self.y, self.theta0 = W, y, theta0

    def loss(self, theta: Theta, minibatch: Any = None):
        return self._residual(theta).square().sum((1, 2))

    @torch.no_grad()
    def value_and_grad(self, theta: Theta, minibatch: Any = None):
        """The closed form: grad = 2 W^T (W theta - y)."""
        residual = self._residual(theta)
        grad = 2 * (self.W.mT @ residual)  # [batch, dim, 1]
        return residual.square().sum((1, 2)), grad.squeeze(2)

    def _residual(self, theta):
        return torch.baddbmm(self.y[:, :, None], self.W, theta[:, :, None], beta=-1)


class Function:
    """A plain function f(theta), which every problem of a batch starts elsewhere.

    Left out: minibatches, and an f that differs between the problems of a batch: for
    these write a ``Problem`` of your own.

    Arguments:
        f: theta [coords] to one number, of torch operations.
        start: theta_0's mean [coords], as a tensor or a list.
        init_std: how far theta_0 is drawn around it.

    Raises ValueError where f does not give one finite number that depends on theta.

    >>> Function(lambda theta: theta.square().sum(), start=[1.0, 2.0])
    Function(<lambda>; theta has 2 coordinates)
    """

    def __init__(
        self, f: Callable, start: Tensor | Sequence, init_std: int | float = 1.0
    ):
        self.f, self.init_std = f, init_std
        self.start = torch.as_tensor(start, dtype=torch.float32)
        if self.start.ndim != 1 or not len(self.start):
            raise ValueError(
                f"start has shape {list(self.start.shape)}: theta is a row of numbers. "
                "Give a list of at least one, or a tensor [coords]."
            )
        self.coords = len(self.start)
        _check_function(f, self.start)
        self.each = _how_to_map(f, self.start)

    def __repr__(self):
        name = getattr(self.f, "__name__", type(self.f).__name__)
        return f"Function({name}; theta has {self.coords:,} coordinates)"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "FunctionProblem":
        """Draw theta_0 of ``batch`` problems from the generator, in this dtype."""
        noise = torch.randn(batch, self.coords, generator=generator)
        return FunctionProblem(self, (self.start + self.init_std * noise).to(dtype))


class FunctionProblem(Problem):
    """One f for all problems, each with a theta_0 of its own."""

    def __init__(self, function: Function, theta0: Theta):
        self.function, self.theta0 = function, theta0

    def loss(self, theta: Theta, minibatch: Any = None):
        """f of each row of theta [batch, coords]: [batch]."""
        return self.function.each(self.function.f)(theta)


def _check_function(f, start):
    """Try f once at the start; say what does not fit."""
    theta = start.clone().requires_grad_()
    value = f(theta)
    if not isinstance(value, Tensor) or value.shape != ():
        tensor = isinstance(value, Tensor)
        seen = f"shape {list(value.shape)}" if tensor else f"a {type(value).__name__}"
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


def in_turn(function: Callable, in_dims: int | tuple = 0):
    """What ``vmap`` computes, but one row of the arguments after the other."""

    def over(theta, *others):
        if in_dims == 0:
            rows = zip(theta, *others, strict=True)
            return torch.stack([function(*row) for row in rows])
        return torch.stack([function(row, *others) for row in theta])

    return over


class Scaled:
    """Another optimizee times a factor: factor * f(theta).

    >>> Scaled(Quadratic(), 3.0)
    3.0 * Quadratic(dim=10)  # |W theta - y|^2
    """

    def __init__(self, optimizee: Optimizee, factor: int | float):
        self.optimizee, self.factor, self.coords = optimizee, factor, optimizee.coords

    def __repr__(self):
        return f"{self.factor} * {self.optimizee!r}"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "Variation":
        """The other's problems, each with its loss times the factor."""
        problem = self.optimizee.sample(batch, generator, dtype)
        return Variation(problem, torch.ones_like(problem.theta0), self.factor)


class RandomScaling:
    """Another optimizee with every coordinate of theta scaled at random.

    Arguments: the optimizee; the spread r, so that factors lie between e^-r and e^r.
    """

    def __init__(self, optimizee: Optimizee, spread: int | float = 1.0):
        if spread < 0:
            raise ValueError(f"spread={spread}: it cannot be negative.")
        self.optimizee, self.spread, self.coords = optimizee, spread, optimizee.coords

    def __repr__(self):
        return f"RandomScaling({self.optimizee!r}, spread={self.spread})"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "Variation":
        """The other's problems, as functions of theta / s."""
        problem = self.optimizee.sample(batch, generator, dtype)
        uniform = torch.rand(problem.theta0.shape, generator=generator)
        scale = ((2 * uniform - 1) * self.spread).exp().to(dtype)
        return Variation(problem, scale, 1.0)


class Mixture:
    """One of several optimizees of as many coordinates, drawn for every roll-out."""

    def __init__(self, *optimizees: Optimizee):
        sizes = sorted({optimizee.coords for optimizee in optimizees})
        if len(sizes) != 1:
            raise ValueError(
                f"a mixture needs parts of as many coordinates; these have {sizes}."
            )
        self.optimizees, self.coords = optimizees, sizes[0]

    def __repr__(self):
        return f"Mixture({', '.join(map(repr, self.optimizees))})"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Problem:
        """Problems of one of them, each as likely as the other."""
        k = int(torch.randint(len(self.optimizees), (), generator=generator))
        return self.optimizees[k].sample(batch, generator, dtype)


class Variation(Problem):
    """factor * f(scale * theta), for problems f and a scale [batch, coords]."""

    def __init__(self, problem: Problem, scale: Theta, factor: int | float):
        self.problem, self.scale, self.factor = problem, scale, factor
        self.theta0 = problem.theta0 / scale

    def minibatch(self, generator: torch.Generator):
        """The other's."""
        return self.problem.minibatch(generator)

    def loss(self, theta: Theta, minibatch: Any = None):
        """[batch]; differentiable."""
        return self.factor * self.problem.loss(self.scale * theta, minibatch)

    def value_and_grad(self, theta: Theta, minibatch: Any = None):
        """By the chain rule, from the other's own."""
        loss, grad = self.problem.value_and_grad(self.scale * theta, minibatch)
        return self.factor * loss, self.factor * self.scale * grad

    def held_out(self, theta: Theta):
        """The other's, at scale * theta."""
        return self.problem.held_out(self.scale * theta)

    def to(self, device: str | torch.device) -> Problem:
        """Move the problem that varies, too."""
        self.problem.to(device)
        return super().to(device)


class Jittered:
    """Another optimizee whose gradients end in other last bits.

    Arguments: the optimizee; a seed, of which each gives another rounding.
    """

    def __init__(self, optimizee: Optimizee, seed: int):
        self.optimizee, self.seed, self.coords = optimizee, seed, optimizee.coords

    def __repr__(self):
        return f"Jittered({self.optimizee!r}, seed={self.seed})"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "JitteredProblem":
        """The other's problems; nothing more is drawn."""
        problem = self.optimizee.sample(batch, generator, dtype)
        return JitteredProblem(problem, self.seed)


class JitteredProblem(Variation):
    """A problem whose gradients are jittered, but for those that carry a graph."""

    def __init__(self, problem: Problem, seed: int):
        super().__init__(problem, torch.ones_like(problem.theta0), 1.0)
        self.seed = seed

    def value_and_grad(self, theta: Theta, minibatch: Any = None):
        """(loss [batch], jittered gradient [batch, coords])."""
        loss, grad = super().value_and_grad(theta, minibatch)
        return loss, jitter(grad, self.seed)


BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes of a number -> integers


SPREAD = 0x9E3779B97F4A7C15 - 2**64  # 2^64 over the golden ratio: Knuth's hashing


def jitter(numbers: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Each number one unit in the last place up or down, by a hash of its bits.

    So equal numbers stay equal, wherever they stand. Zero, infinity and NaN stay
    themselves. Any shape and any type of floats; the derivative is that of numbers.

    >>> a = torch.tensor([3.0, 3.0, 0.0])
    >>> ((jitter(a) - a).abs() * 2**22).tolist()
    [1.0, 1.0, 0.0]
    """
    old = numbers.detach()
    bits = old.contiguous().view(BITS[old.element_size()])
    mixed = (bits.long() + seed) * SPREAD  # wraps around, as hashes do
    up = (mixed ^ mixed >> 32) * SPREAD < 0
    new = torch.where(up, bits + 1, bits - 1).view(old.dtype)
    new = torch.where((old == 0) | ~old.isfinite() | ~new.isfinite(), old, new)
    return numbers + (new - old) if numbers.requires_grad else new
