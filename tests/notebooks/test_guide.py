"""The teacher's guide: its minutes add up, its settings exist and show what it says.

The guide is notebooks/README.md. Its tables are read as they stand: a plan's rows are
"| minutes | [lesson](file) | headings; of; sections | ...", a setting's rows are
"| `Panel` | **control** value; **control** value | "what the panel says" | why |".
"""

import itertools
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from l2o_kit.teaching.run_panel import RunPanel
from tests.rooms import PANELS

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TEXT = (FOLDER / "README.md").read_text()
GUIDE, HUB = TEXT.split("## A class on JupyterHub\n")
PLANS = {
    "One session: 90 minutes": 90,
    "Session 1: what an optimizer is": 90,
    "Session 2: learn the rule": 90,
    "Session 3: is it any good?": 90,
    "Day 1": 420,
    "Day 2": 420,
}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@cache
def prose(path: Path) -> str:
    """All text cells of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


@cache
def shown(path: Path) -> set[str]:
    """The panels that a notebook shows."""
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    return {name for name in re.findall(r"lesson\.(\w+)\(", code) if name in PANELS}


def section(heading: str) -> str:
    """What stands below a heading of the guide, up to the next heading of any level."""
    found = re.split(rf"^#+ {re.escape(heading)}$", GUIDE, flags=re.M)
    assert len(found) == 2, heading
    return re.split(r"^#+ ", found[1], maxsplit=1, flags=re.M)[0]


def lesson(path: Path) -> str:
    """What the guide says of a notebook."""
    title = prose(path).splitlines()[0].removeprefix("# ").split(":")[0]
    return section(f"{path.stem[:2]} [{title}]({path.name})")


def table(text: str, head: str) -> list[list[str]]:
    """The rows of the table whose first line begins with head."""
    rest = text.split(f"\n| {head}", 1)
    assert len(rest) == 2, f"no table {head!r}"
    rows = []
    for line in rest[1].splitlines()[2:]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().replace(r"\|", "|") for cell in cells])
    assert rows and all(len(row) == len(rows[0]) for row in rows), head
    return rows


def plan(heading: str) -> list[tuple[int, str, list[str]]]:
    """(minutes, notebook or "", headings) of each row of a plan."""
    rows = []
    for minutes, link, places, *_ in table(section(heading), "min"):
        name = re.fullmatch(r"\[\d\d\]\((.*)\)", link)
        places = re.split(r"; (?=\d\.|What )", places)
        rows.append((int(minutes), name[1] if name else "", places))
    return rows


def first(row: list[str]) -> str:
    return row[0].strip("`")


@pytest.mark.parametrize(("heading", "minutes"), PLANS.items())
def test_the_minutes_of_a_plan_add_up(heading, minutes):
    assert sum(row[0] for row in plan(heading)) == minutes


def test_the_hours_that_are_stated_are_those_of_the_plans():
    assert "## Three sessions of 90 minutes" in GUIDE
    words = r"Two days of (\d+) hours, (\d+) minutes each, with breaks: (\d+) hours"
    hours, each, in_all = map(int, re.search(words, GUIDE).groups())
    assert 60 * hours == each == PLANS["Day 1"] == PLANS["Day 2"]
    assert in_all == 2 * hours


@pytest.mark.parametrize("heading", PLANS)
def test_the_sections_of_a_plan_exist(heading):
    for _, name, places in plan(heading):
        if name:
            headings = re.findall(r"^## (.*)$", prose(FOLDER / name), re.M)
            assert set(places) <= set(headings), (name, places)


def test_what_may_be_left_out_stands_in_a_plan():
    known = {place for heading in PLANS for row in plan(heading) for place in row[2]}
    dropped = re.findall(r"\*(\d\. [^*]+)\*", GUIDE)
    assert dropped and {p for d in dropped for p in re.split(r"; (?=\d)", d)} <= known


def test_minutes_of_a_lesson(path):
    """Reading as in the notebook's Time line, in class as in the two days."""
    reading = re.search(r"\*\*Time:\*\* about (\d+) minutes of reading", prose(path))[1]
    days = plan("Day 1") + plan("Day 2")
    in_class = sum(minutes for minutes, name, _ in days if name == path.name)
    line = f"**Minutes.** Reading {reading}, in class {in_class}."
    assert in_class and line in lesson(path), line


