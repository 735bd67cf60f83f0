"""How every picture of the kit looks: colours, line styles, fonts, and PNG bytes.

Colours have the hues of Okabe and Ito (2008), darker, so that each has a contrast of at
least 3:1 on white, and are told apart by colour-blind readers; line styles and markers
say the same again in grey. Letters need 4.5:1: ``ink``. Pictures are
``matplotlib.figure.Figure``, made without global state, which breaks where widgets call
back from another thread.
"""

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, SupportsFloat

import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from l2o_kit.data import Array

BLACK, ORANGE, SKY, GREEN = "#000000", "#C98216", "#4D94E8", "#0F8751"
BLUE, VERMILION, PURPLE, GREY = "#004E89", "#B55000", "#A66494", "#666666"
LETTERS = {ORANGE: "#946010", SKY: "#3870B0", PURPLE: "#955A85"}  # darker
# rule: colour, line style, marker
STYLES = {
    "learned": (VERMILION, "-", "o"),
    "SGD": (GREY, "--", "s"),
    "Momentum": (BLUE, "-.", "^"),
    "NAG": (SKY, "-", "v"),
    "RMSprop": (PURPLE, ":", "D"),
    "Adagrad": (ORANGE, "--", "P"),
    "Adam": (GREEN, "-", "X"),
    "Adam + cosine": (BLACK, ":", "*"),
}
ROBUST = (VERMILION, ":", "s")  # its look: the learned one's colour, dotted
# sources 0 to 4 of a Concurrent: colour, line style, marker
SOURCES = (
    (VERMILION, "-", "o"),
    (BLUE, "--", "s"),
    (GREEN, "-.", "^"),
    (ORANGE, ":", "D"),
    (PURPLE, "-", "v"),
)
POINTS = 51  # of a curve that is kept


def ink(colour: str) -> str:
    """A colour for letters: the same, or darker where its contrast is below 4.5:1."""
    return LETTERS.get(colour, colour)


def style(name: str, steps: int = 100, phase: int = 0) -> dict:
    """Keyword arguments of ``plot`` for one rule; unknown names look like "learned"."""
    colour, line, marker = STYLES.get(name, STYLES["learned"])
    every = max(1, steps // 8)
    return {
        "color": colour,
        "linestyle": line,
        "marker": marker,
        "label": name,
        "linewidth": 2.6 if name not in STYLES or name == "learned" else 1.6,
        "zorder": 4 if name == "learned" else 3,
        "markersize": 5,
        "markevery": (phase % every, every),
    }


def look_of(name: str, phase: int) -> dict:
    """How a rule's curve looks; "robust" has the learned one's colour, dotted."""
    look = style(name, POINTS, 2 * phase)
    if name not in STYLES:
        colour, line, marker = ROBUST
        look |= {"color": colour, "linestyle": line, "marker": marker, "linewidth": 1.8}
    return look


def source_style(k: int) -> dict:
    """Keyword arguments of ``plot`` for source k."""
    colour, line, marker = SOURCES[k]
    return {"color": colour, "linestyle": line, "marker": marker, "markersize": 5}


def new_figure(width: float = 8.0, height: float = 3.8, columns: int = 1):
    """A figure (inches, at 100 dots each) and its axes, with a grid."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ax.grid(True, color="#dddddd", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def scale(
    axis: Any,
    label: str,
    low: SupportsFloat,
    high: SupportsFloat,
    kind: str | None = None,
):
    """Name an axis of a plot and set its ends; kind: "log", where it is not linear.

    Example: ``scale(ax.yaxis, "loss", 1e-3, 10, "log")``
    """
    d = axis.axis_name
    kind = {f"{d}scale": kind} if kind else {}
    axis.axes.set(**kind, **{f"{d}lim": (low, high), f"{d}label": label})


def legend_above(ax: Any, columns: int, x: float = 0.5, **more: Any):
    """The legend in a row above the plot, about x of its width."""
    place = {"loc": "lower center", "bbox_to_anchor": (x, 1.0), "frameon": False}
    ax.legend(**place, ncols=columns, **more)


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return encode(canvas)


def encode(canvas: FigureCanvasAgg) -> bytes:
    """What is on a canvas now, as PNG bytes; drawn once, which savefig does not do.

    Written by hand, without row filters: with Pillow a slider's move takes 20 to 45 %
    longer (medians of 50). Source: the PNG specification, third edition.
    """
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # a row's first: no filter
    rows[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def rounded(number: SupportsFloat, digits: int = 2) -> str:
    """So many digits: 0.0036, 160, 10,000; only very large or small ones as 1e-05."""
    return f"{float(f'{number:.{digits}g}'):,g}"


def img(picture: bytes, alt: str, max_width: str = "100%") -> str:
    """An HTML image that carries its PNG and its text alternative."""
    data = base64.b64encode(picture).decode()
    alt = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return (
        f'<img alt="{alt}" style="max-width:{max_width}" '
        f'src="data:image/png;base64,{data}">'
    )


class Picture:
    """A figure with its text alternative, as the last value of a notebook's cell."""

    def __init__(self, figure: Figure, alt: str):
        self.figure, self.alt = figure, alt

    def __repr__(self):
        return f"Picture({self.alt!r})"

    def _repr_html_(self):
        return img(png(self.figure), self.alt)


def gallery(X: Array, labels: Array, columns: int = 10) -> Picture:
    """The first pictures of a data set under their labels.

    X is [n, pixels], grey, or [n, 3, height, width], in colours of any scale.
    """
    shown = [_shown(picture) for picture in X[:columns]]
    names = [str(int(label)) for label in labels[:columns]]
    height, width = shown[0].shape[:2]
    kind = "in colour" if X[0].ndim == 3 else "handwritten"
    alt = f"{columns} digits, {kind}, {height} by {width} pixels: {', '.join(names)}"
    return Picture(_row(shown, names, 0.9), alt)


def wall(pictures: Iterable, names: Iterable[str]) -> Picture:
    """Pictures [3, height, width] in [0, 1], side by side under their names."""
    shown = [np.asarray(picture).transpose(1, 2, 0) for picture in pictures]
    alt = f"{len(shown)} pictures side by side: {', '.join(names)}"
    return Picture(_row(shown, names, 2.0), alt)


def _row(shown: list[np.ndarray], names, width: float):
    """A figure of pictures, each so many inches wide, under their names."""
    count = len(shown)
    figure, axes = new_figure(count * width, width + 0.3, columns=count)
    for ax, picture, name in zip(axes, shown, names, strict=True):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], title=name)
        ax.grid(False)
        ax.spines[:].set_visible(True)
    return figure


