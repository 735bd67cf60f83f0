"""Meta-training: learn phi, the weights of the optimizer, by gradient descent.

A roll-out optimizes a batch of fresh problems for T steps (the horizon), theta_{t+1} =
theta_t + g_t. It is cut into windows of U steps (the unroll). In a window from a to
b = a + U, theta_a and the LSTM's state are constants, and the meta-loss is

    L(phi) = sum over s = a+1..b of  w_s f_s(theta_s),      w_s = discount^(b - s).

The gradient that the LSTM reads counts as a constant (no second derivatives). Then
theta_s depends on phi only through the sum of the updates, and the meta-gradient is
*exactly*

    dL/dphi = sum_t A_t . dg_t/dphi,      A_t = sum over s > t of w_s grad f_s(theta_s).

So a window needs no graph: roll it out, keep the gradients, and walk back through the
LSTM alone, which is the work of ``engine.py``. Each gradient is computed once and used
twice: as the next input, and in A; so T steps cost T + 1 gradients.

Under torchrun each process draws problems of its own, and the meta-gradients are
averaged: ``distributed.py``.

Source: Andrychowicz et al. 2016, section 2.
Left out: a batch of one problem on several machines.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from l2o_kit import distributed
from l2o_kit.groups import Learned
from l2o_kit.optimizees import Optimizee
from l2o_kit.resume import Checkpoints, restore
from l2o_kit.window import MAX_NORM, Horizon, Log, MetaTrainingDiverged, Trainer, move

Rate = int | float | tuple | list  # of phi: constant, (first, last), or in steps
BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def meta_train(
    optimizer: Learned,
    optimizee: Optimizee,
    *,
    meta_steps: int | None = None,
    seconds: int | float | None = None,
    horizon: Horizon = 100,
    unroll: int = 20,
    discount: int | float = 1.0,
    batch: int,
    lr: Rate,
    seed: int = 0,
    curriculum: bool = False,
    imitate: int | float | None = None,
    clip: int | float | None = MAX_NORM,
    second_derivatives: bool = False,
    device: str | torch.device | None = None,
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
    checkpoint_seconds: int | float = 30.0,
    on_step: Callable[[Log], Any] | None = None,
    **engine: Any,
) -> Log:
    """Train phi in place, with a progress bar; interrupt it and keep what was learned.

    Arguments:
        optimizer: a learned one; optimizee: what its problems are drawn from.
        meta_steps or seconds: how long; a meta-step is one window, one update of phi.
        horizon: steps of a roll-out, T; (low, high) draws one for each roll-out.
        unroll: steps of a window, U; it divides the horizon.
        discount: w_s = discount^(b - s); 1 is the plain sum, 0 the last loss only.
        batch: problems optimized side by side, by each process.
        lr: Adam's, on phi; a pair (first, last) falls geometrically over the run, a
            list in steps, each for an equal part of it.
        seed: of the problems and minibatches.
        curriculum: whether a horizon (low, high) begins at low and its upper end grows
            to high over the run.
        imitate: the learning rate of an Adam that the updates are drawn to, less and
            less over the run: see ``window.py``.
        clip: the norm to which the meta-gradient is clipped; None leaves it as it is.
        second_derivatives: whether the gradients that the LSTM reads count as
            functions of phi too: exact, slow, and of large memory.
        device: "cpu", "cuda", ...; where phi is moved first. None leaves it in place.
        checkpoint: a file to go on from, written every checkpoint_seconds.
        resume: such a file; the run goes on as if it had never stopped, to the last
            bit where it is counted in meta_steps, on the same machine.
        on_step: called with the log after every meta-step, in place of the progress
            bar; a KeyboardInterrupt that it raises ends the run as a user's does.
            Of several ranks each calls it, with the same log.
        block_size, memory_budget: see ``engine.py``; they change speed and memory only.

    Returns the log. Raises ValueError for arguments that make no sense,
    CheckpointError for a file that cannot be written or does not fit, and
    MetaTrainingDiverged where a number is not finite. phi then keeps its last finite
    values, and the error's ``.log`` tells what was done. Where torchrun started several
    ranks, RanksError if one is lost, and KeyboardInterrupt: they cannot all stop at the
    same meta-step, so that they go on from the checkpoint.

    Example: ``meta_train(LSTMOptimizer(), Quadratic(), seconds=60, batch=64, lr=3e-3)``
    """
    check_arguments(meta_steps, seconds, horizon, unroll, batch, lr)
    check_cures(horizon, curriculum, imitate, clip)
    _join(optimizer, device)
    settings: dict[str, Any] = {
        "horizon": horizon,
        "unroll": unroll,
        "discount": discount,
        "batch": batch,
        "seed": seed,
        "curriculum": curriculum,
        "imitate": imitate,
        "clip": clip,
        "second_derivatives": second_derivatives,
    }
    trainer = Trainer(optimizer, optimizee, **settings, **engine)
    length = {"meta_steps": meta_steps, "seconds": seconds, "lr": lr}
    recipe = _who(optimizer, optimizee) | length | settings
    log = restore(resume, trainer, recipe) if resume is not None else Log(unroll)
    log.trained = (optimizer, optimizee, settings)
    checkpoints = Checkpoints(checkpoint, checkpoint_seconds, recipe)
    checkpoints.offer(trainer, log)  # a folder that cannot be written to shows now
    return _run(trainer, log, checkpoints, lr, meta_steps, seconds, on_step)


def _join(optimizer, device):
    """Begin with the others, where there are others, from the phi of the first."""
    distributed.start()
    if distributed.world() > 1:  # they may have been built differently
        optimizer.load_state_dict(distributed.by_first(optimizer.state_dict))
    move(optimizer, device)


def _run(trainer, log, checkpoints, lr, meta_steps, seconds, on_step) -> Log:
    """Windows, until the count or the clock says so."""
    began = distributed.by_first(time.perf_counter) - (log.seconds or [0])[-1]
    silent = on_step is not None or distributed.rank() > 0
    with tqdm(
        total=meta_steps or seconds,
        desc="meta-training",
        bar_format=BAR,
        disable=silent,
    ) as bar:
        try:
            done = _show(bar, log, meta_steps)
            while done < 1:
                trainer.done = done
                log.meta_losses.append(trainer.window(scheduled(lr, done)))
                log.norms.append(trainer.norm)
                log.starts.append(trainer.start)
                log.seconds.append(distributed.by_first(time.perf_counter) - began)
                done = _show(bar, log, meta_steps)
                checkpoints.offer(trainer, log, last=done >= 1)
                if on_step:
                    on_step(log)
        except KeyboardInterrupt:
            log.interrupt()
            if distributed.world() > 1:
                raise
        except MetaTrainingDiverged as error:
            raise MetaTrainingDiverged(
                f"Meta-step {len(log.meta_losses) + 1} (steps {trainer.start} to "
                f"{trainer.start + trainer.unroll} of a roll-out) was not finite. phi "
                f"keeps its last finite values. Try a smaller lr (it was {lr}), a "
                "smaller output_scale, or a shorter horizon.",
                log,
            ) from error
    return log


def scheduled(lr: Rate, done: float) -> float:
    """The learning rate of phi when ``done`` of the run, 0 to 1, is behind.

    >>> scheduled((1.0, 0.25), 0.5), scheduled([0.1, 0.01], 0.5), scheduled(0.1, 0.5)
    (0.5, 0.01, 0.1)
    """
    if isinstance(lr, tuple):
        first, last = lr
        return first * (last / first) ** done
    return lr[min(int(done * len(lr)), len(lr) - 1)] if isinstance(lr, list) else lr


def _who(optimizer: Learned, optimizee) -> dict:
    """What is trained on what, in words, less the address that a plain class shows."""
    dtype = next(optimizer.parameters()).dtype
    name = re.sub(r" at 0x[0-9a-f]+", "", repr(optimizee))
    return {"optimizer": optimizer.config, "optimizee": name, "dtype": str(dtype)}


def _show(bar, log, meta_steps) -> float:
    """Bring the progress bar up to date; returns how much is done, 0 to 1."""
    if not log.meta_losses:
        return 0.0
    position = len(log.meta_losses) if meta_steps else log.seconds[-1]
    bar.set_postfix_str(f"mean loss {log.recent():.3g}", refresh=False)
    bar.update(min(position, bar.total) - bar.n)
    return position / bar.total


def check_arguments(
    meta_steps: int | None,
    seconds: int | float | None,
    horizon: Horizon,
    unroll: int,
    batch: int,
    lr: Rate,
):
    """Refuse numbers with which no training makes sense."""
    if (meta_steps is None) == (seconds is None):
        raise ValueError(
            f"Give exactly one of meta_steps and seconds; got meta_steps={meta_steps} "
            f"and seconds={seconds}."
        )
    horizons = horizon if isinstance(horizon, tuple) else (horizon,)
    numbers = {"meta_steps": meta_steps, "batch": batch, "unroll": unroll}
    for name, value in {**numbers, "horizon": min(horizons)}.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}: it must be at least 1.")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds={seconds}: it must be above 0.")
    for steps in horizons:
        if steps < unroll:
            raise ValueError(
                f"unroll={unroll} is longer than horizon={steps}: a window cannot be "
                "longer than its roll-out. Lower unroll."
            )
        if steps % unroll:
            raise ValueError(
                f"unroll={unroll} does not divide horizon={steps}: the last window "
                f"would be cut. Try horizon={steps - steps % unroll}."
            )
    if min(lr if isinstance(lr, tuple | list) else (lr,), default=0) <= 0:
        raise ValueError(f"lr={lr}: it must be above 0.")


def check_cures(
    horizon: Horizon,
    curriculum: bool,
    imitate: int | float | None,
    clip: int | float | None,
):
    """Refuse cures that could do nothing."""
    if curriculum and not (isinstance(horizon, tuple) and horizon[0] < horizon[1]):
        raise ValueError(
            f"curriculum=True with horizon={horizon}: it has nothing to grow to. Give "
            "two numbers, as in horizon=(20, 200)."
        )
    for name, value in {"imitate": imitate, "clip": clip}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name}={value}: it must be above 0, or None for none.")
