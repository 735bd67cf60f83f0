"""Ranks: several processes, on one machine or on many, that train one phi together.

    torchrun --nproc-per-node=4 my_training.py

Each rank draws ``batch`` problems of its own, from a stream of the seed and its number,
and the meta-gradient is the mean over ranks:

    dL/dphi = 1/R  sum over ranks r of  dL_r/dphi

one all-reduce a meta-step. So R ranks train on R times the batch, and all make the same
step of phi. Rank 0 alone writes. One process without torchrun is one rank, and nothing
of this costs it anything. GPUs speak through NCCL, one to each rank; all else through
gloo.

Source: synchronous data parallelism, as in Li et al. 2020 (arXiv 2006.15704).
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


def own(name: str) -> str:
    """The name of a stream of random numbers that is this rank's; rank 0's is plain.

    >>> own("problems")
    'problems'
    """
    return f"{name} of rank {rank()}" if rank() else name


def average(tensors: list[Shaped[Tensor, "..."]]):
    """Replace each tensor by its mean over all ranks; they are of one type.

    What is not finite on one rank is then not finite on any: all stop together.
    """
    if world() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])  # sent at once
    with _together():
        dist.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, total in zip(tensors, flat.split(sizes), strict=True):
        tensor.copy_(total.view_as(tensor) / world())


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
