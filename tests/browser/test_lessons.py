"""Every lesson in a real JupyterLab: run all, then every control of every panel.

``make browser`` runs it; set SHOTS=folder to keep screenshots. All is done by keyboard.
"""

import functools
import time

import pytest

from . import drive, lab, zoom

# What changes only one of picture and sentence, and why: (in the title, control).
PICTURE_ONLY = {
    ("", "Projector"): "it makes letters and lines larger, and says nothing new",
}
SENTENCE_ONLY = {}
# Controls of a panel with a Run button that answer at once: nothing must be run again.
AT_ONCE = {
    ("Paint", "step t"): "all steps are kept, the slider looks at them",
    ("Guess lambda", "guess"): "a guess moves its own bars",
}


def listed(table: dict, box, control) -> bool:
    """Whether a control of a panel is in a table."""
    heading = drive.title(box)
    return any(part in heading and name in control.name for part, name in table)


@pytest.fixture(scope="module")
def opened(page):
    """Each panel unlocked: box -> what was guessed, None where it was never locked."""
    said = []
    for box in drive.panels(page):
        box.scroll_into_view_if_needed()
        if not drive.locked(box):
            said.append((box, None))
        elif any(words for _, words in said):  # one guess in a lesson; then Skip
            drive.skip(page, box)
            said.append((box, ""))
        else:
            assert box.locator("img").count() == 0, "a picture under the lock"
            said.append((box, drive.guess(page, box)))
    return said


def test_a_guess_or_skip_by_keyboard_shows_guess_and_truth(page, opened, shot):
    assert opened
    for number, (box, said) in enumerate(opened):
        shot(page, f"{number}-open")
        if said is not None:
            text = box.text_content()
            assert (said or "You skipped the guess") in text
            assert "the answer" in text.lower()
    lab.no_errors(page)


def test_tab_reaches_every_control_and_leaves_again(page, opened):
    for box, _ in opened:
        stops = drive.walk(page, box)
        kinds = [control.kind for control in drive.controls(box)]
        assert stops.count("slider") == kinds.count("slider")
        for button in box.get_by_role("button").all():
            if button.is_enabled():
                assert button.text_content().strip() in stops
        for tick in box.locator("input:enabled").all():
            assert tick.get_attribute("type") in stops


def test_every_control_changes_picture_and_sentence(page, opened, shot):
    for number, (box, _) in enumerate(opened):
        box.scroll_into_view_if_needed()
        for control in drive.controls(box):
            if slow(box) and control.name != "Projector":
                continue
            seen = drive.sweep(page, box, control)
            shot(page, f"{number}-{control.name.replace(' ', '_')}")
            where = f"{drive.title(box)}, {control.name}"
            for part, exceptions in (
                ("picture", SENTENCE_ONLY),
                ("sentence", PICTURE_ONLY),
            ):
                different = len({now[part] for now in seen}) == len(seen)
                assert different != listed(exceptions, box, control), (where, part)
            for now in seen:
                assert now["sentence"] in now["alt"], where
                assert not now["status"] or slow(box), (where, now["status"])
    lab.no_errors(page)


def slow(box) -> bool:
    """Whether the panel has a Run button."""
    return box.get_by_role("button", name="Run", exact=True).count() > 0


def test_a_drag_by_mouse_changes_picture_and_sentence(page, opened):
    box = next(box for box, _ in opened if not slow(box))
    handle = box.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    began, before = drive.where(handle), drive.shown(box)
    track = box.locator(".noUi-base").first.bounding_box()
    knob = handle.bounding_box()
    y = knob["y"] + knob["height"] / 2
    right = knob["x"] < track["x"] + track["width"] / 2
    page.mouse.move(knob["x"] + knob["width"] / 2, y)
    page.mouse.down()
    for part in range(10):
        share = 0.55 + 0.04 * part if right else 0.45 - 0.04 * part
        page.mouse.move(track["x"] + track["width"] * share, y)
    page.mouse.up()
    dragged = lab.changed(lambda: drive.shown(box), before, seconds=20)
    assert dragged[0] != before[0] and dragged[1] != before[1]
    assert drive.where(handle) != began
    lab.no_errors(page)


