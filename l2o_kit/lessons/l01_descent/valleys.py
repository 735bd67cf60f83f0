"""Quadratic landscapes whose every answer is known, for lesson 01.

    f(theta) = 1/2 (theta - theta*)^T H (theta - theta*)

L and mu are the largest and the smallest eigenvalue of H, kappa = L / mu its condition
number. Where a rule stops converging, and what its best rate is, follow from them::

    SGD        diverges above 2 / L                   best rate  2 / (L + mu)
    Momentum   diverges above 2 (1 + beta) / L        best  (2 / (sqrt L + sqrt mu))^2
                   with beta = ((sqrt kappa - 1) / (sqrt kappa + 1))^2
    NAG        diverges above (2 + 2 beta) / ((1 + 2 beta) L)

Source: Polyak 1964; Lessard, Recht and Packard 2016, section 4 (NAG).
Left out: rates for noisy gradients.
"""

import math

import numpy as np
import torch

from l2o_kit.baselines import HAND_MADE
from l2o_kit.optimizees import QuadraticProblem


def divergence_rate(rule: str, beta: float, L: float = 1.0) -> float:
    """The learning rate above which a rule diverges; infinite where it never does.

    The adaptive rules take steps of about the rate's size whatever the gradient is:
    they end up hovering at a distance, and do not run away.

    >>> divergence_rate("SGD", 0.9, L=4.0), divergence_rate("Momentum", 0.9)
    (0.5, 3.8)
    """
    limits = {
        "SGD": 2 / L,
        "Momentum": 2 * (1 + beta) / L,
        "NAG": (2 + 2 * beta) / ((1 + 2 * beta) * L),
    }
    return limits.get(rule, math.inf)


def best_plain(L: float, mu: float) -> float:
    """The rate with which plain gradient descent contracts fastest.

    >>> best_plain(3.0, 1.0)
    0.5
    """
    return 2 / (L + mu)


def best_heavy_ball(L: float, mu: float) -> tuple[float, float]:
    """(rate, beta) with which Momentum contracts fastest.

    >>> best_heavy_ball(9.0, 1.0)
    (0.25, 0.25)
    """
    kappa = math.sqrt(L / mu)
    return (2 / (math.sqrt(L) + math.sqrt(mu))) ** 2, ((kappa - 1) / (kappa + 1)) ** 2


def descend(rule: str, H, theta0, lr, beta: float, noise, steps: int):
    """Run a rule on 1/2 theta^T H theta from theta0, for many rates side by side.

    Arguments: H [n, n]; theta0 [n]; lr [rates]; noise [steps, n], added to the
    gradients. Returns theta [steps + 1, rates, n]; may overflow to inf where it
    diverges.
    """
    theta = np.tile(np.asarray(theta0, dtype=float), (len(lr), 1))
    lr, memory, path = np.asarray(lr)[:, None], (0.0, 0.0), [theta]
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, steps + 1):
            grad = theta @ H + noise[t - 1]
            update, memory = HAND_MADE[rule](grad, memory, t, lr, beta)
            theta = theta + update
            path.append(theta)
    return np.stack(path)


def diverges(rule: str, lr, beta: float, steps: int = 4000):
    """Whether a rule ends further from the minimum than it began, on f = theta^2 / 2.

    For each of many rates: bool [rates].
    """
    silence = np.zeros((steps, 1))
    path = descend(rule, np.eye(1), [1.0], lr, beta, silence, steps)
    return ~(np.abs(path[-1, :, 0]) < 1)


def measured_divergence_rate(rule: str, beta: float) -> float:
    """``divergence_rate`` for L = 1, found by trying ever finer grids of rates."""
    low, high = 1e-3, 100.0
    for _ in range(3):
        rates = np.geomspace(low, high, 41)
        first = int(diverges(rule, rates, beta).argmax())
        low, high = rates[first - 1], rates[first]
    return math.sqrt(low * high)


class Valleys:
    """Long valleys: quadratics of condition number kappa, along the axes or askew.

    Curvatures run from 1 / kappa to 1, evenly in the logarithm. With rotated=False each
    belongs to one coordinate, in an order drawn each time; with rotated=True every
    coordinate mixes them all. theta_0 and the minimizer are standard normal.

    >>> Valleys(dim=4).sample(3, torch.Generator().manual_seed(0)).theta0.shape
    torch.Size([3, 4])
    """

    def __init__(
        self, dim: int = 20, kappa: int | float = 100.0, rotated: bool = False
    ):
        if dim < 2 or kappa < 1:
            raise ValueError(
                f"dim={dim}, kappa={kappa}: a valley needs at least 2 dimensions and a "
                "condition number of at least 1."
            )
        self.coords, self.kappa, self.rotated = dim, kappa, rotated

    def __repr__(self):
        how = "askew" if self.rotated else "along the axes"
        return f"Valleys({self.coords} dimensions, kappa {self.kappa:g}, {how})"

    def sample(self, batch: int, generator, dtype=torch.float32) -> QuadraticProblem:
        """Draw axes, minimizer and theta_0 for each of ``batch`` problems."""

        def normal(*shape):
            return torch.randn(batch, *shape, generator=generator, dtype=torch.float64)

        n = self.coords
        curvatures = torch.logspace(-math.log10(self.kappa), 0, n, dtype=torch.float64)
        if self.rotated:
            axes = torch.linalg.qr(normal(n, n))[0]
        else:
            axes = torch.eye(n, dtype=torch.float64)[normal(n).argsort(1)]
        W = (curvatures / 2).sqrt()[
            :, None
        ] * axes.mT  # |W theta|^2 = theta H theta / 2
        minimizer, theta0 = normal(n), normal(n)
        y = torch.einsum("bij,bj->bi", W, minimizer)
        return QuadraticProblem(W.to(dtype), y.to(dtype), theta0.to(dtype))
