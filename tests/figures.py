"""What is drawn in a figure: its letters with their places, its marks, its shades."""

import io
import itertools
from contextlib import contextmanager
from unittest import mock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.text import Text
from PIL import Image

from tests.colours import BLINDNESS, contrast, distance, over


@contextmanager
def letters_drawn():
    """Collects the texts that are drawn inside the block and can be seen."""
    drawn, draw = {}, Text.draw

    def record(self, renderer):
        draw(self, renderer)
        shown = self.get_visible() and self.get_color() != "none"
        if shown and self.get_text().strip() and self.get_alpha() != 0:
            drawn[id(self)] = self

    with mock.patch.object(Text, "draw", record):
        yield drawn


def texts_of(figure) -> list[Text]:
    """The texts that can be seen in a figure that is no panel."""
    with letters_drawn() as drawn:
        FigureCanvasAgg(figure).draw()
    return list(drawn.values())


class Letters:
    """The texts of a panel: those that stand, and those that were drawn again."""

    def __init__(self, panel):
        self.panel = panel
        self.moving = {id(t) for part in panel.moving for t in part.findobj(Text)}

    def lay_out(self, large: bool):
        """Turn to the letters of a page or of a projector; the panel lays it out."""
        with letters_drawn() as drawn:
            self.panel.projector.value = large
            self.panel._canvas.draw()  # what stands; what moves is animated
        self.standing = [t for key, t in drawn.items() if key not in self.moving]

    def now(self) -> list[Text]:
        """What can be read now."""
        with letters_drawn() as drawn:
            self.panel._show_picture()
        return [*self.standing, *drawn.values()]


