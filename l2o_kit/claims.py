"""Every published claim as a measurement with a verdict.

    python -m l2o_kit.claims             measure all in full, write CLAIMS.md
    verdicts("00")                       the claims of a lesson, quickly

What a claim is stands in ``claim.py``, the claims of lesson NN in ``claimsNN.py``. The
best of the six rivals is the one that is best on the very problems judged, each rival
at its own best rate, found on other problems.

Left out: speed and memory, which ``make bench`` measures.
"""

import argparse
import platform
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
    claims08,
    claims09,
    claims10,
)

NOT_TESTED = "not tested"
MODULES = (claims00, claims01, claims02, claims03, claims04, claims05, claims06,
           claims07, claims08, claims09, claims10)  # fmt: skip
CLAIMS = {claim.id: claim for module in MODULES for claim in module.CLAIMS}


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
        "Lesson 08: ratios as in lesson 04, on 16 networks; the first row is a "
        "difference of accuracies, three seeds. Lesson 09: ratios of mean losses on 16 "
        "pictures, rivals tuned at each place on other contents. Lesson 10: a "
        "difference, bytes, shares of pairs, and ratios to tuned Adam on 8 to 256 "
        "problems. "
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
