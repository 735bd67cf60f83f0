"""When does meta-training pay? Total time against the number of runs, in closed form.

    learned:  C + n T (g + a)            rival:  n (1 + r) T' (g + b)

C is the cost of meta-training, n the number of networks to train, T the steps of the
learned optimizer, T' those that the rival needs to reach the same training loss; g is
the time of a gradient, a and b what each rule adds to it; r runs tune the rival's rate,
for each network, or once for all.
"""

import numpy as np

from l2o_kit.checkpoint import load
from l2o_kit.lessons.l04_networks.standings import (
    HORIZONS,
    NAMES,
    PLACES,
    SIX_RIVALS,
    first_reached,
)
from l2o_kit.lessons.l04_networks.standings_panel import _stored
from l2o_kit.plots import BLACK, ink, look_of, new_figure, rounded, scale
from l2o_kit.recipes import RECIPES
from l2o_kit.teaching.controls import buttons, log_slider, slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

RUNS = np.logspace(0, 6, 121)
TOP, BOTTOM = 1e8, 1.0  # seconds
HOUR, DAY, YEAR = 3600, 86_400, 31_557_600


def costs(place: str, steps: int = 100) -> dict:
    """What break-even needs to know of a place: seconds and steps, as measured.

    "train" (seconds of meta-training on one core, its gradients left out) and
    "gradients" (how many it takes, as if all were of this place), what a step of the
    "learned" and of the "other" rule adds to a "gradient", T and T' ("needs"), and
    which "rival" needs least time to reach the learned loss, the "goal".
    """
    rows, where = _stored(), list(PLACES).index(place)
    horizon = HORIZONS.index(steps)
    goal = float(rows["last"][where, horizon, 0, 0])
    seconds = rows["seconds"][where]
    gradient = float(seconds[NAMES.index("SGD")])
    needed = {}
    for k in SIX_RIVALS:
        curves = rows["losses"][where, :, k, 0]  # [horizon, POINTS]
        needed[k] = min(map(first_reached, curves, [goal] * 3, HORIZONS))
    rival = min(SIX_RIVALS, key=lambda k: needed[k] * seconds[k])
    trained, gradients = spent(PLACES[place])
    return {
        "goal": goal,
        "gradient": gradient,
        "rival": NAMES[rival],
        "T": steps,
        "needs": needed[rival],
        "gradients": gradients,
        "train": max(0.0, trained - gradients * gradient),
        "learned": float(seconds[0]) - gradient,
        "other": max(0.0, float(seconds[rival]) - gradient),
    }


def spent(name: str) -> tuple[float, int]:
    """Seconds and gradients of a recipe, and of the one that it goes on from."""
    recipe = RECIPES[name]
    seconds, gradients = spent(recipe.start) if recipe.start else (0.0, 0)
    own = sum(s["meta_steps"] * s["unroll"] * s["batch"] for s in recipe.stages)
    return seconds + load(name).provenance["seconds"], gradients + own


def totals(c: dict, gradient: float, tuning: int, runs) -> tuple:
    """Seconds of ``runs`` runs with the learned optimizer, and with the rival."""
    learned = c["train"] + c["gradients"] * gradient
    learned = learned + runs * c["T"] * (gradient + c["learned"])
    rival = runs * (1 + tuning) * c["needs"] * (gradient + c["other"])
    return learned, rival


def break_even(c: dict, gradient: float, tuning: int) -> float:
    """The number of runs from which the learned optimizer is the cheaper; or inf."""
    meta, _ = totals(c, gradient, tuning, 0)
    learned, rival = totals(c, gradient, tuning, 1)
    saved = rival - (learned - meta)
    return meta / saved if saved > 0 else float("inf")


