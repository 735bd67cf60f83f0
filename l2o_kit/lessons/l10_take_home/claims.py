"""What lesson 10 claims: one rule used three ways, trust at home and away, memory.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does. Quickly, what is stored is read; in full all problems are optimized again.
"""

import functools
from functools import partial

import numpy as np
import torch
from torch import nn

from l2o_kit.checkpoint import load, stored
from l2o_kit.data import stream
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l10_take_home import scorecard
from l2o_kit.lessons.l10_take_home.scorecard import MEASURES, RULES, TASKS
from l2o_kit.optimizees import Quadratic
from l2o_kit.teaching.claim import Claim
from l2o_kit.window import Trainer

STEPS, ROWS, DIM = 40, 3, 64  # 192 coordinates: one block in all three


def three_ways(quick: bool, control: bool | None = None):
    """How many numbers of theta differ between the three; control: another rule."""
    rule, quadratic, purpose = load("digits"), Quadratic(DIM), "meta-train problems"
    theta = optimize(rule, quadratic, steps=STEPS, batch=ROWS, purpose=purpose).theta
    trainer = Trainer(rule, quadratic, horizon=STEPS, unroll=STEPS, batch=ROWS)
    trainer.begin_window()
    trainer.roll_out()
    problem = quadratic.sample(ROWS, stream(0, purpose))
    p = nn.Parameter(problem.theta0.clone())
    optimizer = LearnedOptimizer([p], load("quadratic") if control else rule)
    for _ in range(STEPS):
        _, p.grad = problem.value_and_grad(p.detach())
        optimizer.step()
    apart = (p.detach() != theta) | (trainer.theta != theta)
    count = float(apart.sum())
    return count, count, count, "each other"


def state_size(quick: bool, control: bool | None = None):
    """Bytes of state for each parameter, from the tensors; control: in float64."""
    dtype = torch.float64 if control else torch.float32
    p = nn.Parameter(torch.zeros(1000, dtype=dtype))
    p.grad = torch.ones_like(p)
    optimizer = LearnedOptimizer([p], "digits_robust")
    optimizer.step()
    state = optimizer.state[p].values()
    size = sum(part.nbytes for part in state) / p.numel()
    return size, size, size, "Adam: 8"


@functools.cache
def _ratios(quick: bool) -> np.ndarray:
    """[task, rule, measure, 3]."""
    return (stored("scorecard", __file__) if quick else scorecard.build())["ratios"]


def at_home(quick: bool, control: bool | None = None):
    """The worst of the pairs of an optimizer and what it was trained on."""
    ratios = _ratios(quick)[:, :, MEASURES.index("all steps")]
    pairs = {
        f"{rule} on {name}": ratios[i, k]
        for i, (name, task) in enumerate(TASKS.items())
        for k, rule in enumerate(RULES)
        if (rule in task.home) is not bool(control) and not np.isnan(ratios[i, k, 0])
    }
    worst = max(pairs, key=lambda pair: pairs[pair][0])
    return *map(float, pairs[worst]), f"{worst}; Adam"


def away(measure: str, quick: bool, control: bool | None = None):
    """The share of the other pairs that are surely ahead; control: those at home."""
    ratios = _ratios(quick)[:, :, MEASURES.index(measure)]
    kinds = [
        scorecard.colour(ratios[i, k])
        for i, task in enumerate(TASKS.values())
        for k, rule in enumerate(RULES)
        if (rule in task.home) is bool(control)
    ]
    share = kinds.count("green") / (len(kinds) - kinds.count("no fit"))
    return share, share, share, "Adam"


def cancer(measure: str, quick: bool, control: bool | None = None):
    """digits_robust on breast cancer data; control: one that reads raw gradients."""
    task, k = "breast cancer", MEASURES.index(measure)
    rule = "quadratic" if control else "digits_robust"
    cell = _ratios(quick)[list(TASKS).index(task), RULES.index(rule), k]
    return *map(float, cell), "Adam"


AWAY = "Away from the tasks they were trained on, less than a third of the pairs are"
CANCER = "Breast cancer data, never met: digits_robust has a lower loss than tuned Adam"
CANCER_NETWORKS = f"{TASKS['breast cancer'].judged} networks, seed 1"
CELLS = "pairs of 8 to 256 problems, seed 1"
HOME_CELLS = f"the worst of the {CELLS}"
CLAIMS = {
    "take-same": Claim(
        "optimize, LearnedOptimizer and the trainer, given the same gradients in the "
        "same blocks, end at the same theta to the last bit",
        three_ways,
        0.5,
        judged_on=f"{ROWS} problems, {STEPS} steps",
    ),
    "take-state": Claim(
        "LearnedOptimizer keeps at most 332 bytes for each parameter",
        state_size,
        332.5,
        published="320 (80 floats)",
        judged_on="1,000 parameters, by their tensors",
    ),
    "card-home": Claim(
        "On the tasks it was trained on, each shipped optimizer has a lower mean loss "
        "than tuned Adam (the worst of them)",
        at_home,
        judged_on=HOME_CELLS,
    ),
    "card-away": Claim(
        f"{AWAY} ahead of tuned Adam over all steps",
        partial(away, MEASURES[0]),
        0.33,
        judged_on=CELLS,
    ),
    "card-away-last": Claim(
        f"{AWAY} ahead over the last tenth",
        partial(away, MEASURES[1]),
        0.33,
        judged_on=CELLS,
    ),
    "take-cancer": Claim(
        f"{CANCER}, over 100 steps",
        partial(cancer, MEASURES[0]),
        judged_on=CANCER_NETWORKS,
    ),
    "take-cancer-last": Claim(
        f"{CANCER}, over the last ten of 100 steps",
        partial(cancer, MEASURES[1]),
        judged_on=CANCER_NETWORKS,
    ),
}
