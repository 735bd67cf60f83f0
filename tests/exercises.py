"""Make the students' notebooks from the lessons: ``make exercises``.

A lesson holds the solutions. In the student's notebook, each cell tagged ``solution``
becomes a stub: the same functions with their docstrings, which say what to write, and a
body that raises NotImplementedError until it is filled. Outputs are left out, and links
lead one folder further up. Edited files are never overwritten.
"""

import ast
import hashlib
import re
import sys
from pathlib import Path

import nbformat

LESSONS = Path(__file__).parent.parent / "notebooks"
FOLDER = LESSONS / "exercises"


class Edited(Exception):
    """A file in exercises/ is not as it was generated."""


def stub(source: str) -> str:
    """Functions and methods keep name, arguments and docstring; the rest is to write.

    Raises ValueError where a solution has something else than imports, functions and
    classes, or a function without a docstring: nobody would know what to write.
    """
    lines, edits = source.splitlines(), []
    for node in _functions(ast.parse(source).body):
        if not ast.get_docstring(node):
            raise ValueError(f"{node.name} has no docstring that says what to write.")
        doc, last = node.body[0], node.body[-1]
        indent = " " * doc.col_offset
        edits.append((doc.end_lineno, last.end_lineno, indent))
    for begin, end, indent in reversed(edits):
        lines[begin:end] = [
            f'{indent}raise NotImplementedError("Write this, then run the cell again.")'
        ]
    return "\n".join(lines)


def _functions(body):
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(
                part for part in node.body if not isinstance(part, ast.Expr)
            )
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            raise ValueError(
                f"line {node.lineno}: only imports, functions and classes can become "
                "an exercise."
            )


def exercise(lesson: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The student's notebook of a lesson."""
    notebook = nbformat.from_dict(lesson)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\(\.\./", "](../../", cell.source)
            continue
        cell.outputs, cell.execution_count = [], None
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            cell.source = stub(cell.source)
            cell.metadata["tags"] = ["exercise"]
        elif tags:  # nothing is compared here
            del cell.metadata["tags"]
    notebook.metadata["l2o_kit"] = {"generated": digest(notebook)}
    return notebook


def digest(notebook) -> str:
    """A fingerprint of what is written in the cells, outputs not counted."""
    text = "\0".join(f"{cell.cell_type} {cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()


def write(lesson: Path, folder: Path = FOLDER) -> Path:
    """Generate one file. Raises Edited where somebody has worked in the old one."""
    path = folder / lesson.name
    if path.exists():
        old = nbformat.read(path, as_version=4)
        if old.metadata.get("l2o_kit", {}).get("generated") != digest(old):
            raise Edited(
                f"{path.name} in {folder.name}/ was edited, and is left as it is. Move "
                "your work to my_work/ (or delete the file), then try again."
            )
    folder.mkdir(exist_ok=True)
    nbformat.write(exercise(nbformat.read(lesson, as_version=4)), path)
    return path


def main() -> int:
    """All lessons; the exit status is 1 where a file had to be left."""
    left = 0
    for lesson in sorted(LESSONS.glob("*.ipynb")):
        try:
            print(f"exercises/{write(lesson).name}")
        except Edited as error:
            left = 1
            print(error, file=sys.stderr)
    return left


if __name__ == "__main__":
    sys.exit(main())
