"""How time and memory of a window grow with coordinates, unroll, sources and batch.

    python -m tests.bench.growth kit '{"unroll": 50}'      one point, as JSON
    python -m tests.bench.growth                           all of them, and the picture

autograd here is the kit's own LSTM, differentiated by autograd through the window.
"""

import json
import statistics
import sys
from pathlib import Path

import torch

from l2o_kit.autograd import FirstOrder
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.plots import BLUE, VERMILION, new_figure, png
from l2o_kit.window import Trainer
from tests.bench import engine, report, rivals, sizes

PICTURE = Path(__file__).parent / "growth.png"
ONE_POINT = {"coords": 10_000, "unroll": 20, "sources": 1, "batch": None}
SWEEPS = {
    "coords": (1_000, 3_000, 10_000, 30_000, 100_000),
    "unroll": (5, 10, 20, 50, 100),
    "sources": (1, 2, 4, 8),
    "batch": (1, 4, 16, 32),  # of digits networks, 1,510 coordinates each
}


def trainer(coords, unroll, sources, batch) -> Trainer:
    """A trainer of the given size."""
    if batch:
        return sizes.trainer("8 digits networks, 64-20-10", unroll, batch=batch)
    optimizer = LSTMOptimizer(num_sources=sources)
    bowl = sizes.Bowl(sources, coords)
    return Trainer(optimizer, bowl, unroll=unroll, horizon=5 * unroll, batch=1)


def point(contestant: str, changed: dict) -> str:
    """Seconds a window, and peak memory, of one contestant at one point."""
    torch.set_num_threads(2)
    made = trainer(**(ONE_POINT | changed))
    coords = made.engine.coords
    if contestant == "autograd":
        made.engine = FirstOrder(made.optimizer, made.unroll, coords)
    return rivals.report(made.meta_gradient, coords, 4)


def measure() -> dict:
    """{sweep: {contestant: [(value, seconds, GB)]}}, in turn."""
    seen = {}
    for name, values in SWEEPS.items():
        seen[name] = {"kit": [], "autograd": []}
        for value in values:
            for contestant, points in seen[name].items():
                run = engine.process(
                    sys.executable,
                    "-m",
                    "tests.bench.growth",
                    contestant,
                    json.dumps({name: value}),
                )
                seconds = statistics.median(run["seconds"])
                points.append((value, seconds, run["peak"]))
    return seen


def draw(seen: dict):
    """Time above, memory below; one column per sweep."""
    figure, _ = new_figure(11.0, 5.0)
    figure.clear()
    axes = figure.subplots(2, len(seen), sharex="col", sharey="row")
    for column, (name, by) in zip(axes.T, seen.items(), strict=True):
        for contestant, points in by.items():
            style = {"kit": (VERMILION, "o-"), "autograd": (BLUE, "s--")}[contestant]
            for ax, key in zip(column, (1, 2), strict=True):
                xs, ys = [p[0] for p in points], [p[key] for p in points]
                ax.loglog(xs, ys, style[1], color=style[0], label=contestant)
                ax.grid(True, color="#dddddd", linewidth=0.6)
        column[1].set_xlabel("networks in the batch" if name == "batch" else name)
        plain_ticks(column[1].xaxis, SWEEPS[name])
    plain_ticks(axes[0][0].yaxis, (0.03, 0.1, 0.3, 1, 3))
    plain_ticks(axes[1][0].yaxis, (0.3, 0.5, 1, 2, 4))
    axes[0][0].set_ylabel("seconds a window")
    axes[1][0].set_ylabel("peak memory, GB")
    axes[0][0].legend()
    return figure


def plain_ticks(axis, values):
    """Ticks at the values themselves, written as plain numbers."""
    axis.set_ticks(values, [f"{v:g}" if v < 1000 else f"{v // 1000}k" for v in values])
    axis.set_ticks([], minor=True)


COLUMNS = {
    "varied": "",
    "to": ",",
    "kit, s": ".3f",
    "autograd, s": ".3f",
    "kit, GB": ".2f",
    "autograd, GB": ".2f",
}


def measured() -> dict:
    """The section of the report; writes the picture."""
    seen = measure()
    PICTURE.write_bytes(png(draw(seen)))
    points = [
        dict(zip(COLUMNS, (name, value, k_s, a_s, k_m, a_m), strict=True))
        for name, by in seen.items()
        for (value, k_s, k_m), (_, a_s, a_m) in zip(*by.values(), strict=True)
    ]
    return report.section(
        "How it grows",
        [
            "![Seconds and peak memory of a window against coordinates, unroll, "
            "sources and batch, for the kit and for autograd; the table below has the "
            "numbers](tests/bench/growth.png)",
            "10,000 coordinates, unroll 20, one source, but for what is varied; batch "
            "is of digits networks. autograd is the kit's own LSTM, differentiated by "
            "autograd. The kit keeps what the LSTM computed up to 0.5 GB, and beyond "
            "that computes it twice.",
            report.table("points", COLUMNS),
        ],
        points=points,
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        print(point(sys.argv[1], json.loads(sys.argv[2])))
    else:
        print(report.markdown(measured()))
