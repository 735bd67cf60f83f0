"""One window of meta-training: roll out U steps, then one step of Adam on phi.

``Trainer`` does that, ``Log`` keeps what was done, and ``Teacher`` helps a random rule
at the beginning: Adam reads the same gradients, on the roll-out of the learned
optimizer, and says what it would do, u_t. Beside the meta-loss there is then

    pull * sum over t of  |g_t - u_t|^2 / |u_t|^2,

whose derivative with respect to g_t, 2 pull (g_t - u_t) / |u_t|^2, adds to A_t. The
pull falls to 0 over the run.

Source: Andrychowicz et al. 2016, section 2; imitation: Chen et al. 2020 (arXiv
2010.09089), who also imitate on the teacher's own roll-outs, which is left out.
"""

import html
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit import distributed
from l2o_kit.autograd import make_engine
from l2o_kit.data import stream
from l2o_kit.groups import Learned
from l2o_kit.optimizees import Optimizee
from l2o_kit.plots import VERMILION, img, new_figure, png

BETAS, EPSILON = (0.9, 0.999), 1e-8
# The meta-gradient is clipped to this norm: rare steep problems give it 1,000 times
# the usual one, and Adam would remember that for long.
MAX_NORM = 1.0

Horizon = int | tuple[int, int]  # steps; of two, one is drawn for each roll-out


class Trainer:
    """One meta-training, a window at a time: ``window(lr)`` is one meta-step.

    Arguments as for ``meta_train``; further keywords (block_size, memory_budget) go to
    the engine. The problems are drawn on the CPU, the same for every device, and moved
    to where phi is.
    """

    horizon: Any

    def __init__(
        self,
        optimizer: Learned,
        optimizee: Optimizee,
        *,
        horizon: Horizon = 100,
        unroll: int = 20,
        discount: int | float = 1.0,
        batch: int,
        seed: int = 0,
        curriculum: bool = False,
        imitate: int | float | None = None,
        clip: int | float | None = MAX_NORM,
        second_derivatives: bool = False,
        **engine: Any,
    ):
        self.optimizer, self.optimizee = optimizer, optimizee
        self.weight = one_device(optimizer)
        self.horizon, self.unroll, self.batch = horizon, unroll, batch
        self.curriculum, self.clip = curriculum, clip
        powers = [discount ** (unroll - 1 - t) for t in range(unroll)]
        self.w = self.weight.new_tensor(powers).detach()  # w_s, s = a+1..b
        self.seed = seed
        self.draw_from("")
        self.meta_optimizer = torch.optim.Adam(optimizer.parameters())
        self.engine = make_engine(
            optimizer,
            optimizee,
            unroll,
            batch * optimizee.coords,
            second_derivatives=second_derivatives,
            **engine,
        )
        self.teacher = imitate and Teacher(imitate, self.weight, self.engine.coords)
        self.start, self.end = 0, 0  # of this window; of this roll-out
        self.done, self.norm = 0.0, math.nan  # of the run; of the last meta-gradient

    def draw_from(self, where: str):
        """Take the streams of random numbers that are this rank's, from a place on."""
        self.problems, self.minibatches = (
            stream(self.seed, distributed.own(f"meta-train {what}{where}"))
            for what in ("problems", "minibatches")
        )

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
        meta_loss = self.w @ losses
        grads = [w.grad for w in self.optimizer.parameters() if w.grad is not None]
        distributed.average([meta_loss, *grads])
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
        dtype = self.weight.dtype
        self.problem = self.optimizee.sample(self.batch, self.problems, dtype)
        check_theta(self.problem.theta0, self.weight)
        if self.weight.device.type != "cpu":
            self.problem = self.problem.to(self.weight.device)

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
        minibatch = self.problem.minibatch(self.minibatches)
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
        """Rank 0's draw, so that all begin a roll-out at the same meta-step."""
        if isinstance(self.horizon, int):
            return self.horizon
        return distributed.by_first(self._horizon_of_the_first)

    def _horizon_of_the_first(self):
        low, high = (steps // self.unroll for steps in self.horizon)
        if self.curriculum:
            high = low + round(self.done * (high - low))
        draw = torch.randint(low, high + 1, (), generator=self.problems)
        return int(draw) * self.unroll


def _finite(tensors) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


@dataclass
class Log:
    """What a meta-training did: one entry per meta-step.

    meta_losses are L(phi), averaged over the batch; starts are the step a at which each
    window began; seconds is the wall clock so far; norms are those of the
    meta-gradient before it was clipped. ``trained`` is (optimizer, optimizee, settings)
    of the run, for ``diagnose``; it is not stored with the rest.
    """

    unroll: int
    meta_losses: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    interrupted: bool = False
    trained = None  # type: Any

    def interrupt(self):
        """Mark the run as stopped; drop an entry that the stop cut in the middle."""
        self.interrupted = True
        lists = self.meta_losses, self.norms, self.starts, self.seconds
        whole = min(map(len, lists))
        for entries in lists:
            del entries[whole:]

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
            f"{len(means)} roll-outs; mean loss {means[0]:.3g} -> "
            f"{means[-1]:.3g}{', interrupted' if self.interrupted else ''})"
        )


