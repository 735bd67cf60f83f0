"""Every panel for every reader: words, letters, colours, forms, room.

A panel is looked at before it is touched and with every control at both ends, with
small letters and with the large ones of a projector. ``figures`` finds what is drawn,
``colours`` says what a reader sees of it.
"""

import functools
import itertools

import ipywidgets as widgets
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import ListedColormap

from l2o_kit.lessons.l00_start.race import FreshRace
from l2o_kit.lessons.l07_softmax.live import LiveTrust
from l2o_kit.teaching.panel import PROJECTOR
from l2o_kit.teaching.run_panel import RunPanel
from l2o_kit.teaching.sweep import ends
from tests import colours, figures
from tests.rooms import ALL
from tests.teaching.test_colours import APART, Page

# Pale shades: bands of an interval whose middle is a line, and strips that mark what
# a control says in words. The table and the sentence have their numbers.
SHADED = {
    "Race",
    "FreshRace",
    "Away",
    "Generalize",
    "Map",
    "Horizon",
    "Subsets",
    "Filters",
    "Preprocessing",
}
BARS, ROWS = "bars under a marker each", "rows with names"
# Where marks of one plot differ by colour alone, because something else names them.
NAMED = {
    "Gates": "bars, each over its name",
    "Unrolled": "arrows, told by where they begin and end",
    "Networks": ROWS,
    "ConvNets": ROWS,
    "ArtRace": ROWS,
    "Noisy": BARS,
    "Rotated": BARS,
    "Poisoned": BARS,
    "BrokenLaw": BARS,
    "LiveTrust": BARS,
    "LiveTurned": BARS,
    "Map": "spans on lines with a form each",
    "Subsets": "spans on lines with a form each",
    "Horizon": "borders of bands, around lines with a form each",
    "Paths": "single seeds, around means with a form each",
}


@functools.cache
def panel_of(kind):
    """One panel of a kind for all tests; two that are quick to run were run."""
    panel = kind()
    if kind in (FreshRace, LiveTrust):
        panel.budget = {"meta_steps": 3}
        if kind is FreshRace:
            panel.controls["networks"].value = 2
        panel.run()
        panel.wait(60)
    return panel


@pytest.fixture(params=ALL, ids=lambda kind: kind.__name__)
def panel(request):
    return panel_of(request.param)


def unrun(panel) -> bool:
    """Whether it waits for a Run: nothing that a Run shows is there."""
    return isinstance(panel, RunPanel) and panel.result is None


@functools.cache
def looked_at(kind) -> dict:
    """What was found wrong, and what was seen, with small and with large letters."""
    panel, seen = panel_of(kind), {"wrong": [], "shown": [], "letters": {}}
    shown = [a for a in panel.moving if a.get_visible()]
    hidden = shown if unrun(panel) and "guess 0" not in panel.controls else []
    for artist in hidden:
        artist.set_visible(False)
    for large in (False, True):
        letters = figures.Letters(panel)
        letters.lay_out(large)
        texts = letters.now()
        seen["wrong"] += [
            f"small: {t.get_text()}" for t in texts if t.get_fontsize() < 8
        ]
        if not large:
            seen["wrong"] += figures.faint_letters(panel.figure, texts)
        for _ in itertools.chain([None], at_ends(panel) if large else ()):
            seen["shown"].append(
                (panel.picture, panel.text, panel._picture.value, panel._sentence.value)
            )
            seen["wrong"] += figures.crowded(panel.figure, letters.now())
        seen["letters"][large] = {
            t.get_text(): t.get_fontsize() * panel.figure.dpi for t in letters.standing
        }
    for artist in hidden:
        artist.set_visible(True)
    return seen


def at_ends(panel):
    """Each control at both ends, one after the other; slow panels stay as they are."""
    for control in () if isinstance(panel, RunPanel) else panel.controls.values():
        before = control.value
        for end in ends(control):
            control.value = end
            yield
        control.value = before


def test_letters_are_large_enough_stand_out_and_have_room(panel):
    assert looked_at(type(panel))["wrong"] == []


def test_every_picture_has_its_sentence_as_alternative_text(panel):
    shown = looked_at(type(panel))["shown"]
    told = {}
    for picture, text, html, sentence in shown[1:]:  # with large letters
        (image,) = Page(html).all("img")
        assert len(image["alt"]) >= 40
        assert image["alt"] == f"{panel.title}. {text}"
        assert Page(sentence).all("div") == [{"aria-live": "polite"}]
        told.setdefault(image["alt"], set()).add(picture)
    assert all(len(pictures) == 1 for pictures in told.values())
    if not isinstance(panel, RunPanel):
        assert len(told) >= 2


