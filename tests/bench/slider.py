"""Key press to new pixels, in a real browser, for every slider that does not train."""

import statistics
import time
from pathlib import Path

from playwright.sync_api import TimeoutError as NothingNew

from tests.bench import report
from tests.browser import lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PRESSES = 12  # a slider, from its left end; each shows a setting for the first time


def measured() -> dict:
    """The section of the report."""
    if not lab.chromium():
        return report.section("Slider to pixels", [f"Not measured: {lab.MISSING}"])
    panels, everything = [], []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for title, times in notebook(path.stem).items():
            everything += times
            which = {"lesson": path.stem[:2], "panel": title, "presses": len(times)}
            panels.append(which | times_of(times))
    ms = ("median", "95th percentile")
    columns = {"lesson": "", "panel": "", "presses": ""} | dict.fromkeys(ms, ".0f")
    return report.section(
        "Slider to pixels",
        [
            "Milliseconds from a key press to new pixels in Chromium: every slider of "
            f"every panel that does not train, up to {PRESSES} presses each from its "
            "left end, nothing cached. All together: median {all[median]:.0f}, 95th "
            "percentile {all[95th percentile]:.0f}.",
            report.table("panels", columns),
        ],
        all=times_of(everything),
        panels=panels,
    )


def times_of(times) -> dict[str, float]:
    """Median and 95th percentile, as cells of a table."""
    return {"median": statistics.median(times), "95th percentile": late(times)}


def late(times) -> float:
    """The 95th percentile."""
    return sorted(times)[int(0.95 * len(times))]


def notebook(name: str) -> dict[str, list[float]]:
    """title -> milliseconds, for every quick panel of a notebook."""
    found = {}
    with lab.lab(NOTEBOOKS) as (address, token), lab.browser() as page:
        lab.open_notebook(page, address, token, name)
        lab.run_all(page)
        for box in page.locator(".l2o-panel").all():
            box.scroll_into_view_if_needed()
            if box.get_by_role("button", name="Run", exact=True).count():
                continue
            skip = box.get_by_role("button", name="Skip")
            if skip.count():
                skip.click()
            box.locator("[aria-live=polite]").wait_for(timeout=10_000)
            title = box.locator("b").first.inner_text().split(":")[0]
            handles = box.locator(".noUi-handle").all()
            found.setdefault(title, [])
            found[title] += [ms for handle in handles for ms in press(page, handle)]
    return found


def press(page, handle) -> list[float]:
    """Milliseconds of each press of a slider, until its right end."""
    times, began = [], handle.get_attribute("aria-valuenow")
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press("Home")
    time.sleep(1)
    for _ in range(PRESSES):
        try:
            times.append(lab.key_to_picture(page, "ArrowRight", timeout=3))
        except NothingNew:  # the right end
            break
        time.sleep(0.3)
    page.keyboard.press("Home")  # and back to where it was, for the next slider
    while float(handle.get_attribute("aria-valuenow")) < float(began):
        page.keyboard.press("ArrowRight")
    time.sleep(1)
    return times


if __name__ == "__main__":
    print(report.markdown(measured()))
