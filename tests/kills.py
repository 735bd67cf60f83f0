"""Kill a meta-training at random moments, again and again: python -m tests.kills 100

Each round forks a training that writes checkpoints without pause, kills it with SIGKILL
at a random moment, reads the checkpoint it left, and lets another process go on from it
to the end. Every end must equal the uninterrupted run to the last bit.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from tqdm import tqdm

from l2o_kit import checkpoint, resume
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train

META_STEPS = 40


def train(path: Path, result: Path | None = None):
    """Train to the end, from ``path`` where it is there; leave phi in ``result``."""
    optimizer = LSTMOptimizer(4, preprocess="normalized", combine="softmax")
    meta_train(
        optimizer,
        Quadratic(3),
        meta_steps=META_STEPS,
        horizon=6,
        unroll=2,
        batch=3,
        lr=(0.01, 0.001),
        checkpoint=path,
        checkpoint_seconds=0.0,
        resume=path if path.exists() else None,
    )
    if result:
        checkpoint.save(optimizer, result)


def fork(*arguments) -> int:
    """Run ``train`` in a child, silently; returns its process number."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    status = 1
    try:
        train(*arguments)
        status = 0
    finally:
        os._exit(status)


def ended(child: int) -> bool:
    """Wait for a child; whether it reached the end by itself."""
    return os.waitpid(child, 0)[1] == 0


def main(kills: int, seed: int = 0) -> str:
    """Do it; raises AssertionError where anything is lost."""
    torch.set_num_threads(1)  # a fork has none of its parent's threads
    tqdm.monitor_interval = 0  # no thread that may hold a lock while we fork
    tqdm.set_lock(threading.RLock())  # not one that a killed child would keep for all
    rng, cut = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        reference, result = Path(folder) / "whole.safetensors", Path(folder) / "end"
        path, copy = (Path(folder) / f"{name}.safetensors" for name in ("run", "copy"))
        train(path, reference)  # the first in a process is slow; the forks are not
        path.unlink()
        began = time.perf_counter()
        assert ended(fork(path, reference))
        whole = time.perf_counter() - began
        path.unlink()
        expected = checkpoint.load(reference).state_dict()
        while cut < kills:
            child = fork(path)
            time.sleep(rng.random() * whole)
            os.kill(child, signal.SIGKILL)
            if ended(child):  # it was faster
                path.unlink()
                continue
            cut += 1
            if path.exists():
                checkpoint.read(path, resume.KEYS)  # whole, or this raises
                shutil.copy(path, copy)
            assert ended(fork(copy, result)), f"kill {cut}: it could not go on"
            for name, weight in checkpoint.load(result).state_dict().items():
                assert torch.equal(weight, expected[name]), f"kill {cut}: {name}"
            copy.unlink()
        left = list(Path(folder).glob(".*.part"))
        assert left in ([], [path.with_name(f".{path.name}.part")])
    return f"{cut} kills, {cut} resumes, each bit-identical to the whole run"


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
