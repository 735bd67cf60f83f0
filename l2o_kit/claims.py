"""Every published claim as a measurement with a verdict.

    python -m l2o_kit.claims             measure all in full, write CLAIMS.md
    verdicts("00")                       the claims of a lesson, quickly

A claim says that a number is at most a threshold. It *holds* where the whole 95 %
interval is, *fails* where none of it is, and is *not decided* in between. The best of
the six rivals is the one that is best on the very problems judged, each rival at its
own best rate, found on other problems.

Left out: speed and memory, which ``make bench`` measures.
"""

import argparse
import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from l2o_kit import claims01, claims02, claims03, claims04, claims05
from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import Comparison, compare, paired_ratio
from l2o_kit.recipes import RECIPES
from l2o_kit.store import STEPS, rivals

NOT_TESTED = "not tested"
JUDGED = {"quadratic": (1000, 200), "digits": (32, 8)}  # problems: in full, quickly


@dataclass(frozen=True)
class Claim:
    """A sentence, where it comes from, and how to measure it.

    ``measure(quick, control)`` gives (number, low, high, against), or None where it
    cannot be measured; the claim is that the number is at most ``threshold``. With a
    control, something else is measured of which the claim must fail: an untrained
    optimizer in place of the shipped one, or True where the measurement has a control
    of its own.
    """

    id: str
    lesson: str
    statement: str
    source: str
    threshold: float
    measure: Callable

    def verdict(self, low: float, high: float) -> str:
        """holds, fails or not decided, from the 95 % interval."""
        if high <= self.threshold:
            return "holds"
        return "fails" if low > self.threshold else "not decided"


@functools.cache
def _race(problem: str, objective: str, quick: bool, optimizer=None) -> Comparison:
    """The learned optimizer (first) and the six rivals on the same fresh problems."""
    learned = optimizer or load(problem)
    rules = {"learned": learned}
    rules |= {name: rivals(problem, objective)[name] for name in SIX}
    batch = JUDGED[problem][quick]
    return compare(
        rules, RECIPES[problem].optimizee(), steps=STEPS, batch=batch, seed=1
    )


def _loss_ratio(problem, objective, first, last, quick, optimizer):
    """Mean loss over the steps first..last, relative to the best of the six."""
    curves = _race(problem, objective, quick, optimizer).curves
    losses = {name: curve.mean_loss(first, last) for name, curve in curves.items()}
    best = min(SIX, key=lambda name: float(losses[name].mean().nan_to_num(torch.inf)))
    return *paired_ratio(losses["learned"], losses[best]), best


def _error_ratio(problem, quick, optimizer):
    """Held-out errors after the last step, relative to the best of the six."""
    curves = _race(problem, "last", quick, optimizer).curves
    errors = {name: 1 - curve.held_out_accuracy for name, curve in curves.items()}
    best = min(SIX, key=lambda name: float(errors[name].mean()))
    return *paired_ratio(errors["learned"], errors[best]), best


def _claim(id, lesson, statement, source, threshold, measure, *arguments):
    return Claim(id, lesson, statement, source, threshold,
                 functools.partial(measure, *arguments))  # fmt: skip