class MetaTrainingDiverged(FloatingPointError):
    """Meta-training met a NaN or an infinity and stopped; ``.log`` is what was done."""

    def __init__(self, message: str = "", log: "Log | None" = None):
        super().__init__(message)
        self.log = log


class Teacher:
    """Adam at a learning rate, which says what it would do and moves nothing.

    Arguments: the rate; a weight of phi, for device and type; how many coordinates.
    """

    def __init__(self, lr: int | float, like: Tensor, coords: int):
        self.lr, self.zeros = lr, like.detach().new_zeros(coords)
        self.reset()

    def reset(self):
        """A roll-out begins."""
        self.m, self.v, self.t = self.zeros.clone(), self.zeros.clone(), 0

    @torch.no_grad()
    def see(self, grads: Float[Tensor, "coords"]):
        """The gradient at theta_t."""
        self.m.lerp_(grads, 1 - BETAS[0])
        self.v.lerp_(grads.square(), 1 - BETAS[1])
        self.t += 1

    def update(self) -> Float[Tensor, "coords"]:
        """What Adam would do now, u_t."""
        m = self.m / (1 - BETAS[0] ** self.t)
        v = self.v / (1 - BETAS[1] ** self.t)
        return -self.lr * m / (v.sqrt() + EPSILON)

    @torch.no_grad()
    def pull(self, update: Float[Tensor, "coords"]) -> Float[Tensor, "coords"]:
        """The derivative of |g - u|^2 / |u|^2 at g = update."""
        mine = self.update()
        size = mine.square().sum()  # |u|^2
        return 2 * (update - mine) / size.clamp(min=torch.finfo(mine.dtype).tiny)

    def kept(self) -> dict[str, Tensor]:
        """The moments, from which ``go_on`` goes on; [coords] each."""
        return {"m": self.m, "v": self.v}

    def go_on(self, kept: dict[str, Tensor], t: int):
        """Go on from the moments after t gradients."""
        self.t = t
        for name, mine in self.kept().items():
            mine.copy_(kept[name])


def move(optimizer: Learned, device: str | torch.device | None):
    """Bring phi to a device; refuse one that is not there."""
    if device is None:
        return
    try:
        optimizer.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={str(device)!r} is not available ({str(error).splitlines()[0]}). "
            'Use device="cpu", or leave it out.'
        ) from None


def one_device(optimizer: Learned) -> Tensor:
    """One weight of phi; all the others must lie on its device."""
    weights = list(optimizer.parameters())
    devices = sorted({str(w.device) for w in weights})
    if len(devices) > 1:
        raise ValueError(
            f"phi lies on several devices: {devices}. Move all of it to one, for "
            'instance with optimizer.to("cpu").'
        )
    return weights[0]


def check_theta(theta: Tensor, weight: Tensor):
    """theta must be of phi's type."""
    if theta.dtype != weight.dtype:
        raise ValueError(
            f"theta_0 is {theta.dtype} and phi is {weight.dtype}. theta moves by what "
            "phi computes: give both the same real type (sample() is told which)."
        )