class BreakEven(Panel):
    """Drag what a gradient costs, and how often the rival is tuned."""

    title = "When does meta-training pay for itself?"
    strip = (
        {"place": "digits, 28x28", "tuning": 0, "gradient": 0.001},
        {"place": "digits, 28x28", "tuning": 20, "gradient": 0.1},
    )

    def make_controls(self):
        place = buttons("network", list(PLACES)[::-1][:2][::-1])
        return {
            "place": place,
            "tuning": slider("runs to tune", 0, 0, 40),
            "gradient": log_slider("gradient, s", 0.001, -4, 1, 0.5),
        }

    def compute(self, state):
        """Both lines and where they cross."""
        c = costs(state["place"])
        learned, rival = totals(c, state["gradient"], state["tuning"], RUNS)
        at = break_even(c, state["gradient"], state["tuning"])
        return {**state, "costs": c, "learned": learned, "other": rival, "runs": at}

    def make_figure(self):
        """Two lines and their crossing, on logarithmic axes."""
        figure, (ax,) = new_figure(8.0, 3.8)
        (self.learned,) = ax.plot(RUNS, RUNS, **look_of("learned", 0))
        (self.rival,) = ax.plot(RUNS, RUNS, **look_of("Adam", 0))
        (self.here,) = ax.plot(
            [1], [1], linestyle="", marker="*", markersize=16, color=BLACK
        )
        self.names = [
            ax.text(1.3, 1, "", color=ink(line.get_color()), weight="bold")
            for line in (self.learned, self.rival)
        ]
        scale(ax.xaxis, "networks to train, n", 1, 1e6, "log")
        scale(ax.yaxis, "time in all", BOTTOM, TOP, "log")
        ticks = [10**k for k in range(7)]
        ax.xaxis.set_ticks(ticks, [f"{n:,}" for n in ticks])
        ax.xaxis.set_ticks([], minor=True)
        ax.yaxis.set_ticks(
            [1, 60, HOUR, DAY, YEAR], ["1 s", "1 min", "1 h", "1 day", "1 year"]
        )
        ax.yaxis.set_ticks([], minor=True)
        return figure, [self.learned, self.rival, self.here, *self.names]

    def draw(self, result):
        lines = (self.learned, result["learned"]), (self.rival, result["other"])
        for (line, seconds), name in zip(lines, self.names, strict=True):
            shown = np.clip(seconds, BOTTOM / 2, TOP * 2)
            line.set_ydata(shown)
            name.set_y(float(np.clip(3 * shown[0], BOTTOM * 1.2, TOP / 4)))
        self.names[0].set_text("learned, with its meta-training")
        self.names[1].set_text(result["costs"]["rival"])
        look = look_of(result["costs"]["rival"], 0)
        self.names[1].set_color(ink(look["color"]))
        self.rival.set(**{k: look[k] for k in ("color", "linestyle", "marker")})
        inside = np.isfinite(result["runs"])
        runs = min(result["runs"], 1e7) if inside else 1e7
        meta = float(np.interp(runs, RUNS, result["learned"]))
        self.here.set_data([runs], [np.clip(meta, BOTTOM, TOP)])

    def describe(self, result):
        c = result["costs"]
        pays = (
            f"pays from {result['runs']:,.0f} networks on"
            if result["runs"] < 1e7
            else "never pays"
        )
        reach = (
            f"{c['rival']} needs {c['needs']:.0f} steps"
            if np.isfinite(c["needs"])
            else "no rival gets there in 500 steps"
        )
        return (
            f"{result['place']}: the learned optimizer reaches {c['goal']:.3g} in "
            f"{c['T']} steps; {reach}. With {_ms(result['gradient'])} ms a gradient "
            f"and {result['tuning']} runs to tune the rival for each network, "
            f"meta-training {pays}."
        )

    def numbers(self, result):
        c, g = result["costs"], result["gradient"]
        rows = [
            ["learned", _ms(g + c["learned"]), f"{c['T']}"],
            [
                c["rival"],
                _ms(g + c["other"]),
                f"{c['needs']:.0f}",
            ],
        ]
        return ["rule", "ms a step", "steps to the same loss"], rows


def _ms(seconds: float) -> str:
    """Milliseconds with three digits: 0.1, 31.6, 10,000."""
    return rounded(1e3 * seconds, 3)


NEVER, SOON, LATE = "Never", "Below 1,000", "1,000 or more"


def pays_question() -> Guess:
    """Before the panel opens: from how many networks on?"""

    def truth():
        c = costs("digits, 28x28")
        runs = break_even(c, c["gradient"], 0)
        return NEVER if runs == float("inf") else SOON if runs < 1000 else LATE

    return Guess(
        "The 28x28 network, on this kit's machine, its rival tuned already: from how "
        "many networks on does meta-training pay, in time?",
        truth=truth,
        options=(SOON, LATE, NEVER),
        because="A rival needs fewer steps, and each of its steps is quicker.",
    )
