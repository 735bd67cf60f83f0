"""Lesson 09: a Gram matrix, the total variation, a style term relative to the start."""

import torch

from l2o_kit.baselines import RULES
from l2o_kit.checkpoint import stored
from l2o_kit.data import stream
from l2o_kit.lessons.l09_art.places import LEARNED
from l2o_kit.teaching.answers import (
    ask,
    compare,
    exercise,
    number,
    read_off,
    tensor_like,
)


def _own_gram(maps):
    channels, height, width = maps.shape
    flat = maps.reshape(channels, -1)
    return flat @ flat.T / (height * width)


@exercise(_own_gram, "where a pattern is does not matter to it, only that it is there.")
def gram_matrix(answer):
    """Maps [channels, height, width] to [channels, channels]."""
    maps = torch.rand(3, 4, 5, generator=stream(0, "gram"))
    right = _own_gram(maps)
    value = tensor_like(ask(answer, maps), right, "one number for each pair of maps.")
    centred = maps - maps.mean((1, 2), keepdim=True)
    compare(
        value,
        right,
        {
            "Nearly: divide by the number of pixels, height times width. Else a larger "
            "picture has a larger Gram matrix, and no style fits it.": right * 20,
            "You divide by the number of channels. Divide by the number of "
            "pixels.": right * 20 / 3,
            "You divide by channels times pixels. Divide by the number of pixels "
            "alone.": right * 20 / 60,
            "You subtract the means, as for a covariance. A Gram matrix keeps them: "
            "how much there is of a pattern belongs to the style.": _own_gram(centred),
        },
        f"For random maps yours begins with {float(value[0, 0]):.4f}, "
        f"{float(value[0, 1]):.4f}, expected {float(right[0, 0]):.4f}, "
        f"{float(right[0, 1]):.4f}: the mean over the pixels of map i times map j.",
    )


def _own_variation(image):
    down = (image[:, 1:] - image[:, :-1]).abs().mean()
    across = (image[:, :, 1:] - image[:, :, :-1]).abs().mean()
    return down + across


@exercise(_own_variation, "noise has much of it, flat colour none.")
def variation(answer):
    """A picture [3, height, width] to one number."""
    image = torch.rand(3, 5, 7, generator=stream(0, "variation"))
    right = float(_own_variation(image))
    value = number(ask(answer, image))
    down = (image[:, 1:] - image[:, :-1]).abs()
    across = (image[:, :, 1:] - image[:, :, :-1]).abs()
    colours = (image[1:] - image[:-1]).abs()
    compare(
        value,
        right,
        {
            "Those are the neighbours above and below. Add those to the left and "
            "right.": down.mean(),
            "Those are the neighbours to the left and right. Add those above and "
            "below.": across.mean(),
            "Nearly: take means, not sums, so that a larger picture does not have more "
            "of it.": down.sum() + across.sum(),
            "You square the differences. Take absolute values: a sharp edge then costs "
            "no more than a slow ramp.": down.square().mean() + across.square().mean(),
            "You halve it: add the two means.": right / 2,
            "You take one mean over all differences. Take one for each direction, and "
            "add the two.": torch.cat([down.flatten(), across.flatten()]).mean(),
            "Up and down cancel: take absolute values before the mean.": (
                image[:, 1:] - image[:, :-1]
            ).mean()
            + (image[:, :, 1:] - image[:, :, :-1]).mean(),
            "Dimension 0 holds the colours: red is no neighbour of green. Use "
            "dimensions 1 and 2.": colours.mean() + down.mean(),
            "Dimension 0 holds the colours: red is no neighbour of green. Use "
            "dimensions 1 and 2 only.": colours.mean() + down.mean() + across.mean(),
        },
        f"For a random picture yours gives {value:.4f}, expected {right:.4f}.",
    )


def _own_style(gram, start, goal):
    return (gram - goal).square().sum() / (start - goal).square().sum()


@exercise(_own_style, "1 where nothing was painted yet, 0 where the style is met.")
def style_term(answer):
    """Gram matrices [c, c] of the picture, the start and the style to one number."""
    draw = stream(4, "style")  # by each slip another number, 2 % apart or more
    gram, start, goal = (torch.rand(3, 3, generator=draw) for _ in range(3))
    value = number(ask(answer, gram, start, goal))
    right = float(_own_style(gram, start, goal))
    compare(
        value,
        right,
        {
            "Nearly: divide by the same distance of the start, so that every picture "
            "begins at 1.": (gram - goal).square().sum(),
            "That is how far it has gone from the start. What counts is how far the "
            ""
            ""
            "style still is.": (gram - start).square().sum()
            / (start - goal).square().sum(),
            "You divide by the size of the style's Gram matrix. Divide by the distance "
            "of the start.": (gram - goal).square().sum() / goal.square().sum(),
            "You divide by the size of the start's Gram matrix. Divide by the distance "
            "from start to goal.": (gram - goal).square().sum() / start.square().sum(),
            "You add up absolute differences. A squared distance adds up squares.": (
                gram - goal
            )
            .abs()
            .sum()
            / (start - goal).abs().sum(),
            "You take the root: the term is a ratio of squared distances.": (
                gram - goal
            ).norm()
            / (start - goal).norm(),
            "Turned round: yours grows as the style comes nearer.": (start - goal)
            .square()
            .sum()
            / (gram - goal).square().sum(),
        },
        f"For random matrices yours gives {value:.4f}, expected {right:.4f}.",
    )


def _left(name: str, step: int = 16) -> float:
    """The share of the first loss that a rule has left after so many steps, 64x64."""
    losses = stored("gallery_home", __file__)["losses"].astype(float).mean(2)
    names = (*LEARNED, *RULES)
    return float(losses[names.index(name), step] / losses[0, 0])


def _own_left() -> float:
    return _left("learned")


@exercise(_own_left, "an eighth of the steps does most of the work.")
def share_left(answer):
    """The share of the loss that the learned optimizer has left after 16 steps."""
    share = _own_left()
    read_off(
        answer,
        share,
        0.2,
        "Place 64x64. Go up from step 16 to the solid curve, and left to the axis.",
        {
            "That is the share that is gone. Asked is what is left.": 1 - share,
            "That is per cent. A share is at most 1: divide by 100.": 100 * share,
            "That is at the end, after 128 steps.": _left("learned", 128),
            "So much has Adam left. Read the solid curve.": _left("Adam"),
            "So much has SGD left, the rival that is shown at first.": _left("SGD"),
            "That is *before*, the dashed curve: the optimizer before it saw a "
            "picture.": _left("before"),
        },
    )
