"""Film-strips: each panel at a few settings, for viewers that have no kernel."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from l2o_kit.teaching.panel import Panel
from l2o_kit.teaching.sweep import caption, settle

BAR = 28  # pixels of caption above each picture


def film_strip(kind: type[Panel]) -> tuple[bytes, list[str]]:
    """The panel's ``strip`` states, one below the other, as one PNG of 64 colours.

    And the sentence that the panel says of each.
    """
    panel, frames, told = kind.still(), [], []
    for state in panel.strip:
        for name, value in state.items():
            panel.controls[name].value = value
        settle(panel)
        frames.append(_captioned(panel.picture, caption(panel.controls, state)))
        told.append(panel.text)
    sheet = Image.fromarray(np.concatenate(frames)).quantize(64)
    buffer = io.BytesIO()
    sheet.save(buffer, format="png", optimize=True)
    return buffer.getvalue(), told


def _captioned(picture: bytes, text: str) -> np.ndarray:
    frame = np.asarray(Image.open(io.BytesIO(picture)))
    bar = Image.new("RGB", (frame.shape[1], BAR), "white")
    font = ImageFont.load_default(size=15)
    ImageDraw.Draw(bar).text((10, 6), text, fill="black", font=font)
    return np.concatenate([np.asarray(bar), frame])
