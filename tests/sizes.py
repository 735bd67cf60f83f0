"""How large the kit is, room by room: ``make size`` prints it.

Code is what is left of a file without blank lines, comments and docstrings: the lines
on which a token of the program stands.
"""

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).parent.parent
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
LIMITS = {"library, code": 3_600, "kit": 23_000, "tests": 19_000}


def code(text: str) -> int:
    """Lines of code of a module's text: docstrings, comments and blanks not counted."""
    prose = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            said = node.body[0]
            prose |= set(range(said.lineno, said.end_lineno + 1))
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - prose)


def counted(paths) -> tuple[int, int, int]:
    """(files, lines, lines of code) of some files."""
    texts = [path.read_text() for path in paths]
    return len(texts), sum(len(t.splitlines()) for t in texts), sum(map(code, texts))


def table() -> dict[str, tuple[int, int, int]]:
    """Room -> (files, lines, lines of code), the sums behind their parts."""
    kit = ROOT / "l2o_kit"
    lessons = sorted(path for path in (kit / "lessons").glob("l*") if path.is_dir())
    rows = {"library": kit.glob("*.py"), "teaching": (kit / "teaching").glob("*.py")}
    rows |= {f"lessons/{path.name}": path.glob("*.py") for path in lessons}
    rows["lessons, gatherers"] = (kit / "lessons").glob("*.py")
    rows["classroom"] = (kit / "classroom").glob("*.py")
    rows["kit"] = kit.rglob("*.py")
    rows["tests"] = (ROOT / "tests").rglob("*.py")
    return {name: counted(paths) for name, paths in rows.items()}


def sizes() -> dict[str, int]:
    """What is limited: name -> lines."""
    rows = table()
    return {
        "library, code": rows["library"][2],
        "kit": rows["kit"][1],
        "tests": rows["tests"][1],
    }


if __name__ == "__main__":
    print(f"{'room':28}{'files':>7}{'lines':>9}{'code':>9}")
    for name, row in table().items():
        print(f"{name:28}{row[0]:7,}{row[1]:9,}{row[2]:9,}")
    for name, size in sizes().items():
        print(f"{name}: {size:,} of at most {LIMITS[name]:,} lines")
