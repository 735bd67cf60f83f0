"""Lesson 05: discounts, normalized inputs, scaled coordinates, a crossing read."""

import numpy as np
import torch

from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.lessons.l05_generalization.horizon import MARKS, TUNED_FOR
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    compare,
    exercise,
    near,
    read_off,
    tensor_like,
)

STEPS, DISCOUNT = 5, 0.5


def _own_weights(steps, discount):
    return torch.tensor([float(discount) ** (steps - s) for s in range(1, steps + 1)])


@exercise(_own_weights, "and a discount of 0 keeps the last loss alone.")
def discount_weights(answer):
    """(steps of a window, discount) to the weight of each loss, [steps]."""
    right = _own_weights(STEPS, DISCOUNT)
    value = ask(answer, STEPS, DISCOUNT)
    value = value if isinstance(value, torch.Tensor) else _listed(value)
    value = tensor_like(value, right, "one weight for each of theta_1 to theta_T.")
    compare(
        value,
        right,
        {
            "That is turned round: the *last* loss has the weight 1, as in discount^(T "
            "- s) with s = T.": right.flip(0),
            "One power too many: the last loss has the weight discount^0 = 1.": DISCOUNT
            * right,
            "That is discount^s. The power counts the steps that are still to come, T "
            "- s.": DISCOUNT * right.flip(0),
            "You make them add up to 1. They need not: Adam, which trains phi, is "
            "blind to the size of the meta-gradient.": right / right.sum(),
            "Each weight is the same. Take a power.": torch.full((STEPS,), DISCOUNT),
            "You multiply; the discount is to the power of T - s.": torch.tensor(
                [DISCOUNT * (STEPS - s) for s in range(1, STEPS + 1)]
            ),
        },
        f"For T = {STEPS} and a discount of {DISCOUNT} yours gives {_short(value)}, "
        f"expected {_short(right)}.",
    )
    last = ask(answer, 3, 0.0)
    last = last if isinstance(last, torch.Tensor) else _listed(last)
    last = tensor_like(
        last, torch.zeros(3), "one weight for each of theta_1 to theta_T."
    )
    if not near(last, torch.tensor([0.0, 0.0, 1.0])):
        raise Wrong(
            f"A discount of 0 gives {_short(last)}, expected 0, 0, 1: zero to the "
            "power zero is 1, and the last loss alone is left."
        )


BETA, EPSILON = 0.9, 1e-8


def _own_normalized(grads, beta):
    m = v = torch.zeros_like(grads[0])
    inputs = []
    for t, d in enumerate(grads, start=1):
        m = beta * m + (1 - beta) * d
        v = beta * v + (1 - beta) * d**2
        size = (v / (1 - beta**t)).sqrt() + EPSILON
        inputs.append(torch.stack([m / (1 - beta**t), d]) / size)
    return torch.stack(inputs)


def _broken(grads, *, correct=True, root=True, of_m=False, late=False, kept=False):
    """The inputs with one mistake in them."""
    m = v = torch.zeros_like(grads[0])
    inputs = []
    for t, d in enumerate(grads, start=1):
        before = m, v
        m = BETA * m + (1 - BETA) * d
        v = BETA * v + (1 - BETA) * (m if of_m else d) ** 2
        seen = before if late else (m, v)
        bias = 1 - BETA**t if correct else 1.0
        size = (seen[1] / bias).sqrt() if root else seen[1] / bias
        inputs.append(torch.stack([seen[0] / bias, d]) / (size + EPSILON))
        m, v = (m / bias, v / bias) if kept else (m, v)
    return torch.stack(inputs)


