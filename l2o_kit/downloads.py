"""Files that are downloaded or made once: checked, kept, explained where missing.

A file is fetched once, from the first server that answers, checked against its md5, and
moved into the cache only when it is whole. ``L2O_DATA`` names another cache folder.
Sources of the file formats: LeCun, Cortes and Burges, the MNIST database; Krizhevsky,
CIFAR-10, binary version.
"""

import contextlib
import gzip
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pooch

TIMEOUT = 20  # seconds without an answer
PIXELS, LABELS = 2051, 2049  # the first four bytes of an IDX file say what it holds


class DownloadFailed(OSError):
    """A file is not in the cache, and no server gave it."""


def cache() -> Path:
    """Where downloaded files are kept."""
    return Path(os.environ.get("L2O_DATA") or pooch.os_cache("l2o_kit"))


def cached(name: str) -> bool:
    """Whether a file has been fetched already."""
    return (cache() / name).is_file()


def fetch(name: str, servers: tuple[str, ...], md5: str, instead: str) -> Path:
    """The path of a file, from the cache or from the first server that gives it whole.

    Arguments: its name, which is put behind each server's address; its md5; and what
    to use where there is no network. Raises DownloadFailed, which says what went wrong
    with each server.
    """
    folder, wrong = _writable(cache()), []
    for server in servers:
        try:
            return Path(
                pooch.retrieve(
                    server + name,
                    f"md5:{md5}",
                    fname=name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
                )
            )
        except (OSError, ValueError) as error:  # no answer; another file
            wrong.append(f"{server}: {_short(error)}")
    raise DownloadFailed(
        f"{name} could not be downloaded. {'; '.join(wrong)}. Try again later, or put "
        f"the file into {folder} yourself. Without it: {instead}."
    )


def _writable(folder: Path) -> Path:
    """The folder, made if it must be; DownloadFailed where it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise DownloadFailed(
            f"{folder} cannot be written to ({error.strerror}). Name another folder in "
            "the environment variable L2O_DATA."
        ) from None


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "hash" in text.lower():
        return "what it sent is not that file (another md5)"
    return f"{type(error).__name__} {text[:120]}"


def read_idx(path: Path) -> np.ndarray:
    """The numbers of a gzipped IDX file, uint8: pictures [n, rows, columns] or labels.

    Raises ValueError where the file is none, or is not whole.
    """
    try:
        raw = gzip.decompress(Path(path).read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError(f"{path} is not a whole gzip file. Delete it.") from None
    if len(raw) < 8:
        raise ValueError(f"{path} holds {len(raw)} bytes: too few for an IDX file.")
    kind, count = struct.unpack(">II", raw[:8])
    if kind not in (PIXELS, LABELS):
        raise ValueError(f"{path} begins with {kind}: neither pictures nor labels.")
    shape = (count, *(struct.unpack(">II", raw[8:16]) if kind == PIXELS else ()))
    start = 8 + 4 * (len(shape) - 1)
    expected = start + int(np.prod(shape))
    if len(raw) != expected:
        raise ValueError(f"{path} holds {len(raw)} bytes, and should hold {expected}.")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


RECORD = 1 + 3 * 32 * 32  # bytes of a CIFAR-10 picture: its class, then its colours


def read_cifar(path: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(pictures [n, 3, 32, 32], classes [n]), uint8, of some files of the archive.

    Raises ValueError where the archive is none, lacks a file, or holds one that is not
    made of whole records. Nothing is unpacked onto the disk.
    """
    parts = []
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive}
            for name in names:
                if name not in members:
                    raise ValueError(f"{path} lacks {name}. Delete it.")
                parts.append(archive.extractfile(members[name]).read())
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError(f"{path} is not a whole tar.gz archive. Delete it.") from None
    for name, part in zip(names, parts, strict=True):
        if not part or len(part) % RECORD:
            raise ValueError(
                f"{path}: {name} holds {len(part)} bytes, no multiple of {RECORD}."
            )
    records = np.frombuffer(bytearray().join(parts), np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def kept(name: str, make: Callable[[], dict]) -> dict[str, np.ndarray]:
    """Arrays that ``make()`` computes once; afterwards they are read from the cache.

    A file that is damaged is made again, and one that cannot be written is not kept.
    """
    path = cache() / name
    try:
        with open(path, "rb") as file:  # np.load leaves it open where it fails
            return dict(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        arrays = make()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            np.savez(file, **arrays)
        os.replace(file.name, path)
    return arrays
