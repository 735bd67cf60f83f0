"""Meta-training: learn phi, the weights of the optimizer, by gradient descent.

A roll-out optimizes a batch of fresh problems for T steps (the horizon), theta_{t+1} =
theta_t + g_t. It is cut into windows of U steps (the unroll). In a window from a to
b = a + U, theta_a and the LSTM's state are constants, and the meta-loss is

    L(phi) = sum over s = a+1..b of  w_s f_s(theta_s),      w_s = discount^(b - s).

The gradient that the LSTM reads counts as a constant (no second derivatives). Then
theta_s depends on phi only through the sum of the updates, and the meta-gradient is
*exactly*

    dL/dphi = sum_t A_t . dg_t/dphi,      A_t = sum over s > t of w_s grad f_s(theta_s).

So a window needs no graph: roll it out and keep the LSTM's activations; A is the
running sum, from the end, of the gradients at hand; then walk back through the LSTM
alone. Each gradient is computed once and used twice: as the next input, and in A.

Source: Andrychowicz et al. 2016, section 2.
Left out: second derivatives, checkpoints during training, more than one source.
"""

import html
import math
import time
from dataclasses import dataclass, field

import torch
from tqdm.auto import tqdm

from l2o_kit.data import stream
from l2o_kit.lstm import Tape
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.plots import VERMILION, img, new_figure, png

BLOCK = 2048  # coordinates per tape: small enough for the processor's caches
# The meta-gradient is clipped to this norm: rare steep problems give it 1,000 times
# the usual one, and Adam would remember that for long.
MAX_NORM = 1.0
BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class MetaTrainingDiverged(FloatingPointError):
    """Meta-training met a NaN or an infinity and stopped; ``.log`` is what was done."""

    def __init__(self, message: str = "", log: "Log | None" = None):
        super().__init__(message)
        self.log = log


@dataclass
class Log:
    """What a meta-training did: one entry per meta-step.

    meta_losses are L(phi), averaged over the batch; starts are the step a at which each
    window began; seconds is the wall clock so far.
    """

    unroll: int
    meta_losses: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    def rollouts(self) -> list[float]:
        """Mean loss per step of each finished or running roll-out, in order."""
        sums, steps = [], []
        for start, loss in zip(self.starts, self.meta_losses, strict=True):
            if start == 0:
                sums.append(0.0), steps.append(0)
            sums[-1] += loss
            steps[-1] += self.unroll
        return [total / count for total, count in zip(sums, steps, strict=True)]

    def recent(self) -> float:
        """Mean loss per step over about the last roll-out."""
        last = self.meta_losses[-max(1, len(set(self.starts))) :]
        return sum(last) / (len(last) * self.unroll)

    def figure(self):
        """Mean loss of each roll-out against the meta-step at which it began."""
        figure, (ax,) = new_figure(6.0, 3.0)
        begun = [k for k, start in enumerate(self.starts) if start == 0]
        ax.plot(begun, self.rollouts(), color=VERMILION, marker=".")
        ax.set(yscale="log", xlabel="meta-step", ylabel="mean loss of a roll-out")
        return figure

    def _repr_html_(self):
        picture = img(png(self.figure()), f"Mean loss against meta-step. {self!r}")
        return f"{picture}<br>{html.escape(repr(self))}"

    def __repr__(self):
        if not self.meta_losses:
            return "Log(no meta-step finished)"
        means = self.rollouts()
        return (
            f"Log({len(self.meta_losses)} meta-steps in {self.seconds[-1]:.0f} s, "
            f"{len(means)} roll-outs; mean loss {means[0]:.3g} -> {means[-1]:.3g}"
            f"{', interrupted' if self.interrupted else ''})"
        )


