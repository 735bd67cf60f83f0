"""Seconds of each notebook beside its budget, after a run of nbval: a pytest plugin.

Loaded with ``-p tests.nbval_times``; it adds up what pytest measured for the cells, the
start of the kernel included, and prints. It never fails a test: ``make rehearse`` does.
"""

from collections import defaultdict

import nbformat
import pytest

seconds: dict[str, float] = defaultdict(float)  # notebook -> seconds, so far


def pytest_runtest_logreport(report):
    """Count a cell's set-up, run and tear-down (from all processes of xdist)."""
    path = report.nodeid.partition("::")[0]
    if path.endswith(".ipynb"):
        seconds[path] += report.duration


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    """Print the table."""
    if not seconds:
        return
    terminalreporter.section("seconds per notebook (budget: live cells take 60 s)")
    for path, taken in sorted(seconds.items()):
        metadata = nbformat.read(config.rootpath / path, as_version=4).metadata
        budget = metadata.get("l2o", {}).get("seconds", "none")
        terminalreporter.line(f"{taken:6.0f} s   budget {budget:>4}   {path}")
