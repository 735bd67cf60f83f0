"""K sources of one optimizee: they share theta, and each gives a gradient of its own.

    d_k = gradient of f_k at theta, k = 0..K-1       what the optimizer reads
    the target's loss                                what it is judged on

Sources share theta, theta_0, W, theta_true and each step's minibatch (a subset draws
its own). What spoils a source is drawn for each problem, stays along its roll-out,
and is independent of the other sources. The target is source 0, or "clean": the same
problem with nothing spoilt. A rule that reads one gradient is given the plain mean.

A source is a part of ``sources``, several of them in a tuple, or () for an unspoilt
one. Source: MikyLanfra's Learning-to-Optimize, which has source 0 as the target.
Left out: sources with a theta of their own.
"""

from collections.abc import Sequence
from typing import Any

import torch

from l2o_kit.network import Network
from l2o_kit.optimizees import Optimizee, Problem, Quadratic, Theta
from l2o_kit.sources import NetworkView, QuadraticView

TARGETS = ("source0", "clean")
VIEWS: dict[type, Any] = {Quadratic: QuadraticView, Network: NetworkView}


class Concurrent:
    """An optimizee seen through K sources.

    Arguments:
        optimizee: a ``Quadratic(theta_true=True)`` or a ``Network``, unspoilt.
        sources: a list; each a part such as ``Noise(0.5)`` or ``Rotation(20)``, a tuple
            of parts, or ().
        target: whose loss counts, "source0" or "clean".

    Example::

        Concurrent(Quadratic(theta_true=True), [Noise(0.5), Noise(2.0)], "clean")
    """

    def __init__(
        self, optimizee: Optimizee, sources: Sequence, target: str = "source0"
    ):
        sources = [s if isinstance(s, tuple) else (s,) for s in sources]
        _check(optimizee, sources, target)
        self.optimizee, self.sources, self.target = optimizee, sources, target
        self.num_sources, self.coords = len(sources), optimizee.coords

    def __repr__(self):
        parts = [" + ".join(map(repr, s)) or "unspoilt" for s in self.sources]
        return f"Concurrent({self.optimizee!r}, [{', '.join(parts)}], {self.target!r})"

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "ConcurrentProblem":
        """Draw ``batch`` problems, and what spoils each source of each.

        All comes from the generator, and is of the dtype.
        """
        problem = self.optimizee.sample(batch, generator, dtype)
        # one number, however much the sources draw: the next problems stay the same
        seed = int(torch.randint(2**62, (), generator=generator))
        clean = VIEWS[type(self.optimizee)].of(problem)
        views = []
        for k, parts in enumerate(self.sources):
            view = clean
            own = torch.Generator().manual_seed((seed + 1 + k) % 2**62)
            for part in parts:
                common = torch.Generator().manual_seed(seed)
                view = part.spoil(view, own, common)
            views.append(view)
        return ConcurrentProblem(clean, views, self.target)


class ConcurrentProblem(Problem):
    """``batch`` problems, each with K sources: gradients [K, batch, coords]."""

    def __init__(self, clean: Problem, views: list[Any], target: str):
        self.clean, self.views, self.theta0 = clean, views, clean.theta0
        self.target = clean if target == "clean" else views[0]

    def minibatch(self, generator: torch.Generator):
        """A minibatch for each source, and the clean one: the same, but for subsets."""
        shared = self.clean.minibatch(generator)
        each = [view.own_minibatch(shared, generator) for view in self.views]
        return [*each, shared]

    def loss(self, theta: Theta, minibatch: Any = None):
        """The target's, [batch]."""
        return self.target.loss(theta, self._of_target(minibatch))

    def value_and_grad(self, theta: Theta, minibatch: Any = None):
        """The target's loss, and the mean of the sources' gradients."""
        loss, sources, _ = self.value_and_grads(theta, minibatch)
        return loss, sources.mean(0)

    def value_and_grads(
        self, theta: Theta, minibatch: Any = None, create_graph: bool = False
    ):
        """(the target's loss, the sources' gradients, the target's if not source 0)."""
        if create_graph and not theta.requires_grad:
            theta = theta.detach().requires_grad_()
        each = minibatch[:-1] if minibatch else [None] * len(self.views)
        seen = [
            view.value_and_grads(theta, rows, create_graph)
            for view, rows in zip(self.views, each, strict=True)
        ]
        sources = torch.cat([grads for _, grads, _ in seen])
        if self.target is not self.clean:
            return seen[0][0], sources, None
        loss, grads, _ = self.clean.value_and_grads(
            theta, self._of_target(minibatch), create_graph
        )
        return loss, sources, grads[0]

    def held_out(self, theta: Theta):
        """Of the target's network, on held-out data that nobody spoilt."""
        return self.target.held_out(theta)

    def to(self, device: str | torch.device):
        """Move the views."""
        for view in {id(v): v for v in [self.clean, *self.views]}.values():
            view.to(device)
        return super().to(device)

    def _of_target(self, minibatch):
        if not minibatch:
            return None
        return minibatch[-1 if self.target is self.clean else 0]


def _check(optimizee, sources, target):
    if type(optimizee) not in VIEWS:
        raise ValueError(
            f"{optimizee!r} cannot have sources; take a Quadratic or a Network."
        )
    if isinstance(optimizee, Quadratic) and not optimizee.theta_true:
        raise ValueError(
            "A Quadratic with sources needs theta_true=True: without a true theta "
            "there is no clean y to add noise to."
        )
    if getattr(optimizee, "noise_std", 0):
        raise ValueError(
            f"noise_std={optimizee.noise_std}: the optimizee of a Concurrent is clean. "
            "Give the noise to its sources, as in Noise(0.5)."
        )
    if target not in TARGETS:
        raise ValueError(f"target={target!r} is not known. Use one of {TARGETS}.")
    if not sources:
        raise ValueError("sources is empty: K = 0. Give at least one, as in [()].")
    for parts in sources:
        for part in parts:
            if not hasattr(part, "spoil"):
                raise TypeError(
                    f"{part!r} is no source. Take parts as Noise(0.5) or Rotation(20), "
                    "or a tuple of them."
                )
            part.check(optimizee)
            if target == "clean" and part.changes_loss:
                raise ValueError(
                    f'target="clean" says nothing where sources are {part!r}: no loss '
                    'or activation is the clean one. Use target="source0".'
                )
