"""Sampled problems: what a rule moves theta on, ``batch`` of them side by side.

    theta [batch, coords]  ->  f(theta) [batch],  grad f(theta) [batch, coords]

Problems never meet: f_i depends on theta_i alone. So a batch can be cut, and each rank
of several (``ranks.py``) gets its part.
Left out: what makes them, which is in ``optimizees.py``.
"""

import copy
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor


class Problem:
    """``batch`` sampled problems. Subclasses set ``theta0`` and define ``loss``.

    per_problem names the attributes that have a row for each problem, "theta0" among
    them; only ``part`` asks for it.
    """

    theta0: Float[Tensor, "batch coords"]
    per_problem: ClassVar[tuple[str, ...]] = ()

    def minibatch(self, generator: torch.Generator):
        """The data of one step; None where a problem has no minibatches."""
        return None

    def loss(self, theta: Float[Tensor, "batch coords"], minibatch=None):
        """f(theta), one number per problem: [batch]. Differentiable."""
        raise NotImplementedError

    def value_and_grad(self, theta: Float[Tensor, "batch coords"], minibatch=None):
        """(loss [batch], gradient [batch, coords]), each problem for itself."""
        with torch.enable_grad():
            theta = theta.detach().requires_grad_()
            loss = self.loss(theta, minibatch)
            (grad,) = torch.autograd.grad(loss.sum(), theta)
        return loss.detach(), grad

    def value_and_grads(self, theta, minibatch=None, create_graph=False):
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

    def part(self, at: slice) -> "Problem":
        """Only these of the batch. It is a copy, and shares what all problems share."""
        if not self.per_problem:
            raise NotImplementedError(
                f"{type(self).__name__} does not say how a batch of it is cut, which "
                "several ranks need. Name its attributes that have a row for each "
                'problem, as in per_problem = ("theta0", "W").'
            )
        part = copy.copy(self)
        for name in self.per_problem:
            setattr(part, name, getattr(self, name)[at])
        return part

    def cut(self, minibatch, at: slice):
        """These problems' part of a minibatch, which has a row for each problem."""
        return None if minibatch is None else minibatch[at]

    def to(self, device) -> "Problem":
        """Move every tensor of the problem to a device; returns the problem."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    def held_out(self, theta: Float[Tensor, "batch coords"]):
        """Held-out (loss [batch], accuracy [batch]); None where there is none."""
        return None, None
