"""A training that is stopped goes on as if it had not been; nothing half is left."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from l2o_kit import checkpoint, data, resume
from l2o_kit.checkpoint import CheckpointError, load
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train
from l2o_kit.window import Trainer
from tests.oracle import Sources

RUNS = {
    "quadratic": ({"preprocess": "identity"}, lambda: Quadratic(3), {}),
    "network": (
        {},
        lambda: Network(mlp([64, 2, 10]), *data.digits(), batch_size=5),
        {"horizon": (4, 8)},
    ),
    "sources": (
        {"combine": "softmax", "num_sources": 3, "preprocess": "normalized"},
        lambda: Sources(3, clean=True),
        {"memory_budget": 10_000, "block_size": 4},
    ),
    "exact": (
        {"preprocess": "normalized"},
        lambda: Quadratic(3),
        {"second_derivatives": True},
    ),
}
STEPS = 9


def run(name, **arguments):
    config, optimizee, extra = RUNS[name]
    optimizer = LSTMOptimizer(3, **config)
    common = {
        "meta_steps": STEPS,
        "horizon": 6,
        "unroll": 2,
        "batch": 2,
        "lr": (0.02, 0.001),
    }
    log = meta_train(optimizer, optimizee(), **{**common, **extra, **arguments})
    return optimizer, log


def stop_after(monkeypatch, windows):
    """Ctrl-C in the middle of the window after so many."""
    real, seen = Trainer.roll_out, []

    def roll_out(self):
        losses = real(self)
        if len(seen) == windows:
            raise KeyboardInterrupt
        seen.append(1)
        return losses

    monkeypatch.setattr(Trainer, "roll_out", roll_out)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("windows", [0, 1, 3, 4, 8])
def test_resumed_equals_uninterrupted(name, windows, tmp_path, monkeypatch):
    whole, whole_log = run(name)
    path = tmp_path / "training.safetensors"
    with monkeypatch.context() as patch:
        stop_after(patch, windows)
        _, log = run(name, checkpoint=path, checkpoint_seconds=0)
    assert log.interrupted and len(log.meta_losses) == windows
    resumed, log = run(name, resume=path)
    assert log.meta_losses == whole_log.meta_losses and log.starts == whole_log.starts
    assert log.seconds == sorted(log.seconds) and not log.interrupted
    for key, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[key]), key


def test_a_finished_training_has_nothing_left_to_do(tmp_path):
    path = tmp_path / "training.safetensors"
    whole, _ = run("quadratic", checkpoint=path)
    again, log = run("quadratic", resume=path)
    assert len(log.meta_losses) == STEPS
    assert torch.equal(whole.lstm.w_out, again.lstm.w_out)
    assert [p.name for p in tmp_path.iterdir()] == ["training.safetensors"]


def test_checkpoints_come_every_so_many_seconds(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(resume.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(resume, "write", lambda *a: written.append(clock[0]))
    real = Trainer.window

    def window(self, lr):
        clock[0] += 4.0
        return real(self, lr)

    monkeypatch.setattr(Trainer, "window", window)
    run("quadratic", checkpoint=tmp_path / "x", checkpoint_seconds=10.0)
    assert written == [0.0, 12.0, 24.0, 36.0]  # at once, every 10 s, and at the end


def test_a_checkpoint_of_another_recipe_names_the_differences(tmp_path):
    path = tmp_path / "training.safetensors"
    run("quadratic", checkpoint=path)
    with pytest.raises(CheckpointError) as caught:
        run("quadratic", resume=path, batch=3, seed=5)
    assert "batch is 3 here and 2 there; seed is 5 here and 0 there" in str(
        caught.value
    )


def test_no_such_file_and_another_kind_of_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no such file.*leave resume"):
        run("quadratic", resume=tmp_path / "none")
    path = checkpoint.save(LSTMOptimizer(3), tmp_path / "phi.safetensors")
    with pytest.raises(CheckpointError, match="another kind of checkpoint"):
        run("quadratic", resume=path)
    run("quadratic", checkpoint=path)
    with pytest.raises(CheckpointError, match="another kind of checkpoint"):
        load(path)


def test_a_folder_that_is_not_there_shows_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "window", lambda self, lr: pytest.fail("too late"))
    with pytest.raises(CheckpointError, match="could not be written"):
        run("quadratic", checkpoint=tmp_path / "no" / "x.safetensors")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_loses_nothing(number, tmp_path, monkeypatch):
    path = tmp_path / "training.safetensors"
    real, count = os.fsync, []

    def fsync(handle):
        count.append(1)
        if len(count) == 5:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(checkpoint.os, "fsync", fsync)
    with pytest.raises(CheckpointError, match=os.strerror(number)) as caught:
        run("quadratic", checkpoint=path, checkpoint_seconds=0)
    assert len(caught.value.log.meta_losses) == 4
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["training.safetensors"]
    whole, _ = run("quadratic")
    resumed, _ = run("quadratic", resume=path)  # from the last one that was written
    assert torch.equal(whole.lstm.w_out, resumed.lstm.w_out)


def test_a_file_that_grows_too_large_for_the_system_is_refused(tmp_path):
    program = (
        "import resource, signal, sys\n"
        "from l2o_kit import LSTMOptimizer, Quadratic, meta_train\n"
        "from l2o_kit.checkpoint import CheckpointError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    meta_train(LSTMOptimizer(3), Quadratic(3), meta_steps=3, horizon=2,\n"
        "               unroll=2, batch=2, lr=0.01, checkpoint=sys.argv[1])\n"
        "except CheckpointError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "training.safetensors"
    done = subprocess.run(
        [sys.executable, "-c", program, path], text=True, capture_output=True
    )
    assert "could not be written (File too large)" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_killed_a_hundred_times_it_still_goes_on_to_the_same_end():
    done = subprocess.run(
        [sys.executable, "-m", "tests.kills", "100"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert "100 kills, 100 resumes" in done.stdout, done.stderr[-2000:]


def test_control_c_stops_and_keeps_what_was_learned():
    program = (
        "import signal  # a job in a shell's background ignores Ctrl-C\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from l2o_kit import *\n"
        "rule = LSTMOptimizer()\n"
        "first = rule.lstm.w_out.detach().clone()\n"
        "log = meta_train(rule, Network(mlp([64, 20, 10]), *data.digits()),\n"
        "                 seconds=600.0, batch=8, lr=0.01)\n"
        "print(log, (rule.lstm.w_out - first).norm().item() > 0)\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", program], text=True, **pipes)
    shown = ""
    while "mean loss" not in shown:  # the progress bar, after the first window
        shown += process.stderr.read(1)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "interrupted" in out and "True" in out, err


def edit(path, change):
    """Rewrite a checkpoint with a right checksum after ``change(tensors, header)``."""
    tensors, header = checkpoint.read(path, set())
    header.pop("sha256")
    change(tensors, header)
    return checkpoint.write(path, tensors, header)


def numbers(**values):
    def change(tensors, header):
        header["training"] = json.dumps(json.loads(header["training"]) | values)

    return change


CHANGES = {
    "no theta": lambda tensors, header: tensors.pop("theta"),
    "theta of another shape": lambda tensors, header: tensors.update(
        theta=torch.zeros(1, 3)
    ),
    "grads of another shape": lambda tensors, header: tensors.update(
        {"engine.grads": torch.zeros(1, 1)}
    ),
    "a state of another shape": lambda tensors, header: tensors.update(
        {"engine.h": torch.zeros(1)}
    ),
    "moments of another shape": lambda tensors, header: tensors.update(
        {"adam.0.exp_avg": torch.zeros(1)}
    ),
    "no moments of one weight": lambda tensors, header: [
        tensors.pop(f"adam.1.{name}") for name in ("step", "exp_avg", "exp_avg_sq")
    ],
    "phi of another shape": lambda tensors, header: tensors.update(
        {"phi.lstm.w_out": torch.zeros(1, 1)}
    ),
    "a generator that is none": lambda tensors, header: tensors.update(
        problems=torch.zeros(3)
    ),
    "no position": numbers(start=None, end=None),
    "a log that is none": numbers(log=3),
    "numbers that are none": lambda tensors, header: header.update(training="{"),
    "a recipe that is none": lambda tensors, header: header.update(recipe="7"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_made_by_hand_is_refused_and_phi_is_as_it_was(name, tmp_path):
    path = tmp_path / "training.safetensors"
    run("quadratic", checkpoint=path)
    edit(path, CHANGES[name])
    config, optimizee, _ = RUNS["quadratic"]
    optimizer = LSTMOptimizer(3, **config)
    first = {k: v.clone() for k, v in optimizer.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"does not hold|cannot be read"):
        meta_train(
            optimizer,
            optimizee(),
            meta_steps=STEPS,
            horizon=6,
            unroll=2,
            batch=2,
            lr=(0.02, 0.001),
            resume=path,
        )
    for key, value in optimizer.state_dict().items():
        assert torch.equal(value, first[key]), key
