"""Lesson 08: whose parameter is whose, batch normalization, an update of groups."""

import torch

from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.lessons.l08_convnets.places import NAMES
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    exercise,
    near,
    reaches,
    read_off,
    tensor_like,
)


def _own_groups(shapes):
    conv = [name for name, shape in shapes.items() if len(shape) == 4]
    rest = [name for name in shapes if name not in conv]
    return {"conv": conv, "fc": rest}


SHAPES = {
    name: torch.Size(shape)
    for name, shape in {
        "conv1.weight": (16, 3, 5, 5),
        "conv1.bias": (16,),
        "norm1.weight": (16,),
        "first.weight": (8, 16, 3, 3),
        "first.bias": (8,),
        "output.weight": (10, 8),
        "output.bias": (10,),
    }.items()
}


@exercise(_own_groups, "four dimensions make a convolution's weight.")
def groups(answer):
    """Parameters' names and shapes to {"conv": names, "fc": names}."""
    value = ask(answer, dict(SHAPES))
    if not isinstance(value, dict) or set(value) != {"conv", "fc"}:
        raise Wrong('Return a dictionary with two keys, "conv" and "fc".')
    if not all(isinstance(names, list | tuple | set) for names in value.values()):
        raise Wrong("Under each key there must be a list of names.")
    seen = {key: [str(name) for name in names] for key, names in value.items()}
    for name in SHAPES:
        count = seen["conv"].count(name) + seen["fc"].count(name)
        if count == 0:
            raise Wrong(f"{name!r} is in no group: nobody would ever move it.")
        if count > 1:
            raise Wrong(f"{name!r} is in both groups, or twice: who moves it?")
    for name in ("conv1.bias", "norm1.weight"):
        if name in seen["conv"]:
            raise Wrong(
                f"{name!r} belongs to the rest: it is one number for each channel, not "
                "a filter. As in the paper's code, only the convolutions' *weights* go "
                "into one group."
            )
    if "first.weight" not in seen["conv"]:
        raise Wrong(
            "'first.weight' has the shape (8, 16, 3, 3): it is a convolution's, though "
            "its name does not say so. Count dimensions."
        )
    right = _own_groups(SHAPES)
    wrong = set(seen["conv"]) ^ set(right["conv"])
    if wrong:
        name = min(wrong)
        raise Wrong(
            f"{name!r}, {SHAPES.get(name, 'which is no parameter')}, is in the wrong "
            "group."
        )


def _own_batch_norm(X, gain, bias):
    mean = X.mean((0, 2, 3), keepdim=True)
    variance = X.var((0, 2, 3), correction=0, keepdim=True)
    normal = (X - mean) / (variance + 1e-5).sqrt()
    return gain[:, None, None] * normal + bias[:, None, None]


@exercise(_own_batch_norm, "each minibatch is measured by itself.")
def batch_norm(answer):
    """(X [n, channels, h, w], gain [channels], bias [channels]) to X's shape."""
    X = torch.randn(3, 2, 4, 4, generator=stream(0, "batch norm")) * 2 + 1
    X[:, 1] *= torch.arange(1.0, 4.0)[:, None, None]
    gain, bias = torch.tensor([2.0, 0.5]), torch.tensor([0.1, -0.3])
    right = _own_batch_norm(X, gain, bias)
    value = tensor_like(ask(answer, X, gain, bias), right, "one number for each of X.")
    for dims, why in (
        (
            (2, 3),
            "You take the mean of each picture alone. The statistics are those of the "
            "whole minibatch: average over dimension 0 as well.",
        ),
        (
            (0,),
            "You take another mean for each pixel. One mean for each channel: average "
            "over dimensions 0, 2 and 3.",
        ),
        ((1, 2, 3), "You average over the channels. Each channel has its own mean."),
        ((0, 1, 2, 3), "You average over the channels. Each channel has its own mean."),
    ):
        if near(value, _with(X, gain, bias, dims)):
            raise Wrong(why)
    if near(value, _with(X, gain, bias, correction=1)):
        raise Wrong(
            "Nearly: the variance is divided by n - 1. Batch normalization divides by "
            "n: correction=0."
        )
    if near(value, _with(X, torch.ones(2), torch.zeros(2))):
        raise Wrong("Nearly: multiply by the gain and add the bias of each channel.")
    if not near(value, right):
        raise Wrong(
            f"For a random X yours begins with {float(value[0, 0, 0, 0]):.3f}, "
            f"expected {float(right[0, 0, 0, 0]):.3f}. (X less its mean) over the root "
            "of its variance plus 1e-5, times the gain, plus the bias."
        )
    for small in (1e-3 * X, torch.ones_like(X)):
        value = ask(answer, small, gain, bias)
        if not near(value, _own_batch_norm(small, gain, bias)):
            raise Wrong(
                "Where X hardly varies yours differs. Add 1e-5 to the variance, under "
                "the root: (variance + 1e-5).sqrt()."
            )


