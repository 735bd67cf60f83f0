"""What is claimed about speed and memory, judged by what `make bench` measured last.

To measure it takes a quiet machine and more than half an hour. So BENCHMARKS.json is
read: a claim is that the largest number of some columns of a table there, in the rows
that are meant, is at most a threshold. Where that file, a table of it or a row is
missing, the claim is not tested. ``quick`` changes nothing. ``control`` takes another
column, of which the claim must not hold: the rival's in the kit's place, for one.
"""

import json
from pathlib import Path

from l2o_kit.teaching.claim import OWN, claim

BENCHMARKS = Path(__file__).parents[2] / "BENCHMARKS.json"
LESSON = "bench"


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


def _bench(id, words, threshold, path, where, columns, instead, against):
    return claim(
        id,
        LESSON,
        words,
        OWN,
        threshold,
        worst,
        path,
        where,
        columns,
        instead,
        against,
        judged_on="one run of `make bench`",
    )


def _speed(id, words, threshold, problems, rival):
    """A rival's throughput over the kit's; in the control the kit's, or another's."""
    instead = "floor / autograd" if rival == "floor" else f"kit / {rival}"
    where, columns = {"problem": problems}, [f"{rival} / kit"]
    path = "engine/speed"
    return _bench(id, words, threshold, path, where, columns, (instead, {}), rival)


def _memory(id, words, threshold, problem):
    """GB of a process that meta-trains; in the control with autograd, at 784-256-10."""
    where, instead = {"problem": [problem]}, ("autograd", {"problem": [LARGE]})
    path = "engine/memory"
    return _bench(id, words, threshold, path, where, ["kit"], instead, "-")


def _minute(id, words, judged_by):
    """The worst seed's ratio and upper end; in the control the two have changed."""
    where = {"optimizer": ["LSTMOptimizer"], "judged by": [judged_by]}
    path, instead = "minute/seeds", ("rival / learned", {})
    return _bench(id, words, 1.0, path, where, ["ratio"], instead, "best rival")


def _slider(id, words, table):
    """Median ms to new pixels; in the control the 95th percentile."""
    path, instead = f"slider/{table}", ("95th percentile", {})
    return _bench(id, words, 100.0, path, {}, ["median"], instead, "100 ms")


def _step(id, words, models):
    """A step of LearnedOptimizer over its floor; in the control over Adam's."""
    columns, where = ["digits / floor", "digits_robust / floor"], {"model": models}
    path, instead = "deploy/seconds", ("digits / Adam", {})
    return _bench(id, words, 2.0, path, where, columns, instead, "floor")


SMALL, DIGITS = "128 quadratics of 10", "8 digits networks, 64-20-10"
LARGE, MILLION = "784-256-10", "784-1258-10"
CLAIMS = (
    *(
        _speed(
            f"speed-{name}-{rival.lower()}",
            f"A window of {words}: at most half the time that {rival} takes",
            0.5,
            [problem],
            rival,
        )
        for name, words, problem in (
            ("quadratics", "128 quadratics", SMALL),
            ("digits", "8 digits networks", DIGITS),
        )
        for rival in ("JAX", "autograd")
    ),
    _speed(
        "speed-floor",
        "12,000 coordinates and more, window kept: at least half the throughput of "
        "matrix products and activations alone",
        2.0,
        [DIGITS, "784-20-10"],
        "floor",
    ),
    _speed(
        "speed-floor-twice",
        "200,000 coordinates and more, computed twice: at least a third of it",
        3.0,
        [LARGE, MILLION],
        "floor",
    ),
    _speed(
        "speed-large",
        "203,530 coordinates: at most a third of autograd's time",
        1 / 3,
        [LARGE],
        "autograd",
    ),
    _memory("memory-large", "203,530 coordinates, unroll 20: at most 1 GB", 1.0, LARGE),
    _memory(
        "memory-million", "A million coordinates meta-train within 4 GB", 4.0, MILLION
    ),
    _bench(
        "side-by-side",
        "128 quadratics side by side: at least 50 times as many problems a second as "
        "one at a time, differentiated through everything",
        1 / 50,
        "quadratics/ratios",
        {},
        ["one at a time / side by side"],
        ("side by side / one at a time", {}),
        "one at a time",
    ),
    _minute(
        "minute-mean",
        "60 s from random phi: a lower mean loss than any of six tuned rivals, in 5 of "
        "5 seeds (the worst of them)",
        "mean of steps 1 to 100",
    ),
    _minute(
        "minute-last",
        "The same at step 100, rivals tuned for it",
        "step 100, rivals tuned for it",
    ),
    _slider(
        "slider-all",
        "From a key press on a slider to new pixels: a median of at most 100 ms",
        "all",
    ),
    _slider("slider-each", "The same for the slowest panel", "panels"),
    _step(
        "step-large",
        "A step of LearnedOptimizer, 20,000 parameters and more: at most twice its "
        "matrix products and activations",
        ["lesson 08's convnet", LARGE, MILLION],
    ),
    _step("step-small", "The same at 1,510 parameters", ["64-20-10"]),
    _bench(
        "step-memory",
        "A million parameters: a step borrows at most 200 MB",
        200.0,
        "deploy/memory",
        {"state": ["float32", "float32, digits_robust"]},
        ["borrowed, MB"],
        ("kept, tensors", {}),
        "200 MB",
    ),
    _bench(
        "lambda-time",
        "Lambda is learned on a frozen LSTM in at most 2 minutes",
        120.0,
        "trust/kinds",
        {},
        ["seconds, median"],
        None,
        "120 s",
    ),
)
