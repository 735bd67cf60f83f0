"""Handouts in a real browser: offline, by keyboard, at twice the size."""

from pathlib import Path

import pytest

from l2o_kit.classroom import handouts
from tests.browser.lab import browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
WIDTH = "document.documentElement.scrollWidth"


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


def test_an_answer_opens_by_keyboard(opened):
    page = opened(f"{NAMES[0]}.html")
    page.locator("summary").first.focus()
    page.keyboard.press("Space")
    assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_at_twice_the_size(opened, name):
    page = opened(f"{name}.html")
    page.set_viewport_size({"width": 640, "height": 360})
    assert page.evaluate(WIDTH) <= 640
