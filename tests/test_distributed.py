"""Two ranks against one process: meta-gradients, trainings, resuming; what is lost."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from l2o_kit import data, distributed
from l2o_kit import distributed as ranks
from l2o_kit.checkpoint import load, read
from l2o_kit.concurrent import Concurrent
from l2o_kit.lessons.l09_art.art import StyleTransfer
from l2o_kit.network import Network, convnet
from l2o_kit.optimizees import (
    Function,
    Jittered,
    Mixture,
    Problem,
    Quadratic,
    RandomScaling,
)
from l2o_kit.resume import KEYS
from l2o_kit.sources import Noise, PixelNoise, Poison, Rotation, Subset
from l2o_kit.window import Trainer
from tests.two_ranks import CASES, STOP, TRAINING, meta_gradients, network, train

ROOT = Path(__file__).parent.parent
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


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


@pytest.fixture(scope="module")
def alone():
    """name -> (phi, log) of a whole training by one process."""
    return {name: train(name) for name in CASES}


def assert_same(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= tolerance * b.norm() + 1e-12, (a, b)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_the_meta_gradient_is_that_of_one_process_on_the_whole_batch(name, dtype, seen):
    """Three windows, in parts of one and of two problems."""
    assert [one["part"] for one in seen] == [[0], [1, 2]]
    expected = meta_gradients(name, dtype)
    for one in seen:
        pairs = zip(one["gradients"][name, dtype], expected, strict=True)
        for (loss, grads), (whole_loss, whole_grads) in pairs:
            assert loss == pytest.approx(whole_loss, rel=TOLERANCE[dtype])
            assert_same(grads, whole_grads, TOLERANCE[dtype])


@pytest.mark.parametrize("name", CASES)
def test_a_training_gives_the_same_phi_and_the_same_log(name, seen, alone):
    phi, log = alone[name]
    for one in seen:
        assert_same(one["trained"][name].values(), phi.values(), 1e-7)
        assert one["losses"][name] == pytest.approx(log.meta_losses, rel=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_go_on_from_what_one_process_left(name, seen, alone):
    for one in seen:
        assert_same(one["resumed"][name].values(), alone[name][0].values(), 1e-7)


@pytest.mark.parametrize("name", CASES)
def test_one_process_goes_on_from_what_two_ranks_left(name, folder, alone):
    path = folder / f"two {name}"
    tensors, header = read(path, KEYS)
    numbers = json.loads(header["training"])
    assert numbers["start"] + TRAINING["unroll"] < numbers["end"]  # amid a roll-out
    assert tensors["theta"].numel() == TRAINING["batch"] * CASES[name][1]().coords
    other = {} if name == "exact" else {"block_size": 2}
    phi, log = train(name, resume=path, **other)
    assert len(log.meta_losses) == TRAINING["meta_steps"] > STOP
    assert_same(phi.values(), alone[name][0].values(), 1e-7)


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
        assert "batch=1 cannot be divided among 2 ranks" in refusals["batch"]
        assert "Raise batch to 2 at least" in refusals["batch"]
        assert "there is no such file" in refusals["resume"]
        assert "could not be written" in refusals["checkpoint"]
        assert refusals["diverged"] == 4  # the NaN is the second rank's


def test_the_clock_of_the_first_rank_decides_for_all(seen):
    seconds = [one["seconds"] for one in seen]
    assert seconds[0] == seconds[1] and seconds[0][-1] >= 0.3


def test_a_killed_rank_is_named_and_the_checkpoint_is_whole(tmp_path, alone):
    status, errors = launch("killed", tmp_path)
    assert status != 0
    assert "RanksError: Rank 0 of 2 cannot go on" in errors, errors
    assert "Another rank was killed" in errors and "resume=" in errors
    path = tmp_path / "killed"
    phi, log = train("quadratic", resume=path)
    assert len(log.meta_losses) == TRAINING["meta_steps"]
    assert_same(phi.values(), alone["quadratic"][0].values(), 1e-7)


LINE = Quadratic(3, theta_true=True)
PROBLEMS = {
    "quadratic": Quadratic(3),
    "network": network(),
    "function": Function(lambda theta: theta.cos().sum(), [1.0, 2.0]),
    "convolutions": Network(
        convnet(2, 8), torch.rand(20, 3, 8, 8), torch.arange(20) % 10, batch_size=3
    ),
    "scaled": RandomScaling(network()),
    "mixture": Mixture(LINE, RandomScaling(LINE)),
    "jittered": Jittered(network(), seed=1),
    "noise": Concurrent(LINE, [Noise(1.0), ()], "clean"),
    "spoilt": Concurrent(
        network(),
        [
            (Subset(30), Poison(0.2)),
            PixelNoise(0.2),
            (Rotation(9.0), Poison(0.4)),
            Subset(20),
        ],
    ),
    "unspoilt": Concurrent(network(), [(), Poison(0.4)]),
    "pictures": StyleTransfer(["mosaic", "waves"], size=16),
}


def draw(name, batch=4, **settings):
    return PROBLEMS[name].sample(batch, data.stream(0, "parts"), **settings)


@pytest.mark.parametrize("at", [slice(0, 1), slice(1, 4)])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_part_is_what_the_whole_is_in_its_rows(name, at):
    whole = draw(name, dtype=torch.float64)
    part, minibatch = whole.part(at), whole.minibatch(data.stream(0, "rows"))
    theta = whole.theta0 + 0.1
    ours = part.value_and_grads(theta[at], whole.cut(minibatch, at))
    theirs = whole.value_and_grads(theta, minibatch)
    torch.testing.assert_close(part.theta0, whole.theta0[at])
    for a, b, axis in zip(ours, theirs, (0, 1, 0), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape[axis] == at.stop - at.start
            torch.testing.assert_close(a, b.movedim(axis, 0)[at].movedim(0, axis))
    torch.testing.assert_close(part.loss(theta[at]), whole.loss(theta)[at])
    for a, b in zip(part.held_out(theta[at]), whole.held_out(theta), strict=True):
        assert (a is None and b is None) or torch.allclose(a, b[at])


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_part_moves_and_the_whole_stays(name):
    whole = draw(name)
    whole.part(slice(0, 2)).to("meta")
    assert whole.theta0.device.type == "cpu"
    assert whole.loss(whole.theta0, whole.minibatch(data.stream(0, "x"))).shape == (4,)


def test_every_kind_of_problem_was_cut():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    def inside(problem):
        found = {type(problem)}
        for value in vars(problem).values():
            for one in value if isinstance(value, list) else [value]:
                found |= inside(one) if isinstance(one, Problem) else set()
        return found

    kinds = {k for k in below(Problem) if k.__module__.startswith("l2o_kit")}
    assert kinds - {Problem} == set().union(*(inside(draw(name)) for name in PROBLEMS))


def test_a_problem_that_does_not_say_how_it_is_cut():
    class Own(Problem):
        theta0 = torch.ones(2, 1)

    with pytest.raises(NotImplementedError, match=r"Own does not say.*per_problem ="):
        Own().part(slice(1))


def test_one_process_is_one_rank_and_its_problems_are_not_cut(monkeypatch):
    distributed.start()
    assert (distributed.world(), distributed.rank(), distributed.part(5)) == (
        1,
        0,
        slice(0, 5),
    )
    trainer = Trainer(CASES["quadratic"][0](), copy.copy(LINE), batch=2)
    monkeypatch.setattr(Problem, "part", lambda *_: pytest.fail("cut"))
    trainer.meta_gradient()
    assert trainer.problem is trainer.whole


def test_parts_cover_a_batch_and_are_even(monkeypatch):
    for world in range(1, 6):
        monkeypatch.setattr(ranks, "world", lambda world=world: world)
        for batch in range(world, 12):
            covered = []
            for rank in range(world):
                monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
                covered.append(list(range(batch))[distributed.part(batch)])
            sizes = [len(one) for one in covered]
            assert [k for one in covered for k in one] == list(range(batch))
            assert max(sizes) - min(sizes) <= 1
