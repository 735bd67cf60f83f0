"""Speed and memory, measured in one run and written to BENCHMARKS.md: ``make bench``.

    python -m tests.bench.run                       everything, anew
    python -m tests.bench.run deploy students       these sections; the rest stays

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
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "BENCHMARKS.md"
THREADS = min(2, os.cpu_count() or 1)
HORIZON, UNROLL, BATCH, PAIRS = 100, 20, 128, 5
SECTIONS = {  # name: module and function, in the order of the file
    "engine": ("engine", "tables"),
    "growth": ("growth", "lines"),
    "minute": ("minute", "lines"),
    "quadratics": ("run", "meta_training"),
    "trust": ("trust", "lines"),
    "stop": ("stop", "lines"),
    "slider": ("slider", "lines"),
    "checkpoints": ("run", "checkpoints"),
    "deploy": ("deploy", "lines"),
    "students": ("students", "lines"),
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


def meta_training() -> list[str]:
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
    return [
        "## Meta-training on quadratics",
        "",
        f"Ten dimensions, {HORIZON} steps, unroll {UNROLL}; medians of {PAIRS}.",
        "",
        "| | problems a second |",
        "|---|---|",
        f"| this kit, {BATCH} side by side | {fast:,.0f} |",
        f"| one at a time, differentiated through everything | {slow:,.1f} |",
        f"| ratio | {ratio:,.0f} |",
    ]


def checkpoints() -> list[str]:
    """The size of every shipped optimizer."""
    from l2o_kit.checkpoint import PRETRAINED, pretrained

    rows = [
        f"| {name} | {(PRETRAINED / f'{name}.safetensors').stat().st_size / 1000:.1f} |"
        for name in pretrained()
    ]
    return ["## Shipped checkpoints", "", "| name | kB |", "|---|---|", *rows]


def section(name: str) -> str:
    """Measure a section, and print it."""
    module, function = SECTIONS[name]
    if name != "students":
        import torch

        torch.set_num_threads(THREADS)
    text = "\n".join(getattr(import_module(f"tests.bench.{module}"), function)())
    print(text, flush=True)
    return text


def splice(text: str, new: str) -> str:
    """The section with the heading of the new one gives way to it; else it is added.

    >>> splice("# A\\n\\n## B\\n\\n1\\n\\n## C\\n\\n2\\n", "## B\\n\\n3")
    '# A\\n\\n## B\\n\\n3\\n\\n## C\\n\\n2\\n'
    """
    parts, heading = text.rstrip("\n").split("\n\n## "), new.split("\n")[0]
    headings = [f"## {part}".split("\n")[0] for part in parts]
    if heading in headings:
        parts[headings.index(heading)] = new.removeprefix("## ")
    else:
        parts.append(new.removeprefix("## "))
    return "\n\n## ".join(parts) + "\n"


def everything():
    """Measure all; the file grows with every section."""
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {THREADS} threads, Python "
        f"{platform.python_version()}, torch {metadata.version('torch').split('+')[0]}."
    )
    head = ["# Benchmarks", "", "Written by `make bench`; do not edit.", "", machine]
    students = section("students")  # before this process holds PyTorch
    texts = ["\n".join(head)]
    for name in SECTIONS:
        texts.append(students if name == "students" else section(name))
        RESULTS.write_text("\n\n".join(texts) + "\n")


def main(names: list[str]):
    """Measure all sections, or those that are named, and write BENCHMARKS.md."""
    for name in names:
        if name not in SECTIONS:
            raise SystemExit(f"{name!r} is not known. Use some of {list(SECTIONS)}.")
    if not names:
        everything()
    for name in sorted(names, key="students".__ne__):  # before the others, as above
        new = section(name)
        RESULTS.write_text(splice(RESULTS.read_text(), new))


if __name__ == "__main__":
    main(sys.argv[1:])
