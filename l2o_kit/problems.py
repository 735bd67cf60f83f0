"""The problems that the shipped optimizers are trained and judged on, by name.

Each is a function that makes the optimizee; what it needs of data is made then.
"""

from collections.abc import Iterable

from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.concurrent import Concurrent
from l2o_kit.network import Network, convnet, mlp
from l2o_kit.optimizees import Mixture, Quadratic, RandomScaling
from l2o_kit.sources import Noise, Poison, Rotation


def quadratic() -> Quadratic:
    """The paper's quadratics: ten dimensions, W, y and theta_0 standard normal."""
    return Quadratic(dim=10)


def digits() -> Network:
    """The 64-20-10 sigmoid network on scikit-learn's digits; weights ~ N(0, 0.1^2)."""
    return Network(mlp([64, 20, 10]), *data.digits(), batch_size=128, init_std=0.1)


def mnist_mlp() -> Network:
    """The paper's 784-20-10 sigmoid network, on the digits enlarged to 28x28."""
    return Network(mlp([784, 20, 10]), *data.digits(size=28), init_std=0.1)


def diabetes() -> Network:
    """Regression: a 10-20-1 sigmoid network, mean squared error, on load_diabetes."""
    network = mlp([10, 20, 1])
    return Network(network, *data.diabetes(), loss=F.mse_loss, init_std=0.1)


def several_activations() -> RandomScaling:
    """The digits network with a sigmoid, a tanh or a ReLU, its coordinates scaled."""
    networks = (
        Network(mlp([64, 20, 10], activation), *data.digits())
        for activation in ("sigmoid", "tanh", "relu")
    )
    return RandomScaling(Mixture(*networks), spread=1.0)


def conv(labels: str = "all", channels: int = 16, size: int = 32) -> Network:
    """The paper's convolutional network on digits on photographs, minibatches of 64."""
    pictures = data.digits_on_photos(data.LABELS[labels], size=size)
    return Network(convnet(channels, size), *pictures, batch_size=64, init_std=None)


def conv_small() -> Network:
    """The same with 8 channels, on pictures of 16x16."""
    return conv(channels=8, size=16)


def noisy(
    stds: Iterable[int | float] = (0.5, 1.0, 2.0, 3.0), target: str = "clean"
) -> Concurrent:
    """Least squares, y = W theta_true, seen through noise of these sizes."""
    sources = [Noise(std) for std in stds]
    return Concurrent(Quadratic(dim=10, theta_true=True), sources, target)


def rotated(
    angles: Iterable[int | float] = (0, 20, 45), target: str = "clean"
) -> Concurrent:
    """The digits network, each source with its pictures turned by an angle."""
    return Concurrent(digits(), [Rotation(angle) for angle in angles], target)


def poisoned(
    rates: Iterable[int | float] = (0.0, 0.2, 0.5, 0.8), target: str = "clean"
) -> Concurrent:
    """The digits network, each source with a share of its labels wrong."""
    return Concurrent(digits(), [Poison(rate) for rate in rates], target)


PROBLEMS = {
    "quadratic": quadratic,
    "digits": digits,
    "mnist_mlp": mnist_mlp,
    "diabetes": diabetes,
    "conv_small": conv_small,
}
