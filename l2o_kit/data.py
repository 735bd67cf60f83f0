"""Data sets: what ships with scikit-learn, and MNIST, which is downloaded once.

``stream`` is where every random number of the kit comes from: a generator of its own
for each use of a seed, so that drawing more of one thing never changes another.

Every split is fixed, and all that is fitted (means, scales) is fitted on the training
part alone.
Left out: augmentation.
"""

import hashlib
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from l2o_kit import downloads

MNIST_SERVERS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = {  # md5
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


class Dataset(NamedTuple):
    """Training and held-out examples; unpack it into ``Network(module, *dataset)``."""

    X: Float[Tensor, "n features"]
    y: Int[Tensor, "n"] | Float[Tensor, "n 1"]
    X_held_out: Float[Tensor, "m features"]
    y_held_out: Int[Tensor, "m"] | Float[Tensor, "m 1"]


def stream(seed: int, name: str) -> torch.Generator:
    """An independent generator for one use of a seed: "problems", "minibatches", ...

    >>> first, second = stream(0, "problems"), stream(0, "minibatches")
    >>> bool(torch.rand(1, generator=first) == torch.rand(1, generator=second))
    False
    """
    digest = hashlib.sha256(f"{name} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def digits(size: int = 8) -> Dataset:
    """scikit-learn's load_digits: 1,797 pictures of 8x8, ten classes, pixels in [0, 1].

    Returns 1,438 training and 359 held-out pictures as rows of size^2 numbers; the
    split is the same in every call (a fixed permutation). size=28 enlarges them
    (bilinear): a stand-in for MNIST that needs no network.
    Source: Alpaydin and Kaynak 1998, test part, as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits

    if size < 1:
        raise ValueError(f"size={size}: a picture has at least 1 pixel a side.")
    X, y = load_digits(return_X_y=True)
    X = torch.tensor(X, dtype=torch.float32) / 16
    if size != 8:
        X = functional.interpolate(X.view(-1, 1, 8, 8), size=(size, size),
                                   mode="bilinear").flatten(1)  # fmt: skip
    return split(X, torch.tensor(y))


def mnist() -> Dataset:
    """MNIST: 60,000 training and 10,000 held-out pictures of 28x28, pixels in [0, 1].

    Downloaded at the first call (11 MB), then read from the cache. Raises
    DownloadFailed, which names the stand-in, where it cannot be had.
    """
    parts = []
    for name, md5 in MNIST_FILES.items():
        path = downloads.fetch(name, MNIST_SERVERS, md5, "data.digits(size=28)")
        parts.append(torch.from_numpy(downloads.read_idx(path).copy()))
    X, y, X_held_out, y_held_out = parts
    return Dataset(X.flatten(1).float() / 255, y.long(),
                   X_held_out.flatten(1).float() / 255, y_held_out.long())  # fmt: skip


def diabetes() -> Dataset:
    """scikit-learn's load_diabetes: ten measurements of 442 patients, one number to
    predict, the progress of the disease; all standardized on the training part.

    y is [n, 1], as an ``mlp([10, 20, 1])`` answers.
    Source: Efron, Hastie, Johnstone and Tibshirani 2004.
    """
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    X, y, X_held_out, y_held_out = split(_float(X), _float(y)[:, None])
    return Dataset(*_interleave(standardize(X, X_held_out), standardize(y, y_held_out)))


def breast_cancer() -> Dataset:
    """scikit-learn's load_breast_cancer: 30 measurements of 569 tumours, standardized
    on the training part; class 1 is benign.

    Source: Wolberg, Street and Mangasarian 1995.
    """
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    X, y, X_held_out, y_held_out = split(_float(X), torch.tensor(y))
    return Dataset(*_interleave(standardize(X, X_held_out), (y, y_held_out)))


def standardize(train: Float[Tensor, "n features"], held_out):
    """Both, less the training mean and over the training standard deviation.

    A column that does not vary in training becomes 0 there, and keeps its scale.
    """
    mean, std = train.mean(0), train.std(0)
    std = torch.where(std > 1e-6 * train.abs().amax(0), std, 1.0)
    return (train - mean) / std, (held_out - mean) / std


def _interleave(X, y):
    return X[0], y[0], X[1], y[1]


def _float(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


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
