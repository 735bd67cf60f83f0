"""Meta-training, live, on small convolutional networks: ``LiveConv``.

It goes on from a shipped optimizer of two LSTMs, or begins with two that know nothing.
"""

import ipywidgets as widgets

from l2o_kit.checkpoint import from_config, load
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.minute import MetaTraining, rate_and_seed
from l2o_kit.recipes import RECIPES
from l2o_kit.scorecard import MEASURES, RULES, TASKS, colour
from l2o_kit.store import stored

WARM, RANDOM = "conv_small", "random"


class LiveConv(MetaTraining):
    """Two LSTMs on networks of 8 channels, on pictures of 16x16."""

    title = "Meta-training, live, on small convolutional networks"
    strip = ({"start": WARM, "rate": 1e-3, "seed": 0},)
    problem, batch, still_steps, rehearsed, gap = "conv_small", 1, 20, 1, 8.0
    low, high, top, bottom = 0.85, 1.2, 2.6, 1.0
    ticks, losses, legend = (0.9, 1, 1.1, 1.2), (1.5, 2, 2.5), "lower left"

    def __init__(self, guess=None, projector=None):
        super().__init__(guess, projector)

    def make_controls(self):
        """Where phi begins, the learning rate of phi, the seed."""
        start = widgets.ToggleButtons(options=[WARM, RANDOM], description="start from")
        return {"start": start, **rate_and_seed(1e-3)}

    def begin(self, state):
        """The shipped two, or two that know nothing."""
        if state["start"] == WARM:
            return load(WARM)
        return from_config(RECIPES[WARM].config, state["seed"])

    def training(self, state):
        """Windows of 20."""
        return {"unroll": 20}

    def setting(self, result):
        """Where it started."""
        return f"start from {result['start']}"


def settled_question() -> Guess:
    """Before the minute of lesson 08: is what one begins with ahead already?"""
    options = {
        "green": "Surely ahead of Adam", "red": "Surely behind Adam",
        "undecided": "Too close to call",
    }  # fmt: skip

    def truth():
        task, rule = list(TASKS).index("small convnet"), RULES.index(WARM)
        cell = stored("scorecard")["ratios"][task, rule, MEASURES.index("all steps")]
        return options[colour(cell)]

    return Guess(
        "The training begins now, behind this question. <i>conv_small</i> has 1,600 "
        "windows behind it, on just such networks. Where does it stand beside a tuned "
        "Adam, in the mean over 100 steps on fresh ones?",
        truth=truth, options=tuple(options.values()),
        because="Networks this small spend half of the steps on a plateau, whatever "
        "the rule. How far will a minute move the line?",
    )  # fmt: skip
