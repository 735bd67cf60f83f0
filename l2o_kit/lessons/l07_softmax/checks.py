"""Lesson 07: inverse variances, two sources, a path read, a gradient for alpha."""

import math

import torch

from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.optimizer import log_sign
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    compare,
    exercise,
    near,
    number,
    reaches,
    read_off,
    slope,
    tensor_like,
)


def _own_trust(stds):
    weights = 1 / stds**2
    return weights / weights.sum()


@exercise(_own_trust, "twice the noise, a quarter of the trust.")
def trust(answer):
    """Sizes of noise [sources] to the weights that leave the least, [sources]."""
    stds = torch.tensor([0.5, 1.0, 2.0, 3.0])
    right = _own_trust(stds)
    value = tensor_like(ask(answer, stds), right, "one weight for each source.")
    compare(
        value,
        right,
        {
            "You divide by s. Twice the noise deserves less than half the trust: "
            "divide by the variance, s squared.": 1 / stds / (1 / stds).sum(),
            "Nearly: make them add up to 1.": 1 / stds**2,
            "That trusts the noisiest most. Turn it round.": (
                stds**2 / (stds**2).sum(),
                stds / stds.sum(),
            ),
            "A softmax of -s falls too slowly or too fast: the law has no exponential "
            "in it.": torch.softmax(-stds, 0),
            "All alike is right only where all the noise is.": torch.full((4,), 0.25),
        },
        f"For s = {_short(stds)} yours gives {_short(value)}, expected "
        f"{_short(right)}.",
    )


def _own_two(M):
    first = (M[1, 1] - M[0, 1]) / (M[0, 0] + M[1, 1] - 2 * M[0, 1])
    first = first.clamp(0, 1)
    return torch.stack([first, 1 - first])


@exercise(_own_two, "and no weight is ever negative.")
def two_sources(answer):
    """Second moments M [2, 2] to the weights on the simplex that leave least, [2]."""
    inside = torch.tensor([[1.0, 0.5], [0.5, 2.0]])
    value = _pair(ask(answer, inside))
    right = _own_two(inside)
    if near(value, torch.tensor([2.0, 1.0]) / 3):
        raise Wrong(
            "Those are the inverse variances. The errors share something: M[0, 1] is "
            "not zero, and it belongs in the formula."
        )
    if near(value, right.flip(0)):
        raise Wrong(
            "Turned round: the source with the smaller error gets the larger weight. "
            "In lambda_0 it is the other's M[1, 1] that stands above the line."
        )
    if not near(value.sum(), 1):
        raise Wrong(f"Your weights add up to {float(value.sum()):.3g}, not to 1.")
    if not near(value, right):
        raise Wrong(
            f"For M = [[1, 0.5], [0.5, 2]] yours gives {_short(value)}, expected "
            f"{_short(right)}. Write lambda_1 as 1 - lambda_0, and set the derivative "
            "of lambda^T M lambda to zero."
        )
    for name, outside in (
        ("[[1, 2], [2, 5]]", torch.tensor([[1.0, 2.0], [2.0, 5.0]])),  # unlimited: 1.5
        ("[[5, 2], [2, 1]]", torch.tensor([[5.0, 2.0], [2.0, 1.0]])),  # and -0.5
    ):
        _check_corner(name, _pair(ask(answer, outside)), _own_two(outside))


def _check_corner(name: str, value, right):
    """Wrong unless the weights are those at the corner of the simplex."""
    if (value < 0).any():
        raise Wrong(
            f"For M = {name} yours gives {_short(value)}. A softmax has no negative "
            "weights: keep lambda_0 between 0 and 1."
        )
    if near(right, torch.tensor([0.0, 1.0])) and near(value, torch.tensor([0.5, 0.5])):
        raise Wrong(
            f"For M = {name} the formula gives lambda_0 = -0.5, and yours 0.5: do you "
            "take the absolute value? The nearest that is allowed is 0: .clamp(0, 1)."
        )
    if not near(value, right):
        raise Wrong(
            f"For M = {name} yours gives {_short(value)}, expected {_short(right)}."
        )


def _pair(value) -> torch.Tensor:
    if isinstance(value, tuple | list) and len(value) == 2:
        value = torch.tensor([number(v) for v in value])
    return tensor_like(value, torch.zeros(2), "a weight for each of two sources.")


P = 10.0


def _own_read(alpha, grads):
    return log_sign(torch.softmax(alpha, dim=0)[None] @ grads, P)


