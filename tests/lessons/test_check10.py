"""The checks of lesson 10: right answers, misconceptions by name, bad input."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from l2o_kit.lessons.l10_take_home import checks as checks10
from tests.rooms import CHECKS


def loop(
    model, optimizer, batches, *, zero=True, repeat=1, swap=False, reduction="mean"
):
    losses = []
    for X, y in batches:
        for _ in range(repeat):
            if swap:
                optimizer.step()
            if zero:
                model.zero_grad()
            loss = F.cross_entropy(model(X), y, reduction=reduction)
            loss.backward()
            if not swap:
                optimizer.step()
        losses.append(loss.detach())
    return losses


def late(model, optimizer, batches):
    """Each loss as it is after the step."""
    losses = []
    for X, y in batches:
        loop(model, optimizer, [(X, y)])
        losses.append(F.cross_entropy(model(X), y).item())
    return losses


def lame(model, optimizer, batches, *, backward=True):
    """Steps that find no gradients."""
    for X, y in batches:
        loss = F.cross_entropy(model(X), y)
        if backward:
            loss.backward()
        optimizer.zero_grad()
        optimizer.step()
    return [1.0] * len(batches)


def one_sided(theta, blind=0):
    """Right, but one coordinate is out of the graph."""
    return hill([t.detach() if k == blind else t for k, t in enumerate(theta)])


def hill(theta, powers=(2, 2)):
    x, y = theta[0], theta[1]
    return (x * x + y - 11) ** powers[0] + (x + y * y - 7) ** powers[1]


RIGHT = {
    "training_loop": [loop, lambda *a: [x.item() for x in loop(*a)]],
    "himmelblau": [
        hill,
        lambda t: sum(
            (
                torch.stack([t[0] ** 2 + t[1], t[0] + t[1] ** 2])
                - torch.tensor([11.0, 7.0])
            )
            ** 2
        ),
    ],
    "worth_it": [
        lambda g, a, u: 1 / ((g + u) / (g + a)),
        lambda g, a, u: torch.tensor((g + a) / (g + u)),
    ],
}
WRONG = [
    ("training_loop", lambda *a: loop(*a, zero=False), "add up from step to step"),
    ("training_loop", lambda *a: loop(*a, swap=True), "step before backward"),
    ("training_loop", lambda *a: loop(*a, repeat=2), "used twice"),
    ("training_loop", lambda m, o, b: loop(m, o, b[:2]), "ends elsewhere"),
    ("training_loop", lambda m, o, b: [1.0] * 4, "not move. Call optimizer.step("),
    ("training_loop", lame, "not move: step() found no gradients. backward() is missi"),
    ("training_loop", partial(lame, backward=False), "step() found no gradients"),
    ("training_loop", partial(loop, reduction="sum"), "8 times"),
    ("training_loop", lambda *a: [8 * x for x in loop(*a)], "Take the mean"),
    ("training_loop", lambda *a: loop(*a)[-1], "a list of the losses"),
    ("training_loop", lambda *a: loop(*a)[:3], "3 losses for 4"),
    ("training_loop", late, "as it was before its step"),
    ("training_loop", lambda *a: None, "None"),
    (
        "himmelblau",
        lambda t: t[0] ** 2 + t[1] - 11 + t[0] + t[1] ** 2 - 7,
        "Square both brackets",
    ),
    ("himmelblau", lambda t: (t[0] ** 2 + t[1] - 11) ** 2, "Add the second"),
    ("himmelblau", lambda t: hill(t, (1, 1)) ** 2, "each bracket alone"),
    ("himmelblau", lambda t: hill(t, (2, 1)), "yours gives"),
    ("himmelblau", lambda t: hill(t.flip(0)), "squares inside are exchanged"),
    (
        "himmelblau",
        lambda t: (t[0] ** 2 + t[1] - 11) ** 2 + (t[0] - t[1] - 7) ** 2,
        "At x = 1.5, y = -3.2 yours gives",
    ),
    (
        "himmelblau",
        lambda t: (t[0] ** 2 + t[1] - 11) ** 2 + (t[0] + t[1] ** 4 - 7) ** 2,
        "yours gives",
    ),
    (
        "himmelblau",
        lambda t: (t[0] ** 2 + t[1] - 11) ** 2 + (t[0] + 1 - 7) ** 2,
        "yours gives",
    ),
    ("himmelblau", lambda t: hill(t) * (1 if t[0] > 0 else 2), "At x = -0.7, y = 3.1"),
    ("himmelblau", one_sided, "part of theta"),
    ("himmelblau", partial(one_sided, blind=1), "part of theta"),
    (
        "himmelblau",
        lambda t: hill(t).detach() + hill(2 * t) - hill(2 * t.detach()),
        "its gradient is not",
    ),
    ("himmelblau", lambda t: hill(t).detach() + t.sum() * 0, "part of theta"),
    (
        "himmelblau",
        lambda t: hill(t.detach()) * torch.ones((), requires_grad=True),
        "part of theta",
    ),
    ("himmelblau", lambda t: hill((t[:1], t[1:])), "shape [1]"),
    ("himmelblau", lambda t: hill(t).item(), "autograd cannot see"),
    ("himmelblau", lambda t: hill(t.detach()), "autograd cannot see"),
    ("himmelblau", lambda t: t, "return one number"),
    ("worth_it", lambda g, a, u: a / u, "updates alone"),
    ("worth_it", lambda g, a, u: (g + u) / (g + a), "Turned round"),
    ("worth_it", lambda g, a, u: g / (g + u), "takes time too"),
    ("worth_it", lambda g, a, u: 1 - (g + a) / (g + u), "must save"),
    ("worth_it", lambda g, a, u: 0.1, "yours gives 0.1"),
]
OWN = {
    "training_loop": checks10._own_loop,
    "himmelblau": checks10._own_himmelblau,
    "worth_it": checks10._own_share,
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_kept(name, capsys):
    for answer in (*RIGHT[name], OWN[name]):
        assert CHECKS[name](answer) is answer
        assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_misconceptions_are_named_and_the_kits_is_used(name, answer, message, capsys):
    assert CHECKS[name](answer) is OWN[name]
    assert message in capsys.readouterr().out


def test_the_kits_own_are_right_by_others():
    x, y = 3.0, 2.0  # a known minimum
    assert checks10._own_himmelblau(torch.tensor([x, y])) == 0
    share = checks10._own_share(2.0, 1.0, 4.0)
    assert share * 100 * (2 + 4) == pytest.approx(100 * (2 + 1))  # the same time
