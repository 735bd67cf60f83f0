"""l2o_kit: learning to learn by gradient descent by gradient descent, step by step.

An LSTM learns the update rule of an optimizer (Andrychowicz et al. 2016). Read the
library in this order; each file opens with its equation:

    data          data sets that ship, MNIST, CIFAR-10, and what spoils them
    photodigits   three photographs that ship, and digits painted on them
    downloads     files that are fetched or made once, and checked
    optimizees    the problems f(theta): Quadratic, your own Function, their variations
    network       any nn.Module as an optimizee; mlp and convnet
    sources       what spoils a source: noise, rotation, poison, subsets, ...
    concurrent    K sources of one optimizee, each with a gradient
    lstm          the LSTM, with its derivative by hand
    optimizer     the coordinatewise LSTM optimizer m: gradients in, update out
    groups        one learned optimizer for each group of parameters
    engine        the meta-gradient of a window, block by block
    autograd      the same by autograd, exact or of first order
    window        one window of meta-training, its record, a teacher to imitate
    trainer       meta_train: windows until the count or the clock says so
    distributed   several processes or machines that train together
    resume        a meta-training that survives being killed
    checkpoint    save and load, with provenance and a checksum
    evaluate      curves on fresh problems, fair comparisons
    baselines     the hand-designed rivals, each at its own best rate
    diagnosis     a debugger for meta-learners
    trust         whom to trust: by statistics, and lambda learned alone
    problems      what the shipped optimizers are trained and judged on
    recipes       how each shipped optimizer was made
    deploy        LearnedOptimizer, a torch.optim.Optimizer
    plots         how every picture looks

Above the library, and never imported by it:

    teaching/     what every lesson uses: panels, guesses, checks, claims, ledger
    lessons/      one room for each lesson: l00_start to l10_take_home
    lessons/*.py  what gathers over all lessons: claims, stored results, recipes
    classroom/    before the class: a rehearsal of all notebooks, handouts
"""

import importlib

from l2o_kit import data, plots, trust
from l2o_kit.baselines import rivals, tuned_baselines
from l2o_kit.checkpoint import load, save, version
from l2o_kit.concurrent import Concurrent
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.diagnosis import diagnose
from l2o_kit.evaluate import compare, optimize
from l2o_kit.groups import GroupedOptimizer
from l2o_kit.network import Network, convnet, mlp
from l2o_kit.optimizees import Function, Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train

__all__ = [
    "Concurrent",
    "Function",
    "GroupedOptimizer",
    "LSTMOptimizer",
    "LearnedOptimizer",
    "Network",
    "Quadratic",
    "StyleTransfer",
    "compare",
    "convnet",
    "data",
    "diagnose",
    "load",
    "meta_train",
    "mlp",
    "optimize",
    "plots",
    "rivals",
    "save",
    "trust",
    "tuned_baselines",
    "verdicts",
]

# What lies above the library is not loaded before it is asked for.
_LATER = {"StyleTransfer": "lessons.l09_art.art", "verdicts": "lessons.claims"}
_MOVED = {
    "panels": "Each lesson has its own: from l2o_kit.lessons import l00_start as "
    "lesson, then lesson.Race(). What all share is in l2o_kit.teaching.",
    "check": "Each lesson has its own: from l2o_kit.lessons import l00_start as "
    "lesson, then lesson.check.update_rule(...).",
}


__version__ = version()
del version


def __getattr__(name):
    if name in _LATER:
        return getattr(importlib.import_module(f"l2o_kit.{_LATER[name]}"), name)
    if name in _MOVED:
        raise ImportError(f"l2o_kit.{name} is gone. {_MOVED[name]}")
    raise AttributeError(f"module 'l2o_kit' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LATER})
