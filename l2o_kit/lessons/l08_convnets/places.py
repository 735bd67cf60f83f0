"""The convolutional networks of lesson 08: three places, three learned optimizers.

A place says which labels occur: all ten, 0 to 4, or 0 and 1; there are always ten
outputs. Two of the learned optimizers met all labels in training: ``conv``, an LSTM for
the convolutions' weights and one for all else, and ``conv_shared``, one LSTM for both.
``conv_sub``, two LSTMs again, met the labels 5 to 9 only.

And two looks at why one rule may not be enough: the sizes of the gradients, and Adam
with a rate for each group.
"""

import functools
import math

import numpy as np
import torch
from torch import nn

from l2o_kit import data
from l2o_kit.baselines import RULES, SIX, Baseline, adam, rivals, tune
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import Curves, optimize, paired_ratio, start
from l2o_kit.groups import CONV_AND_FC, assign, shapes
from l2o_kit.network import Network, convnet
from l2o_kit.plots import mean_band
from l2o_kit.problems import conv, conv_small

PLACES = ("all", "five", "two")
LEARNED = {"two LSTMs": "conv", "LSTM-sub": "conv_sub", "one LSTM": "conv_shared"}
NAMES = (*LEARNED, *RULES)
STEPS, LAST = 100, 91  # the horizon, and where its last tenth begins
OBJECTIVES = {"mean": 1, "last": LAST}  # what a rival is tuned for: from which step on
TUNED_ON, JUDGED_ON = 2, 16  # networks


def build_rates(place: str) -> dict:
    """OBJECTIVE_100 -> the best rate of each rule of ``baselines.RULES``."""
    optimizee = conv(place)

    @functools.cache  # one run is judged by both objectives
    def tried(rival: Baseline) -> Curves:
        return optimize(rival, optimizee, batch=TUNED_ON, purpose="tuning")

    def score(rival: Baseline, objective: str) -> float:
        value = float(tried(rival).mean_loss(OBJECTIVES[objective]).mean())
        return value if math.isfinite(value) else math.inf

    return {
        f"{objective}_{STEPS}": np.array(
            [
                tune(rival, functools.partial(score, objective=objective)).lr
                for rival in untuned()
            ]
        )
        for objective in OBJECTIVES
    }


def untuned() -> list[Baseline]:
    """The six rivals and Adam with cosine decay, at a rate that is none yet."""
    return [Baseline(name, 1.0, None if name in SIX else STEPS) for name in RULES]


def build_place(place: str) -> dict:
    """What each of NAMES does on fresh networks at a place.

    losses [rule, 3, step], the mean and its 95 % band; mean and last [rule, network],
    over steps 1 to 100 and 91 to 100, rivals tuned for just that; start [network], at
    step 0; accuracy [rule].
    """
    learned = {name: load(file) for name, file in LEARNED.items()}
    found = {
        objective: {
            name: run(rule, place)
            for name, rule in (learned | rivals(f"conv_{place}", objective)).items()
        }
        for objective in OBJECTIVES
    }
    arrays = {
        objective: np.stack([curves[name].mean_loss(first) for name in NAMES])
        for (objective, first), curves in zip(
            OBJECTIVES.items(), found.values(), strict=True
        )
    }
    means = found["mean"].values()
    losses = np.stack([np.stack(mean_band(curves.losses)) for curves in means])
    accuracy = [float(curves.held_out_accuracy.mean()) for curves in means]
    return arrays | {
        "losses": losses.astype(np.float32),
        "start": next(iter(means)).losses[0].numpy(),
        "accuracy": np.array(accuracy),
    }


@functools.lru_cache(64)
def run(rule, place: str) -> Curves:
    """A rule on fresh networks at a place, or on "cifar10" itself."""
    if place == "cifar10":
        optimizee = Network(convnet(), *data.cifar10(), batch_size=64, init_std=None)
    else:
        optimizee = conv(place)
    return optimize(rule, optimizee, batch=JUDGED_ON, seed=1)


def accuracies(seeds: int = 3) -> dict:
    """linear and conv [seed]: held-out accuracy of both, trained to convergence.

    The linear classifier's rate is the one that is best for it on held-out pictures.
    """
    pictures = data.digits_on_photos()
    line = Network(
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), *pictures, init_std=None
    )
    found = {"linear": (line, 0.0001, 2000), "conv": (conv(), 0.003, 2000)}
    return {
        name: np.array([trained(*how, seed) for seed in range(seeds)])
        for name, how in found.items()
    }


def trained(optimizee: Network, lr: float, steps: int, seed: int) -> float:
    """Held-out accuracy after so many steps of Adam, its rate falling to 0."""
    rule = Baseline("Adam + cosine", lr, steps)
    curves = optimize(rule, optimizee, steps=steps, batch=1, seed=seed)
    return float(curves.held_out_accuracy)


