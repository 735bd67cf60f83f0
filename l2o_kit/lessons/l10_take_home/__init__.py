"""Lesson 10: a learned optimizer in your own code; what it costs, and when."""

from l2o_kit.lessons.l10_take_home import checks as check
from l2o_kit.lessons.l10_take_home import costs
from l2o_kit.lessons.l10_take_home.costs_panel import CostMeter, cost_question
from l2o_kit.lessons.l10_take_home.scorecard_panel import TrustCard, trust_question
from l2o_kit.lessons.l10_take_home.two_names_one_loop import TakeHome, home_question
from l2o_kit.teaching.live_training import live_seconds
