"""Lesson 10: a training loop, a function of one's own, the break-even, a scorecard."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.lessons.l10_take_home.scorecard import MEASURES, TASKS, colour
from l2o_kit.lessons.l10_take_home.scorecard import RULES as LEARNED
from l2o_kit.network import mlp
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    compare,
    exercise,
    near,
    number,
    read_off,
    slope,
)


def _own_loop(model, optimizer, batches):
    losses = []
    for X, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _no_zero_grad(model, optimizer, batches):
    for X, y in batches:
        F.cross_entropy(model(X), y).backward()
        optimizer.step()


def _step_first(model, optimizer, batches):
    for X, y in batches:
        optimizer.step()
        optimizer.zero_grad()
        F.cross_entropy(model(X), y).backward()


def _twice(model, optimizer, batches):
    for X, y in batches:
        _own_loop(model, optimizer, [(X, y)] * 2)


def _loop_case():
    draw = stream(0, "loop")
    model = mlp([3, 4, 2], "tanh").double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    batches = [
        (
            torch.randn(8, 3, generator=draw).double(),
            torch.randint(2, (8,), generator=draw),
        )
        for _ in range(4)
    ]
    return model, batches


def _after(loop, model, batches):
    """The parameters after a loop on a copy of the model, and what it returned."""
    model = copy.deepcopy(model)
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust")
    value = loop(model, optimizer, batches)
    return nn.utils.parameters_to_vector(model.parameters()).detach(), value


@exercise(_own_loop, "the same loop would serve Adam. That is what drop-in means.")
def training_loop(answer):
    """(model, optimizer, batches) to the loss of each step; the model is trained."""
    model, batches = _loop_case()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    steps = []

    def asked(model, optimizer, batches):
        optimizer.register_step_post_hook(lambda *_: steps.append(1))
        return _ask_in_place(answer, model, optimizer, batches)

    theta, value = _after(asked, model, batches)
    right, losses = _after(_own_loop, model, batches)
    if torch.equal(theta, before):
        raise Wrong(
            "The model did not move: step() found no gradients. backward() is missing, "
            "or zero_grad() comes between backward() and step()."
            if steps
            else "The model did not move. Call optimizer.step() for each minibatch."
        )
    for wrong, why in (
        (
            _no_zero_grad,
            "Nearly: gradients add up from step to step. Call optimizer.zero_grad() "
            "before each backward().",
        ),
        (
            _step_first,
            "You step before backward(): each step then uses the gradient of the "
            "minibatch before, and the first one none.",
        ),
        (_twice, "Each minibatch is used twice. Step once for each."),
    ):
        if near(theta, _after(wrong, model, batches)[0]):
            raise Wrong(why)
    if not near(theta, right):
        raise Wrong(
            "The model ends elsewhere than it should. For each (X, y): zero_grad, "
            "F.cross_entropy(model(X), y), backward, step. Nothing else."
        )
    _check_losses(value, losses, len(batches[0][0]))


def _ask_in_place(answer, *arguments):
    """``ask``, for a function that is meant to change its arguments."""
    return ask((lambda: answer(*arguments)) if callable(answer) else answer)


def _check_losses(value, right, examples: int):
    try:
        value = torch.tensor([number(one) for one in value])
    except (TypeError, Wrong):
        raise Wrong(
            f"You returned a {type(value).__name__}; return a list of the losses."
        ) from None
    if len(value) != len(right):
        raise Wrong(f"You returned {len(value)} losses for {len(right)} minibatches.")
    if near(value, examples * torch.tensor(right)):
        raise Wrong(
            f"Your losses are {examples} times the right ones: you add up the "
            f"{examples} examples of a minibatch. Take the mean, as F.cross_entropy "
            "does unless told otherwise."
        )
    if not near(value, torch.tensor(right)):
        raise Wrong(
            "The model is trained rightly, but the losses differ: return each one as "
            "it was before its step, loss.item()."
        )


def _own_himmelblau(theta):
    x, y = theta
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


@exercise(_own_himmelblau, "any function of a tensor is an optimizee.")
def himmelblau(answer):
    """theta [2] to one number that autograd can differentiate."""
    for x, y in ((1.5, -3.2), (-0.7, 3.1)):
        theta = torch.tensor([x, y], requires_grad=True)
        value = ask(answer, theta)
        _check_value(value, theta)
        _check_slope(value, theta)


def _check_value(value, theta):
    """Wrong unless the number is right."""
    right = _own_himmelblau(theta.detach())
    x, y = theta.detach()
    compare(
        number(value),
        float(right),
        {
            "Square both brackets before you add them.": (x**2 + y - 11)
            + (x + y**2 - 7),
            "That is the first bracket. Add the second, x + y^2 - 7, squared.": (
                x**2 + y - 11
            )
            ** 2,
            "Square each bracket alone, then add.": ((x**2 + y - 11) + (x + y**2 - 7))
            ** 2,
            "The squares inside are exchanged: x is squared beside the 11, y beside "
            "the 7.": (x + y**2 - 11) ** 2 + (x**2 + y - 7) ** 2,
        },
        f"At x = {float(x):g}, y = {float(y):g} yours gives {number(value):.4f}, "
        f"expected {float(right):.4f}.",
    )


def _check_slope(value, theta):
    """Wrong unless it is one number with the right gradient."""
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        raise Wrong(
            "The number is right, but autograd cannot see through it: no .item(), no "
            "float(), no numpy inside f. Return the tensor."
        )
    if value.shape:
        raise Wrong(
            f"The number is right, in a tensor of shape {list(value.shape)}. Return "
            "one of shape [], as x, y = theta makes them, or theta[0] and theta[1]."
        )
    seen, right = slope(value, theta), slope(_own_himmelblau(theta), theta)
    if not near(seen, right):
        raise Wrong(
            "The number is right, and its gradient is not: autograd gives "
            f"{seen[0]:.4g}, {seen[1]:.4g}, expected {right[0]:.4g}, {right[1]:.4g}. "
            "Does part of theta leave the graph, with .detach(), .item() or .data?"
        )


def _own_share(gradient, adam, learned):
    return (gradient + adam) / (gradient + learned)


@exercise(_own_share, "the dearer the gradient, the less the update matters.")
def worth_it(answer):
    """Times of a gradient, Adam's update and the learned one to a share of steps."""
    case = 3.0, 0.5, 6.0
    value, right = number(ask(answer, *case)), _own_share(*case)
    compare(
        value,
        right,
        {
            "You compare the updates alone. A step is a gradient and an update, for "
            "both rules.": case[1] / case[2],
            "Turned round: yours says how many times as long a learned step takes. The "
            "share of steps it may take is one over that.": 1 / right,
            "Adam's update takes time too: add it to the gradient "
            "above the line.": case[0] / (case[0] + case[2]),
            "That is the share of steps it must save. Asked is the share that it may "
            "take.": 1 - right,
        },
        f"For a gradient of 3 ms and updates of 0.5 and 6 ms yours gives {value:.4f}, "
        f"expected {right:.4f}. Set both times equal, and solve for steps_learned / "
        "steps_Adam.",
    )


