"""Lesson 01: the gradient of a quadratic, where rules diverge, and momentum."""

import torch

from l2o_kit.baselines import momentum as heavy_ball
from l2o_kit.lessons.l01_descent.valleys import best_heavy_ball, divergence_rate
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    exercise,
    near,
    number,
    read_off,
    tensor_like,
)


def _own_gradient(theta, H):
    return H @ theta


@exercise(_own_gradient, "it agrees with autograd.")
def gradient(answer):
    """The gradient of 1/2 theta^T H theta, H symmetric."""
    theta = torch.tensor([1.0, -2.0, 0.5])
    H = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 1.0]])
    leaf = theta.clone().requires_grad_()
    (truth,) = torch.autograd.grad(0.5 * leaf @ H @ leaf, leaf)
    value = ask(answer, theta, H)
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        raise Wrong(
            "You returned one number. The loss is one number; the gradient has one for "
            "each coordinate: how the loss changes when that coordinate moves."
        )
    if isinstance(value, torch.Tensor) and value.shape == H.shape:
        raise Wrong(
            "You returned a matrix: * multiplies number by number. The product of a "
            "matrix and a vector is written H @ theta."
        )
    value = tensor_like(value, theta, "one number for each coordinate of theta.")
    for factor, why in (
        (2.0, "The 1/2 in front of f cancels the 2 of the square."),
        (0.5, "The square brings down a 2, which cancels the 1/2."),
        (-1.0, "The gradient points uphill; the minus comes in the update."),
    ):
        if near(value, factor * truth):
            raise Wrong(f"Yours is {factor:g} times the gradient. {why}")
    if not near(value, truth):
        raise Wrong(
            f"At theta = {theta.tolist()} yours is {value.tolist()}; autograd says "
            f"{truth.tolist()}. Differentiate one term, 1/2 H_ij theta_i theta_j, by "
            "hand, and remember that theta_i stands in two places."
        )


BETA, KAPPA = 0.5, 20.0  # where the panel is read


def _own_ball() -> float:
    return divergence_rate("Momentum", BETA)


@exercise(_own_ball, "momentum allows larger rates, a larger beta still larger ones.")
def limit_of_momentum(answer):
    """The rate from which Momentum with beta 0.5 runs away, read off."""
    read_off(
        answer,
        _own_ball(),
        0.08,
        "Choose Momentum and beta 0.5. At which rate does the right-hand curve leave "
        "the picture at the top? The dashed line stands there.",
        {
            "That is the limit for beta 0.9. Move the slider to 0.5.": divergence_rate(
                "Momentum", 0.9
            ),
            "That is the limit of plain gradient descent. "
            "Momentum moves it.": divergence_rate("SGD", 0.0),
            "That is the limit of NAG: it looks ahead, and pays for that. Choose "
            "Momentum.": divergence_rate("NAG", BETA),
            "That is the dotted line: the best rate (with another beta), not the "
            "limit.": best_heavy_ball(1.0, 1 / KAPPA)[0],
            "You expect momentum to run away sooner. Across the valley the "
            "gradients change sign, so the sum holds the steps back.": 2 * (1 - BETA),
        },
    )


def _own_limit(L):
    return 2 / L


@exercise(_own_limit, "beyond 2 / L each step lands further out than it began.")
def divergence(answer):
    """The rate above which plain gradient descent diverges."""
    values = [number(ask(answer, L)) for L in (0.5, 4.0)]
    reasons = (
        (
            (2.0, 0.25),
            "1 / L is the rate that lands exactly on the minimum in one step. Beyond "
            "it the path overshoots, but still comes closer.",
        ),
        (
            (0.25, 2.0),
            "Yours is L / 2, upside down: a steeper valley needs a smaller step.",
        ),
        ((2.0, 2.0), "Yours does not depend on L: 2 is the answer for L = 1 only."),
    )
    for wrong, why in reasons:
        if near(torch.tensor(values), torch.tensor(wrong)):
            raise Wrong(why)
    if not near(torch.tensor(values), torch.tensor([4.0, 0.5])):
        raise Wrong(
            f"For L = 0.5 and L = 4 yours gives {values[0]:g} and {values[1]:g}. Along "
            "the steepest direction a step multiplies the distance by 1 - rate * L. "
            "When is that outside -1 to 1?"
        )


def _own_momentum(grad, v, lr, beta):
    update, (v, _) = heavy_ball(grad, (v, 0.0), 1, lr, beta)
    return update, v


@exercise(_own_momentum, "five steps of yours equal those of torch.optim.SGD.")
def momentum(answer):
    """One step of the heavy ball: (grad, v, lr, beta) to (update, new v)."""
    grads = torch.tensor(
        [[1.0, -2.0], [0.5, -1.0], [0.2, 3.0], [-1.0, 1.0], [2.0, 0.0]]
    )
    lr, beta = 0.1, 0.8
    updates = _updates(answer, grads, lr, beta)
    right = _updates(_own_momentum, grads, lr, beta)
    if near(updates, -right):
        raise Wrong("Your updates go uphill: the update is minus lr times v.")
    if near(updates, right * (1 - beta)):
        raise Wrong(
            "You weigh the gradient by (1 - beta), as Adam does for its mean. Then v "
            "is an average. The heavy ball keeps a sum: v = beta * v + grad."
        )
    if near(updates, -lr * grads):
        raise Wrong(
            "Your updates are those of plain gradient descent: v is not carried on. "
            "Return the new v, and use it in the next step."
        )
    if near(updates[1:], right[:-1]):
        raise Wrong("You step with the old v. Bring v up to date first, then step.")
    if not near(updates, right):
        raise Wrong(
            f"Step 2 of yours is {updates[1].tolist()}, expected {right[1].tolist()}. "
            "v = beta * v + grad, then the update is -lr * v."
        )


def _updates(rule, grads, lr, beta):
    """The updates of a rule on a list of gradients: [steps, coords]."""
    v, updates = torch.zeros_like(grads[0]), []
    for grad in grads:
        value = ask(rule, grad, v, lr, beta)
        if not (isinstance(value, tuple) and len(value) == 2):
            raise Wrong("Return two things: the update and the new v.")
        update, v = (tensor_like(x, grad, "as many as theta has.") for x in value)
        updates.append(update)
    return torch.stack(updates)
