"""Estimators of a meta-gradient, on a problem whose true meta-gradient is known.

Learn one number: phi = log alpha, the learning rate of SGD on a noisy quadratic. Per
coordinate, with curvature h and gradient noise xi of variance v::

    theta_{t+1} = theta_t - alpha (h theta_t + xi_t)
    L(phi)      = sum over t = 1..T of E[ 1/2 h theta_t^2 ]

The second moment a_t = E[theta_t^2] has a closed form, and so have L and dL/dphi::

    a_{t+1} = (1 - alpha h)^2 a_t + alpha^2 v

Each estimator below gives one number per sampled roll-out, phi held fixed along it:

    full         the derivative through all T steps
    truncated    through windows of U steps; each window's start is a constant
    first_order  the same, and the gradient that SGD reads is a constant too
    es           evolution strategies: two roll-outs, at phi + s e and phi - s e
    truncated_es the same for each window by itself, from a common start
    pes          persistent: pairs live on; a window's loss is credited to all e so far

Source: Wu et al. 2018 (arXiv 1803.02021) for the quadratic; Vicol, Metz and
Sohl-Dickstein 2021 (arXiv 2112.13835) for PES.
Left out: estimates with phi changing along the roll-out.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit.data import stream

NAMES = ("full", "truncated", "first_order", "es", "truncated_es", "pes")
EVOLUTION = NAMES[3:]
SIGMA = 0.1  # s: how far evolution strategies perturb phi


@dataclass(frozen=True)
class NoisyQuadratic:
    """Coordinates with curvature h, noise variance v and E[theta_0^2] = s; horizon T.

    The default has a steep, noisy coordinate and a flat, silent one that is far away:
    good for the first few steps is bad for the hundred.
    """

    h: tuple[float, ...] = (1.0, 0.01)
    v: tuple[float, ...] = (100.0, 0.0)
    s: tuple[float, ...] = (1.0, 1e4)
    horizon: int = 100

    def tensors(self):
        """h, v and s, each [n], float64."""
        return (torch.tensor(x, dtype=torch.float64) for x in (self.h, self.v, self.s))

    def draw(self, samples: int, seed: int = 0):
        """theta_0 [samples, n] and the noise xi [T, samples, n] of some roll-outs."""
        _, v, s = self.tensors()
        normal = _normal(self.horizon + 1, samples, len(v), seed)
        return normal[0] * s.sqrt(), normal[1:] * v.sqrt()

    def windows(self, window: int) -> list[range]:
        """The steps of each window; the last may be shorter."""
        T = self.horizon
        return [range(a, min(a + window, T)) for a in range(0, T, window)]

    def moments(self, a, alpha, steps: int):
        """a_t = E[theta_t^2] after 1..steps steps from a: [steps, ..., n].

        a_t = keep^t a + (1 + ... + keep^(t-1)) alpha^2 v, keep = (1 - alpha h)^2.
        """
        h, v, _ = self.tensors()
        powers, sums = _geometric((1 - alpha * h) ** 2, steps)
        return powers * a + sums * alpha**2 * v

    def loss(self, phi: Tensor) -> Tensor:
        """L(phi), closed form; differentiable. phi [...] to L [...]."""
        h, _, s = self.tensors()
        moments = self.moments(s, phi.exp()[..., None], self.horizon)
        return 0.5 * (moments @ h).sum(0)


def differentiate(
    problem,
    phi: float,
    window: int,
    samples: int,
    seed: int = 0,
    first_order: bool = False,
) -> Float[Tensor, "samples"]:
    """dL/dphi of each roll-out, with D = d theta / d phi carried along.

    Backpropagation computes the same number from the other end. Each window begins
    with D = 0: what came before is a constant. First order drops how the gradient
    that SGD reads changes with theta, so with phi.
    """
    h, _, _ = problem.tensors()
    thetas, _ = _path(problem, phi, samples, seed)
    keep = torch.ones_like(h) if first_order else 1 - math.exp(phi) * h
    updates = thetas.diff(dim=0)  # -alpha (h theta + xi): their own derivative to phi
    total = torch.zeros(samples, dtype=torch.float64)
    for steps in problem.windows(window):
        D = _recursion(
            torch.zeros_like(thetas[0]), keep, updates[steps.start : steps.stop]
        )
        after = thetas[steps.start + 1 : steps.stop + 1]
        total += ((after * torch.stack(D)) @ h).sum(0)
    return total


@functools.lru_cache(2)
def _path(problem, phi: float, samples: int, seed: int):
    """(theta_0..theta_T [T + 1, samples, n], the noise): every estimator's own."""
    h, _, _ = problem.tensors()
    theta, noise = problem.draw(samples, seed)
    alpha = math.exp(phi)
    steps = _recursion(theta, 1 - alpha * h, -alpha * noise)
    return torch.stack([theta, *steps]), noise


