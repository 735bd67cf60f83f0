"""Lesson 02: the meta-loss, the suffix sum, its valley read, evolution strategies."""

import functools
import math

import torch

from l2o_kit.engine import suffix_sum as reversed_sum
from l2o_kit.lessons.l02_meta_gradient.estimators import NoisyQuadratic, fixed_point
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


def _own_meta_loss(phi, theta, f, grad_f, steps):
    total = 0.0
    for _ in range(steps):
        theta = theta - phi.exp() * grad_f(theta)
        total = total + f(theta)
    return total


@exercise(_own_meta_loss, "the losses at theta_1 to theta_T, added up.")
def meta_loss(answer):
    """L(phi) = f(theta_1) + ... + f(theta_T), phi being the log of the rate."""

    def f(theta):
        return theta.square().sum()

    def grad_f(theta):
        return 2 * theta

    theta, phi = torch.tensor([1.0, -3.0]), torch.tensor(-2.0, requires_grad=True)
    value = ask(lambda: answer(phi, theta.clone(), f, grad_f, 5))
    truth = _own_meta_loss(phi, theta, f, grad_f, 5)
    seen, right = number(value), number(truth)
    last = number(f(theta) * (1 - 2 * phi.exp()) ** 10)
    compare(
        seen,
        right,
        {
            "You count f(theta_0) too. No update has a part in it.": right + 10.0,
            "You add up theta_0 to theta_{T-1}: step first, then look "
            "at the loss.": right + 10.0 - last,
            "That is the last loss only. Here every step counts.": last,
            "That is the mean; L(phi) is the sum.": right / 5,
        },
        f"For five steps on theta^2 yours is {seen:.4g}, expected {right:.4g}. The "
        "rate is phi.exp(), and the update is minus the rate times grad_f.",
    )
    _same_derivative(answer)


def _derivative(value, phi):
    """dL/dphi by autograd; Wrong where it cannot walk back from the value to phi."""
    try:
        return torch.autograd.grad(value, phi)[0]
    except RuntimeError as error:
        if "inplace" in str(error):
            raise Wrong(
                "The number is right, but you change theta in place (theta -= ...). "
                "Autograd needs the old one on its way back. Write theta = theta - ..."
            ) from None
        raise Wrong(f"Autograd cannot differentiate it: {error}") from None


def _cube(theta):
    return theta**3


def _quartic(theta):
    """Not a quadratic, on which some cuts leave the same derivative as others."""
    return theta.pow(4).sum() / 4


def _cut(phi, theta, *, read=False, past=False, sums=False):
    """dL/dphi of five steps on the quartic, with one path cut by detach."""
    total = torch.zeros(())
    for _ in range(5):
        start = theta.detach() if past else theta
        theta = start - phi.exp() * _cube(theta.detach() if read else start)
        total = (total.detach() if sums else total) + _quartic(theta)
    return torch.autograd.grad(total, phi)[0]


def _same_derivative(answer):
    """Wrong where a path from phi to the losses is cut: the cut, by its name."""
    phi, theta = torch.tensor(-2.0, requires_grad=True), torch.tensor([1.0, -2.0])
    value = ask(lambda: answer(phi, theta.clone(), _quartic, _cube, 5))
    truth = _own_meta_loss(phi, theta, _quartic, _cube, 5)
    if not near(number(value), number(truth)):
        raise Wrong(
            f"Yours is right for theta^2. For theta^4 / 4 it is {number(value):.4g}, "
            f"expected {number(truth):.4g}. Use f and grad_f as they are given."
        )
    if not (isinstance(value, torch.Tensor) and value.requires_grad):
        raise Wrong(
            "The number is right, but it has lost its graph: autograd cannot "
            "differentiate it. Leave out .item(), float() and .detach()."
        )
    seen, right = _derivative(value, phi), _cut(phi, theta)
    if not near(seen, right):
        raise Wrong(
            "The number is right, its derivative is not. For five steps on theta^4 / 4 "
            f"yours has dL/dphi = {seen:.4g}, expected {right:.4g}. "
            f"{_which_cut(seen, phi, theta)}"
        )


