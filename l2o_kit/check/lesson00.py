"""Lesson 00: a rule is a function of the gradient that returns the update."""

import torch

from l2o_kit.check.answers import Wrong, ask, exercise, tensor_like


def _own(grad):
    return -4.0 * grad


@exercise(_own, "a function of the gradient, and it steps downhill.")
def update_rule(rule):
    """Plain gradient descent, or any other rule that goes downhill."""
    grad = torch.tensor([[1.0, -2.0, 0.0]])
    update = tensor_like(
        ask(rule, grad), grad,
        "a rule gives one number for each coordinate. Did you sum over them?",
    )  # fmt: skip
    if torch.equal(update, torch.zeros_like(update)):
        raise Wrong("Your update is zero: nothing will move.")
    if float((update * grad).sum()) > 0:
        raise Wrong(
            "Your update goes uphill, along the gradient. The kit adds the update to "
            "theta, so plain gradient descent is minus the rate times the gradient."
        )
