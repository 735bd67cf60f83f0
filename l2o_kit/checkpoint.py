"""Save and load learned optimizers: safetensors, with provenance and a checksum inside.

A file holds the weights phi, how the optimizer is built (config), and where it comes
from (provenance: recipe, seed, versions, score, date). safetensors cannot run code, but
a flipped bit loads silently; so the header also carries a SHA-256 over the tensors'
names, types, shapes and bytes, the config and the provenance, which ``load`` verifies.
"""

import contextlib
import datetime
import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from l2o_kit.groups import GroupedOptimizer, Learned
from l2o_kit.optimizer import LSTMOptimizer

PRETRAINED = Path(__file__).parent / "pretrained"
STORED = Path(__file__).parent / "stored"


class CheckpointError(ValueError):
    """A checkpoint that is not there, is damaged, or does not fit."""

    log: Any  # of the training that could not be written


def save(optimizer: Learned, path: str | Path, **provenance: Any) -> Path:
    """Write the optimizer to ``path`` (.safetensors), whole or not at all.

    provenance: anything worth remembering, as keywords (recipe="mine", seed=0,
    score={"mean": 0.3}); date and versions are added.

    Example: ``save(optimizer, "mine.safetensors", recipe="a minute on my laptop")``
    """
    header = {
        "config": json.dumps(optimizer.config, sort_keys=True),
        "provenance": json.dumps({**today(), **provenance}, sort_keys=True),
    }
    return write(Path(path), optimizer.state_dict(), header)


def load(name: str | Path) -> Learned:
    """A learned optimizer by the name of a shipped one, or by the path of a file.

    Its ``.provenance`` tells where it comes from. Raises CheckpointError with what was
    seen and what to do, for an unknown name and for a file that is damaged, is no
    safetensors file, or does not fit its own description.

    >>> load("digits").num_weights
    5141
    """
    path = _find(name)
    tensors, header = read(path, {"config", "provenance"})
    try:
        optimizer = _build(json.loads(header["config"]), tensors)
        provenance = json.loads(header["provenance"])
        expected = {k: tuple(v.shape) for k, v in optimizer.state_dict().items()}
        seen = {k: tuple(v.shape) for k, v in tensors.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path.name}: its header does not describe an optimizer ({error}). It "
            "belongs to another version, or was made by hand."
        ) from None
    if seen != expected:
        odd = sorted({name for name, _ in seen.items() ^ expected.items()})
        raise CheckpointError(
            f"{path.name}: its weights do not have the shapes of {optimizer!r}; they "
            f"differ in {odd[:2]}. It belongs to another kind of optimizer."
        )
    optimizer.load_state_dict(tensors)
    optimizer.provenance = provenance
    return optimizer


def pretrained() -> dict[str, dict]:
    """The shipped optimizers: name -> provenance."""
    return {
        p.stem: load(p.stem).provenance
        for p in sorted(PRETRAINED.glob("*.safetensors"))
    }


def _build(config: dict, tensors: dict) -> Learned:
    """An optimizer of this config, unless it is far larger than the file's weights."""
    held = sum(tensor.numel() for tensor in tensors.values())
    for part in config["groups"].values() if "groups" in config else (config,):
        size = part["num_layers"] * part["hidden_size"] + part.get("num_sources", 1)
        if size > held:
            raise ValueError(f"{held} weights for a config of size {size}")
    return from_config(config)


def from_config(config: dict, seed: int = 0) -> Learned:
    """A fresh optimizer as its ``.config`` describes it; groups get other seeds."""
    if "groups" not in config:
        return LSTMOptimizer(**config, seed=seed)
    members = {
        name: LSTMOptimizer(**part, seed=seed + k)
        for k, (name, part) in enumerate(config["groups"].items())
    }
    return GroupedOptimizer(members, config["rule"])


def _find(name) -> Path:
    shipped = PRETRAINED / f"{name}.safetensors"
    if isinstance(name, str) and "/" not in name and shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    names = sorted(p.stem for p in PRETRAINED.glob("*.safetensors"))
    raise CheckpointError(
        f"There is no optimizer called {str(name)!r}, and no such file. Shipped: "
        f"{names}. Or give the path of a .safetensors file that save() wrote."
    )


def write(path: Path, tensors: dict[str, torch.Tensor], header: dict[str, str]) -> Path:
    """Write named tensors and a header with their checksum, whole or not at all.

    The bytes go to a file beside it, reach the disk, and take its name in one step; so
    at any moment ``path`` holds the old contents or the new. Raises CheckpointError,
    with the old contents untouched, where that is not possible.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    header = {**header, "sha256": _checksum(tensors, header)}
    partial = path.with_name(f".{path.name}.part")
    try:
        with open(partial, "wb") as file:
            file.write(to_bytes(tensors, header))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be written ({error.strerror}). Nothing in memory is "
            "lost, and an older file of that name is untouched. Free some space, or "
            "choose a folder that exists and that you may write to."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return path


def read(path: Path, keys: set[str]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, header) of a file that ``write`` wrote, its header holding ``keys``.

    Raises CheckpointError for anything else: cut short, another format, another kind
    of checkpoint, or changed since it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} is not a whole safetensors file ({error}). It may be cut "
            "short or be of another format. Copy it again, or train it again."
        ) from None
    missing = (keys | {"sha256"}) - header.keys()
    if "sha256" in header and missing:
        raise CheckpointError(
            f"{path.name} is another kind of checkpoint: its header lacks "
            f"{sorted(missing)}. load() reads what save() wrote; resume= reads what "
            "checkpoint= wrote."
        )
    if missing:
        raise CheckpointError(
            f"{path.name} is a safetensors file, but was not written by l2o_kit: its "
            f"header lacks {sorted(missing)}. Load files that save() wrote."
        )
    if header["sha256"] != _checksum(tensors, header):
        raise CheckpointError(
            f"{path.name}: the checksum does not match, so the file was changed after "
            "it was saved. Copy it again from where it came from, or train it again."
        )
    return tensors, header


def _checksum(tensors, header) -> str:
    digest = hashlib.sha256()
    for key in sorted(header.keys() - {"sha256"}):
        digest.update(f"{key} {header[key]}\n".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def version() -> str:
    """The kit's own, as installed; "0+unknown" where it runs without being so."""
    try:
        return metadata.version("l2o_kit")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def today() -> dict:
    """The date and the versions in use, for provenance."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "l2o_kit": version(),
    }
    return {"date": datetime.date.today().isoformat(), "versions": versions}


def stored(name: str, beside: str = __file__) -> dict[str, np.ndarray]:
    """The arrays of ``stored/NAME.npz``, in the folder beside a file, by name.

    ``beside`` is the file that asks, ``__file__``; left out, the library's own folder.
    Raises FileNotFoundError, which names what there is.
    """
    folder = Path(beside).parent / "stored"
    path = folder / f"{name}.npz"
    if not path.is_file():
        names = sorted(p.stem for p in folder.glob("*.npz"))
        raise FileNotFoundError(
            f"Nothing is stored as {name!r}. There is {names}. To compute it: python "
            f"-m l2o_kit.lessons.stored {name}"
        )
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