def _geometric(keep, steps: int):
    """keep^t and 1 + keep + ... + keep^(t-1) for t = 1..steps: two [steps, ...]."""
    t = torch.arange(steps + 1.0).double().view(-1, *[1] * keep.ndim)
    powers = keep**t
    return powers[1:], powers[:-1].cumsum(0)


def _recursion(x, keep, gains) -> list[Tensor]:
    """x <- keep x + gain for each of the gains: all the x."""
    seen = []
    keep = keep.expand(gains[0].shape).contiguous()  # several times as fast
    for gain in gains:
        x = torch.addcmul(gain, keep, x)
        seen.append(x)
    return seen


@functools.lru_cache(4)
def _normal(steps, samples, n, seed):
    """The standard normal numbers of all roll-outs: the same for every estimator."""
    generator = stream(seed, "roll-outs")
    return torch.randn(steps, samples, n, generator=generator, dtype=torch.float64)


def run(problem, theta, noise, phi, steps):
    """(sum of the losses over the steps [..., samples], the last theta).

    theta [..., samples, n] and phi [..., samples]: several roll-outs may share a noise.
    """
    h, _, _ = problem.tensors()
    alpha = phi.exp()[..., None]
    xi = noise[steps.start : steps.stop]
    gains = -alpha * xi.view(len(xi), *[1] * (theta.ndim - 2), *xi.shape[1:])
    thetas = torch.stack(_recursion(theta, 1 - alpha * h, gains))
    return (thetas**2 @ (0.5 * h)).sum(0), thetas[-1]


def evolution(
    problem,
    phi: float,
    window: int,
    samples: int,
    seed: int = 0,
    persistent: bool = False,
) -> Float[Tensor, "samples"]:
    """Antithetic pairs that share theta_0 and the noise; one pair per sample.

    A window gives (L+ - L-) / (2 s) times its own e; or, where pairs persist, times
    the sum of all e up to it, because what earlier windows did to theta is in L too.
    """
    thetas, noise = _path(problem, phi, samples, seed)
    middle = torch.full((samples,), phi, dtype=torch.float64)
    generator = stream(seed, "perturbations")
    pair = torch.stack([thetas[0], thetas[0]])
    total, credit = torch.zeros_like(middle), torch.zeros_like(middle)
    for steps in problem.windows(window):
        e = torch.randn(samples, generator=generator, dtype=torch.float64)
        phis = torch.stack([middle + SIGMA * e, middle - SIGMA * e])
        losses, pair = run(problem, pair, noise, phis, steps)
        credit = credit + e if persistent else e
        total += (losses[0] - losses[1]) / (2 * SIGMA) * credit
        if not persistent:  # the next window begins where the unperturbed phi leads
            pair = torch.stack([thetas[steps.stop], thetas[steps.stop]])
    return total


def estimate(
    name: str,
    problem: NoisyQuadratic,
    phi: float,
    window: int,
    samples: int,
    seed: int = 0,
) -> Float[Tensor, "samples"]:
    """``samples`` independent estimates of dL/dphi by one of NAMES."""
    window = _window(name, problem, window)
    if name in EVOLUTION:
        return evolution(problem, phi, window, samples, seed, name == "pes")
    return differentiate(problem, phi, window, samples, seed, name == "first_order")


def _window(name, problem, window) -> int:
    """Steps of a window; the two that truncate nothing have one only."""
    if name not in NAMES:
        raise ValueError(f"{name!r} is no estimator. Use one of {list(NAMES)}.")
    T = problem.horizon
    return T if name in ("full", "es") else min(window, T)


def cost(name: str, problem: NoisyQuadratic, window: int) -> tuple[int, int]:
    """(steps computed, states kept) for one estimate; a way back counts as a step."""
    T, U = problem.horizon, min(window, problem.horizon)
    return {
        "full": (2 * T, T),
        "truncated": (2 * T, U),
        "first_order": (2 * T, U),
        "es": (2 * T, 2),
        "truncated_es": (2 * T + T, 2),
        "pes": (2 * T, 2),
    }[name]


def true_gradient(problem: NoisyQuadratic, phi) -> Tensor:
    """dL/dphi from the closed form; phi a number or a tensor, the result likewise."""
    phi = _leaf(phi)
    return torch.autograd.grad(problem.loss(phi).sum(), phi)[0]


