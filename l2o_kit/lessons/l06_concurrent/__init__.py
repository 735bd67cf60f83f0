"""Lesson 06: let several optimizees cooperate."""

from l2o_kit.lessons.l06_concurrent import checks as check
from l2o_kit.lessons.l06_concurrent.drawing import concurrent_picture
from l2o_kit.lessons.l06_concurrent.spoilt import (
    Noisy,
    Poisoned,
    Rotated,
    noise_question,
    poison_question,
    turned_question,
)
from l2o_kit.lessons.l06_concurrent.subsets import Subsets, subsets_question
from l2o_kit.lessons.l06_concurrent.together import Together, combine_question
