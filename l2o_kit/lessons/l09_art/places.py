"""The places of lesson 09: at home, at four times the pixels, in styles never met.

At every place each rival is tuned again, on contents from the validation regions, and
all are judged on contents from the test regions; the learned optimizer is as it was
meta-trained, at home, on the training regions.

    home    64x64, mosaic and waves
    large   128x128, mosaic and waves
    new     64x64, brush strokes, dots and the photograph of a flower
"""

import functools
import math
from functools import partial

import numpy as np

from l2o_kit.baselines import GRID, RULES, Baseline, tune
from l2o_kit.checkpoint import from_config, load
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l09_art import styles
from l2o_kit.lessons.l09_art.art import StyleTransfer

STEPS = 128
PLACES = {"home": {}, "large": {"size": 128}, "new": {"style": styles.NEW}}
TUNED_ON = {"home": 4, "large": 2, "new": 4}  # pictures
JUDGED_ON, WORST = 16, 9.0  # pictures; a loss far above that of step 0, which is 1
LEARNED, BEGUN = ("learned", "before"), "digits_robust"  # before it saw a picture


def place(name: str, content: str = "test") -> StyleTransfer:
    """What is painted at a place, with contents from a split."""
    if name not in PLACES:
        raise ValueError(f"place={name!r} is not known. Use one of {list(PLACES)}.")
    return StyleTransfer(content=content, **PLACES[name])


def score(task: StyleTransfer, batch: int, rival: Baseline) -> float:
    """The mean loss of a rival on the tuning pictures; infinite where it diverges."""
    curves = optimize(rival, task, steps=STEPS, batch=batch, purpose="tuning")
    value = float(curves.mean_loss().mean())
    return value if math.isfinite(value) else math.inf


def rival(name: str, lr: float = GRID[0]) -> Baseline:
    """A rival at a rate; the cosine falls over the horizon."""
    return Baseline(name, float(lr), STEPS if name == "Adam + cosine" else None)


def tuned(where: str, name: str) -> Baseline:
    """A rival at its best rate for a place, found on the validation regions."""
    return tune(
        rival(name), partial(score, place(where, "validation"), TUNED_ON[where])
    )


@functools.cache
def learned() -> dict:
    """The optimizer of the lesson, and the one that its meta-training began with."""
    painter = load("neural_art")
    begun = from_config(painter.config)
    begun.load_state_dict(load(BEGUN).state_dict())
    return dict(zip(LEARNED, (painter, begun), strict=True))


def losses(where: str, rule) -> np.ndarray:
    """[STEPS + 1, picture], float32: every loss on the place's test pictures.

    What diverges has WORST from there on.
    """
    curves = optimize(rule, place(where), steps=STEPS, batch=JUDGED_ON)
    return curves.losses.nan_to_num(WORST).clamp(max=WORST).numpy()


def build(where: str) -> dict:
    """rates [rule], tuned at a place; losses [learned..., rule, step, picture]."""
    rivals = [tuned(where, name) for name in RULES]
    rules = [*learned().values(), *rivals]
    return {
        "rates": np.array([one.lr for one in rivals]),
        "losses": np.stack([losses(where, rule) for rule in rules]),
    }


BUILDERS = {**{f"gallery_{place}": partial(build, place) for place in PLACES}}
