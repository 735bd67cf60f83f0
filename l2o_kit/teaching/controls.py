"""The controls of panels, each in a line: its name, where it stands, its ends.

They answer when they are let go, not at every pixel on the way.
"""

import ipywidgets as widgets

LET_GO = {"continuous_update": False}


def slider(name: str, value, low, high, step=1) -> widgets.Widget:
    """A slider of numbers: of whole ones where the step is whole."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(value, min=low, max=high, step=step, description=name, **LET_GO)


def log_slider(name: str, value, low, high, step, form: str = ".2g") -> widgets.Widget:
    """A slider of powers of ten, from 10^low to 10^high."""
    ends = {"base": 10, "min": low, "max": high, "step": step}
    return widgets.FloatLogSlider(
        value, **ends, description=name, readout_format=form, **LET_GO
    )


def list_slider(name: str, options, *value) -> widgets.Widget:
    """A slider over a list; at its first entry, unless a value is given."""
    start = {"value": value[0]} if value else {}
    return widgets.SelectionSlider(options=options, description=name, **start, **LET_GO)


def buttons(name: str, options, *value) -> widgets.Widget:
    """One button for each of a few things; the first is down, unless one is named."""
    start = {"value": value[0]} if value else {}
    return widgets.ToggleButtons(options=list(options), description=name, **start)
