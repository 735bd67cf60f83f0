"""What is claimed about speed and memory, judged by what `make bench` measured last.

To measure it takes a quiet machine and more than half an hour. So BENCHMARKS.json is
read: a claim is that the largest number of some columns of a table there, in the rows
that are meant, is at most a threshold. Where that file, a table of it or a row is
missing, the claim is not tested. ``quick`` changes nothing. ``control`` takes another
column, of which the claim must not hold: the rival's in the kit's place, for one.
"""

import json
from functools import partial
from pathlib import Path

from l2o_kit.teaching.claim import Claim, judged

BENCHMARKS = Path(__file__).parents[2] / "BENCHMARKS.json"


def rows(path: str, where: dict) -> list[dict]:
    """Rows of the table "section/table" whose columns have one of the values meant."""
    known = json.loads(BENCHMARKS.read_text()) if BENCHMARKS.exists() else {}
    section, table = path.split("/")
    parts = known.get("sections", {}).get(section, {"values": {}})["values"]
    found = parts.get(table, [])
    found = found if isinstance(found, list) else [found]
    return [row for row in found if all(row[c] in v for c, v in where.items())]


def worst(
    path: str,
    where: dict,
    columns: list,
    instead: tuple | None,
    against: str,
    quick: bool,
    control: bool | None = None,
):
    """The largest (number, low, high) of the columns, and against what.

    In the control the column ``instead[0]`` is judged, in the rows ``instead[1]``.
    """
    if control:
        columns, where = (
            ([instead[0]], {**where, **instead[1]}) if instead else ([], {})
        )
    numbers = [row[column] for row in rows(path, where) for column in columns]
    each = [
        n if isinstance(n, list) else [float(n)] * 3 for n in numbers if n is not None
    ]
    return (*map(max, zip(*each, strict=True)), against) if each else None


def _at_most(threshold, path, where, columns, instead, against, words) -> Claim:
    measure = partial(worst, path, where, columns, instead, against)
    return Claim(words, measure, threshold)


def _speed(threshold, problems, rival, words):
    """A rival's throughput over the kit's; in the control the kit's, or another's."""
    instead = "floor / autograd" if rival == "floor" else f"kit / {rival}"
    where, columns = {"problem": problems}, [f"{rival} / kit"]
    path = "engine/speed"
    return _at_most(threshold, path, where, columns, (instead, {}), rival, words)


def _memory(threshold, problem, words):
    """GB of a process that meta-trains; in the control with autograd, at 784-256-10."""
    where, instead = {"problem": [problem]}, ("autograd", {"problem": [LARGE]})
    return _at_most(threshold, "engine/memory", where, ["kit"], instead, "-", words)


def _minute(judged_by, words):
    """The worst seed's ratio and upper end; in the control the two have changed."""
    where = {"optimizer": ["LSTMOptimizer"], "judged by": [judged_by]}
    path, instead = "minute/seeds", ("rival / learned", {})
    return _at_most(1.0, path, where, ["ratio"], instead, "best rival", words)


def _slider(table, words):
    """Median ms to new pixels; in the control the 95th percentile."""
    path, instead = f"slider/{table}", ("95th percentile", {})
    return _at_most(100.0, path, {}, ["median"], instead, "100 ms", words)


def _step(models, words):
    """A step of LearnedOptimizer over its floor; in the control over Adam's."""
    columns, where = ["digits / floor", "digits_robust / floor"], {"model": models}
    path, instead = "deploy/seconds", ("digits / Adam", {})
    return _at_most(2.0, path, where, columns, instead, "floor", words)


SMALL, DIGITS = "128 quadratics of 10", "8 digits networks, 64-20-10"
LARGE, MILLION = "784-256-10", "784-1258-10"
WINDOWS = {
    "quadratics": ("128 quadratics", SMALL),
    "digits": ("8 digits networks", DIGITS),
}
STATES = {"state": ["float32", "float32, digits_robust"]}
TURNED = "side by side / one at a time"
CLAIMS = {
    **{
        f"speed-{name}-{rival.lower()}": _speed(
            0.5,
            [problem],
            rival,
            f"A window of {words}: at most half the time that {rival} takes",
        )
        for name, (words, problem) in WINDOWS.items()
        for rival in ("JAX", "autograd")
    },
    "speed-floor": _speed(
        2.0,
        [DIGITS, "784-20-10"],
        "floor",
        "12,000 coordinates and more, window kept: at least half the throughput of "
        "matrix products and activations alone",
    ),
    "speed-floor-twice": _speed(
        3.0,
        [LARGE, MILLION],
        "floor",
        "200,000 coordinates and more, computed twice: at least a third of it",
    ),
    "speed-large": _speed(
        1 / 3,
        [LARGE],
        "autograd",
        "203,530 coordinates: at most a third of autograd's time",
    ),
    "memory-large": _memory(1.0, LARGE, "203,530 coordinates, unroll 20: at most 1 GB"),
    "memory-million": _memory(
        4.0, MILLION, "A million coordinates meta-train within 4 GB"
    ),
    "side-by-side": _at_most(
        1 / 50,
        "quadratics/ratios",
        {},
        ["one at a time / side by side"],
        (TURNED, {}),
        "one at a time",
        "128 quadratics side by side: at least 50 times as many problems a second as "
        "one at a time, differentiated through everything",
    ),
    "minute-mean": _minute(
        "mean of steps 1 to 100",
        "60 s from random phi: a lower mean loss than any of six tuned rivals, in 5 of "
        "5 seeds (the worst of them)",
    ),
    "minute-last": _minute(
        "step 100, rivals tuned for it", "The same at step 100, rivals tuned for it"
    ),
    "slider-all": _slider(
        "all", "From a key press on a slider to new pixels: a median of at most 100 ms"
    ),
    "slider-each": _slider("panels", "The same for the slowest panel"),
    "step-large": _step(
        ["lesson 08's convnet", LARGE, MILLION],
        "A step of LearnedOptimizer, 20,000 parameters and more: at most twice its "
        "matrix products and activations",
    ),
    "step-small": _step(["64-20-10"], "The same at 1,510 parameters"),
    "step-memory": _at_most(
        200.0,
        "deploy/memory",
        STATES,
        ["borrowed, MB"],
        ("kept, tensors", {}),
        "200 MB",
        "A million parameters: a step borrows at most 200 MB",
    ),
    "lambda-time": _at_most(
        120.0,
        "trust/kinds",
        {},
        ["seconds, median"],
        None,
        "120 s",
        "Lambda is learned on a frozen LSTM in at most 2 minutes",
    ),
}
CLAIMS = judged("one run of `make bench`", CLAIMS, "bench")
