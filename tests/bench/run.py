"""Speed and memory, measured in one run and written to BENCHMARKS.md: ``make bench``.

Timings on a shared machine are noisy: read the ratios, which are medians of pairs
measured in turn.
"""

import os
import platform
import statistics
import time
from pathlib import Path

import torch

from l2o_kit import Quadratic, pretrained
from l2o_kit.checkpoint import PRETRAINED
from l2o_kit.data import stream
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import Trainer
from tests.bench import engine, growth, minute, slider, stop, trust

ROOT = Path(__file__).parents[2]
HORIZON, UNROLL, BATCH, PAIRS = 100, 20, 128, 5


def straightforward(optimizer, optimizee, seed: int) -> int:
    """One roll-out of one problem, differentiated through everything: the usual code.

    Returns how many problems it has trained on. The gradient keeps its graph, as in
    code that drops nothing.
    """
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


def this_kit(trainer: Trainer) -> int:
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
    plain, ours = (LSTMOptimizer(preprocess="identity") for _ in range(2))
    trainer = Trainer(ours, Quadratic(), horizon=HORIZON, unroll=UNROLL, discount=1.0,
                      batch=BATCH, seed=0)  # fmt: skip
    pairs = []
    for k in range(PAIRS + 1):
        slow = rate(lambda k=k: straightforward(plain, Quadratic(), k))
        pairs.append((rate(lambda: this_kit(trainer)), slow))
    fast, slow = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    ratio = statistics.median(a / b for a, b in pairs[1:])
    return [
        "## Meta-training on quadratics", "",
        f"Ten dimensions, {HORIZON} steps, unroll {UNROLL}; medians of {PAIRS}.", "",
        "| | problems a second |", "|---|---|",
        f"| this kit, {BATCH} side by side | {fast:,.0f} |",
        f"| one at a time, differentiated through everything | {slow:,.1f} |",
        f"| ratio | {ratio:,.0f} |",
    ]  # fmt: skip


def checkpoints() -> list[str]:
    """The size of every shipped optimizer."""
    rows = [
        f"| {name} | {(PRETRAINED / f'{name}.safetensors').stat().st_size / 1000:.1f} |"
        for name in pretrained()
    ]
    return ["## Shipped checkpoints", "", "| name | kB |", "|---|---|", *rows]


def main():
    """Measure all, print it, and write BENCHMARKS.md."""
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {torch.get_num_threads()} "
        f"threads, Python {platform.python_version()}, "
        f"torch {torch.__version__.split('+')[0]}."
    )
    head = ["# Benchmarks", "", "Written by `make bench`; do not edit.", "", machine]
    parts = [engine.tables, growth.lines, minute.lines, meta_training, trust.lines,
             stop.lines, slider.lines, checkpoints]  # fmt: skip
    texts = ["\n".join(head)]
    for part in parts:
        texts.append("\n".join(part()))
        print(texts[-1], flush=True)
        (ROOT / "BENCHMARKS.md").write_text("\n\n".join(texts) + "\n")


if __name__ == "__main__":
    main()
