"""l2o_kit: learning to learn by gradient descent by gradient descent, step by step.

An LSTM learns the update rule of an optimizer (Andrychowicz et al. 2016). Read in this
order; each file opens with its equation:

    downloads     files that are fetched or made once, and checked
    photographs   three photographs that ship
    styles        pictures that the kit paints, to be styles
    photodigits   digits painted on patches of photographs
    corruptions   noise, rotations, wrong labels, uneven classes
    data          data sets that ship, MNIST, CIFAR-10, and their corruptions
    sampled       a batch of problems, and how it is cut into parts
    optimizees    the problems f(theta): Quadratic, Network
    functions     your own f(theta)
    features      what a style is measured by: fixed filters, or VGG-19
    art           StyleTransfer: theta is a picture
    variations    the same problems scaled, or mixed
    sources       what spoils a source: noise, rotation, poison, subsets, ...
    concurrent    K sources of one optimizee, each with a gradient
    theory        whom to trust, by statistics
    lstm          the LSTM, with its derivative by hand
    optimizer     the coordinatewise LSTM optimizer m: gradients in, update out
    groups        one learned optimizer for each group of parameters
    ranks         several processes or machines that train together
    trainer       meta-training: roll-outs, windows, what the meta-gradient is
    engine        the meta-gradient of a window, block by block
    engines       which engine for which optimizer; an engine for each group
    imitation     a teacher, Adam, for the beginning of meta-training
    trust         lambda alone, learned on a frozen LSTM
    evaluate      curves on fresh problems, fair comparisons
    search        many trainings side by side, the best first
    baselines     the hand-designed rivals, each at its own best rate
    diagnosis     a debugger for meta-learners
    checkpoint    save and load, with provenance and a checksum
    parameters    what LearnedOptimizer refuses
    deploy        LearnedOptimizer, a torch.optim.Optimizer
    resume        a meta-training that survives being killed
    problems      what the shipped optimizers are trained and judged on
    recipes       how each shipped optimizer was made
    elsewhere     the quadratics at another scale, dimension, horizon
    networks      digits, larger digits, diabetes: all rules, three horizons
    generalization  the digits network wider, deeper, with other activations
    horizons      the digits network for 10,000 steps
    museum        what goes wrong in meta-training, and what cures it
    experiments   choices in meta-training, one changed at a time
    cooperation   whom to trust, and what it gains, for many settings
    teamwork      when cooperation helps: more sources, other ways to combine
    interpretability  lambda over training, over seeds, beside the laws
    convolutions  convolutional networks: two LSTMs, one, and labels never met
    gallery       neural art at home, larger, in styles never met
    costs         time and memory of a step, beside Adam's
    scorecard     how far each shipped optimizer can be trusted
    store         results that are too slow for a slider
    rules         six hand-designed update rules, a few lines each
    landscapes    quadratics whose every answer is known
    estimators    meta-gradient estimators beside a known truth
    claim         a sentence, where it comes from, how it is measured
    claims        every published claim as a measurement with a verdict
    claims_ledger  CLAIMS.md, written row by row
    check         is the installation whole, is an answer right
    panels        what moves in the notebooks
    classroom     before the class: a rehearsal of all notebooks, handouts
"""

import importlib

from l2o_kit import data
from l2o_kit.art import StyleTransfer
from l2o_kit.baselines import Baseline, tuned_baselines
from l2o_kit.checkpoint import CheckpointError, load, pretrained, save
from l2o_kit.concurrent import Concurrent
from l2o_kit.deploy import LearnedOptimizer
from l2o_kit.diagnosis import Diagnosis, diagnose
from l2o_kit.evaluate import Comparison, Curves, compare, optimize
from l2o_kit.functions import Function
from l2o_kit.groups import GroupedOptimizer
from l2o_kit.log import Log, MetaTrainingDiverged
from l2o_kit.optimizees import Network, Quadratic, convnet, mlp
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.search import search
from l2o_kit.trainer import meta_train

__all__ = [
    "Baseline", "CheckpointError", "Comparison", "Concurrent", "Curves", "Diagnosis",
    "Function", "GroupedOptimizer", "LSTMOptimizer", "LearnedOptimizer", "Log",
    "MetaTrainingDiverged", "Network",
    "Quadratic", "StyleTransfer", "compare", "convnet", "data", "diagnose", "load",
    "meta_train", "mlp", "optimize", "pretrained", "rivals", "save", "search",
    "tuned_baselines", "verdicts",
]  # fmt: skip

# Modules with a command line of their own (python -m l2o_kit.store) are not imported
# before they are asked for: running them would import them twice.
_LATER = {"rivals": "store", "verdicts": "claims"}


def __getattr__(name):
    if name in _LATER:
        return getattr(importlib.import_module(f"l2o_kit.{_LATER[name]}"), name)
    raise AttributeError(f"module 'l2o_kit' has no attribute {name!r}")
