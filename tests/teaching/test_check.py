"""Checks name what is wrong and the mend; an exercise's names the misconception."""

import tomllib
from pathlib import Path

import pytest
import torch

from l2o_kit.lessons.l00_start import checks as checks00
from l2o_kit.teaching import installation
from l2o_kit.teaching import installation as machine
from tests.rooms import CHECKS


def test_a_right_installation_is_praised(capsys):
    installation.installation()
    out = capsys.readouterr().out
    assert "MEND" not in out and "Everything is in place." in out


def test_a_broken_installation_is_explained(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "OLDEST", {"torch": "99.0", "no-such-package": "1.0"})
    monkeypatch.setattr(machine, "PRETRAINED", tmp_path)
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    installation.installation()
    out = capsys.readouterr().out
    assert "99.0 or newer is needed. Run: make setup" in out
    assert "no-such-package is not installed here" in out
    assert "None is there. Copy l2o_kit/pretrained again" in out
    assert "cannot be written" in out
    assert "4 thing(s) to fix" in out


def test_an_old_python_is_named():
    assert "This is Python 3.9" in installation._python((3, 9, 1))
    assert installation._python((3, 11, 0)) == ""


def test_a_damaged_checkpoint_is_named(monkeypatch, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"not one")
    monkeypatch.setattr(machine, "PRETRAINED", tmp_path)
    assert (
        "mine.safetensors is not a whole safetensors file" in installation._pretrained()
    )


def test_oldest_versions_are_those_of_pyproject():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    needs = project["dependencies"] + project["optional-dependencies"]["lab"]
    assert dict(line.split(">=") for line in needs) == installation.OLDEST


def not_yet(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda g: -4 * g, "Right: a function of the gradient"),
        (lambda g: -0.4 * g, "not yet plain gradient descent at rate 4"),
        (lambda g: -4 * g.sign(), "not yet plain gradient descent at rate 4"),
        (lambda g: 0.1 * g, "goes uphill"),
        (lambda g: None, "Did you forget the word return?"),
        (lambda g: (-g).sum(), "one number for each coordinate. Did you sum"),
        (lambda g: 0 * g, "nothing will move"),
        (lambda g: -g / g, "gradient that may be zero"),
        (lambda g: 3.0, "returned a float; return a tensor"),
        (lambda g: g @ g, "Your function raised RuntimeError"),
        (not_yet, "Not yet"),
    ],
)
def test_update_rule_names_the_misconception(rule, message, capsys):
    checks00.update_rule(rule)
    out = capsys.readouterr().out
    assert message in out and ("Right" in out) == message.startswith("Right")


def test_in_place_changes_are_named(capsys):
    checks00.update_rule(lambda g: g.mul_(-2.0))
    assert "changed its argument in place" in capsys.readouterr().out


def test_a_check_returns_what_the_next_cells_use(capsys):
    def mine(grad):
        return -2 * grad - 2 * grad

    assert checks00.update_rule(mine) is mine
    own = checks00.update_rule(not_yet)
    assert own is not not_yet and torch.equal(
        own(torch.ones(2)), torch.full((2,), -4.0)
    )
    assert "the next cells use the kit's own" in capsys.readouterr().out


def verdict(name, answer, capsys):
    check_one = CHECKS[name]
    check_one(answer)
    return capsys.readouterr().out


def swapped(grad, v, lr, beta):
    return beta * v + grad, -lr * (beta * v + grad)


def late(grad, v, lr, beta):
    return -lr * v, beta * v + grad


def average(grad, v, lr, beta):
    v = beta * v + (1 - beta) * grad
    return -lr * v, v


def forgets(grad, v, lr, beta):
    return -lr * (beta * v + grad), v


def in_place(grad, v, lr, beta):
    v.mul_(beta).add_(grad)
    return -lr * v, v


def good(grad, v, lr, beta):
    v = beta * v + grad
    return -lr * v, v


def other_form(grad, v, lr, beta):
    """The rate inside the sum: another v, the same steps."""
    v = beta * v - lr * grad
    return v, v


