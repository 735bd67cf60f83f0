"""What every panel is: controls -> compute(state) -> draw -> show.

A panel is a picture that answers controls, beside one live sentence that says the same,
a small table of its numbers, and a status line. ``compute`` is pure and cached: the
same state gives the same result. Artists are updated in place on a ``Figure`` whose
layout is computed once and then frozen, so that nothing jumps.

Subclasses define::

    make_controls() -> {name: widget}      make_figure() -> (Figure, moving artists)
    compute(state) -> result               draw(result)  (update the artists)
    describe(result) -> sentence           numbers(result) -> (header, rows)

Tests drive ``panel.controls``, ``panel.state()``, ``panel.text``, ``panel.table`` and
``panel.figure``; ``panel.rehearse()`` moves every control of a fresh copy to both ends.
"""

import functools
import html
import inspect
import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from l2o_kit.checkpoint import stored
from l2o_kit.plots import encode, html_table, img
from l2o_kit.teaching.guess import Guess, GuessBox
from l2o_kit.teaching.sweep import caption, sweep

ALARM = "color:#B00020;background:#FFFFFF"  # on a dark page, too
# ipywidgets cuts what a slider stands at; here it is shown whole. Where a slider stands
# at an entry of a list, ipywidgets lets people write there and does not read it: here
# nobody can. And a table's cells need room between them, a projector large letters in
# questions and controls, too.
LOOK = """<style>
.l2o-panel.l2o-panel .widget-readout {max-width: none; flex-shrink: 0;
    white-space: nowrap}
.l2o-list .widget-readout {pointer-events: none; -webkit-user-modify: read-only}
.l2o-panel th, .l2o-panel td {padding: 0 0.5em}
.l2o-projector :is(.widget-html-content, .widget-label, .widget-label-basic, label,
    button, .widget-readout) {font-size: 130%}
</style>"""
PROJECTOR = 1.45  # how much larger letters and lines are on a projector


