"""Two ranks against one process that averages both their streams; what is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from l2o_kit import distributed
from l2o_kit.checkpoint import load, read
from l2o_kit.resume import KEYS
from tests.two_ranks import CASES, STOP, TRAINING, averaged, meta_gradients, train

ROOT = Path(__file__).parents[2]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4}


def launch(what: str, folder: Path):
    """Two ranks here, as ``torchrun`` starts them: (exit status, standard error)."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "tests.two_ranks",
        what,
        str(folder),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.terminate()  # which ends its ranks too; a kill would leave them
        _, err = process.communicate()
    return process.returncode, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two ranks have done all that they are asked for, once for all tests."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in CASES:  # stopped trainings of one process, for two to go on from
        train(name, STOP, checkpoint=folder / f"one {name}", checkpoint_seconds=0.0)
    status, errors = launch("all", folder)
    assert status == 0, errors[-3000:]
    return folder


@pytest.fixture(scope="module")
def seen(folder):
    """What each rank saw."""
    return [torch.load(folder / f"{k}.pt") for k in range(2)]


def assert_same(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= tolerance * b.norm() + 1e-12, (a, b)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_the_meta_gradient_is_the_mean_over_both_streams(name, dtype, seen):
    """Three windows, the last in a second roll-out."""
    streams = [meta_gradients(name, dtype, rank) for rank in range(2)]
    for one in seen:
        pairs = zip(one["gradients"][name, dtype], *streams, strict=True)
        for (loss, grads), (first_loss, first), (second_loss, second) in pairs:
            mean = (first_loss + second_loss) / 2
            assert loss == pytest.approx(mean, rel=TOLERANCE[dtype])
            both = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
            assert_same(grads, both, TOLERANCE[dtype])
        assert first_loss != pytest.approx(second_loss, rel=1e-3)  # other problems


@pytest.mark.parametrize("name", CASES)
def test_a_training_is_that_of_one_process_on_both_streams(name, seen):
    """And all ranks end at the same phi, to the last bit."""
    phi, losses = averaged(name)
    for one in seen:
        assert_same(one["trained"][name].values(), phi.values(), 1e-9)
        assert one["losses"][name] == pytest.approx(losses, rel=1e-9)
    first, second = (one["trained"][name].values() for one in seen)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_another_number_of_ranks_goes_on(name, folder, seen):
    """From phi, Adam's moments and the position; the roll-out begins again."""
    first, second = (one["resumed"][name].values() for one in seen)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    path = folder / f"two {name}"
    tensors, header = read(path, KEYS)
    assert json.loads(header["training"])["ranks"] == 2
    phi, log = train(name, resume=path)
    assert len(log.meta_losses) == TRAINING["meta_steps"] > STOP
    assert log.starts[STOP] == 0  # amid a roll-out it was stopped
    before = [tensors[f"phi.{key}"] for key in phi]
    moved = [(a - b).norm() for a, b in zip(phi.values(), before, strict=True)]
    assert 0 < max(moved) < 1


def test_the_first_rank_alone_writes_and_shows(folder, seen):
    assert (folder / "checkpoint-0").exists()
    assert not (folder / "checkpoint-1").exists()
    assert "meta-training" in seen[0]["shown"] and seen[1]["shown"] == ""


def test_a_recipe_by_its_command_line(folder, seen):
    assert [one["saved"] for one in seen] == [2, 0]
    assert "tiny: tiny.safetensors," in seen[0]["shown"]
    provenance = load(folder / "tiny.safetensors").provenance
    assert provenance["recipe"] == "tiny" and provenance["score"]
    assert {path.name for path in folder.glob("tiny.*")} == {
        "tiny.0.safetensors",
        "tiny.1.safetensors",
        "tiny.safetensors",
    }


def test_every_rank_sees_the_same_errors(seen):
    for one in seen:
        refusals = one["refusals"]
        assert "there is no such file" in refusals["resume"]
        assert "could not be written" in refusals["checkpoint"]
        assert refusals["diverged"] == 4  # the NaN is the second rank's alone


def test_the_clock_of_the_first_rank_decides_for_all(seen):
    seconds = [one["seconds"] for one in seen]
    assert seconds[0] == seconds[1] and seconds[0][-1] >= 0.3


def test_a_killed_rank_is_named_and_the_checkpoint_is_whole(tmp_path):
    status, errors = launch("killed", tmp_path)
    assert status != 0
    assert "RanksError: Rank 0 of 2 cannot go on" in errors, errors
    assert "Another rank was killed" in errors and "resume=" in errors
    path = tmp_path / "killed"
    _, log = train("quadratic", resume=path)
    assert len(log.meta_losses) == TRAINING["meta_steps"]


def test_one_process_is_one_rank_with_the_plain_streams():
    distributed.start()
    assert (distributed.world(), distributed.rank()) == (1, 0)
    assert distributed.own("problems") == "problems"
    tensors = [torch.ones(2), torch.zeros(1)]
    distributed.average(tensors)
    assert tensors[0].tolist() == [1.0, 1.0]
