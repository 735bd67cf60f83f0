"""Variations of an optimizee: its losses scaled, its coordinates scaled, a mixture.

    Scaled(f, c)             c f(theta)
    RandomScaling(f, r)      f(s * theta), s = exp(u), u uniform on [-r, r], drawn anew
                             for every coordinate of every problem
    Mixture(f, g, ...)       one of them, drawn anew for every roll-out

Random scaling makes gradients of every size common in meta-training, so that what is
learned cannot lean on one of them. Source: Lv, Jiang and Li 2017 (arXiv 1703.03633).
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