@exercise(_own_read, "the value is the old one, and alpha has a gradient.")
def read(answer):
    """(alpha [sources], grads [sources, coords]) to [2, coords], for a gradient."""
    grads = torch.randn(3, 5, generator=stream(0, "read"))
    grads[:, 3] = math.exp(-11) * torch.tensor([1.0, 2.0, -0.5])  # below e^-p
    grads[:, 4] = 0.0  # log 0
    alpha = torch.tensor([0.0, 0.5, -0.5], requires_grad=True)
    right = _own_read(alpha, grads)
    value = _reads(answer, alpha, grads)
    if _takes_log_0(value, right):
        raise Wrong(
            "Where the weighted sum d is 0 you take log 0, which is not finite. Keep "
            "|d| from falling below e^-p before the logarithm."
        )
    value = tensor_like(value, right, "log-magnitudes, then signs.")
    if near(value.detach(), right.detach().flip(0)):
        raise Wrong("The log-magnitudes come first, then the signs.")
    if near(value.detach(), log_sign(grads.mean(0, keepdim=True), P)):
        raise Wrong("You read the plain average. Weigh with softmax(alpha).")
    _check_read(value.detach(), right.detach(), (alpha.softmax(0) @ grads).detach())
    if not value.requires_grad:
        raise Wrong(
            "The value is right, and no gradient reaches alpha: somewhere you leave "
            "the graph, with .data, .detach(), .numpy() or torch.tensor(...). Trained "
            "like this, lambda would stay at 1/K for ever."
        )
    logs, signs = (slope(row, alpha) for row in right)
    _check_alphas_slope(slope(value, alpha), logs, signs)


def _check_alphas_slope(seen, logs, signs):
    """Wrong unless it is the sum of what comes through logs and through signs."""
    if not seen.isfinite().all():
        raise Wrong(
            "The gradient of alpha is nan: where the combined gradient is 0 you take "
            "log 0, and 0 times infinity. Clamp from below before the logarithm."
        )
    if near(seen, logs):
        raise Wrong(
            "Part of alpha's gradient is lost: none comes through the signs. Below "
            "e^-p they are e^p d, which has a slope. Do they pass a .detach()?"
        )
    if near(seen, signs):
        raise Wrong(
            "Part of alpha's gradient is lost: none comes through the log-magnitudes. "
            "Do they pass a .detach()?"
        )
    if not near(seen, logs + signs):
        raise Wrong(
            f"The gradient of alpha is {_short(seen)}: part of it is lost on the way. "
            "Does softmax(alpha) pass a .detach()?"
        )


def _check_read(value, right, d):
    """Wrong unless the values are right; d [coords] is what they are read from."""
    if near(value[0], (d.abs() + math.exp(-P)).log() / P):
        raise Wrong(
            "You add e^-p to |d|, so that every log-magnitude is a little too large. "
            "Keep |d| from falling below e^-p: .clamp(min=e^-p)."
        )
    if near(value, torch.stack([right[0], d.sign()])):
        raise Wrong(
            f"For d = {float(d[3]):.2g}, below e^-p, yours says the sign, "
            f"{float(value[1, 3]):g}. There the second channel is e^p d, between -1 "
            f"and 1: {float(right[1, 3]):.2g}."
        )
    if not near(value, right):
        k = int((value - right).abs().sum(0).argmax())
        raise Wrong(
            f"Where d is {float(d[k]):.3g} yours gives {_short(value[:, k])}, expected "
            f"{_short(right[:, k])}."
        )


def _takes_log_0(value, right) -> bool:
    """Whether it is finite but for the coordinate without a gradient."""
    if not isinstance(value, torch.Tensor) or value.shape != right.shape:
        return False
    finite = value.isfinite()
    return bool(finite[:, :-1].all() and not finite[:, -1].all())


def _reads(answer, alpha, grads):
    """As ``ask``, but alpha keeps its place in the graph."""
    if not callable(answer):
        return ask(answer)
    return ask(lambda grads: answer(alpha, grads), grads)


def _short(values: torch.Tensor) -> str:
    return ", ".join(f"{x:.3g}" for x in values.tolist())


def _trust(paths: str):
    """The mean weight of source 0 at every meta-step."""
    return stored(f"paths_{paths}", __file__)["lambdas"][..., 0].astype(float).mean(0)


def _own_step() -> float:
    return reaches(-_trust("poison"), -0.9)


@exercise(_own_step, "half of the trust comes soon, the rest takes its time.")
def step_of_trust(answer):
    """The meta-step at which the clean source has 0.9 of the trust, read off."""
    path = _trust("poison")
    read_off(
        answer,
        _own_step(),
        0.15,
        "Sources: poison 0 to 0.8, the slider meta-steps at its right end. Where does "
        "the thick line of poison 0 cross 0.9?",
        {
            "There it has one half. From there to 0.9 the way is longer: the "
            "nearer to 1, the slower a softmax moves.": reaches(-path, -0.5),
            "That is where this training ends. The line has crossed 0.9 long "
            "before.": len(path) - 1,
            "That is its weight at the end, on the vertical axis. Asked is a "
            "meta-step.": path[-1],
            "That is the weight itself. Asked is the meta-step at which it is "
            "reached.": 0.9,
            "That is for the turned pictures. Move the slider to poison.": reaches(
                -_trust("rotation_first"), -0.9
            ),
        },
    )
