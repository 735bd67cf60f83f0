"""Lesson 05: further, wider, deeper: where it breaks, and what cures it."""

from l2o_kit.lessons.l05_generalization import checks as check
from l2o_kit.lessons.l05_generalization.choices_panel import Choices, discount_question
from l2o_kit.lessons.l05_generalization.horizon_panel import Horizon, horizon_question
from l2o_kit.lessons.l05_generalization.museum_panel import Museum, cheap_question
from l2o_kit.lessons.l05_generalization.places_panel import (
    Generalize,
    Map,
    breaks_question,
    map_question,
)
