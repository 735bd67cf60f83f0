"""Networks: any ``nn.Module`` on any tensors, trained side by side.

    f(theta) = mean loss of module(X; theta) on a fresh minibatch

What ``Network`` refuses comes first: it says what was seen, and what to do next.

Source: Andrychowicz et al. 2016, section 3.2 and 3.3.
Left out: batch normalization's running statistics.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from l2o_kit.data import Array, split
from l2o_kit.optimizees import Problem, Theta, in_turn


class Network:
    """Train any ``nn.Module`` on any tensors; theta is all its parameters, flat.

    Arguments:
        module: called as module(X) -> outputs; its own parameter values are not used,
            unless init_std is None.
        X, y: training examples [n, ...] and targets [n, ...].
        X_held_out, y_held_out: judged on, never trained on; left out, a fixed random
            fifth of X, y is kept for it.
        loss: (outputs, targets) -> one number, cross-entropy by default.
        batch_size: examples per minibatch, drawn with replacement at each step.
        init_std: theta_0 ~ N(0, init_std^2); None keeps each layer's initialization.

    Example: ``Network(mlp([64, 20, 10]), *data.digits())``
    """

    def __init__(
        self,
        module: nn.Module,
        X: Array,
        y: Array,
        X_held_out: Array | None = None,
        y_held_out: Array | None = None,
        *,
        loss: Callable = F.cross_entropy,
        batch_size: int = 128,
        init_std: int | float | None = 0.1,
    ):
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

    def sample(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> "NetworkProblem":
        """Draw theta_0 of ``batch`` networks from the generator, in this dtype."""
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

    def outputs(self, theta: Float[Tensor, "coords"], X: Tensor):
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

    def __init__(self, network: Network, theta0: Theta):
        def cast(part):
            return part.to(theta0.dtype) if part.is_floating_point() else part

        self.network, self.theta0 = network, theta0
        layers = network.module.modules()
        # many convolutions at once, each with its own weights, take three times as long
        self.each = in_turn if any(map(_convolves, layers)) else vmap
        self.X, self.y = map(cast, network.data)
        self.X_held_out, self.y_held_out = map(cast, network.held_out_data)

    def minibatch(self, generator: torch.Generator):
        """Row numbers [batch, batch_size] into the training data."""
        shape = (len(self.theta0), self.network.batch_size)
        return torch.randint(len(self.X), shape, generator=generator)

    def loss(self, theta: Theta, minibatch: Any = None):
        """Mean loss [batch] on the minibatch, or, without one, on all training data."""
        if minibatch is None:
            one = self.each(self._one, in_dims=(0, None, None))
            return one(theta, self.X, self.y)
        return self.each(self._one)(theta, self.X[minibatch], self.y[minibatch])

    def held_out(self, theta: Theta):
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


def mlp(sizes: Sequence[int], activation: str = "sigmoid") -> nn.Sequential:
    """A fully connected network: linear layers with an activation between them.

    sizes: of the input, of each hidden layer, and of the output.

    >>> sum(p.numel() for p in mlp([64, 20, 10]).parameters())
    1510
    """
    activations = {
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "silu": nn.SiLU,
    }
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


def convnet(channels: int = 16, size: int = 32) -> nn.Sequential:
    """The paper's network for CIFAR-10: pictures [n, 3, size, size] to 10 classes.

    Three times a convolution of 5x5 to ``channels``, max-pooling, batch normalization
    on the statistics of the minibatch, and a ReLU; then a layer of 32 and one of 10.

    >>> sum(p.numel() for p in convnet().parameters())
    22698
    """
    if size < 8 or size % 8:
        raise ValueError(f"size={size}: three poolings need a multiple of 8 pixels.")
    layers: OrderedDict[str, nn.Module] = OrderedDict(colours_last=ColoursLast())
    inputs = 3
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


class ColoursLast(nn.Module):
    """The same pictures, in memory pixel by pixel: convolutions then take 0.7 times
    as long on CPUs."""

    def forward(self, X: Tensor) -> Tensor:
        """X [n, colours, height, width] to the same shape."""
        return X.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _convolves(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)


def check_data(X: object, y: object, names: str) -> tuple[Tensor, Tensor]:
    """X and y as tensors, real numbers as float32; refused where they make no sense."""
    X, y = map(_as_tensor, (X, y))
    if len(X) == 0:
        raise ValueError(f"{names} are empty. Give at least one example.")
    if len(X) != len(y):
        raise ValueError(
            f"{names} do not match: {len(X)} examples and {len(y)} targets. Give one "
            "target per example."
        )
    for part, name in ((X, names.split()[0]), (y, names.split()[2])):
        if part.is_floating_point() and not part.isfinite().all():
            bad = int((~part.isfinite()).sum())
            raise ValueError(
                f"{name} holds {bad} NaN or infinite value(s). Remove or fill them."
            )
    return X, y


def _as_tensor(values):
    tensor = torch.as_tensor(values)
    return tensor.float() if tensor.is_floating_point() else tensor


def check_module(module: nn.Module):
    """Refuse parameters that are no real numbers, and layers that many networks side
    by side cannot have: dropout, running statistics."""
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point():
            raise ValueError(
                f"parameter {name!r} is {parameter.dtype}: theta moves by real "
                "numbers. Make it a float, or register it as a buffer."
            )
    for name, layer in module.named_modules():
        kind = type(layer).__name__
        if "Dropout" in kind and layer.training and getattr(layer, "p", 1) > 0:
            raise ValueError(
                f"layer {name!r} is a {kind}: its random numbers would not come from "
                "the kit's seeds. Leave it out, or call module.eval() first."
            )
        if getattr(layer, "track_running_stats", False) and layer.training:
            raise ValueError(
                f"layer {name!r} is a {kind} with running statistics, which networks "
                "side by side would mix. Build it with track_running_stats=False."
            )


def check_loss(network: Network):
    """Try the network on two examples; say what does not fit."""
    X, y = network.data
    theta = torch.zeros(network.coords)
    try:
        outputs = network.outputs(theta, X[:2])
    except RuntimeError as error:
        raise ValueError(_misfit(X, error)) from None
    if network.loss_fn is F.cross_entropy:
        for part, where in ((y, "y"), (network.held_out_data[1], "y_held_out")):
            _check_classes(part, outputs, where)
    elif (
        y.ndim == 1
        and outputs.ndim == 2
        and (y.is_floating_point() or outputs.shape[1] == 1)
    ):
        raise ValueError(
            f"y has shape {list(y.shape)}, and the outputs for it {len(y)} rows of "
            f"{outputs.shape[1]}: compared, they would spread to every pair. Use y[:, "
            "None].float()."
        )
    try:
        value = network.loss_fn(outputs, y[:2])
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"loss fails for outputs {_kind(outputs)} and targets {_kind(y[:2])}: "
            f"{_first_line(error)}. For real targets give y the shape of the outputs, "
            "y[:, None].float()."
        ) from None
    if value.shape != ():
        raise ValueError(
            "loss must give one number per problem, and gave shape "
            f"{list(value.shape)} for two examples. Average over the minibatch, for "
            "instance with reduction='mean'."
        )


def _check_classes(y, outputs, where: str):
    """Class numbers, as cross-entropy wants them."""
    if outputs.ndim < 2:
        raise ValueError(
            f"the outputs for {len(outputs)} examples have shape "
            f"{list(outputs.shape)}, and cross-entropy wants a row of classes for each "
            "example, [examples, classes]. For one number each, use "
            "loss=F.binary_cross_entropy_with_logits or F.mse_loss."
        )
    count = outputs.shape[1]
    if y.is_floating_point() and y.ndim == 1:
        raise ValueError(
            f"{where} is {y.dtype}, and cross-entropy wants class numbers. Use "
            f"{where}.long(); to predict real numbers, loss=F.mse_loss."
        )
    if y.is_floating_point():
        return  # probabilities of the classes
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= count:
        raise ValueError(
            f"{where} holds classes {low} to {high}, and the network has {count} "
            f"outputs: classes must be 0 to {count - 1}. Count them from 0, or give "
            "the last layer more outputs."
        )
    if low == high and where == "y":
        raise ValueError(
            f"y holds one class only, {low}: there is nothing to learn. Was the data "
            "sorted before it was cut?"
        )


def _misfit(X, error) -> str:
    if not X.is_floating_point():
        return (
            f"X is {X.dtype}, and the module cannot read it ({_first_line(error)}). "
            "Use X.float(), pictures X.float() / 255."
        )
    advice = (
        "X.flatten(1) makes rows of pictures."
        if X.ndim > 2
        else ("Compare the first layer's inputs with the columns of X.")
    )
    return f"the module cannot read X {list(X.shape)} ({_first_line(error)}). {advice}"


def _kind(tensor) -> str:
    return f"{list(tensor.shape)} {tensor.dtype}"


def _first_line(error) -> str:
    return str(error).splitlines()[0].rstrip(".")