class Panel:
    """Base class. Arguments: a guess that locks the panel; projector: large letters.

    ``L2O_PROJECTOR=1`` in the environment turns projector mode on for all panels.
    """

    title = ""
    quick = True  # answers within the time of a drag
    strip: tuple[dict, ...] = ()  # the states of the film-strip
    result = None  # what is shown
    question: GuessBox | None = None  # what was asked before it was unlocked

    def __init__(self, guess: Guess | None = None, projector: bool | None = None):
        if projector is None:
            projector = os.environ.get("L2O_PROJECTOR", "") not in ("", "0")
        self.guess, self.text, self.table = guess, "", ([], [])
        self._drawing = threading.Lock()
        self._moving = threading.RLock()  # who comes last shows the last state
        self._compute = functools.lru_cache(256)(
            lambda items: self.compute(dict(items))
        )
        self.controls = self.make_controls()
        self._make_widgets(projector)
        self._set_up_figure()
        for control in self.controls.values():
            control.observe(self.changed, names="value")
        self.projector.observe(self._projector_changed, names="value")
        self.locked = guess is not None
        self._arrange()
        self.first()

    # What happens when something changes

    def state(self) -> dict:
        """name -> value of every control."""
        return {name: control.value for name, control in self.controls.items()}

    def first(self):
        """The picture before anything was touched."""
        self.changed()

    def changed(self, _=None):
        """A control moved: compute, draw, show; errors go to the status line too."""
        with self._errors_shown(), self._moving:
            self.show(self._compute(tuple(self.state().items())))

    def show(self, result):
        """Draw a result and put picture, sentence and table on the page."""
        with self._drawing:
            self.result = result
            self.draw(result)
            self.text, self.table = self.describe(result), self.numbers(result)
            self._show_picture()
            self._show_sentence()
            self._table.value = html_table(*self.table)

    def unlock(self, guessed=None):
        """Show the panel, and, after a guess, the guess beside the truth."""
        self.locked = False
        if self.guess:
            self._answer.value = self.guess.answer(guessed)
        self._arrange()

    # What subclasses define

    def make_controls(self) -> dict[str, widgets.Widget]:
        """The controls by name, in the order they are shown."""
        raise NotImplementedError

    def make_figure(self):
        """(figure, the artists that ``draw`` updates): only these are drawn again."""
        raise NotImplementedError

    def compute(self, state: dict):
        """The result for a state: pure, no global seed."""
        raise NotImplementedError

    def draw(self, result):
        """Update the artists in place."""
        raise NotImplementedError

    def describe(self, result) -> str:
        """The picture in one sentence."""
        raise NotImplementedError

    def numbers(self, result) -> tuple[list[str], list[list[str]]]:
        """The picture in a small table: (header, rows)."""
        raise NotImplementedError

    # What tests and self-checks read

    def data(self) -> np.ndarray:
        """Every number that is plotted, in one row."""
        parts = [
            np.asarray(values, dtype=float).ravel()
            for ax in self.figure.axes
            for values in (
                *(line.get_xydata() for line in ax.lines),
                *(path.vertices for c in ax.collections for path in c.get_paths()),
                *(patch.get_path().vertices for patch in ax.patches),
            )
        ]
        return np.concatenate([*parts, np.zeros(0)])

    @classmethod
    def still(cls) -> "Panel":
        """The panel that the film-strip is taken of."""
        return cls()

    def rehearse(self) -> str:
        """Sweep a fresh copy, see ``sweep``; this panel stays as it is."""
        return sweep(type(self)())

    # The page

    def _make_widgets(self, projector):
        self._picture, self._sentence = widgets.HTML(), widgets.HTML()
        self._table, self._status = widgets.HTML(), widgets.HTML()
        self._answer = widgets.HTML()
        self.projector = widgets.ToggleButton(
            value=projector,
            description="Projector",
            tooltip="Larger letters and lines",
            layout=widgets.Layout(width="auto", flex="0 0 auto"),
        )
        self.box = widgets.VBox()
        self.box.add_class("l2o-panel")

    def _arrange(self):
        heading = widgets.HTML(f"{LOOK}<b>{self.title}</b>")
        if self.locked:
            self.question = GuessBox(self.guess, self.unlock)
            self.box.children = [heading, self.question]
        else:
            self.box.children = [
                heading,
                self._answer,
                *self._control_rows(),
                self._picture,
                self._sentence,
                self._table,
                self._status,
            ]

    def _control_rows(self):
        for control in self.controls.values():
            control.style.description_width = "9em"
            wide = isinstance(control, widgets.ToggleButtons)
            if wide:
                control.style.button_width = "auto"
            if isinstance(control, widgets.SelectionSlider):
                control.add_class("l2o-list")
            control.layout.width = "98%" if wide else "min(34em, 98%)"
        *rows, last = self.controls.values()
        return [*rows, widgets.HBox([last, self.projector])]

    def _set_up_figure(self):
        self.figure, self.moving = self.make_figure()
        width, height = self.figure.get_size_inches()
        self._size = (width, height, self.figure.dpi)
        self._background = None

    def _projector_changed(self, _):
        with self._errors_shown(keep=True), self._drawing:
            self._background = None
            self._show_picture(self._opacity)

    def _show_picture(self, opacity: float = 1.0):
        self._opacity, self.picture = opacity, self._png()
        picture = img(self.picture, f"{self.title}. {self.text}")
        self._picture.value = f'<div style="opacity:{opacity}">{picture}</div>'

    def _show_sentence(self):
        """The sentence, which a screen reader says when it changes."""
        said = html.escape(self.text)
        self._sentence.value = f'<div aria-live="polite">{said}</div>'

    def _png(self) -> bytes:
        """The figure as PNG: the background as kept, the moving artists drawn again."""
        if self._background is None:
            self._draw_background()
        self._canvas.restore_region(self._background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return encode(self._canvas)

    def _draw_background(self):
        """Lay the figure out once, freeze that, and keep all that does not move."""
        width, height, dpi = self._size
        zoom = PROJECTOR if self.projector.value else 1.0
        self.figure.set_size_inches(width / zoom, height / zoom)
        self.figure.set_dpi(dpi * zoom)
        for artist in self.moving:
            artist.set(animated=True, in_layout=False)
        self._canvas = FigureCanvasAgg(self.figure)
        self.figure.set_layout_engine("constrained")
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)
        change = self.box.add_class if self.projector.value else self.box.remove_class
        change("l2o-projector")

    @contextmanager
    def _errors_shown(self, keep: bool = False):
        """An error in the status line; else an empty one, or what it said: keep."""
        try:
            yield
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", alarm=True)
            raise
        if not keep:
            self._say("")

    def _say(self, message: str, alarm: bool = False):
        """The status line: a message, announced at once where it is an alarm."""
        role, look = ("alert", ALARM) if alarm else ("status", "")
        text = html.escape(message)
        self._status.value = f'<div role="{role}" style="{look}">{text}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live box; and the film-strip, for viewers that have no kernel."""
        bundle = self.box._repr_mimebundle_() or {}
        picture, told = self.stored_strip()
        if picture:
            question = self.guess.on_paper() if self.guess else ""
            bundle["text/html"] = question + img(picture, self.strip_alt(told))
        return bundle

    def strip_alt(self, told: list[str]) -> str:
        """The film-strip in words: a line for each state, and what is told of it."""
        states = (caption(self.controls, state) for state in self.strip)
        lines = "\n".join(f"{a}. {b}" for a, b in zip(states, told, strict=True))
        return f"{self.title}: still pictures for {lines}"

    def stored_strip(self) -> tuple[bytes | None, list[str]]:
        """The film-strip as PNG bytes and its sentences, from the room's stored/strips.

        (None, []) where there is none.
        """
        name, file = type(self).__name__, inspect.getfile(type(self))
        if not (Path(file).parent / "stored" / "strips.npz").is_file():
            return None, []
        strips = stored("strips", file)
        if name not in strips:
            return None, []
        return strips[name].tobytes(), json.loads(strips[f"{name}_told"].tobytes())