def test_a_lesson_has_goals_misconceptions_and_words_for_each_panel(path):
    text = lesson(path)
    assert re.search(r"\*\*Goals\.\*\* They can [^*]{60,}", text)
    rows = table(text, "panel | before")
    assert {first(row) for row in rows} == shown(path)
    wrong = table(text, "they think")
    assert len(wrong) >= 3
    for row in rows + wrong:
        assert all(len(cell) >= 4 for cell in row), row


def test_each_question_for_discussion_has_an_answer(path):
    asked = re.findall(r"^\*For discussion:\* (.*)$", prose(path), re.M)
    pair = r"^\*\*Discuss:\*\* (.*)\n\*\*An answer\.\*\* (.*)$"
    answered = dict(re.findall(pair, lesson(path), re.M))
    assert asked and set(asked) == set(answered)
    assert all(len(answer) > 100 for answer in answered.values())


SETTINGS = [
    pytest.param(*row[:3], id=f"{path.stem[:2]}-{i}-{first(row)}")
    for path in NOTEBOOKS
    for i, row in enumerate(table(lesson(path), "panel | settings"))
]


def move(control, value: str):
    """Put a control where a hand could put it; AssertionError where it could not."""
    if hasattr(control, "options"):
        labels = [o[0] if isinstance(o, tuple) else str(o) for o in control.options]
        assert value in labels, f"{value!r} is none of {labels}"
        control.index = labels.index(value)
    elif isinstance(control.value, bool):
        control.value = {"on": True, "off": False}[value]
    else:
        count = round((control.max - control.min) / control.step)
        grid = [control.min + i * control.step for i in range(count + 1)]
        if hasattr(control, "base"):
            grid = [control.base**power for power in grid]
        near = min(grid, key=lambda place: abs(place - float(value)))
        assert f"{near:.3g}" == f"{float(value):.3g}", f"{value} is between two stops"
        control.value = type(control.value)(near)


def set_up(panel, settings: str):
    """Move the controls that a row names, by the names that stand on the screen."""
    named = {control.description: control for control in panel.controls.values()}
    parts = re.findall(r"\*\*(.+?)\*\* ([^*]+?)(?:; (?=\*)|$)", settings)
    spelt = "; ".join(f"**{name}** {value}" for name, value in parts)
    assert settings == (spelt or "as it begins")
    for name, value in parts:
        move(named[name], value)


@cache
def built(name: str):
    """A panel, and the state that it begins with."""
    panel = PANELS[name]()
    return panel, panel.state()


def begin(name: str):
    """A panel as it begins."""
    panel, start = built(name)
    for key, control in panel.controls.items():
        control.value = start[key]
    return panel


@pytest.mark.parametrize(("panel", "settings", "says"), SETTINGS)
def test_a_setting_that_surprises_shows_what_the_guide_says(panel, settings, says):
    shown_here = begin(panel.strip("`"))
    set_up(shown_here, settings)
    quotes = re.findall(r'"([^"]+)"', says)
    if isinstance(shown_here, RunPanel):
        assert says.startswith("Run") and not quotes
    else:
        assert quotes and says == ", ".join(f'"{quote}"' for quote in quotes)
        for quote in quotes:
            assert quote in shown_here.text, shown_here.text


def test_settings_are_those_of_panels_that_the_lesson_shows(path):
    rows = table(lesson(path), "panel | settings")
    assert {first(row) for row in rows} <= shown(path)
    assert len(rows) >= 4 and all(row[3] for row in rows)


def test_panels_that_are_named_exist():
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", GUIDE))
    assert named >= set().union(*map(shown, NOTEBOOKS)) and named <= set(PANELS)


def test_commands_that_are_named_exist():
    targets = re.findall(r"^([a-z-]+):", (FOLDER.parent / "Makefile").read_text(), re.M)
    named = re.findall(r"`(?:\w+=1 )?make ([a-z-]+)`", GUIDE)
    assert {"lab", "test", "rehearse", "handouts"} <= set(named) <= set(targets)


def test_links_lead_somewhere():
    titles = [t.lower() for t in re.findall(r"^#+ (.*)$", TEXT, re.M)]
    anchors = {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        name, _, anchor = target.partition("#")
        assert (FOLDER / name).exists() and (not anchor or anchor in anchors), target


def test_headings_skip_no_level():
    text = re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
