"""Lesson 08: one learned optimizer for each group; labels never met."""

from l2o_kit.lessons.l08_convnets import checks as check
from l2o_kit.lessons.l08_convnets.convnets import ConvNets, unseen_question
from l2o_kit.lessons.l08_convnets.filters import Filters, moved_question
from l2o_kit.lessons.l08_convnets.live import LiveConv, settled_question
from l2o_kit.lessons.l08_convnets.two_rates import TwoRates, pair_question
from l2o_kit.lessons.l08_convnets.updates import Updates, larger_question
