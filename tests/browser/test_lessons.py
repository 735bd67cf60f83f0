"""Every other lesson in a real JupyterLab: run all, unlock, drag each slider's ends."""

import contextlib
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


def drive_slow(page, box, sliders, number: int):
    """A panel with a Run button: every slider makes it stale; Run, and Stop."""
    run = box.get_by_role("button", name="Run", exact=True)
    if box.get_by_text("Press Run").count():  # nothing that could be stale
        run.click()
        box.get_by_text("Running").wait_for(state="hidden", timeout=120_000)
    sentence = box.locator("[aria-live=polite]")

    def status():
        return box.get_by_text("out of date").count(), sentence.inner_text()

    for k in range(sliders.count()):
        seen = []
        for key in ("Home", "End"):  # one of them may be what is shown
            seen.append(status())
            sliders.nth(k).focus()
            page.keyboard.press(key)
            patience = 0.3 if seen[-1][0] else 5  # a stale one stays stale
            with contextlib.suppress(AssertionError):
                seen[-1] = lab.changed(status, seen[-1], seconds=patience)
        assert seen[0] != seen[1] or seen[0][0], f"slider {k} changes nothing"
        shot(page, f"{number}-slider{k}-stale")
    before = sentence.inner_text()
    run.click()
    lab.changed(sentence.inner_text, before)
    stop = box.get_by_role("button", name="Stop")
    if stop.is_enabled():
        stop.click()
    box.get_by_text("Running").wait_for(state="hidden", timeout=30_000)
    shot(page, f"{number}-run")


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
        sliders = box.locator(".noUi-handle")
        sliders.first.wait_for(timeout=10_000)
        shot(page, f"{number}-open")
        if box.get_by_role("button", name="Run", exact=True).count():
            drive_slow(page, box, sliders, number)
            continue
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


def test_stop_ends_a_live_cell_while_it_runs_and_the_next_cells_follow(monkeypatch):
    """Its cell has an hour; widgets answer in a subshell while the cell trains."""
    if not lab.chromium():
        pytest.fail(lab.MISSING)
    monkeypatch.setenv("L2O_LIVE_SECONDS", "3600")
    with lab.lab(NOTEBOOKS) as (address, token), lab.browser() as page:
        page.lesson = "live"
        lab.open_notebook(page, address, token, "03_coordinatewise_lstm")
        lab.start_all(page)
        box = page.locator(".l2o-panel").nth(2)
        box.get_by_text("Training: ").wait_for(timeout=60_000)
        shot(page, "training")
        box.get_by_role("button", name="Stop").click()
        box.get_by_text("Stopped: ").wait_for(timeout=20_000)
        lab.wait_for_idle(page)
        assert "meta-steps" in box.inner_text() and "Training: " not in box.inner_text()
        shot(page, "stopped")
