"""Saving and loading: nothing is lost, and damage of every kind is refused."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from l2o_kit.checkpoint import PRETRAINED, CheckpointError, load, pretrained, save
from l2o_kit.optimizer import LSTMOptimizer


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
    with pytest.raises(
        CheckpointError, match=r"called 'digitz'.*'digits', 'quadratic'"
    ):
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
