"""Lesson 09: theta is a picture; paint larger, and in new styles."""

from l2o_kit.lessons.l09_art import checks as check
from l2o_kit.lessons.l09_art import photographs, styles
from l2o_kit.lessons.l09_art.paint import Paint, PaintOwn
from l2o_kit.lessons.l09_art.questions import finished_question, swapped_question
from l2o_kit.lessons.l09_art.standings import ArtRace, larger_question
