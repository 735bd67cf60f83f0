"""What is no answer at all: every exercise says so, and gives the kit's own."""

import sys

import pytest
import torch

from l2o_kit.teaching import answers
from tests.rooms import CHECKS

OTHERS = {"installation", "update_rule", "optimizer", "lstm_weights", "cell"}
EXERCISES = sorted(set(CHECKS) - OTHERS)  # the others have tests of their own
GARBAGE = (
    None,
    7,
    lambda *a: None,
    lambda *a: "x",
    lambda *a: 1 / 0,
    lambda: 1,
    lambda *a: torch.full((3, 3), float("nan")),
    lambda *a: 10**400,
    lambda *a: torch.ones(3, 3) * 1j,
    lambda first, *rest: first * 1j,
    lambda *a: sys.exit("enough"),
)


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("k", range(len(GARBAGE)))
def test_garbage_gets_the_kits_own(name, k, capsys):
    own = CHECKS[name](GARBAGE[k])
    out = capsys.readouterr().out
    assert "cannot read" not in out  # the last resort, of which the next test is
    assert "kit's own" in out and own is not GARBAGE[k]
    assert CHECKS[name](own) is own  # which is right


def test_an_answer_that_no_check_can_read_raises_nothing(capsys):
    own = [1.0]

    @answers.exercise(own, "it is right.")
    def stumbles(answer):
        raise KeyError("channels")

    assert stumbles(7) is own
    out = capsys.readouterr().out
    assert "cannot read what yours returns (KeyError: 'channels')" in out
    assert "kit's own" in out


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (10**400, "too large for a float"),
        (-(10**400), "too large for a float"),
        (torch.tensor(2j), "complex numbers"),
        ("x", "returned a str; return one number"),
        (torch.ones(2), "returned a Tensor; return one number"),
    ],
    ids=range(5),
)
def test_what_is_no_number_gets_a_sentence(value, words):
    with pytest.raises(answers.Wrong, match=words):
        answers.number(answers.ask(lambda: value))
