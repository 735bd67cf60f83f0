"""One JupyterLab and one Chromium for all lessons; a fresh page and kernel for each."""

import os
import statistics
from pathlib import Path

import pytest

from . import drive, lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="session")
def server():
    """(address, token) of a JupyterLab on a copy of the notebooks."""
    if not lab.chromium():
        pytest.fail(lab.MISSING)
    with lab.lab(NOTEBOOKS) as place:
        yield place


@pytest.fixture(scope="session")
def chrome(server):
    """A running Chromium."""
    with lab.chrome() as running:
        yield running


@pytest.fixture(scope="module")
def visit(server, chrome):
    """``with visit(name) as page``: a notebook in a fresh page with its own kernel."""

    def open_one(name: str):
        return lab.visit(chrome, *server, name)

    return open_one


@pytest.fixture(scope="module", params=LESSONS)
def page(request, visit):
    """A lesson, all cells run."""
    with visit(request.param) as page:
        lab.run_all(page)
        yield page


@pytest.fixture
def shot():
    """``shot(page, name)`` keeps a screenshot where SHOTS=folder asks for it."""
    folder = os.environ.get("SHOTS")

    def take(page, name: str):
        if folder:
            page.screenshot(path=Path(folder) / f"{page.lesson[:2]}-{name}.png")

    return take


def pytest_terminal_summary(terminalreporter):
    """Key press to painted picture, for every control of the panels that answer."""
    rows = {key: times for key, times in drive.LATENCIES.items() if times}
    if not rows:
        return
    write = terminalreporter.write_line
    write("")
    write("lesson | panel | control | keys | median ms | 95th percentile ms")
    for (lesson, panel, control), times in sorted(rows.items()):
        write(f"{lesson} | {panel[:44]} | {control} | {summary(times)}")
    everything = [taken for times in rows.values() for taken in times]
    write(f"all | {len(rows)} controls | | {summary(everything)}")


def summary(times: list[float]) -> str:
    """How many, their median and 95th percentile, as cells of a table."""
    late = sorted(times)[int(0.95 * (len(times) - 1) + 0.5)]
    return f"{len(times)} | {statistics.median(times):.0f} | {late:.0f}"
