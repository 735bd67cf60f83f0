"""What lesson 06 claims: when cooperation helps, and when not.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold. Quickly, what is
stored is read; in full it is computed again.
"""

import numpy as np
import torch

from l2o_kit import checkpoint
from l2o_kit.evaluate import paired_ratio
from l2o_kit.lessons.l06_concurrent.cooperation import (
    CONFLICT_SEEDS,
    build_conflict,
    end,
    settings,
)
from l2o_kit.lessons.l06_concurrent.cooperation import row as cooperate
from l2o_kit.lessons.l06_concurrent.teamwork import SEEDS, choices, outcome
from l2o_kit.teaching.claim import EXTENSION, OWN, claim
from l2o_kit.trust import KINDS, trusting


def choice(name: str, setting: str, quick: bool, control: bool | None = None):
    """The loss of a setting over that of the first of its choice; seeds' extremes.

    The control is the first setting itself.
    """
    settings = list(choices()[name])
    wanted = settings[0] if control else setting
    if quick:
        losses = checkpoint.stored("teamwork", __file__)[name][..., 0]
        ours, theirs = losses[settings.index(wanted)], losses[0]
    else:
        ours, theirs = (
            np.array([outcome(name, s, seed)[0] for seed in range(SEEDS)])
            for s in (wanted, settings[0])
        )
    ratios = ours / theirs
    return (
        np.median(ratios).item(),
        ratios.min().item(),
        ratios.max().item(),
        (settings[0]),
    )


def gain(name: str, rule: str, quick: bool, control: bool | None = None):
    """At home: the loss with lambda learned again over another rule's.

    The control has not learned: all lambda 1 / K.
    """
    kind = KINDS[name]
    if quick:
        rows, here = (
            checkpoint.stored(f"cooperation_{name}", __file__),
            settings(kind).index(kind.home),
        )
        rows = {key: rows[key][here] for key in ("anew", "average", "adam")}
    else:
        rows = cooperate(kind, kind.home)
    ours = rows["anew"]
    if control:
        untrained = trusting(kind.frozen, len(kind.home))
        ours = end(untrained, kind.make(kind.home), kind.judged_on)
    ratio = paired_ratio(torch.from_numpy(ours), torch.from_numpy(rows[rule]))
    return *ratio, {"adam": "Adam"}.get(rule, rule)


def second(quick: bool, control: bool | None = None):
    """In conflict: the loss with second derivatives over that without; seeds' extremes.

    The control has no second derivatives either.
    """
    rows = checkpoint.stored("conflict", __file__) if quick else build_conflict()
    without, with_them = rows["losses"].mean(2)
    ratios = (without if control else with_them) / without
    return np.median(ratios).item(), ratios.min().item(), ratios.max().item(), "without"


EIGHT = f"{SEEDS} seeds, 8 networks each"
CLAIMS = (
    claim(
        "team-softmax",
        "06",
        "Noise 0.5, 1, 2, 3, clean target: softmax ends at most at 0.8 times the loss "
        "of source 0 alone",
        EXTENSION,
        0.8,
        choice,
        "ways to combine",
        "softmax",
        judged_on=f"{SEEDS} seeds, 128 problems each",
    ),
    claim(
        "team-concat",
        "06",
        "The same for concat",
        EXTENSION,
        0.8,
        choice,
        "ways to combine",
        "concat",
        judged_on=f"{SEEDS} seeds, 128 problems each",
    ),
    claim(
        "team-nine",
        "06",
        "Nine sources of noise 1, averaged: at most a fifth of the loss of one",
        OWN,
        0.2,
        choice,
        "noisy sources",
        "9",
        judged_on=f"{SEEDS} seeds, 128 problems each",
    ),
    claim(
        "team-subsets",
        "06",
        "Three subsets of 60 digits: at most half the loss on all data of one",
        EXTENSION,
        0.5,
        choice,
        "subsets",
        "3",
        judged_on=EIGHT,
    ),
    claim(
        "team-activations",
        "06",
        "Tanh, ReLU and SiLU as sources beside the sigmoid, lambda learned: a lower "
        "loss of the sigmoid network",
        EXTENSION,
        0.99,
        choice,
        "activations",
        "all, lambda",
        judged_on=EIGHT,
    ),
    claim(
        "team-losses",
        "06",
        "Absolute and smooth losses as sources beside the squared one, lambda learned: "
        "a lower squared loss",
        EXTENSION,
        0.99,
        choice,
        "losses",
        "all, lambda",
        judged_on=f"{SEEDS} seeds, 16 networks each",
    ),
    *(
        claim(
            f"gain-{kind}",
            "06",
            f"{words}, clean target: with lambda learned at most half the loss of "
            "tuned Adam on the average",
            OWN,
            0.5,
            gain,
            kind,
            "adam",
            judged_on=f"{KINDS[kind].judged_on} problems, seed 1",
        )
        for kind, words in (
            ("noise", "Noise 0.5, 1, 2, 3"),
            ("rotation", "Rotations 0, 20, 45"),
            ("poison", "Poison 0, 0.2, 0.5, 0.8"),
        )
    ),
    claim(
        "gain-second",
        "06",
        "Rotations 20, 20, 180: lambda learned with second derivatives leads to a "
        "lower loss than without",
        OWN,
        0.99,
        second,
        judged_on=f"{CONFLICT_SEEDS} seeds, 8 networks each",
    ),
)
