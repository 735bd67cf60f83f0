"""Exercises: stubs from solutions, no drift, and work that is never overwritten."""

import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests import exercises

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = '''
import torch

def rate(L):
    """Return the largest rate."""
    # a comment
    return 2 / L

class Rule:
    """A rule."""

    def step(self, grad):
        """Return
        the update."""
        if grad:
            return 1
        return 0
'''


def lesson(tmp_path):
    cells = [
        new_markdown_cell("[a](../README.md) [b](01_x.ipynb)"),
        new_code_cell(SOLUTION, metadata={"tags": ["solution"]}),
        new_code_cell("print(1)", metadata={"tags": ["nbval-check-output"]}),
    ]
    path = tmp_path / "01_x.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_a_stub_keeps_what_is_asked_and_not_the_answer():
    text = exercises.stub(SOLUTION)
    space = {}
    exec(text, space)
    assert "2 / L" not in text and "if grad" not in text
    assert space["rate"].__doc__ == "Return the largest rate."
    for call in (lambda: space["rate"](1), lambda: space["Rule"]().step(1)):
        with pytest.raises(NotImplementedError, match="Write this"):
            call()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("answer = 3", "line 1: only imports, functions"),
        ("def f():\n    return 3", "f has no docstring"),
    ],
)
def test_what_cannot_become_an_exercise_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        exercises.stub(source)


def test_the_students_notebook(tmp_path):
    path = exercises.write(lesson(tmp_path), tmp_path / "exercises")
    text, stub, plain = nbformat.read(path, as_version=4).cells
    assert text.source == "[a](../../README.md) [b](01_x.ipynb)"
    assert "NotImplementedError" in stub.source and stub.metadata.tags == ["exercise"]
    assert "tags" not in plain.metadata and plain.outputs == []


def test_an_edited_file_is_left_alone(tmp_path):
    source, folder = lesson(tmp_path), tmp_path / "exercises"
    path = exercises.write(source, folder)
    exercises.write(source, folder)  # as generated: written again
    work = nbformat.read(path, as_version=4)
    work.cells[2].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(work, path)
    exercises.write(source, folder)  # running it is no edit
    work.cells[1].source += "\n# mine"
    nbformat.write(work, path)
    with pytest.raises(exercises.Edited, match="was edited, and is left as it is"):
        exercises.write(source, folder)
    assert "# mine" in path.read_text()


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_exercises_are_what_the_lessons_give(path):
    made = exercises.exercise(nbformat.read(path, as_version=4))
    kept = nbformat.read(ROOT / "notebooks/exercises" / path.name, as_version=4)
    assert kept == made, "run: make exercises"
    assert any(
        "solution" in c.metadata.get("tags", [])
        for c in nbformat.read(path, as_version=4).cells
    )


def test_make_lab_copies_only_what_is_missing(tmp_path):
    for folder in ("exercises", "my_work"):
        (tmp_path / "notebooks" / folder).mkdir(parents=True)
        (tmp_path / "notebooks" / folder / "a.ipynb").write_text(folder)
    (tmp_path / "notebooks/exercises/b.ipynb").write_text("new")
    command = ["make", "-f", ROOT / "Makefile", "my_work"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    mine = tmp_path / "notebooks/my_work"
    assert (mine / "a.ipynb").read_text() == "my_work"
    assert (mine / "b.ipynb").read_text() == "new"
