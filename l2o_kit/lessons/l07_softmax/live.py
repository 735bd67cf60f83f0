"""Guess lambda, then watch it being learned, live: ``LiveTrust`` and ``LiveTurned``.

Left lambda after every meta-step; right bars of the guess, of what is learned and,
once that has ended, of theory. The LSTM is a shipped one and stays as it is.
"""

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit.checkpoint import stored
from l2o_kit.plots import new_figure, source_style
from l2o_kit.teaching.bars import Bars, listed
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.guess import Guess, shares
from l2o_kit.teaching.live_training import live_seconds
from l2o_kit.teaching.run_panel import RunPanel
from l2o_kit.teaching.sweep import sweep
from l2o_kit.trust import KINDS, inverse_variance, learned

BUDGET = 8.0  # seconds of learning, at most
MOST = 400  # meta-steps that the left axis has room for
STDS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
ANGLES = (0, 10, 20, 30, 45, 60, 90, 180)


class LiveTrust(RunPanel):
    """Noise of four sources and a guess for each; Run learns lambda."""

    title = "Guess lambda, then learn it: four noisy sources"
    strip = (
        {"noise 0": 0.5, "noise 1": 1.0, "noise 2": 2.0, "noise 3": 3.0},
        {"noise 0": 2.0, "noise 1": 0.3, "noise 2": 0.3, "noise 3": 4.0},
    )
    kind, what, unit, levels = "noise", "noise", "", STDS
    start = (0.5, 1.0, 2.0, 3.0)
    training = {"batch": 64}  # noqa: RUF012
    still_steps = 100

    def __init__(self, guess=None, projector=None):
        self.budget = {"seconds": min(BUDGET, live_seconds())}
        super().__init__(guess, projector)

    @classmethod
    def still(cls):
        """So many meta-steps, the same on every machine."""
        panel = cls()
        panel.budget = {"meta_steps": cls.still_steps}
        return panel

    def rehearse(self) -> str:
        """Sweep a fresh copy, with a moment of training at each setting."""
        panel = type(self)()
        panel.budget = {"meta_steps": 3}
        return sweep(panel)

    def make_controls(self):
        amounts = {
            f"{self.what} {k}": list_slider(
                f"source {k}: {self.what}",
                [(f"{level:g}{self.unit}", level) for level in self.levels],
                value,
            )
            for k, value in enumerate(self.start)
        }
        guesses = {
            f"guess {k}": widgets.IntSlider(25, 0, 100, description=f"your guess {k}")
            for k in range(len(self.start))
        }
        return amounts | guesses

    def amounts(self, state) -> tuple:
        """What the sliders say of each source."""
        return tuple(state[f"{self.what} {k}"] for k in range(len(self.start)))

    def guessed(self, state) -> np.ndarray:
        """The guess as weights that add up to 1."""
        parts = [state[f"guess {k}"] for k in range(len(self.start))]
        return np.array(shares(parts if any(parts) else [1] * len(parts)))

    def unlock(self, guessed=None):
        """The bars that were guessed before it opened become those of the picture."""
        for k, share in enumerate(guessed or ()):
            self.controls[f"guess {k}"].value = round(100 * share)
        super().unlock(guessed)

    def theory(self, amounts):
        """Weights by statistics, or None where there is no law."""
        return inverse_variance(amounts)

    def first(self):
        """The guess is there before anything is run."""
        super().first()
        self.changed()

    def changed(self, _=None):
        """A new guess moves its bars; another amount puts the picture out of date."""
        state = self.state()
        if self.result and self.amounts(state) == self.amounts(self.result):
            self.show(self.result | state)
            if not (self._thread and self._thread.is_alive()):
                self._say("")  # it is up to date again
            return
        with self._drawing:
            self.bars.set("guess", self.guessed(state))
        if self.result:
            super().changed()
        else:
            guess = listed(self.guessed(state))
            self.text = f"Nothing was run yet. Your guess of lambda is {guess}."
            self._show_picture()
            self._show_sentence()

    def work(self, state, job):
        """Learn lambda; the bars move as it goes."""
        amounts, K = self.amounts(state), len(self.start)
        path, threads = [np.full(K, 1 / K)], torch.get_num_threads()
        torch.set_num_threads(1)  # as fast, and leaves a core to the browser
        budget = self.budget.get("seconds"), self.budget.get("meta_steps")

        def on_step(optimizer, log):
            path.append(optimizer.lambdas.numpy())
            done = (
                log.seconds[-1] / budget[0]
                if budget[0]
                else len(log.seconds) / budget[1]
            )
            job.step_or_interrupt(min(1.0, done))
            if len(path) % 8 == 0:
                self.show(state | self.result_of(amounts, path, log, ended=False))

        try:
            _, log = learned(
                KINDS[self.kind],
                amounts,
                on_step=on_step,
                **{"meta_steps": None} | self.training | self.budget,
            )
        finally:
            torch.set_num_threads(threads)
        return state | self.result_of(amounts, path, log, ended=True)

    def result_of(self, amounts, path, log, ended) -> dict:
        """Lambda so far; theory at the end only."""
        theory = self.theory(amounts) if ended else None
        seconds = log.seconds[-1] if log.seconds else 0.0
        return {
            "path": np.array(path),
            "seconds": seconds,
            "theory": theory,
            "ended": ended,
        }

    def make_figure(self):
        """Left the paths, right the bars."""
        K = len(self.start)
        figure, (left, right) = new_figure(10.0, 3.9, columns=2)
        self.lines = [
            left.plot(
                [0], [1 / K], **source_style(k) | {"markevery": 25}, label=f"source {k}"
            )[0]
            for k in range(K)
        ]
        left.set(
            xlim=(0, MOST), ylim=(0, 1.02), xlabel="meta-step", ylabel="weight lambda_k"
        )
        left.legend(loc="upper right", frameon=False, fontsize=9)
        law = self.theory(self.start) is not None
        accounts = ("guess", "learned", "theory") if law else ("guess", "learned")
        self.bars = Bars(right, K, accounts)
        return figure, [*self.lines, *self.bars.moving]

    def draw(self, result):
        path = result["path"][: MOST + 1]
        for line, weights in zip(self.lines, path.T, strict=True):
            line.set_data(np.arange(len(weights)), weights)
        self.bars.set("guess", self.guessed(result))
        self.bars.set("learned", result["path"][-1])
        if "theory" in self.bars.lines:
            self.bars.set("theory", result["theory"])

    def describe(self, result):
        amounts = ", ".join(f"{a:g}{self.unit}" for a in self.amounts(result))
        now, guessed = result["path"][-1], self.guessed(result)
        text = (
            f"{self.what.capitalize()} {amounts}: after {len(result['path']) - 1} "
            f"meta-steps ({result['seconds']:.0f} s) lambda is {listed(now)}. Your "
            f"guess, {listed(guessed)}, is off by {np.abs(guessed - now).sum():.2f} in "
            "all."
        )
        if result["theory"] is None:
            return text
        off = np.abs(result["theory"] - now).sum()
        return f"{text} Theory, {listed(result['theory'])}, is off by {off:.2f}."

    def numbers(self, result):
        rows = [
            ["guess", *(f"{v:.3f}" for v in self.guessed(result))],
            ["learned", *(f"{v:.3f}" for v in result["path"][-1])],
        ]
        if result["theory"] is not None:
            rows.append(["theory", *(f"{v:.3f}" for v in result["theory"])])
        return ["lambda", *(f"source {k}" for k in range(len(self.start)))], rows

    def _control_rows(self):
        *rows, last, run = super()._control_rows()
        K = len(self.start)
        last, projector = last.children
        guesses = [*rows[K:], last]
        pairs = [widgets.HBox(pair) for pair in zip(rows[:K], guesses, strict=True)]
        return [*pairs, widgets.HBox([*run.children, projector])]


