"""Lesson 07: read lambda; predict it; see it learned, live."""

from l2o_kit.lessons.l07_softmax import checks as check
from l2o_kit.lessons.l07_softmax.broken_law import BrokenLaw, copies_question
from l2o_kit.lessons.l07_softmax.live import (
    LiveTrust,
    LiveTurned,
    angles_question,
    law_question,
)
from l2o_kit.lessons.l07_softmax.paths import Paths, seeds_question
