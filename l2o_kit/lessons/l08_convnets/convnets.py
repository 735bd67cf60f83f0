"""The convolutional networks: three learned optimizers beside seven tuned rivals."""

import functools

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import stored
from l2o_kit.evaluate import paired_ratio
from l2o_kit.lessons.l08_convnets.places import LEARNED, NAMES, STEPS
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.standings import Standings, tensor


class ConvNets(Standings):
    """All labels, five of them, two."""

    title = "Convolutional networks: who is ahead?"
    strip = (
        {"place": "all", "measure": "steps 1 to 100", "rival": "NAG"},
        {"place": "five", "measure": "steps 1 to 100", "rival": "NAG"},
        {"place": "two", "measure": "steps 91 to 100", "rival": "RMSprop"},
    )
    learned, steps, slider = tuple(LEARNED), STEPS, "labels"
    places = {"all": "all ten", "five": "0 to 4", "two": "0 and 1"}  # noqa: RUF012
    measures = {"steps 1 to 100": "mean", "steps 91 to 100": "last"}  # noqa: RUF012

    def rows(self, place):
        """From ``stored/conv_PLACE``, the means of the curves."""
        rows = _rows(place)
        return rows | {"losses": rows["losses"][:, 0]}


@functools.cache
def _rows(place: str) -> dict:
    return stored(f"conv_{place}", __file__)


def unseen_question() -> Guess:
    """Before the panel opens: does the one that never met the labels fail on them?"""
    options = ("Ahead of the best rival", "Behind the best rival", "Too close to call")

    def truth():
        rows = _rows("five")["mean"]
        best = rows[[NAMES.index(name) for name in SIX]].mean(1).argmin()
        ours = tensor(rows[NAMES.index("LSTM-sub")])
        _, low, high = paired_ratio(ours, tensor(rows[NAMES.index(SIX[best])]))
        return options[0 if high < 1 else 1 if low > 1 else 2]

    return Guess(
        "LSTM-sub was trained on networks that tell the digits 5 to 9 apart. Now the "
        "networks learn 0 to 4, which it never met. In the mean over 100 steps, where "
        "does it stand beside the best of six tuned rivals?",
        truth=truth,
        options=options,
        because="Move the slider to <i>0 to 4</i> and read the dots on the right.",
    )
