"""What is claimed about speed and memory, judged by what `make bench` measured last.

To measure it takes a quiet machine and more than half an hour. So BENCHMARKS.md is
read, and its numbers are judged; where that file, a table of it or a line is missing,
the claim is not tested. ``quick`` changes nothing. ``control`` judges something of
which the claim must not hold: the rival in the kit's place, for one.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does; most have no interval.
"""

import re
from pathlib import Path

from l2o_kit.teaching.claim import OWN, claim

BENCHMARKS = Path(__file__).parents[2] / "BENCHMARKS.md"
LESSON = "bench"


def tables(section: str) -> list[list[dict]]:
    """The tables of a section of BENCHMARKS.md: each row a dict, column -> cell."""
    text = BENCHMARKS.read_text() if BENCHMARKS.exists() else ""
    parts = [part for part in text.split("\n## ") if part.startswith(section)]
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", parts[0] if parts else "", re.M):
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in block.splitlines()
        ]
        found.append([dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]])
    return found


def _rows(section: str, *columns: str) -> list[dict]:
    """The rows of the section's first table that has these columns."""
    has = [t for t in tables(section) if t and set(columns) <= set(t[0])]
    return has[0] if has else []


def _number(cell: str) -> float | None:
    found = re.search(r"[\d.]+", cell.replace(",", ""))
    return float(found[0]) if found else None


def _most(numbers, against: str) -> tuple | None:
    """The largest of some numbers, without an interval; None where there is none."""
    there = [number for number in numbers if number is not None]
    return (max(there), max(there), max(there), against) if there else None


def slower(names: tuple, rival: str, quick: bool, control: bool | None = None):
    """A rival's throughput over the kit's; control: over its own, or autograd's."""
    ours = ("autograd" if rival == "floor" else rival) if control else "kit"
    return _most(
        (
            _number(row[rival]) / _number(row[ours])
            for row in _rows("The meta-gradient", "problem", rival, "floor")
            if row["problem"] in names and _number(row[ours]) and _number(row[rival])
        ),
        rival,
    )


def memory(name: str, quick: bool, control: bool | None = None):
    """GB of a process that meta-trains; control: with autograd, at 784-256-10."""
    rows = _rows("The meta-gradient", "problem", "autograd / kit")
    name, column = ("784-256-10", "autograd") if control else (name, "kit")
    return _most((_number(row[column]) for row in rows if row["problem"] == name), "-")


def minute(judged_by: str, quick: bool, control: bool | None = None):
    """The worst seed's ratio and upper end; in the control the two have changed."""
    found = [
        tuple(map(float, re.findall(r"[\d.]+", row["ratio"])))
        for row in _rows("60 seconds", "judged by", "ratio")
        if (row["optimizer"], row["judged by"]) == ("LSTMOptimizer", judged_by)
    ]
    if control:
        found = [(1 / value, 1 / high, 1 / low) for value, low, high in found]
    return (*map(max, zip(*found, strict=True)), "best rival") if found else None


def side_by_side(quick: bool, control: bool | None = None):
    """Problems a second one at a time, over 128 side by side; control: over itself."""
    rows = _rows("Meta-training on quadratics", "problems a second")
    if not rows:
        return None
    ours, alone = (_number(row["problems a second"]) for row in rows[:2])
    return _most([alone / (alone if control else ours)], "one at a time")


def slider(each: bool, quick: bool, control: bool | None = None):
    """Median ms to new pixels: of all presses, or of the slowest panel.

    The control looks at the 95th percentile in its place.
    """
    what = "95th percentile" if control else "median"
    rows = _rows("Slider to pixels", "panel", what)
    if each:
        return _most((_number(row[what]) for row in rows), "100 ms")
    text = BENCHMARKS.read_text() if BENCHMARKS.exists() else ""
    found = re.findall(rf"All together:.*?{what} (\d+)", text)
    return _most(map(float, found), "100 ms")


