"""What is no answer at all: every exercise says so, and gives the kit's own."""

import pytest
import torch

from l2o_kit import check

OTHERS = {"installation", "update_rule", "optimizer", "lstm_weights", "cell"}
EXERCISES = sorted(set(check.__all__) - OTHERS)  # the others have tests of their own
GARBAGE = (None, 7, lambda *a: None, lambda *a: "x", lambda *a: 1 / 0,
           lambda: 1, lambda *a: torch.full((3, 3), float("nan")))  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("k", range(len(GARBAGE)))
def test_garbage_gets_the_kits_own(name, k, capsys):
    own = getattr(check, name)(GARBAGE[k])
    out = capsys.readouterr().out
    assert "kit's own" in out and own is not GARBAGE[k]
    assert getattr(check, name)(own) is own  # which is right
