"""Panels that are moved from other threads while pyplot draws in this one.

JupyterLab answers widgets in a subshell of the kernel, which is another thread. pyplot
keeps its figures in global state, and breaks there; a panel keeps none.
"""

import hashlib
import io
import threading
import time

import ipywidgets as widgets
import pytest
from matplotlib import pyplot as plt

from l2o_kit.lessons.l00_start.race import Race
from l2o_kit.lessons.l03_lstm.preprocessing import Preprocessing

FIGURES = 8
MOVED = {  # panel: the control that is moved, and its values
    Race: ("rate", [10.0 ** (k / 4) for k in range(-20, 5)]),
    Preprocessing: ("p", [1.0 + k for k in range(15)]),
}


def drawn() -> list[str]:
    """Fixed figures, drawn with pyplot: a checksum of the pixels of each."""
    sums = []
    for k in range(FIGURES):
        plt.figure(figsize=(3, 2))
        plt.plot([(i * (k + 1)) % 17 for i in range(30)])
        plt.title(f"figure {k}")
        kept = io.BytesIO()
        plt.savefig(kept, format="rgba", dpi=50)
        plt.close()
        sums.append(hashlib.sha256(kept.getvalue()).hexdigest())
    return sums


class Mover(threading.Thread):
    """Moves a control through its values, round and round; counts, keeps the error."""

    def __init__(self, control: widgets.Widget, values: list):
        super().__init__(daemon=True)
        self.control, self.values = control, values
        self.end, self.moves, self.error = threading.Event(), 0, None

    def run(self):
        """Until ``end`` is set."""
        try:
            while not self.end.is_set():
                self.control.value = self.values[self.moves % len(self.values)]
                self.moves += 1
        except Exception as error:
            self.error = error


@pytest.fixture
def moving():
    """``moving(control, values)`` starts a thread; all end with the test."""
    movers = []

    def start(control, values):
        movers.append(Mover(control, values))
        movers[-1].start()
        return movers[-1]

    yield start
    for mover in movers:
        mover.end.set()
        mover.join(20)


def ended(mover: Mover):
    """Stop a thread; it must have moved its control, without an error."""
    mover.end.set()
    mover.join(20)
    assert mover.error is None, mover.error
    assert mover.moves > 3


def test_panels_moved_from_threads_and_pyplot_leave_each_other_alone(moving):
    calm = drawn()
    assert len(set(calm)) == FIGURES
    shown = {kind: kind() for kind in MOVED}
    movers = [
        moving(shown[kind].controls[name], values)
        for kind, (name, values) in MOVED.items()
    ]
    under_load = drawn()
    for mover in movers:
        ended(mover)
    assert under_load == calm
    for kind, panel in shown.items():
        fresh = kind()
        for name, control in fresh.controls.items():
            control.value = panel.controls[name].value
        assert panel.text == fresh.text and panel.picture == fresh.picture
        assert panel.text in panel._picture.value.replace("&lt;", "<")


def test_a_slow_answer_never_replaces_a_newer_one():
    panel, begun = Race(), threading.Event()
    compute = panel._compute

    def slow_for_nag(items):
        if dict(items)["rival"] == "NAG":
            begun.set()
            time.sleep(0.5)
        return compute(items)

    panel._compute = slow_for_nag
    older = threading.Thread(
        target=setattr, args=(panel.controls["rival"], "value", "NAG")
    )
    older.start()
    assert begun.wait(20)
    panel.controls["rival"].value = "SGD"  # while the older one is still computed
    older.join(20)
    assert panel.text.startswith("With pixel noise 0, SGD at rate ")
    fresh = Race()
    fresh.controls["rival"].value = "SGD"
    assert panel.picture == fresh.picture
