"""Lesson 02: learn the update rule; meta-gradients beside a known answer."""

from l2o_kit.lessons.l02_meta_gradient import checks as check
from l2o_kit.lessons.l02_meta_gradient import estimators
from l2o_kit.lessons.l02_meta_gradient.laboratory import Laboratory, truncation_question
from l2o_kit.lessons.l02_meta_gradient.unrolled import Unrolled, credit_question
