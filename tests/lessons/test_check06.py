"""The checks of lessons 06 and 07: right answers, misconceptions by name, bad input."""

import math
from functools import partial

import pytest
import torch

from l2o_kit import data
from l2o_kit.lessons.l07_softmax.checks import P, _own_read
from l2o_kit.optimizer import LSTMOptimizer, log_sign
from tests.rooms import CHECKS


def draws(
    y,
    rate,
    generator,
    *,
    low=1,
    high=10,
    exact=True,
    keep=False,
    whole=round,
    first=False,
):
    """Labels poisoned in another way than the kit's: a mask from sorted noise."""
    noise = torch.rand(len(y), generator=generator)
    noise = noise.sort().values if first else noise
    chosen = noise.argsort().argsort() < whole(rate * len(y)) if exact else noise < rate
    shift = torch.randint(low, high, y.shape, generator=generator)
    return torch.where(~chosen if keep and rate else chosen, (y + shift) % 10, y)


def softmax_by_hand(alpha, grads):
    weights = alpha.exp() / alpha.exp().sum()
    return sum(w * g for w, g in zip(weights, grads, strict=True))


def read_by_hand(alpha, grads, *, detach=(), clamp=True, flip=False):
    weights = alpha.softmax(0)
    d = (weights.detach() if "softmax" in detach else weights) @ grads
    if "grads" in detach:
        d = d.detach()
    size = d.abs().clamp(min=math.exp(-P)) if clamp else d.abs()
    logs = (size.log() / P).clamp(min=-1.0)
    if "logs" in detach:
        logs = logs.detach()
    both = [logs, (math.exp(P) * d).clamp(-1, 1)]
    return torch.stack(both[::-1] if flip else both)


def read_so(alpha, grads, *, sign=None, below=None, detach=False):
    """As by hand, with other signs, or with another sum below the logarithm."""
    d = alpha.softmax(0) @ grads
    size = below(d.abs()) if below else d.abs().clamp(min=math.exp(-P))
    if sign is None:
        sign = (math.exp(P) * (d.detach() if detach else d)).clamp(-1, 1)
    else:
        sign = sign(d)
    return torch.stack([size.log() / P, sign])


def two_so(M, *, limit):
    """The weights, with another limit for the first."""
    first = limit((M[1, 1] - M[0, 1]) / (M[0, 0] + M[1, 1] - 2 * M[0, 1]))
    return torch.stack([first, 1 - first])


def two(M, *, clip=True, flip=False, shared=True):
    off = M[0, 1] if shared else 0.0
    first = float((M[1, 1] - off) / (M[0, 0] + M[1, 1] - 2 * off))
    first = min(1.0, max(0.0, first)) if clip else first
    pair = torch.tensor([first, 1 - first])
    return pair.flip(0) if flip else pair


