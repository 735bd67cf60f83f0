"""Claims: verdicts from intervals, quick numbers, and a ledger that is whole."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from l2o_kit.lessons import bench, claims, files, papers, rooms
from l2o_kit.lessons.claims import CLAIMS, verdicts
from l2o_kit.lessons.l03_lstm.claims import JUDGED
from l2o_kit.teaching import ledger as claims_ledger
from l2o_kit.teaching.claim import Claim
from l2o_kit.teaching.ledger import fingerprint, interval, written

ROOT = Path(__file__).parents[2]
quickly = functools.cache(lambda id: CLAIMS[id].measure(True, None))
LESSONS = {claim.lesson for claim in CLAIMS.values()}
# Their quick form reads stored results, or is the full one; see test_claims_parts.
STORED = {"04", "06", "07", "08", "09", "10", "bench", "engine"}
VERDICTS = {"holds", "fails", "not decided", "not tested"}


def ledger(path=ROOT / "CLAIMS.md") -> dict[str, dict[str, str]]:
    """id -> column -> cell, read as a stranger would: by the lines of the table."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("| ")]
    head, *rows = [
        line.split(" <!--")[0].strip("|").strip().split(" | ") for line in lines
    ]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.2, 0.5, "holds"), (0.4, 0.6, "not decided"), (0.51, 0.9, "fails")],
)
def test_verdict_looks_at_the_whole_interval(low, high, verdict):
    claim = Claim("", print, 0.5)
    assert claim.verdict(low, high) == verdict


def agrees(claim, found, row) -> bool:
    """Whether a measurement is what a row of the ledger says.

    Its interval overlaps the ledger's, and at most half of the ledger's lies outside
    it. A number without an interval is the ledger's, to its three decimals. A number of
    the size of rounding stays three times below its bound.
    """
    if claim.bound:
        return 3 * found[0] <= claim.threshold
    low, high = ends(row)
    slack = 0.0006 + 0.0006 * max(abs(low), abs(high))  # three decimals are written
    inside = min(high, found[2]) - max(low, found[1]) + 2 * slack
    return inside >= max((high - low) / 2, 0)


def ends(row) -> list[float]:
    """The interval's ends in a row of the ledger."""
    return [float(end) for end in row["95 % interval"].split(";")[0].split(" to ")]


def check_quick(lesson):
    """Each claim of a lesson, quickly: the ledger's; no end stands on the threshold.

    Or the last bit would decide: counts have thresholds between whole numbers.
    """
    rows = ledger()
    for claim in (claim for claim in CLAIMS.values() if claim.lesson == lesson):
        found = quickly(claim.id)
        if found is not None:
            assert agrees(claim, found, rows[claim.id]), (found, rows[claim.id])
            assert claim.bound or claim.threshold not in found[:3], (claim.id, found)


@pytest.mark.parametrize("lesson", sorted(LESSONS - STORED))
def test_a_quick_measurement_agrees_with_the_ledger(lesson):
    check_quick(lesson)


def test_shares_are_counted_on_an_odd_number_of_problems():
    for quick in (True, False):
        assert (JUDGED[quick] - 1) % 2 == 1
    count = quickly("quadratic-long-end")[0] * (JUDGED[True] - 1)
    assert count == pytest.approx(round(count), abs=1e-6)


def test_verdicts_are_the_ledgers_with_a_number_measured_now():
    lines, rows = verdicts("00").splitlines(), ledger()
    mine = [claim for claim in CLAIMS.values() if claim.lesson == "00"]
    assert len(lines) == 2 * len(mine)
    for claim, first, second in zip(mine, lines[::2], lines[1::2], strict=True):
        verdict, name, statement = re.match(r"(.{12}) ([\w-]+): (.*)", first).groups()
        assert verdict.strip() == rows[name]["verdict"] in VERDICTS
        assert (name, statement) == (claim.id, claim.statement)
        words = r" {13}quick: (\S+), (\S+) to (\S+), against (\w+)"
        *numbers, rival = re.fullmatch(words, second).groups()
        found = quickly(claim.id)
        assert list(map(float, numbers)) == pytest.approx(found[:3], abs=6e-4)
        assert rival == found[3]


def test_verdicts_say_where_there_is_no_ledger(monkeypatch, tmp_path):
    monkeypatch.setattr(claims_ledger, "LEDGER", tmp_path / "none.md")
    lines = verdicts("02").splitlines()
    assert all(line.startswith("no ledger    ") for line in lines[::2])
    assert lines[1].startswith("             quick: 0.073, against best rate")


def test_a_number_that_nobody_can_measure_here_is_said_to_be_so():
    lines = verdicts("08").splitlines()
    k = next(k for k, line in enumerate(lines) if "conv-cifar10:" in line)
    assert lines[k].startswith("not tested")
    assert lines[k + 1].strip() == "quick: not measured here"


