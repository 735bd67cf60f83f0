"""The loaders against a server on this machine: small files in the real formats."""

import gzip
import hashlib
import io
import socket
import struct
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from l2o_kit import data, downloads
from l2o_kit.downloads import DownloadFailed


def idx(numbers: np.ndarray) -> bytes:
    kind = downloads.PIXELS if numbers.ndim == 3 else downloads.LABELS
    head = struct.pack(f">I{numbers.ndim}I", kind, *numbers.shape)
    return gzip.compress(head + numbers.astype(np.uint8).tobytes(), mtime=0)


def small_mnist() -> dict[str, bytes]:
    draw = np.random.default_rng(0)
    return {
        name: idx(
            draw.integers(0, 256, (n, 28, 28))
            if "images" in name
            else draw.integers(0, 10, n)
        )
        for name, n in zip(data.MNIST_FILES, (6, 6, 3, 3), strict=True)
    }


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``cut`` bytes of each are sent and then the line goes dead."""

    files: dict[str, bytes]
    cut: int | None = None
    asked = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        body = self.server.files.get(self.path.strip("/"))
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(files, cut=None):
    server = Server(("127.0.0.1", 0), Handler)
    server.files, server.cut = files, cut
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        server.address = f"http://127.0.0.1:{server.server_port}/"
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The small files are the ones that are expected; an empty cache."""
    made = small_mnist()
    sums = {name: hashlib.md5(body).hexdigest() for name, body in made.items()}
    monkeypatch.setattr(data, "MNIST_FILES", sums)
    monkeypatch.setattr(downloads, "TIMEOUT", 5)
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return made


def from_servers(monkeypatch, *servers):
    monkeypatch.setattr(data, "MNIST_SERVERS", tuple(servers))
    return data.mnist()


def gone() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_what_was_served_is_what_is_loaded_and_asked_for_once(monkeypatch, files):
    with serve(files) as server:
        X, y, X_held_out, y_held_out = from_servers(monkeypatch, server.address)
        again = from_servers(monkeypatch, server.address)
        assert server.asked == 4
    assert X.shape == (6, 784) and X_held_out.shape == (3, 784)
    assert X.dtype == torch.float32 and y.dtype == torch.int64
    pictures = np.random.default_rng(0).integers(0, 256, (6, 28, 28))
    np.testing.assert_allclose(X.numpy(), pictures.reshape(6, 784) / 255, rtol=1e-6)
    assert len(y) == 6 and len(y_held_out) == 3
    assert all(map(torch.equal, again, (X, y, X_held_out, y_held_out)))


def test_the_cache_serves_without_a_server(monkeypatch, files):
    with serve(files) as server:
        from_servers(monkeypatch, server.address)
    assert len(from_servers(monkeypatch, gone()).X) == 6


def test_the_second_server_is_tried_where_the_first_fails(monkeypatch, files):
    with serve(files) as server:
        assert len(from_servers(monkeypatch, gone(), server.address).X) == 6
        with serve({}) as empty:  # 404
            assert len(from_servers(monkeypatch, empty.address, server.address).X) == 6


def nothing_was_kept(tmp_path):
    left = [path.name for path in (tmp_path / "cache").iterdir()]
    return left == []


def test_another_file_is_refused_and_not_kept(monkeypatch, files, tmp_path):
    wrong = {name: body[:-1] + b"x" for name, body in files.items()}
    with serve(wrong) as server, pytest.raises(DownloadFailed, match="another md5"):
        from_servers(monkeypatch, server.address)
    assert nothing_was_kept(tmp_path)


def test_a_line_that_goes_dead_leaves_nothing_and_the_next_try_works(
    monkeypatch, files, tmp_path
):
    with serve(files, cut=40) as server:
        with pytest.raises(DownloadFailed, match=r"could not be downloaded.*40 bytes"):
            from_servers(monkeypatch, server.address)
        assert nothing_was_kept(tmp_path)
        server.cut = None
        assert len(from_servers(monkeypatch, server.address).X) == 6


def test_no_server_names_the_stand_in(monkeypatch, files):
    with pytest.raises(
        DownloadFailed, match=r"ConnectionError.*data.digits\(size=28\)"
    ):
        from_servers(monkeypatch, gone())


def test_a_file_in_the_cache_that_was_damaged_is_fetched_anew(
    monkeypatch, files, tmp_path
):
    with serve(files) as server:
        good = from_servers(monkeypatch, server.address)
        path = tmp_path / "cache" / next(iter(files))
        path.write_bytes(path.read_bytes()[:30])
        assert torch.equal(from_servers(monkeypatch, server.address).X, good.X)


def test_a_folder_that_cannot_be_written_to(monkeypatch, files, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadFailed, match=r"cannot be written to.*L2O_DATA"):
        from_servers(monkeypatch, gone())


