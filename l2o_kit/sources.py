"""What spoils a source of a ``Concurrent``, and how a spoilt problem is seen.

Least squares, f(theta) = |W theta - y|^2:

    Noise(s)          y + s eps, eps standard normal, its own
    Shared(s)         y + s eps, the same eps for every source of a problem
    Bias(b)           y + b

Networks:

    Rotation(a)       pictures turned by a degrees
    PixelNoise(s)     X + s eps
    Poison(r)         a share r of the labels is another class
    Subset(n, c)      n examples, their classes drawn with concentration c
    Loss(f), Activation(name)

``spoil(view, own, common)`` gives the spoilt view. ``own`` is a generator of the
source alone, ``common`` one that starts alike for all sources of the problems.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import vmap

from l2o_kit import data
from l2o_kit.network import Network, NetworkProblem, mlp
from l2o_kit.optimizees import Quadratic, QuadraticProblem, Theta


class QuadraticView(QuadraticProblem):
    """Quadratic problems with a y of their own."""

    @classmethod
    def of(cls, problem: QuadraticProblem):
        """The unspoilt view."""
        return cls(problem.W, problem.y, problem.theta0)

    def with_y(self, y: Tensor) -> "QuadraticView":
        """The same with another y [batch, dim]."""
        return QuadraticView(self.W, y, self.theta0)

    def own_minibatch(self, shared: Any, generator: torch.Generator):
        """There are none."""
        return shared


class NetworkView(NetworkProblem):
    """Network problems whose data may differ from problem to problem.

    X is [n, ...], or [batch, n, ...] where each problem has its own; y likewise; rows
    [batch, size] is what a subset is allowed to see.
    """

    rows: Tensor | None = None
    each_X = each_y = False

    @classmethod
    def of(cls, problem: NetworkProblem):
        """The unspoilt view."""
        return cls(problem.network, problem.theta0)

    def but(self, **changes: Any) -> "NetworkView":
        """A copy with some attributes changed."""
        view = copy.copy(self)
        for name, value in changes.items():
            setattr(view, name, value)
        return view

    def own_minibatch(self, shared: Any, generator: torch.Generator):
        """The shared rows, or as many drawn from the subset."""
        if self.rows is None:
            return shared
        picks = torch.randint(self.rows.shape[1], shared.shape, generator=generator)
        return self.rows.gather(1, picks.to(self.rows.device))

    def loss(self, theta: Theta, minibatch: Any = None):
        """Mean loss [batch] on the minibatch, or on all training data (of a subset)."""
        rows = self.rows if minibatch is None else minibatch
        if rows is None:
            X, y = self.X, self.y
            axes = (0, 0 if self.each_X else None, 0 if self.each_y else None)
            return vmap(self._one, in_dims=axes)(theta, X, y)
        first = torch.arange(len(rows), device=rows.device)[:, None]
        X = self.X[first, rows] if self.each_X else self.X[rows]
        y = self.y[first, rows] if self.each_y else self.y[rows]
        return vmap(self._one)(theta, X, y)


class Part:
    """What spoils a source. ``check`` refuses optimizees that it cannot spoil."""

    changes_loss: ClassVar[bool] = False
    kind: ClassVar[type] = Network

    def check(self, optimizee: Any):
        """Raise ValueError where this cannot spoil the optimizee."""
        if not isinstance(optimizee, self.kind):
            raise ValueError(
                f"{self!r} spoils a {self.kind.__name__}, and this is {optimizee!r}."
            )


@dataclass(frozen=True)
class Noise(Part):
    """y + std eps: an error of its own in each row of y."""

    std: int | float
    kind: ClassVar[type] = Quadratic

    def __post_init__(self):
        _not_negative(self, self.std)

    def spoil(self, view: QuadraticView, own: torch.Generator, common: torch.Generator):
        """Draw eps."""
        eps = torch.randn(view.y.shape, generator=own).to(view.y)
        return view.with_y(view.y + self.std * eps)


@dataclass(frozen=True)
class Shared(Noise):
    """y + std eps, with one eps for all sources: their errors are correlated."""

    def spoil(self, view: QuadraticView, own: torch.Generator, common: torch.Generator):
        """Draw the eps that the others draw too."""
        return super().spoil(view, common, common)


@dataclass(frozen=True)
class Bias(Part):
    """y + value: the same error in every row of every problem."""

    value: int | float
    kind: ClassVar[type] = Quadratic

    def __post_init__(self):
        _finite(self, self.value)

    def spoil(self, view: QuadraticView, own: torch.Generator, common: torch.Generator):
        """Nothing is drawn."""
        return view.with_y(view.y + self.value)


@dataclass(frozen=True)
class Rotation(Part):
    """Square pictures, turned counter-clockwise about their centre, bilinearly."""

    degrees: int | float

    def check(self, optimizee: Any):
        super().check(optimizee)
        data.rotate(optimizee.data[0][:1].flatten(1), self.degrees)

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """The same for all problems, unless each has pictures of its own."""
        X = view.X.reshape(
            -1, view.X[0, 0].numel() if view.each_X else view.X[0].numel()
        )
        return view.but(X=data.rotate(X, self.degrees).view_as(view.X))


@dataclass(frozen=True)
class PixelNoise(Part):
    """X + std eps, drawn for each problem."""

    std: int | float

    def __post_init__(self):
        _not_negative(self, self.std)

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """Every problem's X becomes its own."""
        shape = view.X.shape if view.each_X else (len(view.theta0), *view.X.shape)
        eps = torch.randn(shape, generator=own).to(view.X)
        return view.but(X=view.X + self.std * eps, each_X=True)


