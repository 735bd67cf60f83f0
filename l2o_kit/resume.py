"""A meta-training that survives: everything it needs to go on, in one checked file.

    weights phi, Adam's moments, both generators, the step of the roll-out, theta, the
    optimizer's state (h, c, m, v), the gradient at theta, and the log so far

The problems themselves are not stored: the state of their generator *before* they were
drawn is, and they are drawn again. The file is a checked safetensors file as those of
``checkpoint.py``, written whole or not at all.

Of several ranks (``distributed.py``), rank 0 writes the file: the weights, Adam's
moments and the position, from which any number of ranks goes on. The roll-out that was
running then begins again, on problems that were not drawn yet.
"""

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from l2o_kit import distributed
from l2o_kit.checkpoint import CheckpointError, read, write
from l2o_kit.lstm import same_shapes
from l2o_kit.window import Log, Trainer

KEYS = {"training", "recipe"}


class Checkpoints:
    """Write a training's state to ``path`` at once, then every ``seconds``, and last.

    recipe: what must be the same for another run to go on from it, as {name: value}.
    """

    def __init__(self, path: str | Path | None, seconds: int | float, recipe: dict):
        self.path, self.seconds, self.recipe = path, seconds, recipe
        self.written = -float("inf")

    def offer(self, trainer: Trainer, log: Log, last: bool = False):
        """Write, if it is time to. Raises CheckpointError with ``.log`` attached."""
        if self.path is None:
            return
        waited = distributed.by_first(time.monotonic) - self.written
        if last or waited >= self.seconds:
            try:
                distributed.by_first(self._write, trainer, log)
            except CheckpointError as error:
                error.log = log
                raise
            self.written = distributed.by_first(time.monotonic)

    def _write(self, trainer, log):
        (tensors, numbers), record = snapshot(trainer), asdict(log)
        header = {
            "training": json.dumps({**numbers, "log": record}),
            "recipe": json.dumps(self.recipe, sort_keys=True),
        }
        write(Path(self.path), tensors, header)


def snapshot(trainer: Trainer) -> tuple[dict, dict]:
    """(tensors, numbers) from which ``go_on`` goes on, between two windows."""
    tensors = {f"phi.{k}": v for k, v in trainer.optimizer.state_dict().items()}
    for k, moments in trainer.meta_optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{k}.{name}": value for name, value in moments.items()}
    tensors["minibatches"] = trainer.minibatches.get_state()
    tensors["problems"] = (
        trainer.before if trainer.end else trainer.problems.get_state()
    )
    if trainer.end:
        tensors |= columns(trainer)
    place = {"start": trainer.start, "end": trainer.end}
    return tensors, place | {"ranks": distributed.world()}


def columns(trainer: Trainer) -> dict[str, Tensor]:
    """All that the next window begins with; its last axis is over coordinates."""
    kept = {"theta": trainer.theta.flatten()}
    kept |= {f"engine.{k}": v for k, v in trainer.engine.kept().items()}
    teacher = trainer.teacher.kept() if trainer.teacher else {}
    return kept | {f"teacher.{k}": v for k, v in teacher.items()}


@torch.no_grad()
def go_on(trainer: Trainer, tensors: dict, numbers: dict):
    """Go on from a snapshot: to the last bit, of one process and on one."""
    trainer.optimizer.load_state_dict(_under("phi.", tensors))
    moments = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, k, name = key.split(".")
            moments.setdefault(int(k), {})[name] = value
    groups = trainer.meta_optimizer.state_dict()["param_groups"]
    for k, weight in enumerate(trainer.optimizer.parameters()):
        if moments:
            same_shapes({"exp_avg": weight, "exp_avg_sq": weight}, moments[k])
    trainer.meta_optimizer.load_state_dict({"state": moments, "param_groups": groups})
    if max(distributed.world(), numbers.get("ranks", 1)) > 1:
        steps = len(numbers["log"]["meta_losses"])
        trainer.draw_from(f" after meta-step {steps}")
        return
    trainer.problems.set_state(tensors["problems"])
    start, end = int(numbers["start"]), int(numbers["end"])
    if end:
        trainer.draw()
        trainer.theta = trainer.problem.theta0
        same_shapes(columns(trainer), tensors)
        theta = tensors["theta"].to(trainer.weight.device)
        trainer.theta = theta.view_as(trainer.theta)
        trainer.engine.go_on(_under("engine.", tensors))
        if trainer.teacher:  # which saw one gradient before the first step
            steps = start + trainer.unroll
            trainer.teacher.go_on(_under("teacher.", tensors), steps + 1)
    trainer.minibatches.set_state(tensors["minibatches"])
    trainer.start, trainer.end = start, end


def restore(path: str | Path, trainer: Trainer, recipe: dict) -> Log:
    """Bring a fresh trainer to where ``path`` was written; returns the log so far.

    Raises CheckpointError where there is no such file, where it is damaged, and where
    it belongs to a training with another recipe: it then names the differences.
    """
    path = Path(path)
    tensors, header = distributed.by_first(_read, path)
    ours, theirs = json.loads(json.dumps(recipe)), _recipe(path, header)
    differing = [
        f"{name} is {ours.get(name)} here and {theirs.get(name)} there"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"{path.name} belongs to another training: {'; '.join(differing)}. Pass "
            "the same arguments, or leave resume out to start again."
        )
    before = copy.deepcopy(trainer.optimizer.state_dict())
    try:
        numbers = json.loads(header["training"])
        log = Log(**numbers["log"])
        go_on(trainer, tensors, numbers)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        trainer.optimizer.load_state_dict(before)
        raise CheckpointError(
            f"{path.name} does not hold the state of this training ({error}). It "
            "belongs to another version, or was made by hand. phi is as it was."
        ) from None
    return log


def _read(path):
    if not path.is_file():
        raise CheckpointError(
            f"resume={str(path)!r}: there is no such file. Give what an earlier run "
            "had as checkpoint=, or leave resume out to start again."
        )
    return read(path, KEYS)


def _under(prefix: str, tensors: dict) -> dict:
    """Those whose names begin so, without it."""
    return {
        k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
    }


def _recipe(path, header) -> dict:
    """What the file says of its training; refused where that is no record of one."""
    try:
        return dict(json.loads(header["recipe"]))
    except (ValueError, TypeError):
        raise CheckpointError(
            f"{path.name}: its recipe cannot be read. It was made by hand, or by "
            "another version."
        ) from None
