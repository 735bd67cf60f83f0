"""Panels: what moves in the notebooks. ``base`` first, then one file per family."""

import l2o_kit.panels.questions as questions
from l2o_kit.panels.artrace import ArtRace
from l2o_kit.panels.away import Away
from l2o_kit.panels.base import Panel
from l2o_kit.panels.breakeven import BreakEven
from l2o_kit.panels.broken import BrokenLaw
from l2o_kit.panels.choices import Choices
from l2o_kit.panels.convnets import ConvNets
from l2o_kit.panels.costmeter import CostMeter
from l2o_kit.panels.drawing import concurrent_picture
from l2o_kit.panels.failures import Museum
from l2o_kit.panels.filters import Filters
from l2o_kit.panels.gates import Gates
from l2o_kit.panels.generalize import Generalize, Map
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.horizon import Horizon
from l2o_kit.panels.laboratory import Laboratory
from l2o_kit.panels.landscape import Landscape
from l2o_kit.panels.liveconv import LiveConv
from l2o_kit.panels.livetrust import LiveTrust, LiveTurned
from l2o_kit.panels.minute import MetaTraining, WarmStart
from l2o_kit.panels.networks import Networks
from l2o_kit.panels.opened import Opened
from l2o_kit.panels.paint import Paint, PaintOwn
from l2o_kit.panels.paths import Paths
from l2o_kit.panels.preprocessing import Preprocessing
from l2o_kit.panels.race import FreshRace, Race
from l2o_kit.panels.slow import RunPanel
from l2o_kit.panels.spoilt import Noisy, Poisoned, Rotated
from l2o_kit.panels.subsets import Subsets
from l2o_kit.panels.takehome import TakeHome
from l2o_kit.panels.together import Together
from l2o_kit.panels.trustcard import TrustCard
from l2o_kit.panels.tworates import TwoRates
from l2o_kit.panels.unrolled import Unrolled
from l2o_kit.panels.updates import Updates

ALL = (Race, FreshRace, Landscape, Laboratory, Unrolled, Preprocessing, Gates,
       MetaTraining, Opened, Away, Networks, WarmStart, BreakEven, Generalize, Map,
       Horizon, Museum, Choices, Noisy, Rotated, Poisoned, Subsets, Together,
       LiveTrust, LiveTurned, BrokenLaw, Paths, TwoRates, ConvNets, Updates,
       Filters, LiveConv, Paint, ArtRace, PaintOwn, TakeHome,
       CostMeter, TrustCard)  # fmt: skip

__all__ = [
    "ALL",
    "Guess",
    "Panel",
    "RunPanel",
    "concurrent_picture",
    "questions",
    *(kind.__name__ for kind in ALL),
]