def step(large: bool, quick: bool, control: bool | None = None):
    """A step of LearnedOptimizer over its floor, the worst; control: over Adam's."""
    section = _rows("Take it home", "digits / floor", "digits / Adam")
    rules = ("digits / floor", "digits_robust / floor")
    rules = ("digits / Adam",) if control else rules
    models = [row for row in section if (_number(row["parameters"]) > 10_000) == large]
    return _most((_number(row[rule]) for row in models for rule in rules), "floor")


def borrowed(quick: bool, control: bool | None = None):
    """MB that a step borrows at a million parameters; control: the state it keeps."""
    column = "kept, tensors" if control else "borrowed, MB"
    rows = _rows("Take it home", "state", column)
    return _most(
        (_number(row[column]) for row in rows if row["state"].startswith("float32")),
        "200 MB",
    )


def learns_lambda(quick: bool, control: bool | None = None):
    """Seconds to learn lambda on a frozen LSTM, the slowest kind; control: an hour."""
    rows = _rows("Lambda on a frozen", "seconds, median")
    seconds = [_number(row["seconds, median"]) for row in rows]
    return _most([3600.0] if control and seconds else seconds, "120 s")


def _bench(id, words, threshold, measure, *arguments):
    return claim(
        id,
        LESSON,
        words,
        OWN,
        threshold,
        measure,
        *arguments,
        judged_on="one run of `make bench`",
    )


SMALL, DIGITS = "128 quadratics of 10", "8 digits networks, 64-20-10"
LARGE, MILLION = "784-256-10", "784-1258-10"
CLAIMS = (
    *(
        _bench(
            f"speed-{name}-{rival.lower()}",
            f"A window of {words}: at most half the time that {rival} takes",
            0.5,
            slower,
            (problem,),
            rival,
        )
        for name, words, problem in (
            ("quadratics", "128 quadratics", SMALL),
            ("digits", "8 digits networks", DIGITS),
        )
        for rival in ("JAX", "autograd")
    ),
    _bench(
        "speed-floor",
        "12,000 coordinates and more, window kept: at least half the throughput of "
        "matrix products and activations alone",
        2.0,
        slower,
        (DIGITS, "784-20-10"),
        "floor",
    ),
    _bench(
        "speed-floor-twice",
        "200,000 coordinates and more, computed twice: at least a third of it",
        3.0,
        slower,
        (LARGE, MILLION),
        "floor",
    ),
    _bench(
        "speed-large",
        "203,530 coordinates: at most a third of autograd's time",
        1 / 3,
        slower,
        (LARGE,),
        "autograd",
    ),
    _bench(
        "memory-large",
        "203,530 coordinates, unroll 20: at most 1 GB",
        1.0,
        memory,
        LARGE,
    ),
    _bench(
        "memory-million",
        "A million coordinates meta-train within 4 GB",
        4.0,
        memory,
        MILLION,
    ),
    _bench(
        "side-by-side",
        "128 quadratics side by side: at least 50 times as many problems a second as "
        "one at a time, differentiated through everything",
        1 / 50,
        side_by_side,
    ),
    _bench(
        "minute-mean",
        "60 s from random phi: a lower mean loss than any of six tuned rivals, in 5 of "
        "5 seeds (the worst of them)",
        1.0,
        minute,
        "mean of steps 1 to 100",
    ),
    _bench(
        "minute-last",
        "The same at step 100, rivals tuned for it",
        1.0,
        minute,
        "step 100, rivals tuned for it",
    ),
    _bench(
        "slider-all",
        "From a key press on a slider to new pixels: a median of at most 100 ms",
        100.0,
        slider,
        False,
    ),
    _bench("slider-each", "The same for the slowest panel", 100.0, slider, True),
    _bench(
        "step-large",
        "A step of LearnedOptimizer, 20,000 parameters and more: at most twice its "
        "matrix products and activations",
        2.0,
        step,
        True,
    ),
    _bench("step-small", "The same at 1,510 parameters", 2.0, step, False),
    _bench(
        "step-memory",
        "A million parameters: a step borrows at most 200 MB",
        200.0,
        borrowed,
    ),
    _bench(
        "lambda-time",
        "Lambda is learned on a frozen LSTM in at most 2 minutes",
        120.0,
        learns_lambda,
    ),
)
