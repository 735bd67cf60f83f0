"""A minute of meta-training from random phi, then judged beside the six tuned rivals.

The rivals' rates were tuned on other quadratics; the judged ones are fresh to all.
"""

from functools import cache

import torch

from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.store import rivals
from l2o_kit.trainer import meta_train

SECONDS, PROBLEMS, JUDGED = 60, 1000, 7  # seconds, how many, their seed


def mean(curves):
    """The mean over the steps 1 to 100, of each problem."""
    return curves.mean_loss()


def last(curves):
    """The loss at step 100, of each problem."""
    return curves.losses[-1]


JUDGEMENTS = [  # what, what the rivals were tuned for, of which number
    ("mean of steps 1 to 100", "mean", mean),
    ("step 100", "mean", last),
    ("step 100, rivals tuned for it", "last", last),
]


def train(seed: int = 0, seconds: int = SECONDS):
    """The optimizer after a minute."""
    optimizer = LSTMOptimizer(preprocess="identity", seed=seed)
    log = meta_train(optimizer, Quadratic(), seconds=seconds, batch=64,
                     lr=(5e-3, 3e-4), seed=seed)  # fmt: skip
    return optimizer, log


@cache
def hands(objective: str, of) -> dict:
    """What each rival, its rate tuned for ``objective``, reaches on every problem."""
    return {
        name: of(optimize(rule, Quadratic(), batch=PROBLEMS, seed=JUDGED))
        for name, rule in rivals("quadratic", objective).items()
    }


def lines(seeds=(0, 1, 2)) -> list[str]:
    """The section of BENCHMARKS.md: every seed that was run is in it."""
    rows = []
    for seed in seeds:
        optimizer, log = train(seed)
        ours = optimize(optimizer, Quadratic(), batch=PROBLEMS, seed=JUDGED)
        for what, objective, of in JUDGEMENTS:
            name, best = min(hands(objective, of).items(), key=lambda x: x[1].mean())
            ratio, low, high = paired_ratio(of(ours), best)
            rows.append(
                f"| {seed} | {len(log.meta_losses):,} | {what} | "
                f"{of(ours).mean():.3g} | {name}, {best.mean():.3g} | "
                f"{ratio:.2f} [{low:.2f}, {high:.2f}] |"
            )
    return [
        f"## {SECONDS} seconds of meta-training, from random phi", "",
        f"Quadratics of ten dimensions; judged on {PROBLEMS:,} fresh ones beside the "
        "six rivals (and Adam with cosine decay), their rates tuned on others, for the "
        "mean loss if not said otherwise. Below 1, the learned optimizer is better.",
        "",
        "| seed | meta-steps | judged by | learned | best rival | ratio |",
        "|---|---|---|---|---|---|", *rows,
    ]  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(2)
    print("\n".join(lines()))
