"""Files that must be downloaded: checked, kept, and explained where they are missing.

A file is fetched once, from the first server that answers, checked against its md5, and
moved into the cache only when it is whole. ``L2O_DATA`` names another cache folder.
Source of the file format: LeCun, Cortes and Burges, the MNIST database.
"""

import gzip
import os
import struct
import tempfile
import zlib
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
            return Path(pooch.retrieve(
                server + name, f"md5:{md5}", fname=name, path=folder,
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
            ))  # fmt: skip
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
