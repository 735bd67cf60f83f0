"""Data sets: what ships with scikit-learn; MNIST and CIFAR-10, downloaded once.

And what spoils them: ``add_noise``, ``rotate``, ``poison``, ``dirichlet_subset``.

``stream`` is where every random number of the kit comes from: a generator of its own
for each use of a seed, so that drawing more of one thing never changes another.

Every split is fixed, and all that is fitted (means, scales) is fitted on the training
part alone.
Left out: augmentation.
"""

import hashlib
import importlib.util
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from l2o_kit import downloads, photodigits

Array = Tensor | np.ndarray | Sequence  # what becomes a tensor

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
CIFAR_SERVERS = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR_FILE = "cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_TRAIN = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
LABELS = {  # which classes a network meets: lesson 08's four cases
    "all": tuple(range(10)),
    "five": (0, 1, 2, 3, 4),
    "two": (0, 1),
    "others": (5, 6, 7, 8, 9),  # none of five's
}


class Dataset(NamedTuple):
    """Training and held-out examples; unpack it into ``Network(module, *dataset)``."""

    X: Float[Tensor, "n ..."]
    y: Int[Tensor, "n"] | Float[Tensor, "n 1"]
    X_held_out: Float[Tensor, "m ..."]
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
    if size < 1:
        raise ValueError(f"size={size}: a picture has at least 1 pixel a side.")
    X, y = _digits()
    X = torch.tensor(X, dtype=torch.float32) / 16
    if size != 8:
        X = functional.interpolate(
            X.view(-1, 1, 8, 8), size=(size, size), mode="bilinear"
        ).flatten(1)
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
    return Dataset(
        X.flatten(1).float() / 255,
        y.long(),
        X_held_out.flatten(1).float() / 255,
        y_held_out.long(),
    )


def digits_on_photos(
    labels: Iterable[int] = LABELS["all"],
    held_out: str = "test",
    *,
    size: int = 32,
    seed: int = 0,
) -> Dataset:
    """Digits painted on patches of photographs: 10,000 pictures [n, 3, size, size].

    A stand-in for CIFAR-10 that needs no network. Made in seconds, the same for the
    same seed, then kept in the cache folder. Channels are standardized.

    Arguments:
        labels: the classes that occur; a class keeps its number, so that every network
            has ten outputs. See ``LABELS``.
        held_out: "validation" to choose by, or "test" to judge by, 2,000 pictures each.
        size: 32, or 16, where each pixel is the mean of four.

    Digits are split 1,200, 200 and 397; the photographs are shared by all three parts.
    """
    if size not in (16, 32):
        raise ValueError(f"size={size}: there are pictures of 16 and of 32 pixels.")
    name = f"digits_on_photos_{seed}_{_fingerprint()}.npz"
    parts = downloads.kept(name, lambda: _painted(seed))
    pictures = {part: _as_float(parts[f"X_{part}"]) for part in PARTS}
    if size == 16:
        pictures = {part: functional.avg_pool2d(X, 2) for part, X in pictures.items()}
    classes = {part: torch.from_numpy(parts[f"y_{part}"]) for part in PARTS}
    return _subset(pictures, classes, labels, held_out)


def _digits():
    """load_digits, read from its file: importing it takes 50 MB of every kernel."""
    (folder,) = importlib.util.find_spec("sklearn").submodule_search_locations
    table = np.loadtxt(f"{folder}/datasets/data/digits.csv.gz", delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)


def photos() -> dict[str, Float[Tensor, "3 height width"]]:
    """The photographs that ship: name -> picture, in [0, 1]. See ``photodigits.py``."""
    return dict(photodigits.shipped())


PARTS = {"train": 10_000, "validation": 2_000, "test": 2_000}


def _painted(seed: int) -> dict:
    """X_PART uint8 [n, 3, 32, 32] and y_PART [n], for each of PARTS."""
    X, y = _digits()
    order = torch.randperm(len(X), generator=stream(seed, "split"))
    X, y = _float(X)[order] / 16, torch.tensor(y)[order]
    photos, arrays, start = list(photodigits.shipped().values()), {}, 0
    for (part, count), end in zip(PARTS.items(), (1200, 1400, len(X)), strict=True):
        generator = stream(seed, f"digits on photos, {part}")
        rows = torch.randint(start, end, (count,), generator=generator)
        painted = photodigits.paint(X[rows], photos, generator)
        arrays |= {
            f"X_{part}": (255 * painted).round().byte().numpy(),
            f"y_{part}": y[rows].numpy(),
        }
        start = end
    return arrays


