"""The checks of lesson 03: right answers, misconceptions by name, bad input."""

import re

import pytest
import torch

from l2o_kit.lessons.l03_lstm import checks as checks03
from l2o_kit.lessons.l03_lstm.checks import _own_cell
from l2o_kit.optimizer import LSTMOptimizer
from tests.rooms import CHECKS


def said(name, answer, capsys):
    CHECKS[name](answer)
    return capsys.readouterr().out


def count(n, h, m):
    return 4 * h * (n + h + 1) + m * (h + 1)


def two_branches(d, p):
    edge = torch.tensor(-p).exp()
    large = d.abs() >= edge
    return torch.stack(
        [
            torch.where(large, d.abs().clamp(min=edge).log() / p, -1.0),
            torch.where(large, d.sign(), d / edge),
        ]
    )


def lstm_cell(W, x, h, c, order=(0, 1, 2, 3), old=False, squash=torch.tanh):
    parts = (W @ torch.cat([x, h, torch.ones_like(x[:1])])).chunk(4)
    i, f, o, g = (parts[k] for k in order)
    new = f.sigmoid() * c + i.sigmoid() * squash(g)
    return o.sigmoid() * (c if old else new).tanh(), new


def shows(how):
    """A cell whose c' is right, and whose h' is made of o, i and c' in another way."""

    def student(W, x, h, c):
        i, _, o, _ = (W @ torch.cat([x, h, torch.ones_like(x[:1])])).chunk(4)
        new = lstm_cell(W, x, h, c)[1]
        return how(o, i, new), new

    return student


def forgets(W, x, h, c):
    """1 - f in the place of f: the sigmoid of minus its rows."""
    i, f, o, g = W.chunk(4)
    return lstm_cell(torch.cat([i, -f, o, g]), x, h, c)


def optimizer(**changes):
    """A student's class; each change is a mistake."""

    class Mine(LSTMOptimizer):
        def forward(self, grads, state):
            x, hs, cs = grads if changes.get("flat") else grads[None], [], []
            old = list(zip(state["h"], state["c"], strict=True))
            if changes.get("swapped"):
                old = old[::-1]
            for W, (h, c) in zip(self.lstm.W, old, strict=True):
                x, c = lstm_cell(W.data if changes.get("data") else W, x, h, c)
                hs.append(x), cs.append(c)
            out = (self.lstm.w_out @ x + self.lstm.b_out * (not changes.get("bare")))[0]
            if changes.get("no_bias"):
                out = out - 0.5
            scale = 1.0 if changes.get("unscaled") else self.output_scale
            update, states = scale * out, {"h": torch.stack(hs), "c": torch.stack(cs)}
            if changes.get("forgets"):
                states = state
            for name in changes.get("cut", ()):
                states[name] = states[name].detach()
            if changes.get("overwritten"):
                hs[-1].mul_(2).div_(2)  # the read-out needs the old one
            if changes.get("detached"):
                update = update.detach()
            if changes.get("one_layer"):
                states = {"h": hs[0], "c": cs[0]}
            if changes.get("in_place"):
                state["h"].add_(1)
            if changes.get("lists"):
                states = {"h": hs, "c": cs}
            if changes.get("tuple"):
                states = (states["h"], states["c"])
            if changes.get("sum"):
                update = update.sum()
            return update if changes.get("update_only") else (update, states)

    return Mine


