"""Handouts in a real browser: offline, by keyboard, at twice the size."""

from pathlib import Path

import pytest

from l2o_kit.classroom import handouts
from tests.browser.lab import browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
TOP = "n => Math.round(document.getElementById('slide-' + n).getBoundingClientRect().y)"
TALL = "[...document.querySelectorAll('main > section')].map(s => s.offsetHeight)"
WIDTH = "document.documentElement.scrollWidth"
SMALL = """[...document.querySelectorAll('main *')].filter(e => e.innerText &&
    !e.children.length && !e.closest('table, math, .where, .count, figcaption') &&
    parseFloat(getComputedStyle(e).fontSize) < 24).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("handouts")
    handouts.write(NOTEBOOKS, out)
    return out


@pytest.fixture
def opened(folder):
    """A function that opens a file; nothing but files may be asked for."""
    with browser(1280, 720) as page:
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))

        def open_(name):
            page.goto(f"file://{folder / name}")
            return page

        yield open_
        assert all(url.startswith(("file:", "data:")) for url in asked), asked
        assert not said, said


def here(page) -> int:
    """The number of the slide whose upper edge is at the window's."""
    count = page.locator("main > section").count()
    return next(n for n in range(1, count + 1) if abs(page.evaluate(TOP, n)) <= 1)


def test_keys_lead_through_the_slides(opened):
    page = opened(f"{NAMES[0]}.slides.html")
    for key, number in [
        ("ArrowRight", 2),
        ("PageDown", 3),
        ("Space", 4),
        ("ArrowLeft", 3),
        ("PageUp", 2),
        ("Shift+Space", 1),
        ("ArrowLeft", 1),
        ("ArrowRight", 2),
    ]:
        page.keyboard.press(key)
        assert here(page) == number, key
        assert page.url.endswith(f"#slide-{number}")
    page.keyboard.press("End")
    last = page.locator("main > section").count()
    assert page.evaluate(TOP, last) < 720 and page.url.endswith(f"#slide-{last}")
    page.keyboard.press("Home")
    assert here(page) == 1


def test_a_long_slide_is_read_to_its_end_first(opened):
    page = opened(f"{NAMES[0]}.slides.html")
    page.set_viewport_size({"width": 1280, "height": 300})
    assert max(page.evaluate(TALL)[:5]) > 400
    seen = [0]
    while not page.url.endswith("#slide-6"):
        page.keyboard.press("PageDown")
        seen.append(page.evaluate("scrollY"))
        assert 0 < seen[-1] - seen[-2] <= 310  # no line is skipped


def test_an_answer_opens_by_keyboard_and_no_slide_is_turned(opened):
    page = opened(f"{NAMES[0]}.slides.html")
    summary = page.locator("summary").first
    summary.focus()
    before = page.url
    page.keyboard.press("Space")
    assert page.locator("details[open]").count() == 1 and page.url == before


@pytest.mark.parametrize("name", NAMES)
def test_slides_fit_and_letters_are_large(opened, name):
    page = opened(f"{name}.slides.html")
    tall = page.evaluate(TALL)
    assert sum(height > 722 for height in tall) <= 0.06 * len(tall), tall
    assert max(tall) < 1000 and not page.evaluate(SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_at_twice_the_size(opened, name):
    for end in (".html", ".slides.html"):
        page = opened(name + end)
        page.set_viewport_size({"width": 640, "height": 360})
        assert page.evaluate(WIDTH) <= 640, end
