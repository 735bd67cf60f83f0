"""A minute of meta-training from random phi, then judged beside the six tuned rivals.

The rivals' rates were tuned on other quadratics; the judged ones are fresh to all.
"""

import torch

from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.store import rivals
from l2o_kit.trainer import meta_train

SECONDS, PROBLEMS = 60, 1000


def train(seed: int = 0, seconds: int = SECONDS):
    """The optimizer after a minute."""
    optimizer = LSTMOptimizer(preprocess="identity", seed=seed)
    log = meta_train(optimizer, Quadratic(), seconds=seconds, batch=64,
                     lr=(1e-2, 3e-4), seed=seed)  # fmt: skip
    return optimizer, log


def lines(seeds=(0, 1, 2)) -> list[str]:
    """The section of BENCHMARKS.md: every seed that was run is in it."""
    rows = []
    hands = {name: optimize(rule, Quadratic(), batch=PROBLEMS, seed=7)
             for name, rule in rivals("quadratic").items()}  # fmt: skip
    for seed in seeds:
        optimizer, log = train(seed)
        ours = optimize(optimizer, Quadratic(), batch=PROBLEMS, seed=7)
        for what, of in (("mean of steps 1 to 100", lambda c: c.mean_loss()),
                         ("step 100", lambda c: c.losses[-1])):  # fmt: skip
            best = min(hands, key=lambda name: float(of(hands[name]).mean()))
            ratio, low, high = paired_ratio(of(ours), of(hands[best]))
            rows.append(
                f"| {seed} | {len(log.meta_losses):,} | {what} | "
                f"{float(of(ours).mean()):.3g} | {best}, "
                f"{float(of(hands[best]).mean()):.3g} | "
                f"{ratio:.2f} [{low:.2f}, {high:.2f}] |"
            )
    return [
        f"## {SECONDS} seconds of meta-training, from random phi", "",
        f"Quadratics of ten dimensions; judged on {PROBLEMS:,} fresh ones beside the "
        "six rivals, their rates tuned on others for the mean loss. Below 1, the "
        "learned optimizer is better.", "",
        "| seed | meta-steps | judged by | learned | best rival | ratio |",
        "|---|---|---|---|---|---|", *rows,
    ]  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(2)
    print("\n".join(lines()))
