"""The house: who may import whom, what is public, what the Makefile says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import l2o_kit

ROOT = Path(__file__).parent.parent
KIT = "l2o_kit"
FILES = sorted((ROOT / "l2o_kit").rglob("*.py"))
FLOORS = {"teaching": 2, "lessons": 4, "classroom": 5}  # of folders; the library is 1


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def floor(name: str) -> tuple[int, str]:
    """The floor of a module, and its room where that is a lesson's."""
    _, folder, file, *_ = *name.split("."), "", ""
    if re.match(r"l\d\d_", file):
        return 3, file
    return FLOORS.get(folder, 1), ""


def imported(path: Path) -> set[str]:
    """Modules of the kit that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(KIT):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith(KIT)}
    return found


def upward(name: str, others: set[str]) -> list[str]:
    """Those of the others that a module must not import: above it, or next door."""
    (here, room), wrong = floor(name), []
    for other in others:
        there, next_door = floor(other)
        if there > here or (there == here == 3 and next_door != room):
            wrong.append(other)
    return wrong


MODULES = {module(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_imports_upward(path):
    assert not upward(module(path), imported(path))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("l2o_kit.lstm", "l2o_kit.teaching.panel"),
        ("l2o_kit", "l2o_kit.lessons.claims"),
        ("l2o_kit.teaching.panel", "l2o_kit.lessons.l00_start.race"),
        ("l2o_kit.lessons.l00_start.race", "l2o_kit.lessons.stored"),
        ("l2o_kit.lessons.l00_start.race", "l2o_kit.lessons.l01_descent.valleys"),
        ("l2o_kit.lessons.claims", "l2o_kit.classroom.rehearse"),
    ],
)
def test_an_import_upward_or_next_door_is_seen(here, there):
    assert upward(here, {there, "l2o_kit.lstm"}) == [there]
    assert {here, there} <= MODULES


def test_no_two_modules_import_each_other():
    below = {module(path): imported(path) & MODULES for path in FILES}
    while free := {name for name, others in below.items() if not others & below.keys()}:
        below = {name: others for name, others in below.items() if name not in free}
    assert not below, f"a circle among {sorted(below)}"


def test_public_names_exist_and_have_docstrings():
    for name in l2o_kit.__all__:
        assert getattr(l2o_kit, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = l2o_kit.nothing


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_stay_small_and_explain_themselves(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node) or ""
            length = node.end_lineno - node.lineno - len(doc.splitlines())
            assert length <= 45, node.name
    assert "pyplot" not in re.sub(r'""".*?"""', "", text, flags=re.S)


def test_the_library_is_at_most_27_files_and_three_folders_of_code():
    here = {path for path in (ROOT / KIT).iterdir() if path.name != "__pycache__"}
    assert len([path for path in here if path.is_file()]) <= 27
    code = {path.name for path in here if path.is_dir() and any(path.rglob("*.py"))}
    assert code == set(FLOORS)


def test_the_formatter_has_the_last_word():
    sources = [*FILES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("notebooks/**/*.ipynb")]
    for path in sources:
        assert not re.search(r"# fmt[:]", path.read_text()), path


def test_every_name_of_the_kit_is_read_from_no_global_seed():
    for path in FILES:
        assert not re.search(
            r"torch\.manual_seed\(|np\.random\.seed\(", path.read_text()
        )


@pytest.mark.parametrize("module_name", ["recipes", "stored", "claims"])
def test_command_lines_run_without_a_warning(module_name):
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        f"l2o_kit.lessons.{module_name}",
        "--help",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "usage" in done.stdout, done.stderr


@pytest.mark.parametrize("module_name", ["recipes", "stored"])
def test_command_lines_name_what_is_unknown(module_name):
    command = [sys.executable, "-m", f"l2o_kit.lessons.{module_name}", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "'nothing'" in done.stderr


def test_help_lists_every_target_of_the_makefile():
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*?)\n\n", text, re.S).group(1)
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    listed = {line.split()[0] for line in shown.stdout.splitlines()}
    assert set(phony.replace("\\", "").split()) == listed


def test_make_says_what_is_wrong_with_python(tmp_path):
    """An old python3, one without venv, and none at all."""
    cases = {
        "none": (None, "There is no"),
        "old": (
            "case $2 in *version_info*) exit 1;; esac; echo Python 3.9.2",
            "Python 3.11 or newer is needed, and",
        ),
        "bare": ("case $2 in *venv*) exit 1;; esac", "apt install python3-venv"),
    }
    for name, (script, message) in cases.items():
        python = tmp_path / name
        if script:
            python.write_text(f"#!/bin/sh\n{script}\n")
            python.chmod(0o755)
        done = subprocess.run(
            ["make", "setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0 and message in done.stdout, (name, done.stdout)
        assert not (tmp_path / "venv").exists()


def test_nothing_tracked_is_large_or_names_a_machine():
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    )
    total = 0
    for name in files.stdout.splitlines():
        path = ROOT / name
        if path.is_file():
            total += path.stat().st_size
            if path.suffix in {".py", ".md", ".ipynb", ".yml", ".toml", ".txt", ""}:
                text = path.read_text()
                assert not re.search(r"/(home|root|Users)/\w", text), name
    assert total < 20e6
