"""Lesson 03: weights of an LSTM, preprocessing, cell, optimizer, its rule read off."""

import math

import torch

from l2o_kit.checkpoint import load
from l2o_kit.optimizer import LSTMOptimizer, log_sign
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    ask_shapes,
    compare,
    exercise,
    named,
    near,
    number,
    read_off,
    tensor_like,
)


def _own_count(inputs, hidden, outputs):
    return 4 * hidden * (inputs + hidden + 1) + outputs * (hidden + 1)


MISCOUNTED = {
    "There are four of them: three gates and the candidate, each with its own "
    "weights.": lambda n, h, m: h * (n + h + 1) + m * (h + 1),
    "You leave the biases out: each unit has one more weight, for the constant "
    "1.": lambda n, h, m: 4 * h * (n + h) + m * h,
    "The read-out has biases too, one for each output.": (
        lambda n, h, m: 4 * h * (n + h + 1) + m * h
    ),
    "The gates have biases too: each unit also sees a constant 1.": (
        lambda n, h, m: 4 * h * (n + h) + m * (h + 1)
    ),
    "A unit sees the old hidden values as well, not only the inputs: that is what "
    "makes it recurrent.": lambda n, h, m: 4 * h * (n + 1) + m * (h + 1),
    "That is one hidden unit. There are as many as `hidden` says, each with its own "
    "weights.": lambda n, h, m: 4 * (n + h + 1) + m * (h + 1),
    "You leave the read-out out.": lambda n, h, m: 4 * h * (n + h + 1),
}


@exercise(_own_count, "three gates and a candidate, each with biases, and a read-out.")
def lstm_weights(answer):
    """How many weights an LSTM layer and its read-out have."""
    cases = [(3, 5, 2), (10, 7, 4)]
    seen = torch.tensor([number(ask(answer, *case)) for case in cases])

    def counts(formula):
        return torch.tensor([float(formula(*case)) for case in cases])

    right, (n, h, m) = counts(_own_count), cases[0]
    compare(
        seen,
        right,
        {why: counts(wrong) for why, wrong in MISCOUNTED.items()},
        f"For {n} inputs, {h} hidden units and {m} outputs yours gives {seen[0]:g}, "
        f"expected {right[0]:g}. Each hidden unit has four sets of weights, each for "
        "all inputs, all old hidden values and a 1; each output has weights for all "
        "hidden values and a 1.",
    )


def _own_log_sign(grads, p):
    return log_sign(grads[None], p)


@exercise(_own_log_sign, "both branches, zero included.")
def preprocessing(answer):
    """Gradients [coords] to the log part and the sign part, [2, coords]."""
    p = 10.0
    grads = torch.tensor([1.0, -0.01, 1e-6, -1e-5, 0.0, 300.0])
    right = _own_log_sign(grads, p)
    value = ask(answer, grads, p)
    if isinstance(value, torch.Tensor) and value.shape == right.T.shape:
        raise Wrong(
            "Yours has a row for each coordinate. Here features are rows: [2, coords]."
        )
    _no_bare_log(value, grads)
    value = tensor_like(value, right, "two numbers for each coordinate.")
    large = grads.abs() >= torch.tensor(-p).exp()
    slips = {
        "You forget to divide the log by p.": right * torch.tensor([[p], [1.0]]),
        "The log part comes first, then the sign part.": right.flip(0),
        "Below e^-p the sign part is e^p d. With the bare sign, a gradient of almost "
        "zero would shout as loud as any.": torch.stack([right[0], grads.sign()]),
        "The second part has lost its sign: the network could not tell uphill from "
        "downhill.": torch.stack([right[0], right[1].abs()]),
    }
    named(value, slips)
    if near(value[:, large], right[:, large]) and not near(value, right):
        raise Wrong(
            "Large gradients are right, small ones are not. Where |d| < e^-p the two "
            "numbers are (-1, e^p d)."
        )
    if not near(value, right):
        raise Wrong(
            f"For d = {grads[1]:g} and p = 10 yours is {value[:, 1].tolist()}, "
            f"expected {right[:, 1].tolist()}: (log|d| / p, sign d)."
        )


def _no_bare_log(value, grads):
    """Wrong where the log of a negative number, or of zero, was taken."""
    if not (isinstance(value, torch.Tensor) and value.shape == (2, len(grads))):
        return
    if value[:, grads < -1e-3].isnan().any():
        raise Wrong(
            "Yours is not a number where the gradient is negative: a negative number "
            "has no log. Take the absolute value first."
        )
    if not value.isfinite().all():
        raise Wrong(
            "Yours is not finite: the log of 0 is -inf. Gradients below e^-p take the "
            "other branch: (-1, e^p d)."
        )