@exercise(
    _own_normalized, "whatever the size of the gradients, the inputs are about one."
)
def normalized_inputs(answer):
    """Gradients [steps, coords] and beta to the inputs, [steps, 2, coords]."""
    sizes = torch.tensor([1.0, 1000.0, 0.0])
    grads = torch.randn(4, 3, generator=stream(0, "normalized")) * sizes
    right = _own_normalized(grads, BETA)
    value = ask(answer, grads, BETA)
    if getattr(value, "shape", None) == right.shape and value[..., 2].isnan().any():
        raise Wrong(
            "Where all gradients are zero you divide 0 by 0. Add 1e-8 to the square "
            "root, as Adam does."
        )
    value = tensor_like(value, right, "a step, the two inputs, a coordinate.")
    compare(
        value,
        right,
        {
            "The averaged gradient comes first, then the new one.": right.flip(1),
            "At the first step m is only (1 - beta) d. Divide m and v by 1 - beta^t: "
            "averages that begin at zero are too small.": _broken(grads, correct=False),
            "You divide by v. It is the mean of d squared: take its square root, or "
            "the inputs keep the size of the gradients, upside down.": _broken(
                grads, root=False
            ),
            "v averages the squares of d, not those of m.": _broken(grads, of_m=True),
            "You use the m and v of the step before. Update them first.": _broken(
                grads, late=True
            ),
            "The next step goes on from the divided m and v. Keep the undivided ones "
            "for it.": _broken(grads, kept=True),
        },
        f"At the first step of the first coordinate yours is {_short(value[0, :, 0])}, "
        f"expected {_short(right[0, :, 0])}; at the last {_short(value[-1, :, 0])}, "
        f"expected {_short(right[-1, :, 0])}.",
        tolerance=1e-3,
    )
    _reads_beta(answer, grads, value)


def _reads_beta(answer, grads, before):
    """Wrong where another beta than 0.9 gives wrong inputs."""
    right = _own_normalized(grads, 0.5)
    value = tensor_like(ask(answer, grads, 0.5), right, "as with another beta.")
    if near(value, before):
        raise Wrong(
            f"Yours gives the same with beta = {BETA} and with 0.5. beta says how much "
            f"of the past m and v keep, and {BETA} is one choice. Use the argument."
        )
    if not near(value, right, tolerance=1e-3):
        raise Wrong(
            f"With beta = {BETA} yours is right, with 0.5 it is not. Is there a number "
            "in place of beta? It stands in m, in v and in 1 - beta^t."
        )


def _own_scaled(gradient, theta, scale):
    return scale * gradient(scale * theta)


@exercise(
    _own_scaled,
    "the chain rule: each coordinate's gradient is scaled as the coordinate is.",
)
def scaled_gradient(answer):
    """(gradient of f, theta, s) to the gradient of theta -> f(s theta), [coords]."""
    theta, scale = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 3.0, 1.0])

    def gradient(x):
        return x**3 + x[0]

    right = _own_scaled(gradient, theta, scale)
    value = ask(answer, gradient, theta, scale)
    value = tensor_like(value, right, "a number for each coordinate.")
    compare(
        value,
        right,
        {
            "You ask for the gradient at the right place, s theta, and forget the "
            "chain rule: the derivative of s theta is s.": gradient(scale * theta),
            "The gradient is taken at s theta, where f is evaluated, "
            "not at theta.": scale * gradient(theta),
            "Multiply by s. (It is the *update* of the original coordinates that "
            "divides.)": gradient(scale * theta) / scale,
            "That is the gradient of f itself, at theta.": gradient(theta),
        },
        f"For theta = {_short(theta)} and s = {_short(scale)} yours gives "
        f"{_short(value)}, expected {_short(right)}.",
    )


def _listed(value) -> torch.Tensor:
    try:
        return torch.tensor([float(x) for x in value])
    except (TypeError, ValueError):
        raise Wrong(
            f"You returned a {type(value).__name__}; return a tensor of weights."
        ) from None


def _short(values: torch.Tensor) -> str:
    return ", ".join(f"{x:.3g}" for x in values.tolist())


def _ahead(name: str) -> np.ndarray:
    """The marks, in steps, at which a rule has a lower loss than plain."""
    plain, robust, adam = stored("horizons", __file__)["curves"][:, 0].astype(float)
    return MARKS[{"robust": robust, "Adam": adam}[name] < plain]


def _own_passes() -> float:
    return float(_ahead("Adam")[0])


@exercise(_own_passes, "and it was ahead for several times its training.")
def adam_passes(answer):
    """The step at which Adam's loss falls below that of plain, read off."""
    ends = np.setdiff1d(MARKS, _ahead("robust")).max()  # plain leads here
    read_off(
        answer,
        _own_passes(),
        0.3,
        "10,000 steps. Where does Adam's curve first go below that of plain? Mind the "
        "axis: from 100 to 1,000 is one power of ten.",
        {
            "There it is robust that leaves plain behind. Look for Adam's look in "
            "the legend.": float(ends),
            "For so many steps Adam's rate was tuned, and near there plain begins "
            "to rise. Adam passes it sooner.": TUNED_FOR,
            "There the training of plain ended. It stays ahead for a while.": 100,
            "That is the end. Go back to where the two curves cross.": float(MARKS[-1]),
        },
    )
