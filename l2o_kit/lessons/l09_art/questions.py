"""What is asked before the panels that paint, and the measured answers."""

import functools

import torch

from l2o_kit.baselines import RULES
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l09_art import features, photographs, places, styles
from l2o_kit.lessons.l09_art.paint import CONTENTS
from l2o_kit.teaching.guess import Guess


def finished_question() -> Guess:
    """Before the first painting of lesson 09: when is it where Adam ends?"""

    def truth():
        losses = (
            stored("gallery_home", __file__)["losses"].astype(float).mean(2)
        )  # [rule, step]
        adam = losses[len(places.LEARNED) + list(RULES).index("Adam")]
        return int((losses[0] <= adam[-1]).argmax())

    return Guess(
        "Adam paints for 128 steps, at its best rate. After how many steps does the "
        "learned optimizer reach the loss that Adam ends with? (In the mean of sixteen "
        "pictures at 64x64.)",
        truth=truth,
        because="Can you see the difference between that step and the last?",
    )


def swapped_question() -> Guess:
    """Before one's own picture is painted: does a style know where things are?"""
    options = ("Less than 10 %", "10 to 50 %", "More than 50 %")

    def truth():
        change = _swapped()
        return options[0 if change < 0.1 else 1 if change < 0.5 else 2]

    return Guess(
        "Cut a portrait in four and swap its quarters crosswise. How far does its Gram "
        "matrix move? (Measured by how far away that of the flower photograph is.)",
        truth=truth,
        options=options,
        because="Only patterns at the cuts are new. So a face that lends its style "
        "gives its colours and textures, and not the face.",
    )


@functools.cache
@torch.no_grad()
def _swapped() -> float:
    """The distance from portrait to swapped, over that from portrait to flower."""
    size = styles.SIZE
    portrait, flower = (
        photographs.square(photographs.regions("test")[CONTENTS.index(name)], size)
        for name in ("grace_hopper", "flower")
    )
    swapped = portrait.roll((size // 2, size // 2), (1, 2))
    maps, _ = features.RandomFilters()(torch.stack([portrait, swapped, flower]))
    mine, moved, other = features.gram(maps[0])
    return float((moved - mine).norm() / (other - mine).norm())
