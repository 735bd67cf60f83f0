"""Sources that are spoilt by noise, by rotation, by poison; whom to trust, what for."""

import numpy as np
import torch
from matplotlib.patheffects import withStroke

from l2o_kit import data
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l06_concurrent.cooperation import settings
from l2o_kit.lessons.l06_concurrent.gains import Spoilt, shipped
from l2o_kit.plots import BLACK, VERMILION, scale, source_style
from l2o_kit.teaching.guess import Guess
from l2o_kit.trust import KINDS, inverse_variance

CLOUD = 40  # gradients of each source


class Noisy(Spoilt):
    """Four sources of least squares: y with noise."""

    title = "Noisy sources: whom does it trust?"
    strip = (
        {"source 0": 0.5, "source 1": 1.0, "source 2": 2.0, "source 3": 3.0},
        {"source 0": 3.0, "source 1": 1.0, "source 2": 1.0, "source 3": 0.1},
    )
    low, high = 0.01, 200.0

    def theory(self, amounts):
        """Inverse variances."""
        return inverse_variance(amounts)

    def make_left(self, ax):
        """Two coordinates of the gradient: the clean one, and a cloud per source."""
        draw = np.random.default_rng(3)
        W = np.array([[1.0, 0.4], [-0.3, 0.8]])
        self.spread = 2 * draw.normal(size=(4, CLOUD, 2)) @ W  # of noise 1
        self.clean = np.array([6.0, 4.0])
        cloud = {"linestyle": "", "markersize": 4, "markerfacecolor": "none"}
        self.clouds = [
            ax.plot([0], [0], **source_style(k) | cloud, label=f"source {k}")[0]
            for k in range(4)
        ]
        star = {"linestyle": "", "marker": "*", "color": BLACK, "markersize": 6}
        (self.mixed,) = ax.plot([0], [0], **star, label="weighed sum")
        look = {"color": BLACK, "linewidth": 2, "shrinkB": 0, "mutation_scale": 18}
        look = {"arrowstyle": "-|>"} | look
        self.arrow = ax.annotate("", self.clean, (0, 0), arrowprops=look)
        edge = [withStroke(linewidth=5, foreground="white")]
        self.arrow.arrow_patch.set_path_effects(edge)
        scale(ax.xaxis, "coordinate 0", -15, 25)
        scale(ax.yaxis, "coordinate 1", -15, 32)
        narrow = {"handlelength": 1, "handletextpad": 0.2, "columnspacing": 0.3}
        ax.legend(loc="upper left", frameon=False, fontsize=8, ncols=2, **narrow)
        ax.set_title("gradients\narrow: the clean one", fontsize=10)
        return [*self.clouds, self.mixed, self.arrow]  # the arrow above all

    def draw_left(self, result):
        """Each cloud's size is its noise; the sum uses what was learned anew."""
        tips = [
            self.clean + s * e
            for s, e in zip(result["amounts"], self.spread, strict=True)
        ]
        for cloud, points in zip(self.clouds, tips, strict=True):
            cloud.set_data(*points.T)
        self.mixed.set_data(*np.tensordot(result["anew"], tips, 1).T)


DIGITS, CELL = 4, 10  # pictures of each source; pixels from one to the next


class Rotated(Spoilt):
    """Three sources of the digits network: pictures turned."""

    kind, unit = "rotation", "°"
    title = "Turned pictures: whom does it trust?"
    strip = (
        {"source 0": 0, "source 1": 20, "source 2": 45},
        {"source 0": 180, "source 1": 90, "source 2": 20},
    )
    low, high = 0.01, 40.0

    def make_left(self, ax):
        """A row of digits for each source."""
        ax.grid(False)
        ax.spines[:].set_visible(False)
        K = len(self.start())
        self.image = ax.imshow(
            np.zeros((CELL * K, CELL * DIGITS)), cmap="gray_r", vmin=0, vmax=1
        )
        ax.set(xticks=[])
        ax.tick_params(length=0)
        ax.set_yticks(
            [CELL * k + CELL / 2 - 0.5 for k in range(K)],
            [f"source {k}" for k in range(K)],
        )
        ax.set_title("what each source sees", fontsize=10)
        return [self.image]

    def draw_left(self, result):
        """The same digits, turned."""
        X = data.digits()[0][:DIGITS]
        self.image.set_data(tiled([data.rotate(X, a) for a in result["amounts"]]))


