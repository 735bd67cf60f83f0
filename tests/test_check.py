"""Checks name what is wrong and the mend; an exercise's names the misconception."""

import tomllib
from pathlib import Path

import pytest
import torch

from l2o_kit import check


def test_a_right_installation_is_praised(capsys):
    check.installation()
    out = capsys.readouterr().out
    assert "MEND" not in out and "Everything is in place." in out


def test_a_broken_installation_is_explained(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "OLDEST", {"torch": "99.0", "no-such-package": "1.0"})
    monkeypatch.setattr(check, "PRETRAINED", tmp_path)
    monkeypatch.setattr(check.os, "access", lambda *_: False)
    check.installation()
    out = capsys.readouterr().out
    assert "99.0 or newer is needed. Run: make setup" in out
    assert "no-such-package is not installed here" in out
    assert "None is there. Copy l2o_kit/pretrained again" in out
    assert "cannot be written" in out
    assert "4 thing(s) to mend" in out


def test_an_old_python_is_named():
    assert "This is Python 3.9" in check._python((3, 9, 1))
    assert check._python((3, 11, 0)) == ""


def test_a_damaged_checkpoint_is_named(monkeypatch, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"not one")
    monkeypatch.setattr(check, "PRETRAINED", tmp_path)
    assert "mine.safetensors is not a whole safetensors file" in check._pretrained()


def test_oldest_versions_are_those_of_pyproject():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    needs = tomllib.loads(text)["project"]["dependencies"]
    assert dict(line.split(">=") for line in needs) == check.OLDEST


def not_yet(grad):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda g: -0.1 * g, "Right: a function of the gradient"),
        (lambda g: 0.1 * g, "goes uphill"),
        (lambda g: None, "Did you forget the word return?"),
        (lambda g: (-g).sum(), "one number for each coordinate. Did you sum"),
        (lambda g: 0 * g, "nothing will move"),
        (lambda g: -g / g, "gradient that may be zero"),
        (lambda g: 3.0, "returned a float; return a tensor"),
        (lambda g: g @ g, "Your rule raised RuntimeError"),
        (not_yet, "Not yet"),
    ],
)
def test_update_rule_names_the_misconception(rule, message, capsys):
    check.update_rule(rule)
    out = capsys.readouterr().out
    assert message in out and ("Right" in out) == message.startswith("Right")


def test_in_place_changes_do_not_fool_the_check(capsys):
    check.update_rule(lambda g: g.mul_(2.0))
    assert "uphill" in capsys.readouterr().out


def test_arithmetic_check_can_fail(monkeypatch):
    assert check._arithmetic() == ""
    monkeypatch.setattr(check.torch, "ones", lambda n, requires_grad: torch.full(
        (n,), 2.0, requires_grad=True))  # fmt: skip
    assert "reinstall torch" in check._arithmetic()
