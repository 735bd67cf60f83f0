"""Film-strips: each panel at a few settings, for viewers that have no kernel.

python -m l2o_kit.panels.strips      draw them anew into stored/strips.npz
"""

import io
import json

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from l2o_kit.checkpoint import today
from l2o_kit.panels import ALL, Race
from l2o_kit.panels.base import Panel
from l2o_kit.panels.sweep import caption, settle
from l2o_kit.store import FOLDER

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


def build():
    """Every strip and its sentences, by the name of its panel; the README's picture."""
    strips = {}
    for name, (picture, told) in {k.__name__: film_strip(k) for k in ALL}.items():
        strips[name] = np.frombuffer(picture, dtype=np.uint8)
        strips[f"{name}_told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    path = FOLDER / "strips.npz"
    np.savez(path, provenance=json.dumps(today()), **strips)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    (FOLDER / "race.png").write_bytes(one_picture())


def one_picture() -> bytes:
    """The README's picture: the race against NAG, the best rival, at its best rate."""
    panel = Race()
    panel.controls["rival"].value = "NAG"
    panel.controls["rate"].value = float(panel.best.get_xdata()[0])
    return panel.picture


if __name__ == "__main__":
    build()
