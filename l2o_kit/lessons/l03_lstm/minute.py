"""A minute of meta-training from nothing, on quadratics, and what is asked before."""

import ipywidgets as widgets

from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.live_training import RATE, LiveTraining, rate_and_seed


class MetaTraining(LiveTraining):
    """Train a new optimizer on quadratics.

    Arguments: make(preprocess=..., seed=...), which gives an untrained optimizer, the
    kit's own class if left out; and those of every panel.
    """

    title = "Meta-training, live: does it beat the six tuned rivals?"
    strip = ({"unroll": 20, "rate": RATE, "seed": 0},)

    def __init__(self, guess=None, projector=None, *, make=LSTMOptimizer):
        self.make = make
        super().__init__(guess, projector)

    def make_controls(self):
        return {
            "unroll": widgets.SelectionSlider(
                options=[(str(u), u) for u in (1, 5, 10, 20, 50, 100)],
                value=20,
                description="window U",
            ),
            **rate_and_seed(RATE),
        }

    def begin(self, state):
        """The optimizer before the training."""
        return self.make(preprocess="identity", seed=state["seed"])

    def training(self, state):
        """What the settings mean for ``meta_train``."""
        return {"unroll": state["unroll"]}

    def setting(self, result):
        """The windows of the run."""
        return f"windows of {result['unroll']}"


def untrained_question() -> Guess:
    """Before the minute of lesson 03: how bad is an LSTM that knows nothing?"""
    return Guess(
        "The training begins now, behind this question. At its start the LSTM is "
        "random. Take its mean loss over 100 steps on the watched quadratics: how many "
        "times that of the best tuned rival is it?",
        truth=lambda: MetaTraining.before(),
        because="That is the first dot on the left. How long until the line falls "
        "below 1?",
    )
