"""Claims: verdicts from intervals, and a negative control that turns each to fail."""

import re
from pathlib import Path

import pytest

from l2o_kit import claims
from l2o_kit.claim import Claim
from l2o_kit.claims import CLAIMS, verdicts
from l2o_kit.optimizer import LSTMOptimizer

LEDGER = Path(__file__).parent.parent / "CLAIMS.md"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.2, 0.5, "holds"), (0.4, 0.6, "not decided"), (0.51, 0.9, "fails")],
)
def test_verdict_looks_at_the_whole_interval(low, high, verdict):
    claim = Claim("x", "00", "", "", 0.5, measure=print)
    assert claim.verdict(low, high) == verdict


def test_a_control_fails_every_claim():
    """An untrained optimizer, or what else the claim cannot hold of."""
    untrained = {
        "quadratic": LSTMOptimizer(preprocess="identity", seed=3),
        "digits": LSTMOptimizer(seed=3),
        "mnist": LSTMOptimizer(seed=3),
        "diabetes": LSTMOptimizer(seed=3),
    }
    for claim in CLAIMS.values():
        control = untrained.get(claim.id.split("-")[0], True)
        found = claim.measure(True, control)
        assert found is None or claim.verdict(*found[1:3]) == "fails", claim.id


@pytest.mark.parametrize("lesson", sorted({claim.lesson for claim in CLAIMS.values()}))
def test_a_quick_measurement_agrees_with_the_ledger(lesson):
    """No claim that holds in CLAIMS.md fails on fewer problems."""
    ledger = LEDGER.read_text()
    for line in verdicts(lesson).splitlines():
        name = line[12:].strip().split(":")[0]
        row = next(r for r in ledger.splitlines() if r.startswith(f"| {name} |"))
        assert not (line.startswith("fails") and "| holds |" in row), line
        assert not (line.startswith("holds") and "| fails |" in row), line


def test_verdicts_are_words_without_measured_digits():
    text = verdicts("00")
    assert len(text.splitlines()) == sum(c.lesson == "00" for c in CLAIMS.values())
    published = {c.id: c.statement for c in CLAIMS.values()}
    for line in text.splitlines():
        verdict, name, statement = re.match(r"(.{12}) ([\w-]+): (.*)", line).groups()
        assert verdict.strip() in {"holds", "fails", "not decided", "not tested"}
        assert statement == published[name]


def test_no_two_claims_have_one_name():
    assert len(CLAIMS) == sum(len(module.CLAIMS) for module in claims.MODULES)


def test_the_ledger_lists_every_claim():
    ledger = LEDGER.read_text()
    for claim in CLAIMS.values():
        assert f"| {claim.id} | {claim.statement} |" in ledger


def test_the_report_has_a_row_for_each_claim_also_where_nothing_was_measured(
    monkeypatch,
):
    rows = {
        "a": Claim(
            "a", "00", "small", "us", 0.5, lambda quick, _: (0.1, 0.0, 0.2, "b")
        ),
        "c": Claim("c", "00", "open", "us", 0.5, lambda quick, _: None),
    }
    monkeypatch.setattr(claims, "CLAIMS", rows)
    lines = claims.report().splitlines()
    assert lines[-2] == "| a | small | 0.100 | 0.000 to 0.200 | b | holds | us |"
    assert lines[-1] == "| c | open | none | none | none | not tested | us |"