def _with(X, gain, bias, dims=(0, 2, 3), correction=0):
    mean, variance = (
        X.mean(dims, keepdim=True),
        X.var(dims, correction=correction, keepdim=True),
    )
    normal = (X - mean) / (variance + 1e-5).sqrt()
    return gain[:, None, None] * normal + bias[:, None, None]


def _own_update(grads, places, rules):
    update = torch.zeros_like(grads)
    for name, rule in rules.items():
        update[places[name]] = rule(grads[places[name]])
    return update


@exercise(_own_update, "each group reads its own gradients, and moves its own numbers.")
def grouped_update(answer):
    """(grads [coords], places of each group, rule of each group) to [coords]."""
    grads = torch.arange(1.0, 8.0)
    places = {"conv": torch.tensor([0, 3, 4]), "fc": torch.tensor([1, 2, 5, 6])}
    rules = {"conv": lambda g: -g / g.sum(), "fc": lambda g: -10 * g / g.max()}
    right = _own_update(grads, places, rules)
    value = tensor_like(
        ask(answer, grads, places, rules), right, "one update for each coordinate."
    )
    joined = torch.cat([rules[name](grads[places[name]]) for name in rules])
    if near(value, joined):
        raise Wrong(
            "You put one group's updates behind the other's. Each must go back to the "
            "places where its gradients came from."
        )
    for name, rule in rules.items():
        if near(value, rule(grads)):
            raise Wrong(
                f"You use the rule of {name!r} for all. Each group has its own."
            )
    whole = sum(_placed(rule(grads), places[name]) for name, rule in rules.items())
    if near(value, whole):
        raise Wrong(
            "Your rules read all gradients and move their own numbers. Give each rule "
            "the gradients of its group only."
        )
    if not near(value, right):
        raise Wrong(
            f"Yours begins with {value[:3].tolist()}, expected {right[:3].tolist()}."
        )


def _placed(update, places):
    kept = torch.zeros_like(update)
    kept[places] = update[places]
    return kept


def _curve(name: str, place: str = "all"):
    """A rule's loss at every step, relative to that of step 0."""
    losses = stored(f"conv_{place}", __file__)["losses"][:, 0].astype(float)
    return losses[NAMES.index(name)] / losses[0, 0]


def _own_half() -> float:
    return reaches(_curve("two LSTMs"), 0.5)


@exercise(_own_half, "ten steps before the best rival.")
def half_of_the_loss(answer):
    """The step at which two LSTMs have halved the loss, all ten labels."""
    ours = _curve("two LSTMs")
    read_off(
        answer,
        _own_half(),
        0.1,
        "Labels: all ten. Where does the solid curve on the left come down to 0.5?",
        {
            "That is SGD, the rival that is shown at first. Read the curve of two "
            "LSTMs.": reaches(_curve("SGD"), 0.5),
            "So many steps does NAG take, and LSTM-sub too. Read the curve of two "
            "LSTMs, the solid one.": reaches(_curve("NAG"), 0.5),
            "That is for the labels 0 to 4, an easier task. Move the slider to all "
            "ten.": reaches(_curve("two LSTMs", "five"), 0.5),
            "There a quarter of the loss is gone: at 0.75. Asked is one half.": reaches(
                ours, 0.75
            ),
            "That is the loss after half of the steps. Asked is the step at which "
            "half of the loss is left.": ours[50],
        },
    )