PAPER, OWN = "Andrychowicz et al. 2016, figure 4", "design of the lesson"
EXTENSION = "MikyLanfra, Learning-to-Optimize"
REST = ("sigmoid", 128, 1.0)  # of a place of lesson 05: as in training
RELU = (20, 1, "relu", 128, 1.0)
CLAIMS = {
    claim.id: claim
    for claim in (
        _claim("quadratic-wins", "00", "Quadratics: a lower mean loss over 100 steps "
               "than any of six tuned rivals", PAPER, 1.0,
               _loss_ratio, "quadratic", "mean", 1, STEPS),
        _claim("digits-wins", "00", "Digits: a lower mean loss over 100 steps than any "
               "of six tuned rivals", PAPER, 1.0,
               _loss_ratio, "digits", "mean", 1, STEPS),
        _claim("quadratic-mean", "00", "Quadratics: the mean loss over 100 steps is at "
               "most 0.75 times the best rival's", PAPER, 0.75,
               _loss_ratio, "quadratic", "mean", 1, STEPS),
        _claim("quadratic-last", "00", "Quadratics: the loss at step 100 is at most "
               "0.4 times the best rival's, rivals tuned for the mean loss", PAPER, 0.4,
               _loss_ratio, "quadratic", "mean", STEPS, STEPS),
        _claim("quadratic-last-tuned", "00", "Quadratics: the same, rivals tuned for "
               "the last ten steps", PAPER, 0.4,
               _loss_ratio, "quadratic", "last", STEPS, STEPS),
        _claim("digits-mean", "00", "Digits: the mean loss over 100 steps is at most "
               "0.5 times the best rival's", PAPER, 0.5,
               _loss_ratio, "digits", "mean", 1, STEPS),
        _claim("digits-last", "00", "Digits: the mean loss over steps 91 to 100 is at "
               "most 0.8 times the best rival's, rivals tuned for the mean loss", PAPER,
               0.8, _loss_ratio, "digits", "mean", STEPS - 9, STEPS),
        _claim("digits-last-tuned", "00", "Digits: the same, rivals tuned for the last "
               "ten steps", PAPER, 0.8,
               _loss_ratio, "digits", "last", STEPS - 9, STEPS),
        _claim("digits-errors", "00", "Digits: no more held-out errors after 100 steps "
               "than the best rival", PAPER, 1.0, _error_ratio, "digits"),
        _claim("limits", "01", "SGD, Momentum and NAG diverge within 1 % of the rate "
               "that theory names", "Lessard et al. 2016", 0.01,
               claims01.divergence_error),
        _claim("lunch-axes", "01", "Valleys along the axes: the best adaptive rule has "
               "a lower mean loss than SGD, Momentum and NAG",
               "Wolpert and Macready 1997", 1.0, claims01.lunch, False),
        _claim("lunch-askew", "01", "Valleys askew: the best of SGD, Momentum and NAG "
               "has a lower mean loss than every adaptive rule",
               "Wolpert and Macready 1997", 1.0, claims01.lunch, True),
        _claim("short-horizon", "02", "Two curvatures: windows of 10 lead to less than "
               "a tenth of the best rate", "Wu et al. 2018", 0.1,
               claims02.lead, "truncated", 10),
        _claim("first-order", "02", "Two curvatures: without second derivatives, over "
               "the whole horizon, to less than 0.3 of the best rate",
               OWN, 0.3, claims02.lead, "first_order", 100),
        _claim("one-curvature", "02", "One curvature: windows of 10 lead to within 1 % "
               "of the best rate", "Wu et al. 2018", 0.01, claims02.miss, "truncated",
               True),
        _claim("pes", "02", "Two curvatures: PES with windows of 10 leads to within "
               "20 % of the best rate", "Vicol et al. 2021", 0.2, claims02.miss, "pes",
               False),
        _claim("permutation", "03", "Permuting coordinates permutes the updates, "
               "to a relative 1e-12 in float64", PAPER.split(",")[0], 1e-12,
               claims03.permutation_error),
        _claim("growth", "03", "Ten times the gradient: less than six times the step",
               OWN, 6.0, claims03.growth),
        _claim("quadratic-dim-20", "03", "Twice the dimension, 20: a lower mean loss "
               "than any of six rivals tuned at home", OWN, 1.0,
               claims03.away, "dimension", 20),
        _claim("quadratic-dim-100", "03", "Ten times the dimension, 100: a lower "
               "mean loss than any of six rivals tuned at home", OWN, 1.0,
               claims03.away, "dimension", 100),
        _claim("quadratic-long", "03", "Ten times the horizon, 1,000 steps: a lower "
               "mean loss than any of six rivals tuned at home", OWN, 1.0,
               claims03.away, "horizon", 1000),
        _claim("quadratic-steep", "03", "Losses ten times as large: a lower mean loss "
               "than any of six rivals tuned at home", OWN, 1.0, claims03.away,
               "scale", 10),
        _claim("quadratic-long-end", "03", "At step 1,000 a rival tuned at home has a "
               "lower loss on at most half of the problems", OWN, 0.5,
               claims03.behind, "horizon", 1000),
        _claim("mnist-mlp-100", "04", "784-20-10 on the 28x28 digits: after 100 steps "
               "at most 0.72 times Adam's loss", PAPER, 0.72,
               claims04.end_ratio, "mnist_mlp", 100, ("Adam",)),
        _claim("mnist-mlp-200", "04", "784-20-10 on the 28x28 digits: after 200 steps "
               "a lower loss than any of six rivals", PAPER, 1.0,
               claims04.end_ratio, "mnist_mlp", 200, SIX),
        _claim("diabetes-500", "04", "Diabetes: after 500 steps at most the loss of "
               "the best of Adam, SGD and Momentum", EXTENSION, 1.0,
               claims04.end_ratio, "diabetes", 500, ("Adam", "SGD", "Momentum")),
        _claim("mnist-itself", "04", "784-20-10 on MNIST itself: after 100 steps a "
               "lower loss than any of six rivals", PAPER, 1.0,
               claims04.real_mnist),
        _claim("digits-40-units", "05", "40 units: after 100 steps at most tuned "
               "Adam's loss", PAPER, 1.0,
               claims05.away, "digits", (40, 1, *REST), 100),
        _claim("digits-two-layers", "05", "Two layers of 20: after 100 steps at most "
               "tuned Adam's loss", PAPER, 1.0,
               claims05.away, "digits", (20, 2, *REST), 100),
        _claim("digits-relu-plain", "05", "ReLU, the plain optimizer: after 100 steps "
               "at most tuned Adam's loss", OWN, 1.0,
               claims05.away, "digits", RELU, 100),
        _claim("digits-relu-robust", "05", "ReLU, the robust optimizer: after 100 "
               "steps at most tuned Adam's loss", OWN, 1.0,
               claims05.away, "digits_robust", RELU, 100),
        _claim("far-2000-plain", "05", "The plain optimizer: after 2,000 steps at most "
               "the loss of Adam, tuned for 2,000 steps", OWN, 1.0,
               claims05.far, "plain"),
        _claim("far-2000", "05", "The robust optimizer: after 2,000 steps at most a "
               "tenth of the loss of Adam, tuned for 2,000 steps", OWN, 0.1,
               claims05.far, "robust"),
        _claim("far-10000", "05", "The robust optimizer: its loss at step 10,000 is "
               "at most that at step 2,000", OWN, 1.0, claims05.rise),
    )
}  # fmt: skip


