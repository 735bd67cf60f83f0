"""What spoils a data set: noise, a rotation, wrong labels, uneven classes.

Each function leaves its argument as it is, and draws from the generator it is given.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def add_noise(X, std: float, generator: torch.Generator):
    """X plus Gaussian pixel noise of standard deviation std (pixels are 0 to 1)."""
    if std < 0:
        raise ValueError(f"std={std}: the size of noise cannot be negative.")
    return X + std * torch.randn(X.shape, generator=generator)


def rotate(X: Float[Tensor, "n pixels"], degrees: int | float):
    """Square pictures, turned about their centre; positive is counter-clockwise.

    Rows of X are pictures of size^2 numbers. Bilinear; what comes from outside is 0.

    >>> rotate(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 90).round().tolist()
    [[2.0, 4.0, 1.0, 3.0]]
    """
    size = round(X.shape[1] ** 0.5)
    if size**2 != X.shape[1]:
        raise ValueError(
            f"Pictures of {X.shape[1]} numbers are not square and cannot be turned."
        )
    if not math.isfinite(degrees):
        raise ValueError(f"degrees={degrees}: an angle must be finite.")
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]], dtype=X.dtype)
    shape = [len(X), 1, size, size]
    grid = functional.affine_grid(turn.expand(len(X), 2, 3), shape, align_corners=False)
    turned = functional.grid_sample(X.view(shape), grid, align_corners=False)
    return turned.view_as(X)


def poison(y: Tensor, rate: int | float, generator: torch.Generator):
    """Labels [n] of which round(rate * n) are another class, each as likely.

    >>> y = torch.arange(10)
    >>> int((poison(y, 0.3, torch.Generator().manual_seed(0)) != y).sum())
    3
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate={rate}: it is a share of the labels, 0 to 1.")
    if y.is_floating_point():
        raise ValueError("Only classes can be poisoned, and these labels are floats.")
    classes = int(y.max()) + 1
    if classes < 2:
        raise ValueError("There is one class only, so no label can be another one.")
    wrong = torch.randperm(len(y), generator=generator)[: round(rate * len(y))]
    shift = torch.randint(1, classes, (len(wrong),), generator=generator)
    return y.index_put((wrong,), (y[wrong] + shift) % classes)


def dirichlet_subset(y: Tensor, size: int, concentration: int | float,
                     generator: torch.Generator):  # fmt: skip
    """Rows of a subset, [size], none twice, whose classes y [n] are uneven.

    The shares of the classes are drawn from a Dirichlet distribution whose parameters
    are all ``concentration``: far below 1 one class rules, far above 1 all are alike.
    A class that runs out is filled up with others.
    Source: Hsu, Qi and Brown 2019 (arXiv 1909.06335).
    """
    if concentration <= 0 or not math.isfinite(concentration):
        raise ValueError(f"concentration={concentration}: it must be above 0.")
    if not 1 <= size <= len(y):
        raise ValueError(f"size={size}: the subset is drawn from {len(y)} examples.")
    if y.is_floating_point():
        raise ValueError("A Dirichlet subset needs classes; these labels are floats.")
    present, where = y.unique(return_inverse=True)
    parameters = torch.full((len(present),), float(concentration))
    shares = torch._sample_dirichlet(parameters, generator).clamp(min=1e-12)
    # one example after another, weighted by its class: Efraimidis and Spirakis 2006
    weights = (shares / where.bincount())[where].double()
    keys = torch.rand(len(y), generator=generator).double().log() / weights
    return keys.topk(size).indices
