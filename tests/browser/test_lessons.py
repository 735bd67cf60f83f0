"""Every other lesson in a real JupyterLab: run all, unlock, drag each slider's ends."""

import os
from pathlib import Path

import pytest

from . import lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))[1:]  # 00 has its own


@pytest.fixture(params=LESSONS)
def page(request):
    """A lesson, all cells run."""
    if not lab.chromium():
        pytest.fail(lab.MISSING)
    with lab.lab(NOTEBOOKS) as (address, token), lab.browser() as page:
        lab.open_notebook(page, address, token, request.param)
        lab.run_all(page)
        page.lesson = request.param
        yield page


def shot(page, name: str):
    """Keep a screenshot where SHOTS asks for it."""
    if os.environ.get("SHOTS"):
        page.screenshot(path=Path(os.environ["SHOTS"]) / f"{page.lesson}-{name}.png")


def test_panels_unlock_and_answer_at_both_ends_of_every_slider(page):
    panels = page.locator(".l2o-panel")
    assert panels.count()
    for number in range(panels.count()):
        box = panels.nth(number)
        box.scroll_into_view_if_needed()
        skip = box.get_by_role("button", name="Skip")
        if skip.count():
            shot(page, f"{number}-locked")
            skip.click()
        sentence = box.locator("[aria-live=polite]")
        sentence.wait_for(timeout=10_000)
        shot(page, f"{number}-open")
        sliders = box.locator(".noUi-handle")
        assert sliders.count()
        for k in range(sliders.count()):
            seen = {}
            for key in ("End", "Home"):
                before = sentence.inner_text()
                sliders.nth(k).focus()
                page.keyboard.press(key)
                try:
                    seen[key] = lab.changed(sentence.inner_text, before, seconds=5)
                except AssertionError:  # it stood at that end already
                    seen[key] = before
                shot(page, f"{number}-slider{k}-{key}")
            assert seen["Home"] != seen["End"]
    for image in page.locator(".jp-OutputArea img").all():
        assert len(image.get_attribute("alt") or "") > 20
    lab.no_errors(page)
