"""Lesson 01: gradient descent, step sizes, momentum; no rule wins everywhere."""

from l2o_kit.lessons.l01_descent import checks as check
from l2o_kit.lessons.l01_descent import valleys
from l2o_kit.lessons.l01_descent.landscape import (
    Landscape,
    ball_question,
    curvature_question,
)
