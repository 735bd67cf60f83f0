"""Meta-training, live: phi learns while you watch.

Left how the learned optimizer stands beside the best of the six tuned rivals, as time
goes by; right their losses on watched problems, which the training never sees. A lesson
says in a subclass of ``LiveTraining`` where phi begins, and on which problem.
"""

import functools
import math
import os

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit.baselines import SIX, STEPS, rivals
from l2o_kit.evaluate import optimize
from l2o_kit.groups import Learned
from l2o_kit.plots import (
    BLACK,
    GREY,
    VERMILION,
    new_figure,
    plain_ticks,
    scale,
    size,
    style,
)
from l2o_kit.problems import PROBLEMS
from l2o_kit.teaching.run_panel import RunPanel
from l2o_kit.teaching.sweep import sweep
from l2o_kit.trainer import meta_train
from l2o_kit.window import Log, MetaTrainingDiverged

WATCHED = {"quadratic": 100, "diabetes": 12, "conv_small": 2}  # problems
LOOKS, GAP = 30, 0.5  # looks in a run, but not more often than every GAP seconds
RATE, FALL = 10**-2.3, 1 / 16  # the meta learning rate at first, and its fall


def live_seconds() -> float:
    """How long a cell may train: the environment's L2O_LIVE_SECONDS, or 60.

    Raises ValueError where it is no number of seconds; empty counts as not set.
    """
    text = os.environ.get("L2O_LIVE_SECONDS", "").strip() or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(
            f"L2O_LIVE_SECONDS={text!r}: it says how many seconds a cell may train, a "
            "number above 0. Set it to one, such as 180, or leave it empty for 60."
        )
    return seconds


def watch(rule, problem: str) -> np.ndarray:
    """The mean loss of the watched problems at every step: [steps + 1]."""
    curves = optimize(
        rule, PROBLEMS[problem](), batch=WATCHED[problem], purpose="watch"
    )
    means = curves.losses.mean(1).double().numpy()
    return np.nan_to_num(means, nan=1e9, posinf=1e9)


@functools.cache
def watched_rivals(problem: str) -> dict[str, np.ndarray]:
    """The same of the six rivals, at their rates tuned for the mean loss."""
    tuned = rivals(problem)
    return {name: watch(tuned[name], problem) for name in SIX}


class LiveTraining(RunPanel):
    """Run trains a new optimizer; ``learn()`` does so from a cell and returns it.

    ``optimizer`` is the last one that was trained; ``budget`` how long, as in
    {"seconds": 60} or {"meta_steps": 4}. Subclasses say what is trained, and on which
    of ``WATCHED``: ``problem``, ``begin``, ``training``, ``setting``, and the controls.
    """

    problem, batch, still_steps, rehearsed = "quadratic", 64, 800, 4  # meta-steps
    gap = GAP  # seconds between two looks, at least
    low, high, top, bottom = 0.3, 30.0, 300.0, 0.08  # of the left axis, of the right
    ticks = (0.3, 0.5, 1, 2, 3, 10, 30)  # of the left axis
    losses, legend = (0.1, 0.3, 1, 3, 10, 30, 100), "upper right"  # of the right

    def __init__(self, guess=None, projector=None):
        self.optimizer, self.budget = None, {"seconds": live_seconds()}
        super().__init__(guess, projector)

    def begin(self, state) -> Learned:
        """The optimizer before the training."""
        raise NotImplementedError

    def training(self, state) -> dict:
        """What the settings mean for ``meta_train``."""
        raise NotImplementedError

    def setting(self, result) -> str:
        """What is special of the run, in words."""
        raise NotImplementedError

    @classmethod
    def rivals(cls) -> dict[str, np.ndarray]:
        """The six rivals' mean losses on the watched problems: name -> [steps + 1]."""
        return watched_rivals(cls.problem)

    @classmethod
    def best(cls) -> tuple[str, float]:
        """The best of them, and its mean loss."""
        means = {name: float(c[1:].mean()) for name, c in cls.rivals().items()}
        name = min(means, key=means.get)
        return name, means[name]

    @classmethod
    @functools.cache
    def before(cls) -> float:
        """The ratio to the best rival of what the panel begins with."""
        panel = cls()
        curve = watch(panel.begin(panel.state()), panel.problem)
        return float(curve[1:].mean()) / cls.best()[1]

    @classmethod
    def still(cls):
        """So many meta-steps, the same on every machine."""
        panel = cls()
        panel.budget = {"meta_steps": cls.still_steps}
        return panel

    def rehearse(self) -> str:
        """Sweep a fresh copy, with a moment of training at each setting."""
        panel = type(self)()
        panel.budget = {"meta_steps": self.rehearsed}
        return sweep(panel)

    def learn(self) -> Learned:
        """Run, wait for the end, return the optimizer; an interrupt is a Stop."""
        self.run()
        for widget in (self._stop, *(self.question.parts() if self.question else ())):
            answer_in_subshell(widget)
        try:
            while self._thread.is_alive():
                self._thread.join(0.2)
        except KeyboardInterrupt:
            self.stop()
        self.wait()
        return self.optimizer

    def work(self, state, job):
        """Train with looks at the watched problems; what was learned is kept."""
        optimizer = self.begin(state)
        looks = Looks(optimizer, self)

        def on_step(log):
            done = looks.done(log)
            job.step_or_interrupt(done)
            if looks.due(done):
                self.show(state | looks.look(log, done))

        ended, threads = "Trained", torch.get_num_threads()
        torch.set_num_threads(1)  # as fast, and leaves a core to the browser
        try:
            self.show(state | looks.look(Log(0), 0.0))  # before it learns anything
            log = meta_train(
                optimizer,
                PROBLEMS[self.problem](),
                **self.budget,
                **self.training(state),
                batch=self.batch,
                seed=state["seed"],
                lr=(state["rate"], FALL * state["rate"]),
                on_step=on_step,
            )
            ended = "Stopped" if log.interrupted else ended
        except MetaTrainingDiverged as error:
            log, ended = error.log, "Diverged"
        finally:
            torch.set_num_threads(threads)
        self.optimizer = optimizer
        return state | looks.look(log, looks.done(log)) | {"ended": ended}

    def make_figure(self):
        """Left the ratio against time, right the watched losses."""
        figure, (left, right) = new_figure(10.0, 3.7, columns=2)
        left.axhline(1, color=BLACK, linewidth=1.4, linestyle="--")
        edge = self.low * (self.high / self.low) ** 0.013  # where no curve goes
        left.text(
            100,
            edge,
            "dashed: the best of the six",
            ha="right",
            va="bottom",
            color=GREY,
        )
        (self.ratio,) = left.plot(
            [0], [1], color=VERMILION, linewidth=2.6, marker="o", markersize=4
        )
        scale(left.xaxis, "training time, % of the budget", -2, 102)
        scale(left.yaxis, "mean loss, learned / best rival", self.low, self.high, "log")
        inside = [tick for tick in self.ticks if self.low <= tick <= self.high]
        plain_ticks(left.yaxis, inside)
        for phase, (name, losses) in enumerate(self.rivals().items()):
            right.plot(losses, **style(name, STEPS, 2 * phase))
        look = style("learned", STEPS)
        (self.curve,) = right.plot(np.ones(STEPS + 1), **look)
        scale(right.xaxis, "step t", 0, STEPS)
        scale(right.yaxis, "loss f(theta_t)", self.bottom, self.top, "log")
        inside = [tick for tick in self.losses if self.bottom < tick < self.top]
        plain_ticks(right.yaxis, inside)
        right.legend(loc=self.legend, frameon=False, ncols=2)
        return figure, [self.ratio, self.curve]

    def draw(self, result):
        """The way so far, and the newest curve."""
        ratios = np.clip(result["ratios"], self.low, self.high)
        self.ratio.set_data(100 * np.array(result["times"]), ratios)
        self.curve.set_ydata(np.clip(result["curve"], 0.05, 1e3))

    def describe(self, result):
        """How long, how many meta-steps, and how it stands."""
        name, best = self.best()
        return (
            f"{result.get('ended', 'Training')}: {result['seconds']:.0f} s, "
            f"{result['meta_steps']:,} meta-steps ({self.setting(result)}, rate of phi "
            f"{result['rate']:.2g}, seed {result['seed']}). On {WATCHED[self.problem]} "
            "watched problems the learned optimizer's mean loss is "
            f"{size(result['mean'])}, the best rival's ({name}) {best:.3g}."
        )

    def numbers(self, result):
        """The mean and the last loss of the learned and of each rival."""
        curves = {"learned": result["curve"], **self.rivals()}
        rows = [
            [name, size(float(c[1:].mean())), size(float(c[-1]))]
            for name, c in curves.items()
        ]
        return ["rule", "mean loss, 1 to 100", "loss at step 100"], rows


