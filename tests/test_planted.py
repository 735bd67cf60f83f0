"""The planted faults fit the code as it stands: each has its place, and a reader."""

import ast
from pathlib import Path

import pytest

from tests.planted.bugs import BUGS, Bug
from tests.planted.importers import importers
from tests.planted.run import planted

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_fault_applies_exactly_once_and_still_parses(bug):
    text = planted(ROOT, bug)
    assert bug.old != bug.new and bug.what
    if bug.file.endswith(".py"):
        before = ast.dump(ast.parse((ROOT / bug.file).read_text()))
        assert ast.dump(ast.parse(text)) != before


def test_no_two_faults_have_one_name():
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("old", ["there is no such text", "import "])
def test_a_fault_without_its_place_is_named(old):
    lost = Bug("lost", "l2o_kit/lstm.py", old, "", "nothing")
    with pytest.raises(
        SystemExit, match=r"lost: its text is \d+ times in l2o_kit/lstm"
    ):
        planted(ROOT, lost)


@pytest.mark.parametrize("file", sorted({bug.file for bug in BUGS}))
def test_somebody_reads_every_file_with_a_fault(file):
    assert importers(ROOT, file)[0][0]
