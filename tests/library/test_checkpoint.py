"""Saving and loading: nothing is lost, and damage of every kind is refused."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from l2o_kit.checkpoint import (
    PRETRAINED,
    CheckpointError,
    load,
    pretrained,
    read,
    save,
    write,
)
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train


@pytest.fixture
def path(tmp_path):
    optimizer = LSTMOptimizer(hidden_size=3, p=7.0, output_scale=0.5, seed=9)
    return save(
        optimizer, tmp_path / "mine.safetensors", recipe="test", score={"x": 1.5}
    )


def test_round_trip(path):
    loaded = load(path)
    original = LSTMOptimizer(hidden_size=3, p=7.0, output_scale=0.5, seed=9)
    assert loaded.config == original.config
    for name, value in original.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert loaded.provenance["recipe"] == "test"
    assert loaded.provenance["score"] == {"x": 1.5}
    assert {"date", "versions"} <= set(loaded.provenance)
    assert [p.name for p in path.parent.iterdir()] == ["mine.safetensors"]


def test_a_path_may_be_a_string(path):
    assert load(str(path)).config["hidden_size"] == 3


def test_every_flipped_bit_is_refused(path):
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for place in torch.randint(len(whole), (200,), generator=generator).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load(path)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_truncated(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load(path)


def test_a_pickle_in_disguise_is_refused_and_never_run(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load(path)
    assert not (tmp_path / "ran").exists()


def test_a_safetensors_file_of_somebody_else(path):
    path.write_bytes(to_bytes({"w": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"not written by l2o_kit.*sha256"):
        load(path)


def test_another_shape(path, monkeypatch):
    other = LSTMOptimizer(hidden_size=5)
    other.config["hidden_size"] = 3  # a header that lies, with a right checksum
    save(other, path)
    with pytest.raises(
        CheckpointError, match="do not have the shapes of LSTMOptimizer"
    ):
        load(path)


def test_changed_provenance_is_refused(path):
    tensors = from_bytes(path.read_bytes())
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    header["provenance"] = header["provenance"].replace("test", "best")
    path.write_bytes(to_bytes(tensors, header))
    with pytest.raises(CheckpointError, match="checksum does not match"):
        load(path)


def test_unknown_name_lists_what_is_shipped():
    with pytest.raises(CheckpointError, match=r"called 'digitz'.*'digits', 'digits_r"):
        load("digitz")


def test_saving_into_nowhere_leaves_nothing(tmp_path):
    with pytest.raises(CheckpointError, match=r"could not be written \(No such file"):
        save(LSTMOptimizer(), tmp_path / "no" / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["quadratic", "digits"])
def test_shipped_checkpoints_are_small_and_say_where_they_come_from(name):
    assert (PRETRAINED / f"{name}.safetensors").stat().st_size <= 50_000
    provenance = pretrained()[name]
    assert provenance["recipe"] == name
    assert {"seed", "score", "date", "versions", "how", "seconds"} <= set(provenance)


def damage(whole: bytes, generator: torch.Generator) -> bytes:
    """One random kind of damage, at a random place."""

    def draw(high):
        return int(torch.randint(high, (), generator=generator))

    length = int.from_bytes(whole[:8], "little")
    match draw(6):
        case 0:  # cut short
            return whole[: draw(len(whole))]
        case 1:  # one bit
            place = draw(len(whole))
            return _with(whole, place, bytes([whole[place] ^ 1 << draw(8)]))
        case 2:  # bits of the header
            place = 8 + draw(length)
            return _with(whole, place, bytes([whole[place] ^ 1 << draw(8)]))
        case 3:  # another length of the header
            return draw(2**62).to_bytes(8, "little") + whole[8:]
        case 4:  # a run of random bytes
            run = bytes(draw(256) for _ in range(1 + draw(64)))
            return _with(whole, draw(len(whole) - len(run)), run)
        case 5:  # something more
            return whole + bytes(1 + draw(100))


def _with(whole, place, new):
    return whole[:place] + new + whole[place + len(new) :]


@pytest.mark.parametrize("kind", ["optimizer", "training"])
def test_five_hundred_damaged_files_are_refused(kind, path):
    optimizer = LSTMOptimizer(hidden_size=3)
    arguments = {"meta_steps": 2, "horizon": 2, "unroll": 2, "batch": 2, "lr": 0.01}
    if kind == "training":
        meta_train(optimizer, Quadratic(3), checkpoint=path, **arguments)
    whole, generator = path.read_bytes(), torch.Generator().manual_seed(1)
    first = {k: v.clone() for k, v in optimizer.state_dict().items()}
    for _ in range(500):
        damaged = damage(whole, generator)
        path.write_bytes(damaged)
        if damaged == whole:
            continue
        with pytest.raises(CheckpointError):
            if kind == "training":
                meta_train(optimizer, Quadratic(3), resume=path, **arguments)
            else:
                load(path)
    assert all(torch.equal(v, first[k]) for k, v in optimizer.state_dict().items())


HEADERS = {
    "a text for a number": {"hidden_size": "three"},
    "a negative number": {"num_layers": -1},
    "a giant": {"hidden_size": 10**9},
    "a giant of layers": {"num_layers": 10**9},
    "a giant of sources": {"num_sources": 10**12},
    "an unknown word": {"preprocess": "magic"},
    "an unknown argument": {"magic": 1},
    "nothing": None,
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies_with_a_right_checksum(name, path):
    tensors, header = read(path, set())
    config = json.loads(header["config"])
    change = HEADERS[name]
    header["config"] = json.dumps(None if change is None else config | change)
    write(path, tensors, header)
    with pytest.raises(CheckpointError, match=r"does not describe|do not have"):
        load(path)