def _own_cell(W, x, h, c):
    i, f, o, g = (W @ torch.cat([x, h, torch.ones_like(x[:1])])).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@exercise(_own_cell, "it agrees with torch.nn.LSTMCell, coordinate by coordinate.")
def cell(answer):
    """One LSTM cell on columns: (W, x, h, c) to (h', c')."""
    generator = torch.Generator().manual_seed(0)
    shapes = (12, 6), (2, 4), (3, 4), (3, 4)  # 3 hidden units, 2 inputs, 4 coordinates
    W, x, h, c = (torch.randn(shape, generator=generator) for shape in shapes)
    value = ask_shapes(
        answer,
        W,
        x,
        h,
        c,
        hint="z = [x; h; 1] must have as many rows as W has "
        "columns, inputs + hidden + 1. Is the row of ones there?",
    )
    if not (isinstance(value, tuple) and len(value) == 2):
        raise Wrong("Return two things: the new h and the new c.")
    new_h, new_c = (tensor_like(v, h, "as the old, [hidden, coords].") for v in value)
    right_h, right_c = _own_cell(W, x, h, c)
    if near(new_h, right_c) and near(new_c, right_h):
        raise Wrong("Both are right, in the other order: return h' first, then c'.")
    _slips(new_h, new_c, W, x, h, c)
    for name, ours, theirs in (("c'", new_c, right_c), ("h'", new_h, right_h)):
        if not near(ours, theirs):
            k = (ours - theirs).abs().argmax()  # where they differ most
            raise Wrong(
                f"Yours gives {name} = {ours.flatten()[k]:.4g}, torch.nn.LSTMCell "
                f"{theirs.flatten()[k]:.4g}. One product, W @ torch.cat([x, h, ones]), "
                "cut in four with chunk; then c' = f c + i tanh(...), h' = o tanh(c')."
            )


def _slips(new_h, new_c, W, x, h, c):
    """Wrong where the new h or the new c is what a typical slip gives."""
    i, f, o, g = (W @ torch.cat([x, h, torch.ones_like(x[:1])])).chunk(4)
    si, sf, so = i.sigmoid(), f.sigmoid(), o.sigmoid()
    right = sf * c + si * g.tanh()
    slips = {
        "The gates i and f have changed places. The rows of W are W_i, W_f, W_o, W_c: "
        "f keeps the old c, i lets the new in.": si * c + sf * g.tanh(),
        "You keep 1 - f of the old c. A forget gate of 1 does not forget: it keeps "
        "all. 0 forgets. So it is f c.": (1 - sf) * c + si * g.tanh(),
        "The candidate goes through tanh, not sigmoid: it must be able to be "
        "negative.": sf * c + si * g.sigmoid(),
        "The candidate goes through tanh.": sf * c + si * g,
        "The last two have changed places. The rows of W are W_i, W_f, W_o, W_c. (In "
        "torch.nn.LSTMCell they stand in another order.)": sf * c + si * o.tanh(),
        "x comes first in z, then h, then the 1: so do the columns of W.": (
            _own_cell(W, h, x, c)[1]
        ),
        "A gate goes through a sigmoid, which makes it a number between 0, shut, and "
        "1, open.": f * c + i * g.tanh(),
    }
    named(new_c, slips)
    for wrong, why in (
        (so * c.tanh(), "h' is made from the old c. Use the new one: o tanh(c')."),
        (so * right, "The tanh is missing."),
        (so * right.sigmoid(), "c' goes through tanh, not sigmoid: h' has a sign."),
        (right.tanh(), "The output gate is missing. It says how much of c' is shown."),
        (si * right.tanh(), "You took the input gate, i, in place of o."),
        (o.tanh() * right.tanh(), "A gate goes through a sigmoid, and so does o."),
    ):
        if near(new_c, right) and near(new_h, wrong):
            raise Wrong(f"c' is right, h' = o tanh(c') is not. {why}")


@exercise(LSTMOptimizer, "three steps of yours equal three of the kit's.")
def optimizer(answer):
    """A subclass of LSTMOptimizer with a forward of one's own."""
    if not (isinstance(answer, type) and issubclass(answer, LSTMOptimizer)):
        raise Wrong(
            f"This is {answer!r}; give the class itself, a subclass of "
            "l2o.LSTMOptimizer, without brackets behind its name."
        )
    made, kits = (
        kind(hidden_size=4, preprocess="identity", seed=1).double()
        for kind in (answer, LSTMOptimizer)
    )
    for each in (made, kits):
        each.lstm.b_out.data += 0.3  # it starts at 0, where nobody would miss it
    states = [kits.initial_state(3), kits.initial_state(3)]
    for t, grads in enumerate(torch.tensor([[1.0, -2, 0], [0.5, 3, 1], [2, 2, -1]])):
        update, states[0] = _step(made, grads.double(), states[0])
        right, states[1] = kits(grads.double(), states[1])
        _compare(made, update, right, states, t)
        _same_paths(made, kits, update, right, t)


