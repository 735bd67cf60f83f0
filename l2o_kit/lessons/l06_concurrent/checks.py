"""Lesson 06: a weighted sum, the noise left, poisoned labels, sources counted."""

import math

import torch

from l2o_kit import data
from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.lessons.l06_concurrent.teamwork import GRID
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    compare,
    exercise,
    near,
    number,
    read_off,
    tensor_like,
)


def _own_combined(alpha, grads):
    return torch.softmax(alpha, dim=0) @ grads


@exercise(_own_combined, "the weights are positive and add up to 1, whatever alpha is.")
def combined(answer):
    """(alpha [sources], grads [sources, coords]) to one gradient, [coords]."""
    alpha = torch.tensor([0.0, 1.0, -2.0])
    grads = torch.randn(3, 4, generator=stream(0, "combined"))
    right = _own_combined(alpha, grads)
    value = tensor_like(ask(answer, alpha, grads), right, "one number a coordinate.")
    compare(
        value,
        right,
        {
            "You weigh with alpha itself, which may be negative. Take the softmax of "
            "alpha first.": alpha @ grads,
            "exp(alpha) is positive, but does not add up to 1: "
            "divide by its sum.": alpha.exp() @ grads,
            "That is the plain average: alpha has no say.": grads.mean(0),
            "That is the plain sum: alpha has no say.": grads.sum(0),
            "You take the softmax of the gradients. It is alpha's.": (
                torch.softmax(grads, 0) * alpha[:, None]
            ).sum(0),
            "The sign of alpha is turned round: a larger alpha "
            "means more trust.": torch.softmax(-alpha, 0) @ grads,
        },
        f"Yours gives {_short(value)}, expected {_short(right)}.",
    )


def _own_noise(lambdas, stds):
    return (lambdas**2 * stds**2).sum().sqrt()


@exercise(_own_noise, "errors add up in squares, and a square root brings them back.")
def left_over_noise(answer):
    """(lambdas [sources], stds [sources]) to the size of what is left, a number."""
    lambdas, stds = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([1.0, 2.0, 4.0])
    right = float(_own_noise(lambdas, stds))
    value = number(ask(answer, lambdas, stds))
    compare(
        value,
        right,
        {
            "You add up sizes. Independent errors partly cancel: add up their "
            "*squares*, then take the root.": (lambdas * stds).sum(),
            "That is the variance. Take its square root.": (lambdas**2 * stds**2).sum(),
            "lambda is inside the square too: the error of source k in the sum is "
            "lambda_k s_k eps_k.": (lambdas * stds**2).sum().sqrt(),
            "lambda is inside the square too, and a root is missing.": (
                lambdas * stds**2
            ).sum(),
            "lambda has no say in yours.": (
                (stds**2).mean().sqrt(),
                (stds**2).sum().sqrt(),
            ),
        },
        f"For lambda = {_short(lambdas)} and s = {_short(stds)} yours gives "
        f"{value:.4g}, expected {right:.4g}.",
    )


CLASSES, EXAMPLES = 10, 10_000


def _own_poison(labels, rate, generator):
    return data.poison(labels, rate, generator)


@exercise(_own_poison, "just as many as asked, and each of them wrong.")
def poisoned(answer):
    """(labels [n], rate, generator) to labels of which a share is another class."""
    labels = torch.arange(EXAMPLES) % CLASSES
    generator = stream(0, "poison exercise")
    _ask_shares(answer, labels, generator)
    fresh, *twice = (
        ask(answer, labels, 0.4, g)
        for g in (generator, *(stream(0, "poison twice") for _ in range(2)))
    )
    if not torch.equal(*twice):
        raise Wrong("The same generator gives other labels. Draw all you draw with it.")
    if torch.equal(fresh, twice[0]):
        raise Wrong("Each call spoils the same labels. Draw them with the generator.")
    if torch.equal(fresh != labels, twice[0] != labels):
        raise Wrong("Each call spoils the same examples. Draw which ones, too.")
    spread = torch.bincount(
        (fresh - labels)[fresh != labels] % CLASSES, minlength=CLASSES
    )[1:]
    if int((spread > 0).sum()) < CLASSES - 1:
        raise Wrong(
            f"A wrong label is one of {int((spread > 0).sum())} other classes, not of "
            "all nine. Draw the shift from 1 to 9."
        )


