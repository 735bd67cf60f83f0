"""Photographs: those that ship with scikit-learn and matplotlib, and a student's own.

A picture here is a float tensor [3, height, width], its numbers in [0, 1].

The shipped photographs are cut into regions that share no pixel, for training, for
tuning, and for judging::

    crop("train", 64, generator)      a random square of a training region, 64x64
    square(picture, 64)               the middle square of any picture, 64x64
    open_picture("holiday.jpg")       upright, in colour, small enough to work with

Left out: colour profiles (all is read as sRGB); HEIC, which Pillow cannot read.
"""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from l2o_kit.photodigits import Picture, _as_tensor, shipped

# Pixels of a file that is opened: a few hundred megabytes while it is decoded.
MOST_PIXELS = 64_000_000
LEAST_SIDE = 16  # pixels, after it is made smaller
# Pillow reads more, and for some of it (EPS) starts another program.
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")

# top, left, bottom, right, in pixels; the judged regions hold what reads at a glance:
# the pagoda's roofs, most of the flower, the face
REGIONS = {
    "train": (
        ("china", (247, 180, 427, 360)),
        ("china", (0, 360, 427, 640)),
        ("flower", (0, 0, 427, 250)),
        ("grace_hopper", (330, 0, 600, 512)),
    ),
    "validation": (
        ("china", (247, 0, 427, 180)),
        ("flower", (247, 250, 427, 640)),
        ("grace_hopper", (0, 0, 330, 150)),
    ),
    "test": (
        ("china", (0, 0, 247, 360)),
        ("flower", (0, 250, 247, 640)),
        ("grace_hopper", (0, 150, 330, 512)),
    ),
}


def regions(split: str) -> list[Picture]:
    """The parts of the shipped photographs that belong to a split.

    split is "train", "validation" or "test"; no pixel is in two of them.
    """
    if split not in REGIONS:
        raise ValueError(f"split={split!r} is not known. Use one of {list(REGIONS)}.")
    return [
        shipped()[name][:, top:bottom, left:right]
        for name, (top, left, bottom, right) in REGIONS[split]
    ]


def crop(split: str, size: int, generator: torch.Generator) -> Picture:
    """A random square of a random region, [3, size, size]; it stays in its region.

    Its side is 0.6 to 1 times the region's shorter one, so that it shows something.
    """

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    choices = regions(split)
    region = choices[draw(0, len(choices) - 1)]
    height, width = region.shape[1:]
    most = min(height, width)
    side = draw(round(0.6 * most), most)
    top, left = draw(0, height - side), draw(0, width - side)
    return resize(region[:, top : top + side, left : left + side], size, size)


def square(picture: Picture, size: int) -> Picture:
    """The middle square of a picture, made [3, size, size].

    >>> square(torch.zeros(3, 40, 60), 20).shape
    torch.Size([3, 20, 20])
    """
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(picture[:, top : top + side, left : left + side], size, size)


def resize(picture: Picture, height: int, width: int) -> Picture:
    """A picture of another size, each pixel the mean of what it covers."""
    for name, value in (("height", height), ("width", width)):
        if value < 1:
            raise ValueError(f"{name}={value}: a picture has at least 1 pixel a side.")
    return F.interpolate(
        picture[None], (height, width), mode="bilinear", antialias=True
    )[0].clamp(0, 1)


def open_picture(
    source: str | Path | bytes | bytearray | memoryview, longest: int = 128
) -> Picture:
    """A student's own picture, from a file's name or its bytes.

    It is turned upright as its camera noted (EXIF), made at most ``longest`` pixels on
    its longer side (never larger), put on white where it is transparent, and of an
    animation it is the first frame. JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF, PPM.

    Raises FileNotFoundError, and ValueError for what is no picture, is cut off, has
    more than 64 million pixels, or ends up thinner than 16 pixels.
    """
    if longest < LEAST_SIDE:
        raise ValueError(f"longest={longest}: give at least {LEAST_SIDE} pixels.")
    name, file = _open_file(source)
    with file, warnings.catch_warnings():
        # what matters of Pillow's warnings is an error here, with its own words
        warnings.simplefilter("ignore")
        return _as_tensor(_decode(file, name, longest))


def _open_file(source):
    """(a name for messages, a file that can be read)."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "This picture", io.BytesIO(source)
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"{path.name} is a folder. Give the name of a picture in it.")
    if not path.exists():
        raise FileNotFoundError(
            f"There is no file {str(source)!r}. Check its name and its folder; the "
            f"notebook looks in {Path.cwd().name!r}."
        )
    return path.name, path.open("rb")


def _decode(file, name: str, longest: int):
    """Pillow's work, and what it finds wrong, in the words of who made the picture."""
    from PIL import Image, UnidentifiedImageError

    Image.init()
    try:
        image = Image.open(file, formats=[f for f in FORMATS if f in Image.OPEN])
    except Image.DecompressionBombError:
        raise ValueError(_too_large(name, "more than 178")) from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name} is no picture that can be read here. Save it as JPEG or PNG (a "
            "telephone's HEIC too), and try again."
        ) from None
    except Exception as error:  # of a damaged file Pillow raises whatever it meets
        raise ValueError(_broken(name, error)) from None
    _check_size(image, name, longest)
    try:
        image = _small_rgb(image, longest)
    except Exception as error:
        raise ValueError(_broken(name, error)) from None
    return np.asarray(image)


def _check_size(image, name: str, longest: int):
    """Refuse what is too large or too thin, from the header alone."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ValueError(
            _too_large(name, f"{width} x {height} = {width * height / 1e6:.0f}")
        )
    scale = min(1, longest / max(width, height))
    if min(width, height) * scale < LEAST_SIDE:
        raise ValueError(
            f"{name} is {width} x {height} pixels: made to fit {longest}, its shorter "
            f"side is below {LEAST_SIDE}. Crop it to a less narrow part, or take a "
            "larger picture."
        )


def _small_rgb(image, longest: int):
    """Upright, first frame, small, on white."""
    from PIL import Image, ImageOps

    image.draft("RGB", (longest, longest))  # a JPEG is decoded at an 8th where it may
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits and more
        image = _eight_bits(image)
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _eight_bits(image):
    """Grey in 16 bits, or in real numbers up to 1: Pillow's own convert would clip."""
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    top = 1.0 if image.mode == "F" and values.max(initial=0) <= 1 else 65535.0
    return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))


def _too_large(name, pixels) -> str:
    return (
        f"{name} has {pixels} million pixels, and at most {MOST_PIXELS / 1e6:.0f} "
        "million are opened. Make it smaller first, for instance 1000 pixels wide."
    )


def _broken(name, error) -> str:
    reason = str(error) or type(error).__name__
    return (
        f"{name} is damaged or cut off ({reason.splitlines()[0].rstrip('.')}). Copy it "
        "again, or open and save it in a picture program."
    )
