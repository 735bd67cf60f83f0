"""Away from training: wider, deeper, another activation, batch size, scale, horizon.

``Generalize``: left the losses of two learned optimizers and of Adam, right where you
are and what they were trained on. ``Map``: layers and units, against the best rival.
Everything is read from ``stored``.
"""

import functools

import ipywidgets as widgets
import numpy as np
from matplotlib.patches import Rectangle

from l2o_kit.baselines import SIX
from l2o_kit.checkpoint import stored
from l2o_kit.lessons.l05_generalization.places import (
    AXES,
    BIN,
    HOME,
    HORIZONS,
    MAP_LAYERS,
    MAP_UNITS,
    PLACES,
    last_bins,
)
from l2o_kit.plots import (
    BLACK,
    GREY,
    SKY,
    look_of,
    new_figure,
    plain_ticks,
    scale,
    size,
    style,
)
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel

LOW, HIGH = 1e-5, 30.0  # of the losses
CENTRES = np.concatenate([[0], np.arange(HORIZONS[-1] // BIN) * BIN + (BIN + 1) / 2])
ROWS = {**AXES, "horizon": HORIZONS}
NAMES = {"plain": "learned", "robust": "robust", "Adam": "Adam"}  # name -> its look
# What each was trained on, where that is more than home
TRAINED = {
    "plain": {"horizon": (100,)},
    "robust": {"activation": ("sigmoid", "tanh", "relu"), "horizon": (100, 200)},
}


class Generalize(Panel):
    """Move away from what the two were trained on, in six directions."""

    title = "Away from training: who still works?"
    strip = (
        {"activation": "relu"},
        {"activation": "sigmoid", "horizon": 500},
        {"units": 40, "layers": 2, "horizon": 200},
    )

    def make_controls(self):
        controls = {}
        for name, values in ROWS.items():
            kind, more = widgets.SelectionSlider, {"continuous_update": False}
            if name == "activation":
                kind, more = widgets.ToggleButtons, {}
            controls[name] = kind(
                options=[(_written(v), v) for v in values],
                description=name,
                value=HOME.get(name, HORIZONS[0]),
                **more,
            )
        return controls

    def compute(self, state):
        """Three curves up to the horizon, and what each ends with."""
        place = PLACES.index(tuple(state[name] for name in AXES))
        horizon = HORIZONS.index(state["horizon"])
        adam = stored_places("adam")
        curves = {
            "plain": stored_places("plain")["curves"][place],
            "robust": stored_places("robust")["curves"][place],
            "Adam": adam["curves"][place, horizon],
        }
        steps = state["horizon"]
        end = last_bins(steps)
        ends = {name: float(curve[end].mean()) for name, curve in curves.items()}
        return {
            **state,
            "curves": curves,
            "ends": ends,
            "rate": float(adam["rates"][place, horizon]),
        }

    def make_figure(self):
        """Left the curves; right a row for each direction."""
        figure, (left, right) = new_figure(10.0, 4.0, columns=2)
        left.axvspan(0, 100, color=SKY, alpha=0.18, linewidth=0)
        left.text(5, 1.3 * LOW, "trained for", color=BLACK)
        self.lines = {
            name: left.plot(CENTRES, CENTRES, **look(name))[0] for name in NAMES
        }
        scale(left.xaxis, "step t", 0, HORIZONS[-1])
        scale(left.yaxis, "training loss f(theta_t)", LOW, HIGH, "log")
        plain_ticks(left.yaxis, (1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10))
        left.legend(loc="upper right", frameon=False)
        self._make_rows(right)
        return figure, [*self.lines.values(), *self.here]

    def _make_rows(self, right):
        """A row for each direction: what was trained on, and where you are."""
        self.here, centre = [], {"ha": "center", "va": "center", "fontsize": 9}
        for row, (name, values) in enumerate(ROWS.items()):
            for k, value in enumerate(values):
                for low, alpha, who in ((0.0, 0.15, "plain"), (0.34, 0.3, "robust")):
                    if value in TRAINED[who].get(name, (HOME.get(name),)):
                        corner, colour = (
                            (k - 0.45, -row - 0.34 + low),
                            look(who)["color"],
                        )
                        fill = {"edgecolor": colour, "facecolor": (colour, alpha)}
                        box = Rectangle(corner, 0.9, 0.34, linewidth=1, **fill)
                        right.add_patch(box)
                right.text(k, -row + 0.16, _written(value), **centre)
            mark = {"marker": "X", "color": BLACK, "markersize": 9, "linestyle": ""}
            self.here += right.plot([0], [-row - 0.14], **mark)
        right.set(xlim=(-0.6, 3.6), ylim=(-len(ROWS) + 0.4, 0.6), xticks=[])
        right.set_yticks([-row for row in range(len(ROWS))], list(ROWS))
        right.set_xlabel("X: you.  Shaded: trained on;\nabove robust, below plain")
        right.grid(False)

    def draw(self, result):
        count = 1 + result["horizon"] // BIN
        for name, line in self.lines.items():
            curve = np.clip(result["curves"][name][:count], LOW / 2, 2 * HIGH)
            line.set_data(CENTRES[:count], curve)
        for dot, (name, values) in zip(self.here, ROWS.items(), strict=True):
            dot.set_xdata([values.index(result[name])])

    def describe(self, result):
        away = [
            f"{name} {_written(result[name])}"
            for name in AXES
            if result[name] != HOME[name]
        ]
        ends = result["ends"]
        order = " < ".join(sorted(ends, key=ends.get))
        return (
            f"{', '.join(away) or 'As in training'}; {result['horizon']} steps. Loss "
            f"over the last tenth: plain {size(ends['plain'])}, robust "
            f"{size(ends['robust'])}, Adam at its best rate {result['rate']:.2g} "
            f"{size(ends['Adam'])}. From best to worst: {order}. Of all {len(PLACES)} "
            f"places, plain is ahead of Adam at {ahead('plain', result['horizon'])} "
            f"after so many steps, robust at {ahead('robust', result['horizon'])}."
        )

    def numbers(self, result):
        steps = [t for t in (50, 100, 200, 500) if t <= result["horizon"]]
        rows = [
            [name, *(size(float(curve[t // BIN])) for t in steps)]
            for name, curve in result["curves"].items()
        ]
        return ["loss near step", *map(str, steps)], rows


class Map(Panel):
    """Layers and units: the loss after 100 steps over the best rival's."""

    title = "The map: how far does the lead reach?"
    strip = ({"optimizer": "plain", "units": 20}, {"optimizer": "robust", "units": 80})

    def make_controls(self):
        optimizer = buttons("optimizer", ["plain", "robust"])
        units = list_slider("units", MAP_UNITS, 20)
        return {"optimizer": optimizer, "units": units}

    def compute(self, state):
        """ratio [layers, units, 3], and which rival is the best at each place."""
        rows = stored("map", __file__)
        rule = ["plain", "robust"].index(state["optimizer"])
        return {**state, "ratio": rows["ratio"][:, :, rule], "best": rows["best"]}

    def make_figure(self):
        """A line for each number of layers."""
        figure, (ax,) = new_figure(8.0, 3.8)
        ax.axhline(1, color=BLACK, linestyle="--", linewidth=1.4)
        ax.text(4.1, 0.21, "below the dashed line: ahead of the best of six rivals")
        self.here = ax.axvline(20, color=GREY, linewidth=9, alpha=0.25)
        self.lines, self.spans = [], []
        for layers, name in zip(
            MAP_LAYERS, ("SGD", "Momentum", "learned"), strict=True
        ):
            look = style(name, 8) | {
                "label": f"{layers} layer{'s' if layers > 1 else ''}"
            }
            self.lines += ax.plot(MAP_UNITS, np.ones(len(MAP_UNITS)), **look)
            self.spans.append(
                [
                    ax.plot([units] * 2, [1, 1], color=look["color"], linewidth=2.5)[0]
                    for units in MAP_UNITS
                ]
            )
        scale(ax.xaxis, "units of a layer (trained on 20, one layer)", 4, 100, "log")
        scale(ax.yaxis, "loss, learned / best rival", 0.2, 40, "log")
        plain_ticks(ax.xaxis, MAP_UNITS)
        plain_ticks(ax.yaxis, (0.2, 0.5, 1, 2, 5, 10, 20, 40))
        ax.legend(loc="upper left", frameon=False)
        spans = [span for some in self.spans for span in some]
        return figure, [self.here, *spans, *self.lines]

    def draw(self, result):
        self.here.set_xdata([result["units"]] * 2)
        for line, spans, row in zip(
            self.lines, self.spans, result["ratio"], strict=True
        ):
            line.set_ydata(np.clip(row[:, 0], 0.2, 40))
            for span, (_, low, high) in zip(spans, row, strict=True):
                span.set_ydata(np.clip([low, high], 0.2, 40))

    def describe(self, result):
        k = MAP_UNITS.index(result["units"])
        parts = [
            f"with {layers} layer{'s' if layers > 1 else ''} {row[k, 0]:.2f} "
            f"[{row[k, 1]:.2f}, {row[k, 2]:.2f}] times {SIX[best[k]]}'s"
            for layers, row, best in zip(
                MAP_LAYERS, result["ratio"], result["best"], strict=True
            )
        ]
        return (
            f"{result['optimizer']}, {result['units']} units, steps 91 to 100: its "
            f"loss is {'; '.join(parts)}."
        )

    def numbers(self, result):
        rows = [
            [f"{layers}", *(f"{r:.2f}" for r in row[:, 0])]
            for layers, row in zip(MAP_LAYERS, result["ratio"], strict=True)
        ]
        return ["layers", *(f"{u} units" for u in MAP_UNITS)], rows


@functools.cache
def ahead(rule: str, steps: int) -> int:
    """At how many places a rule has a lower loss than Adam after so many steps."""
    end = last_bins(steps)
    ours = stored_places(rule)["curves"][:, end].mean(1)
    theirs = stored_places("adam")["curves"][:, HORIZONS.index(steps), end].mean(1)
    return int((ours < theirs).sum())


@functools.cache
def stored_places(rule: str) -> dict:
    """The curves of one rule at all places."""
    return {
        k: v for k, v in stored(f"places_{rule}", __file__).items() if k != "provenance"
    }


def look(name: str) -> dict:
    """How the curve of plain, robust or Adam is drawn."""
    return look_of(NAMES[name], list(NAMES).index(name)) | {"label": name}


def _written(value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


RELU, LONGER, WIDER = (
    "ReLU in place of sigmoid",
    "500 steps in place of 100",
    ("40 units in place of 20"),
)


def breaks_question() -> Guess:
    """Before the panel opens: what breaks the plain one most, beside Adam?"""
    home = tuple(HOME.values())

    def ratio(horizon, **changes):
        place = PLACES.index(tuple((HOME | changes).values()))
        end = last_bins(horizon)
        k = HORIZONS.index(horizon)
        adam = stored_places("adam")["curves"][place, k, end].mean()
        return stored_places("plain")["curves"][place, end].mean() / adam

    def truth():
        assert home in PLACES
        ratios = {
            RELU: ratio(100, activation="relu"),
            LONGER: ratio(500),
            WIDER: ratio(100, units=40),
        }
        return max(ratios, key=ratios.get)

    return Guess(
        "The plain optimizer was trained on one layer of 20 sigmoids, for 100 steps. "
        "Which change puts it furthest behind a tuned Adam?",
        truth=truth,
        options=(RELU, LONGER, WIDER),
        because="Another activation gives gradients that it never met. Try SiLU, too.",
    )


def map_question() -> Guess:
    """Before the map opens: what puts *plain* further behind, units or layers?"""
    units, layers = "80 units in place of 20", "Three layers in place of one"

    def truth():
        ratio = stored("map", __file__)["ratio"][
            :, :, 0, 0
        ]  # [layers, units], of plain
        wide = ratio[MAP_LAYERS.index(1), MAP_UNITS.index(80)]
        deep = ratio[MAP_LAYERS.index(3), MAP_UNITS.index(20)]
        return units if wide > deep else layers

    return Guess(
        "The plain optimizer was trained on one layer of 20 units. Which change puts "
        "it further behind the best of six rivals?",
        truth=truth,
        options=(units, layers),
        because="The LSTM sees one coordinate at a time. More of them look alike; more "
        "layers make other gradients.",
    )