def expected(name: str, problem: NoisyQuadratic, phi, window: int) -> Tensor:
    """What an estimator gives on average at phi (a number or a tensor), closed form."""
    window = _window(name, problem, window)
    if name == "full":
        return true_gradient(problem, phi)
    if name == "first_order":
        return _expected_first_order(problem, phi, window)
    if name == "pes":
        return _expected_persistent(problem, phi, window, SIGMA)
    return _expected_windows(problem, phi, window, SIGMA * (name in EVOLUTION))


def _leaf(phi) -> Tensor:
    return torch.as_tensor(phi, dtype=torch.float64).clone().requires_grad_()


def _expected_windows(problem, phi, window, sigma):
    """The gradient of the sum of each window's loss, smoothed by a Gaussian over phi.

    A window begins where the unperturbed phi leads, a constant; its moments are linear
    in that first one, so that the windows' first moments may be added up beforehand.
    """
    h, v, s = problem.tensors()
    phi, T = _leaf(phi), problem.horizon
    nodes, weights = _gauss_hermite(sigma)
    alpha = (phi[..., None] + nodes).exp()[..., None]  # [..., nodes, 1]
    path = problem.moments(s, phi.detach().exp()[..., None], T)
    starts = torch.cat([s.expand(path[:1].shape), path[window - 1 : T - 1 : window]])
    step = torch.arange(1, window + 1)
    counts = (T - step) // window + 1  # windows that have so many steps
    firsts = starts.cumsum(0)[counts - 1][..., None, :]  # [window, ..., 1, n]
    powers, sums = _geometric((1 - alpha * h) ** 2, window)
    counts = counts.double().view(-1, *[1] * alpha.ndim)
    moments = powers * firsts + sums * counts * alpha**2 * v
    loss = 0.5 * (moments @ h).sum(0) @ weights
    return torch.autograd.grad(loss.sum(), phi)[0]


def _expected_persistent(problem, phi, window, sigma):
    """The same where the moments live on, averaged over each window's perturbation."""
    h, v, a = problem.tensors()
    phi, loss = _leaf(phi), 0.0
    nodes, weights = _gauss_hermite(sigma)
    alpha = (phi[..., None] + nodes).exp()[..., None]  # [..., nodes, 1]
    powers, sums = _geometric((1 - alpha * h) ** 2, window)
    powers = powers.mT @ weights  # the averages, [window, ..., n]
    sums = (sums * alpha**2 * v).mT @ weights
    for steps in problem.windows(window):
        moments = powers[: len(steps)] * a + sums[: len(steps)]
        loss = loss + 0.5 * (moments @ h).sum(0)
        a = moments[-1]
    return torch.autograd.grad(loss.sum(), phi)[0]


def _gauss_hermite(sigma: float, count: int = 20):
    """Nodes and weights of an average over a normal of that size."""
    if not sigma:
        return torch.zeros(1).double(), torch.ones(1).double()
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return sigma * torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())


def _expected_first_order(problem, phi, window):
    """With D = d theta / d phi, D' = D - alpha (h theta + xi): c = E[theta D]."""
    h, v, s = problem.tensors()
    alpha = torch.as_tensor(phi, dtype=torch.float64).exp()[..., None]
    a = [s, *problem.moments(s, alpha, problem.horizon)]
    keep, total = 1 - alpha * h, 0.0
    for steps in problem.windows(window):
        gains = [alpha**2 * v - keep * alpha * h * a[t] for t in steps]
        c = _recursion(torch.zeros_like(gains[0]), keep, gains)
        total = total + (torch.stack(c) @ h).sum(0)
    return total


@functools.cache
def fixed_point(name: str, problem: NoisyQuadratic, window: int) -> float:
    """The learning rate at which an estimator is zero on average: where it leads.

    Searched between 1e-4 and 1.99 / max h; an end of it where no sign changes.

    >>> round(fixed_point("full", NoisyQuadratic(), 10), 2)
    0.29
    """
    low, high = math.log(1e-4), math.log(1.99 / max(problem.h))
    for _ in range(2):  # a fine grid, then a finer one inside
        grid = torch.linspace(low, high, 101, dtype=torch.float64)
        falls = expected(name, problem, grid, window) < 0  # the loss falls with phi
        k = int(falls.long().cumprod(0).sum())  # how many before the sign changes
        low, high = float(grid[max(k - 1, 0)]), float(grid[min(k, 100)])
    return math.exp((low + high) / 2)
