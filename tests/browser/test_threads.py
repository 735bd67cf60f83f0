"""Keys on a panel while a cell draws with pyplot: neither may disturb the other.

JupyterLab answers widgets in a subshell, another thread of the kernel, where the global
state of pyplot breaks. The panels do without it. The cell draws with a plain backend:
Jupyter's own shows and closes what a cell draws as soon as any widget is moved, even
one that does nothing.
"""

import time
from pathlib import Path

from . import drive, lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FIGURES = 20
DRAW = f"""import hashlib, io, matplotlib
from matplotlib import pyplot as plt
matplotlib.use("agg")
for k in range({FIGURES}):
    plt.figure(figsize=(6, 4))
    for j in range(2):
        plt.subplot(1, 2, j + 1)
        plt.plot([(i * (k + j + 1)) % 17 for i in range(40)])
        plt.title(f"{{k}}, {{j}}")
    kept = io.BytesIO()
    plt.savefig(kept, format="rgba")
    plt.close()
    print(hashlib.sha256(kept.getvalue()).hexdigest())"""
CELLS = [
    "from l2o_kit.lessons.l00_start import Race\nrace = Race()\nrace",
    "from l2o_kit.lessons.l01_descent import Landscape\nrolling = Landscape()\nrolling",
    DRAW,
]
LIVE = "03_coordinatewise_lstm"
HELD = 12  # keys between two looks


def run_last(page):
    """Run the last cell once more, without waiting for its end."""
    cell = page.locator(".jp-CodeCell").last
    cell.scroll_into_view_if_needed()
    cell.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")


def printed(page) -> list[str]:
    """The lines that the last cell has printed."""
    return page.locator(".jp-CodeCell").last.locator("pre").last.text_content().split()


def draws(page) -> bool:
    """Whether the last cell is at work."""
    prompt = page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
    return "*" in prompt.text_content()


def keys_while_it_draws(page, handle) -> int:
    """Left and right without a pause until the cell has ended: pictures painted."""
    handle.focus()
    page.evaluate("() => { window.painted = []; }")
    end = time.time() + 240
    while draws(page) and time.time() < end:
        for key in ("ArrowRight", "ArrowLeft"):
            for _ in range(HELD):
                page.keyboard.press(key)
    return page.evaluate("() => window.painted.length")


def under_keys(page, box, calm: list[str]):
    """The cell again, with keys on a panel: its lines, and the panel, are as before."""
    box.scroll_into_view_if_needed()
    handle = box.locator(".noUi-handle").first
    (least, _), _ = drive.to_ends(page, box, drive.Control("slider", "", handle))
    run_last(page)
    lab.changed(lambda: draws(page), False, rest=0)
    box.scroll_into_view_if_needed()
    painted = keys_while_it_draws(page, handle)
    assert painted >= 5, "the panel did not answer while the cell was drawing"
    assert printed(page) == calm
    page.keyboard.press("Home")
    kept = least["picture"], least["sentence"]
    lab.changed(lambda: drive.shown(box) == kept, False, rest=0)


def test_keys_while_a_cell_draws_disturb_neither(server, visit):
    lab.put_notebook(*server, "threads", CELLS)
    with visit("threads") as page:
        lab.run_all(page)
        calm = printed(page)
        assert len(set(calm)) == FIGURES
        for box in drive.panels(page):
            under_keys(page, box, calm)
        lab.no_errors(page)


def test_stop_ends_a_live_cell_while_it_runs_and_the_next_cells_follow(
    chrome, monkeypatch, shot
):
    """Its cell has an hour; the question and Stop answer in a subshell meanwhile."""
    monkeypatch.setenv("L2O_LIVE_SECONDS", "3600")
    with lab.lab(NOTEBOOKS) as place, lab.visit(chrome, *place, LIVE) as page:
        lab.start_all(page)
        box = page.locator(".l2o-panel").nth(2)
        box.wait_for(state="attached", timeout=240_000)
        drive.skip(page, box)
        box.get_by_text("Training: ").wait_for(timeout=240_000)
        shot(page, "training")
        box.get_by_role("button", name="Stop").focus()
        page.keyboard.press("Enter")
        box.get_by_text("Stopped: ").wait_for(timeout=60_000)
        lab.wait_for_idle(page)
        said = box.text_content()
        assert "meta-steps" in said and "Training: " not in said
        shot(page, "stopped")