class LiveTurned(LiveTrust):
    """The same for three sources that see the digits turned."""

    title = "Guess lambda, then learn it: three angles"
    strip = ({"angle 0": 45, "angle 1": 0, "angle 2": 20},)
    kind, what, unit, levels = "rotation", "angle", "°", ANGLES
    start = (45, 0, 20)
    training = {"batch": 2, "lr": (0.2, 0.02)}  # noqa: RUF012
    still_steps = 30

    def theory(self, amounts):
        """There is none: a turned picture's gradient is not noisy but wrong."""
        return None


def law_question() -> Guess:
    """Before the panel opens: the four weights, as bars."""
    amounts = LiveTrust.start
    named = ", ".join(f"{amount:g}" for amount in amounts)
    return Guess(
        f"Four sources have noise of sizes {named}. How much will the optimizer trust "
        "each? Set the bars; only their ratios matter.",
        truth=lambda: inverse_variance(amounts),
        because="So says a law of statistics. Your bars are in the panel. Press Run: "
        "is this what is learned?",
        bars=tuple(f"noise {amount:g}" for amount in amounts),
    )


def angles_question() -> Guess:
    """Before the panel opens: the weights of three angles, as bars."""
    angles = LiveTurned.start

    def truth():
        """What ten longer trainings on these angles ended with, 45 degrees first."""
        last = stored("paths_rotation_last", __file__)["lambdas"][:, -1].mean(0)
        return [float(last[(45, 20, 0).index(angle)]) for angle in angles]

    return Guess(
        f"Three sources see the digits turned by {', '.join(map(str, angles))} "
        "degrees. Upright digits are judged. How much will the optimizer trust each?",
        truth=truth,
        because="So ended ten trainings of a hundred meta-steps, in the mean, with the "
        "same angles in another order. Your bars are in the panel. Press Run.",
        bars=tuple(f"turned by {angle}°" for angle in angles),
    )