def test_nonsense_written_beside_a_slider_is_taken_back(page, opened):
    for box, _ in opened:
        for number in box.locator(".widget-slider .widget-readout").all():
            number.scroll_into_view_if_needed()
            before, place = number.text_content(), number.bounding_box()
            page.mouse.click(
                place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
            )
            if number.evaluate("e => e === document.activeElement"):
                page.keyboard.press("Control+A")
                page.keyboard.type("no")
                page.keyboard.press("Enter")
            assert number.text_content() == before, drive.title(box)
    lab.no_errors(page)


def test_run_stop_and_a_stale_cue_at_every_control(page, opened, shot):
    for number, (box, _) in enumerate(opened):
        if not slow(box):
            continue
        box.scroll_into_view_if_needed()
        if "Press Run" in drive.look(box)["status"] or not drive.look(box)["sentence"]:
            drive.run(page, box)
            drive.ended(box, 120)
        assert drive.look(box)["sentence"]
        movable = [c for c in drive.controls(box) if c.kind not in ("switch", "upload")]
        at_once = [c for c in movable if listed(AT_ONCE, box, c)]
        for control in at_once:  # first, while a whole run is there to be looked at
            answers_at_once(page, box, control)
        for control in movable:
            if control not in at_once:
                name = f"{number}-{control.name.replace(' ', '_')}-stale"
                runs_at_both_ends(
                    page, box, control, functools.partial(shot, page, name)
                )
        run_anew(page, box)
        shot(page, f"{number}-run")
    lab.no_errors(page)


def runs_at_both_ends(page, box, control, look):
    """At each the cue comes, and Run takes it away; then back."""
    for _ in drive.settings(page, control):
        await_cue(box, f"{drive.title(box)}, {control.name}")
        look()
        run_and_stop(page, box)
    if "out of date" in lab.still(lambda: drive.look(box)["status"]):
        run_and_stop(page, box)  # most panels do not see that they are back


def run_and_stop(page, box):
    """Then nothing is out of date."""
    drive.run(page, box)
    drive.stop(page, box)
    assert "out of date" not in drive.look(box)["status"]


def answers_at_once(page, box, control):
    """Both ends differ, and nothing must be run again."""
    seen = [lab.still(lambda: drive.look(box))]
    for _ in drive.settings(page, control):
        seen.append(lab.changed(lambda: drive.look(box), seen[-1], seconds=20))
    where = f"{drive.title(box)}, {control.name}"
    ends = seen[1:]  # where it began may be one of them
    for part in ("picture", "sentence"):
        assert len({now[part] for now in ends}) == len(ends), (where, part)
    assert not any("out of date" in now["status"] for now in seen), where


def await_cue(box, where: str):
    """Until the panel says that it is out of date; its picture must be faded."""
    end = time.time() + 20
    while "out of date" not in drive.look(box)["status"] and time.time() < end:
        time.sleep(0.1)
    now = drive.look(box)
    assert "out of date" in now["status"] and float(now["opacity"]) < 0.5, where


def run_anew(page, box):
    """Run at a new setting: picture and sentence are new, the alternative text too."""
    before = drive.shown(box)
    last = [
        c
        for c in drive.controls(box)
        if c.kind == "slider" and not listed(AT_ONCE, box, c)
    ][-1]
    next(drive.settings(page, last))
    await_cue(box, drive.title(box))
    drive.run(page, box)
    lab.changed(lambda: drive.look(box)["sentence"], before[1], seconds=120)
    drive.stop(page, box)
    now = drive.look(box)
    assert now["picture"] != before[0] and now["sentence"] in now["alt"]


def test_pictures_carry_alternative_texts(page):
    for image in page.locator(".jp-OutputArea img").all():
        assert len(image.get_attribute("alt") or "") > 20


def test_nothing_is_lost_at_twice_the_size(page, opened, shot):
    before = [zoom.widths(box) for box, _ in opened]
    lost = []
    with zoom.zoomed(page):
        for number, (box, _) in enumerate(opened):
            lost += [(drive.title(box), what) for what in zoom.lost(box)]
            shot(page, f"{number}-zoom")
            for was, now in zip(before[number], zoom.widths(box), strict=True):
                if 2 * now < 0.95 * was:
                    lost.append((drive.title(box), f"{was} pixels, then 2 x {now}"))
    assert not lost, lost
    lab.no_errors(page)