ANSWERS = [
    ("lstm_weights", count, "Right: three gates"),
    ("lstm_weights", lambda *a: torch.tensor(count(*a)), "Right"),
    ("lstm_weights", lambda n, h, m: h * (n + h + 1) + m * (h + 1), "four of them"),
    ("lstm_weights", lambda n, h, m: 4 * h * (n + h) + m * h, "leave the biases out"),
    ("lstm_weights", lambda n, h, m: 4 * h * (n + h) + m * (h + 1), "The gates have"),
    ("lstm_weights", lambda n, h, m: 4 * h * (n + h + 1) + m * h, "The read-out has"),
    ("lstm_weights", lambda n, h, m: 4 * h * (n + 1) + m * (h + 1), "recurrent"),
    ("lstm_weights", lambda n, h, m: 4 * h * (n + h + 1), "leave the read-out out"),
    ("lstm_weights", lambda n, h, m: 4 * (n + h + 1) + m * (h + 1), "one hidden unit"),
    ("lstm_weights", lambda n, h, m: n * h * m, "Each hidden unit has four sets"),
    ("preprocessing", two_branches, "Right: both branches"),
    (
        "preprocessing",
        lambda d, p: torch.stack([d.abs().log() / p, d.sign()]),
        "the log of 0 is -inf",
    ),
    (
        "preprocessing",
        lambda d, p: torch.stack([d.log() / p, d.sign()]),
        "a negative number has no log",
    ),
    ("preprocessing", lambda d, p: two_branches(d, p).T, "features are rows"),
    ("preprocessing", lambda d, p: two_branches(d, p).flip(0), "comes first"),
    (
        "preprocessing",
        lambda d, p: two_branches(d, p) * torch.tensor([[p], [1.0]]),
        "divide the log by p",
    ),
    (
        "preprocessing",
        lambda d, p: torch.stack([two_branches(d, p)[0], d.sign()]),
        "the bare sign",
    ),
    (
        "preprocessing",
        lambda d, p: (
            two_branches(d, p).abs()
            * torch.tensor([[1.0], [1.0]])
            * two_branches(d, p)[0].sign()
        ),
        "expected",
    ),
    (
        "preprocessing",
        lambda d, p: torch.stack([two_branches(d, p)[0], two_branches(d, p)[1].abs()]),
        "lost its sign",
    ),
    (
        "preprocessing",
        lambda d, p: torch.where(d.abs() < 1e-4, torch.zeros(2, 1), two_branches(d, p)),
        "small ones are not",
    ),
    ("preprocessing", lambda d, p: d, "Yours has shape [6], expected [2, 6]"),
    ("preprocessing", lambda d, p: d.abs_(), "changed its argument in place"),
    ("cell", lstm_cell, "Right: it agrees with torch.nn.LSTMCell"),
    ("cell", lambda *a: lstm_cell(*a)[::-1], "in the other order"),
    ("cell", lambda *a: lstm_cell(*a, order=(1, 0, 2, 3)), "changed places"),
    ("cell", lambda *a: lstm_cell(*a, squash=torch.sigmoid), "tanh, not sigmoid"),
    ("cell", lambda *a: lstm_cell(*a, squash=lambda g: g), "goes through tanh."),
    ("cell", lambda *a: lstm_cell(*a, old=True), "made from the old c"),
    ("cell", lambda *a: lstm_cell(*a, order=(0, 1, 3, 2)), "last two have changed"),
    ("cell", lambda W, x, h, c: lstm_cell(W, h, x, c), "x comes first in z"),
    ("cell", forgets, "A forget gate of 1 does not forget"),
    ("cell", shows(lambda o, i, new: new.tanh()), "The output gate is missing"),
    ("cell", shows(lambda o, i, new: i.sigmoid() * new.tanh()), "the input gate, i"),
    ("cell", shows(lambda o, i, new: o.tanh() * new.tanh()), "and so does o"),
    ("cell", shows(lambda o, i, new: o.sigmoid() * new.sigmoid()), "h' has a sign"),
    ("cell", shows(lambda o, i, new: o.sigmoid() * new), "The tanh is missing"),
    ("cell", shows(lambda o, i, new: 0 * new), "Yours gives h' = 0, torch.nn.LSTMCell"),
    ("cell", lambda W, x, h, c: (h, c), "Yours gives c' ="),
    ("cell", lambda *a: lstm_cell(*a)[0], "Return two things: the new h"),
    ("cell", lambda W, x, h, c: (h.T, c.T), "Yours has shape [4, 3]"),
    ("cell", lambda W, x, h, c: (h, c.mul_(2)), "changed its argument in place"),
    ("cell", lambda W, x, h, c: lstm_cell(W[:, :-1], x, h, c), "row of ones there?"),
    ("optimizer", optimizer(), "Right: three steps"),
    ("optimizer", LSTMOptimizer, "Right"),
    ("optimizer", optimizer(unscaled=True), "forget the output scale"),
    ("optimizer", optimizer(swapped=True), "first layer's h is not right"),
    ("optimizer", optimizer(forgets=True), "You return the old state"),
    ("optimizer", optimizer(bare=True), "At step 1 your update is"),
    ("optimizer", optimizer(flat=True), "The first layer's x is grads[None]"),
    ("optimizer", optimizer(lists=True), "torch.stack makes one tensor"),
    ("optimizer", optimizer(no_bias=True), "At step 1 your update is"),
    ("optimizer", optimizer(detached=True), "lost their graph"),
    ("optimizer", optimizer(data=True), "lost their graph"),
    ("optimizer", optimizer(overwritten=True), "changes in place"),
    ("optimizer", optimizer(cut="hc"), "That is truncation, after each step"),
    ("optimizer", optimizer(cut="h"), "no gradient flows through the old h and c"),
    ("optimizer", optimizer(cut="c"), "no gradient flows through the old h and c"),
    ("optimizer", optimizer(one_layer=True), "h is [layers, hidden, coords]"),
    ("optimizer", optimizer(in_place=True), "changed its argument in place"),
    ("optimizer", optimizer(tuple=True), "The state is a dictionary"),
    ("optimizer", optimizer(sum=True), "one update for each coordinate"),
    ("optimizer", optimizer(update_only=True), "Return two things: the update"),
    ("optimizer", optimizer()(), "give the class itself"),
    ("optimizer", torch.nn.Linear, "a subclass of l2o.LSTMOptimizer"),
]


