"""The engine beside its rivals: coordinate-steps a second and peak memory.

Every contestant runs in a process of its own, the contestants in turn, round after
round; a number is the median over all windows, a ratio that of two medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from tests.bench import report, sizes

ROOT = Path(__file__).parents[2]
ROUNDS = {"784-256-10": 2, "784-1258-10": 1}  # elsewhere 3
WINDOWS = {"784-256-10": 1, "784-1258-10": 1}  # in each process; elsewhere 8
CONTESTANTS = ("kit", "autograd", "jax", "floor")
CALLED = {"jax": "JAX"}
MEMORY = {"problem": ""} | dict.fromkeys(
    ("kit", "autograd", "JAX", "autograd / kit", "JAX / kit"), ".2f"
)
SPEED = {"problem": "", "coordinates": ","} | dict.fromkeys(
    (
        *("kit", "autograd", "JAX", "floor"),
        *("kit / autograd", "kit / JAX", "kit / floor"),
    ),
    ".2f",
)
TOO_LARGE = {
    ("autograd", "784-1258-10"),
    ("jax", "784-1258-10"),  # about 50 GB each
    ("jax", sizes.ALONE),
}


def ours(contestant: str, name: str) -> dict:
    """One process of a contestant that runs on torch."""
    command = [sys.executable, "-m", "tests.bench.rivals", contestant, name]
    return process(*command, str(WINDOWS.get(name, 8)))


def jax(name: str, folder: Path) -> dict:
    """One process of JAX, in the environment that ``make bench`` makes for it."""
    path = folder / f"{name}.npz"
    if not path.exists():
        np.savez(path, **_for_jax(name))
    command = [ROOT / ".venv-jax/bin/python", "tests/bench/jax_rival.py", path]
    return process(*command, str(WINDOWS.get(name, 8)))


def process(*command) -> dict:
    """Run a command and read the JSON that it prints."""
    done = subprocess.run(command, text=True, capture_output=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _for_jax(name) -> dict:
    """phi, the problem, the minibatches of a window, and the kit's meta-gradient."""
    trainer, rows = sizes.trainer(name), []
    look = trainer.look

    def remember(t, create_graph):
        state = trainer.minibatches.get_state()
        rows.append(trainer.problem.minibatch(trainer.minibatches))
        trainer.minibatches.set_state(state)
        return look(t, create_graph)

    trainer.look = remember
    trainer.meta_gradient()
    lstm, problem = trainer.optimizer.lstm, trainer.problem
    weights = [*lstm.W, lstm.w_out]
    given = {
        "W0": lstm.W[0],
        "W1": lstm.W[1],
        "w_out": lstm.w_out,
        "b_out": lstm.b_out,
        "theta0": problem.theta0,
        "expected": torch.cat([w.grad.flatten() for w in weights]),
    }
    if name in sizes.NETWORKS:
        given |= {
            "X": problem.X,
            "y": problem.y,
            "minibatches": torch.stack(rows),
            "sizes": torch.tensor(sizes.NETWORKS[name][0]),
        }
    else:
        given |= {
            "W": problem.W,
            "y": problem.y,
            "minibatches": torch.zeros(sizes.UNROLL + 1, 1),
        }
    return {key: value.detach().numpy() for key, value in given.items()}


def measure(names=sizes.SIZES) -> dict:
    """{size: {contestant: {"rate", "peak"} or None}}, rates in coordinate-steps/s."""
    seen = {name: {c: [] for c in CONTESTANTS} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for _ in range(ROUNDS.get(name, 3)):
                for contestant in CONTESTANTS:
                    if (contestant, name) in TOO_LARGE:
                        continue
                    run = (
                        jax(name, Path(folder))
                        if contestant == "jax"
                        else ours(contestant, name)
                    )
                    if run:
                        seen[name][contestant].append(run)
    return {
        name: {c: _summary(runs) for c, runs in contestants.items()}
        for name, contestants in seen.items()
    }


def _summary(runs):
    if not runs:
        return None
    seconds = statistics.median([s for run in runs for s in run["seconds"]])
    return {
        "rate": runs[0]["coords"] * sizes.UNROLL / seconds,
        "peak": statistics.median(run["peak"] for run in runs),
        "coords": runs[0]["coords"],
        "seconds": seconds,
    }


def measured() -> dict:
    """The section of the report."""
    results = measure()
    return report.section(
        "The meta-gradient of a window",
        [
            "Two layers of 20, unroll 20, float32. Million coordinate-steps a second: "
            "coordinates times unroll, by the time of a window, forward and back. "
            "autograd: nn.LSTMCell, differentiated through the window. JAX: jit and "
            "scan, its meta-gradient equal to the kit's, compilation not counted. "
            "Floor: the matrix products and activation functions alone, in cache. Not "
            "run: needs about 50 GB (1,000,120 coordinates), or asked of nobody (the "
            "last row, which is the engine alone).",
            report.table("speed", SPEED, "not run"),
            "Peak memory of the whole process, GB, libraries included:",
            report.table("memory", MEMORY, "not run"),
        ],
        speed=[_speed(name, by) for name, by in results.items()],
        memory=[_memory(name, by) for name, by in results.items()],
    )


def _speed(name: str, by: dict) -> dict:
    rates = {c: by[c] and by[c]["rate"] / 1e6 for c in CONTESTANTS}
    pairs = [("kit", other) for other in CONTESTANTS[1:]]
    pairs += [(other, "kit") for other in CONTESTANTS[1:]] + [("floor", "autograd")]
    row = {"problem": name, "coordinates": by["kit"]["coords"]}
    return {**row, **_called(rates), **_ratios(rates, pairs)}


def _memory(name: str, by: dict) -> dict:
    peaks = {c: by[c] and by[c]["peak"] for c in CONTESTANTS[:3]}
    ratios = _ratios(peaks, [("autograd", "kit"), ("jax", "kit")])
    return {"problem": name, **_called(peaks), **ratios}


def _called(numbers: dict) -> dict:
    return {CALLED.get(name, name): number for name, number in numbers.items()}


def _ratios(numbers: dict, pairs: list) -> dict:
    """{"a / b": the ratio, or None where one was not run}."""
    return {
        f"{CALLED.get(a, a)} / {CALLED.get(b, b)}": (
            numbers[a] / numbers[b] if numbers[a] and numbers[b] else None
        )
        for a, b in pairs
    }
