"""Styles for neural art, made by the kit: a mosaic, waves, brush strokes.

Every style is a picture [3, size, size], its numbers in [0, 1], drawn with a few flat
colours:

    mosaic   stained glass: the cells of random points (Voronoi), black between them
    waves    stripes across a field that bends: colour = floor(phase(x, y))
    brush    short strokes, one painted over the other, along a slowly turning field
    dots     discs on a grid that is turned, in two colours on a third

The pictures of ``photographs.shipped()`` are styles too, by name.

Source: Voronoi 1908, for the cells; the rest is made up here.
Left out: styles under copyright, which is most of modern painting.
"""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from l2o_kit import photodigits
from l2o_kit.lessons.l09_art import photographs

Picture = Float[Tensor, "3 _height _width"]
SIZE = 192  # pixels: enough cells and strokes for a Gram matrix to settle

PALETTES = {
    "glass": ("#c0392b", "#f1c40f", "#1f5fa8", "#27824a", "#f4ead5"),
    "sea": ("#0b2a4a", "#1f6f9f", "#7fc4d6", "#f6f1de", "#e2953b"),
    "field": ("#3b2a1a", "#8a5a22", "#d9a441", "#f3e3b3", "#4c6b3c"),
    "night": ("#1b1340", "#5b2a86", "#d6336c", "#ffb703", "#f8f0fa"),
    "ink": ("#101418", "#3a4651", "#8d99a6", "#d9dfe4", "#fbfaf5"),
}


def mosaic(
    size: int,
    generator: torch.Generator,
    palette: str = "glass",
    *,
    cell: float = 20.0,
    border: float = 1.6,
) -> Picture:
    """Stained glass: cells of ``cell`` pixels, black lines of 2 ``border`` pixels."""
    count = max(4, round((size / cell) ** 2))
    points = torch.rand(count, 2, generator=generator) * size
    near = torch.cdist(_pixels(size), points).topk(2, largest=False)
    which = torch.randint(5, (count,), generator=generator)
    colours = _colours(palette)[which[near.indices[:, 0]]]  # [pixels, 3]
    # how far from the line where both points are equally near, in pixels
    apart = (points[near.indices[:, 0]] - points[near.indices[:, 1]]).norm(dim=1)
    line = near.values.square().diff(dim=1)[:, 0] / (2 * apart)
    return _picture(colours * (line - border).clamp(0, 1)[:, None], size)


def waves(
    size: int, generator: torch.Generator, palette: str = "sea", *, width: float = 6.0
) -> Picture:
    """Stripes ``width`` pixels wide that bend as water does."""
    y, x = _pixels(size).T
    angle = torch.rand((), generator=generator) * math.pi
    along = x * angle.cos() + y * angle.sin()
    phase = along + 7 * _field(size, 90.0, generator)
    return _stripes(phase / width, palette, size)


def brush(
    size: int,
    generator: torch.Generator,
    palette: str = "field",
    *,
    length: float = 22.0,
    width: float = 5.0,
) -> Picture:
    """Strokes of ``length`` x ``width`` pixels, painted one over the other."""
    count = round(6 * size**2 / (length * width))
    centre = torch.rand(count, 2, generator=generator) * size
    angle = _field(size, 90.0, generator).view(size, size)
    rows, columns = centre.long().T
    angle = 2 * angle[rows, columns] + 0.3 * torch.randn(count, generator=generator)
    colours = _colours(palette)[torch.randint(5, (count,), generator=generator)]
    light = 1 + 0.1 * torch.randn(count, 1, generator=generator)
    canvas = _colours(palette)[0].repeat(size, size, 1)  # [size, size, 3]
    places = _pixels(size).view(size, size, 2)
    for k in range(count):
        near = tuple(
            slice(max(0, int(c - length / 2)), int(c + length / 2) + 2)
            for c in centre[k]
        )
        y, x = (places[near] - centre[k]).unbind(2)
        along = x * angle[k].cos() + y * angle[k].sin()
        across = y * angle[k].cos() - x * angle[k].sin()
        inside = (along / length * 2) ** 2 + (across / width * 2) ** 2 < 1
        bristles = 1 + 0.12 * (across[inside] * 2.5 + k).sin()
        canvas[near][inside] = colours[k] * light[k] * bristles[:, None]
    return canvas.clamp(0, 1).permute(2, 0, 1).contiguous()


