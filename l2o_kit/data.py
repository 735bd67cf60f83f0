"""Data sets: what ships with scikit-learn, split once and for all.

``stream`` is where every random number of the kit comes from: a generator of its own
for each use of a seed, so that drawing more of one thing never changes another.

Left out here: anything that downloads.
"""

import hashlib
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Dataset(NamedTuple):
    """Training and held-out examples; unpack it into ``Network(module, *dataset)``."""

    X: Float[Tensor, "n features"]
    y: Int[Tensor, "n"]
    X_held_out: Float[Tensor, "m features"]
    y_held_out: Int[Tensor, "m"]


def stream(seed: int, name: str) -> torch.Generator:
    """An independent generator for one use of a seed: "problems", "minibatches", ...

    >>> first, second = stream(0, "problems"), stream(0, "minibatches")
    >>> bool(torch.rand(1, generator=first) == torch.rand(1, generator=second))
    False
    """
    digest = hashlib.sha256(f"{name} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def digits() -> Dataset:
    """scikit-learn's load_digits: 1,797 pictures of 8x8, ten classes, pixels in [0, 1].

    Returns 1,437 training and 360 held-out pictures as rows of 64 numbers; the split is
    the same in every call (a fixed permutation).
    Source: Alpaydin and Kaynak 1998, test part, as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return split(torch.tensor(X, dtype=torch.float32) / 16, torch.tensor(y))


def split(X, y, held_out: float = 0.2, seed: int = 0) -> Dataset:
    """A fixed random split: the first (1 - held_out) of a permutation trains."""
    order = torch.randperm(len(X), generator=stream(seed, "split"))
    cut = len(X) - round(held_out * len(X))
    train, held = order[:cut], order[cut:]
    return Dataset(X[train], y[train], X[held], y[held])


def add_noise(X, std: float, generator: torch.Generator):
    """X plus Gaussian pixel noise of standard deviation std (pixels are 0 to 1)."""
    if std < 0:
        raise ValueError(f"std={std}: the size of noise cannot be negative.")
    return X + std * torch.randn(X.shape, generator=generator)
