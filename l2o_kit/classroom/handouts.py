"""Handouts of the lessons, to read without Python and without a network.

    make handouts        python -m l2o_kit.classroom.handouts [NOTEBOOKS] [HANDOUTS]

Each notebook becomes a page (NAME.html), and index.html leads to them. Each file
carries its pictures, formulas and style, and loads nothing. The outputs are those that
the notebook holds; nothing is run here.

A page is for students: each exercise shows its stub, and the solution is folded away
below it, as are the answers; on paper what is folded stays hidden. Links between
notebooks lead to the other pages; links to other files of the kit become plain text,
because a handout travels alone.
"""

import argparse
import html
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from l2o_kit.classroom import looks
from l2o_kit.classroom.cells import Block, HandoutError, blocks, read

RELATIVE = re.compile(r'<a href="(?![a-z]+:|#)([^"#]+)(#[^"]*)?">(.*?)</a>', re.S)
MARK = "<!-- a section -->"


@dataclass
class Lesson:
    """A notebook, ready to be written: its file's name without ".ipynb", its parts."""

    name: str
    blocks: list[Block]

    @property
    def title(self) -> str:
        """The text of the main heading; where there is none, the file's name."""
        return next((b.text for b in self.blocks if b.kind == "h1"), self.name)

    @property
    def promise(self) -> str:
        """The first paragraph, as HTML."""
        return next((b.html for b in self.blocks if b.kind == "text"), "")


def write(notebooks: str | Path, folder: str | Path) -> list[Path]:
    """Write a page of every notebook, and an index; return their paths.

    Where ``notebooks/exercises`` holds the students' notebooks, their stubs are shown.
    Raises HandoutError where a folder is missing or cannot be written, or a notebook
    cannot be shown: not run, an error in it, a picture without words.
    """
    lessons = load(Path(notebooks))
    names = [lesson.name for lesson in lessons]
    texts = {"index.html": index([linked(lesson, []) for lesson in lessons])}
    for lesson in lessons:
        texts[f"{lesson.name}.html"] = page(linked(lesson, names))
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HandoutError(
            f"The handouts cannot be written to {folder}: {error.strerror}. Name "
            "another folder: python -m l2o_kit.classroom.handouts notebooks FOLDER"
        ) from error
    return [folder / name for name in texts]


def load(folder: Path) -> list[Lesson]:
    """All notebooks of a folder, in the order of their names."""
    if not folder.is_dir():
        raise HandoutError(
            f"There is no folder {folder}. Run this where the kit lies, or name the "
            "folder of the notebooks."
        )
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise HandoutError(f"There is no notebook in {folder}: no file ends in .ipynb.")
    return [lesson(path) for path in paths]


def lesson(path: Path) -> Lesson:
    """One notebook. Raises HandoutError, with the notebook's name."""
    notebook, exercise = read(path), path.parent / "exercises" / path.name
    cells = read(exercise).cells if exercise.exists() else []
    stubs = {
        cell.id: cell.source
        for cell in cells
        if "exercise" in cell.metadata.get("tags", [])
    }
    try:
        return Lesson(path.stem, blocks(notebook, path.parent, stubs))
    except HandoutError as error:
        raise HandoutError(f"{path.name}, {error}") from error


def page(lesson: Lesson) -> str:
    """A lesson to read; a list of its sections stands before the first of them."""
    body, contents = [], []
    for block in lesson.blocks:
        text = block.html
        if block.kind == "h2":
            name = f"section-{len(contents) + 1}"
            text = text.replace("<h2", f'{MARK}<h2 id="{name}"', 1)
            words = html.escape(block.text)
            contents.append(f'<li><a href="#{name}">{words}</a></li>')
        body.append(text)
    listed = f'<nav aria-label="Contents"><ul>{"".join(contents)}</ul></nav>'
    main = "\n".join(body).replace(MARK, listed, 1).replace(MARK, "")
    head = '<nav aria-label="Handouts"><a href="index.html">All handouts</a></nav>'
    return looks.page(f"{lesson.title} - l2o_kit", head, main)


def index(lessons: list[Lesson]) -> str:
    """A page with a link to each lesson's page."""
    rows = []
    for lesson in lessons:
        number = re.match(r"\d*", lesson.name)[0]
        title = html.escape(f"{number} {lesson.title}".strip(), quote=True)
        rows.append(
            f'<li><h2><a href="{lesson.name}.html">{title}</a></h2>{lesson.promise}'
            "</li>"
        )
    head = "<h1>l2o_kit: handouts</h1>"
    text = f"<p>Readable offline.</p><ul>{''.join(rows)}</ul>"
    return looks.page("l2o_kit: handouts", head, text)


def linked(lesson: Lesson, names: list[str]) -> Lesson:
    """The lesson, its links to notebooks leading to handouts; others become text."""

    def change(found):
        name, anchor, words = found.groups()
        stem = Path(name).name.removesuffix(".ipynb")
        if name.endswith(".ipynb") and stem in names:
            return f'<a href="{stem}.html{anchor or ""}">{words}</a>'
        return words

    parts = [
        replace(block, html=RELATIVE.sub(change, block.html)) for block in lesson.blocks
    ]
    return Lesson(lesson.name, parts)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="?", default="notebooks")
    parser.add_argument("handouts", nargs="?", default="handouts")
    asked = parser.parse_args(arguments)
    try:
        written = write(asked.notebooks, asked.handouts)
    except HandoutError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in written) / 1e6
    print(f"{len(written)} files, {size:.1f} MB. Open {written[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
