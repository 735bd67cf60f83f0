"""Lesson 00: see a learned optimizer race tuned Adam."""

from l2o_kit.lessons.l00_start import checks as check
from l2o_kit.lessons.l00_start.race import FreshRace, Race, fresh_question, win_question
from l2o_kit.teaching.installation import installation