def _shown(picture) -> np.ndarray:
    """A row of grey pixels as a square; or colours brought into [0, 1]."""
    picture = np.asarray(picture)
    if picture.ndim == 1:
        side = round(len(picture) ** 0.5)
        return picture.reshape(side, side)
    low, high = picture.min(), picture.max()
    return (picture.transpose(1, 2, 0) - low) / max(high - low, 1e-12)


def html_table(header: list[str], rows: list[list[str]], caption: str = "") -> str:
    """A small table; the first cell of each row is its heading.

    The first name of the header may be empty: then the corner is no heading.
    """
    head = "".join(
        f'<th scope="col">{name}</th>' if name else "<td></td>" for name in header
    )
    right = "text-align:right; white-space:nowrap"
    body = "".join(
        f'<tr><th scope="row" style="text-align:left; white-space:nowrap">{row[0]}</th>'
        + "".join(f'<td style="{right}">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    caption = f"<caption>{caption}</caption>" if caption else ""
    return (
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def mean_band(losses: Array, resamples: int = 200):
    """Mean over problems of losses [steps, batch], and a 95 % bootstrap band of it."""
    losses = np.asarray(losses, dtype=float)
    picks = np.random.default_rng(0).integers(
        losses.shape[1], size=(resamples, losses.shape[1])
    )
    weights = np.stack([np.bincount(p, minlength=losses.shape[1]) for p in picks], 1)
    means = losses @ weights / losses.shape[1]  # [steps, resamples]
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return losses.mean(1), low, high


def loss_curves(curves: dict[str, np.ndarray], title: str = "") -> Figure:
    """Mean loss against step, one line and 95 % band per rule, logarithmic."""
    figure, (ax,) = new_figure(8.0, 4.2)
    spare = iter([name for name in STYLES if name not in curves])  # for unknown names
    for phase, (name, losses) in enumerate(curves.items()):
        middle, low, high = mean_band(losses)
        steps = np.arange(len(middle))
        known = name if name in STYLES else next(spare, "learned")
        look = style(known, len(steps), 2 * phase) | {"label": name}
        ax.plot(steps, middle, **look)
        ax.fill_between(steps, low, high, color=look["color"], alpha=0.15, linewidth=0)
    ax.set(
        yscale="log", xlabel="step t", ylabel="training loss f(theta_t)", title=title
    )
    _plain_within_a_decade(ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _plain_within_a_decade(ax):
    """Numbers as 1.8, 2, 2.2 up a logarithmic axis of less than a factor of ten."""
    low, high = ax.get_ylim()
    if high < 10 * low:
        ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        ticks = [tick for tick in ticks if low <= tick <= high]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_yticks([], minor=True)


def size(loss: float) -> str:
    """A loss in words and digits: what is off the chart says so."""
    return rounded(loss, 3) if loss < 1e4 else "out of sight (it diverges)"


def plain_ticks(axis: Axis, values: Sequence[int | float]):
    """A few ticks written as plain numbers; far quicker to draw than powers of ten."""
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)
