"""A step of LearnedOptimizer beside its floor and beside Adam: time and memory.

    python -m tests.bench.deploy seconds 784-256-10    one process, as JSON
    python -m tests.bench.deploy memory float32        likewise, at a million parameters
    python -m tests.bench.deploy                       the section of the report

The floor is the matrix products and activation functions of a step alone, at the width
of the optimizer's own blocks, in buffers allocated once: nothing useful is computed,
and no parameter, gradient or state is touched.
"""

import ctypes
import gc
import json
import statistics
import sys
import time
from pathlib import Path

import torch

from l2o_kit.checkpoint import load
from l2o_kit.data import stream
from l2o_kit.deploy import BLOCK_SIZE, LearnedOptimizer, blocks
from l2o_kit.network import convnet, mlp
from tests.bench import report
from tests.bench.engine import process

MODELS = {  # name: how to make it, rounds in a process
    "64-20-10": (lambda: mlp([64, 20, 10]), 200),
    "lesson 08's convnet": (convnet, 60),
    "784-256-10": (lambda: mlp([784, 256, 10]), 20),
    "784-1258-10": (lambda: mlp([784, 1258, 10]), 8),
}
LARGEST = "784-1258-10"
PROCESSES = 3  # a model
MADE = {  # what a step of which optimizer costs in memory
    "float32": lambda params: LearnedOptimizer(params, "digits"),
    "float32, digits_robust": lambda params: LearnedOptimizer(params, "digits_robust"),
    "bfloat16": lambda params: LearnedOptimizer(
        params, "digits", state_dtype=torch.bfloat16
    ),
    "Adam": torch.optim.Adam,
}


def parameters(name: str) -> list[torch.nn.Parameter]:
    """A model's, each with a gradient that stays as it is."""
    generator = stream(0, "bench gradients")
    made = list(MODELS[name][0]().parameters())
    for parameter in made:
        parameter.grad = 0.01 * torch.randn(parameter.shape, generator=generator)
    return made


def floor(sizes: list[int]):
    """A function that computes a step's products and activations, and no more."""
    lstm = load("digits").requires_grad_(False).lstm
    widths = [sum(at.stop - at.start for _, at in b) for b in blocks(sizes, BLOCK_SIZE)]
    buffers = {width: _buffers(lstm, width) for width in widths}
    outs = {width: torch.zeros(1, width) for width in widths}

    @torch.inference_mode()
    def step():
        for width in widths:
            for W, z, gates, c, h in buffers[width]:
                torch.mm(W, z, out=gates)  # [80, 23 or 41] x [23 or 41, width]
                gates[:60].sigmoid_(), gates[60:].tanh_()
                torch.tanh(c, out=h)
            torch.mm(lstm.w_out, h, out=outs[width])

    return step


def _buffers(lstm, width: int):
    """(W, z, gates, c, h) of each layer."""
    generator = stream(0, "bench floor")
    return [
        (
            W,
            torch.randn(W.shape[1], width, generator=generator),
            torch.zeros(80, width),
            torch.randn(20, width, generator=generator),
            torch.zeros(20, width),
        )
        for W in lstm.W
    ]


def seconds(name: str) -> dict[str, list[float]]:
    """{contestant: seconds of each step}, in turn, round after round."""
    rounds = MODELS[name][1]
    steps = {
        "digits": LearnedOptimizer(parameters(name), "digits").step,
        "digits_robust": LearnedOptimizer(parameters(name), "digits_robust").step,
        "floor": floor([p.numel() for p in parameters(name)]),
        "Adam": torch.optim.Adam(parameters(name)).step,
    }
    seen = {contestant: [] for contestant in steps}
    for _ in range(rounds + 2):
        for contestant, step in steps.items():
            began = time.perf_counter()
            step()
            seen[contestant].append(time.perf_counter() - began)
    return {contestant: times[2:] for contestant, times in seen.items()}


def memory(which: str) -> dict[str, float]:
    """Bytes of state a parameter, as tensors and as memory; MB that a step borrows."""
    params = parameters(LARGEST)
    count = sum(p.numel() for p in params)
    optimizer = MADE[which](params)
    before = resident("VmRSS")
    optimizer.step()
    getattr(optimizer, "_buffers", {}).clear()  # so that buffers count as borrowed
    rest = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    optimizer.step()
    borrowed = resident("VmHWM") - rest
    parts = [part for state in optimizer.state.values() for part in state.values()]
    kept = sum(part.numel() * part.element_size() for part in parts)
    return {
        "state": kept / count,
        "grown": (rest - before) / count,
        "borrowed": borrowed / 1e6,
    }


def resident(field: str) -> int:
    """Bytes of memory that this process has (VmRSS), or had at most (VmHWM)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(x for x in lines if x.startswith(field)).split()[1])


def run(*arguments: str) -> dict:
    """One measurement in a process of its own."""
    return process(sys.executable, "-m", "tests.bench.deploy", *arguments)


def row(name: str) -> dict:
    """A model's row in the table of times."""
    seen = {}
    for _ in range(PROCESSES):
        for contestant, times in run("seconds", name).items():
            seen.setdefault(contestant, []).extend(times)

    def ratio(a, b):
        return statistics.median(x / y for x, y in zip(seen[a], seen[b], strict=True))

    count = sum(p.numel() for p in MODELS[name][0]().parameters())
    ms = {who: 1000 * statistics.median(times) for who, times in seen.items()}
    pairs = [pair.split(" / ") for pair in PAIRS]
    ratios = {f"{a} / {b}": ratio(a, b) for a, b in pairs}
    return {"model": name, "parameters": count, **ms, **ratios}


PAIRS = ("digits / floor", "digits_robust / floor", "digits / Adam")
SECONDS = {
    **{"model": "", "parameters": ","},
    **dict.fromkeys(("digits", "digits_robust", "floor", "Adam"), ".3g"),
    **dict.fromkeys(PAIRS, ".2f"),
}
MEMORY = {"state": ""} | dict.fromkeys(
    ("kept, tensors", "kept, resident", "borrowed, MB"), ".1f"
)


def measured() -> dict:
    """The section of the report."""
    kept = [
        dict(zip(MEMORY, (which, *run("memory", which).values()), strict=True))
        for which in MADE
    ]
    return report.section(
        "Take it home: a step of LearnedOptimizer",
        [
            f"Milliseconds of `step()`, one thread, blocks of {BLOCK_SIZE:,}; medians, "
            "the contestants in turn; ratios are medians of pairs. Floor: the matrix "
            "products and activation functions of a step alone, in blocks of the same "
            "width, on buffers that every block uses again; no state is read or "
            "written. Adam: torch.optim.Adam as it comes, which on a CPU takes "
            "parameter by parameter.",
            report.table("seconds", SECONDS),
            "Memory at a million parameters. Kept: bytes a parameter in the "
            "optimizer's state, by its tensors, and by how much the resident memory of "
            "the process grew. Borrowed: the peak of the resident memory during a "
            "step, above what it was before; all buffers of the step are counted, also "
            "those that are kept for the next.",
            report.table("memory", MEMORY),
        ],
        seconds=list(map(row, MODELS)),
        memory=kept,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:]:
        what, name = sys.argv[1:]
        print(json.dumps({"seconds": seconds, "memory": memory}[what](name)))
    else:
        print(report.markdown(measured()))
