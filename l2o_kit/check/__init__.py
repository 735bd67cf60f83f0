"""Friendly checks: of the installation, and of what a student wrote.

Each check says what it saw and what to do next. A check of an exercise names the
misconception behind a wrong answer. It raises nothing, so that a notebook runs on, and
it returns what the next cells use: the student's own work where it is right, the kit's
where it is not.
"""

from l2o_kit.check.lesson00 import update_rule
from l2o_kit.check.lesson01 import divergence, gradient, momentum
from l2o_kit.check.lesson02 import evolution, meta_loss, suffix_sum
from l2o_kit.check.lesson03 import cell, lstm_weights, optimizer, preprocessing
from l2o_kit.check.lesson04 import best_rate, break_even, cross_entropy, traps
from l2o_kit.check.lesson05 import (
    discount_weights,
    normalized_inputs,
    scaled_gradient,
)
from l2o_kit.check.lesson06 import combined, left_over_noise, poisoned
from l2o_kit.check.lesson07 import read, trust, two_sources
from l2o_kit.check.lesson08 import batch_norm, grouped_update, groups
from l2o_kit.check.lesson09 import gram_matrix, style_term, variation
from l2o_kit.check.lesson10 import himmelblau, training_loop, worth_it
from l2o_kit.check.machine import installation

__all__ = [
    "batch_norm", "best_rate", "break_even", "cell", "combined", "cross_entropy",
    "discount_weights", "divergence", "evolution", "gradient", "gram_matrix",
    "grouped_update", "groups", "himmelblau", "installation", "left_over_noise",
    "lstm_weights", "meta_loss", "momentum", "normalized_inputs", "optimizer",
    "poisoned", "preprocessing", "read", "scaled_gradient", "style_term", "suffix_sum",
    "training_loop", "traps", "trust", "two_sources", "update_rule",
    "variation", "worth_it",
]  # fmt: skip