def _fingerprint() -> str:
    """Changes with the code that paints, so that what it painted before is not used."""
    code = Path(photodigits.__file__).read_bytes()
    return hashlib.sha256(code + repr(PARTS).encode()).hexdigest()[:8]


def cifar10(labels: Iterable[int] = LABELS["all"], held_out: str = "test") -> Dataset:
    """CIFAR-10: 45,000 pictures [n, 3, 32, 32], ten classes; channels standardized.

    Arguments as for ``digits_on_photos``: "validation" is the last 5,000 of the 50,000
    training pictures, "test" the 10,000 test pictures. Downloaded at the first call
    (170 MB), then read from the cache. Raises DownloadFailed, which names the stand-in,
    where it cannot be had.
    Source: Krizhevsky 2009, the binary version.
    """
    path = downloads.fetch(
        CIFAR_FILE, CIFAR_SERVERS, CIFAR_MD5, "data.digits_on_photos()"
    )
    X, y = downloads.read_cifar(path, CIFAR_TRAIN)
    cut = len(X) - len(X) // 10
    X_test, y_test = downloads.read_cifar(path, ("test_batch.bin",))
    parts = {"train": X[:cut], "validation": X[cut:], "test": X_test}
    classes = {"train": y[:cut], "validation": y[cut:], "test": y_test}
    return _subset(
        {part: _as_float(X) for part, X in parts.items()},
        {part: torch.from_numpy(y).long() for part, y in classes.items()},
        labels,
        held_out,
    )


def _subset(pictures: dict, classes: dict, labels, held_out: str) -> Dataset:
    """The pictures of some classes, standardized by the training part of all."""
    if held_out not in ("validation", "test"):
        raise ValueError(
            f'held_out={held_out!r}: use "validation" to choose by, "test" to judge by.'
        )
    chosen = torch.tensor(sorted(set(labels)), dtype=torch.long)
    for part in ("train", held_out):
        missing = set(chosen.tolist()) - set(classes[part].tolist())
        if missing or not len(chosen):
            raise ValueError(
                f"labels={list(labels)}: the {part} pictures hold no class "
                f"{sorted(missing)}; there are {classes[part].unique().tolist()}."
            )
    mean = pictures["train"].mean((0, 2, 3))[:, None, None]
    std = pictures["train"].std((0, 2, 3))[:, None, None]
    kept = []
    for part in ("train", held_out):
        rows = torch.isin(classes[part], chosen)
        kept += [(pictures[part][rows] - mean) / std, classes[part][rows]]
    return Dataset(*kept)


def _as_float(pixels) -> Float[Tensor, "n 3 height width"]:
    return torch.from_numpy(pixels).float().div_(255)


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


def standardize(train: Float[Tensor, "n features"], held_out: Tensor):
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


def split(X: Tensor, y: Tensor, held_out: float = 0.2, seed: int = 0) -> Dataset:
    """A fixed random split: the first (1 - held_out) of a permutation trains."""
    order = torch.randperm(len(X), generator=stream(seed, "split"))
    cut = len(X) - round(held_out * len(X))
    train, held = order[:cut], order[cut:]
    return Dataset(X[train], y[train], X[held], y[held])


def from_loader(loader: Iterable, most: int = 10_000) -> tuple[Tensor, Tensor]:
    """The first examples (X, y) of a DataLoader, at most ``most``, for ``Network``.

    Every problem of a batch draws minibatches of its own, so all of it is in memory.
    Raises ValueError for a loader that gives anything but pairs.

    Example: ``Network(model, *data.from_loader(loader), batch_size=64)``
    """
    parts, count = [], 0
    for pair in loader:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                f"the loader gives a {type(pair).__name__}, and pairs (X, y) are "
                "needed. Collect X and y yourself, and pass Network(model, X, y)."
            )
        parts.append([torch.as_tensor(part) for part in pair])
        count += len(parts[-1][0])
        if count >= most:
            break
    if not parts:
        raise ValueError("the loader is empty. Give it at least one minibatch.")
    X, y = (torch.cat(column)[:most] for column in zip(*parts, strict=True))
    return X, y


def add_noise(X: Tensor, std: int | float, generator: torch.Generator):
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


def dirichlet_subset(
    y: Tensor, size: int, concentration: int | float, generator: torch.Generator
):
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