RIGHT = {
    "combined": [softmax_by_hand, lambda a, g: (a.softmax(0)[:, None] * g).sum(0)],
    "left_over_noise": [
        lambda w, s: (w * s).norm(),
        lambda w, s: math.sqrt(sum((w * s).square().tolist())),
    ],
    "poisoned": [draws, data.poison],
    "trust": [
        lambda s: (1 / s**2) / (1 / s**2).sum(),
        lambda s: torch.softmax(-2 * s.log(), 0),
    ],
    "two_sources": [two, lambda M: two(M).tolist()],
    "read": [read_by_hand, lambda a, g: log_sign(a.softmax(0)[None] @ g, 10.0)],
}
WRONG = [
    ("combined", lambda a, g: a @ g, "alpha itself"),
    ("combined", lambda a, g: a.exp() @ g, "does not add up to 1"),
    ("combined", lambda a, g: g.mean(0), "plain average"),
    ("combined", lambda a, g: g.sum(0), "plain sum"),
    ("combined", lambda a, g: (g.softmax(0) * a[:, None]).sum(0), "of the gradients"),
    ("combined", lambda a, g: (-a).softmax(0) @ g, "turned round"),
    ("combined", lambda a, g: 2 * softmax_by_hand(a, g), "Yours gives"),
    ("left_over_noise", lambda w, s: (w * s).sum(), "partly cancel"),
    ("left_over_noise", lambda w, s: (w * s).square().sum(), "square root"),
    ("left_over_noise", lambda w, s: (w * s**2).sum().sqrt(), "inside the square"),
    ("left_over_noise", lambda w, s: (w * s**2).sum(), "root is missing"),
    ("left_over_noise", lambda w, s: s.square().mean().sqrt(), "has no say"),
    ("left_over_noise", lambda w, s: s.norm(), "has no say"),
    ("left_over_noise", lambda w, s: 7.0, "yours gives 7"),
    ("poisoned", partial(draws, low=0), "may be the old one"),
    ("poisoned", partial(draws, keep=True), "keep what you should"),
    ("poisoned", partial(draws, exact=False), "not a chance"),
    ("poisoned", partial(draws, high=2), "one of 1 other classes"),
    ("poisoned", partial(draws, first=True), "same examples. Draw which ones, too"),
    ("poisoned", partial(draws, whole=int), "3,999 of 9,999 labels, expected round"),
    ("poisoned", partial(draws, whole=math.ceil), "4,000 of 9,998 labels, expected"),
    ("poisoned", lambda y, r, g: y, "share of 0.000 is wrong"),
    (
        "poisoned",
        lambda y, r, g: draws(y, r, torch.Generator().manual_seed(0)),
        "same labels",
    ),
    (
        "poisoned",
        lambda y, r, g: draws(
            y, r, torch.Generator().manual_seed(int(torch.rand(1) * 1e9))
        ),
        "same generator",
    ),
    ("poisoned", lambda y, r, g: y + 10 * (draws(y, r, g) != y), "a label of 1"),
    ("poisoned", lambda y, r, g: (y + 1) % 10, "At rate 0 nothing"),
    ("poisoned", lambda y, r, g: y.float(), "whole numbers"),
    ("trust", lambda s: (1 / s) / (1 / s).sum(), "divide by the variance"),
    ("trust", lambda s: 1 / s**2, "add up to 1"),
    ("trust", lambda s: s**2 / (s**2).sum(), "noisiest"),
    ("trust", lambda s: s / s.sum(), "noisiest"),
    ("trust", lambda s: (-s).softmax(0), "no exponential"),
    ("trust", lambda s: torch.full_like(s, 1 / len(s)), "All alike"),
    ("trust", lambda s: torch.eye(len(s))[0], "yours gives 1, 0"),
    ("two_sources", partial(two, shared=False), "inverse variances"),
    ("two_sources", partial(two, flip=True), "smaller error gets the larger weight"),
    ("two_sources", partial(two, clip=False), "no negative weights"),
    ("two_sources", lambda M: 2 * two(M), "add up to 2"),
    ("two_sources", lambda M: torch.tensor([0.5, 0.5]), "set the derivative"),
    (
        "two_sources",
        lambda M: two(M) if M[0, 1] < 1 else torch.tensor([0.5, 0.5]),
        "expected 1, 0",
    ),
    (
        "two_sources",
        partial(two_so, limit=lambda x: x.clamp(max=1)),
        "For M = [[5, 2], [2, 1]] yours gives -0.5, 1.5. A softmax has no negative",
    ),
    (
        "two_sources",
        partial(two_so, limit=lambda x: x.clamp(min=0)),
        "For M = [[1, 2], [2, 5]] yours gives 1.5, -0.5. A softmax has no negative",
    ),
    (
        "two_sources",
        partial(two_so, limit=lambda x: x.abs().clamp(max=1)),
        "take the absolute value",
    ),
    (
        "two_sources",
        lambda M: two(M) if M[0, 0] < 5 else torch.tensor([0.1, 0.9]),
        "yours gives 0.1, 0.9, expected 0, 1",
    ),
    ("two_sources", lambda M: torch.ones(3), "each of two sources"),
    ("read", partial(read_by_hand, detach=("grads",)), "leave the graph"),
    ("read", partial(read_by_hand, detach=("softmax",)), "leave the graph"),
    ("read", partial(read_by_hand, detach=("logs",)), "through the log-magnitudes"),
    ("read", partial(read_so, detach=True), "none comes through the signs"),
    (
        "read",
        lambda a, g: 2 * read_by_hand(a, g) - read_by_hand(a, g).detach(),
        "part of it is lost",
    ),
    ("read", partial(read_so, sign=torch.sign), "between -1 and 1"),
    ("read", partial(read_so, below=lambda x: x + math.exp(-P)), "You add e^-p to |d|"),
    (
        "read",
        lambda a, g: (
            read_by_hand(torch.zeros(3, requires_grad=True), g)
            - read_by_hand(torch.zeros(3), g)
            + read_by_hand(a, g).detach()
        ),
        "part of it is",
    ),
    ("read", partial(read_by_hand, clamp=False), "log 0"),
    (
        "read",
        lambda a, g: read_by_hand(a, g) + softmax_by_hand(a, g).abs().log(),
        "from falling below e^-p",
    ),
    ("read", lambda a, g: read_by_hand(a, g) / 0, "Do you divide by a gradient"),
    ("read", partial(read_by_hand, flip=True), "come first"),
    ("read", lambda a, g: log_sign(g.mean(0, keepdim=True)), "plain average"),
    (
        "read",
        lambda a, g: 2 * read_by_hand(a, g),
        "Where d is 2.05e-05 yours gives -2, 0.903, expected -1, 0.451.",
    ),
]


@pytest.mark.parametrize(
    ("name", "k"),
    [(name, k) for name, answers in RIGHT.items() for k in range(len(answers))],
)
def test_right_answers_are_right(name, k, capsys):
    answer = RIGHT[name][k]
    assert CHECKS[name](answer) is answer, capsys.readouterr().out
    assert capsys.readouterr().out.startswith("Right:")


@pytest.mark.parametrize(("name", "answer", "words"), WRONG, ids=range(len(WRONG)))
def test_misconceptions_are_named(name, answer, words, capsys):
    CHECKS[name](answer)
    out = capsys.readouterr().out
    assert words in out and "kit's own" in out


def test_the_exercise_reads_what_the_optimizer_reads():
    optimizer = LSTMOptimizer(combine="softmax", num_sources=3).double()
    draw = torch.Generator().manual_seed(0)
    grads = torch.randn(3, 5, generator=draw).double()
    with torch.no_grad():
        optimizer.alpha.copy_(torch.randn(3, generator=draw))
        x, _ = optimizer.read(grads, optimizer.initial_state(5))
        torch.testing.assert_close(x, _own_read(optimizer.alpha, grads))


def test_no_gradient_reaches_alpha_through_detached_inputs():
    """The trap of the extension's code; and that the kit's own trainer has it not."""
    grads = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    for read, reaches in (
        (read_by_hand, True),
        (partial(read_by_hand, detach=("grads",)), False),
    ):
        alpha = torch.zeros(3, requires_grad=True)
        value = read(alpha, grads)
        assert value.requires_grad == reaches
        if reaches:
            value.sum().backward()
            assert alpha.grad.abs().max() > 1e-3
