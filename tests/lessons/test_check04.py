"""The checks of lesson 04: right answers, misconceptions by name, bad input."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from l2o_kit.evaluate import optimize
from tests.rooms import CHECKS


def said(name, answer, capsys):
    CHECKS[name](answer)
    return capsys.readouterr().out


def last_ten(losses):
    return losses[91:].mean()


def infinite(loss):
    return loss.nan_to_num(torch.inf)


def rate(
    optimizee,
    rates,
    judged,
    *,
    shift=1,
    moving=0,
    stop=None,
    of=last_ten,
    finite=infinite,
    value=False,
    rule=torch.optim.Adam,
    pick=min,
):
    losses = {}
    for k, lr in enumerate(rates[:stop]):
        curves = optimize(
            partial(rule, lr=lr), optimizee, batch=8, seed=judged + shift + moving * k
        )
        losses[lr] = float(finite(of(curves.losses)))
    best = pick(losses, key=losses.get)
    return losses[best] if value else best


RIGHT = {
    "cross_entropy": [
        F.binary_cross_entropy_with_logits,
        lambda z, y: (z.clamp(min=0) - y * z + (1 + (-z.abs()).exp()).log()).mean(),
    ],
    "traps": [
        lambda: {"C", "D", "F", "H"},
        lambda: ["h", "f", "d", "c"],
        lambda: "C, D, F, H",
    ],
    "best_rate": [rate, *(partial(rate, shift=k) for k in (-3, 7, 19, 33))],
    "break_even": [
        lambda c, a, b: c / (b - a) if b > a else float("inf"),
        lambda c, a, b: torch.tensor(c / (b - a) if b > a else torch.inf),
    ],
}


def logs(z, y):
    return -(y * z.sigmoid().log() + (1 - y) * (1 - z.sigmoid()).log()).mean()


WRONG = [
    ("cross_entropy", lambda z, y: F.softplus(z) - y * z, "one number per example"),
    ("cross_entropy", lambda z, y: (F.softplus(z) - y * z).sum(), "add up the examp"),
    ("cross_entropy", lambda z, y: (y * z - F.softplus(z)).mean(), "sign is turned"),
    (
        "cross_entropy",
        lambda z, y: (F.softplus(z.sigmoid()) - y * z.sigmoid()).mean(),
        "sigmoid first",
    ),
    ("cross_entropy", lambda z, y: (F.softplus(-z) + y * z).mean(), "changed places"),
    ("cross_entropy", lambda z, y: F.softplus(z).mean(), "second term"),
    ("cross_entropy", lambda z, y: F.mse_loss(z.sigmoid(), y), "squared error"),
    ("cross_entropy", lambda z, y: F.mse_loss(z, y), "expected 0.9"),
    ("cross_entropy", logs, "e^200 is more than a number can hold"),
    ("cross_entropy", lambda z, y: (F.softplus(z) - y * z).mean().item(), "lost its"),
    (
        "traps",
        lambda: {"C"},
        "1 right, and there are more. theta begins again on line D. What about Adam's "
        "own memory, its running means",
    ),
    ("traps", lambda: {"C", "D", "H"}, "3 right, and there are more. Look at line F"),
    ("traps", lambda: {"D", "F", "H"}, "another learning rate"),
    ("traps", lambda: {"C", "D", "F"}, "on which examples"),
    ("traps", lambda: {"A", "C"}, "A is no trap. Eight networks"),
    ("traps", lambda: {"B"}, "B is no trap. A fixed seed"),
    ("traps", lambda: {"E"}, "E is no trap"),
    ("traps", lambda: {"G"}, "G is no trap"),
    ("traps", lambda: {"Z"}, "There is no line Z"),
    ("traps", lambda: 4, "a set of letters"),
    ("best_rate", partial(rate, shift=0), "the very problems that will be judged"),
    ("best_rate", partial(rate, moving=1), "luck has a say"),
    ("best_rate", partial(rate, stop=3), "3 of 4 rates"),
    ("best_rate", partial(rate, finite=float), "min() took it for the best"),
    ("best_rate", partial(rate, finite=torch.nan_to_num), "turns nan into 0"),
    ("best_rate", partial(rate, pick=max), "picks 1e+20. The best rate has the *low"),
    ("best_rate", partial(rate, rule=torch.optim.SGD), "Do you run Adam"),
    ("best_rate", partial(rate, rule=torch.optim.SGD, finite=float), "run Adam"),
    ("best_rate", partial(rate, value=True), "none of the rates"),
    *(
        ("best_rate", partial(rate, of=of, shift=k), "the *lowest* mean loss")
        for k in (1, 19)
        for of in (
            torch.mean,
            lambda x: x[:91].mean(),
            lambda x: x[:10].mean(),
            lambda x: x[:, -2:].mean(),
            lambda x: x[-1].mean(),
            lambda x: -last_ten(x).nan_to_num(-torch.inf),
        )
    ),
    ("best_rate", lambda o, r, j: 0.1, "You drew no problem"),
    ("break_even", lambda c, a, b: c / a, "What does each run *save*"),
    ("break_even", lambda c, a, b: c / b, "takes time too"),
    ("break_even", lambda c, a, b: c / (a + b), "the difference of the two"),
    ("break_even", lambda c, a, b: (b - a) / c, "Upside down"),
    ("break_even", lambda c, a, b: c * (b - a), "Divide"),
    ("break_even", lambda c, a, b: c + a, "expected 601 / 3 = 200.333"),
    ("break_even", lambda c, a, b: c // (b - a), "gives 200, expected 601 / 3"),
    ("break_even", lambda c, a, b: -(-c // (b - a)), "gives 201, expected 601 / 3"),
    ("break_even", lambda c, a, b: c / (b - a), "of 5 s against a rival's 5 s saves"),
    (
        "break_even",
        lambda c, a, b: c / (b - a) if a != b else float("inf"),
        "of 7 s against a rival's 5 s saves nothing",
    ),
    ("break_even", lambda c, a, b: c / (b - a), 'inf") there; yours divides by zero.'),
    (
        "break_even",
        lambda c, a, b: c / (b - a) if b > a else None,
        'Return float("inf") there; yours returns None.',
    ),
    ("break_even", lambda c, a, b: c / (b - a) if b > a else 0, "re; yours gives 0."),
    (
        "break_even",
        lambda c, a, b: c / (b - a) if b > a else "never",
        "yours gives the text 'never'",
    ),
    ("break_even", lambda c, a, b: c / (b - a) if b > a else [][0], "d IndexError"),
    ("break_even", lambda c, a, b: None, "forget the word return"),
]


@pytest.mark.parametrize(
    ("name", "k"),
    [(name, k) for name, answers in RIGHT.items() for k in range(len(answers))],
)
def test_right_answers_are_right(name, k, capsys):
    answer = RIGHT[name][k]
    assert CHECKS[name](answer) is answer
    assert capsys.readouterr().out.startswith("Right:")


@pytest.mark.parametrize(("name", "answer", "words"), WRONG, ids=range(len(WRONG)))
def test_misconceptions_are_named(name, answer, words, capsys):
    out = said(name, answer, capsys)
    assert words in out and "kit's own" in out
