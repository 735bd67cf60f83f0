"""Speed and memory, measured in one run: ``make bench``.

    python -m tests.bench.run                       everything, anew
    python -m tests.bench.run deploy students       these sections; the rest stays

Numbers go into BENCHMARKS.json, and BENCHMARKS.md is made from them; see report.py.
Timings on a shared machine are noisy: read the ratios, which are medians of pairs
measured in turn.

Whatever needs PyTorch is imported where it is used: students.py measures what kernels
share with one another, and this process must not be one more that shares it.
"""

import os
import platform
import statistics
import sys
import time
from importlib import import_module, metadata

from tests.bench import report

THREADS = min(2, os.cpu_count() or 1)
HORIZON, UNROLL, BATCH, PAIRS = 100, 20, 128, 5
RATE = "problems a second"
SECTIONS = {  # name: module and function, in the order of the file
    "engine": ("engine", "measured"),
    "growth": ("growth", "measured"),
    "minute": ("minute", "measured"),
    "quadratics": ("run", "meta_training"),
    "trust": ("trust", "measured"),
    "stop": ("stop", "measured"),
    "slider": ("slider", "measured"),
    "checkpoints": ("run", "checkpoints"),
    "deploy": ("deploy", "measured"),
    "students": ("students", "measured"),
}


def straightforward(optimizer, optimizee, seed: int) -> int:
    """One roll-out of one problem, differentiated through everything: the usual code.

    Returns how many problems it has trained on. The gradient keeps its graph, as in
    code that drops nothing.
    """
    import torch

    from l2o_kit.data import stream

    meta_optimizer = torch.optim.Adam(optimizer.parameters(), lr=1e-3)
    problem = optimizee.sample(1, stream(seed, "bench"))
    theta = problem.theta0.clone().requires_grad_()
    state = optimizer.initial_state(theta.numel())
    for _ in range(HORIZON // UNROLL):
        meta_loss = 0
        for _ in range(UNROLL):
            loss = problem.loss(theta).sum()
            (grad,) = torch.autograd.grad(loss, theta, create_graph=True)
            update, state = optimizer(grad.flatten(), state)
            theta = theta + update.view_as(theta)
            meta_loss = meta_loss + problem.loss(theta).mean()
        meta_optimizer.zero_grad()
        meta_loss.backward()
        meta_optimizer.step()
        theta = theta.detach().requires_grad_()
        state = {name: part.detach() for name, part in state.items()}
    return 1


def this_kit(trainer) -> int:
    """One roll-out of a batch of problems, by the trainer."""
    for _ in range(HORIZON // UNROLL):
        trainer.window(1e-3)
    return BATCH


def rate(work) -> float:
    """Problems a second."""
    began = time.perf_counter()
    problems = work()
    return problems / (time.perf_counter() - began)


def meta_training() -> dict:
    """Problems a second, this kit against one at a time through everything."""
    from l2o_kit.optimizees import Quadratic
    from l2o_kit.optimizer import LSTMOptimizer
    from l2o_kit.window import Trainer

    plain, ours = (LSTMOptimizer(preprocess="identity") for _ in range(2))
    trainer = Trainer(
        ours,
        Quadratic(),
        horizon=HORIZON,
        unroll=UNROLL,
        discount=1.0,
        batch=BATCH,
        seed=0,
    )
    pairs = []
    for k in range(PAIRS + 1):
        slow = rate(lambda k=k: straightforward(plain, Quadratic(), k))
        pairs.append((rate(lambda: this_kit(trainer)), slow))
    fast, slow = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    ratio = statistics.median(a / b for a, b in pairs[1:])
    return report.section(
        "Meta-training on quadratics",
        [
            f"Ten dimensions, {HORIZON} steps, unroll {UNROLL}; medians of {PAIRS}.",
            report.table("rates", {"": "", RATE: ",.4g"}),
        ],
        rates=[
            {"": f"this kit, {BATCH} side by side", RATE: fast},
            {"": "one at a time, differentiated through everything", RATE: slow},
            {"": "ratio", RATE: ratio},
        ],
        ratios={
            "side by side / one at a time": ratio,
            "one at a time / side by side": slow / fast,
        },
    )


def checkpoints() -> dict:
    """The size of every shipped optimizer."""
    from l2o_kit.checkpoint import PRETRAINED, pretrained

    files = {name: PRETRAINED / f"{name}.safetensors" for name in pretrained()}
    return report.section(
        "Shipped checkpoints",
        [report.table("files", {"name": "", "kB": ".1f"})],
        files=[
            {"name": name, "kB": path.stat().st_size / 1000}
            for name, path in files.items()
        ],
    )


def section(name: str) -> dict:
    """Measure a section, and print it."""
    module, function = SECTIONS[name]
    if name != "students":
        import torch

        torch.set_num_threads(THREADS)
    found = getattr(import_module(f"tests.bench.{module}"), function)()
    print(report.markdown(found), flush=True)
    return found


def everything():
    """Measure all; the files grow with every section."""
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {THREADS} threads, Python "
        f"{platform.python_version()}, torch {metadata.version('torch').split('+')[0]}."
    )
    known = {"machine": machine, "sections": {}}
    students = section("students")  # before this process holds PyTorch
    for name in SECTIONS:
        known["sections"][name] = students if name == "students" else section(name)
        report.write(known)


def main(names: list[str]):
    """Measure all sections, or those that are named, and write the files."""
    for name in names:
        if name not in SECTIONS:
            raise SystemExit(f"{name!r} is not known. Use some of {list(SECTIONS)}.")
    if not names:
        everything()
    for name in sorted(names, key="students".__ne__):  # before the others, as above
        new, known = section(name), report.read()
        known["sections"][name] = new
        report.write(known)


if __name__ == "__main__":
    main(sys.argv[1:])
