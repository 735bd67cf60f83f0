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

Under torchrun each process takes its part of the batch, and the meta-gradients are
added up: ``ranks.py``.

Source: Andrychowicz et al. 2016, section 2.
Left out: a batch of one problem on several machines.
"""

import math
import re
import time

import torch
from tqdm.auto import tqdm

from l2o_kit import ranks
from l2o_kit.arguments import (
    check_arguments,
    check_cures,
    check_theta,
    move,
    one_device,
)
from l2o_kit.data import stream
from l2o_kit.engines import make_engine
from l2o_kit.groups import Learned
from l2o_kit.imitation import Teacher
from l2o_kit.log import Log, MetaTrainingDiverged
from l2o_kit.resume import Checkpoints, restore

# The meta-gradient is clipped to this norm: rare steep problems give it 1,000 times
# the usual one, and Adam would remember that for long.
MAX_NORM = 1.0
BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Trainer:
    """One meta-training, a window at a time: ``window(lr)`` is one meta-step.

    Arguments as for ``meta_train``; further keywords (block_size, memory_budget) go to
    the engine. The problems are drawn on the CPU, the same for every device, and moved
    to where phi is.
    """

    def __init__(self, optimizer: Learned, optimizee, *,
                 horizon=100, unroll=20, discount=1.0, batch, seed=0,
                 curriculum=False, imitate=None, clip=MAX_NORM,
                 second_derivatives=False, **engine):  # fmt: skip
        self.optimizer, self.optimizee = optimizer, optimizee
        self.weight = one_device(optimizer)
        self.horizon, self.unroll, self.batch = horizon, unroll, batch
        self.curriculum, self.clip = curriculum, clip
        self.at = ranks.part(batch)  # which of the batch are this rank's
        mine = self.at.stop - self.at.start
        self.share = mine / batch
        powers = [discount ** (unroll - 1 - t) for t in range(unroll)]
        self.w = self.weight.new_tensor(powers).detach()  # w_s, s = a+1..b
        self.problems = stream(seed, "meta-train problems")
        self.minibatches = stream(seed, "meta-train minibatches")
        self.meta_optimizer = torch.optim.Adam(optimizer.parameters())
        self.engine = make_engine(
            optimizer, optimizee, unroll, mine * optimizee.coords,
            second_derivatives=second_derivatives, **engine,
        )  # fmt: skip
        self.teacher = imitate and Teacher(imitate, self.weight, self.engine.coords)
        self.start, self.end = 0, 0  # of this window; of this roll-out
        self.done, self.norm = 0.0, math.nan  # of the run; of the last meta-gradient

    def window(self, lr: float) -> float:
        """Roll one window out, update phi, return the meta-loss L(phi)."""
        meta_loss = self.meta_gradient()
        self.update(lr, meta_loss)
        return meta_loss

    def meta_gradient(self) -> float:
        """Roll out U steps; leave dL/dphi in every weight's .grad; return L(phi)."""
        self.begin_window()
        losses = self.roll_out()  # f_s(theta_s), s = a+1..b, means over the problems
        self.optimizer.zero_grad()
        self.engine.backward(self.w / self.batch, self.pull)
        meta_loss = self.share * (self.w @ losses)
        weights = self.optimizer.parameters()
        ranks.add_up([meta_loss, *(w.grad for w in weights if w.grad is not None)])
        return float(meta_loss)

    def begin_window(self):
        """Carry on from the last window, or draw new problems for a new roll-out."""
        self.start += self.unroll
        self.pull = None  # [U, coords], where there is a teacher
        if self.start < self.end:
            self.engine.begin()
            return
        self.start = 0
        self.draw()
        self.theta = self.problem.theta0
        self.engine.reset()
        self.engine.begin()
        if self.teacher:
            self.teacher.reset()
        with torch.no_grad():
            self.look(0, create_graph=False)

    def draw(self):
        """Draw the horizon and the problems of a roll-out."""
        self.before = self.problems.get_state()  # from here they can be drawn again
        self.end = self._draw_horizon()
        whole = self.optimizee.sample(self.batch, self.problems, self.weight.dtype)
        check_theta(whole.theta0, self.weight)
        several = ranks.world() > 1
        self.problem = whole.part(self.at) if several else whole
        if self.weight.device.type != "cpu":
            self.problem = self.problem.to(self.weight.device)
        self.whole = whole if several else self.problem

    def roll_out(self):
        """U steps: theta_{t+1} = theta_t + g_t. Returns the losses, [U]."""
        losses, pulls = [], []
        with torch.set_grad_enabled(self.engine.create_graph):
            for t in range(self.unroll):
                update = self.engine.step(t)
                if self.teacher:
                    pulls.append((1 - self.done) * self.teacher.pull(update))
                self.theta = self.theta + update.view_as(self.theta)
                losses.append(self.look(t + 1, self.engine.create_graph))
        self.theta = self.theta.detach()
        self.pull = torch.stack(pulls) if pulls else None
        return torch.stack(losses)

    def look(self, t: int, create_graph: bool):
        """Take the gradients at theta_t, on a fresh minibatch; returns the loss."""
        minibatch = self.whole.minibatch(self.minibatches)
        if self.whole is not self.problem:
            minibatch = self.whole.cut(minibatch, self.at)
        losses, sources, target = self.problem.value_and_grads(
            self.theta, minibatch, create_graph
        )
        self.optimizer.check_sources(len(sources))
        target = None if target is None else target.flatten()
        self.engine.see(t, losses, sources.flatten(1), target)
        if self.teacher:
            self.teacher.see(sources.detach().flatten(1).mean(0))
        return losses.detach().mean()

    def update(self, lr: float, meta_loss: float):
        """One step of Adam on phi, its gradient clipped; all of it, or nothing."""
        weights = list(self.optimizer.parameters())
        for weight in weights:  # a frozen one stays, though the engine knows its slope
            weight.grad = weight.grad if weight.requires_grad else None
        before = [w.detach().clone() for w in weights]
        try:
            # an infinite input hides in a saturated LSTM, but 0 * inf is NaN in W.grad
            grads = (w.grad for w in weights if w.grad is not None)
            if not (math.isfinite(meta_loss) and _finite(grads)):
                raise MetaTrainingDiverged
            most = math.inf if self.clip is None else self.clip
            self.norm = float(torch.nn.utils.clip_grad_norm_(weights, most))
            if not math.isfinite(self.norm):  # clipped by it, nothing would be left
                raise MetaTrainingDiverged
            self.meta_optimizer.param_groups[0]["lr"] = lr
            self.meta_optimizer.step()
            if not _finite(weights):
                raise MetaTrainingDiverged
        except BaseException:  # an interrupt too
            with torch.no_grad():
                for weight, value in zip(weights, before, strict=True):
                    weight.copy_(value)
            raise

    def _draw_horizon(self):
        if isinstance(self.horizon, int):
            return self.horizon
        low, high = (steps // self.unroll for steps in self.horizon)
        if self.curriculum:
            high = low + round(self.done * (high - low))
        draw = torch.randint(low, high + 1, (), generator=self.problems)
        return int(draw) * self.unroll


def meta_train(optimizer: Learned, optimizee, *,
               meta_steps=None, seconds=None,
               horizon=100, unroll=20, discount=1.0, batch, lr, seed=0,
               curriculum=False, imitate=None, clip=MAX_NORM,
               second_derivatives=False, device=None, checkpoint=None, resume=None,
               checkpoint_seconds=30.0, on_step=None, **engine) -> Log:  # fmt: skip
    """Train phi in place, with a progress bar; interrupt it and keep what was learned.

    Arguments:
        meta_steps or seconds: how long; a meta-step is one window, one update of phi.
        horizon: steps of a roll-out, T; (low, high) draws it anew for each roll-out.
        unroll: steps of a window, U; it divides the horizon.
        discount: w_s = discount^(b - s); 1 is the plain sum, 0 the last loss only.
        batch: problems optimized side by side.
        lr: Adam's, on phi; a pair (first, last) falls geometrically over the run, a
            list in steps, each for an equal part of it.
        seed: of the problems and minibatches.
        curriculum: whether a horizon (low, high) begins at low and its upper end grows
            to high over the run.
        imitate: the learning rate of an Adam that the updates are drawn to, less and
            less over the run: see ``imitation.py``.
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
    ranks.start()
    if ranks.world() > 1:  # they may have been built differently
        optimizer.load_state_dict(ranks.by_first(optimizer.state_dict))
    move(optimizer, device)
    settings = {"horizon": horizon, "unroll": unroll, "discount": discount,
                "batch": batch, "seed": seed, "curriculum": curriculum,
                "imitate": imitate, "clip": clip,
                "second_derivatives": second_derivatives}  # fmt: skip
    trainer = Trainer(optimizer, optimizee, **settings, **engine)
    recipe = {"optimizer": optimizer.config, "optimizee": _name(optimizee),
              "meta_steps": meta_steps, "seconds": seconds, "lr": lr, **settings,
              "dtype": str(trainer.weight.dtype)}  # fmt: skip
    log = restore(resume, trainer, recipe) if resume is not None else Log(unroll)
    log.trained = (optimizer, optimizee, settings)
    checkpoints = Checkpoints(checkpoint, checkpoint_seconds, recipe)
    checkpoints.offer(trainer, log)  # a folder that cannot be written to shows now
    return _run(trainer, log, checkpoints, lr, meta_steps, seconds, on_step)


def _run(trainer, log, checkpoints, lr, meta_steps, seconds, on_step) -> Log:
    """Windows, until the count or the clock says so."""
    began = ranks.by_first(time.perf_counter) - (log.seconds or [0])[-1]
    silent = on_step is not None or ranks.rank() > 0
    with tqdm(total=meta_steps or seconds, desc="meta-training", bar_format=BAR,
              disable=silent) as bar:  # fmt: skip
        try:
            done = _show(bar, log, meta_steps)
            while done < 1:
                trainer.done = done
                log.meta_losses.append(trainer.window(scheduled(lr, done)))
                log.norms.append(trainer.norm)
                log.starts.append(trainer.start)
                log.seconds.append(ranks.by_first(time.perf_counter) - began)
                done = _show(bar, log, meta_steps)
                checkpoints.offer(trainer, log, last=done >= 1)
                if on_step:
                    on_step(log)
        except KeyboardInterrupt:
            log.interrupt()
            if ranks.world() > 1:
                raise
        except MetaTrainingDiverged as error:
            raise MetaTrainingDiverged(
                f"Meta-step {len(log.meta_losses) + 1} (steps {trainer.start} to "
                f"{trainer.start + trainer.unroll} of a roll-out) was not finite. phi "
                f"keeps its last finite values. Try a smaller lr (it was {lr}), a "
                "smaller output_scale, or a shorter horizon.", log
            ) from error  # fmt: skip
    return log


def scheduled(lr, done: float) -> float:
    """The learning rate of phi when ``done`` of the run, 0 to 1, is behind.

    >>> scheduled((1.0, 0.25), 0.5), scheduled([0.1, 0.01], 0.5), scheduled(0.1, 0.5)
    (0.5, 0.01, 0.1)
    """
    if isinstance(lr, tuple):
        first, last = lr
        return first * (last / first) ** done
    return lr[min(int(done * len(lr)), len(lr) - 1)] if isinstance(lr, list) else lr


def _name(optimizee) -> str:
    """Its repr, less the address in memory that a plain class shows."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(optimizee))


def _show(bar, log, meta_steps) -> float:
    """Bring the progress bar up to date; returns how much is done, 0 to 1."""
    if not log.meta_losses:
        return 0.0
    position = len(log.meta_losses) if meta_steps else log.seconds[-1]
    bar.set_postfix_str(f"mean loss {log.recent():.3g}", refresh=False)
    bar.update(min(position, bar.total) - bar.n)
    return position / bar.total


def _finite(tensors) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
