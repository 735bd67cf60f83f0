"""A minute of meta-training from random phi, then judged beside the six tuned rivals.

The rivals' rates were tuned on other quadratics; the judged ones are fresh to all.
"""

from functools import cache

from l2o_kit.baselines import rivals
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.lessons.l03_lstm.minute import MetaTraining
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from tests.bench import report

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


class Own(LSTMOptimizer):
    """A student's: a forward of one's own, which autograd differentiates."""

    def forward(self, grads, state):
        """One step, by the kit's arithmetic."""
        return super().forward(grads, state)


def train(make, seed: int = 0, seconds: int = SECONDS):
    """What the live cell of lesson 03 learns in a minute: (optimizer, meta-steps)."""
    panel = MetaTraining(make=make)
    panel.controls["seed"].value = seed
    panel.budget = {"seconds": seconds}
    return panel.learn(), panel.result["meta_steps"]


@cache
def hands(objective: str, of) -> dict:
    """What each rival, its rate tuned for ``objective``, reaches on every problem."""
    return {
        name: of(optimize(rule, Quadratic(), batch=PROBLEMS, seed=JUDGED))
        for name, rule in rivals("quadratic", objective).items()
    }


COLUMNS = {
    "optimizer": "",
    "seed": "",
    "meta-steps": ",",
    "judged by": "",
    "learned": ".3g",
    "best rival": "",
    "its loss": ".3g",
    "ratio": ".2f",
}


def measured(seeds=range(5)) -> dict:
    """The section of the report: every seed that was run is in it."""
    return report.section(
        f"{SECONDS} seconds of meta-training, from random phi",
        [
            "The live cell of lesson 03, as it stands: quadratics of ten dimensions; "
            f"judged on {PROBLEMS:,} fresh ones beside the six rivals (and Adam with "
            "cosine decay), their rates tuned on others, for the mean loss if not said "
            "otherwise. Below 1, the learned optimizer is better. LSTMOptimizer is "
            "differentiated by hand, Own (a student's own forward) by autograd.",
            report.table("seeds", COLUMNS),
        ],
        seeds=[
            row
            for make in (LSTMOptimizer, Own)
            for seed in seeds
            for row in judge(make, seed)
        ],
    )


def judge(make, seed: int) -> list[dict]:
    """One training, a row for each judgement."""
    optimizer, meta_steps = train(make, seed)
    ours, rows = optimize(optimizer, Quadratic(), batch=PROBLEMS, seed=JUDGED), []
    for what, objective, of in JUDGEMENTS:
        name, best = min(hands(objective, of).items(), key=lambda x: x[1].mean())
        ratio = [float(end) for end in paired_ratio(of(ours), best)]
        losses = float(of(ours).mean()), name, float(best.mean())
        row = make.__name__, seed, meta_steps, what, *losses, ratio
        turned = {"rival / learned": [1 / ratio[k] for k in (0, 2, 1)]}
        rows.append(dict(zip(COLUMNS, row, strict=True)) | turned)
    return rows


if __name__ == "__main__":
    print(report.markdown(measured()))
