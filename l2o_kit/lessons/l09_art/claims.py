"""What lesson 09 claims: painting at home, larger, and in styles never met.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; the control, in the learned one's place, is an optimizer that never moves.
Quickly, what is stored is read; in full all pictures are painted again.
"""

import functools
from functools import partial

import torch

from l2o_kit.baselines import RULES, SIX
from l2o_kit.checkpoint import stored
from l2o_kit.evaluate import last_tenth_of, paired_ratio
from l2o_kit.lessons.l09_art import places
from l2o_kit.teaching.claim import Claim, judged

PAPER = "Andrychowicz et al. 2016, section 3.4"
LAST = last_tenth_of(places.STEPS)


@functools.cache
def _losses(name: str, where: str, quick: bool) -> torch.Tensor:
    """[step, picture]: what a learned optimizer or a rival reaches at a place."""
    rows = stored(f"gallery_{where}", __file__)
    if quick:
        names = [*places.LEARNED, *RULES]
        return torch.from_numpy(rows["losses"][names.index(name)])
    if name in places.LEARNED:
        return torch.from_numpy(places.losses(where, places.learned()[name]))
    rate = rows["rates"][list(RULES).index(name)]
    return torch.from_numpy(places.losses(where, places.rival(name, rate)))


def _each(name: str, where: str, first: int, quick: bool) -> torch.Tensor:
    """Every picture's mean loss from step ``first`` on: [picture]."""
    return _losses(name, where, quick)[first:].mean(0)


def ahead(
    where: str,
    others: tuple[str, ...],
    first: int,
    quick: bool,
    control: bool | None = None,
):
    """The learned optimizer's loss over that of the best of some others."""
    theirs = {name: _each(name, where, first, quick) for name in others}
    best = min(others, key=lambda name: float(theirs[name].mean()))
    still = _losses("learned", where, quick)[0]
    ours = still if control else _each("learned", where, first, quick)
    return *paired_ratio(ours, theirs[best]), best


SIXTY_FOUR, LARGE = "64x64, contents never met", "128x128"
NEW = "Brush strokes, dots and a flower, styles never met"
PICTURES = f"{places.JUDGED_ON} pictures, seed 0"
MEAN, ADAM = "a lower mean loss over 128 steps than", ("Adam",)
CLAIMS = {
    "art-home": Claim(
        f"{SIXTY_FOUR}: {MEAN} any of six tuned rivals", partial(ahead, "home", SIX, 1)
    ),
    "art-home-last": Claim(
        f"{SIXTY_FOUR}, steps {LAST} to 128: a lower loss than any of the same rivals",
        partial(ahead, "home", SIX, LAST),
    ),
    "art-large": Claim(f"{LARGE}: {MEAN} tuned Adam", partial(ahead, "large", ADAM, 1)),
    "art-large-six": Claim(
        f"{LARGE}: {MEAN} any of six tuned rivals", partial(ahead, "large", SIX, 1)
    ),
    "art-new": Claim(f"{NEW}: {MEAN} tuned Adam", partial(ahead, "new", ADAM, 1)),
    "art-new-six": Claim(
        f"{NEW}: {MEAN} any of six tuned rivals", partial(ahead, "new", SIX, 1)
    ),
    "art-trained": Claim(
        f"{SIXTY_FOUR}: {MEAN} the optimizer of lesson 05 that its meta-training began "
        "with",
        partial(ahead, "home", ("before",), 1),
        1.0,
        "design of the lesson",
    ),
}
CLAIMS = judged(PICTURES, CLAIMS, source=PAPER)
