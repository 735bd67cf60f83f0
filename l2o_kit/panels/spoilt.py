"""Sources that are spoilt by noise, by rotation, by poison; whom to trust, what for.

Left what the sources look like; in the middle lambda, of the shipped optimizer and
learned anew for this setting; right the clean loss of five rules, with its 95 %
interval. Lambdas and losses are read from ``stored/cooperation_KIND``.
"""

import functools

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit import data
from l2o_kit.checkpoint import load
from l2o_kit.cooperation import KINDS, settings
from l2o_kit.evaluate import paired_ratio
from l2o_kit.panels.base import Panel
from l2o_kit.panels.guess import Guess
from l2o_kit.panels.race import plain_ticks
from l2o_kit.panels.trusted import Bars, listed
from l2o_kit.plots import BLACK, GREY, VERMILION, new_figure, source_style
from l2o_kit.store import stored
from l2o_kit.theory import inverse_variance

RULES = {
    "anew": "learned anew",
    "shipped": "shipped",
    "average": "plain average",
    "alone": "source 0 alone",
    "adam": "Adam, average",
}
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Spoilt(Panel):
    """One slider for each source; subclasses say of what, and draw the left picture."""

    kind, unit, width = "noise", "", 2.6
    low, high = 0.005, 60.0  # of the losses

    def make_controls(self):
        """How much each source is spoilt."""
        kind = KINDS[self.kind]
        return {
            f"source {k}": widgets.SelectionSlider(
                options=[(f"{level:g}{self.unit}", level) for level in kind.levels],
                value=self.start()[k], description=f"source {k}: {self.kind}",
                continuous_update=False,
            )
            for k in range(kind.num_sources)
        }  # fmt: skip

    def start(self) -> tuple:
        """The first setting: where the shipped optimizer was trained."""
        return KINDS[self.kind].home

    def compute(self, state):
        """Lambdas and losses at a setting."""
        amounts = tuple(state.values())
        rows, kind = _rows(self.kind), KINDS[self.kind]
        here, order = settings(kind).index(tuple(sorted(amounts))), np.argsort(amounts)
        anew = np.zeros(len(amounts))
        anew[order] = rows["lambdas"][here]
        place = np.ravel_multi_index([kind.levels.index(a) for a in amounts],
                                     [len(kind.levels)] * len(amounts))  # fmt: skip
        losses = {name: rows[name][here] for name in ("anew", "average", "adam")}
        losses |= {"alone": rows["alone"][kind.levels.index(amounts[0])],
                   "shipped": rows["shipped"][place]}  # fmt: skip
        ratios = {name: _ratio(losses["anew"], losses[name]) for name in RULES}
        return {"amounts": amounts, "anew": anew, "losses": losses, "ratios": ratios,
                "lr": rows["lr"][here], "theory": self.theory(amounts)}  # fmt: skip

    def theory(self, amounts):
        """Weights [K] by statistics, or None."""
        return None

    def make_figure(self):
        """Three axes; the left one belongs to the subclass."""
        kind = KINDS[self.kind]
        figure, (left, middle, right) = new_figure(11.0, 3.9, columns=3)
        moving = self.make_left(left)
        accounts = ("shipped", "learned", "theory")
        self.bars = Bars(middle, kind.num_sources,
                         accounts if self.theory(kind.home) is not None
                         else accounts[:2])  # fmt: skip
        self.dots, self.spans = [], []
        for j, name in enumerate(RULES):
            colour = {"anew": VERMILION, "shipped": GREY}.get(name, BLACK)
            self.spans += right.plot([1, 1], [-j, -j], color=colour, linewidth=4,
                                     alpha=0.4)  # fmt: skip
            self.dots += right.plot([1], [-j], color=colour, marker="o", markersize=8)
        right.set(xscale="log", xlim=(self.low, self.high), ylim=(-4.6, 0.6),
                  xlabel="clean loss near step 100")  # fmt: skip
        right.set_yticks([-j for j in range(len(RULES))], RULES.values())
        right.set_title("what it gains (left is better)", fontsize=10)
        plain_ticks(right.xaxis, [t for t in TICKS[::2] if self.low <= t <= self.high])
        return figure, [*moving, *self.bars.moving, *self.spans, *self.dots]

    def make_left(self, ax) -> list:
        """Draw what does not move; return what does."""
        raise NotImplementedError

    def draw_left(self, result):
        """Show the sources as they are now."""
        raise NotImplementedError

    def draw(self, result):
        """Pictures, bars, losses."""
        self.draw_left(result)
        self.bars.set("shipped", shipped(self.kind))
        self.bars.set("learned", result["anew"])
        if result["theory"] is not None:
            self.bars.set("theory", result["theory"])
        for name, dot, span in zip(RULES, self.dots, self.spans, strict=True):
            mean, *ends = _mean_band(result["losses"][name])
            dot.set_xdata([np.clip(mean, self.low / 2, 2 * self.high)])
            span.set_xdata(np.clip(ends, self.low / 2, 2 * self.high))

    def describe(self, result):
        """Lambda by each account, and the gains."""
        spoilt = ", ".join(f"{a:g}{self.unit}" for a in result["amounts"])
        theory = result["theory"]
        theory = "" if theory is None else f"; theory {listed(theory)}"
        ratios = {n: f"{r[0]:.2g}" for n, r in result["ratios"].items()}
        return (
            f"{self.kind.capitalize()} {spoilt}: learned anew, lambda is "
            f"{listed(result['anew'])}{theory}. The clean loss is then "
            f"{ratios['alone']} times that of source 0 alone, {ratios['average']} "
            f"times that of the plain average, {ratios['adam']} times that of Adam on "
            f"the average (rate {result['lr']:.2g}), and {ratios['shipped']} times "
            f"that of the shipped optimizer, which always has {self.home()}."
        )

    def home(self) -> str:
        """The shipped lambda, and where it comes from."""
        amounts = ", ".join(f"{a:g}{self.unit}" for a in KINDS[self.kind].home)
        return f"lambda {listed(shipped(self.kind))} (trained on {amounts})"

    def numbers(self, result):
        """Each rule's loss, and the ratio with its interval."""
        rows = []
        for name, label in RULES.items():
            ratio, low, high = result["ratios"][name]
            beside = (
                "itself" if name == "anew" else f"{ratio:.2g} [{low:.2g}, {high:.2g}]"
            )
            rows.append([label, f"{result['losses'][name].mean():.3g}", beside])
        return ["rule", "clean loss", "learned anew / rule"], rows