def _cells(rule: str) -> dict[str, str]:
    """task -> green, red or undecided, over all steps."""
    measure = MEASURES.index("all steps")
    ratios = stored("scorecard", __file__)["ratios"][:, LEARNED.index(rule), measure]
    return {task: colour(cell) for task, cell in zip(TASKS, ratios, strict=True)}


def _own_green() -> int:
    cells = _cells("neural_art")
    return sum(
        cells[task] == "green" and "neural_art" not in TASKS[task].home
        for task in TASKS
    )


@exercise(_own_green, "and at home it is green as well, which says less.")
def green_cells(answer):
    """On how many tasks away from home neural_art is surely ahead of Adam."""
    found, green = list(_cells("neural_art").values()), _own_green()
    read_off(
        answer,
        green,
        0.05,
        "Loss over all steps. Go along the row of neural_art, and count the green "
        "cells that have no frame.",
        {
            "You count the framed cell too. There it is at home: that it does well "
            "where it was trained is no surprise.": found.count("green"),
            "You count the grey cells too. Grey is too close to call: the interval "
            "reaches across 1.": green + found.count("undecided"),
            "Those are the red ones, where it is surely behind.": found.count("red"),
            "So many tasks are away from home. On how many of them is it green?": len(
                TASKS
            )
            - 1,
        },
    )
