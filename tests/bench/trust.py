"""How long it takes to learn lambda on a frozen LSTM, and how near ten seconds come."""

import statistics
import time

import numpy as np

from l2o_kit.lessons.l07_softmax.lambdas import AS_IN_THE_RECIPE
from l2o_kit.trust import KINDS, inverse_variance, learned

LIVE = 10.0  # seconds


def lines(times: int = 3) -> list[str]:
    """The section of BENCHMARKS.md."""
    kind = KINDS["noise"]
    theory, off = inverse_variance(kind.home), []
    for seed in range(times):
        optimizer, log = learned(
            kind, kind.home, seed=seed, seconds=LIVE, meta_steps=None
        )
        off.append(np.abs(optimizer.lambdas.numpy() - theory).sum())
    rows = [f"| {name} | {seconds(name, times):.0f} |" for name in KINDS]
    return [
        "## Lambda on a frozen LSTM",
        "",
        f"Noise 0.5, 1, 2, 3 for {LIVE:.0f} seconds ({len(log.meta_losses)} meta-steps "
        "the last time): the distance of lambda to theory, in all, is "
        f"{statistics.median(off):.3f} (median of {times}), {max(off):.3f} at most.",
        "",
        "| whole training on | seconds, median |",
        "|---|---|",
        *rows,
    ]


def seconds(name: str, times: int) -> float:
    """The median time of the whole training of lambda at home."""
    more, kind, taken = {} if name == "noise" else AS_IN_THE_RECIPE, KINDS[name], []
    for seed in range(times):
        began = time.perf_counter()
        learned(kind, kind.home, seed=seed, **more)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
