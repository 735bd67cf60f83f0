"""Every option of every control of the quick panels, not only the two ends."""

import numpy as np
import pytest

from tests.rooms import ALL

QUICK = [kind for kind in ALL if kind.quick]
# How many options may look alike: a window cannot be longer than the horizon.
ALIKE = {("Laboratory", "window"): 1}


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.__name__)
def test_every_option_has_a_picture_and_a_sentence_of_its_own(kind):
    panel = kind()
    for name, control in panel.controls.items():
        if not hasattr(control, "options"):
            continue
        middle, seen = control.value, set()
        for option in control.options:
            control.value = option[1] if isinstance(option, tuple) else option
            assert np.isfinite(panel.data()).all(), (name, option)
            seen.add((panel.picture, panel.text))
        control.value = middle
        for part in zip(*seen, strict=True):
            different = len(control.options) - ALIKE.get((kind.__name__, name), 0)
            assert len(set(part)) >= different, name