def rate_and_seed(rate: float) -> dict:
    """The two controls that both panels share."""
    return {
        "rate": widgets.FloatLogSlider(
            rate,
            base=10,
            min=-5,
            max=0,
            step=0.1,
            readout_format=".2g",
            description="rate of phi",
        ),
        "seed": widgets.IntSlider(0, 0, 9, description="seed"),
    }


def answer_in_subshell(widget):
    """Let a click or a key be answered while the cell that shows the widget runs.

    ipykernel 7.4 sends a widget's messages to the shell that last spoke for it, here
    the main one, which is busy. Without that note they go where JupyterLab sends them,
    to a subshell. Older kernels keep no such note.
    """
    vars(getattr(widget, "comm", None) or widget).pop("_reply_subshell_id", None)


class Looks:
    """Looks at an optimizer in training: how it does on the watched problems."""

    def __init__(self, optimizer: Learned, panel: LiveTraining):
        self.optimizer, self.budget, self.problem = (
            optimizer,
            panel.budget,
            panel.problem,
        )
        self.times, self.ratios, self.last, self.best = [], [], {}, panel.best()[1]
        seconds = panel.budget.get("seconds")
        self.gap = max(1 / LOOKS, panel.gap / seconds if seconds else 0)

    def done(self, log) -> float:
        """How much of the budget is spent, 0 to 1."""
        if "meta_steps" in self.budget:
            return len(log.meta_losses) / self.budget["meta_steps"]
        return min(1.0, log.seconds[-1] / self.budget["seconds"] if log.seconds else 0)

    def due(self, done: float) -> bool:
        """Whether it is time for another look."""
        return done - (self.times[-1] if self.times else -1) >= self.gap

    def look(self, log, done: float) -> dict:
        """The watched losses now, and the way of the ratio so far."""
        if self.times[-1:] == [done]:  # the end of a run was seen already
            return self.last
        curve = watch(self.optimizer, self.problem)
        mean = float(curve[1:].mean())
        self.times.append(done)
        self.ratios.append(mean / self.best)
        self.last = {
            "times": list(self.times),
            "ratios": list(self.ratios),
            "curve": curve,
            "mean": mean,
            "meta_steps": len(log.meta_losses),
            "seconds": log.seconds[-1] if log.seconds else 0.0,
        }
        return self.last
