"""The machine of the classroom: what it is, what runs on it, what it lacks."""

import os
import platform
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import joblib
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_path, jupyter_runtime_dir
from matplotlib.font_manager import fontManager

from l2o_kit.downloads import cache
from l2o_kit.teaching.installation import OLDEST, findings

FONT = "DejaVu Sans"  # in the figures; it ships with matplotlib
LEAST_DISK = 1.0  # GB: saved notebooks, checkpoints, the cache
WIDGETS = "@jupyter-widgets/jupyterlab-manager"  # what shows sliders in JupyterLab
GIGABYTE = 1e9


def machine() -> str:
    """The processor, its cores and the memory, in one line."""
    threads = os.environ.get("OMP_NUM_THREADS")
    return (
        f"{_processor()}, {joblib.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / GIGABYTE:.0f} GB of memory, "
        + (f"OMP_NUM_THREADS={threads}" if threads else "OMP_NUM_THREADS not set")
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^model name\s*: (.+)$", text, re.M)
    return found.group(1) if found else platform.processor() or platform.machine()


def versions() -> str:
    """Python and every package that the kit needs, with their versions, in one line."""
    names = [name for name in (*OLDEST, "ipykernel") if _version(name)]
    packages = [f"{name} {_version(name)}" for name in names]
    return ", ".join([f"Python {platform.python_version()}", *packages])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def free_disk(folder: Path) -> float:
    """GB that are free where a folder lies."""
    return shutil.disk_usage(folder).free / GIGABYTE


def missing(folder: Path) -> list[str]:
    """What this machine lacks for a class with the notebooks of a folder, each with its
    remedy; [] where nothing does."""
    found = [f"{name}: {problem}" for name, problem in findings() if problem]
    if "python3" not in KernelSpecManager().find_kernel_specs():
        found.append("No Python kernel for notebooks. Run: make setup")
    if not any(Path(path, WIDGETS).is_dir() for path in jupyter_path("labextensions")):
        found.append(
            "JupyterLab has no widgets, so no slider. Run: pip install ipywidgets"
        )
    if FONT not in fontManager.get_font_names():
        found.append(f"The font {FONT} is missing: reinstall matplotlib.")
    if (free := free_disk(folder)) < LEAST_DISK:
        found.append(f"{free:.1f} GB of disk are free; {LEAST_DISK:.0f} are needed.")
    places = [folder, folder / "my_work", cache(), Path(jupyter_runtime_dir())]
    return found + [problem for place in places if (problem := unwritable(place))]


def unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder, or into the one where it will be made;
    "" where something can. A file is written, and gone again."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"0")
    except OSError as error:
        return f"{there} cannot be written to ({error.strerror}). Change its rights."
    return ""
