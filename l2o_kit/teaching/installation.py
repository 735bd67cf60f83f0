"""Is the installation whole? A line for each thing the kit needs, with its remedy."""

import os
import sys
from importlib import metadata, resources
from pathlib import Path

import torch

from l2o_kit.checkpoint import PRETRAINED, CheckpointError, load

OLDEST = {  # the lower bounds of pyproject.toml
    "torch": "2.4",
    "numpy": "2.0",
    "scikit-learn": "1.5",
    "matplotlib": "3.10",
    "ipywidgets": "8.1",
    "jupyterlab": "4.4",
    "tqdm": "4.66",
    "safetensors": "0.5",
    "jaxtyping": "0.3",
    "pooch": "1.8",
    "joblib": "1.3",
    "pillow": "11.0",
    "nbconvert": "7.16",
    "latex2mathml": "3.77",
}


def installation() -> None:
    """Print a line for what the kit needs: ok, or what is wrong and the remedy."""
    problems = [problem for _, problem in findings() if problem]
    for name, problem in findings():
        print(f"{'ok  ' if not problem else 'MEND'} {name}")
        if problem:
            print(f"       {problem}")
    if problems:
        print(f"{len(problems)} thing(s) to fix, each with its remedy above.")
    else:
        print("Everything is in place.")


def findings() -> list[tuple[str, str]]:
    """(what was looked at, what is wrong with it or "") for every requirement."""
    found = [("Python 3.11 or newer", _python())]
    found += [(name, _package(name, oldest)) for name, oldest in OLDEST.items()]
    found += [
        ("pretrained optimizers, whole and unchanged", _pretrained()),
        ("stored results", _stored()),
        ("a folder that can be written", _writable(os.getcwd())),
        ("arithmetic of torch", _arithmetic()),
    ]
    return found


def _python(version=sys.version_info) -> str:
    if version >= (3, 11):
        return ""
    return (
        f"This is Python {version[0]}.{version[1]}. Install a newer one, then: make "
        "PYTHON=/path/to/python3 setup"
    )


def _package(name: str, oldest: str) -> str:
    try:
        seen = metadata.version(name)
    except metadata.PackageNotFoundError:
        return (
            f"{name} is not installed here. Run: make setup  (or: pip install {name})"
        )
    if _numbers(seen) < _numbers(oldest):
        return f"{name} is {seen}; {oldest} or newer is needed. Run: make setup"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    digits = (part for part in version.split("+")[0].split(".") if part.isdigit())
    return tuple(int(part) for part in digits)


def _pretrained() -> str:
    try:
        found = [load(path) for path in PRETRAINED.glob("*.safetensors")]
    except CheckpointError as error:
        return str(error)
    remedy = "None is there. Copy l2o_kit/pretrained again from the source."
    return "" if found else remedy


def _stored() -> str:
    kit = Path(str(resources.files("l2o_kit")))
    for folder in (kit / "stored", *kit.glob("lessons/l*/stored")):
        if not any(folder.glob("*.npz")):
            return (
                f"{folder.relative_to(kit.parent)} is empty. Copy it again from the "
                "source, or: make stored"
            )
    return ""


def _writable(folder: str) -> str:
    if os.access(folder, os.W_OK):
        return ""
    return "This folder cannot be written: saving will fail. Copy the kit elsewhere."


def _arithmetic() -> str:
    W = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    theta = torch.ones(2, requires_grad=True)
    (W @ theta).square().sum().backward()
    if torch.allclose(theta.grad, torch.tensor([8.0, 18.0])):
        return ""
    return (
        f"A gradient came out as {theta.grad.tolist()}, not [8, 18]: reinstall torch."
    )
