"""What a reader does with a panel by keyboard: reach, unlock, drag, choose, run.

Every function takes the page and a panel's box. ``look`` is what the reader gets;
``LATENCIES`` gathers key press to painted picture: (lesson, panel, control) -> [ms].
"""

import re
import time
from collections import defaultdict
from dataclasses import dataclass

from playwright.sync_api import Locator
from playwright.sync_api import TimeoutError as NothingNew

from . import lab

LATENCIES = defaultdict(list)
PRESSES = 3  # of an arrow key, at each slider of a panel that answers at once
REST = 0.25  # seconds without a change: the panel has answered

LOOK = """box => { const image = box.querySelector('img');
  const words = selector => [...box.querySelectorAll(selector)].map(
      e => e.textContent).join(' ').replace(/\\s+/g, ' ').trim();
  return {picture: image ? image.src : '', sentence: words('[aria-live=polite]'),
    alt: image ? image.alt.replace(/\\s+/g, ' ') : '',
    status: words('[role=status], [role=alert]'),
    opacity: image ? getComputedStyle(image.parentElement).opacity : '1'}; }"""

# The controls in the order of the page, with what stands beside them.
CONTROLS = """box => { const kinds = {slider: '.noUi-handle',
    buttons: '.widget-toggle-buttons', tick: 'input[type=checkbox]', menu: 'select',
    field: 'input[type=number], input[type=text]', upload: '.widget-upload',
    switch: 'button.widget-toggle-button:not(.widget-toggle-buttons button)'};
  const order = [...box.querySelectorAll('*')];
  return Object.entries(kinds).flatMap(([kind, selector]) =>
    [...box.querySelectorAll(selector)].map((e, index) => {
      const near = e.closest('.widget-toggle-buttons, .widget-inline-hbox');
      const label = near && near.querySelector('.widget-label-basic, .widget-label');
      const name = (label || e).textContent.trim();
      return {kind, selector, index, name, place: order.indexOf(e)};
    })).sort((a, b) => a.place - b.place); }"""

# What has the focus: its kind, and whether it is in a box.
FOCUS = """box => { const e = document.activeElement;
  const kind = e.matches('.noUi-handle') ? 'slider' : e.matches('.widget-readout')
    ? 'readout' : e.textContent.trim() || e.type || e.tagName;
  return box.contains(e) ? kind : null; }"""


@dataclass(frozen=True)
class Control:
    """A control of a panel: its kind, its name on the page, and the element itself."""

    kind: str
    name: str
    element: Locator


def panels(page) -> list[Locator]:
    """The boxes of all panels of a lesson."""
    return page.locator(".l2o-panel").all()


def title(box) -> str:
    """The panel's heading."""
    return box.locator("b").first.text_content()


def look(box) -> dict:
    """What a reader gets: picture, its text, the sentence, the status line."""
    return box.evaluate(LOOK)


def shown(box) -> tuple[str, str]:
    """The picture's bytes and the sentence, at rest."""
    seen = lab.still(lambda: look(box), rest=REST)
    return seen["picture"], seen["sentence"]


def controls(box) -> list[Control]:
    """Every control in the order of the page; Run, Stop and read-outs are none."""
    names = defaultdict(int)
    found = []
    for entry in box.evaluate(CONTROLS):
        kind, name = entry["kind"], entry["name"]
        names[name] += 1
        number = f" ({names[name]})" if names[name] > 1 else ""
        element = box.locator(entry["selector"]).nth(entry["index"])
        found.append(Control(kind, name + number, element))
    return found


def focus_cell(box):
    """Focus the cell that shows the panel, as the arrow keys do in a notebook."""
    cell = box.locator('xpath=ancestor::div[contains(@class, "jp-CodeCell")]')
    cell.evaluate("cell => cell.focus()")


def walk(page, box, most: int = 60) -> list[str]:
    """From the panel's cell, Tab through the panel and out of it: the stops."""
    focus_cell(box)
    stops, entered = [], False
    for _ in range(most):
        page.keyboard.press("Tab")
        kind = box.evaluate(FOCUS)
        if kind is None and entered:
            return stops
        if kind is not None:
            entered = True
            stops.append(kind)
    raise AssertionError(f"{title(box)}: Tab does not leave the panel, {stops[-4:]}")


def tab_to(page, box, name: str, most: int = 40):
    """Tab from the panel's cell until the button of that name has the focus."""
    focus_cell(box)
    for _ in range(most):
        page.keyboard.press("Tab")
        if box.evaluate(FOCUS) == name:
            return
    raise AssertionError(f"{title(box)}: Tab does not reach {name}")


def locked(box) -> bool:
    """Whether the panel waits for a guess."""
    return box.get_by_role("button", name="Skip", exact=True).count() > 0


def skip(page, box):
    """Skip the guess."""
    tab_to(page, box, "Skip")
    page.keyboard.press("Enter")
    box.locator("img").wait_for(timeout=60_000)


def guess(page, box) -> str:
    """Answer what is asked, and lock it in: what the panel must say of the guess."""
    radios, fields = box.locator("input[type=radio]"), box.locator("input[type=number]")
    if radios.count():
        radios.first.focus()
        page.keyboard.press("Space")
        words = box.locator(".widget-radio-box label").first.text_content()
        said = f"You guessed: {words.strip()}"
    elif fields.count():
        fields.first.focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("7")
        said = "You guessed 7"
    else:
        for bar in box.locator(".noUi-handle").all():
            bar.focus()
            page.keyboard.press("ArrowRight")
        said = "your guess"
    tab_to(page, box, "Lock in my guess")
    page.keyboard.press("Enter")
    box.locator("img").wait_for(timeout=60_000)
    return said


