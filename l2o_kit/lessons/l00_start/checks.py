"""Lesson 00: a valley read, fair comparisons, and a rule that returns an update."""

import math

import numpy as np
import torch

from l2o_kit.baselines import RULES
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l00_start.race import RACE_RATES
from l2o_kit.teaching.answers import (
    Wrong,
    ask,
    exercise,
    letters,
    near,
    read_off,
    tensor_like,
)


def _valley(rule: str) -> np.ndarray:
    """The mean loss over 100 steps at every rate, without pixel noise."""
    losses = stored("race_rivals", __file__)["losses"].astype(float)
    return losses[list(RULES).index(rule), :, 0, 0, 1:].mean(1)


def _own_rate() -> float:
    return float(RACE_RATES[_valley("NAG").argmin()])


@exercise(_own_rate, "the lowest point of its valley, wherever the slider stands.")
def best_rate_of_nag(answer):
    """The rate at which NAG is best, read in the race's right-hand picture."""
    nag, best = _valley("NAG"), _own_rate()
    edge = float(RACE_RATES[nag < nag[0]].max())
    read_off(
        answer,
        best,
        0.25,
        "Choose NAG, pixel noise 0. The star in the right-hand picture marks the "
        "lowest point of the valley: go straight down from it.",
        {
            "That is the largest rate at which the loss still falls: the edge of "
            "stability, not the best rate.": edge,
            "That is Adam's best rate. A rate that suits one rule says nothing "
            "about another.": float(RACE_RATES[_valley("Adam").argmin()]),
            "That is how low the valley is, on the vertical axis. The rate is on "
            "the horizontal one.": nag.min(),
            "That is the power of ten. The axis is logarithmic, and its labels are "
            "the rates themselves.": math.log10(best),
            "That is where the slider stands at first. The valley shows every "
            "rate: where is it lowest?": 0.01,
        },
    )


FAIR = {
    "B": "Each rule is at its best, found elsewhere, and all meet the same problems",
    "D": "Must a comparison be won to be fair? It is made as in B, and says who won",
}
UNFAIR = {
    "A": "An untuned rival: a default rate is nobody's best rate, so what is measured "
    "is the rate, not the rule",
    "C": "A picked example: of fifty networks the luckiest is shown. Show them all, or "
    "their mean",
    "E": "Tuned on what is judged: the rivals were picked for their luck on just these "
    "networks. This one favours the rivals, and is unfair all the same",
}


def _own_fair():
    return set(FAIR)


@exercise(_own_fair, "every rule at its best, found elsewhere, and nothing picked.")
def fair_comparisons(answer):
    """The letters of the comparisons that are fair, of A to E."""
    named = letters(ask(answer), FAIR | UNFAIR)
    for letter in sorted(named & UNFAIR.keys()):
        raise Wrong(f"{letter} is not fair. {UNFAIR[letter]}.")
    for letter in sorted(FAIR.keys() - named):
        raise Wrong(f"Look at {letter} once more. {FAIR[letter]}.")


def _own(grad):
    return -4.0 * grad


@exercise(_own, "a function of the gradient, and it steps downhill.")
def update_rule(rule):
    """Plain gradient descent at rate 4."""
    grad = torch.tensor([[1.0, -2.0, 0.0]])
    update = tensor_like(
        ask(rule, grad),
        grad,
        "a rule gives one number for each coordinate. Did you sum over them?",
    )
    if torch.equal(update, torch.zeros_like(update)):
        raise Wrong("Your update is zero: nothing will move.")
    if float((update * grad).sum()) > 0:
        raise Wrong(
            "Your update goes uphill, along the gradient. The kit adds the update to "
            "theta, so plain gradient descent is minus the rate times the gradient."
        )
    if not near(update, _own(grad)):
        raise Wrong(
            "It goes downhill, and is not yet plain gradient descent at rate 4: that "
            "is minus 4 times the gradient."
        )