def tiled(rows) -> np.ndarray:
    """Rows of pictures [DIGITS, 64] as one picture, with gaps."""
    gap = (CELL - 8) // 2
    cells = torch.stack(list(rows)).view(len(rows), DIGITS, 8, 8)
    cells = torch.nn.functional.pad(cells, [gap] * 4)
    return cells.transpose(1, 2).reshape(len(rows) * CELL, DIGITS * CELL).numpy()


class Poisoned(Rotated):
    """Four sources of the digits network: labels replaced."""

    kind, unit = "poison", ""
    title = "Poisoned labels: whom does it trust?"
    strip = (
        {"source 0": 0.0, "source 1": 0.2, "source 2": 0.5, "source 3": 0.8},
        {"source 0": 0.8, "source 1": 0.2, "source 2": 0.2, "source 3": 0.8},
    )

    def make_left(self, ax):
        """Each digit with the label that the source gives it."""
        moving = super().make_left(ax)
        ax.set_xlim(-0.5, CELL * DIGITS + 3.5)  # room for the last label
        self.image.set_data(tiled([data.digits()[0][:DIGITS]] * len(self.start())))
        self.labels = [
            ax.text(
                CELL * j + 8,
                CELL * k + 7.5,
                "",
                weight="bold",
                fontsize=10,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
            for k in range(len(self.start()))
            for j in range(DIGITS)
        ]
        return [*moving, *self.labels]

    def draw_left(self, result):
        """Wrong labels stand out."""
        y = data.digits()[1][:100]
        for k, rate in enumerate(result["amounts"]):
            seen = data.poison(y, rate, data.stream(k, "poison picture"))
            for j in range(DIGITS):
                text, wrong = self.labels[k * DIGITS + j], seen[j] != y[j]
                text.set(
                    text=f"{int(seen[j])}{'!' if wrong else ''}",
                    color=VERMILION if wrong else BLACK,
                )


UPRIGHT, ALIKE = "Nearly all trust to the upright source", "About a third to each"
FALLING = "Two thirds, a quarter, a tenth"


def turned_question() -> Guess:
    """Before the panel opens: how is the trust shared among 0, 20 and 45 degrees?"""

    def truth():
        first = shipped("rotation")[0]
        return UPRIGHT if first > 0.85 else FALLING if first > 0.45 else ALIKE

    return Guess(
        "Three sources see the digits turned by 0, 20 and 45 degrees. The loss that "
        "counts is that of the upright digits. How will the optimizer share its trust?",
        truth=truth,
        options=(ALIKE, FALLING, UPRIGHT),
        because="A turned picture's gradient is not noisy but wrong: it leads "
        "somewhere else, however often it is averaged.",
    )


def noise_question() -> Guess:
    """Before the panel opens: what is the noisiest of four worth?"""
    return Guess(
        "Four sources have noise 0.5, 1, 2 and 3, and the clean loss counts. Of all "
        "its trust, which share will the optimizer give to the first? (A number from 0 "
        "to 1.)",
        truth=lambda: float(shipped("noise")[0]),
        because="More than half to one of four; and still not all. Why just this much "
        "is lesson 07.",
    )


def poison_question() -> Guess:
    """Before the panel opens: what is learned from labels half of which are wrong?"""

    def truth():
        here = settings(KINDS["poison"]).index((0.5,) * 4)
        return float(stored("cooperation_poison", __file__)["average"][here].mean())

    return Guess(
        "In all four sources half of the labels are wrong. Untrained, the network has "
        "a clean loss of 2.3; with right labels it comes to 0.04. Where does the plain "
        "average of the four come to?",
        truth=truth,
        because="The wrong labels are spread over nine classes, so that the right one "
        "is still the most frequent by far.",
    )
