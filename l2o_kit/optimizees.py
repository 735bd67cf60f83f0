"""Optimizees: the problems f(theta) that an optimizer is trained and judged on.

An optimizee is a distribution of problems. ``sample(batch, generator)`` draws ``batch``
of them, which are optimized side by side::

    problem = optimizee.sample(8, generator)
    theta = problem.theta0                               # [batch, coords]
    minibatch = problem.minibatch(generator)             # what step t is judged on
    loss, grad = problem.value_and_grad(theta, minibatch)  # [batch], [batch, coords]

    Quadratic:  f(theta) = |W theta - y|^2
    Network:    f(theta) = mean loss of module(X; theta) on a fresh minibatch

Source: Andrychowicz et al. 2016, sections 3.1 and 3.2.
Left out: batch normalization's running statistics.
"""

import itertools
from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from l2o_kit.data import split
from l2o_kit.inputs import check_data, check_loss, check_module
from l2o_kit.sampled import Problem


class Quadratic:
    """f(theta) = |W theta - y|^2, a sum over dim rows; W, theta_0 are standard normal.

    y is standard normal, or, with theta_true=True, y = W theta_true + noise_std * eps.

    >>> Quadratic(dim=10).sample(4, torch.Generator().manual_seed(0)).theta0.shape
    torch.Size([4, 10])
    """

    def __init__(self, dim: int = 10, theta_true: bool = False, noise_std: float = 0.0):
        if dim < 1:
            raise ValueError(f"dim={dim}: a quadratic needs at least 1 dimension.")
        if noise_std and not theta_true:
            raise ValueError(
                f"noise_std={noise_std} without theta_true: there is no clean y to add "
                "noise to. Pass theta_true=True as well."
            )
        self.coords, self.theta_true, self.noise_std = dim, theta_true, noise_std

    def __repr__(self):
        extra = (
            f", theta_true=True, noise_std={self.noise_std}" if self.theta_true else ""
        )
        return f"Quadratic(dim={self.coords}{extra})  # |W theta - y|^2"

    def sample(self, batch: int, generator, dtype=torch.float32) -> "QuadraticProblem":
        """Draw W, y and theta_0 anew for each of ``batch`` problems."""

        def normal(*shape):
            return torch.randn(batch, *shape, generator=generator).to(dtype)

        n = self.coords
        W, y, theta0 = normal(n, n), normal(n), normal(n)
        if self.theta_true:
            y = torch.einsum("bij,bj->bi", W, normal(n)) + self.noise_std * y
        return QuadraticProblem(W, y, theta0)


class QuadraticProblem(Problem):
    """Problems W [batch, dim, dim], y [batch, dim], started at theta0 [batch, dim]."""

    per_problem = ("W", "y", "theta0")

    def __init__(self, W, y, theta0):
        self.W, self.y, self.theta0 = W, y, theta0

    def loss(self, theta, minibatch=None):
        return self._residual(theta).square().sum((1, 2))

    @torch.no_grad()
    def value_and_grad(self, theta, minibatch=None):
        """The closed form: grad = 2 W^T (W theta - y)."""
        residual = self._residual(theta)
        grad = 2 * (self.W.mT @ residual)  # [batch, dim, 1]
        return residual.square().sum((1, 2)), grad.squeeze(2)

    def _residual(self, theta):
        return torch.baddbmm(self.y[:, :, None], self.W, theta[:, :, None], beta=-1)


