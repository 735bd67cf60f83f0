"""Ranks: several processes, on one machine or on many, that train one phi together.

    torchrun --nproc-per-node=4 my_training.py

Each rank draws the whole batch of problems and keeps its part of them. The meta-loss is
a mean over the batch, so that its gradient is a sum over ranks:

    dL/dphi = sum over ranks of  1/batch  sum over the rank's problems of dL_i/dphi

Rank 0 alone writes. One process without torchrun is one rank, and nothing of this
costs it anything. GPUs speak through NCCL, one to each rank; all else through gloo.
Left out: weights phi that are spread over ranks; elastic ranks, that join while it
runs. The tests use gloo; NCCL is in none.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch import distributed as dist

LOST = (
    "{who} cannot go on: {why}. Another rank was killed, or its machine or the network "
    "failed; its own output tells more. Start again, on as many ranks as there are: "
    "with resume= the last file that was given as checkpoint= (a recipe: with the same "
    "--keep)."
)


class RanksError(RuntimeError):
    """Another rank was lost. The last checkpoint that was written is whole."""


def start():
    """Join the others where torchrun started this process; otherwise do nothing.

    With a GPU for each process of this machine, "cuda" means this process's own. A
    process group that a program made itself, beforehand, is taken as it is.
    """
    launched = dist.is_available() and dist.is_torchelastic_launched()
    if not launched or dist.is_initialized() or os.environ["WORLD_SIZE"] == "1":
        return
    backend = "gloo"
    if torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend)
    atexit.register(_leave)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stopped)  # what torchrun does to those left


def world() -> int:
    """How many ranks there are."""
    joined = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if joined else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if world() > 1 else 0


def part(batch: int) -> slice:
    """Which problems of a batch are this rank's; parts differ by one at most.

    >>> part(5)
    slice(0, 5, None)
    """
    if batch < world():
        raise ValueError(
            f"batch={batch} cannot be divided among {world()} ranks: each needs a "
            f"problem. Raise batch to {world()} at least, or start {batch} ranks "
            f"(torchrun --nproc-per-node={batch})."
        )
    return slice(batch * rank() // world(), batch * (rank() + 1) // world())


def add_up(tensors: list[Shaped[Tensor, "..."]]):
    """Replace each tensor by its sum over all ranks; they are of one type."""
    if world() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])  # sent at once
    with _together():
        dist.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, total in zip(tensors, flat.split(sizes), strict=True):
        tensor.copy_(total.view_as(tensor))


def by_first(function: Callable, *arguments: Any):
    """What rank 0 gets from a function, on every rank; or the error that it raises.

    >>> by_first(max, 2, 3)
    3
    """
    if world() == 1:
        return function(*arguments)
    said: list[Any] = [None, None]
    if rank() == 0:
        try:
            said[0] = function(*arguments)
        except Exception as error:
            said[1] = error
    with _together():
        dist.broadcast_object_list(said)
    if said[1] is not None:
        raise said[1]
    return said[0]


def gather(tensors: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """All ranks' tensors, side by side along the last axis; None but on rank 0.

    >>> gather({"theta": torch.ones(3)})
    {'theta': tensor([1., 1., 1.])}
    """
    if world() == 1:
        return tensors
    # subtle: a view would be sent with all that it is a view of
    mine = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
    parts: list[Any] | None = [None] * world() if rank() == 0 else None
    with _together():
        dist.gather_object(mine, parts)
    if parts is None:
        return None
    return {name: torch.cat([part[name] for part in parts], -1) for name in mine}


def _who() -> str:
    return f"Rank {rank()} of {world()}"


@contextmanager
def _together():
    """What fails here failed because of another rank."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, RanksError):
            raise
        why = str(error).split(". ")[0].splitlines()[0]
        raise RanksError(LOST.format(who=_who(), why=why)) from error


def _leave():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    dist.destroy_process_group()


def _stopped(number, frame):
    raise RanksError(LOST.format(who=_who(), why="it was told to stop (SIGTERM)"))
