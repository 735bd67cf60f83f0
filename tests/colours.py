"""Colours as readers see them: contrast, colour blindness, distance.

Contrast is that of WCAG 2.2; colour blindness is simulated as by Machado, Oliveira and
Fernandes (2009), at severity 1; the distance is CIEDE2000 (Sharma, Wu and Dalal 2005).
A colour is three numbers in [0, 1], sRGB, or whatever Matplotlib takes for one.
Left out: white points other than D65, and vision that is weak but not blind.
"""

import functools

import numpy as np
from matplotlib.colors import to_rgb, to_rgba

# of linear RGB, as printed in Machado et al., table 1, severity 1.0
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour) -> np.ndarray:
    """sRGB [..., 3] or a Matplotlib colour, as light intensities."""
    rgb = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour, float)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    """Relative luminance, 0 for black to 1 for white."""
    return linear(colour) @ np.array([0.2126, 0.7152, 0.0722])


def contrast(colour, backdrop):
    """WCAG's contrast ratio, 1 to 21."""
    one, other = luminance(colour) + 0.05, luminance(backdrop) + 0.05
    return np.maximum(one, other) / np.minimum(one, other)


def over(colour, backdrop, alpha: int | float | None = None) -> tuple:
    """What is seen where a translucent colour lies on a backdrop."""
    *rgb, own = to_rgba(colour, alpha)
    mixed = own * np.array(rgb) + (1 - own) * np.array(to_rgb(backdrop))
    return tuple(mixed.tolist())


def seen(colour, blindness: str) -> np.ndarray:
    """The colour [3], sRGB, that shows what a colour-blind reader sees."""
    light = np.clip(np.array(BLINDNESS[blindness]) @ linear(colour), 0, 1)
    root = 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, root)


def lab(colour) -> np.ndarray:
    """CIELAB [..., 3] of sRGB, for D65; the first is the lightness, 0 to 100."""
    xyz = linear(colour) @ TO_XYZ.T / TO_XYZ.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def ciede2000(one, other) -> float:
    """The distance of two CIELAB colours; about 1 can just be seen, side by side."""
    (L1, a1, b1), (L2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    C1, C2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1 = np.degrees(np.arctan2(b1, stretch * a1)) % 360
    h2 = np.degrees(np.arctan2(b2, stretch * a2)) % 360
    turn, h = _hues(h1, h2, C1 * C2 == 0)
    dH = 2 * np.sqrt(C1 * C2) * np.sin(np.radians(turn / 2))
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    T = (
        1
        - 0.17 * _cos(h - 30)
        + 0.24 * _cos(2 * h)
        + 0.32 * _cos(3 * h + 6)
        - 0.20 * _cos(4 * h - 63)
    )
    light = (L2 - L1) / (1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2))
    chroma, hue = (C2 - C1) / (1 + 0.045 * C), dH / (1 + 0.015 * C * T)
    bend = 60 * np.exp(-(((h - 275) / 25) ** 2))
    rotate = -2 * np.sqrt(C**7 / (C**7 + 25.0**7)) * np.sin(np.radians(bend))
    return float(np.sqrt(light**2 + chroma**2 + hue**2 + rotate * chroma * hue))


def _hues(h1, h2, grey: bool):
    """The turn from one hue to the other, and the mean hue, in degrees."""
    if grey:
        return 0.0, h1 + h2
    turn = (h2 - h1 + 180) % 360 - 180
    if abs(h2 - h1) <= 180:
        return h2 - h1, (h1 + h2) / 2
    return turn, (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2


def _cos(degrees):
    return np.cos(np.radians(degrees))


@functools.cache
def distance(one, other, blindness: str = "none") -> float:
    """CIEDE2000 between two colours, as a reader with that blindness sees them."""
    return ciede2000(lab(seen(one, blindness)), lab(seen(other, blindness)))