def roll_out(phi, theta, f, grad_f, steps, late=False, only_last=False, in_place=False):
    losses = []
    for _ in range(steps):
        before = f(theta)
        update = -phi.exp() * grad_f(theta)
        theta = theta.add_(update) if in_place else theta + update
        losses.append(before if late else f(theta))
    return losses[-1] if only_last else sum(losses)


def cut(
    phi, theta, f, grad_f, steps, *, read=False, past=False, sums=False, first=False
):
    """The right number, and one path from phi to it cut."""
    total, rate = 0.0, phi.exp()
    for _ in range(steps):
        start = theta.detach() if past else theta
        theta = start - rate * grad_f(theta.detach() if read else start)
        total = f(theta) + (total.detach() if sums and total else total)
        rate = rate.detach() if first else rate
    return total


ANSWERS = [
    ("gradient", lambda theta, H: H @ theta, "Right: it agrees with autograd"),
    ("gradient", lambda theta, H: theta @ H, "Right"),
    ("gradient", lambda theta, H: 2 * H @ theta, "2 times the gradient. The 1/2"),
    ("gradient", lambda theta, H: 0.5 * H @ theta, "0.5 times the gradient"),
    ("gradient", lambda theta, H: -H @ theta, "the minus comes in the update"),
    ("gradient", lambda theta, H: 0.5 * theta @ H @ theta, "The loss is one number"),
    ("gradient", lambda theta, H: H * theta, "You returned a matrix"),
    ("gradient", lambda theta, H: H.diagonal() * theta, "autograd says"),
    ("gradient", lambda theta, H: theta.mul_(2), "changed its argument in place"),
    ("gradient", lambda theta, H: [1.0, 2.0], "You returned a list"),
    ("gradient", lambda theta, H: theta[:2], "Yours has shape [2], expected [3]"),
    ("gradient", "H @ theta", "This is a str; give the function itself"),
    ("divergence", lambda L: 2 / L, "Right"),
    ("divergence", lambda L: torch.tensor(2 / L), "Right"),
    ("divergence", lambda L: 1 / L, "lands exactly on the minimum"),
    ("divergence", lambda L: L / 2, "upside down"),
    ("divergence", lambda L: 2, "does not depend on L"),
    ("divergence", lambda L: L**2, "When is that outside"),
    ("divergence", lambda L: "2/L", "return one number"),
    ("divergence", lambda L: None, "Did you forget the word return?"),
    ("momentum", good, "Right: five steps"),
    ("momentum", other_form, "Right"),
    ("momentum", swapped, "expected"),
    ("momentum", late, "You step with the old v"),
    ("momentum", average, "The heavy ball keeps a sum"),
    ("momentum", forgets, "v is not carried on"),
    ("momentum", in_place, "changed its argument in place"),
    (
        "momentum",
        lambda grad, v, lr, beta: (lr * (beta * v + grad), beta * v + grad),
        "uphill",
    ),
    ("momentum", lambda grad, v, lr, beta: (-lr * grad, v), "plain gradient descent"),
    ("momentum", lambda grad, v, lr, beta: -lr * grad, "Return two things"),
    ("meta_loss", lambda *a: roll_out(*a), "Right: the losses"),
    ("meta_loss", lambda *a: roll_out(*a) + a[2](a[1]), "You count f(theta_0) too"),
    ("meta_loss", lambda *a: roll_out(*a, late=True), "step first, then"),
    ("meta_loss", lambda *a: roll_out(*a, only_last=True), "the last loss only"),
    ("meta_loss", lambda *a: roll_out(*a) / a[4], "That is the mean"),
    ("meta_loss", lambda *a: roll_out(*a).item(), "it has lost its graph"),
    ("meta_loss", lambda *a: roll_out(*a).detach(), "it has lost its graph"),
    ("meta_loss", lambda p, *a: roll_out(p.exp(), *a), "The rate is phi.exp()"),
    (
        "meta_loss",
        lambda p, theta, f, g, n: roll_out(p, theta, f, g, n, in_place=True),
        "you change theta in place",
    ),
    ("meta_loss", cut, "Right: the losses"),
    ("meta_loss", lambda *a: cut(*a, past=True), "truncation, in windows of one step"),
    ("meta_loss", lambda *a: cut(*a, read=True), "That is first order"),
    ("meta_loss", lambda *a: cut(*a, sums=True), "The running total is detached"),
    ("meta_loss", lambda *a: cut(*a, first=True), "Somewhere a path from phi"),
    ("meta_loss", lambda p, *a: cut(p.detach(), *a) + 0 * p, "Is phi detached?"),
    (
        "meta_loss",
        lambda p, theta, f, g, n: roll_out(p, theta, f, lambda x: 2 * x, n),
        "Yours is right for theta^2",
    ),
    ("suffix_sum", lambda x: x.flip(0).cumsum(0).flip(0), "Right"),
    ("suffix_sum", lambda x: x[::-1].cumsum(0), "Use flip(0)"),
    ("suffix_sum", lambda x: x.cumsum(0), "You add from the front"),
    ("suffix_sum", lambda x: x.flip(0).cumsum(0).flip(0) - x, "the step itself out"),
    ("suffix_sum", lambda x: x.flip(0).cumsum(0), "in reverse order"),
    ("suffix_sum", lambda x: x.sum(0), "You return one sum"),
    ("suffix_sum", lambda x: x * 3, "expected [["),
    (
        "evolution",
        lambda f, p, e, s: (f(p + s * e) - f(p - s * e)) / (2 * s) * e,
        "Right: two losses",
    ),
    (
        "evolution",
        lambda f, p, e, s: (f(p + s * e) - f(p - s * e)) / (2 * s),
        "forget to multiply by e",
    ),
    (
        "evolution",
        lambda f, p, e, s: (f(p + s * e) - f(p - s * e)) / s * e,
        "divide by 2 s",
    ),
    (
        "evolution",
        lambda f, p, e, s: (f(p - s * e) - f(p + s * e)) / (2 * s) * e,
        "turned round",
    ),
    ("evolution", lambda f, p, e, s: (f(p + s * e) - f(p)) / s * e, "one side only"),
    ("evolution", lambda f, p, e, s: 3.0, "expected"),
    (
        "evolution",
        lambda f, p, e, s: (f(p + s * e) - f(p - s * e)) / 2 * s * e,
        "Mind the brackets",
    ),
    ("momentum", lambda *a: (_ for _ in ()).throw(KeyError("x")), "raised KeyError"),
]