def press(page, box, key: str) -> tuple[dict, float | None]:
    """Press a key and wait for the answer: what is shown, milliseconds to a picture.

    None where no new picture came within four seconds.
    """
    try:
        taken = lab.key_to_picture(page, key, timeout=4)
    except NothingNew:
        taken = None
    return lab.still(lambda: look(box), rest=REST), taken


def to_ends(page, box, control: Control) -> tuple[list[dict], list[float]]:
    """A slider to both ends and back: what is shown at each, and milliseconds."""
    handle, seen, times = control.element, [], []
    handle.scroll_into_view_if_needed()
    began = where(handle)
    for key, end in (("Home", "aria-valuemin"), ("End", "aria-valuemax")):
        if where(handle) == where(handle, end):  # it stands there
            seen.append(lab.still(lambda: look(box), rest=REST))
            continue
        handle.focus()
        now, taken = press(page, box, key)
        seen.append(now)
        times.append(taken)
    for _ in range(PRESSES):
        if where(handle) > began:
            times.append(press(page, box, "ArrowLeft")[1])
    go_back(page, handle, began)
    lab.still(lambda: look(box), rest=REST)
    return seen, [taken for taken in times if taken]


def where(handle, what: str = "aria-valuenow") -> float:
    """Where a slider's handle stands; or its least, or its most."""
    return float(handle.get_attribute(what))


def go_back(page, handle, began: float):
    """Step by step, down to where a handle stood, without waiting for pictures."""
    handle.focus()
    for _ in range(300):
        if where(handle) <= began:
            return
        page.keyboard.press("ArrowLeft")


def all_options(page, box, control: Control) -> tuple[list[dict], list[float]]:
    """Each button of a row once, the present one last: what is shown, milliseconds."""
    buttons = control.element.locator("button").all()
    active = [bool(re.search("mod-active", b.get_attribute("class"))) for b in buttons]
    at = active.index(True) + 1
    return each_pressed(page, box, [*buttons[at:], *buttons[:at]], "Enter")


def twice(page, box, control: Control) -> tuple[list[dict], list[float]]:
    """A tick box or a switch on and off again: what is shown, milliseconds."""
    key = "Space" if control.kind == "tick" else "Enter"
    return each_pressed(page, box, [control.element] * 2, key)


def each_pressed(page, box, elements, key) -> tuple[list[dict], list[float]]:
    """Focus each in turn and press the key; the focus must stay in the panel."""
    seen, times = [], []
    for element in elements:
        element.focus()
        now, taken = press(page, box, key)
        seen.append(now)
        times += [taken] if taken else []
        assert box.evaluate(FOCUS), f"{title(box)}: the focus left the panel"
    return seen, times


def sweep(page, box, control: Control) -> list[dict]:
    """The control to both ends, or through all its options: what is shown at each."""
    ways = {"slider": to_ends, "buttons": all_options, "tick": twice, "switch": twice}
    assert control.kind in ways, f"nothing here drives a {control.kind}: {control.name}"
    seen, times = ways[control.kind](page, box, control)
    LATENCIES[page.lesson[:2], title(box), control.name] += times
    return seen


def settings(page, control: Control):
    """A slider to both ends, buttons through all, a tick turned; each in its turn.

    Yields after each move but the last, which is the one back.
    """
    element = control.element
    element.scroll_into_view_if_needed()
    if control.kind == "slider":
        yield from slid(page, element)
    elif control.kind == "buttons":
        began = element.locator("button.mod-active").text_content()
        names = [button.text_content() for button in element.locator("button").all()]
        for name in [*(name for name in names if name != began), began]:
            element.get_by_role("button", name=name, exact=True).focus()
            page.keyboard.press("Enter")
            if name != began:
                yield
    else:
        for again in (False, True):
            element.focus()
            page.keyboard.press("Space" if control.kind == "tick" else "Enter")
            if not again:
                yield


def slid(page, handle):
    """A slider's handle to each end where it does not stand, and back."""
    began = where(handle)
    for key, end in (("Home", "aria-valuemin"), ("End", "aria-valuemax")):
        if where(handle) != where(handle, end):
            handle.focus()
            page.keyboard.press(key)
            yield
    go_back(page, handle, began)


def run(page, box):
    """Press Run by Tab and Enter, and see it begin."""
    before = look(box)["status"]
    assert before, "nothing said that there is something to run"
    tab_to(page, box, "Run")
    page.keyboard.press("Enter")
    lab.changed(lambda: look(box)["status"] != before, False, rest=0)


def stop(page, box):
    """Press Stop by keyboard if there still is something to stop, and await the end."""
    button = box.get_by_role("button", name="Stop", exact=True)
    end = time.time() + 5
    while not button.is_enabled() and running(box) and time.time() < end:
        time.sleep(0.05)
    if button.is_enabled():
        button.focus()
        page.keyboard.press("Enter")
    ended(box, 30)


def running(box) -> bool:
    """Whether the panel says that it works."""
    return "Running" in look(box)["status"]


def ended(box, seconds: float):
    """Until the work has ended."""
    box.get_by_text("Running ...").wait_for(state="hidden", timeout=1000 * seconds)
