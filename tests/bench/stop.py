"""How long Ctrl-C takes: from the signal to the return of meta_train."""

import statistics
import subprocess
import sys
from pathlib import Path

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


def lines(times: int = 7) -> list[str]:
    """The section of BENCHMARKS.md."""
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
    return [
        "## Ctrl-C",
        "",
        "Meta-training on the 784-256-10 network, stopped at random moments: returned "
        f"after {1000 * statistics.median(seen):.0f} ms (median of {times}), "
        f"{1000 * max(seen):.0f} ms at most.",
    ]


if __name__ == "__main__":
    print("\n".join(lines()))
