"""Panels: what moves in the notebooks. ``base`` first, then one file per family."""

from l2o_kit.panels.away import Away
from l2o_kit.panels.base import Panel
from l2o_kit.panels.gates import Gates
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.laboratory import Laboratory
from l2o_kit.panels.landscape import Landscape
from l2o_kit.panels.minute import MetaTraining
from l2o_kit.panels.opened import Opened
from l2o_kit.panels.preprocessing import Preprocessing
from l2o_kit.panels.race import FreshRace, Race
from l2o_kit.panels.slow import RunPanel
from l2o_kit.panels.unrolled import Unrolled

ALL = (Race, FreshRace, Landscape, Laboratory, Unrolled, Preprocessing, Gates,
       MetaTraining, Opened, Away)  # fmt: skip

__all__ = [
    "ALL",
    "Away",
    "FreshRace",
    "Gates",
    "Guess",
    "Laboratory",
    "Landscape",
    "MetaTraining",
    "Opened",
    "Panel",
    "Preprocessing",
    "Race",
    "RunPanel",
    "Unrolled",
]
