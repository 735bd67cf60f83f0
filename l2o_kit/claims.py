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

from l2o_kit import (
    claims00,
    claims01,
    claims02,
    claims03,
    claims04,
    claims05,
    claims06,
    claims07,
)
from l2o_kit.baselines import SIX
from l2o_kit.store import STEPS

NOT_TESTED = "not tested"


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


def _claim(id, lesson, statement, source, threshold, measure, *arguments):
    return Claim(id, lesson, statement, source, threshold,
                 functools.partial(measure, *arguments))  # fmt: skip


PAPER, OWN = "Andrychowicz et al. 2016, figure 4", "design of the lesson"
EXTENSION = "MikyLanfra, Learning-to-Optimize"
LEMMA = "Aitken 1936, for least squares"
LAW = "the inverse variances, within 0.08 in all"
REST = ("sigmoid", 128, 1.0)  # of a place of lesson 05: as in training
RELU = (20, 1, "relu", 128, 1.0)
CLAIMS = {
    claim.id: claim
    for claim in (
        _claim("quadratic-wins", "00", "Quadratics: a lower mean loss over 100 steps "
               "than any of six tuned rivals", PAPER, 1.0,
               claims00.loss_ratio, "quadratic", "mean", 1, STEPS),
        _claim("digits-wins", "00", "Digits: a lower mean loss over 100 steps than any "
               "of six tuned rivals", PAPER, 1.0,
               claims00.loss_ratio, "digits", "mean", 1, STEPS),
        _claim("quadratic-mean", "00", "Quadratics: the mean loss over 100 steps is at "
               "most 0.75 times the best rival's", PAPER, 0.75,
               claims00.loss_ratio, "quadratic", "mean", 1, STEPS),
        _claim("quadratic-last", "00", "Quadratics: the loss at step 100 is at most "
               "0.4 times the best rival's, rivals tuned for the mean loss", PAPER, 0.4,
               claims00.loss_ratio, "quadratic", "mean", STEPS, STEPS),
        _claim("quadratic-last-tuned", "00", "Quadratics: the same, rivals tuned for "
               "the last ten steps", PAPER, 0.4,
               claims00.loss_ratio, "quadratic", "last", STEPS, STEPS),
        _claim("digits-mean", "00", "Digits: the mean loss over 100 steps is at most "
               "0.5 times the best rival's", PAPER, 0.5,
               claims00.loss_ratio, "digits", "mean", 1, STEPS),
        _claim("digits-last", "00", "Digits: the mean loss over steps 91 to 100 is at "
               "most 0.8 times the best rival's, rivals tuned for the mean loss", PAPER,
               0.8, claims00.loss_ratio, "digits", "mean", STEPS - 9, STEPS),
        _claim("digits-last-tuned", "00", "Digits: the same, rivals tuned for the last "
               "ten steps", PAPER, 0.8,
               claims00.loss_ratio, "digits", "last", STEPS - 9, STEPS),
        _claim("digits-errors", "00", "Digits: no more held-out errors after 100 steps "
               "than the best rival", PAPER, 1.0, claims00.error_ratio, "digits"),
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
        _claim("team-softmax", "06", "Noise 0.5, 1, 2, 3, clean target: softmax ends "
               "at most at 0.8 times the loss of source 0 alone", EXTENSION, 0.8,
               claims06.choice, "ways to combine", "softmax"),
        _claim("team-concat", "06", "The same for concat", EXTENSION, 0.8,
               claims06.choice, "ways to combine", "concat"),
        _claim("team-nine", "06", "Nine sources of noise 1, averaged: at most a fifth "
               "of the loss of one", OWN, 0.2, claims06.choice, "noisy sources", "9"),
        _claim("team-subsets", "06", "Three subsets of 60 digits: at most half the "
               "loss on all data of one", EXTENSION, 0.5,
               claims06.choice, "subsets", "3"),
        _claim("team-activations", "06", "Tanh, ReLU and SiLU as sources beside the "
               "sigmoid, lambda learned: a lower loss of the sigmoid network",
               EXTENSION, 0.99, claims06.choice, "activations", "all, lambda"),
        _claim("team-losses", "06", "Absolute and smooth losses as sources beside the "
               "squared one, lambda learned: a lower squared loss", EXTENSION, 0.99,
               claims06.choice, "losses", "all, lambda"),
        *(
            _claim(f"gain-{kind}", "06", f"{words}, clean target: with lambda learned "
                   "at most half the loss of tuned Adam on the average", OWN, 0.5,
                   claims06.gain, kind, "adam")
            for kind, words in (("noise", "Noise 0.5, 1, 2, 3"),
                                ("rotation", "Rotations 0, 20, 45"),
                                ("poison", "Poison 0, 0.2, 0.5, 0.8"))
        ),
        _claim("gain-second", "06", "Rotations 20, 20, 180: lambda learned with second "
               "derivatives leads to a lower loss than without", OWN, 0.99,
               claims06.second),
        _claim("trust-home", "07", "Noise 0.5, 1, 2, 3, no preprocessing: lambda is "
               f"{LAW}", LEMMA, 0.08, claims07.home, "home", "quadratic"),
        _claim("trust-home-log", "07", "The same with preprocessing", LEMMA, 0.08,
               claims07.home, "home", "concurrent_noise"),
        _claim("trust-live", "07", "The same after 100 meta-steps, as in the live "
               "panel: within 0.15 in all", LEMMA, 0.15,
               claims07.home, "live", "quadratic"),
        _claim("trust-joint", "07", "The same where all weights were trained", LEMMA,
               0.08, claims07.joint),
        _claim("trust-random", "07", "Twenty random vectors of noise, no "
               f"preprocessing: lambda is {LAW}", LEMMA, 0.08,
               claims07.drawn, "quadratic"),
        _claim("trust-random-log", "07", "The same with preprocessing", LEMMA, 0.08,
               claims07.drawn, "concurrent_noise"),
        *(
            _claim(f"trust-{name}", "07", f"{words}: lambda is what the general law "
                   "says, within 0.08 in all", LEMMA, 0.08, claims07.case, *case)
            for name, words, case in (
                ("copies", "Three sources share an error of size 2",
                 ("three copies", 2.0)),
                ("unequal", "All share an error, of sizes 0.5 to 2 (on the boundary)",
                 ("unequal copies", 2.0)),
                ("biased", "One source has a bias of 2", ("one biased", 2.0)),
                ("all-biased", "All are biased, by 0.5 to 2 (on the boundary)",
                 ("all biased", 2.0)),
            )
        ),
        _claim("trust-target", "07", "Noise 0.01 to 0.4, judged on source 0: lambda_0 "
               "above 0.95", EXTENSION, 0.05, claims07.lacks, "noise_source0"),
        _claim("trust-noisiest", "07", "Noise 3, 2, 1, 0.5, judged on source 0, the "
               "noisiest: lambda_0 above 0.95", EXTENSION, 0.05,
               claims07.lacks, "noisiest_source0"),
        _claim("trust-order", "07", "Sizes a factor of 2 apart, shuffled: lambda falls "
               "with the noise in 20 of 20 runs", OWN, 0.0, claims07.disorder),
        _claim("trust-upright", "07", "Rotations 0, 20, 45, upright first or last: its "
               "lambda is the largest in 20 of 20 runs", EXTENSION, 0.0,
               claims07.upright),
        _claim("trust-poison", "07", "Poison 0, 0.2, 0.5, 0.8: lambda falls with the "
               "rate in 10 of 10 seeds", EXTENSION, 0.0, claims07.falls, "poison", 4),
        _claim("trust-poison-three", "07", "The same among 0, 0.2 and 0.5", OWN, 0.0,
               claims07.falls, "poison", 3),
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
        "Lesson 06: ratios of clean losses; three seeds, their median and extremes, "
        "or 64 quadratics, 8 networks. Lesson 07: distances to theory, 1 - lambda_0, "
        "or how many runs are out of order; the median of all runs, and the extremes. "
        "All other intervals are paired 95 % bootstraps.", "",
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
