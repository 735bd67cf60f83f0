"""What lesson 06 claims: when cooperation helps, and when not.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; ``control`` measures something of which the claim must not hold. Quickly, what is
stored is read; in full it is computed anew.
"""

import numpy as np
import torch

from l2o_kit import store
from l2o_kit.cooperation import KINDS, build_conflict, end, settings
from l2o_kit.cooperation import row as cooperate
from l2o_kit.evaluate import paired_ratio
from l2o_kit.teamwork import SEEDS, choices, outcome
from l2o_kit.trust import trusting


def choice(name: str, setting: str, quick: bool, control: bool | None = None):
    """The loss of a setting over that of the first of its choice; seeds' extremes.

    The control is the first setting itself.
    """
    settings = list(choices()[name])
    wanted = settings[0] if control else setting
    if quick:
        losses = store.stored("teamwork")[name][..., 0]
        ours, theirs = losses[settings.index(wanted)], losses[0]
    else:
        ours, theirs = (np.array([outcome(name, s, seed)[0] for seed in range(SEEDS)])
                        for s in (wanted, settings[0]))  # fmt: skip
    ratios = ours / theirs
    return (
        np.median(ratios).item(),
        ratios.min().item(),
        ratios.max().item(),
        (settings[0]),
    )


def gain(name: str, rule: str, quick: bool, control: bool | None = None):
    """At home: the loss with lambda learned anew over another rule's.

    The control has not learned: all lambda 1 / K.
    """
    kind = KINDS[name]
    if quick:
        rows, here = (
            store.stored(f"cooperation_{name}"),
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
    rows = store.stored("conflict") if quick else build_conflict()
    without, with_them = rows["losses"].mean(2)
    ratios = (without if control else with_them) / without
    return np.median(ratios).item(), ratios.min().item(), ratios.max().item(), "without"
