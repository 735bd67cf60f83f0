"""Negative controls: something else, of which no claim and no row may hold."""

import functools

import numpy as np
import pytest

from l2o_kit.lessons.claims import CLAIMS
from l2o_kit.lessons.stored import read
from l2o_kit.optimizer import LSTMOptimizer
from tests.teaching.test_claims import agrees, ledger

# Its control fails ten seeds of ten, as the row does: see the test below.
TIGHTER = {"trust-poison"}


@functools.cache
def untrained(problem: str) -> LSTMOptimizer | bool:
    """An optimizer that knows nothing; True where a claim has a control of its own."""
    preprocess = {
        "quadratic": "identity",
        "digits": "log_sign",
        "mnist": "log_sign",
        "diabetes": "log_sign",
    }.get(problem)
    return not preprocess or LSTMOptimizer(preprocess=preprocess, seed=3)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_control_fails_the_claim(name):
    """An untrained optimizer, or what else the claim cannot hold of.

    Nor would the ledger's row pass with it, so that the row cannot be had for nothing.
    """
    claim = CLAIMS[name]
    found = claim.measure(True, untrained(name.split("-")[0]))
    assert found is None or claim.verdict(*found[1:3]) == "fails"
    passes = found is not None and agrees(claim, found, ledger()[name])
    assert passes == (name in TIGHTER)


def test_the_fourth_poisoned_source_alone_is_out_of_order():
    """What trust-poison rests on, and what its control, all lambda 1/4, has not."""
    for name, control in (("paths_poison", False), ("control", True)):
        last = read("paths_poison")["lambdas"][:, -1]  # [seed, 4]
        last = np.full_like(last, 0.25) if control else last
        first_three_fall = (np.diff(last[:, :3]) < 0).all()
        fourth_rises = (last[:, 3] > last[:, 2]).all()
        assert (first_three_fall and fourth_rises) != control, name
