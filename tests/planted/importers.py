"""Which tests and notebooks import a file of the kit, the nearest first.

A test that names the module, or something that is defined in it, is at distance 0; one
that names a module which does so is at distance 1, or further where there is none. A
notebook counts at distance 0.
"""

import ast
import functools
import json
import re
from pathlib import Path

KIT = "l2o_kit"
# What tests/rooms.py and the ledger gather: a name -> these modules, all of them.
GATHERED = {
    "ALL": r"lessons\.l",
    "PANELS": r"lessons\.l",
    "CHECKS": r"lessons\..*\.checks",
    "CLAIMS": r"lessons\..*claims",
}
SLOW = (  # last
    *("test_claims", "test_claims_controls", "test_resume", "test_every_setting"),
    *("test_distributed", "test_rehearse", "test_handouts", "test_access"),
    "test_panels",
)
SHORT = ("l2o", KIT, "lesson")  # what notebooks call the face, and a room


def importers(root: Path, file: str) -> list[tuple[list[str], bool]]:
    """Groups of files to run, in order, for a changed ``file`` (both relative).

    With each group, whether it imports the file itself, not through another.
    """
    apart = ("bench", "browser")
    tests = sorted((root / "tests").rglob("test_*.py"))
    tests = [p for p in tests if p.parent.name not in apart]
    if file.endswith(".ipynb"):
        readers = [p for p in tests if "notebooks" in p.read_text()]
        # Last those that take long, and the one that any change of a notebook fails:
        # its forms must be written again.
        late = [p for p in readers if p.stem in (*SLOW, "test_exercises")]
        early = [p for p in readers if p not in late]
        groups = (early, [root / file], late)
        return [([_relative(root, p) for p in group], True) for group in groups]
    changed = _dotted(Path(file).relative_to(KIT)).removesuffix(".__init__")
    modules = {_dotted(p.relative_to(root / KIT)): p for p in _modules(root)}
    near = {changed}
    first = [p for p in tests if _names(root, p) & near]
    far, second = near, []
    while not second and (more := _readers(root, modules, far) - far):
        far = far | more
        second = [p for p in tests if p not in first and _names(root, p) & far]
    said = _defined(modules[changed]) if changed in modules else set()
    for group in (first, second):
        group.sort(
            key=lambda p: (
                changed.rpartition(".")[2] not in p.stem,
                p.stem in SLOW,
                "tests.rooms" in p.read_text(),
                -_mentions(p, said),
            )
        )
    lessons = [
        p
        for p in sorted((root / "notebooks").glob("*.ipynb"))
        if _names(root, p) & near
    ]
    groups = ((first, True), (second, False), (lessons, True))
    return [
        ([_relative(root, p) for p in group], near) for group, near in groups if group
    ]


def _readers(root: Path, modules: dict[str, Path], known: set[str]) -> set[str]:
    """The modules that name one of the known."""
    return {name for name, path in modules.items() if _names(root, path) & known}


@functools.cache
def _names(root: Path, path: Path) -> frozenset[str]:
    """The modules of the kit that a file names, or whose definitions it names."""
    homes, found = _homes(root), set()
    for node in ast.walk(ast.parse(_code(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(KIT):
            base = node.module.removeprefix(KIT).lstrip(".")
            found.add(base)
            for alias in node.names:
                found |= _named(homes, alias.name, base)
        elif isinstance(node, ast.ImportFrom) and node.module == "tests.rooms":
            for alias in node.names:
                found |= _gathered(homes, alias.name)
        elif isinstance(node, ast.Attribute) and _root(node) in SHORT:
            found |= homes.get(node.attr, set())
    return frozenset(found)


def _root(node: ast.Attribute) -> str:
    """The name that a chain of attributes begins with, as lesson.check.combined."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def _gathered(homes, name: str) -> set[str]:
    """All modules whose tables a name gathers; none for another name."""
    pattern = GATHERED.get(name)
    every = {module for modules in homes.values() for module in modules}
    return {module for module in every if pattern and re.match(pattern, module)}


def _named(homes, name: str, base: str) -> set[str]:
    """The modules behind ``from base import name``."""
    inside = f"{base}.{name}" if base else name
    defined = {module for module in homes.get(name, ()) if module.startswith(base)}
    return {inside} | _gathered(homes, name) | defined


def _defined(path: Path) -> set[str]:
    """The names on the top level of a module."""
    nodes = ast.parse(path.read_text()).body
    found = (
        getattr(t, "name", getattr(t, "id", None))
        for node in nodes
        for t in getattr(node, "targets", [node])
    )
    return {name for name in found if name}


def _mentions(path: Path, names: set[str]) -> int:
    """How often a file says one of them."""
    return sum(word in names for word in re.findall(r"\w+", path.read_text()))


@functools.cache
def _homes(root: Path) -> dict[str, set[str]]:
    """A name -> the modules that define it on their top level."""
    homes = {}
    for path in _modules(root):
        for name in _defined(path):
            homes.setdefault(name, set()).add(_dotted(path.relative_to(root / KIT)))
    return homes


def _modules(root: Path) -> list[Path]:
    return sorted(p for p in (root / KIT).rglob("*.py") if p.stem != "__init__")


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def _relative(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


def _code(path: Path) -> str:
    """Python as it stands; of a notebook, its code cells."""
    if path.suffix == ".py":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    code = ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    lines = "\n".join(code).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))
