"""What a claim is made of: the steps that count, the rival, what is stored of it."""

import pytest
import torch

from l2o_kit.evaluate import Curves
from l2o_kit.lessons.claims import CLAIMS
from l2o_kit.lessons.l05_generalization import claims
from tests.teaching.test_claims import STORED, check_quick, ends, ledger, quickly


@pytest.mark.parametrize("lesson", sorted(STORED))
def test_what_is_stored_gives_the_number_that_was_measured_in_full(lesson):
    """Up to the three decimals of the ledger, and 3 % for runs that are chaotic."""
    check_quick(lesson)
    rows = ledger()
    for claim in (claim for claim in CLAIMS.values() if claim.lesson == lesson):
        found, measured = quickly(claim.id), rows[claim.id]["measured"]
        if found is None or claim.bound:
            continue
        share = 0.03 if claim.id == "diabetes-500" else 0.006
        off = 0.0006 + share * abs(float(measured))
        assert found[0] == pytest.approx(float(measured), abs=off), claim.id
        low, high = ends(rows[claim.id])
        assert low - off <= found[0] <= high + off, claim.id
        assert found[3] == rows[claim.id]["against"], claim.id


@pytest.mark.parametrize(("steps", "mean"), [(100, 95.5), (200, 190.5)])
def test_the_last_tenth_of_the_steps(steps, mean):
    """Losses that are their step's number: the mean of 91 to 100 is 95.5."""
    losses = torch.arange(steps + 1.0)[:, None].expand(-1, 2)
    curves = Curves(losses, torch.zeros(2, 1), torch.zeros(2, dtype=torch.bool))
    ends = curves.last_tenth()
    assert ends.tolist() == [mean, mean]


def test_five_roundings_give_their_median_the_widest_interval_and_what_they_do_alone():
    def ratio(seed):
        return [
            (3.0, 2.5, 9.0),
            (1.0, 0.5, 4.0),
            (2.0, 1.9, 2.1),
            (5.0, 4.0, 6.0),
            (4.0, 3.0, 5.0),
        ][seed]

    found = claims.over_roundings(ratio, "Adam")
    assert found == (3.0, 0.5, 9.0, "Adam", (1.0, 5.0))
