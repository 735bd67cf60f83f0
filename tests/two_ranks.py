"""What ``test_distributed.py`` lets two ranks do, under torchrun; for no other use.

    python -m torch.distributed.run --standalone --nproc-per-node=2 \
        -m tests.two_ranks all FOLDER

Every rank leaves what it saw in FOLDER/0.pt, FOLDER/1.pt. The first rank also writes
checkpoints and a recipe's file there.
"""

import contextlib
import io
import math
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from l2o_kit import data, distributed, resume, trainer
from l2o_kit import recipes as library
from l2o_kit.checkpoint import CheckpointError
from l2o_kit.concurrent import Concurrent
from l2o_kit.groups import GroupedOptimizer
from l2o_kit.lessons import recipes
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.recipes import Recipe
from l2o_kit.sources import Noise, PixelNoise, Subset
from l2o_kit.trainer import meta_train, scheduled
from l2o_kit.window import MetaTrainingDiverged, Trainer

WINDOW = {"unroll": 3, "horizon": 6, "batch": 2}
TRAINING = {**WINDOW, "meta_steps": 7, "lr": (0.02, 0.002)}
STOP = 5  # meta-steps before the stop, in the middle of a roll-out


def network(batch_size=5):
    return Network(mlp([64, 3, 10]), *data.digits(), batch_size=batch_size)


def groups():
    members = {name: LSTMOptimizer(3, seed=k) for k, name in enumerate(("w", "b"))}
    return GroupedOptimizer(members, {"w": "*.weight", "b": "everything else"})


def reader(sources):
    return LSTMOptimizer(
        3, preprocess="normalized", combine="softmax", num_sources=sources
    )


def trusted():
    line = Quadratic(3, theta_true=True)
    return Concurrent(line, [Noise(0.5), Noise(2.0)], "clean")


def spoilt():
    return Concurrent(network(), [(PixelNoise(0.1), Subset(20)), ()])


CASES = {  # optimizer, optimizee, further settings
    "quadratic": (lambda: LSTMOptimizer(3), lambda: Quadratic(3), {}),
    "network": (lambda: LSTMOptimizer(3), network, {"block_size": 50}),
    "clean target": (lambda: reader(2), trusted, {}),
    "spoilt network": (lambda: reader(2), spoilt, {}),
    "groups": (groups, network, {"imitate": 0.01, "horizon": (6, 9)}),
    "exact": (
        lambda: LSTMOptimizer(3, preprocess="normalized"),
        lambda: Quadratic(3),
        {"second_derivatives": True},
    ),
}
TINY = Recipe(
    lambda: Quadratic(2),
    {"preprocess": "identity", "hidden_size": 3},
    (
        {"unroll": 5, "meta_steps": 4, "batch": 4, "lr": 1e-3},
        {"unroll": 20, "meta_steps": 2, "batch": 3, "lr": 1e-3},
    ),
    judged_on=5,
)


def fresh(name, dtype=torch.float64, **settings):
    """An optimizer of a case, and its Trainer."""
    make, optimizee, extra = CASES[name]
    optimizer = make().to(dtype)
    return optimizer, Trainer(optimizer, optimizee(), **{**WINDOW, **extra, **settings})


def as_rank(trainer, rank: int, horizons):
    """Let one process draw as a rank does, whose horizons are those of rank 0."""
    own = distributed.own
    distributed.own = lambda name: f"{name} of rank {rank}" if rank else name
    trainer.draw_from("")
    distributed.own = own
    if rank and isinstance(trainer.horizon, tuple):
        trainer._draw_horizon = lambda: next(horizons)


def horizons_of_the_first(name):
    """What rank 0 draws, one by one."""
    _, trainer = fresh(name)
    while True:
        trainer.draw()
        yield trainer.end


def meta_gradients(name, dtype, rank=None) -> list:
    """[(meta-loss, meta-gradient)] of three windows, the last in a second roll-out.

    rank: whose stream one process takes.
    """
    optimizer, trainer = fresh(name, dtype)
    if rank is not None:
        as_rank(trainer, rank, horizons_of_the_first(name))
    seen = []
    for _ in range(3):
        meta_loss = trainer.meta_gradient()
        seen.append((meta_loss, [w.grad.clone() for w in optimizer.parameters()]))
    return seen


def averaged(name):
    """(phi, meta-losses) of a training by one process, on both ranks' streams.

    Two trainers have the same phi; each step is the first one's, by the mean gradient.
    """
    (optimizer, first), (_, second) = fresh(name), fresh(name)
    as_rank(second, 1, horizons_of_the_first(name))
    losses = []
    for k in range(TRAINING["meta_steps"]):
        first.done = second.done = k / TRAINING["meta_steps"]
        second.optimizer.load_state_dict(optimizer.state_dict())
        both = first.meta_gradient(), second.meta_gradient()
        pairs = zip(optimizer.parameters(), second.optimizer.parameters(), strict=True)
        for mine, other in pairs:
            mine.grad = (mine.grad + other.grad) / 2
        losses.append(sum(both) / 2)
        first.update(scheduled(TRAINING["lr"], first.done), losses[-1])
    return optimizer.state_dict(), losses


