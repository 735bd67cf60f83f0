"""A meta-training that survives: everything it needs to go on, in one checked file.

    weights phi, Adam's moments, both generators, the step of the roll-out, theta, the
    optimizer's state (h, c, m, v), the gradient at theta, and the log so far

The problems themselves are not stored: the state of their generator *before* they were
drawn is, and they are drawn again. The file is a checked safetensors file as those of
``checkpoint.py``, written whole or not at all.
"""

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from l2o_kit.arguments import same_shapes
from l2o_kit.checkpoint import CheckpointError, read, write
from l2o_kit.log import Log

KEYS = {"training", "recipe"}


class Checkpoints:
    """Write a training's state to ``path`` at once, then every ``seconds``, and last.

    recipe: what must be the same for another run to go on from it, as {name: value}.
    """

    def __init__(self, path, seconds: int | float, recipe: dict):
        self.path, self.seconds, self.recipe = path, seconds, recipe
        self.written = -float("inf")

    def offer(self, trainer, log: Log, last: bool = False):
        """Write, if it is time to. Raises CheckpointError with ``.log`` attached."""
        if self.path is None:
            return
        if last or time.monotonic() - self.written >= self.seconds:
            try:
                self._write(trainer, log)
            except CheckpointError as error:
                error.log = log
                raise
            self.written = time.monotonic()

    def _write(self, trainer, log):
        tensors, numbers = snapshot(trainer)
        record = asdict(log)
        header = {
            "training": json.dumps({**numbers, "log": record}),
            "recipe": json.dumps(self.recipe, sort_keys=True),
        }
        write(Path(self.path), tensors, header)


def snapshot(trainer) -> tuple[dict, dict]:
    """(tensors, numbers) from which ``go_on`` goes on, between two windows."""
    tensors = {f"phi.{k}": v for k, v in trainer.optimizer.state_dict().items()}
    for k, moments in trainer.meta_optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{k}.{name}": value for name, value in moments.items()}
    tensors["minibatches"] = trainer.minibatches.get_state()
    tensors["problems"] = (
        trainer.before if trainer.end else trainer.problems.get_state()
    )
    if trainer.end:
        tensors |= {"theta": trainer.theta, "grads": trainer.engine.boundary()}
        tensors |= {f"state.{k}": v for k, v in trainer.engine.state.items()}
        tensors |= trainer.teacher.snapshot() if trainer.teacher else {}
    return tensors, {"start": trainer.start, "end": trainer.end}


@torch.no_grad()
def go_on(trainer, tensors: dict, numbers: dict):
    """Go on from a snapshot, to the last bit."""
    weights = {k[4:]: v for k, v in tensors.items() if k.startswith("phi.")}
    trainer.optimizer.load_state_dict(weights)
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
    trainer.problems.set_state(tensors["problems"])
    start, end = int(numbers["start"]), int(numbers["end"])
    if end:
        trainer.draw()
        same_shapes({"theta": trainer.problem.theta0}, tensors)
        trainer.theta = tensors["theta"].to(trainer.weight.device)
        trainer.engine.go_on(tensors["grads"], {
            k[6:]: v for k, v in tensors.items() if k.startswith("state.")
        })  # fmt: skip
        if trainer.teacher:
            trainer.teacher.restore(tensors)
    trainer.minibatches.set_state(tensors["minibatches"])
    trainer.start, trainer.end = start, end


def restore(path, trainer, recipe: dict) -> Log:
    """Bring a fresh trainer to where ``path`` was written; returns the log so far.

    Raises CheckpointError where there is no such file, where it is damaged, and where
    it belongs to a training with another recipe: it then names the differences.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"resume={str(path)!r}: there is no such file. Give what an earlier run "
            "had as checkpoint=, or leave resume out to start anew."
        )
    tensors, header = read(path, KEYS)
    ours, theirs = json.loads(json.dumps(recipe)), _recipe(path, header)
    differing = [
        f"{name} is {ours.get(name)} here and {theirs.get(name)} there"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"{path.name} belongs to another training: {'; '.join(differing)}. Pass "
            "the same arguments, or leave resume out to start anew."
        )
    before = copy.deepcopy(trainer.optimizer.state_dict())
    try:
        numbers = json.loads(header["training"])
        log = Log(**numbers.pop("log"))
        go_on(trainer, tensors, numbers)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        trainer.optimizer.load_state_dict(before)
        raise CheckpointError(
            f"{path.name} does not hold the state of this training ({error}). It "
            "belongs to another version, or was made by hand. phi is as it was."
        ) from None
    return log


def _recipe(path, header) -> dict:
    """What the file says of its training; refused where that is no record of one."""
    try:
        return dict(json.loads(header["recipe"]))
    except (ValueError, TypeError):
        raise CheckpointError(
            f"{path.name}: its recipe cannot be read. It was made by hand, or by "
            "another version."
        ) from None
