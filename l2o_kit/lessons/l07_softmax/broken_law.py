"""Where the inverse variances are not the answer: shared errors, biases, other targets.

Left the second moments M of the four label errors; right lambda by the law of inverse
variances, by the general law, and as it was learned. Read from ``stored/cases``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l07_softmax.lambdas import CASES, STRENGTHS, moments
from l2o_kit.plots import BLACK, new_figure
from l2o_kit.teaching.bars import Bars, listed
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel
from l2o_kit.trust import best_weights, inverse_variance, second_moments

WORDS = {
    "three copies": "sources 0, 1 and 2 share an error of size {c:g}",
    "unequal copies": "all share an error, of size {c:g} times 1/4, 1/2, 3/4, 1",
    "one biased": "source 3 has a bias of {c:g}",
    "all biased": "all have a bias, {c:g} times 1/4, 1/2, 3/4, 1",
    "judged on source 0": "source 0, of noise {c:g}, is the target",
}


class BrokenLaw(Panel):
    """Choose how the law is broken, and how strongly."""

    title = "Break the law of inverse variances"
    strip = (
        {"case": "three copies", "strength": 2.0},
        {"case": "all biased", "strength": 2.0},
        {"case": "judged on source 0", "strength": 4.0},
    )

    def make_controls(self):
        case = buttons("case", CASES)
        strength = list_slider("strength c", [(f"{c:g}", c) for c in STRENGTHS], 2.0)
        return {"case": case, "strength": strength}

    def compute(self, state):
        """M, and lambda by three accounts."""
        case, c = state["case"], state["strength"]
        here = list(CASES).index(case), STRENGTHS.index(c)
        plain = second_moments(**CASES[case](c))
        M = moments(case, c)
        return {
            **state,
            "M": M,
            "learned": _lambdas()[here].mean(0),
            "range": np.ptp(_lambdas()[here], axis=0).max(),
            "theory": best_weights(M),
            "inverse": inverse_variance(np.sqrt(np.diag(plain))),
        }

    def make_figure(self):
        """A table of M, shaded; the bars."""
        figure, (left, right) = new_figure(10.0, 3.9, columns=2)
        left.grid(False)
        self.image = left.imshow(np.zeros((4, 4)), cmap="Greens")
        self.entries = [
            left.text(j, k, "", ha="center", va="center", color=BLACK)
            for k in range(4)
            for j in range(4)
        ]
        left.set(xticks=range(4), yticks=range(4), xlabel="source", ylabel="source")
        left.set_title("M, the second moments of the errors", fontsize=10)
        self.bars = Bars(right, 4, ("inverse variances", "learned", "theory"))
        return figure, [self.image, *self.entries, *self.bars.moving]

    def draw(self, result):
        shade = np.abs(result["M"])
        self.image.set(data=shade, clim=(0, max(1.0, 2 * shade.max())))
        for text, value in zip(self.entries, result["M"].ravel(), strict=True):
            text.set_text(f"{value:.3g}")
        self.bars.set("inverse variances", result["inverse"])
        self.bars.set("learned", result["learned"])
        self.bars.set("theory", result["theory"])

    def describe(self, result):
        naive, general = (
            np.abs(result["learned"] - result[law]).sum()
            for law in ("inverse", "theory")
        )
        words = WORDS[result["case"]].format(c=result["strength"])
        return (
            f"{words.capitalize()}. Learned (mean of three seeds): "
            f"{listed(result['learned'])}. The general law says "
            f"{listed(result['theory'])}, off by {general:.2f} in all; inverse "
            f"variances say {listed(result['inverse'])}, off by {naive:.2f}."
        )

    def numbers(self, result):
        accounts = {
            "inverse variances": "inverse",
            "general law": "theory",
            "learned": "learned",
        }
        rows = [
            [label, *(f"{v:.3f}" for v in result[key])]
            for label, key in accounts.items()
        ]
        return ["lambda", *(f"source {k}" for k in range(4))], rows


@functools.cache
def _lambdas() -> np.ndarray:
    return stored("cases", __file__)["lambdas"]


MORE, SAME, LESS = "More than a quarter", "A quarter", "Less than a quarter"


def copies_question() -> Guess:
    """Before the panel opens: what is an independent voice worth?"""

    def truth():
        here = list(CASES).index("three copies"), STRENGTHS.index(2.0)
        share = float(_lambdas()[here].mean(0)[3])
        return MORE if share > 0.3 else LESS if share < 0.2 else SAME

    return Guess(
        "Three sources repeat one rumour: besides their own noise 1 they share an "
        "error of size 2. The fourth has its own noise 1 only. How much trust does the "
        "fourth get?",
        truth=truth,
        options=(LESS, SAME, MORE),
        because="Three voices with the same error are one voice: averaging them does "
        "not remove it.",
    )
