"""The problems that the benchmarks run on, by name, and their trainers."""

import torch

from l2o_kit import data
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Problem, Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.window import Trainer

UNROLL = 20
NETWORKS = {  # name: layer sizes, networks side by side
    "8 digits networks, 64-20-10": ([64, 20, 10], 8),
    "784-20-10": ([784, 20, 10], 1),
    "784-256-10": ([784, 256, 10], 1),
    "784-1258-10": ([784, 1258, 10], 1),
}
ALONE = "gradients that cost nothing"
SIZES = ["128 quadratics of 10", *NETWORKS, ALONE]


class Bowl(Problem):
    """K sources of |theta - y_k|^2: next to nothing beside the LSTM."""

    def __init__(self, sources, coords):
        self.coords, self.y = coords, torch.arange(sources).view(-1, 1, 1)

    def sample(self, batch, generator, dtype):
        self.theta0 = torch.randn(batch, self.coords, generator=generator)
        return self

    def loss(self, theta, minibatch=None):
        return (theta - self.y[0]).square().sum(1)

    def value_and_grads(self, theta, minibatch=None, create_graph=False):
        apart = theta - self.y
        grads = 2 * apart if not create_graph else 2 * apart.detach()
        return apart[0].square().sum(1), grads, None


def optimizee(layers):
    """A sigmoid network, on the digits or on random pictures of 28x28."""
    if layers[0] == 64:
        return Network(mlp(layers), *data.digits())
    X = torch.rand(2000, layers[0], generator=data.stream(0, "bench pictures"))
    y = torch.randint(10, (2000,), generator=data.stream(0, "bench labels"))
    return Network(mlp(layers), X, y)


def trainer(name: str, unroll: int = UNROLL, **arguments) -> Trainer:
    """The kit's trainer for a size; every rival does the work of its windows."""
    arguments = {"unroll": unroll, "horizon": 5 * unroll, **arguments}
    if name == ALONE:
        return Trainer(LSTMOptimizer(), Bowl(1, 12_000), batch=1, **arguments)
    if name not in NETWORKS:
        return Trainer(
            LSTMOptimizer(preprocess="identity"), Quadratic(), batch=128, **arguments
        )
    layers, batch = NETWORKS[name]
    arguments = {"batch": batch, **arguments}
    return Trainer(LSTMOptimizer(), optimizee(layers), **arguments)