class Network:
    """Train any ``nn.Module`` on any tensors; theta is all its parameters, flat.

    Arguments:
        module: called as module(X) -> outputs; its own parameter values are not used,
            unless init_std is None.
        X, y: training examples [n, ...] and targets [n, ...].
        X_held_out, y_held_out: judged on, never trained on; left out, a fixed random
            fifth of X, y is kept for it.
        loss: (outputs, targets) -> one number, cross-entropy by default.
        batch_size: examples per minibatch, drawn with replacement, anew each step.
        init_std: theta_0 ~ N(0, init_std^2); None keeps each layer's initialization.

    Example: ``Network(mlp([64, 20, 10]), *data.digits())``
    """

    def __init__(self, module: nn.Module, X, y, X_held_out=None, y_held_out=None, *,
                 loss=F.cross_entropy, batch_size=128, init_std=0.1):  # fmt: skip
        X, y = check_data(X, y, "X and y")
        if X_held_out is None:
            X, y, X_held_out, y_held_out = split(X, y)
        held_out = check_data(X_held_out, y_held_out, "X_held_out and y_held_out")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: it must be at least 1.")
        self.module, self.loss_fn, self.init_std = module, loss, init_std
        self.batch_size = batch_size
        self.data, self.held_out_data = (X, y), held_out
        self.shapes = {name: p.shape for name, p in module.named_parameters()}
        self.coords = sum(shape.numel() for shape in self.shapes.values())
        check_module(module)
        check_loss(self)

    def __repr__(self):
        return (
            f"Network({len(self.data[0])} examples, {len(self.held_out_data[0])} held "
            f"out, minibatch {self.batch_size}; theta has {self.coords:,} coordinates)"
        )

    def sample(self, batch: int, generator, dtype=torch.float32) -> "NetworkProblem":
        """Draw theta_0 anew for each of ``batch`` networks."""
        if self.init_std is None:
            theta0 = torch.stack([self._own_init(generator) for _ in range(batch)])
        else:
            theta0 = (
                torch.randn(batch, self.coords, generator=generator) * self.init_std
            )
        return NetworkProblem(self, theta0.to(dtype))

    def unflatten(self, theta: Float[Tensor, "coords"]) -> dict[str, Tensor]:
        """The flat theta as the module's named parameters."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), theta.split(sizes), strict=True)
        return {name: part.view(shape) for (name, shape), part in parts}

    def outputs(self, theta: Float[Tensor, "coords"], X):
        """module(X) with the parameters theta."""
        return functional_call(self.module, self.unflatten(theta), (X,))

    def _own_init(self, generator):
        """One theta_0 as the layers themselves would draw it."""
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # reset_parameters takes none
            for layer in self.module.modules():
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()
        return nn.utils.parameters_to_vector(self.module.parameters()).detach().clone()


class NetworkProblem(Problem):
    """``batch`` copies of a network, each with a theta_0 and minibatches of its own."""

    per_problem = ("theta0",)

    def __init__(self, network: Network, theta0: Float[Tensor, "batch coords"]):
        def cast(part):
            return part.to(theta0.dtype) if part.is_floating_point() else part

        self.network, self.theta0 = network, theta0
        layers = network.module.modules()
        # many convolutions at once, each with its own weights, take three times as long
        self.each = in_turn if any(map(_convolves, layers)) else vmap
        self.X, self.y = map(cast, network.data)
        self.X_held_out, self.y_held_out = map(cast, network.held_out_data)

    def minibatch(self, generator):
        """Row numbers [batch, batch_size] into the training data."""
        shape = (len(self.theta0), self.network.batch_size)
        return torch.randint(len(self.X), shape, generator=generator)

    def loss(self, theta, minibatch=None):
        """Mean loss [batch] on the minibatch, or, without one, on all training data."""
        if minibatch is None:
            one = self.each(self._one, in_dims=(0, None, None))
            return one(theta, self.X, self.y)
        return self.each(self._one)(theta, self.X[minibatch], self.y[minibatch])

    def held_out(self, theta):
        """Held-out loss, and accuracy where the targets are classes."""
        X, y = self.X_held_out, self.y_held_out
        with torch.no_grad():
            outputs = self.each(self.network.outputs, in_dims=(0, None))(theta, X)
            losses = torch.stack([self.network.loss_fn(out, y) for out in outputs])
            if self.network.loss_fn is F.binary_cross_entropy_with_logits:
                right = ((outputs > 0) == (y > 0.5)).flatten(1)
            elif y.is_floating_point() or outputs.ndim != 3:
                return losses, None
            else:
                right = outputs.argmax(2) == y
            return losses, right.to(losses.dtype).mean(1)

    def _one(self, theta, X, y):
        return self.network.loss_fn(self.network.outputs(theta, X), y)


def in_turn(function, in_dims=0):
    """What ``vmap`` computes, but one row of the arguments after the other."""

    def over(theta, *others):
        if in_dims == 0:
            rows = zip(theta, *others, strict=True)
            return torch.stack([function(*row) for row in rows])
        return torch.stack([function(row, *others) for row in theta])

    return over


class ColoursLast(nn.Module):
    """The same pictures, in memory pixel by pixel: convolutions then take 0.7 times
    as long on CPUs."""

    def forward(self, X):
        """X [n, colours, height, width] to the same shape."""
        return X.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _convolves(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)


def convnet(channels: int = 16, size: int = 32) -> nn.Sequential:
    """The paper's network for CIFAR-10: pictures [n, 3, size, size] to 10 classes.

    Three times a convolution of 5x5 to ``channels``, max-pooling, batch normalization
    on the statistics of the minibatch, and a ReLU; then a layer of 32 and one of 10.

    >>> sum(p.numel() for p in convnet().parameters())
    22698
    """
    if size < 8 or size % 8:
        raise ValueError(f"size={size}: three poolings need a multiple of 8 pixels.")
    layers, inputs = OrderedDict(colours_last=ColoursLast()), 3
    for k in (1, 2, 3):
        layers[f"conv{k}"] = nn.Conv2d(inputs, channels, 5, padding=2)
        layers[f"pool{k}"] = nn.MaxPool2d(2)
        layers[f"norm{k}"] = nn.BatchNorm2d(channels, track_running_stats=False)
        layers[f"relu{k}"] = nn.ReLU()
        inputs = channels
    layers["flatten"] = nn.Flatten()
    layers["hidden"] = nn.Linear(channels * (size // 8) ** 2, 32)
    layers["relu"] = nn.ReLU()
    layers["output"] = nn.Linear(32, 10)
    return nn.Sequential(layers)


def mlp(sizes, activation: str = "sigmoid") -> nn.Sequential:
    """A fully connected network: linear layers with an activation between them.

    >>> sum(p.numel() for p in mlp([64, 20, 10]).parameters())
    1510
    """
    activations = {
        "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU,
    }  # fmt: skip
    if activation not in activations:
        raise ValueError(
            f"activation={activation!r} is not known. Use one of {list(activations)}."
        )
    if len(sizes) < 2:
        raise ValueError(f"sizes={sizes}: give at least an input and an output size.")
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activations[activation]()]
    return nn.Sequential(*layers[:-1])
