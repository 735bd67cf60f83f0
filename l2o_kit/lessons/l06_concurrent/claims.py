"""What lesson 06 claims: when cooperation helps, and when not.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold. Quickly, what is
stored is read; in full it is computed again.
"""

from functools import partial

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
from l2o_kit.teaching.claim import EXTENSION, OWN, Claim, judged
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
CLAIMS = {
    "team-softmax": Claim(
        "Noise 0.5, 1, 2, 3, clean target: softmax ends at most at 0.8 times the loss "
        "of source 0 alone",
        partial(choice, "ways to combine", "softmax"),
        0.8,
    ),
    "team-concat": Claim(
        "The same for concat", partial(choice, "ways to combine", "concat"), 0.8
    ),
    "team-nine": Claim(
        "Nine sources of noise 1, averaged: at most a fifth of the loss of one",
        partial(choice, "noisy sources", "9"),
        0.2,
        OWN,
    ),
    "team-subsets": Claim(
        "Three subsets of 60 digits: at most half the loss on all data of one",
        partial(choice, "subsets", "3"),
        0.5,
        judged_on=EIGHT,
    ),
    "team-activations": Claim(
        "Tanh, ReLU and SiLU as sources beside the sigmoid, lambda learned: a lower "
        "loss of the sigmoid network",
        partial(choice, "activations", "all, lambda"),
        0.99,
        judged_on=EIGHT,
    ),
    "team-losses": Claim(
        "Absolute and smooth losses as sources beside the squared one, lambda learned: "
        "a lower squared loss",
        partial(choice, "losses", "all, lambda"),
        0.99,
        judged_on=f"{SEEDS} seeds, 16 networks each",
    ),
    **{
        f"gain-{kind}": Claim(
            f"{words}, clean target: with lambda learned at most half the loss of "
            "tuned Adam on the average",
            partial(gain, kind, "adam"),
            0.5,
            OWN,
            judged_on=f"{KINDS[kind].judged_on} problems, seed 1",
        )
        for kind, words in (
            ("noise", "Noise 0.5, 1, 2, 3"),
            ("rotation", "Rotations 0, 20, 45"),
            ("poison", "Poison 0, 0.2, 0.5, 0.8"),
        )
    },
    "gain-second": Claim(
        "Rotations 20, 20, 180: lambda learned with second derivatives leads to a "
        "lower loss than without",
        second,
        0.99,
        OWN,
        judged_on=f"{CONFLICT_SEEDS} seeds, 8 networks each",
    ),
}
CLAIMS = judged(f"{SEEDS} seeds, 128 problems each", CLAIMS, source=EXTENSION)
