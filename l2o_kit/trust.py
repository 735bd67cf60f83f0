"""Whom to trust: the weights of sources by statistics, and lambda, learned alone.

lambda = softmax(alpha) weighs the gradients of K sources before the LSTM reads them:

    d = sum over k of lambda_k d_k

``learn_lambda`` trains alpha alone, K numbers, by the same meta-loss as ever, on a
shipped LSTM that stays as it is. That takes seconds.

What statistics says of least squares with W shared: source k's label error e_k makes
its gradient wrong by -2 W^T e_k, one shape for all. So the error of the weighted sum
depends on the weights through lambda^T M lambda alone, M[k, l] = E[e_k e_l]. On the
simplex it is least for

    lambda_k  proportional to  1 / s_k^2        independent noise of size s_k
    the minimizer of lambda^T M lambda          correlated noise, or a bias

Source: inverse-variance weights are Gauss and Markov's, after Aitken 1936; the general
case is Markowitz 1952, the portfolio of least variance.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.data import Array
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.problems import noisy, poisoned, rotated
from l2o_kit.trainer import Rate, meta_train
from l2o_kit.window import Log

RATE = (0.1, 0.01)  # of alpha
TIE = 1e-12
SLOWER = {"unroll": 20, "lr": (0.1, 0.003)}


def trusting(name: str, num_sources: int) -> LSTMOptimizer:
    """A shipped optimizer that reads K sources through a softmax; all lambda 1 / K.

    Example: ``trusting("quadratic", 4).lambdas``
    """
    shipped = load(name)
    config = shipped.config | {"combine": "softmax", "num_sources": num_sources}
    optimizer = LSTMOptimizer(**config)
    weights = shipped.state_dict() | {"alpha": optimizer.alpha.detach()}
    optimizer.load_state_dict(weights)
    return optimizer


def learn_lambda(
    optimizer: LSTMOptimizer,
    concurrent: Concurrent,
    *,
    lr: Rate = RATE,
    **settings: Any,
) -> Log:
    """Train alpha and nothing else; settings as of ``meta_train``. Returns its log.

    Raises ValueError where the optimizer has no softmax: then there is no lambda.
    """
    if optimizer.config["combine"] != "softmax":
        raise ValueError(
            f"combine={optimizer.config['combine']!r} has no lambda to learn. Take "
            'combine="softmax", or trusting(name, num_sources).'
        )
    frozen = [w for name, w in optimizer.named_parameters() if name != "alpha"]
    before = [w.requires_grad for w in frozen]
    for weight in frozen:
        weight.requires_grad_(False)
    try:
        return meta_train(optimizer, concurrent, lr=lr, **settings)
    finally:
        for weight, was in zip(frozen, before, strict=True):
            weight.requires_grad_(was)


@dataclass(frozen=True)
class Kind:
    """One kind of sources: make(amounts, target) and what is asked of it."""

    make: Callable
    levels: tuple  # the amounts of a setting
    home: tuple  # where the shipped optimizer was trained
    frozen: str  # the shipped optimizer whose lambda is learned
    training: dict  # of lambda
    judged_on: int  # problems
    adam: float  # where the search for its rate begins

    @property
    def num_sources(self) -> int:
        """How many sources a setting has."""
        return len(self.home)


LEAST_SQUARES = ("quadratic", SLOWER | {"meta_steps": 200, "batch": 64}, 64, 0.3)
ON_DIGITS = ("digits", SLOWER | {"meta_steps": 60, "batch": 4}, 8, 0.07)
SHARES = (0.0, 0.2, 0.5, 0.8)  # of labels
KINDS = {
    "noise": Kind(
        noisy, (0.1, 0.5, 1.0, 2.0, 3.0), (0.5, 1.0, 2.0, 3.0), *LEAST_SQUARES
    ),
    "rotation": Kind(rotated, (0, 20, 45, 90, 180), (0, 20, 45), *ON_DIGITS),
    "poison": Kind(poisoned, SHARES, SHARES, *ON_DIGITS),
}


def learned(
    kind: Kind,
    amounts: Sequence,
    target: str = "clean",
    seed: int = 0,
    on_step: Callable | None = None,
    **training: Any,
) -> tuple[LSTMOptimizer, Log]:
    """The frozen LSTM with the lambda that it learns at a setting, and the log.

    on_step(optimizer, log) is called after every meta-step.
    """
    optimizer = trusting(kind.frozen, len(amounts))
    log = learn_lambda(
        optimizer,
        kind.make(amounts, target),
        seed=seed,
        on_step=lambda log: on_step and on_step(optimizer, log),
        **kind.training | training,
    )
    return optimizer, log


def inverse_variance(stds: Array) -> np.ndarray:
    """Weights [K] proportional to 1 / s^2, of independent noise of sizes s.

    Sources without noise share all the trust, in equal parts.

    >>> inverse_variance([0.5, 1.0, 2.0, 3.0]).round(3).tolist()
    [0.746, 0.187, 0.047, 0.021]
    """
    stds = np.asarray(stds, dtype=float)
    if stds.ndim != 1 or not len(stds):
        raise ValueError(f"stds={stds.tolist()}: give one size of noise per source.")
    if not np.isfinite(stds).all() or (stds < 0).any():
        raise ValueError(f"stds={stds.tolist()}: noise has a finite size, 0 or more.")
    silent = stds == 0
    weights = silent.astype(float) if silent.any() else (stds.min() / stds) ** 2
    return weights / weights.sum()


def second_moments(
    stds: Array, shared: Array | float = 0.0, bias: Array | float = 0.0
) -> np.ndarray:
    """M [K, K] of errors s_k eps_k + c_k eps + b_k, eps being common to all sources."""
    stds, shared, bias = (
        np.broadcast_to(np.asarray(v, dtype=float), np.shape(stds))
        for v in (stds, shared, bias)
    )
    return np.diag(stds**2) + np.outer(shared, shared) + np.outer(bias, bias)


def best_weights(M: Array) -> np.ndarray:
    """The minimizer [K] of lambda^T M lambda on the simplex, M [K, K] symmetric.

    Every set of sources is tried as the one that is trusted at all: with K of them,
    2^K - 1 small systems. Of several minimizers the one nearest to equal weights.

    >>> best_weights(second_moments([1.0, 1.0, 1.0], bias=[0.0, 0.0, 3.0])).round(3)
    array([0.476, 0.476, 0.048])
    """
    M = np.asarray(M, dtype=float)
    K = len(M)
    if M.shape != (K, K) or not np.allclose(M, M.T):
        raise ValueError(f"M of shape {M.shape}: give a symmetric [K, K].")
    if K > 12:
        raise ValueError(f"M of {K} sources: 2^{K} sets are too many; at most 12.")
    if np.linalg.eigvalsh(M).min() < -1e-9 * max(1.0, np.abs(M).max()):
        raise ValueError("M has a negative eigenvalue: no errors have such moments.")
    best, least = None, np.inf
    for size in range(K, 0, -1):
        for trusted in itertools.combinations(range(K), size):
            weights = _on(M, list(trusted))
            error = weights @ M @ weights
            if (weights >= -TIE).all() and error < least - TIE * np.abs(M).max():
                best, least = weights, error
    return best.clip(0) / best.clip(0).sum()


def _on(M, trusted: list[int]) -> np.ndarray:
    """The weights on some sources, negative ones allowed, that add up to 1."""
    n = len(trusted)
    scale = max(np.abs(M).max(), 1e-300)
    system = np.ones((n + 1, n + 1))
    system[:n, :n], system[n, n] = M[np.ix_(trusted, trusted)] / scale, 0.0
    weights = np.zeros(len(M))
    # the solution of least norm: equal weights where M cannot tell sources apart
    weights[trusted] = (np.linalg.pinv(system) @ np.eye(n + 1)[n])[:n]
    return weights