@pytest.mark.parametrize(("name", "answer", "message"), ANSWERS)
def test_answers_meet_their_misconception(name, answer, message, capsys):
    out = said(name, answer, capsys)
    assert message in out
    assert out.startswith("Right") == message.startswith("Right")


def test_the_right_cell_is_that_of_torch():
    generator = torch.Generator().manual_seed(1)
    W, x, h, c = (
        torch.randn(shape, generator=generator).double()
        for shape in [(20, 8), (2, 6), (5, 6), (5, 6)]
    )
    i, f, o, g = W.chunk(4)
    rows, theirs = torch.cat([i, f, g, o]), torch.nn.LSTMCell(2, 5).double()
    with torch.no_grad():
        theirs.weight_ih.copy_(rows[:, :2])
        theirs.weight_hh.copy_(rows[:, 2:-1])
        theirs.bias_ih.copy_(rows[:, -1])
        theirs.bias_hh.zero_()
        right = theirs(x.T, (h.T, c.T))
    for ours, torchs in zip(_own_cell(W, x, h, c), right, strict=True):
        torch.testing.assert_close(ours, torchs.T)


def test_two_numbers_that_are_shown_differ(capsys):
    for k in range(2):

        def student(W, x, h, c, k=k):
            pair = list(lstm_cell(W, x, h, c))
            pair[k] = pair[k] + torch.eye(*pair[k].shape).flip(0)  # [0, 0] is right
            return tuple(pair)

        out = said("cell", student, capsys)
        ours, theirs = re.search(
            r"= (-?[\d.]+), torch.nn.LSTMCell (-?[\d.]+)\. ", out
        ).groups()
        assert float(ours) == pytest.approx(float(theirs) + 1, abs=1e-3)
        assert f"{'hc'[k]}' =" in out


def test_a_second_layer_that_reads_the_gradient_is_named(capsys):
    class Mine(LSTMOptimizer):
        def forward(self, grads, state):
            h1, c1 = lstm_cell(
                self.lstm.W[0], grads[None], state["h"][0], state["c"][0]
            )
            h2, c2 = lstm_cell(
                self.lstm.W[1], state["h"][0], state["h"][1], state["c"][1]
            )
            update = self.output_scale * (self.lstm.w_out @ h2 + self.lstm.b_out)[0]
            return update, {"h": torch.stack([h1, h2]), "c": torch.stack([c1, c2])}

    out = said("optimizer", Mine, capsys)
    assert "A layer's new h is the next layer's x" in out


def test_a_stub_gets_not_yet_and_the_kits_class(capsys):
    class Stub(LSTMOptimizer):
        def forward(self, grads, state):
            raise NotImplementedError("Write this, then run the cell again.")

    assert checks03.optimizer(Stub) is LSTMOptimizer
    assert "Not yet" in capsys.readouterr().out
