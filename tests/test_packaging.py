"""The package: what it asks for, what it holds, and that the library needs no lab."""

import ast
import inspect
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import ModuleType

import pytest
import yaml

import l2o_kit
from l2o_kit.checkpoint import version

ROOT = Path(__file__).parent.parent
KIT = ROOT / "l2o_kit"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIBRARY = sorted(KIT.glob("*.py"))
NAMES = ["l2o_kit" if p.stem == "__init__" else f"l2o_kit.{p.stem}" for p in LIBRARY]
ABOVE = ("l2o_kit.teaching", "l2o_kit.lessons", "l2o_kit.classroom")
# Pillow is not among them: it comes with matplotlib, which the library asks for.
LAB = ("ipywidgets", "IPython", "joblib", "nbconvert", "latex2mathml")
JUPYTER = ("nbformat", "jupyter_client", "jupyter_core", "jupyterlab", "ipykernel")
WITHOUT_LAB = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LAB + JUPYTER}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
"""


def run(code: str) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def needs(*extras: str) -> dict[str, str]:
    """name -> lower bound, of the library and of some extras."""
    more = [line for name in extras for line in PROJECT["optional-dependencies"][name]]
    return dict(line.split(">=") for line in [*PROJECT["dependencies"], *more])


def test_the_library_asks_for_no_lab():
    library = "torch numpy scikit-learn matplotlib safetensors tqdm pooch jaxtyping"
    assert needs().keys() == set(library.split())
    assert not set(LAB + JUPYTER) & needs().keys()


def test_environment_yml_asks_for_the_same_as_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *lines, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]} and lines[:2] == ["python=3.11", "pip"]
    conda = dict(line.split(">=") for line in lines[2:])
    conda["torch"] = conda.pop("pytorch")
    assert conda.pop("setuptools")
    assert conda == needs("lab", "test")


def test_constraints_pin_all_that_is_asked_for_and_no_local_build():
    text = (ROOT / "constraints.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([\w.+]+)$", text, re.M))
    assert set(needs("lab", "test")) <= {name.lower() for name in pins}
    assert pins["torch"] == "2.13.0" and "setuptools" in pins
    assert not any("+" in version for version in pins.values())


@pytest.mark.parametrize("name", ["pyproject.toml", "environment.yml"])
def test_every_dependency_has_a_reason(name):
    for line in (ROOT / name).read_text().splitlines():
        if ">=" in line and "requires" not in line:
            assert "#" in line, line


def test_the_library_loads_nothing_of_the_lab_or_of_the_floors_above():
    imports = "".join(f"import {name}\n" for name in NAMES)
    done = run(f"{imports}import sys\nprint(*sys.modules)")
    loaded = done.stdout.split()
    assert set(NAMES) <= set(loaded), done.stderr
    assert not [name for name in loaded if name.startswith(ABOVE)]
    assert not {name.partition(".")[0] for name in loaded} & {*LAB, *JUPYTER}


def test_the_library_trains_saves_and_loads_without_the_lab(tmp_path):
    imports = "".join(f"import {name}\n" for name in NAMES)
    code = f"""
