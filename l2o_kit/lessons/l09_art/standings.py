"""Neural art: the learned optimizer beside seven tuned rivals, at home and away."""

import functools

import numpy as np

from l2o_kit.baselines import RULES
from l2o_kit.checkpoint import stored
from l2o_kit.evaluate import last_tenth_of
from l2o_kit.lessons.l09_art.places import LEARNED, PLACES, STEPS
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.standings import Standings

LAST = last_tenth_of(STEPS)


class ArtRace(Standings):
    """At home, at four times the pixels, in styles never met."""

    title = "Neural art: who is ahead?"
    strip = tuple(
        {"place": place, "rival": "Adam"} for place in ("home", "large", "new")
    )
    learned, steps, slider = LEARNED, STEPS, "place"
    places = {  # noqa: RUF012
        "home": "64x64",
        "large": "128x128",
        "new": "new styles",
    }
    measures = {"all steps": "mean", "the last tenth": "last"}  # noqa: RUF012
    vertical = {"ylim": (0.03, 1.5), "yscale": "log"}  # noqa: RUF012
    ticks = (0.05, 0.1, 0.2, 0.5, 1)

    def rows(self, place):
        """The losses of each rule, and their means for each picture."""
        losses = _losses(place)
        return {
            "losses": losses.mean(2),
            "mean": losses[:, 1:].mean(1),
            "last": losses[:, LAST:].mean(1),
        }


@functools.cache
def _losses(place: str) -> np.ndarray:
    """[rule, step, picture], from ``stored/gallery_PLACE``."""
    return stored(f"gallery_{place}", __file__)["losses"].astype(float)


def larger_question() -> Guess:
    """Before the panel opens: four times the pixels; is it still ahead of Adam?"""
    options = (
        "Further ahead",
        "As far ahead, within 0.05",
        "Less far ahead, or behind",
    )

    def truth():
        ahead = []
        for place in list(PLACES)[:2]:
            means = _losses(place)[:, 1:].mean((1, 2))
            ahead.append(means[0] / means[len(LEARNED) + list(RULES).index("Adam")])
        change = ahead[1] - ahead[0]
        return options[1 if abs(change) <= 0.05 else 0 if change < 0 else 2]

    return Guess(
        "It was trained on pictures of 64x64. At 128x128 there are four times as many "
        "coordinates. Adam is tuned anew there. Take the ratio of their mean losses, "
        "learned to Adam: how does it change?",
        truth=truth,
        options=options,
        because="Move the slider of the place, and compare the ratios.",
    )
