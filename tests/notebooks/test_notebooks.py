"""The rules that every notebook follows, and every number in its prose."""

import configparser
import itertools
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHECK = r"= lesson\.check\.\w+\("
LEDGER = (FOLDER.parent / "CLAIMS.md").read_text()
CONFIG = configparser.RawConfigParser()
CONFIG.read(Path(__file__).parents[1] / "nbval_sanitize.cfg")
SANITIZED = {name: CONFIG[name]["regex"] for name in CONFIG.sections()}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def prose(cells):
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def checked(cells):
    return [c for c in cells if "nbval-check-output" in c.metadata.get("tags", [])]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_every_cell_was_run_in_order_without_an_error(cells):
    counts = [cell.execution_count for cell in code(cells)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(cells):
        assert all(out.output_type != "error" for out in cell.outputs), cell.source


def test_a_checked_cell_says_what_was_found_and_has_an_output(cells):
    assert any("verdicts(" in cell.source for cell in checked(cells))
    for cell in checked(cells):
        assert cell.outputs and "clear_output" not in cell.source
        assert re.search(rf"verdicts\(|{CHECK}", cell.source)
        digits = re.sub(r"\b0?\.\d+|\b\d+\b", "", cell.outputs[0].text)
        assert digits  # words remain


def test_every_solution_is_right_and_compared(cells):
    """nbval runs the solution anew and compares what its check says."""
    checks = [cell for cell in code(cells) if re.search(CHECK, cell.source)]
    assert checks
    for cell in checks:
        assert cell in checked(cells), cell.source
        assert cell.outputs[0].text.startswith("Right: "), cell.source


PANEL = r"(\w+) = lesson\.([A-Z]\w+)\(lesson\.(\w+)"


def test_the_self_check_rehearses_every_kind_of_panel(cells):
    sources = [cell.source for cell in code(cells)]
    (check,) = [source for source in sources if "rehearse()" in source]
    kinds = dict(re.findall(PANEL[: PANEL.index("\\(")], "\n".join(sources)))
    rehearsed = {
        kind
        for name, kind in kinds.items()
        if re.search(rf"\b{name}\b(?!\.title)", check)
    }
    assert rehearsed == set(kinds.values())
    assert check.count("rehearse()") in (1, len(rehearsed))


def test_each_question_is_asked_by_one_panel():
    found = {}
    for path in NOTEBOOKS:
        text = "\n".join(c.source for c in code(nbformat.read(path, 4).cells))
        for _, kind, question in re.findall(PANEL, text):
            found.setdefault((path, question), set()).add(kind)
    assert found and all(len(kinds) == 1 for kinds in found.values()), found


def test_a_link_to_a_lesson_says_its_number(cells):
    for text, number in re.findall(
        r"\[([^\]]+)\]\((\d\d)_\w+\.ipynb\)", "\n".join(prose(cells))
    ):
        assert re.search(rf"\b{number}\b", text), (text, number)


def test_size_metadata_and_paths(path, cells):
    text = path.read_text()
    assert len(text) < 1_000_000
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    assert not re.search(r"/(home|root|Users|tmp|work)/\w", text)
    assert "application/vnd.jupyter.widget-view+json" not in text


def test_no_trailing_semicolon(cells):
    for cell in code(cells):
        assert not cell.source.rstrip().endswith(";"), cell.source


def test_headings_are_one_h1_and_skip_no_level(cells):
    text = "\n".join(prose(cells))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    for before, after in itertools.pairwise(levels):
        assert after <= before + 1


def test_the_template_is_followed(cells):
    text = "\n".join(prose(cells))
    order = [
        "## Goals",
        "**Time:**",
        "**You need:**",
        "## Setup",
        "**Predict.**",
        "**Explore.**",
        "We observe that",
        "xercise",
        "## What we found",
        "## Summary",
        "## Go further",
        "## Self-check",
    ]
    places, here = [], 0
    for part in order:
        here = text.find(part, here)
        places.append(here)
    assert -1 not in places, order[places.index(-1)]
    assert len(cells) <= 42
    setup = next(cell for cell in code(cells))
    assert len(setup.source.splitlines()) <= 5
    assert ".rehearse()" in cells[-1].source
    assert "<details>" in text


def test_pictures_have_alternative_texts(cells):
    for source in prose(cells):
        assert "![](" not in source
    for cell in code(cells):
        for output in cell.outputs:
            data = output.get("data", {})
            assert "image/png" not in data or "text/html" in data
            for image in re.findall(r"<img [^>]*>", data.get("text/html", "")):
                assert re.search(r'alt="[^"]{20,}"', image[:2000])


def test_links_to_files_lead_somewhere(cells):
    for source in prose(cells):
        for target in re.findall(r"\]\((?!http)([^)#]+)", source):
            assert (FOLDER / target).exists(), target


def ledger() -> dict[str, dict[str, str]]:
    """id -> column -> cell of CLAIMS.md."""
    lines = [line for line in LEDGER.splitlines() if line.startswith("| ")]
    head, *rows = [line.split(" <!--")[0].strip("| ").split(" | ") for line in lines]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_numbers_in_prose_are_those_of_the_ledger(cells):
    """Written as 0.41<!-- claim:digits-mean -->."""
    text, rows = "\n".join(prose(cells)), ledger()
    found = re.findall(r"([\d.]+)<!-- claim:([\w-]+) -->", text)
    assert found and len(found) == text.count("<!-- claim:")
    for number, claim in found:
        decimals = len(number.partition(".")[2])
        assert f"{float(rows[claim]['measured']):.{decimals}f}" == number, claim


# What was aimed at, and what a panel's own run gives: no claims
ANOTHER_THING = {"0.4 times", "1.13 times"}


def test_a_ratio_in_prose_names_its_claim(cells):
    """What reads like "0.41 times the loss" is a claim's number, and says whose."""
    words = r"times|of (?:its|the best|tuned|Adam)"
    for text in prose(cells):
        found = re.findall(rf"(?<![\d.])(\d+\.\d+\s+(?:{words})) ?\w*", text)
        assert set(found) <= ANOTHER_THING, found


def test_what_we_found_quotes_the_ledger(path, cells):
    """Its claims and verdicts are the ledger's, each with a quick number below."""
    told = next(s for s in prose(cells) if "## What we found" in s)
    assert "`CLAIMS.md`" in told
    rows, lesson = ledger(), path.stem[:2]
    printed = [c for c in checked(cells) if f'verdicts("{lesson}")' in c.source]
    assert len(printed) == 1
    lines = printed[0].outputs[0].text.splitlines()
    for line, quick in zip(lines[::2], lines[1::2], strict=True):
        verdict, name, statement = re.match(r"(.{12}) ([\w-]+): (.*)", line).groups()
        assert rows[name]["claim"] == statement
        assert rows[name]["verdict"] == verdict.strip(), line
        assert re.sub(SANITIZED["what is measured as the cell runs"], "", quick) == (
            " " * 13
        )


def test_only_a_quick_number_is_not_compared():
    """A verdict that another processor turned would be seen by nbval."""
    text = "holds        a: b\n             quick: 0.5, 0.4 to 0.6, against c\nfails"
    pattern = SANITIZED["what is measured as the cell runs"]
    assert (
        re.sub(pattern, "QUICK", text) == "holds        a: b\n             QUICK\nfails"
    )
