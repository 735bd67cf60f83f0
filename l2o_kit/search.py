"""Search: many meta-trainings side by side, each scored, the best first.

    score(candidate) = mean over problems, and over the steps 1..T, of f(theta_t)

A candidate is a dict of what ``meta_train`` is told, such as lr or unroll. All are
scored on the same problems, drawn for tuning: no comparison ever draws those.

Each candidate is one task for joblib, in a process of its own with one thread. So the
result does not depend on how many there are; and a cluster does the work where one is
given, with nothing changed here. With Dask, after ``pip install dask[distributed]``::

    client = dask.distributed.Client("scheduler-address:8786")
    with joblib.parallel_config(backend="dask"): found = search(...)

and with Ray, after ``pip install "ray[default]"``::

    ray.util.joblib.register_ray()
    with joblib.parallel_config(backend="ray"): found = search(...)

Left out: schemes that choose the next candidate by the last ones' scores, or end bad
ones early. Dask and Ray were not tried: local processes and threads were.
"""

import html
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from l2o_kit import distributed
from l2o_kit.evaluate import optimize
from l2o_kit.groups import Learned
from l2o_kit.plots import html_table
from l2o_kit.trainer import meta_train
from l2o_kit.window import MetaTrainingDiverged


@dataclass
class Trial:
    """One candidate: its score, and why that is infinite; the optimizer it trained."""

    candidate: dict
    score: float
    reason: str
    optimizer: Learned

    def __repr__(self):
        told = ", ".join(f"{name}={value!r}" for name, value in self.candidate.items())
        return f"{self.score:10.4g}   {told}{self.reason and f'   {self.reason}'}"


@dataclass
class Found:
    """All trials of a search, best first."""

    trials: list[Trial]
    scored_by: str

    @property
    def best(self) -> Trial:
        """The one with the smallest score."""
        return self.trials[0]

    def __repr__(self):
        return "\n".join([self.scored_by, *map(repr, self.trials)])

    def _repr_html_(self):
        names = list(dict.fromkeys(n for t in self.trials for n in t.candidate))
        rows = [
            [
                f"{trial.score:.4g}",
                *(repr(trial.candidate.get(name, "")) for name in names),
                trial.reason,
            ]
            for trial in self.trials
        ]
        escaped = [[html.escape(cell) for cell in row] for row in rows]
        header = ["score", *map(html.escape, names), "what went wrong"]
        return html_table(header, escaped, html.escape(self.scored_by))


def search(
    build: Callable,
    optimizee,
    candidates: list[dict],
    *,
    judged_on: int = 32,
    steps: int = 100,
    jobs: int = -1,
    **common,
) -> Found:
    """Train every candidate, score it on ``judged_on`` fresh problems, sort them.

    Arguments:
        build: called for each candidate's optimizer, build(**candidate["config"]), or
            with nothing where it has no "config"; for instance ``LSTMOptimizer``.
        optimizee: trained on and scored on.
        candidates: each a dict of arguments of ``meta_train``, and "config" if wanted.
        judged_on, steps: problems of the score, and steps on each, T.
        jobs: processes at a time; -1 is one for each core.
        common: arguments of ``meta_train`` that all candidates share. What counts
            meta_steps gives the same result anywhere; what counts seconds does not.

    Returns them all, best first. One that diverges has an infinite score, and its
    reason. Raises ValueError for arguments that make no sense, with a note that says
    whose they were.

    Example::

        search(LSTMOptimizer, Quadratic(), [{"lr": lr} for lr in (0.01, 0.003, 0.001)],
               meta_steps=500, batch=64)
    """
    _check(candidates)
    tasks = [
        delayed(try_one)(build, optimizee, candidate, judged_on, steps, common)
        for candidate in candidates
    ]
    with tqdm(total=len(tasks), desc="search") as bar:
        trials = _Shown(bar, jobs)(tasks)
    trials = sorted(trials, key=lambda trial: trial.score)
    return Found(
        trials,
        f"Mean loss over the steps 1 to {steps} of {judged_on} problems for tuning: "
        f"{optimizee!r}",
    )


def try_one(
    build, optimizee, candidate: dict, judged_on: int, steps: int, common: dict
) -> Trial:
    """Train and score one candidate, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = {"on_step": _silent, **common, **candidate}
    try:
        optimizer = build(**settings.pop("config", {}))
        log = meta_train(optimizer, optimizee, **settings)
        if log.interrupted:
            raise KeyboardInterrupt
        score, reason = _score(optimizer, optimizee, judged_on, steps)
    except MetaTrainingDiverged as error:
        score, reason = math.inf, str(error)
    except (ValueError, TypeError) as error:
        error.add_note(f"This was the candidate {candidate}.")
        raise
    finally:
        torch.set_num_threads(threads)
    return Trial(candidate, score, reason, optimizer)


def _score(optimizer, optimizee, judged_on, steps) -> tuple[float, str]:
    """(score, why it is infinite)."""
    optimizer.to("cpu")
    curves = optimize(
        optimizer, optimizee, steps=steps, batch=judged_on, purpose="tuning"
    )
    score, bad = float(curves.mean_loss().mean()), int(curves.diverged.sum())
    if bad or not math.isfinite(score):
        return math.inf, f"Trained, it diverges on {bad} of {judged_on} problems."
    return score, ""


class _Shown(Parallel):
    """joblib's Parallel, whose progress is a bar: any backend calls this."""

    def __init__(self, bar, jobs):
        super().__init__(n_jobs=jobs)
        self.bar = bar

    def print_progress(self):
        """Bring the bar up to date."""
        self.bar.update(self.n_completed_tasks - self.bar.n)


def _silent(log):
    """In place of each training's own bar."""


def _check(candidates):
    distributed.start()
    if distributed.world() > 1:
        raise ValueError(
            "search() starts processes of its own, and there are "
            f"{distributed.world()} ranks already. Run it without torchrun."
        )
    if not candidates:
        raise ValueError('candidates is empty. Give at least one, as in [{"lr": 0.01}]')