class Stop(Exception):
    pass


def train(name, stop_at=None, **settings):
    """(phi, log) of a training in float64; what rank 1 begins with does not count."""
    make, optimizee, extra = CASES[name]
    optimizer = make().double()
    if distributed.rank():
        torch.nn.init.ones_(next(optimizer.parameters()))

    def on_step(log):
        if len(log.meta_losses) == stop_at:
            raise Stop

    log = None
    with contextlib.suppress(Stop):
        log = meta_train(
            optimizer,
            optimizee(),
            on_step=on_step if stop_at else None,
            **{**TRAINING, **extra, **settings},
        )
    return optimizer.state_dict(), log


class Late(Quadratic):
    """The third roll-out has a NaN, on the second rank only."""

    drawn = 0

    def sample(self, batch, generator, dtype=torch.float32):
        self.drawn += 1
        problem = super().sample(batch, generator, dtype)
        bad = self.drawn == 3 and distributed.rank() == 1
        problem.y[-1, 0] = math.nan if bad else 0.0
        return problem


def refusals(folder) -> dict:
    """The errors that every rank must see."""
    rule, seen = LSTMOptimizer(3), {}
    plain = {**TRAINING, "meta_steps": 9}
    try:
        meta_train(rule, Quadratic(3), **plain, resume=folder / "none")
    except CheckpointError as error:
        seen["resume"] = str(error)
    try:
        meta_train(rule, Quadratic(3), **plain, checkpoint=folder / "no" / "file")
    except CheckpointError as error:
        seen["checkpoint"] = str(error)
    try:
        meta_train(rule, Late(3), **plain)
    except MetaTrainingDiverged as error:
        seen["diverged"] = len(error.log.meta_losses)
    return seen


def by_the_clock(path) -> list:
    """The log's seconds where the second rank's clock stands still."""
    if distributed.rank():
        trainer.time = SimpleNamespace(perf_counter=lambda: 0.0)
        resume.time = SimpleNamespace(monotonic=lambda: 0.0)
    often = {"checkpoint": path, "checkpoint_seconds": 0.1}
    return train("quadratic", meta_steps=None, seconds=0.3, **often)[1].seconds


def recipe(folder) -> int:
    """Make one by its command line, and again; how often this rank saved it.

    The second time it goes on from what is kept, which the first rank alone can see.
    """
    real, saved = library.save, []
    library.save = lambda *a, **k: saved.append(1) or real(*a, **k)
    recipes.RECIPES["tiny"] = TINY
    keep = folder / "nowhere" if distributed.rank() else folder
    sys.argv = ["recipes", "tiny", "--folder", str(folder), "--keep", str(keep)]
    recipes.main()
    recipes.main()
    return len(saved)


def everything(folder: Path) -> dict:
    """What a rank saw."""
    own = folder / f"checkpoint-{distributed.rank()}"  # the second one is never written
    shown, stopped = io.StringIO(), {}
    with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
        trained = {name: train(name, checkpoint=own) for name in CASES}
        for name in CASES:
            path = folder / f"two {name}"
            train(name, STOP, checkpoint=path, checkpoint_seconds=0.0)
            path = (
                folder / f"one {name}"
                if distributed.rank() == 0
                else folder / "nowhere"
            )
            stopped[name] = train(name, resume=path)
        saved = recipe(folder)
    return {
        "shown": shown.getvalue(),
        "saved": saved,
        "gradients": {
            (name, dtype): meta_gradients(name, dtype)
            for name in CASES
            for dtype in (torch.float32, torch.float64)
        },
        "trained": {name: phi for name, (phi, _) in trained.items()},
        "losses": {name: log.meta_losses for name, (_, log) in trained.items()},
        "resumed": {name: phi for name, (phi, _) in stopped.items()},
        "refusals": refusals(folder),
        "seconds": by_the_clock(own),
    }


def killed(folder: Path):
    """The second rank is killed in its fifth meta-step."""

    class Fatal(Quadratic):
        def sample(self, *arguments):
            self.drawn = getattr(self, "drawn", 0) + 1
            if distributed.rank() and self.drawn == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().sample(*arguments)

    CASES["quadratic"] = (CASES["quadratic"][0], lambda: Fatal(3), {})
    train("quadratic", checkpoint=folder / "killed", checkpoint_seconds=0.0)


if __name__ == "__main__":
    distributed.start()
    folder = Path(sys.argv[2])
    if sys.argv[1] == "killed":
        killed(folder)
    else:
        torch.save(everything(folder), folder / f"{distributed.rank()}.pt")
