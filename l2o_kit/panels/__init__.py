"""Panels: what moves in the notebooks. ``base`` first, then one file per family."""

from l2o_kit.panels.base import Panel
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.laboratory import Laboratory
from l2o_kit.panels.landscape import Landscape
from l2o_kit.panels.race import FreshRace, Race
from l2o_kit.panels.slow import RunPanel
from l2o_kit.panels.unrolled import Unrolled

ALL = (Race, FreshRace, Landscape, Laboratory, Unrolled)

__all__ = [
    "ALL",
    "FreshRace",
    "Guess",
    "Laboratory",
    "Landscape",
    "Panel",
    "Race",
    "RunPanel",
    "Unrolled",
]