def _which_cut(seen, phi, theta) -> str:
    """What cut the derivative, in words."""
    for wrong, why in (
        (torch.zeros(()), "No path from phi to the losses is left. Is phi detached?"),
        (
            _cut(phi, theta, read=True),
            "What grad_f gives is a constant in yours. That is first order, which "
            "section 2 is about. Leave .detach() out: phi changes theta, and so the "
            "next gradient.",
        ),
        (
            _cut(phi, theta, past=True),
            "theta is detached at each step. That is truncation, in windows of one "
            "step, which section 2 is about. Here each theta depends on phi through "
            "all the steps before it.",
        ),
        (
            _cut(phi, theta, sums=True),
            "The running total is detached, so the last loss alone is differentiated. "
            "All of them belong to the sum.",
        ),
    ):
        if near(seen, wrong):
            return why
    return (
        "Somewhere a path from phi to a loss is cut. Is there a .detach(), a .data or "
        "a torch.no_grad()? That is truncation, or first order, which section 2 is "
        "about. Here every step counts, and all that follows from it."
    )


@exercise(reversed_sum, "each row holds its own term and all later ones.")
def suffix_sum(answer):
    """A[t] = terms[t] + ... + terms[last]."""
    terms = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    try:
        value = ask(answer, terms)
    except Wrong as wrong:
        if "step must be greater" in str(wrong):
            raise Wrong(
                "Tensors cannot be reversed with [::-1]. Use flip(0)."
            ) from None
        raise
    if isinstance(value, torch.Tensor) and value.shape == terms.shape[1:]:
        raise Wrong("You return one sum. There is one for every step t: [steps, ...].")
    value = tensor_like(value, terms, "one row for each step.")
    right = reversed_sum(terms)
    compare(
        value,
        right,
        {
            "You add from the front. An update cannot change losses that came before "
            "it: add from the end.": terms.cumsum(0),
            "You leave the term of the step itself out. Row t begins with "
            "terms[t].": right - terms,
            "The sums are right and stand in reverse order: turn them "
            "round again.": right.flip(0),
        },
        f"Yours is {value.tolist()}, expected {right.tolist()}.",
    )


@functools.cache
def _leads(name: str) -> float:
    """The rate that an estimator leads to, with windows of 10."""
    return float(fixed_point(name, NoisyQuadratic(), 10))


def _own_lowest() -> float:
    return _leads("full")


@exercise(_own_lowest, "more than ten times the rate that short windows lead to.")
def best_rate_of_the_roll_out(answer):
    """The rate at which the laboratory's meta-loss is lowest, read off."""
    read_off(
        answer,
        _own_lowest(),
        0.25,
        "Two curvatures, horizon 100, noise 10. Which rate is under the lowest point "
        "of the left-hand curve?",
        {
            "That is where truncated backpropagation leads: the short-horizon "
            "bias, not the best rate.": _leads("truncated"),
            "That is where the slider stands at first. The curve shows every rate: "
            "where is it lowest?": 0.1,
            "That is phi, its logarithm. The axis shows the rate itself, "
            "exp(phi).": math.log(_own_lowest()),
            "That is the edge of stability. Beyond it every roll-out explodes; the "
            "lowest meta-loss lies well before it.": 2.0,
        },
    )


def _own_es(loss, phi, e, sigma):
    return (loss(phi + sigma * e) - loss(phi - sigma * e)) / (2 * sigma) * e


@exercise(_own_es, "two losses, no derivative.")
def evolution(answer):
    """(L(phi + sigma e) - L(phi - sigma e)) / (2 sigma) e."""

    def loss(phi):
        return phi**3 + 2 * phi

    cases = [(0.5, 1.5, 0.1), (-1.0, -0.7, 0.2)]
    seen = torch.tensor([number(ask(answer, loss, *case)) for case in cases])
    right = torch.tensor([_own_es(loss, *case) for case in cases])
    e = torch.tensor([case[1] for case in cases])
    one_sided = [(loss(p + s * x) - loss(p)) / s * x for p, x, s in cases]
    sigma = torch.tensor([case[2] for case in cases])
    compare(
        seen,
        right,
        {
            "Mind the brackets: / 2 * sigma divides by 2 and then multiplies. Write / "
            "(2 * sigma).": right * sigma**2,
            "You forget to multiply by e. Without it a large perturbation counts as "
            "much as a small one, and its sign is lost.": right / e,
            "The two points lie 2 sigma e apart: divide by 2 sigma.": 2 * right,
            "The sign is turned round: L(phi + sigma e) comes first.": -right,
            "You look to one side only. With a pair, whatever both have in common "
            "cancels.": torch.tensor(one_sided),
        },
        f"For L = phi^3 + 2 phi at phi, e, sigma = {cases[0]} yours is {seen[0]:.4g}, "
        f"expected {right[0]:.4g}.",
    )
