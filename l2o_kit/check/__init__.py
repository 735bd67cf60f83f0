"""Friendly checks: of the installation, and of what a student wrote.

Each check says what it saw and what to do next. A check of an exercise names the
misconception behind a wrong answer. It raises nothing, so that a notebook runs on, and
it returns what the next cells use: the student's own work where it is right, the kit's
where it is not.
"""

from l2o_kit.check.lesson00 import best_rate_of_nag, fair_comparisons, update_rule
from l2o_kit.check.lesson01 import divergence, gradient, limit_of_momentum, momentum
from l2o_kit.check.lesson02 import (
    best_rate_of_the_roll_out,
    evolution,
    meta_loss,
    suffix_sum,
)
from l2o_kit.check.lesson03 import (
    cell,
    growth_of_update,
    lstm_weights,
    optimizer,
    preprocessing,
)
from l2o_kit.check.lesson04 import (
    best_rate,
    break_even,
    cross_entropy,
    step_of_equal_loss,
    traps,
)
from l2o_kit.check.lesson05 import (
    adam_passes,
    discount_weights,
    normalized_inputs,
    scaled_gradient,
)
from l2o_kit.check.lesson06 import combined, left_over_noise, poisoned, sources_needed
from l2o_kit.check.lesson07 import read, step_of_trust, trust, two_sources
from l2o_kit.check.lesson08 import batch_norm, grouped_update, groups, half_of_the_loss
from l2o_kit.check.lesson09 import gram_matrix, share_left, style_term, variation
from l2o_kit.check.lesson10 import green_cells, himmelblau, training_loop, worth_it
from l2o_kit.check.machine import installation

__all__ = [
    "adam_passes", "batch_norm", "best_rate",
    "best_rate_of_nag", "best_rate_of_the_roll_out", "break_even", "cell",
    "combined", "cross_entropy", "discount_weights", "divergence", "evolution",
    "fair_comparisons", "gradient", "gram_matrix", "green_cells", "grouped_update",
    "groups", "growth_of_update", "half_of_the_loss", "himmelblau", "installation",
    "left_over_noise", "limit_of_momentum", "lstm_weights", "meta_loss", "momentum",
    "normalized_inputs", "optimizer", "poisoned", "preprocessing", "read",
    "scaled_gradient", "share_left", "sources_needed", "step_of_equal_loss",
    "step_of_trust", "style_term", "suffix_sum", "training_loop", "traps", "trust",
    "two_sources", "update_rule", "variation", "worth_it",
]  # fmt: skip
