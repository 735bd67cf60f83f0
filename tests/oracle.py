"""Oracles of the meta-gradient: autograd through the window, and sources to feed it."""

import numpy as np
import torch

from l2o_kit.optimizees import Problem


def same_runs(found, stored, where):
    """Final losses [problem] of one run, on this processor and on the one that stored.

    Processors round the last bit differently, and a run or two may be chaotic: all but
    an eighth of the problems end within 5 % of what is stored, and these on average
    within 2 %.
    """
    found, stored = np.asarray(found), np.asarray(stored)
    apart = np.abs(found / stored - 1)
    calm = apart <= 0.05
    assert np.mean(calm) >= 7 / 8, f"{where}: {np.sort(apart)[-8:]}"
    assert abs(found[calm].mean() / stored[calm].mean() - 1) <= 0.02, where


def same_curve(found, stored, where):
    """Losses [point] of one run, on this processor and on the one that stored.

    A chaotic run leaves the other at some points: on average they are no higher and no
    lower (the mean of the log ratios within 2 %), and no further off than 10 %.
    """
    apart = np.log(np.asarray(found) / np.asarray(stored))
    assert abs(apart.mean()) < 0.02, f"{where}: {apart.mean():.3f}"
    assert np.abs(apart).mean() < 0.1, f"{where}: {np.abs(apart).mean():.3f}"


class Sources:
    """K random quadratics that share theta; the target is the first, or one more."""

    def __init__(self, num_sources: int, clean: bool, coords: int = 3):
        self.num_sources, self.clean, self.coords = num_sources, clean, coords

    def sample(self, batch, generator, dtype=torch.float32):
        count = self.num_sources + self.clean

        def normal(*shape):
            return torch.randn(*shape, generator=generator).to(dtype)

        W = normal(count, batch, self.coords, self.coords)
        return SourcesProblem(
            W, normal(count, batch, self.coords), normal(batch, self.coords), self.clean
        )


class SourcesProblem(Problem):
    """W [K, batch, n, n], y [K, batch, n]; with noise in y at every step."""

    def __init__(self, W, y, theta0, clean):
        self.W, self.y, self.theta0, self.clean = W, y, theta0, clean

    def minibatch(self, generator):
        noise = torch.randn(self.y.shape, generator=generator)
        return 0.1 * noise.to(self.y.dtype)

    def losses(self, theta, noise):  # [K, batch]
        residual = torch.einsum("kbij,bj->kbi", self.W, theta) - self.y - noise
        return residual.square().sum(2)

    def value_and_grads(self, theta, minibatch=None, create_graph=False):
        with torch.enable_grad():
            at = theta if theta.requires_grad else theta.detach().requires_grad_()
            losses = self.losses(at, minibatch)
            grads = torch.stack(
                [
                    torch.autograd.grad(loss.sum(), at, create_graph=True)[0]
                    for loss in losses
                ]
            )
        loss, sources, target = losses[0], grads, None
        if self.clean:
            loss, sources, target = losses[-1], grads[:-1], grads[-1]
        if create_graph:
            return loss, sources, target
        return (
            loss.detach(),
            sources.detach(),
            target if target is None else (target.detach()),
        )