def test_a_lesson_without_claims_is_named():
    with pytest.raises(ValueError, match=r"lesson '11'; there are .*'10'"):
        verdicts("11")


def test_no_two_claims_have_one_name():
    tables = [vars(m).get("CLAIMS", {}) for r in rooms() for m in files(r)]
    tables += [papers.CLAIMS, bench.CLAIMS]
    assert len(CLAIMS) == sum(map(len, tables))


def test_every_claim_says_what_it_was_judged_on_and_fits_a_table():
    for claim in CLAIMS.values():
        words = (claim.id, claim.statement, claim.source, claim.judged_on)
        assert all(words) and claim.published, claim.id
        assert re.fullmatch(r"[a-z0-9-]+", claim.id)
        assert "|" not in "".join(words) + claim.published
        assert None not in words and "None" not in claim.judged_on


# The ledger in the repository


def test_the_ledger_lists_every_claim_and_no_other():
    assert list(ledger()) == list(CLAIMS)


def test_what_other_commands_show_stands_under_the_table():
    below = (ROOT / "CLAIMS.md").read_text().split(" -->\n")[-1]
    assert below == f"\n{claims_ledger.ALSO}"
    for path in re.findall(r"tests[/.]([\w/]+)", below):
        assert (ROOT / "tests" / f"{path}.py").is_file(), path


def test_every_row_says_what_its_claim_says_and_which_command_measures_it():
    for name, row in ledger().items():
        claim = CLAIMS[name]
        assert row["claim"] == claim.statement
        assert row["published"] == claim.published
        assert row["judged on"] == claim.judged_on
        assert row["source"] == claim.source
        first = "`make bench`, then " if "make bench" in row["judged on"] else ""
        assert row["command"] == f"{first}`python -m l2o_kit.lessons.claims {name}`"


def test_every_verdict_is_what_the_numbers_of_its_row_say():
    for name, row in ledger().items():
        assert row["verdict"] in VERDICTS
        if row["verdict"] == "not tested":
            assert row["measured"] == row["95 % interval"] == row["against"] == "none"
            continue
        threshold, measured = CLAIMS[name].threshold, float(row["measured"])
        if CLAIMS[name].bound:
            assert row["95 % interval"] == f"at most {threshold:.1e}"
            assert row["verdict"] == "holds" and 3 * measured <= threshold
            continue
        low, high = ends(row)
        slack = 0.001 * max(abs(low), abs(high), 1e-12) + 0.0005 * (abs(high) >= 0.01)
        assert low - slack <= measured <= high + slack
        expected = {
            "holds": high <= threshold + slack,
            "fails": low > threshold - slack,
            "not decided": low - slack <= threshold < high + slack,
        }
        assert expected[row["verdict"]], name


def marked(text: str) -> list[tuple[str, str]]:
    """Numbers and the claims they quote: 0.41<!-- claim:digits-mean -->."""
    return re.findall(r"([\d.]+)<!-- claim:([\w-]+) -->", text)


@pytest.mark.parametrize("name", ["README.md", "notebooks/README.md"])
def test_numbers_in_texts_are_those_of_the_ledger(name):
    text, rows = (ROOT / name).read_text(), ledger()
    assert len(marked(text)) == text.count("<!-- claim:")
    for number, claim in marked(text):
        decimals = len(number.partition(".")[2])
        assert f"{float(rows[claim]['measured']):.{decimals}f}" == number, claim
    assert name != "README.md" or marked(text)


# Writing rows


@pytest.fixture
def three(monkeypatch, tmp_path):
    """Three claims, a ledger of their own, and how often each was measured."""
    counts = dict.fromkeys("abc", 0)

    def found(name, *values):
        def measure(quick, control):
            counts[name] += 1
            return values or None

        return Claim(
            f"says {name}", measure, 0.5, "us", "2 seeds", "0.4", id=name, lesson="00"
        )

    rows = {
        "a": found("a", 0.1, 0.0, 0.2, "b"),
        "b": found("b"),
        "c": found("c", 0.9, 0.8, 1.0, "d"),
    }
    monkeypatch.setattr(claims, "CLAIMS", rows)
    return rows, counts, tmp_path / "CLAIMS.md"


def run(monkeypatch, path, *words):
    monkeypatch.setattr(sys, "argv", ["claims", "--output", str(path), *words])
    claims.main()


def test_rows_are_written_in_order_also_where_nothing_was_measured(
    three, monkeypatch, capsys
):
    _, _, path = three
    run(monkeypatch, path, "c")
    assert list(ledger(path)) == ["c"]
    run(monkeypatch, path)
    rows = ledger(path)
    assert list(rows) == ["a", "b", "c"]
    seconds = rows["a"].pop("seconds")
    assert re.fullmatch(r"\d+\.\d", seconds)
    assert list(rows["a"].values()) == [
        "a",
        "says a",
        "0.4",
        "0.100",
        "0.000 to 0.200",
        "b",
        "2 seeds",
        "holds",
        "us",
        "`python -m l2o_kit.lessons.claims a`",
    ]
    assert rows["b"]["verdict"] == "not tested" and rows["b"]["seconds"] == "-"
    assert rows["c"]["verdict"] == "fails"
    said = capsys.readouterr().out
    assert "[2 of 3] b ... not tested" in said and "[3 of 3] c ... fails" in said


