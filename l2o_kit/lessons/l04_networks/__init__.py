"""Lesson 04: networks on real data, compared fairly."""

from l2o_kit.lessons.l04_networks import checks as check
from l2o_kit.lessons.l04_networks.break_even import BreakEven, pays_question
from l2o_kit.lessons.l04_networks.standings_panel import Networks, overfit_question
from l2o_kit.lessons.l04_networks.warm_start import WarmStart, warm_question
