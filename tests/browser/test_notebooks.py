"""Notebook 00 in a real JupyterLab: run all, answer the guess, key, drag, Run.

``make browser`` runs it; set SHOTS=folder to keep screenshots.
"""

import os
import statistics
from pathlib import Path

import pytest

from . import lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def page():
    """Notebook 00, all cells run."""
    if not lab.chromium():
        pytest.fail(lab.MISSING)
    with lab.lab(NOTEBOOKS) as (address, token), lab.browser() as page:
        lab.open_notebook(page, address, token, "00_start_here")
        lab.run_all(page)
        yield page
        shots = os.environ.get("SHOTS")
        if shots:
            page.screenshot(path=Path(shots) / "last.png")


def shot(page, name: str):
    """Keep a screenshot where SHOTS asks for it."""
    if os.environ.get("SHOTS"):
        page.screenshot(path=Path(os.environ["SHOTS"]) / f"{name}.png")


def panel(page, number: int):
    return page.locator(".l2o-panel").nth(number)


def seen(box) -> tuple[str, str]:
    """What a reader gets: the picture's bytes and the sentence beside it."""
    image = box.locator("img").first
    return image.get_attribute("src"), box.locator("[aria-live=polite]").inner_text()


def test_the_panel_is_locked_until_a_guess_by_keyboard_alone(page):
    box = panel(page, 0)
    box.scroll_into_view_if_needed()
    assert box.locator("img").count() == 0
    shot(page, "locked")
    radio = box.locator("input[type=radio]")
    radio.last.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    box.locator("img").wait_for(timeout=10_000)
    assert "You guessed: No, at no rate." in box.inner_text()
    lab.no_errors(page)


def test_keys_and_drags_change_picture_and_text(page):
    box = panel(page, 0)
    handle = box.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    first = lab.still(lambda: seen(box))
    latencies = [
        lab.key_to_picture(page, "ArrowRight" if k % 2 == 0 else "ArrowLeft")
        for k in range(9)
    ]
    print(f"\nkey to picture: median {statistics.median(latencies):.0f} ms")
    keyed = lab.still(lambda: seen(box))
    assert keyed[0] != first[0] and keyed[1] != first[1]  # nine keys: one to the right
    ends = {}
    for name, key in (("least", "Home"), ("most", "End")):
        handle.focus()
        page.keyboard.press(key)
        keyed = ends[name] = lab.changed(lambda: seen(box), keyed)
        shot(page, name)
    assert "rate 1e-05" in ends["least"][1] and "rate 10" in ends["most"][1]
    track, knob = box.locator(".noUi-base").first.bounding_box(), handle.bounding_box()
    y = knob["y"] + knob["height"] / 2
    page.mouse.move(knob["x"] + knob["width"] / 2, y)
    page.mouse.down()
    for part in range(10):
        page.mouse.move(track["x"] + track["width"] * (0.95 - 0.06 * part), y)
    page.mouse.up()
    dragged = lab.changed(lambda: seen(box), keyed)
    assert len({first[0], ends["least"][0], ends["most"][0], dragged[0]}) == 4
    assert dragged[1] not in (ends["least"][1], ends["most"][1])
    lab.no_errors(page)


def test_every_other_control_answers_by_keyboard(page):
    box = panel(page, 0)
    before = lab.still(lambda: seen(box))
    box.get_by_role("button", name="NAG").focus()
    page.keyboard.press("Enter")
    rival = lab.changed(lambda: seen(box), before)
    box.locator(".noUi-handle").nth(1).focus()
    page.keyboard.press("End")
    noisy = lab.changed(lambda: seen(box), rival)
    assert "pixel noise 1" in noisy[1] and before[0] != noisy[0]
    box.get_by_text("Projector").click()
    projector = lab.changed(lambda: seen(box), noisy)
    assert projector[0] != noisy[0] and projector[1] == noisy[1]
    shot(page, "projector")
    box.get_by_text("Projector").click()
    lab.no_errors(page)


def test_pictures_carry_alternative_texts(page):
    for image in page.locator(".jp-OutputArea img").all():
        assert len(image.get_attribute("alt") or "") > 20


def test_run_stop_and_the_stale_cue(page):
    box = panel(page, 1)
    box.scroll_into_view_if_needed()
    assert "Press Run" in box.inner_text()
    box.get_by_role("button", name="Run").click()
    box.locator("[aria-live=polite]").get_by_text("fresh networks").wait_for(
        timeout=60_000
    )
    box.locator(".noUi-handle").last.focus()
    page.keyboard.press("ArrowRight")
    box.get_by_text("out of date").wait_for(timeout=10_000)
    shot(page, "stale")
    box.locator(".noUi-handle").nth(1).focus()
    page.keyboard.press("End")
    box.get_by_role("button", name="Run").click()
    box.get_by_role("button", name="Stop").click()
    box.get_by_text("Stopped at").wait_for(timeout=30_000)
    shot(page, "stopped")
    lab.no_errors(page)