def corners(text, renderer) -> np.ndarray:
    """The corners [4, 2] of a text, in pixels, turned as the text is."""
    place = Text.get_window_extent(text, renderer)
    angle = np.radians(text.get_rotation())
    c, s = abs(np.cos(angle)), abs(np.sin(angle))
    across, along = place.width, place.height
    if 0.01 < s < 0.99:  # the box of the turned text, turned back
        across, along = np.linalg.solve([[c, s], [s, c]], [across, along])
    elif s > 0.5:
        across, along = along, across
    sides = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (across / 2, along / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return sides @ turn + (place.x0 + place.width / 2, place.y0 + place.height / 2)


def overlap(one, other, slack: int | float) -> bool:
    """Do two rectangles [4, 2] share more than slack pixels in every direction?"""
    for shape in (one, other):
        for side in (shape[1] - shape[0], shape[3] - shape[0]):
            side = side / max(np.hypot(*side), 1e-9)
            a, b = one @ side, other @ side
            if min(a.max(), b.max()) - max(a.min(), b.min()) <= slack:
                return False
    return True


def crowded(figure, texts, slack: int | float = 1.5) -> list[str]:
    """Texts beyond the figure's border, and pairs that lie on each other."""
    renderer = figure.canvas.get_renderer()
    room = np.array([figure.bbox.width, figure.bbox.height])
    places = np.array([corners(text, renderer) for text in texts])
    low, high = places.min(1), places.max(1)  # [texts, 2]
    out = (low < -slack).any(1) | (high > room + slack).any(1)
    wrong = [f"cut off: {texts[i].get_text()!r}" for i in np.flatnonzero(out)]
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    for i, j in np.argwhere(np.triu((shared > slack).all(2), k=1)):
        if overlap(places[i], places[j], slack):
            wrong.append(f"overlap: {texts[i].get_text()!r}, {texts[j].get_text()!r}")
    return wrong


def needed(text) -> float:
    """The contrast that WCAG asks for: 3 for large letters, or else 4.5."""
    size, bold = text.get_fontsize(), text.get_weight() in ("bold", 700)
    return 3.0 if size >= 18 or (bold and size >= 14) else 4.5


def faint_letters(figure, texts, share: float = 1 / 4) -> list[str]:
    """Texts without enough contrast to what is behind them, as it is rendered.

    Behind is every colour that fills that share of the text's place once it is gone.
    """
    places = [Text.get_window_extent(t, figure.canvas.get_renderer()) for t in texts]
    behind, wrong = pixels_without(figure, texts), []
    height = len(behind)
    for text, place in zip(texts, places, strict=True):
        rows = slice(max(0, int(height - place.y1)), int(height - place.y0) + 1)
        cut = behind[rows, max(0, int(place.x0)) : int(place.x1) + 1]
        for colour in common(cut, share):
            ink = over(text.get_color(), colour, text.get_alpha())
            if (ratio := contrast(ink, colour)) < needed(text):
                wrong.append(f"{text.get_text()!r} has contrast {ratio:.2f}")
    return wrong


def common(cut, share: float) -> list[tuple]:
    """Colours, in [0, 1], that fill at least that share of a piece of a picture."""
    colours, counts = np.unique(cut.reshape(-1, 3), axis=0, return_counts=True)
    return [tuple(c) for c in colours[counts >= share * counts.sum()] / 255]


def pixels_without(figure, texts) -> np.ndarray:
    """The figure's pixels [height, width, 3] without the letters of these texts."""
    colours = [text.get_color() for text in texts]
    moving = [artist for artist in figure.findobj() if artist.get_animated()]
    for text in texts:
        text.set_color("none")
    for artist in moving:
        artist.set_animated(False)
    canvas, old = FigureCanvasAgg(figure), figure.canvas
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    for text, colour in zip(texts, colours, strict=True):
        text.set_color(colour)
    for artist in moving:
        artist.set_animated(True)
    figure.set_canvas(old)
    return pixels


def colours_of(artist) -> list:
    """The colours that make a line, band or bar visible, each with its opacity."""
    if isinstance(artist, Collection):
        both = *artist.get_facecolor(), *artist.get_edgecolor()
    elif hasattr(artist, "get_marker"):
        both = _of_line(artist)
    else:
        both = [artist.get_facecolor()] if artist.get_fill() else []
        both += [artist.get_edgecolor()] if artist.get_linewidth() else []
    return [colour for colour in both if colour[3] > 0]


def _of_line(line) -> list:
    alpha, found = line.get_alpha(), []
    if line.get_linestyle() != "None":
        found.append(line.get_color())
    if line.get_marker() not in ("None", "", None):
        found += [line.get_markerfacecolor(), line.get_markeredgecolor()]
    return [to_rgba(c, alpha) for c in found if c != "none"]


def pixels(picture: bytes) -> np.ndarray:
    """PNG bytes as [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def axes_of(figure):
    """(axes, its marks, its pale shades): lines, bands and bars that can be seen."""
    for ax in figure.axes:
        marks = [*ax.lines, *ax.collections, *ax.patches]
        pale = [mark for mark in marks if (mark.get_alpha() or 1) < 0.5]
        yield ax, [mark for mark in marks if mark not in pale], pale


def faint_marks(figure) -> list[str]:
    """Marks with a contrast below 3:1 to the plot's ground, or to a shade on it."""
    wrong = []
    for ax, marks, pale in axes_of(figure):
        ground = ax.get_facecolor()[:3]
        shades = [
            over(colours_of(mark)[0], ground)
            for mark in pale
            if "Fill" not in type(mark).__name__
        ]
        for mark, shade in itertools.product(marks, [ground, *shades]):
            inks = [over(colour, shade) for colour in colours_of(mark)]
            if inks and max(contrast(ink, shade) for ink in inks) < 3:
                wrong.append(f"{mark} {to_hex(inks[0])} on {to_hex(shade)}")
    return wrong


def form(line) -> tuple:
    """What is left of the look of a line, or of a bar, in grey."""
    if not hasattr(line, "get_marker"):
        return "bar", str(line.get_hatch())
    broad = line.get_linewidth() > 5
    return line.get_linestyle(), str(line.get_marker()), line.get_fillstyle(), broad


def looks(ax) -> list[tuple]:
    """The different (colour, form, name) of lines and bars; no name is ""."""
    bars = [bar for bar in ax.patches if bar.get_fill() and bar.get_visible()]
    marks = [mark for mark in (*ax.lines, *bars) if (mark.get_alpha() or 1) >= 0.5]
    names = [mark.get_label() for mark in marks]
    names = ["" if name.startswith("_") else name for name in names]
    return sorted(
        {
            (to_hex(colours_of(mark)[0]), form(mark), name)
            for mark, name in zip(marks, names, strict=True)
            if colours_of(mark)
        }
    )


def confused(figure, apart: int | float, all_lines: bool = True) -> list[str]:
    """Lines or bars of one plot whose colours are too near, or only differ in colour.

    Curves with names in a legend must differ in form; with all_lines all others of
    different colours, too.
    """
    wrong = []
    for ax in figure.axes:
        for one, other in itertools.combinations(looks(ax), 2):
            (colour, shape, name), (colour2, shape2, name2) = one, other
            curves = bool(name and name2 and name != name2)
            if shape == shape2 and (curves or (all_lines and colour != colour2)):
                wrong.append(f"only colour: {one} and {other}")
            wrong += [
                f"{vision}: {colour} and {colour2}"
                for vision in BLINDNESS
                if colour != colour2 and distance(colour, colour2, vision) < apart
            ]
    return wrong
