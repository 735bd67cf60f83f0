"""Handwritten digits painted on patches of photographs: colour pictures, offline.

    picture = (1 - a m) background + a m colour

m, in [0, 1], is a digit of scikit-learn's, 8x8, enlarged, turned and shifted; a is how
opaque the paint is; the background is a patch of a photograph, and the colour stands
out from the patch's mean. The digit's place, size, angle and colours are drawn again
for each picture, so that a linear classifier is lost and a convolutional one is not.

Left out: shadows, noise, several digits.
"""

import functools
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

SIZE = 32  # pixels a side
DIGIT = (22, 28)  # pixels a side of the 8x8 digit, its margin included
SHIFT = 0.7  # of the room that a digit leaves, in both directions
TURN = math.radians(10)
OPAQUE = (0.7, 1.0)
PATCH = (32, 128)  # pixels a side, before they become SIZE
CONTRAST = 0.5  # distance in RGB of the paint from the patch's mean
COLOURS = 16  # tried for each picture; the first with that contrast is taken
Picture = Float[Tensor, "3 _height _width"]


@functools.cache
def shipped() -> dict[str, Picture]:
    """The three photographs that need no download: china, flower, grace_hopper.

    Source: scikit-learn's load_sample_images (427x640) and matplotlib's sample data
    (600x512).
    """
    from matplotlib import cbook
    from PIL import Image
    from sklearn.datasets import load_sample_image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = np.asarray(Image.open(file).convert("RGB"))
    pictures = {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    pictures["grace_hopper"] = hopper
    return {name: _as_tensor(pixels) for name, pixels in pictures.items()}


def _as_tensor(pixels) -> Picture:
    tensor = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)  # [3, h, w]
    return tensor.float().contiguous() / 255


def paint(digits: Float[Tensor, "n 64"], photographs: list, generator: torch.Generator):
    """One picture [n, 3, SIZE, SIZE] in [0, 1] for each digit."""
    n = len(digits)
    mask = place(digits, generator) * _uniform((n, 1, 1, 1), OPAQUE, generator)
    backgrounds = patches(n, photographs, generator)
    colour = contrasting(backgrounds.mean((2, 3)), generator)[:, :, None, None]
    return torch.lerp(backgrounds, colour.expand_as(backgrounds), mask)


def place(
    digits: Float[Tensor, "n 64"], generator: torch.Generator
) -> Float[Tensor, "n 1 h w"]:
    """Each digit enlarged, turned and shifted, with sharp edges: a mask in [0, 1]."""
    n = len(digits)
    side = _uniform((n,), DIGIT, generator)
    angle = _uniform((n,), (-TURN, TURN), generator)
    room = SHIFT * (1 - side / SIZE)[:, None]
    shift = room * _uniform((n, 2), (-1.0, 1.0), generator)
    scale = SIZE / side
    cos, sin = scale * angle.cos(), scale * angle.sin()
    turn = torch.stack([cos, -sin, sin, cos], 1).view(n, 2, 2)
    affine = torch.cat([turn, -turn @ shift[:, :, None]], 2)  # [n, 2, 3]
    grid = F.affine_grid(affine, [n, 1, SIZE, SIZE], align_corners=False)
    mask = F.grid_sample(digits.view(n, 1, 8, 8), grid, "bicubic", align_corners=False)
    return ((mask - 0.25) / 0.5).clamp(0, 1)


def patches(
    n: int, photographs: list, generator: torch.Generator
) -> Float[Tensor, "n 3 h w"]:
    """Square patches of photographs, anywhere in them, made SIZE pixels a side."""
    out = torch.empty(n, 3, SIZE, SIZE)
    which = torch.randint(len(photographs), (n,), generator=generator).tolist()
    sides = torch.randint(PATCH[0], PATCH[1] + 1, (n,), generator=generator).tolist()
    corners = torch.rand(n, 2, generator=generator).tolist()
    for k, (photo, side, (u, v)) in enumerate(zip(which, sides, corners, strict=True)):
        height, width = photographs[photo].shape[1:]
        top, left = int(u * (height - side)), int(v * (width - side))
        patch = photographs[photo][:, top : top + side, left : left + side]
        out[k] = F.interpolate(patch[None], (SIZE, SIZE), mode="area")[0]
    return out


def contrasting(
    means: Float[Tensor, "n 3"], generator: torch.Generator
) -> Float[Tensor, "n 3"]:
    """A random colour for each patch, at a distance of CONTRAST from its mean.

    Where none of COLOURS is so far away, the farthest.
    """
    n = len(means)
    colours = torch.rand(n, COLOURS, 3, generator=generator)
    distance = (colours - means[:, None]).norm(dim=2).clamp(max=CONTRAST)
    return colours[torch.arange(n), distance.argmax(1)]  # the first of the largest


def _uniform(shape, bounds, generator):
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator)
