"""The palette, the pictures that are no panels, the pages; and the ruler itself."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from l2o_kit import plots
from l2o_kit.diagnosis import Diagnosis, Finding
from l2o_kit.lessons.l06_concurrent.drawing import concurrent_picture
from l2o_kit.window import Log
from tests import colours, figures
from tests.notebooks.test_notebooks import FOLDER

README = FOLDER.parent / "README.md"
NAMES = ("BLACK", "ORANGE", "SKY", "GREEN", "BLUE", "VERMILION", "PURPLE", "GREY")
PALETTE = {name: getattr(plots, name) for name in NAMES}
# CIEDE2000. About 1 can just be seen on neighbouring fields; lines are thin and apart,
# and projectors wash out, so ten times as much.
APART = 10

# twelve pairs of table 1 of Sharma, Wu and Dalal (2005)
PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]
# of the library colorspacious 1.1.2, "sRGB1+CVD", severity 100, cut to [0, 1]
SEEN = {
    ("#B55000", "protanopia"): (0.4299, 0.3750, 0.0),
    ("#B55000", "deuteranopia"): (0.5259, 0.4654, 0.0),
    ("#B55000", "tritanopia"): (0.7821, 0.2164, 0.2663),
    ("#4D94E8", "protanopia"): (0.4337, 0.6024, 0.9233),
    ("#4D94E8", "deuteranopia"): (0.3461, 0.5451, 0.9032),
    ("#4D94E8", "tritanopia"): (0.0, 0.6568, 0.7016),
}


class Page(HTMLParser):
    """The tags of a piece of HTML."""

    def __init__(self, text: str):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict]:
        """The attributes of each of these tags."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("one, other, published", PAIRS)
def test_distances_are_those_of_the_published_pairs(one, other, published):
    assert colours.ciede2000(one, other) == pytest.approx(published, abs=5e-5)
    assert colours.ciede2000(other, one) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("colour, blindness", SEEN)
def test_blindness_is_simulated_as_by_another_library(colour, blindness):
    shown = colours.seen(colour, blindness)
    np.testing.assert_allclose(shown, SEEN[colour, blindness], atol=1e-4)


def test_contrast_and_lightness_of_known_colours():
    assert colours.contrast("black", "white") == pytest.approx(21)
    assert colours.contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
    assert colours.contrast("#0000FF", "white") == pytest.approx(8.59, abs=0.01)
    assert to_hex(colours.over("black", "white", 0.5)) == "#808080"
    assert colours.lab("white")[0] == pytest.approx(100)


def test_every_colour_stands_out_on_white_and_its_letters_more():
    for name, colour in PALETTE.items():
        assert colours.contrast(colour, "white") >= 3, name
        assert colours.contrast(plots.ink(colour), "white") >= 4.5, name


@pytest.mark.parametrize("vision", colours.BLINDNESS)
def test_all_colours_are_told_apart_with_every_kind_of_colour_blindness(vision):
    for (one, a), (other, b) in itertools.combinations(PALETTE.items(), 2):
        assert colours.distance(a, b, vision) >= APART, (one, other)


def test_the_first_colours_of_okabe_and_ito_would_fail_here():
    """So the two tests above can."""
    assert (
        colours.contrast("#56B4E9", "white") < 3 > colours.contrast("#E69F00", "white")
    )
    assert colours.distance("#009E73", "#767676", "deuteranopia") < APART


def test_lines_and_bars_that_only_differ_in_colour_are_found():
    for hatch, found in ((None, True), ("//", False)):
        figure = Figure()
        ax = figure.add_subplot()
        ax.bar([0], [1], color=plots.GREY)
        ax.bar([1], [1], color=plots.BLUE, hatch=hatch)
        assert bool(figures.confused(figure, APART)) is found
    ax.bar([2], [1], color=(0.41, 0.41, 0.41), hatch="x")
    assert "none: " in figures.confused(figure, APART)[0]


def test_rules_and_sources_differ_in_colour_and_in_form_too():
    for looks in (plots.STYLES.values(), plots.SOURCES):
        forms = [(line, marker) for _, line, marker in looks]
        assert len(set(forms)) == len(forms)
        found = [colour for colour, _, _ in looks]
        assert set(found) <= set(PALETTE.values())
        assert len(set(found)) == len(found), "two rules have the same colour"


def comparison():
    """Losses [step, problem] of all rules, as ``compare`` draws them."""
    fall = np.linspace(2.0, 0.1, 21)[:, None] + np.linspace(0, 0.2, 4)
    return plots.loss_curves({name: k + fall for k, name in enumerate(plots.STYLES)})


def test_an_axis_of_less_than_a_decade_has_plain_numbers():
    losses = np.geomspace(2.3, 1.75, 21)[:, None] * np.ones(4)
    (ax,) = plots.loss_curves({"Adam": losses}).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1.8", "2", "2.2"]
    assert ax.get_yscale() == "log" and not len(ax.get_yticks(minor=True))
    (ax,) = plots.loss_curves({"Adam": losses**9}).axes
    assert all("10^" in tick.get_text() for tick in ax.get_yticklabels())


def log():
    return Log(
        unroll=5, meta_losses=[4.0, 3.0, 2.0], starts=[0, 0, 0], seconds=[1.0] * 3
    )


def diagnosis():
    return Diagnosis([Finding("window", "0.5", True)], torch.ones(5))


FIGURES = {
    "comparison": comparison,
    "log": lambda: log().figure(),
    "diagnosis": lambda: diagnosis().figure(),
    "drawing": lambda: concurrent_picture().figure,
    "gallery": lambda: plots.gallery(np.zeros((3, 64)), [1, 2, 3], 3).figure,
    "wall": lambda: plots.wall(np.zeros((2, 3, 8, 8)), ["one", "two"]).figure,
}


@pytest.mark.parametrize("name", FIGURES)
def test_other_pictures_have_letters_and_marks_that_can_be_seen(name):
    figure = FIGURES[name]()
    texts = figures.texts_of(figure)
    assert texts and all(text.get_fontsize() >= 8 for text in texts)
    assert figures.crowded(figure, texts) == []
    assert figures.faint_letters(figure, texts) == []
    assert figures.faint_marks(figure) == []
    assert figures.confused(figure, APART) == []


@pytest.mark.parametrize("shown", [log(), diagnosis(), concurrent_picture()], ids=repr)
def test_other_pictures_have_alternative_texts(shown):
    (image,) = Page(shown._repr_html_()).all("img")
    assert len(image["alt"]) >= 40


@pytest.mark.parametrize("path", [README, FOLDER / "README.md"], ids=["kit", "guide"])
def test_pages_have_one_title_no_skipped_heading_and_told_pictures(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(len(alt) >= 40 for alt in re.findall(r"!\[(.*?)\]\(", text, re.S))
    assert all(len(image.get("alt", "")) >= 40 for image in Page(text).all("img"))


def test_a_text_alternative_may_hold_any_sign():
    """Read as a browser reads it."""
    found = []

    class Images(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

    text = 'at "home" 1 < 2 & <b>all</b> &quot;'
    Images().feed(plots.img(b"123", text))
    assert [tag for tag, _ in found] == ["img"] and found[0][1]["alt"] == text
    assert found[0][1]["src"] == "data:image/png;base64,MTIz"
