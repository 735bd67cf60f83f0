"""Meta-training, live, on small convolutional networks: ``LiveConv``.

It goes on from a shipped optimizer of two LSTMs, or begins with two that know nothing.
"""

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import from_config, load, stored
from l2o_kit.lessons.l08_convnets.recipes import RECIPES
from l2o_kit.teaching.controls import buttons
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.live_training import LiveTraining, rate_and_seed

WARM, RANDOM = "conv_small", "random"


class LiveConv(LiveTraining):
    """Two LSTMs on networks of 8 channels, on pictures of 16x16."""

    title = "Meta-training, live, on small convolutional networks"
    strip = ({"start": WARM, "rate": 1e-3, "seed": 0},)
    problem, batch, still_steps, rehearsed, gap = "conv_small", 1, 20, 1, 8.0
    low, high, top, bottom = 0.85, 1.2, 2.6, 1.0
    ticks, losses, legend = (0.9, 1, 1.1, 1.2), (1.5, 2, 2.5), "lower left"

    @classmethod
    def rivals(cls):
        """Stored: they take too long to be run here."""
        return {name: stored("watched_conv_small", __file__)[name] for name in SIX}

    def make_controls(self):
        start = buttons("start from", [WARM, RANDOM])
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
    options = ("Surely ahead of Adam", "Surely behind Adam", "Too close to call")

    def truth():
        _, low, high = stored("settled", __file__)["ratio"]
        return options[0 if high < 1 else 1 if low > 1 else 2]

    return Guess(
        "The training begins now, behind this question. <i>conv_small</i> has 1,600 "
        "windows behind it, on just such networks. Where does it stand beside a tuned "
        "Adam, in the mean over 100 steps on fresh ones?",
        truth=truth,
        options=options,
        because="Networks this small spend half of the steps on a plateau, whatever "
        "the rule. How far will a minute move the line?",
    )