RATES = tuple(10 ** (-3.5 + 0.5 * k) for k in range(6))  # 0.0003 to 0.1
GRID_NETWORKS = 2


class TwoRates:
    """Adam with one rate for the convolutions' weights and another for all else."""

    def __init__(self, conv_rate: float, fc_rate: float, optimizee):
        columns = assign(CONV_AND_FC, shapes(optimizee))
        self.lr = torch.empty(optimizee.coords)
        self.lr[columns["conv"]], self.lr[columns["fc"]] = conv_rate, fc_rate

    def start(self, theta):
        """Step theta [batch, coords] in place, given gradients."""
        memory, t = (0.0, 0.0), 0

        def step(grad):
            nonlocal memory, t
            t += 1
            update, memory = adam(grad, memory, t, self.lr, 0.9)
            theta.add_(update)

        return step


def build_two_rates() -> dict:
    """curves [rate of conv, rate of fc, step]: the mean loss of a few networks."""
    curves = [[two_rates(a, b) for b in RATES] for a in RATES]
    return {"curves": np.array(curves, dtype=np.float32)}


def two_rates(conv_rate: float, fc_rate: float) -> np.ndarray:
    """[step]: the mean loss with these two rates."""
    optimizee = conv()
    curves = optimize(
        TwoRates(conv_rate, fc_rate, optimizee),
        optimizee,
        batch=GRID_NETWORKS,
        purpose="grid",
    )
    return curves.losses.mean(1).nan_to_num(9.0).clamp(max=9.0).numpy()


QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
FILTERS = ("two LSTMs", "Adam")  # whose filters are kept
EVERY = 4  # steps from one picture of the filters to the next


@torch.no_grad()
def watched(rule) -> dict:
    """One network in training: filters [shot, 16, 3, 5, 5] and the gradients' sizes.

    sizes [step, group, quantile] of log10 |gradient|, conv first; loss [step].
    """
    optimizee = conv()
    problem = optimizee.sample(1, torch.Generator().manual_seed(7))
    draw = torch.Generator().manual_seed(8)
    columns = assign(CONV_AND_FC, shapes(optimizee))
    theta = problem.theta0.clone()
    step = start(rule.on(optimizee) if hasattr(rule, "on") else rule, theta)
    filters, sizes, losses = [], [], []
    for t in range(STEPS + 1):
        if t % EVERY == 0:
            filters.append(optimizee.unflatten(theta[0])["conv1.weight"].clone())
        loss, grad = problem.value_and_grad(theta, problem.minibatch(draw))
        losses.append(float(loss))
        logs = [
            grad[0, columns[name]].abs().clamp(min=1e-12).log10()
            for name in CONV_AND_FC
        ]
        at = torch.tensor(QUANTILES)
        sizes.append(torch.stack([log.quantile(at) for log in logs]))
        step(grad)
    return {
        "filters": torch.stack(filters).half().numpy(),
        "sizes": torch.stack(sizes).numpy(),
        "loss": np.array(losses),
    }


def build_watched() -> dict:
    """NAME_filters, NAME_sizes, NAME_loss for each of FILTERS."""
    rules = {"two LSTMs": load("conv"), "Adam": rivals("conv_all", "mean")["Adam"]}
    rows = {name: watched(rules[name]) for name in FILTERS}
    return {
        f"{name}_{key}": value
        for name, row in rows.items()
        for key, value in row.items()
    }


WATCHED_SMALL = 2  # networks of the live panel


def build_watched_small() -> dict:
    """name -> [step]: the six rivals on the networks of the live panel."""
    tuned = rivals("conv_small", "mean")
    return {name: watch_small(tuned[name]) for name in SIX}


def watch_small(rule) -> np.ndarray:
    """[step]: a rule's mean loss on them."""
    curves = optimize(rule, conv_small(), batch=WATCHED_SMALL, purpose="watch")
    return curves.losses.mean(1).double().numpy()


SETTLED_ON = 8  # networks


def build_settled() -> dict:
    """ratio [3]: conv_small's mean loss over 100 steps / tuned Adam's, paired."""
    rules = (load("conv_small"), rivals("conv_small", "mean")["Adam"])
    ours, adams = (
        optimize(rule, conv_small(), batch=SETTLED_ON, seed=1, purpose="settled")
        for rule in rules
    )
    return {"ratio": np.array(paired_ratio(ours.mean_loss(), adams.mean_loss()))}


BUILDERS = {
    **{
        f"rates_conv_{place}": functools.partial(build_rates, place) for place in PLACES
    },
    **{f"conv_{place}": functools.partial(build_place, place) for place in PLACES},
    "accuracies": accuracies,
    "two_rates": build_two_rates,
    "watched": build_watched,
    "watched_conv_small": build_watched_small,
    "settled": build_settled,
}
