"""The checks of lesson 05: right answers, misconceptions by name, bad input."""

from functools import partial

import pytest
import torch

from l2o_kit.lessons.l05_generalization.checks import _own_normalized
from l2o_kit.optimizer import BETA, LSTMOptimizer
from tests.rooms import CHECKS


def powers(steps, discount, *, shift=0, back=False):
    each = [float(discount) ** (steps - s + shift) for s in range(1, steps + 1)]
    return torch.tensor(each[::-1] if back else each)


def overwritten(grads, beta):
    """m and v as they are divided, and kept so."""
    m = v = torch.zeros_like(grads[0])
    found = []
    for t, d in enumerate(grads, start=1):
        m = (beta * m + (1 - beta) * d) / (1 - beta**t)
        v = (beta * v + (1 - beta) * d**2) / (1 - beta**t)
        found.append(torch.stack([m, d]) / (v.sqrt() + 1e-8))
    return torch.stack(found)


def inputs(
    grads,
    beta,
    *,
    correct=True,
    root=True,
    of_m=False,
    late=False,
    epsilon=1e-8,
    order=(0, 1),
):
    """An independent version: sums in place of recursions, but for the mistakes."""
    found = []
    m = torch.zeros_like(grads[0])
    v, before = m, (m, m)
    for t in range(1, len(grads) + 1):
        before, weights = (m, v), (1 - beta) * beta ** torch.arange(t - 1.0, -1, -1)
        m = (weights[:, None] * grads[:t]).sum(0)
        v = (weights[:, None] * grads[:t] ** 2).sum(0)
        if of_m:
            v = beta * before[1] + (1 - beta) * m**2
        bias = weights.sum() if correct else 1.0
        a, b = before if late else (m, v)
        size = ((b / bias).sqrt() if root else b / bias) + epsilon
        pair = a / bias / size, grads[t - 1] / size
        found.append(torch.stack([pair[k] for k in order]))
    return torch.stack(found)


RIGHT = {
    "discount_weights": [powers, lambda n, d: [float(d) ** k for k in range(n)][::-1]],
    "normalized_inputs": [inputs, _own_normalized],
    "scaled_gradient": [
        lambda g, theta, s: g(theta * s) * s,
        lambda g, theta, s: torch.stack([g(theta * s)[k] * s[k] for k in range(3)]),
    ],
}
WRONG = [
    ("discount_weights", partial(powers, back=True), "turned round"),
    ("discount_weights", partial(powers, shift=1), "One power too many"),
    ("discount_weights", partial(powers, shift=1, back=True), "discount^s"),
    ("discount_weights", lambda n, d: powers(n, d) / powers(n, d).sum(), "add up to 1"),
    ("discount_weights", lambda n, d: torch.full((n,), d), "Each weight is the same"),
    (
        "discount_weights",
        lambda n, d: d * torch.arange(n - 1.0, -1, -1),
        "You multiply",
    ),
    ("discount_weights", lambda n, d: torch.ones(n), "expected 0.0625, 0.125"),
    ("discount_weights", lambda n, d: torch.ones(n + 1), "one weight for each"),
    ("discount_weights", lambda n, d: powers(n, d) * (d > 0), "A discount of 0"),
    ("normalized_inputs", partial(inputs, order=(1, 0)), "averaged gradient comes"),
    ("normalized_inputs", partial(inputs, correct=False), "Divide m and v by 1 - beta"),
    ("normalized_inputs", partial(inputs, root=False), "square root"),
    ("normalized_inputs", partial(inputs, of_m=True), "not those of m"),
    ("normalized_inputs", partial(inputs, late=True), "step before"),
    ("normalized_inputs", overwritten, "from the divided m and v. Keep the undivided"),
    ("normalized_inputs", partial(inputs, epsilon=0.0), "you divide 0 by 0"),
    ("normalized_inputs", lambda g, b: inputs(g, 0.9), "the same with beta = 0.9 and"),
    (
        "normalized_inputs",
        lambda g, b: (
            inputs(g, b)
            * torch.tensor([[inputs(g, 0.9)[1, 0, 0] / inputs(g, b)[1, 0, 0]], [1.0]])
        ),
        "in place of beta?",
    ),
    ("normalized_inputs", lambda g, b: g, "expected [4, 2, 3]"),
    ("normalized_inputs", lambda g, b: torch.ones(4, 2, 3), "At the first step of"),
    ("scaled_gradient", lambda g, theta, s: g(s * theta), "forget the chain rule"),
    ("scaled_gradient", lambda g, theta, s: s * g(theta), "not at theta"),
    ("scaled_gradient", lambda g, theta, s: g(s * theta) / s, "Multiply by s"),
    ("scaled_gradient", lambda g, theta, s: g(theta), "gradient of f itself"),
    ("scaled_gradient", lambda g, theta, s: theta, "yours gives 1, -2, 0.5"),
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
    CHECKS[name](answer)
    out = capsys.readouterr().out
    assert words in out and "kit's own" in out


def test_the_exercise_shows_what_the_optimizer_reads():
    optimizer = LSTMOptimizer(preprocess="normalized").double()
    grads = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    state, seen = optimizer.initial_state(4), []
    with torch.no_grad():
        for d in grads:
            x, running = optimizer.read(d[None], state)
            state |= running
            seen.append(x)
    torch.testing.assert_close(torch.stack(seen), _own_normalized(grads, BETA))
