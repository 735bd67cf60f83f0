"""Meta-training, live, from what was learned elsewhere; and what is asked before."""

import ipywidgets as widgets

from l2o_kit.checkpoint import load
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.recipes import RECIPES
from l2o_kit.teaching.controls import buttons
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.live_training import LiveTraining, rate_and_seed

WARM, RANDOM = "digits_robust", "random"


class WarmStart(LiveTraining):
    """Go on from an optimizer that was trained on digits, on the diabetes network."""

    title = "Meta-training, live, on the diabetes network"
    strip = (
        {"start": WARM, "second": False, "rate": 1e-3, "seed": 0},
        {"start": WARM, "second": True, "rate": 1e-3, "seed": 0},
    )
    problem, batch, still_steps = "diabetes", 8, 60
    low, high, top, bottom = 0.7, 3.0, 3.0, 0.25

    def make_controls(self):
        start = buttons("start from", [WARM, RANDOM])
        second = widgets.Checkbox(True, description="second derivatives")
        return {"start": start, "second": second, **rate_and_seed(1e-3)}

    def begin(self, state):
        """The shipped optimizer, or one that knows nothing, with larger steps."""
        optimizer = LSTMOptimizer(**RECIPES["diabetes"].config, seed=state["seed"])
        if state["start"] == WARM:
            optimizer.load_state_dict(load(WARM).state_dict())
        return optimizer

    def training(self, state):
        """Windows of 20."""
        return {"unroll": 20, "second_derivatives": state["second"]}

    def setting(self, result):
        """Where it started, and how."""
        how = "with" if result["second"] else "without"
        return f"start from {result['start']}, {how} second derivatives"


def warm_question() -> Guess:
    """Before the minute of lesson 04: how good is what was learned on digits?"""
    return Guess(
        "The training begins now, behind this question. <i>digits_robust</i> never saw "
        "a patient. Take its mean loss over 100 steps on the diabetes network, before "
        "it learns anything there: how many times that of the best tuned rival is it?",
        truth=lambda: WarmStart.before(),
        because="That is the first dot on the left. What does a minute add?",
    )
