"""How long it takes to learn lambda on a frozen LSTM, and how near ten seconds come."""

import statistics
import time

import numpy as np

from l2o_kit.lessons.l07_softmax.lambdas import AS_IN_THE_RECIPE
from l2o_kit.trust import KINDS, inverse_variance, learned
from tests.bench import report

LIVE = 10.0  # seconds


def measured(times: int = 3) -> dict:
    """The section of the report."""
    kind = KINDS["noise"]
    theory, off = inverse_variance(kind.home), []
    for seed in range(times):
        optimizer, log = learned(
            kind, kind.home, seed=seed, seconds=LIVE, meta_steps=None
        )
        off.append(np.abs(optimizer.lambdas.numpy() - theory).sum())
    return report.section(
        "Lambda on a frozen LSTM",
        [
            f"Noise 0.5, 1, 2, 3 for {LIVE:.0f} seconds ({{live[meta-steps]}} "
            "meta-steps the last time): the distance of lambda to theory, in all, is "
            f"{{live[median]:.3f}} (median of {times}), {{live[most]:.3f}} at most.",
            report.table("kinds", {"whole training on": "", "seconds, median": ".0f"}),
        ],
        live={
            "meta-steps": len(log.meta_losses),
            "median": float(statistics.median(off)),
            "most": float(max(off)),
        },
        kinds=[
            {"whole training on": name, "seconds, median": seconds(name, times)}
            for name in KINDS
        ],
    )


def seconds(name: str, times: int) -> float:
    """The median time of the whole training of lambda at home."""
    more, kind, taken = {} if name == "noise" else AS_IN_THE_RECIPE, KINDS[name], []
    for seed in range(times):
        began = time.perf_counter()
        learned(kind, kind.home, seed=seed, **more)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