def test_the_default_cache_is_the_users(monkeypatch):
    monkeypatch.delenv("L2O_DATA", raising=False)
    assert downloads.cache().name == "l2o_kit"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"plain", "not a whole gzip file"),
        (idx(np.zeros((2, 3, 4)))[:-9], "not a whole gzip file"),
        (gzip.compress(b"abc"), "holds 3 bytes: too few"),
        (gzip.compress(struct.pack(">II", 7, 1)), "begins with 7: neither"),
        (gzip.compress(struct.pack(">II", 2049, 5) + b"abcd"), "12 .* should hold 13"),
        (gzip.compress(struct.pack(">IIII", 2051, 1, 2, 2) + b"abc"), "19 .* hold 20"),
    ],
    ids=["plain", "cut", "short", "other", "labels", "pictures"],
)
def test_files_that_are_no_idx_files(raw, message, tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        downloads.read_idx(path)


def test_idx_files_are_read_back(tmp_path):
    for numbers in (np.arange(24).reshape(2, 3, 4), np.arange(5)):
        (tmp_path / "x.gz").write_bytes(idx(numbers))
        np.testing.assert_array_equal(downloads.read_idx(tmp_path / "x.gz"), numbers)


def archive(members: dict[str, bytes]) -> bytes:
    """A tar.gz as CIFAR-10's: its files lie in a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def records(n: int, seed: int, classes=10) -> bytes:
    """n pictures in the real format, the classes one after the other."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (n, downloads.RECORD), dtype=np.uint8)
    pixels[:, 0] = np.arange(n) % classes
    return pixels.tobytes()


@pytest.fixture
def cifar(monkeypatch, tmp_path):
    """An archive of five times 20 and 10 pictures is the one that is expected."""
    members = {name: records(20, k) for k, name in enumerate(data.CIFAR_TRAIN)}
    made = archive(members | {"test_batch.bin": records(10, 9), "readme.html": b"x"})
    monkeypatch.setattr(data, "CIFAR_MD5", hashlib.md5(made).hexdigest())
    monkeypatch.setattr(downloads, "TIMEOUT", 5)
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return {data.CIFAR_FILE: made}


def cifar_from(monkeypatch, server, *arguments):
    monkeypatch.setattr(data, "CIFAR_SERVERS", (server,))
    return data.cifar10(*arguments)


def test_cifar_is_what_was_served_and_asked_for_once(monkeypatch, cifar):
    with serve(cifar) as server:
        X, y, X_test, y_test = cifar_from(monkeypatch, server.address)
        held_out = data.cifar10(held_out="validation")
        assert server.asked == 1
    assert X.shape == (90, 3, 32, 32) and X_test.shape == (10, 3, 32, 32)
    assert held_out.X_held_out.shape == (10, 3, 32, 32)
    assert X.dtype == torch.float32 and y.dtype == torch.int64
    assert y.tolist() == [k % 10 for k in range(90)] and y_test.tolist() == [*range(10)]
    raw = np.frombuffer(records(20, 0), np.uint8).reshape(20, -1)[:, 1:]
    red = torch.tensor(raw[0, :32].astype(np.float32))  # red comes first, row by row
    first = X[0, 0, 0]
    scale = (red[1] - red[0]) / (first[1] - first[0])
    assert torch.allclose((first - first[0]) * scale, red - red[0], atol=0.1)
    assert torch.allclose(X.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(X.std((0, 2, 3)), torch.ones(3), atol=1e-5)


def test_cifar_some_labels_are_a_part_of_all(monkeypatch, cifar):
    with serve(cifar) as server:
        whole = cifar_from(monkeypatch, server.address)
        two = data.cifar10(data.LABELS["two"])
    assert set(two.y.tolist()) == set(two.y_held_out.tolist()) == {0, 1}
    assert torch.equal(two.X, whole.X[whole.y < 2])


def test_cifar_another_archive_or_half_of_one_is_not_kept(monkeypatch, cifar, tmp_path):
    wrong = {data.CIFAR_FILE: cifar[data.CIFAR_FILE][:-1] + b"x"}
    with serve(wrong) as server, pytest.raises(DownloadFailed, match="another md5"):
        cifar_from(monkeypatch, server.address)
    assert nothing_was_kept(tmp_path)
    with serve(cifar, cut=1000) as server:
        with pytest.raises(DownloadFailed, match="could not be downloaded"):
            cifar_from(monkeypatch, server.address)
        assert nothing_was_kept(tmp_path)
        server.cut = None  # the next try begins anew, and works
        assert len(cifar_from(monkeypatch, server.address).X) == 90


def test_cifar_no_server_names_the_stand_in(monkeypatch, cifar):
    with pytest.raises(DownloadFailed, match=r"data.digits_on_photos\(\)"):
        cifar_from(monkeypatch, gone())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"plain", "not a whole tar.gz"),
        (archive({"a.bin": records(2, 0)})[:-900], "not a whole tar.gz"),
        (archive({"b.bin": records(2, 0)}), "lacks a.bin"),
        (archive({"a.bin": records(2, 0)[:-1]}), "6145 bytes, no multiple of 3073"),
        (archive({"a.bin": b""}), "0 bytes, no multiple"),
    ],
    ids=["plain", "cut", "lacks", "record", "empty"],
)
def test_archives_that_are_not_cifars(raw, message, tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        downloads.read_cifar(path, ("a.bin",))


def test_what_is_made_once_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "cache"))
    calls = []

    def make():
        calls.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        assert downloads.kept("x.npz", make)["a"].tolist() == [0, 1, 2]
    assert len(calls) == 1
    path = tmp_path / "cache" / "x.npz"
    path.write_bytes(path.read_bytes()[:40])  # damaged: it is made anew
    assert downloads.kept("x.npz", make)["a"].tolist() == [0, 1, 2]
    assert downloads.kept("x.npz", make)["a"].tolist() == [0, 1, 2] and len(calls) == 2
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"]


def test_what_cannot_be_kept_is_made_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "file" / "cache"))
    assert downloads.kept("x.npz", lambda: {"a": np.arange(2)})["a"].tolist() == [0, 1]
