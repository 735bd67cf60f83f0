"""What every panel of spoilt sources shares: bars of trust, and what it gains.

Left what the sources look like, which subclasses draw; in the middle lambda, of the
shipped optimizer and learned anew for this setting; right the clean loss of five rules,
with its 95 % interval. Lambdas and losses are read from ``stored/cooperation_KIND``.
"""

import functools

import numpy as np
import torch

from l2o_kit.checkpoint import load, stored
from l2o_kit.evaluate import paired_ratio
from l2o_kit.lessons.l06_concurrent.cooperation import settings
from l2o_kit.plots import BLACK, GREY, VERMILION, new_figure, plain_ticks, scale
from l2o_kit.teaching.bars import Bars, listed
from l2o_kit.teaching.controls import list_slider
from l2o_kit.teaching.panel import Panel
from l2o_kit.trust import KINDS

RULES = {
    "anew": "learned anew",
    "shipped": "shipped",
    "average": "plain average",
    "alone": "source 0 alone",
    "adam": "Adam, average",
}
TICKS = (0.01, 0.1, 1, 10, 100)


class Spoilt(Panel):
    """One slider for each source; subclasses say of what, and draw the left picture."""

    kind, unit = "noise", ""
    low, high = 0.005, 60.0  # of the losses

    def make_controls(self):
        kind = KINDS[self.kind]
        return {
            f"source {k}": list_slider(
                f"source {k}: {self.kind}",
                [(f"{level:g}{self.unit}", level) for level in kind.levels],
                self.start()[k],
            )
            for k in range(kind.num_sources)
        }

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
        place = np.ravel_multi_index(
            [kind.levels.index(a) for a in amounts], [len(kind.levels)] * len(amounts)
        )
        losses = {name: rows[name][here] for name in ("anew", "average", "adam")}
        losses |= {
            "alone": rows["alone"][kind.levels.index(amounts[0])],
            "shipped": rows["shipped"][place],
        }
        ratios = {name: ratio_of(losses["anew"], losses[name]) for name in RULES}
        return {
            "amounts": amounts,
            "anew": anew,
            "losses": losses,
            "ratios": ratios,
            "lr": rows["lr"][here],
            "theory": self.theory(amounts),
        }

    def theory(self, amounts):
        """Weights [K] by statistics, or None."""
        return None

    def make_figure(self):
        """Three axes; the left one belongs to the subclass."""
        kind = KINDS[self.kind]
        figure, (left, middle, right) = new_figure(11.0, 3.9, columns=3)
        moving = self.make_left(left)
        accounts = ("shipped", "learned", "theory")
        self.bars = Bars(
            middle,
            kind.num_sources,
            accounts if self.theory(kind.home) is not None else accounts[:2],
        )
        self.dots, self.spans = [], []
        for j, name in enumerate(RULES):
            colour = {"anew": VERMILION, "shipped": GREY}.get(name, BLACK)
            self.spans += right.plot([1, 1], [-j, -j], color=colour, linewidth=2.5)
            self.dots += right.plot([1], [-j], color=colour, marker="o", markersize=8)
        scale(right.xaxis, "clean loss\nnear step 100", self.low, self.high, "log")
        right.set(ylim=(-4.6, 0.6))
        right.set_yticks([-j for j in range(len(RULES))], RULES.values())
        right.set_title("what it gains\n(left is better)", fontsize=10)
        plain_ticks(right.xaxis, [t for t in TICKS if self.low <= t <= self.high])
        return figure, [*moving, *self.bars.moving, *self.spans, *self.dots]

    def make_left(self, ax) -> list:
        """Draw what does not move; return what does."""
        raise NotImplementedError

    def draw_left(self, result):
        """Show the sources as they are now."""
        raise NotImplementedError

    def draw(self, result):
        self.draw_left(result)
        self.bars.set("shipped", shipped(self.kind))
        self.bars.set("learned", result["anew"])
        if result["theory"] is not None:
            self.bars.set("theory", result["theory"])
        for name, dot, span in zip(RULES, self.dots, self.spans, strict=True):
            mean, *ends = mean_interval(result["losses"][name])
            dot.set_xdata([np.clip(mean, self.low / 2, 2 * self.high)])
            span.set_xdata(np.clip(ends, self.low / 2, 2 * self.high))

    def describe(self, result):
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
    return stored(f"cooperation_{kind}", __file__)


@functools.cache
def shipped(kind: str) -> np.ndarray:
    """The lambda [K] of the shipped optimizer."""
    return load(f"concurrent_{kind}").lambdas.numpy()


def ratio_of(ours, theirs) -> tuple:
    """Paired ratio of two rows of losses [problem], and its 95 % interval."""
    return paired_ratio(torch.from_numpy(ours), torch.from_numpy(theirs))


def mean_interval(losses) -> tuple:
    """Mean over problems, and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(losses, (400, len(losses))).mean(1)
    return losses.mean(), *np.quantile(draws, [0.025, 0.975])