def verdicts(lesson: str, *, quick: bool = True, control=None) -> str:
    """The verdict of each claim of a lesson, a line each: words, no digits to go stale.

    Example: ``print(verdicts("00"))``
    """
    lines = []
    for claim in CLAIMS.values():
        if claim.lesson == lesson:
            found = claim.measure(quick, control)
            verdict = claim.verdict(*found[1:3]) if found else NOT_TESTED
            lines.append(f"{verdict:12} {claim.id}: {claim.statement}")
    return "\n".join(lines)


def report() -> str:
    """CLAIMS.md: each claim measured in full."""
    lines = [
        "# Claims", "",
        "Written by `make claims`; do not edit. Lesson 00: each number is a ratio to "
        "the best of six tuned rivals on the same fresh problems (1,000 quadratics, 32 "
        "networks). Lesson 01: a relative error, and ratios between the best of two "
        "groups of tuned rules on 400 fresh valleys. Lesson 02: closed forms. Lesson "
        "03: a relative error, a ratio of two steps, and ratios as in lesson 00 on 500 "
        "quadratics of another kind. "
        "Lesson 04: ratios of the mean loss over the last tenth of the steps, rivals "
        "tuned for just that (16 networks, 32 of the diabetes network). Lesson 05: the "
        "same against Adam, tuned at each place, on 16 networks; and a loss over an "
        "earlier one. "
        "Intervals are paired 95 % bootstraps.", "",
        f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}, "
        "float32, CPU.", "",
        "| id | claim | measured | 95 % interval | against | verdict | source |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for claim in CLAIMS.values():
        found = claim.measure(False, None)
        measured = f"none | none | none | {NOT_TESTED}"
        if found:
            value, low, high, against = found
            verdict = claim.verdict(low, high)
            value, low, high = (_written(x) for x in (value, low, high))
            measured = f"{value} | {low} to {high} | {against} | {verdict}"
        lines.append(
            f"| {claim.id} | {claim.statement} | {measured} | {claim.source} |"
        )
    return "\n".join(lines) + "\n"


def _written(value: float) -> str:
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.1e}"


def main():
    """The command line: measure and write."""
    parser = argparse.ArgumentParser(description="Measure every published claim.")
    parser.add_argument("--output", type=Path, default=Path("CLAIMS.md"))
    path = parser.parse_args().output
    path.write_text(report())
    print(path.read_text())


if __name__ == "__main__":
    main()
