"""Lambda over the course of meta-training, from many seeds.

A thick line is the mean of ten seeds, a thin one a seed. Read from ``stored/paths_*``.
"""

import functools

import numpy as np

from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l07_softmax.lambdas import PATHS
from l2o_kit.plots import ink, new_figure, scale, source_style
from l2o_kit.teaching.controls import list_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

NAMES = {
    "0.01 to 0.4, judged on source 0": "noise_source0",
    "0.01 to 0.4, judged clean": "noise_clean",
    "3 to 0.5, judged on source 0": "noisiest_source0",
    "3 to 0.5, judged clean": "noisiest_clean",
    "0, 20, 45 degrees": "rotation_first",
    "45, 20, 0 degrees": "rotation_last",
    "poison 0 to 0.8": "poison",
}
UNITS = {"noise": "noise {:g}", "rotation": "{:g}°", "poison": "poison {:g}"}
MOST_SOURCES, MOST_SEEDS, LONGEST = 5, 10, 200


class Paths(Panel):
    """Choose the sources and the target; drag how far the training has come."""

    title = "Lambda while it is learned"
    strip = (
        {"sources": "noisiest_source0", "steps": 200},
        {"sources": "noisiest_clean", "steps": 200},
        {"sources": "rotation_last", "steps": 100},
    )

    def make_controls(self):
        return {
            "sources": list_slider("sources", list(NAMES.items())),
            "steps": slider("meta-steps", LONGEST, 10, LONGEST, 10),
        }

    def compute(self, state):
        """lambdas [seed, step, K] so far."""
        lambdas = _lambdas(state["sources"])[:, : state["steps"] + 1]
        plan = PATHS[state["sources"]]
        names = [UNITS[plan.kind].format(a) for a in plan.amounts]
        return {**state, "lambdas": lambdas, "names": names, "target": plan.target}

    def make_figure(self):
        """Room for five sources and ten seeds."""
        figure, (ax,) = new_figure(9.0, 4.2)
        self.means, self.seeds, self.names = [], [], []
        for k in range(MOST_SOURCES):
            look = source_style(k)
            thin = {"color": look["color"], "linewidth": 0.8}
            self.seeds.append([ax.plot([0], [0], **thin)[0] for _ in range(MOST_SEEDS)])
            self.means += ax.plot([0], [0], **look, linewidth=2.6, markevery=20)
            self.names.append(
                ax.text(
                    1.02 * LONGEST,
                    0.95 - 0.1 * k,
                    "",
                    color=ink(look["color"]),
                    va="center",
                    weight="bold",
                )
            )
        scale(ax.xaxis, "meta-step", 0, 1.45 * LONGEST)
        scale(ax.yaxis, "weight lambda_k", 0, 1.02)
        ax.set(xticks=range(0, LONGEST + 1, 50))
        thin = [line for lines in self.seeds for line in lines]
        return figure, [*thin, *self.means, *self.names]

    def draw(self, result):
        lambdas = result["lambdas"]
        steps = np.arange(lambdas.shape[1])
        for k in range(MOST_SOURCES):
            there = k < lambdas.shape[2]
            paths = lambdas[..., k] if there else np.full(lambdas.shape[:2], -1.0)
            for seed, line in enumerate(self.seeds[k]):
                line.set_data(steps, paths[seed % len(paths)])
            self.means[k].set_data(steps, paths.mean(0))
            label = f"{result['names'][k]}: {paths[:, -1].mean():.3f}" if there else ""
            self.names[k].set_text(label)

    def describe(self, result):
        last = result["lambdas"][:, -1]
        low, high = last.min(0), last.max(0)
        parts = [
            f"{name} has {mean:.3f} ({a:.3f} to {b:.3f})"
            for name, mean, a, b in zip(
                result["names"], last.mean(0), low, high, strict=True
            )
        ]
        judged = {"clean": "the clean loss", "source0": "the loss of source 0"}
        return (
            f"Judged on {judged[result['target']]}, after "
            f"{result['lambdas'].shape[1] - 1} meta-steps, mean of {len(last)} seeds "
            f"(lowest to highest): {'; '.join(parts)}."
        )

    def numbers(self, result):
        count = result["lambdas"].shape[1] - 1
        steps = sorted({0, count // 4, count // 2, count})
        means = result["lambdas"].mean(0)
        rows = [
            [name, *(f"{means[t, k]:.3f}" for t in steps)]
            for k, name in enumerate(result["names"])
        ]
        return ["meta-step", *map(str, steps)], rows


@functools.cache
def _lambdas(name: str) -> np.ndarray:
    return stored(f"paths_{name}", __file__)["lambdas"]


CLOSE, APART, FAR = "Within 0.05", "Within 0.2", "Further apart"


def seeds_question() -> Guess:
    """Before the panel opens: how much does a seed matter?"""

    def truth():
        spread = np.ptp(_lambdas("noisiest_clean")[:, -1, 3])
        return CLOSE if spread < 0.05 else APART if spread < 0.2 else FAR

    return Guess(
        "Four sources have noise 3, 2, 1, 0.5, and the clean loss counts. Theory gives "
        "the last one 0.75. Ten seeds draw ten times other problems and other noise. "
        "How far apart are their ten weights of the last source?",
        truth=truth,
        options=(CLOSE, APART, FAR),
        because="A training sees thousands of problems, and noise of thousands "
        "averages out.",
    )
