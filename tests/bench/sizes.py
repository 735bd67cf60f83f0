"""The problems that the benchmarks run on, by name, and their trainers."""

import torch

from l2o_kit import data
from l2o_kit.optimizees import Network, Quadratic, mlp
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import Trainer

UNROLL = 20
NETWORKS = {  # name: layer sizes, networks side by side
    "8 digits networks, 64-20-10": ([64, 20, 10], 8),
    "784-20-10": ([784, 20, 10], 1),
    "784-256-10": ([784, 256, 10], 1),
    "784-1258-10": ([784, 1258, 10], 1),
}
SIZES = ["128 quadratics of 10", *NETWORKS]


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
    if name not in NETWORKS:
        return Trainer(LSTMOptimizer(preprocess="identity"), Quadratic(),
                       batch=128, **arguments)  # fmt: skip
    layers, batch = NETWORKS[name]
    return Trainer(LSTMOptimizer(), optimizee(layers), batch=batch, **arguments)