class Trainer:
    """One meta-training, a window at a time: ``window(lr)`` is one meta-step."""

    def __init__(self, optimizer: LSTMOptimizer, optimizee, *, horizon, unroll,
                 discount, batch, seed):  # fmt: skip
        self.optimizer, self.optimizee = optimizer, optimizee
        self.horizon, self.unroll, self.batch = horizon, unroll, batch
        self.weights = [discount ** (unroll - 1 - t) for t in range(unroll)]  # w_s
        self.problems = stream(seed, "meta-train problems")
        self.minibatches = stream(seed, "meta-train minibatches")
        self.meta_optimizer = torch.optim.Adam(optimizer.parameters())
        coords = batch * optimizee.coords
        self.sizes = [len(block) for block in torch.arange(coords).split(BLOCK)]
        self.tapes = [Tape(optimizer.lstm, unroll, size) for size in self.sizes]
        self.start, self.end = 0, 0  # of this window; of this roll-out

    def window(self, lr: float) -> float:
        """Roll one window out, update phi, return the meta-loss L(phi)."""
        meta_loss = self.meta_gradient()
        self.update(lr, meta_loss)
        return meta_loss

    @torch.no_grad()
    def meta_gradient(self) -> float:
        """Roll out U steps; leave dL/dphi in every weight's .grad; return L(phi)."""
        self.begin_window()
        finite = _finite([self.grad])  # an infinite input can hide in a saturated LSTM
        losses, grads = self.roll_out()  # f_s(theta_s) and its gradient, s = a+1..b
        weights = grads.new_tensor(self.weights)
        A = (weights[:, None] * grads).flip(0).cumsum(0).flip(0)  # A_t, [U, coords]
        d_out = self.optimizer.output_scale / self.batch * A
        self.optimizer.zero_grad()
        for tape, block in zip(self.tapes, d_out.split(self.sizes, 1), strict=True):
            tape.backward(block)
        return float(weights @ losses) if finite else math.nan

    def begin_window(self):
        """Carry on from the last window, or draw new problems for a new roll-out."""
        self.start += self.unroll
        for tape in self.tapes:
            tape.carry()
        if self.start >= self.end:
            self.start, self.end = 0, self._draw_horizon()
            dtype = self.optimizer.lstm.w_out.dtype
            self.problem = self.optimizee.sample(self.batch, self.problems, dtype)
            self.theta = self.problem.theta0
            _, self.grad = self._value_and_grad()
            for tape in self.tapes:
                tape.reset()

    def roll_out(self):
        """U steps: (losses [U], their mean over the batch; gradients [U, coords])."""
        losses, grads = [], []
        for t in range(self.unroll):
            blocks = self.grad.flatten().split(self.sizes)
            updates = [
                tape.step(t, self.optimizer.features(block))
                for tape, block in zip(self.tapes, blocks, strict=True)
            ]
            update = self.optimizer.output_scale * torch.cat(updates)
            self.theta = self.theta + update.view_as(self.theta)
            loss, self.grad = self._value_and_grad()
            losses.append(loss.mean())
            grads.append(self.grad.flatten())
        return torch.stack(losses), torch.stack(grads)

    def update(self, lr: float, meta_loss: float):
        """One step of Adam on phi, its gradient clipped; refused where not finite."""
        weights = list(self.optimizer.parameters())
        before = [w.detach().clone() for w in weights]
        if math.isfinite(meta_loss) and _finite(w.grad for w in weights):
            torch.nn.utils.clip_grad_norm_(weights, MAX_NORM)
            self.meta_optimizer.param_groups[0]["lr"] = lr
            self.meta_optimizer.step()
            if _finite(weights):
                return
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)
        raise MetaTrainingDiverged

    def _value_and_grad(self):
        minibatch = self.problem.minibatch(self.minibatches)
        return self.problem.value_and_grad(self.theta, minibatch)

    def _draw_horizon(self):
        if isinstance(self.horizon, int):
            return self.horizon
        low, high = (steps // self.unroll for steps in self.horizon)
        draw = torch.randint(low, high + 1, (), generator=self.problems)
        return int(draw) * self.unroll


def meta_train(optimizer: LSTMOptimizer, optimizee, *, meta_steps=None, seconds=None,
               horizon=100, unroll=20, discount=1.0, batch, lr,
               seed=0) -> Log:  # fmt: skip
    """Train phi in place, with a progress bar; interrupt it and keep what was learned.

    Arguments:
        meta_steps or seconds: how long; a meta-step is one window, one update of phi.
        horizon: steps of a roll-out, T; (low, high) draws it anew for each roll-out.
        unroll: steps of a window, U; it divides the horizon.
        discount: w_s = discount^(b - s); 1 is the plain sum, 0 the last loss only.
        batch: problems optimized side by side.
        lr: Adam's, on phi; a pair (first, last) falls geometrically over the run.
        seed: of the problems and minibatches.

    Returns the log. Raises ValueError for arguments that make no sense, and
    MetaTrainingDiverged where a number is not finite; phi then keeps its last finite
    values.

    Example: ``meta_train(LSTMOptimizer(), Quadratic(), seconds=60, batch=64, lr=3e-3)``
    """
    _check(meta_steps, seconds, horizon, unroll, batch)
    first, last = lr if isinstance(lr, tuple) else (lr, lr)
    if min(first, last) <= 0:
        raise ValueError(f"lr={lr}: it must be above 0.")
    trainer = Trainer(optimizer, optimizee, horizon=horizon, unroll=unroll,
                      discount=discount, batch=batch, seed=seed)  # fmt: skip
    log, began = Log(unroll), time.perf_counter()
    bar = tqdm(total=meta_steps or seconds, desc="meta-training", bar_format=BAR)
    with bar:
        try:
            done = 0.0
            while done < 1:
                log.meta_losses.append(trainer.window(first * (last / first) ** done))
                log.starts.append(trainer.start)
                log.seconds.append(time.perf_counter() - began)
                position = len(log.meta_losses) if meta_steps else log.seconds[-1]
                done = position / (meta_steps or seconds)
                bar.set_postfix_str(f"mean loss {log.recent():.3g}", refresh=False)
                bar.update(min(position, bar.total) - bar.n)
        except KeyboardInterrupt:
            log.interrupted = True
        except MetaTrainingDiverged as error:
            raise MetaTrainingDiverged(
                f"Meta-step {len(log.meta_losses) + 1} (steps {trainer.start} to "
                f"{trainer.start + unroll} of a roll-out) was not finite. phi keeps "
                f"its last finite values. Try a smaller lr (it was {lr}), a smaller "
                "output_scale, or a shorter horizon.", log
            ) from error  # fmt: skip
    return log


def _finite(tensors) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _check(meta_steps, seconds, horizon, unroll, batch):
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