def test_a_row_whose_claim_is_gone_goes(three, monkeypatch):
    rows, _, path = three
    run(monkeypatch, path)
    del rows["b"]
    run(monkeypatch, path, "a")
    assert list(ledger(path)) == ["a", "c"]


def test_an_interrupted_run_keeps_its_rows_and_can_go_on(three, monkeypatch, capsys):
    rows, counts, path = three
    monkeypatch.setattr(claims_ledger, "fingerprint", lambda: "12345678")
    whole = dict(rows)

    def stop(quick, control):
        raise KeyboardInterrupt

    rows["c"] = Claim("says c", stop, 0.5, "us", "2 seeds", id="c", lesson="00")
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, path)
    assert stopped.value.code == 130 and "--resume" in capsys.readouterr().err
    assert list(ledger(path)) == ["a", "b"]
    rows["c"] = whole["c"]
    run(monkeypatch, path, "--resume")
    assert list(ledger(path)) == ["a", "b", "c"] and counts == {"a": 1, "b": 1, "c": 1}
    monkeypatch.setattr(claims_ledger, "fingerprint", lambda: "87654321")
    run(monkeypatch, path, "--resume")  # other code: nothing of it is measured
    assert counts == {"a": 2, "b": 2, "c": 2}


def test_a_run_killed_while_it_writes_leaves_the_old_file(three, monkeypatch):
    _, _, path = three
    run(monkeypatch, path)
    before = path.read_text()

    def killed(*files):
        raise SystemError("killed")

    monkeypatch.setattr(claims_ledger.os, "replace", killed)
    with pytest.raises(SystemError):
        run(monkeypatch, path, "a")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("wrong", "near"), [("digit-mean", "digits-mean"), ("trust", "trust-home")]
)
def test_an_unknown_claim_is_told_its_neighbours(monkeypatch, capsys, wrong, near):
    monkeypatch.setattr(sys, "argv", ["claims", wrong])
    with pytest.raises(SystemExit) as refused:
        claims.main()
    said = capsys.readouterr().err
    assert refused.value.code == 2
    assert f"there is no claim {wrong!r}. Near it: " in said and near in said


def test_the_command_measures_one_claim_and_changes_its_row_alone(tmp_path):
    """End to end, on a copy in which that row is wrong and one claim is gone."""
    name, text = "short-horizon", (ROOT / "CLAIMS.md").read_text()
    right = next(r for r in text.splitlines() if r.startswith(f"| {name} |"))
    wrong = right.replace("| 0.073 |", "| 9.999 |").replace("holds", "fails")
    gone = wrong.replace(name, "of-long-ago")
    assert wrong != right
    (tmp_path / "CLAIMS.md").write_text(text.replace(right, f"{wrong}\n{gone}"))
    done = subprocess.run(
        [sys.executable, "-m", "l2o_kit.lessons.claims", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"[1 of 1] {name} ... holds" in done.stdout
    before, after = ledger(), ledger(tmp_path / "CLAIMS.md")
    before[name].pop("seconds"), after[name].pop("seconds")
    assert after == before


def test_the_fingerprint_changes_with_code_weights_and_results(tmp_path):
    seen = set()
    for name in ("a.py", "pretrained/b.safetensors", "stored/c.npz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1")
        seen.add(fingerprint(tmp_path))
        path.write_bytes(b"2")
        seen.add(fingerprint(tmp_path))
    assert len(seen) == 6
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"1")
    assert fingerprint(tmp_path) in seen


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (0.0123, "0.012"),
        (0.00123, "1.2e-03"),
        (-0.5, "-0.500"),
        (332, "332.000"),
        (123456.0, "1.2e+05"),
    ],
)
def test_numbers_are_written_with_three_decimals_or_as_powers(value, text):
    assert written(value) == text


@pytest.mark.parametrize(
    ("bound", "found", "text"),
    [
        (True, (3e-15, 3e-15, 3e-15, "autograd"), "at most 1.0e-11"),
        (False, (0.5, 0.25, 0.75, "Adam"), "0.250 to 0.750"),
        (
            False,
            (0.5, 0.25, 0.75, "Adam", (0.4, 0.6)),
            "0.250 to 0.750; rounding alone 0.400 to 0.600",
        ),
    ],
)
def test_an_interval_is_written_with_its_rounding_or_as_a_bound(bound, found, text):
    claim = Claim("", print, 1e-11, bound=bound)
    assert interval(claim, found) == text