def test_a_projector_shows_letters_and_lines_larger(panel):
    page, large = looked_at(type(panel))["letters"].values()
    both = page.keys() & large.keys()
    assert both and PROJECTOR >= 1.4  # a ratio of dots per inch: lines grow as well
    for name in both:
        assert large[name] == pytest.approx(PROJECTOR * page[name])
    small, other = (s[0][16:24] for s in looked_at(type(panel))["shown"][:2])
    assert small == other  # width and height in the head of the PNG


def test_a_guess_that_moves_bars_before_a_run_is_told():
    panel = LiveTrust()
    before = Page(panel._picture.value).all("img")[0]["alt"], panel._sentence.value
    panel.controls["guess 1"].value = 100
    after = Page(panel._picture.value).all("img")[0]["alt"], panel._sentence.value
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_a_film_strip_tells_its_states(panel):
    (image,) = Page(panel._repr_mimebundle_()["text/html"]).all("img")
    assert len(image["alt"]) >= 40 and panel.title in image["alt"]
    assert panel.strip
    for name in (name for state in panel.strip for name in state):
        assert panel.controls[name].description in image["alt"]


def test_every_control_has_a_name_of_its_own_and_every_button_a_text(panel):
    names = [control.description for control in panel.controls.values()]
    assert all(name.strip() for name in names) and len(set(names)) == len(names)
    found = list(_inside(panel.box))
    said = (widgets.Button, widgets.ToggleButton, widgets.FloatProgress)
    assert panel.projector in found
    assert all(w.description.strip() for w in found if isinstance(w, said))


def _inside(box):
    for child in getattr(box, "children", ()):
        yield child
        yield from _inside(child)


def test_tables_have_headings_for_columns_and_rows(panel):
    if unrun(panel):
        assert panel._table.value == ""
        return
    page, (header, rows) = Page(panel._table.value), panel.table
    named = [name for name in header if name.strip()]
    assert len(named) >= len(header) - 1  # the corner may be empty
    scopes = [cell.get("scope") for cell in page.all("th")]
    assert scopes == ["col"] * len(named) + ["row"] * len(rows)


def test_what_a_panel_says_of_itself_is_announced(panel):
    before = panel._status.value
    assert Page(before).all("div")[0]["role"] == "status"
    panel._say("wrong", alarm=True)
    (line,), panel._status.value = Page(panel._status.value).all("div"), before
    assert line["role"] == "alert"
    look = dict(part.split(":") for part in line["style"].split(";") if part)
    assert colours.contrast(look["color"], look["background"]) >= 4.5


def test_marks_stand_out_from_what_is_behind_them(panel):
    assert figures.faint_marks(panel.figure) == []
    shaded = any(pale for _, _, pale in figures.axes_of(panel.figure))
    assert shaded == (type(panel).__name__ in SHADED)


def test_curves_are_told_apart_by_colour_and_by_form(panel):
    name = type(panel).__name__
    assert figures.confused(panel.figure, APART, all_lines=name not in NAMED) == []
    if name in NAMED:
        assert figures.confused(panel.figure, APART), "it needs no exception"


def lightness(colour_map) -> np.ndarray:
    return colours.lab(colour_map(np.linspace(0, 1, 256))[:, :3])[:, 0]


def ordered(colour_map) -> bool:
    """Whether a larger value is always darker, or always lighter: in grey, too."""
    steps = np.diff(lightness(colour_map))
    return bool((steps > -0.01).all() or (steps < 0.01).all())


def test_colour_maps_go_from_dark_to_light(panel):
    for image in (image for ax in panel.figure.axes for image in ax.images):
        if np.ndim(image.get_array()) == 3:
            continue  # a picture in its own colours
        if isinstance(image.cmap, ListedColormap) and image.cmap.N < 9:
            cells = np.size(image.get_array())  # kinds: each cell says its own
            assert sum(bool(text.get_text()) for text in image.axes.texts) == cells
            continue
        assert ordered(image.cmap) and np.ptp(lightness(image.cmap)) > 50


def test_a_colour_map_that_goes_to_and_fro_is_not_ordered():
    assert not ordered(matplotlib.colormaps["jet"])
    assert ordered(matplotlib.colormaps["viridis"])