def dots(
    size: int, generator: torch.Generator, palette: str = "night", *, step: float = 11.0
) -> Picture:
    """Discs on a turned grid, ``step`` pixels from one to the next, as in old print."""
    y, x = _pixels(size).T
    angle = torch.rand((), generator=generator) * math.pi / 2
    u = (x * angle.cos() + y * angle.sin()) / step
    v = (y * angle.cos() - x * angle.sin()) / step
    radius = 0.33 + 0.12 * _field(size, 50.0, generator)
    inside = (u - u.round()) ** 2 + (v - v.round()) ** 2 < radius**2
    which = torch.where((u.round() + v.round()) % 2 == 0, 3, 2)
    colours = torch.where(
        inside[:, None], _colours(palette)[which], _colours(palette)[0]
    )
    return _picture(colours, size)


MAKERS = {"mosaic": mosaic, "waves": waves, "brush": brush, "dots": dots}
# What an optimizer is meta-trained on, and what it has never met.
KNOWN = ("mosaic", "waves")
NEW = ("brush", "dots", "flower")


def names() -> list[str]:
    """Every style that ``style`` knows by name."""
    return [*MAKERS, *photodigits.shipped()]


@functools.cache
def style(name: str, size: int = SIZE, seed: int = 0) -> Picture:
    """A style by its name: made with this seed, or a shipped photograph's middle.

    >>> style("mosaic", 64).shape
    torch.Size([3, 64, 64])
    """
    if name in MAKERS:
        _check_size(size)
        return MAKERS[name](size, torch.Generator().manual_seed(seed))
    if name in photodigits.shipped():
        return photographs.square(photodigits.shipped()[name], size)
    raise ValueError(f"style={name!r} is not known. Use one of {names()}.")


def _check_size(size):
    if size < 16:
        raise ValueError(f"size={size}: a style needs at least 16 pixels a side.")


def _stripes(phase, palette, size) -> Picture:
    """Bands of the palette's colours along the phase, their edges one pixel soft."""
    colours, index = _colours(palette), phase.floor()
    blend = ((phase - index) * 6).clamp(0, 1)[:, None]  # the edge is a sixth of it
    here, before = index.long() % 5, (index.long() - 1) % 5
    return _picture(colours[before] * (1 - blend) + colours[here] * blend, size)


def _field(size: int, scale: float, generator) -> Float[Tensor, "pixels"]:
    """A smooth random function of place, about -1 to 1: waves of ``scale`` pixels."""
    direction = torch.randn(6, 2, generator=generator) * 2 * math.pi / scale
    shift = torch.rand(6, generator=generator) * 2 * math.pi
    return (_pixels(size) @ direction.T + shift).sin().mean(1) * 6**0.5


@functools.cache
def _pixels(size: int) -> Float[Tensor, "pixels 2"]:
    """(y, x) of every pixel, row after row."""
    line = torch.arange(size, dtype=torch.float32)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).view(-1, 2)


def _colours(palette: str) -> Float[Tensor, "5 3"]:
    """The five colours of a palette."""
    if palette not in PALETTES:
        raise ValueError(
            f"palette={palette!r} is not known. Use one of {list(PALETTES)}."
        )
    rows = [bytes.fromhex(colour[1:]) for colour in PALETTES[palette]]
    return torch.tensor([list(row) for row in rows]) / 255


def _picture(colours: Float[Tensor, "pixels 3"], size: int) -> Picture:
    return colours.view(size, size, 3).permute(2, 0, 1).contiguous()
