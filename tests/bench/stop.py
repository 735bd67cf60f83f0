"""How long Ctrl-C takes: from the signal to the return of meta_train."""

import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench import report

PROGRAM = """
import random, signal, sys, threading, time, os
# a job that a shell put in the background has no handler
signal.signal(signal.SIGINT, signal.default_int_handler)
import l2o_kit as l2o
from tests.bench import sizes
made = sizes.optimizee(sizes.NETWORKS["784-256-10"][0])
sent = []
def send():
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(3 + random.random() * 5, send).start()
log = l2o.meta_train(l2o.LSTMOptimizer(), made, seconds=60.0, batch=1, lr=1e-3)
assert log.interrupted
print(time.perf_counter() - sent[0])
"""


def measured(times: int = 7) -> dict:
    """The section of the report."""
    seen = [
        float(
            subprocess.run(
                [sys.executable, "-c", PROGRAM],
                check=True,
                text=True,
                capture_output=True,
                cwd=Path(__file__).parents[2],
            ).stdout
        )
        for _ in range(times)
    ]
    return report.section(
        "Ctrl-C",
        [
            "Meta-training on the 784-256-10 network, stopped at random moments: "
            f"returned after {{ms[median]:.0f}} ms (median of {times}), "
            "{ms[most]:.0f} ms at most."
        ],
        ms={"median": 1000 * statistics.median(seen), "most": 1000 * max(seen)},
    )


if __name__ == "__main__":
    print(report.markdown(measured()))