@functools.cache
def _rows(kind: str) -> dict:
    return stored(f"cooperation_{kind}")


@functools.cache
def shipped(kind: str) -> np.ndarray:
    """The lambda [K] of the shipped optimizer."""
    return load(f"concurrent_{kind}").lambdas.numpy()


def _ratio(ours, theirs) -> tuple:
    return paired_ratio(torch.from_numpy(ours), torch.from_numpy(theirs))


def _mean_band(losses) -> tuple:
    """Mean over problems, and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(losses, (400, len(losses))).mean(1)
    return losses.mean(), *np.quantile(draws, [0.025, 0.975])


CLOUD = 40  # gradients of each source


class Noisy(Spoilt):
    """Four sources of least squares: y with noise."""

    title = "Noisy sources: whom does it trust?"
    strip = (
        {"source 0": 0.5, "source 1": 1.0, "source 2": 2.0, "source 3": 3.0},
        {"source 0": 3.0, "source 1": 1.0, "source 2": 1.0, "source 3": 0.1},
    )
    low, high = 0.03, 60.0

    def theory(self, amounts):
        """Inverse variances."""
        return inverse_variance(amounts)

    def make_left(self, ax):
        """Two coordinates of the gradient: the clean one, and a cloud per source."""
        draw = np.random.default_rng(3)
        W = np.array([[1.0, 0.4], [-0.3, 0.8]])
        self.spread = 2 * draw.normal(size=(4, CLOUD, 2)) @ W  # of noise 1
        self.clean = np.array([6.0, 4.0])
        self.clouds = [
            ax.plot([0], [0], **source_style(k) | {"linestyle": "", "markersize": 4},
                    alpha=0.6, label=f"source {k}")[0] for k in range(4)
        ]  # fmt: skip
        self.mixed = ax.plot([0], [0], linestyle="", marker="*", color=BLACK,
                             markersize=6, label="weighed sum")[0]  # fmt: skip
        ax.annotate(
            "",
            self.clean,
            (0, 0),
            arrowprops={"arrowstyle": "-|>", "color": BLACK, "linewidth": 2},
        )
        ax.set(xlim=(-15, 25), ylim=(-15, 32), xlabel="coordinate 0",
               ylabel="coordinate 1")  # fmt: skip
        ax.legend(loc="upper left", frameon=False, fontsize=8, ncols=2)
        ax.set_title("gradients; arrow: the clean one", fontsize=10)
        return [*self.clouds, self.mixed]

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
    low, high = 0.003, 30.0

    def make_left(self, ax):
        """A row of digits for each source."""
        ax.grid(False)
        ax.spines[:].set_visible(False)
        K = len(self.start())
        self.image = ax.imshow(np.zeros((CELL * K, CELL * DIGITS)), cmap="gray_r",
                               vmin=0, vmax=1)  # fmt: skip
        ax.set(xticks=[])
        ax.tick_params(length=0)
        ax.set_yticks([CELL * k + CELL / 2 - 0.5 for k in range(K)],
                      [f"source {k}" for k in range(K)])  # fmt: skip
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
        self.image.set_data(tiled([data.digits()[0][:DIGITS]] * len(self.start())))
        self.labels = [
            ax.text(CELL * j + 8, CELL * k + 7.5, "", weight="bold", fontsize=10,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})
            for k in range(len(self.start())) for j in range(DIGITS)
        ]  # fmt: skip
        return [*moving, *self.labels]

    def draw_left(self, result):
        """Wrong labels stand out."""
        y = data.digits()[1][:100]
        for k, rate in enumerate(result["amounts"]):
            seen = data.poison(y, rate, data.stream(k, "poison picture"))
            for j in range(DIGITS):
                text, wrong = self.labels[k * DIGITS + j], seen[j] != y[j]
                text.set(text=f"{int(seen[j])}{'!' if wrong else ''}",
                         color=VERMILION if wrong else BLACK)  # fmt: skip


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
        truth=truth, options=(ALIKE, FALLING, UPRIGHT),
        because="A turned picture's gradient is not noisy but wrong: it leads "
        "somewhere else, however often it is averaged.",
    )  # fmt: skip


def noise_question() -> Guess:
    """Before the panel opens: what is the noisiest of four worth?"""
    return Guess(
        "Four sources have noise 0.5, 1, 2 and 3, and the clean loss counts. Of all "
        "its trust, which share will the optimizer give to the first? (A number from "
        "0 to 1.)",
        truth=lambda: float(shipped("noise")[0]),
        because="More than half to one of four; and still not all. Why just this much "
        "is lesson 07.",
    )  # fmt: skip
