"""Sweeps: every control of a panel to both ends, and all corners of them.

Between the two ends of a control, the plotted numbers and the text must differ; nothing
may be blank or non-finite. Notebooks do this in their last cell, and so do the tests.
"""

import itertools

import ipywidgets as widgets
import numpy as np


def sweep(panel) -> str:
    """Move every control to both ends, and those of a quick panel to all corners.

    Raises AssertionError where the picture or the text does not answer, and whatever a
    callback raises.
    """
    for name in panel.controls:
        _sweep_one(panel, name)
    corners = _sweep_corners(panel) if panel.quick else 0
    return (
        f"{type(panel).__name__}: {len(panel.controls)} controls answer at both ends, "
        f"and {corners} corners."
    )


def ends(control) -> tuple:
    """The two extreme values of a control."""
    if isinstance(control, widgets.FloatLogSlider):
        return control.base**control.min, control.base**control.max
    if hasattr(control, "min"):
        return control.min, control.max
    if hasattr(control, "options"):
        values = [value for _, value in _choices(control)]
        return values[0], values[-1]
    return False, True


def _choices(control) -> list[tuple]:
    """(label, value) of every option that a control has."""
    return [
        option if isinstance(option, tuple) else (str(option), option)
        for option in getattr(control, "options", ())
    ]


def settle(panel):
    """Until the panel shows its present state; a slow one is run."""
    if hasattr(panel, "run"):
        panel.run()
        panel.wait()


def _sweep_one(panel, name: str):
    control, seen = panel.controls[name], []
    middle = control.value
    for end in ends(control):
        control.value = end
        settle(panel)
        _check_shown(panel, f"{name} = {_short(end)}")
        seen.append((panel.data(), panel.text))
    control.value = middle
    (data, text), (other_data, other_text) = seen
    assert text != other_text, f"{name}: the text is the same at both ends"
    assert not np.array_equal(data, other_data), f"{name}: the picture does not answer"


def _sweep_corners(panel) -> int:
    corners = list(itertools.product(*map(ends, panel.controls.values())))
    for corner in corners:
        for control, value in zip(panel.controls.values(), corner, strict=True):
            control.value = value
        settle(panel)
        _check_shown(panel, f"corner {corner}")
    return len(corners)


def _check_shown(panel, where: str):
    data = panel.data()
    assert data.size, f"{where}: nothing is drawn"
    assert np.isfinite(data).all(), f"{where}: a plotted number is not finite"
    assert "nan" not in panel.text.lower(), f"{where}: the text says nan"


def _short(value) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_short, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def caption(controls: dict, state: dict) -> str:
    """A state as the page says it: "pixels: 64 x 64 · step t: 8"."""
    return " · ".join(_said(controls[name], value) for name, value in state.items())


def _said(control, value) -> str:
    """The words before a control, and what it shows at a value."""
    shown = {choice: label for label, choice in _choices(control)}
    if isinstance(control, widgets.FloatLogSlider):
        words = format(value, control.readout_format)
    elif isinstance(control, widgets.Checkbox):
        words = "on" if value else "off"
    else:
        words = shown.get(value, _short(value))
    between = " " if ":" in control.description else ": "
    return f"{control.description}{between}{words}"
