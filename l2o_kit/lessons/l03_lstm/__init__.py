"""Lesson 03: build the coordinatewise LSTM, meta-train it, open it up."""

from l2o_kit.lessons.l03_lstm import checks as check
from l2o_kit.lessons.l03_lstm.away_panel import Away, break_question
from l2o_kit.lessons.l03_lstm.gates import Gates, settle_question
from l2o_kit.lessons.l03_lstm.minute import MetaTraining, untrained_question
from l2o_kit.lessons.l03_lstm.opened import Opened, growth_question
from l2o_kit.lessons.l03_lstm.preprocessing import Preprocessing, raw_question
