"""What lesson 08 claims: convolutional networks, two LSTMs, labels never met.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; the control, in the learned one's place, is an optimizer that never moves.
Quickly, what is stored is read; in full all runs are made again.
"""

import functools
from functools import partial

import torch

from l2o_kit import data, downloads
from l2o_kit.baselines import SIX, rivals
from l2o_kit.checkpoint import load, stored
from l2o_kit.evaluate import paired_ratio
from l2o_kit.lessons.l08_convnets.places import (
    JUDGED_ON,
    LEARNED,
    NAMES,
    OBJECTIVES,
    accuracies,
    run,
)
from l2o_kit.teaching.claim import OWN, Claim, judged

PAPER = "Andrychowicz et al. 2016, figure 7"


@functools.cache
def _each(name: str, place: str, objective: str, quick: bool) -> torch.Tensor:
    """Every network's loss over the steps that count: [network]."""
    if quick:
        rows = stored(f"conv_{place}", __file__)[objective]
        return torch.from_numpy(rows[NAMES.index(name)])
    tuned = rivals(f"conv_{place}", objective)
    rule = _learned(name) if name in LEARNED else tuned[name]
    return run(rule, place).mean_loss(OBJECTIVES[objective])


@functools.cache
def _learned(name: str):
    return load(LEARNED[name])  # once, so that ``run`` knows it again


def _still(place: str, quick: bool) -> torch.Tensor:
    """The losses before the first step: what one who never moves would keep."""
    if quick:
        return torch.from_numpy(stored(f"conv_{place}", __file__)["start"])
    return run(_learned("two LSTMs"), place).losses[0]


def ahead(
    name: str, place: str, objective: str, quick: bool, control: bool | None = None
):
    """A learned optimizer's loss over that of the best of six tuned rivals."""
    theirs = {rival: _each(rival, place, objective, quick) for rival in SIX}
    best = min(SIX, key=lambda rival: float(theirs[rival].mean()))
    ours = _still(place, quick) if control else _each(name, place, objective, quick)
    return *paired_ratio(ours, theirs[best]), best


def two_or_one(objective: str, quick: bool, control: bool | None = None):
    """Two LSTMs over one shared LSTM, trained equally long, on all labels."""
    both, one = (
        _each(name, "all", objective, quick) for name in ("two LSTMs", "one LSTM")
    )
    ours = _still("all", quick) if control else both
    return *paired_ratio(ours, one), "one LSTM"


def line_behind(quick: bool, control: bool | None = None):
    """The linear classifier's held-out accuracy less the convolutional network's.

    Three seeds: the median and the extremes. The control turns them round.
    """
    found = stored("accuracies", __file__) if quick else accuracies()
    gaps = torch.from_numpy(found["linear"] - found["conv"])  # [seed]
    gaps = -gaps if control else gaps
    return float(gaps.median()), float(gaps.min()), float(gaps.max()), "convnet"


def real_cifar(quick: bool, control: bool | None = None):
    """Two LSTMs on CIFAR-10 itself, where it has been downloaded: else None.

    Rivals keep the rates that were tuned on the stand-in.
    """
    if quick or not downloads.cached(data.CIFAR_FILE):
        return None
    rules = rivals("conv_all", "mean") | {"learned": _learned("two LSTMs")}
    means = {name: run(rule, "cifar10").mean_loss() for name, rule in rules.items()}
    best = min(SIX, key=lambda name: float(means[name].mean()))
    return *paired_ratio(means["learned"], means[best]), best


HOW = {
    "mean": "a lower mean loss over 100 steps than any of six tuned rivals",
    "last": "at steps 91 to 100 no higher loss than any of six rivals, tuned for "
    "just that",
}
NETWORKS = f"{JUDGED_ON} networks, seed 1"
WHERE = {"all": "All labels", "five": "Labels 0 to 4", "two": "Labels 0 and 1"}
CLAIMS = {
    "conv-pictures": Claim(
        "Digits on photographs: a linear classifier's held-out accuracy is at least 20 "
        "points below the convolutional network's",
        line_behind,
        -0.2,
        OWN,
        judged_on="3 seeds",
    ),
    **{
        f"conv-{place}-{objective}": Claim(
            f"{WHERE[place]}, two LSTMs: {HOW[objective]}",
            partial(ahead, "two LSTMs", place, objective),
        )
        for place in WHERE
        for objective in HOW
    },
    **{
        f"sub-{place}-{objective}": Claim(
            f"{WHERE[place]}, LSTM-sub, which met 5 to 9 only: {HOW[objective]}",
            partial(ahead, "LSTM-sub", place, objective),
        )
        for place in ("five", "two")
        for objective in HOW
    },
    **{
        f"two-or-one-{objective}": Claim(
            f"All labels, {words}: two LSTMs have a lower loss than one shared LSTM "
            "that was trained equally long",
            partial(two_or_one, objective),
        )
        for objective, words in (
            ("mean", "mean of 100 steps"),
            ("last", "steps 91 to 100"),
        )
    },
    "conv-cifar10": Claim(
        "On CIFAR-10 itself, two LSTMs: a lower mean loss over 100 steps than any of "
        "six rivals",
        real_cifar,
        judged_on=f"{NETWORKS}, once CIFAR-10 is downloaded",
    ),
}
CLAIMS = judged(NETWORKS, CLAIMS, source=PAPER)
