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
        tensors, numbers = trainer.snapshot()
        record = asdict(log)
        header = {
            "training": json.dumps({**numbers, "log": record}),
            "recipe": json.dumps(self.recipe, sort_keys=True),
        }
        write(Path(self.path), tensors, header)


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
        trainer.restore(tensors, numbers)
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
