"""Variations of an optimizee: scaled, mixed, or rounded otherwise.

    Scaled(f, c)             c f(theta)
    RandomScaling(f, r)      f(s * theta), s = exp(u), u uniform on [-r, r], drawn anew
                             for every coordinate of every problem
    Mixture(f, g, ...)       one of them, drawn anew for every roll-out
    Jittered(f, seed)        f, its gradients off by one unit in the last place

Random scaling makes gradients of every size common in meta-training, so that what is
learned cannot lean on one of them. Source: Lv, Jiang and Li 2017 (arXiv 1703.03633).

Jitter stands for another processor, which adds up in another order: what a result owes
to the last bit alone is how far results under several seeds of it lie apart.
"""

import torch

from l2o_kit.optimizees import Problem


class Scaled:
    """Another optimizee times a factor: factor * f(theta).

    >>> from l2o_kit.optimizees import Quadratic
    >>> Scaled(Quadratic(), 3.0)
    3.0 * Quadratic(dim=10)  # |W theta - y|^2
    """

    def __init__(self, optimizee, factor: int | float):
        self.optimizee, self.factor, self.coords = optimizee, factor, optimizee.coords

    def __repr__(self):
        return f"{self.factor} * {self.optimizee!r}"

    def sample(self, batch: int, generator, dtype=torch.float32) -> "Variation":
        """The other's problems, each with its loss times the factor."""
        problem = self.optimizee.sample(batch, generator, dtype)
        return Variation(problem, torch.ones_like(problem.theta0), self.factor)


class RandomScaling:
    """Another optimizee with every coordinate of theta scaled at random.

    Arguments: the optimizee; the spread r, so that factors lie between e^-r and e^r.
    """

    def __init__(self, optimizee, spread: int | float = 1.0):
        if spread < 0:
            raise ValueError(f"spread={spread}: it cannot be negative.")
        self.optimizee, self.spread, self.coords = optimizee, spread, optimizee.coords

    def __repr__(self):
        return f"RandomScaling({self.optimizee!r}, spread={self.spread})"

    def sample(self, batch: int, generator, dtype=torch.float32) -> "Variation":
        """The other's problems, as functions of theta / s."""
        problem = self.optimizee.sample(batch, generator, dtype)
        uniform = torch.rand(problem.theta0.shape, generator=generator)
        scale = ((2 * uniform - 1) * self.spread).exp().to(dtype)
        return Variation(problem, scale, 1.0)


class Mixture:
    """One of several optimizees of as many coordinates, drawn for every roll-out."""

    def __init__(self, *optimizees):
        sizes = sorted({optimizee.coords for optimizee in optimizees})
        if len(sizes) != 1:
            raise ValueError(
                f"a mixture needs parts of as many coordinates; these have {sizes}."
            )
        self.optimizees, self.coords = optimizees, sizes[0]

    def __repr__(self):
        return f"Mixture({', '.join(map(repr, self.optimizees))})"

    def sample(self, batch: int, generator, dtype=torch.float32) -> Problem:
        """Problems of one of them, each as likely as the other."""
        k = int(torch.randint(len(self.optimizees), (), generator=generator))
        return self.optimizees[k].sample(batch, generator, dtype)


class Variation(Problem):
    """factor * f(scale * theta), for problems f and a scale [batch, coords]."""

    per_problem = ("theta0", "scale")

    def __init__(self, problem: Problem, scale, factor: int | float):
        self.problem, self.scale, self.factor = problem, scale, factor
        self.theta0 = problem.theta0 / scale

    def minibatch(self, generator):
        """The other's."""
        return self.problem.minibatch(generator)

    def loss(self, theta, minibatch=None):
        """[batch]; differentiable."""
        return self.factor * self.problem.loss(self.scale * theta, minibatch)

    def value_and_grad(self, theta, minibatch=None):
        """By the chain rule, from the other's own."""
        loss, grad = self.problem.value_and_grad(self.scale * theta, minibatch)
        return self.factor * loss, self.factor * self.scale * grad

    def held_out(self, theta):
        """The other's, at scale * theta."""
        return self.problem.held_out(self.scale * theta)

    def part(self, at: slice) -> "Variation":
        """Only these, of the problem that varies too."""
        part = super().part(at)
        part.problem = self.problem.part(at)
        return part

    def cut(self, minibatch, at: slice):
        """As the other's is cut."""
        return self.problem.cut(minibatch, at)

    def to(self, device) -> "Variation":
        """Move the problem that varies, too."""
        self.problem.to(device)
        return super().to(device)


class Jittered:
    """Another optimizee whose gradients end in other last bits.

    Arguments: the optimizee; a seed, of which each gives another rounding.
    """

    def __init__(self, optimizee, seed: int):
        self.optimizee, self.seed, self.coords = optimizee, seed, optimizee.coords

    def __repr__(self):
        return f"Jittered({self.optimizee!r}, seed={self.seed})"

    def sample(self, batch: int, generator, dtype=torch.float32) -> "JitteredProblem":
        """The other's problems; nothing more is drawn."""
        problem = self.optimizee.sample(batch, generator, dtype)
        return JitteredProblem(problem, self.seed)


class JitteredProblem(Variation):
    """A problem whose gradients are jittered, but for those that carry a graph."""

    def __init__(self, problem: Problem, seed: int):
        super().__init__(problem, torch.ones_like(problem.theta0), 1.0)
        self.seed = seed

    def value_and_grad(self, theta, minibatch=None):
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
