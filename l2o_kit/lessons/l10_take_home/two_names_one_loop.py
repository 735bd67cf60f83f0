"""A model of your own: LearnedOptimizer in the place of Adam, live.

Breast cancer data, which no shipped optimizer has met; plain modules, plain loops. Four
models from different seeds are trained with each rule, on the same minibatches.
"""

import numpy as np
import torch
from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.checkpoint import stored
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.lessons.l10_take_home.scorecard import MEASURES, RULES, TASKS, colour
from l2o_kit.network import mlp
from l2o_kit.plots import (
    BLACK,
    GREEN,
    VERMILION,
    mean_band,
    new_figure,
    plain_ticks,
    scale,
)
from l2o_kit.teaching.controls import buttons, list_slider, log_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.run_panel import RunPanel

SEEDS, STEPS, BATCH = 4, 100, 64
LEARNED, CAREFUL, PLAIN = "learned", "Adam, tuned", "Adam, lr 0.001"
LOOKS = {LEARNED: (VERMILION, "-"), CAREFUL: (GREEN, "-."), PLAIN: (BLACK, ":")}
LOW, HIGH = 1e-3, 3.0
TASK, RULE = "breast cancer", "digits_robust"


class TakeHome(RunPanel):
    """Choose the model and the optimizer's lr, and press Run."""

    title = "A model of your own: a learned optimizer in the place of Adam"
    strip = (
        {"activation": "relu", "units": 16, "lr": 1.0},
        {"activation": "sigmoid", "units": 64, "lr": 1.0},
    )

    def make_controls(self):
        return {
            "activation": buttons("activation", ["relu", "tanh", "sigmoid"]),
            "units": list_slider("hidden units", [4, 8, 16, 32, 64], 16),
            "lr": log_slider("lr, learned", 1.0, -1, 1, 0.25),
        }

    def work(self, state, job):
        """The losses of every rule, [step, seed]."""
        rules, seen = rules_of(state["lr"]), {}
        for k, (name, make) in enumerate(rules.items()):
            runs = []
            for seed in range(SEEDS):
                done = (k + seed / SEEDS) / len(rules)
                runs.append(
                    train(
                        state["activation"],
                        state["units"],
                        make,
                        seed,
                        lambda at=done: job.step(at),
                    )
                )
            seen[name] = np.array(runs).T
        job.step(1.0)
        return {**state, "losses": seen}

    def make_figure(self):
        """A line and a band for every rule."""
        figure, (ax,) = new_figure(8.0, 3.8)
        steps = np.arange(STEPS)
        self.lines = {
            name: ax.plot(
                steps,
                np.ones(STEPS),
                color=look[0],
                linestyle=look[1],
                linewidth=2.4,
                label=name,
            )[0]
            for name, look in LOOKS.items()
        }
        scale(ax.xaxis, "step", 0, STEPS)
        scale(ax.yaxis, "minibatch loss, mean of 4", LOW, HIGH, "log")
        plain_ticks(ax.yaxis, (0.001, 0.01, 0.1, 1))
        ax.legend(loc="lower left", frameon=False)
        return figure, list(self.lines.values())

    def draw(self, result):
        for name, line in self.lines.items():
            mean = result["losses"][name].mean(1)
            smooth = [mean[max(0, t - 4) : t + 1].mean() for t in range(STEPS)]
            line.set_ydata(np.clip(smooth, LOW / 2, 2 * HIGH))

    def describe(self, result):
        lasts = {k: v[-10:].mean() for k, v in result["losses"].items()}
        ahead = min(lasts, key=lasts.get)
        said = ", ".join(f"{name} {loss:.3g}" for name, loss in lasts.items())
        return (
            f"30-{result['units']}-1, {result['activation']}, learned updates times "
            f"{result['lr']:.2g}. Loss over the last ten steps: {said}. Lowest: "
            f"{ahead}."
        )

    def numbers(self, result):
        rows = []
        for name, losses in result["losses"].items():
            every, last = losses.mean(0), losses[-10:].mean(0)
            band = mean_band(torch.from_numpy(last)[None])
            rows.append(
                [name, f"{every.mean():.3g}", *(f"{float(v[0]):.3g}" for v in band)]
            )
        return ["rule", "all steps", "last ten", "from", "to"], rows


def rules_of(lr: float) -> dict:
    """name -> a function from parameters to an optimizer."""
    tuned = float(stored("scorecard", __file__)["rates"][list(TASKS).index(TASK), 0])
    return {
        LEARNED: lambda p: LearnedOptimizer(p, RULE, lr=lr),
        CAREFUL: lambda p: torch.optim.Adam(p, lr=tuned),
        PLAIN: lambda p: torch.optim.Adam(p, lr=0.001),
    }


def train(activation: str, units: int, make, seed: int, on_step) -> list[float]:
    """A plain training loop: the loss of every step."""
    X, y, _, _ = data.breast_cancer()
    y = y[:, None].float()
    draw = data.stream(seed, "take home")
    model = mlp([30, units, 1], activation)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=draw))
    optimizer, losses = make(model.parameters()), []
    for _ in range(STEPS):
        on_step()
        rows = torch.randint(len(X), (BATCH,), generator=draw)
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


AHEAD, LEVEL, BEHIND = "Surely ahead", "Not decided", "Surely behind"


def home_question() -> Guess:
    """Before the panel opens: does it beat a tuned Adam on data it never met?"""

    def truth():
        at = list(TASKS).index(TASK), RULES.index(RULE)
        last = stored("scorecard", __file__)["ratios"][at][
            MEASURES.index("the last tenth")
        ]
        return {"green": AHEAD, "red": BEHIND}.get(colour(last), LEVEL)

    return Guess(
        "The optimizer digits_robust has met handwritten digits only. On breast cancer "
        "data, over the last ten of 100 steps: how does it stand beside an Adam whose "
        "rate was tuned there?",
        truth=truth,
        options=(AHEAD, LEVEL, BEHIND),
        because="Sixteen networks, from the scorecard below.",
    )