def _step(made, grads, state):
    """(update, state) of the student's forward."""

    def forward(grads, h, c):
        return made(grads, {"h": h, "c": c})

    value = ask_shapes(
        forward,
        grads,
        state["h"],
        state["c"],
        hint="The first layer's x is grads[None], [1, coords]: features are rows.",
    )
    if not (isinstance(value, tuple) and len(value) == 2):
        raise Wrong("Return two things: the update and the new state.")
    update, after = value
    if not (isinstance(after, dict) and {"h", "c"} <= set(after)):
        raise Wrong('The state is a dictionary: {"h": ..., "c": ...}.')
    for name in ("h", "c"):
        if isinstance(after[name], list | tuple):
            raise Wrong(
                f"{name} is a {type(after[name]).__name__}: torch.stack makes one "
                "tensor of it, [layers, hidden, coords]."
            )
        tensor_like(after[name], state[name], f"{name} is [layers, hidden, coords].")
    tensor_like(update, grads, "one update for each coordinate, [coords].")
    return update, after


def _compare(made, update, right, states, t):
    """Wrong where an update or a state is not the kit's, after step t."""
    (ours, theirs), scale = states, made.output_scale
    if t == 0 and not ours["h"].any():
        raise Wrong(
            "You return the old state. The new one holds each layer's new h, c."
        )
    if near(scale * update, right):
        raise Wrong("You forget the output scale: the update is output_scale * out.")
    if t and near(ours["h"], theirs["h"]) is False and near(ours["h"][0], ours["h"][1]):
        raise Wrong("Both layers have the same state. Each layer has its own h and c.")
    if not near(ours["h"][0], theirs["h"][0]):
        raise Wrong(
            "The first layer's h is not right. Its input is the gradient, [1, coords], "
            "and its old h and c are the first of the state."
        )
    if not near(ours["h"][1], theirs["h"][1]):
        raise Wrong(
            "The second layer's h is not right. A layer's new h is the next layer's x; "
            "its old h and c are the second of the state."
        )
    if not (near(ours["c"], theirs["c"]) and near(update, right)):
        raise Wrong(
            f"At step {t + 1} your update is {_short(update)}, expected "
            f"{_short(right)}: output_scale * (w_out @ x + b_out), x being the last h."
        )


def _same_paths(made, kits, update, right, t):
    """Wrong where autograd does not reach the weights as it does from the kit's."""
    try:
        same = near(_to_weights(made, update), _to_weights(kits, right))
    except RuntimeError:  # there is no graph, or what it needs was changed in place
        same, t = False, 0
    if not same and t == 0:
        raise Wrong(
            "The numbers are right, but they have lost their graph: autograd cannot "
            "reach all weights. Drop .detach(), .data, .item() and changes in place."
        )
    if not same:
        raise Wrong(
            "The numbers are right, but no gradient flows through the old h and c. "
            "That is truncation, after each step: what to remember is never learned. "
            "Leave .detach() and .data out of the new state."
        )


def _to_weights(optimizer, update):
    """The derivative of the update's sum with respect to the weights, flat."""
    weights = list(optimizer.lstm.parameters())
    grads = torch.autograd.grad(
        update.sum(), weights, retain_graph=True, materialize_grads=True
    )
    return torch.cat([grad.flatten() for grad in grads])


def _short(values):
    return [round(float(v), 4) for v in values.detach()]


@torch.no_grad()
def _update(size: float) -> float:
    """How large the shipped rule's update is after eleven gradients of one size."""
    rule = load("quadratic").double()
    state = rule.initial_state(1)
    for _ in range(11):
        update, state = rule(torch.tensor([size]).double(), state)
    return abs(float(update))


def _own_growth() -> float:
    return _update(1.0) / _update(0.01)


@exercise(_own_growth, "more than Adam's 1, and far less than Momentum's 100.")
def growth_of_update(answer):
    """How many times the learned update grows from gradients of 0.01 to 1."""
    read_off(
        answer,
        _own_growth(),
        0.4,
        "Ten before: steady. Read the learned curve on the left at 0.01 and at 1, and "
        "divide. Or set the size to each, and read the sentence under the picture.",
        {
            "So much does the gradient grow, and Momentum's update with it. Read "
            "the learned curve.": 100,
            "That is Adam, whose update does not depend on the size. Read the "
            "learned curve.": 1,
            "That is from 0.1 to 1, the question before. From 0.01 it is two "
            "powers of ten.": _update(1.0) / _update(0.1),
            "That is the way in powers of ten. The axis is logarithmic: take 10 to "
            "the power of it.": math.log10(_own_growth()),
        },
    )