@pytest.mark.parametrize(("name", "answer", "message"), ANSWERS)
def test_answers_meet_their_misconception(name, answer, message, capsys):
    out = verdict(name, answer, capsys)
    assert message in out
    assert out.startswith("Right") == message.startswith("Right")


def test_a_wrong_meta_gradient_is_shown_beside_the_right_one(capsys):
    phi, theta = torch.tensor(-2.0, requires_grad=True), torch.tensor([1.0, -2.0])
    told = theta, lambda x: x.pow(4).sum() / 4, lambda x: x**3, 5
    seen, right = (
        torch.autograd.grad(way(phi, *told), phi)[0]
        for way in (lambda *a: cut(*a, read=True), roll_out)
    )
    out = verdict("meta_loss", lambda *a: cut(*a, read=True), capsys)
    assert f"dL/dphi = {seen:.4g}, expected {right:.4g}" in out


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "garbage", [None, 3, "x", lambda *a: object(), lambda *a: float("nan"), not_yet]
)
def test_garbage_gets_a_sentence_and_not_a_traceback(name, garbage, capsys):
    out = verdict(name, garbage, capsys)
    assert out and not out.startswith("Right")
    assert "the next cells use the kit's own" in out


def test_arithmetic_check_can_fail(monkeypatch):
    assert installation._arithmetic() == ""
    monkeypatch.setattr(
        machine.torch,
        "ones",
        lambda n, requires_grad: torch.full((n,), 2.0, requires_grad=True),
    )
    assert "reinstall torch" in installation._arithmetic()