def _ask_shares(answer, labels, generator):
    """Wrong unless just round(rate * n) labels are another class."""
    if not near(_changed(answer, labels, 0.0, generator), 0):
        raise Wrong("At rate 0 nothing may change.")
    found = _changed(answer, labels, 0.4, generator)
    if near(found, 0.4 * (1 - 1 / CLASSES), tolerance=0.05):
        raise Wrong(
            f"At rate 0.4 a share of {found:.3f} is wrong. Perhaps you draw a class "
            "that may be the old one? Add 1 to 9 and take the remainder by 10."
        )
    if near(found, 0.6):
        raise Wrong(
            "At rate 0.4 a share of 0.6 is wrong: you keep what you should change."
        )
    if near(found, 0.4, tolerance=0.05) and found != 0.4:
        raise Wrong(
            f"At rate 0.4 a share of {found:.4f} is wrong: nearly. The rate is a "
            "share, not a chance: choose just round(rate * n) of them."
        )
    if found != 0.4:
        raise Wrong(f"At rate 0.4 a share of {found:.3f} is wrong, expected 0.4.")
    for n in (EXAMPLES - 1, EXAMPLES - 2):  # where int, and ceil, differ from round
        found = round(n * _changed(answer, labels[:n], 0.4, generator))
        if found != round(0.4 * n):
            raise Wrong(
                f"At rate 0.4 yours spoils {found:,} of {n:,} labels, expected "
                f"round({0.4 * n:.1f}) = {round(0.4 * n):,}."
            )


def _changed(answer, labels, rate, generator) -> float:
    value = ask(answer, labels, rate, generator)
    value = tensor_like(value, labels, "one label for each example.")
    if value.is_floating_point():
        raise Wrong(f"Labels are whole numbers; yours are {value.dtype}.")
    if not 0 <= int(value.min()) <= int(value.max()) < CLASSES:
        odd = int(value[(value < 0) | (value >= CLASSES)][0])
        raise Wrong(f"Yours has a label of {odd}, and there are classes 0 to 9.")
    return float((value != labels).double().mean())


def _short(values: torch.Tensor) -> str:
    return ", ".join(f"{x:.3g}" for x in values.tolist())


UNTRAINED = math.log(10)  # the loss of saying 1/10 for each class


def _needed(rule: str, size: int) -> int:
    """The least number of sources with a loss below that, at concentration 0.25."""
    at = GRID["size"].index(size), GRID["concentration"].index(0.25)
    losses = stored("subsets", __file__)[rule].astype(float).mean(-1)[:, at[0], at[1]]
    return GRID["count"][int((losses < UNTRAINED).argmax())]


def _own_needed() -> int:
    return _needed("average", 40)


@exercise(_own_needed, "with fewer, training is worse than none.")
def sources_needed(answer):
    """How many sources of 40 examples it takes to be better than no training."""
    read_off(
        answer,
        _own_needed(),
        0.05,
        "Subsets of 40, concentration 0.25. Which is the first dot of the learned "
        "curve below 2.3?",
        {
            "That is for subsets of 80. Move the slider to 40: smaller subsets "
            "miss more classes.": _needed("average", 80),
            "That is Adam's curve. Read the learned one.": _needed("adam", 40),
            "There the loss is lowest. Asked is where it first falls below 2.3.": GRID[
                "count"
            ][-1],
            "One source alone learns its few classes, and is sure and wrong about "
            "all others: worse than no training.": GRID["count"][0],
        },
    )
