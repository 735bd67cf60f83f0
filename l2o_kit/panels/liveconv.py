"""Meta-training, live, on small convolutional networks: ``LiveConv``.

It goes on from a shipped optimizer of two LSTMs, or begins with two that know nothing.
"""

import ipywidgets as widgets

from l2o_kit.checkpoint import from_config, load
from l2o_kit.panels.minute import MetaTraining, rate_and_seed
from l2o_kit.recipes import RECIPES

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