import l2o_kit as l2o
rule, problem = l2o.LSTMOptimizer(), l2o.Quadratic()
log = l2o.meta_train(rule, problem, meta_steps=2, batch=2, lr=1e-3)
path = l2o.save(rule, {str(tmp_path / "mine.safetensors")!r})
again = l2o.load(path)
assert all((again.state_dict()[k] == v).all() for k, v in rule.state_dict().items())
print(len(log.meta_losses), l2o.compare({{"mine": again}}, problem, batch=2))
"""
    done = run(WITHOUT_LAB + imports + code)
    assert done.stdout.startswith("2 Quadratic"), done.stderr


@pytest.mark.parametrize(
    "name", ["lessons.l00_start", "teaching.panel", "classroom.rehearse"]
)
def test_without_the_lab_a_lesson_says_what_to_install(name):
    done = run(f"{WITHOUT_LAB}import l2o_kit.{name}")
    *_, last = done.stderr.splitlines()
    assert last.startswith("ImportError: The lessons need")
    assert last.endswith('pip install "l2o_kit[lab]"')
    assert "another exception" not in done.stderr


def test_version_is_that_of_what_is_installed(monkeypatch):
    assert l2o_kit.__version__ == metadata.version("l2o_kit") == PROJECT["version"]

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version() == "0+unknown"


BUILD = "import sys, setuptools.build_meta as b; b.build_{}(sys.argv[1])"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, set[str]]:
    """kind -> names of the files in the wheel and in the source archive.

    Built from a copy, without network; names without the source archive's own folder.
    """
    copy, out = (tmp_path_factory.mktemp("build") / name for name in ("copy", "out"))
    not_copied = (".*", "__pycache__", "*.egg-info", "my_work", "handouts")
    copytree(ROOT, copy, ignore=ignore_patterns(*not_copied))
    for kind in ("wheel", "sdist"):
        subprocess.run(
            [sys.executable, "-c", BUILD.format(kind), out],
            cwd=copy,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            check=True,
            capture_output=True,
        )
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    return {"wheel": set(zipfile.ZipFile(wheel).namelist()), "sdist": inside}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize(
    "pattern", ["*.py", "*.npz", "*.safetensors", "*.png", "py.typed"]
)
def test_what_the_kit_reads_is_in_the_archives(built, kind, pattern):
    files = {str(path.relative_to(ROOT)) for path in KIT.rglob(pattern)}
    assert files and files <= built[kind], sorted(files - built[kind])


def test_the_wheel_holds_the_kit_alone(built):
    folders = {name.partition("/")[0] for name in built["wheel"]}
    assert folders == {"l2o_kit", f"l2o_kit-{PROJECT['version']}.dist-info"}


def test_the_source_archive_holds_all_that_is_tracked(built):
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {
        name
        for name in done.stdout.splitlines()
        if not name.startswith(".") and (ROOT / name).is_file()
    }
    assert tracked and tracked <= built["sdist"], sorted(tracked - built["sdist"])


def public(body: list, owner: str = "") -> list[tuple[str, ast.FunctionDef]]:
    """The public functions of a file or class, and what makes and calls its objects."""
    found = []
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += public(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (
            not node.name.startswith("_") or node.name in ("__init__", "__call__")
        ):
            found.append((owner + node.name, node))
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_public_argument_of_the_library_is_annotated(path):
    for name, node in public(ast.parse(path.read_text()).body):
        a = node.args
        every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
        bare = [x.arg for x in every if x and not x.annotation]
        assert set(bare) <= {"self", "cls"}, f"{path.stem}.{name}: {bare}"


def face() -> dict[str, tuple]:
    """name -> (what is called, all that is written about its arguments)."""
    found = {}
    for name in l2o_kit.__all__:
        thing = getattr(l2o_kit, name)
        if not isinstance(thing, ModuleType):
            found[name] = thing, inspect.getdoc(thing)
        methods = vars(thing).items() if isinstance(thing, type) else ()
        for key, method in methods:
            if inspect.isfunction(method) and not key.startswith("_"):
                written = f"{inspect.getdoc(method)} {thing.__doc__}"
                found[f"{name}.{key}"] = method, written
    return found


def test_every_argument_of_the_public_face_is_documented():
    bare = [
        f"{name}: {argument}"
        for name, (called, written) in face().items()
        for argument in inspect.signature(called).parameters
        if argument != "self" and not re.search(rf"\b{argument}\b", written)
    ]
    assert not bare


def test_the_types_of_the_library_are_checked():
    assert "$(BIN)/mypy\n" in (ROOT / "Makefile").read_text()
    assert (KIT / "py.typed").is_file()
