"""What ``Network`` refuses, and how it says so: what was seen, and what to do next."""

import torch
from torch import nn
from torch.nn import functional as F


def check_data(X, y, names: str):
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


def check_loss(network):
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
            f"{outputs.shape[1]}: compared, they would spread to every pair. Use "
            "y[:, None].float()."
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
            f"loss must give one number per problem, and gave shape "
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
    advice = "X.flatten(1) makes rows of pictures." if X.ndim > 2 else (
        "Compare the first layer's inputs with the columns of X."
    )  # fmt: skip
    return f"the module cannot read X {list(X.shape)} ({_first_line(error)}). {advice}"


def _kind(tensor) -> str:
    return f"{list(tensor.shape)} {tensor.dtype}"


def _first_line(error) -> str:
    return str(error).splitlines()[0].rstrip(".")