@dataclass(frozen=True)
class Poison(Part):
    """round(rate * n) training labels are another class, drawn for each problem."""

    rate: int | float

    def __post_init__(self):
        data.poison(torch.arange(2), self.rate, torch.Generator())

    def check(self, optimizee: Any):
        super().check(optimizee)
        data.poison(optimizee.data[1], self.rate, torch.Generator())

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """Every problem's y becomes its own."""
        old = view.y if view.each_y else view.y.expand(len(view.theta0), -1)
        y = torch.stack([data.poison(one, self.rate, own) for one in old])
        return view.but(y=y, each_y=True)


@dataclass(frozen=True)
class Subset(Part):
    """``size`` training examples, with uneven classes, drawn for each problem."""

    size: int
    concentration: int | float = 1.0

    def check(self, optimizee: Any):
        super().check(optimizee)
        y = optimizee.data[1]
        data.dirichlet_subset(y, self.size, self.concentration, torch.Generator())

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """Minibatches then come from these rows."""
        labels = view.network.data[1]
        rows = [
            data.dirichlet_subset(labels, self.size, self.concentration, own)
            for _ in view.theta0
        ]
        return view.but(rows=torch.stack(rows))


@dataclass(frozen=True)
class Loss(Part):
    """Another loss of the same outputs."""

    function: Callable
    changes_loss: ClassVar[bool] = True

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """The module stays."""
        network = copy.copy(view.network)
        network.loss_fn = self.function
        return view.but(network=network)


@dataclass(frozen=True)
class Activation(Part):
    """Other activations between the same layers: a name that ``mlp`` knows."""

    name: str
    changes_loss: ClassVar[bool] = True

    def __post_init__(self):
        mlp([1, 1], self.name)

    def spoil(self, view: NetworkView, own: torch.Generator, common: torch.Generator):
        """Replace every activation of the module, at any depth."""
        network = copy.copy(view.network)
        network.module = copy.deepcopy(network.module)
        new = type(mlp([1, 1, 1], self.name)[1])
        for module in network.module.modules():
            for name, child in module.named_children():
                if isinstance(child, nn.Sigmoid | nn.Tanh | nn.ReLU | nn.SiLU):
                    setattr(module, name, new())
        return view.but(network=network)


def _not_negative(part, value):
    _finite(part, value)
    if value < 0:
        raise ValueError(f"{part!r}: the size of noise cannot be negative.")


def _finite(part, value):
    if not math.isfinite(value):
        raise ValueError(f"{part!r}: it must be finite.")
