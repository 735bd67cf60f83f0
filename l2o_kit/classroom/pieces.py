"""What is too tall for a slide, in pieces that fit.

A film-strip becomes its pictures, a long table several tables under the same header,
and a long print-out several. The rest stays whole, and its slide scrolls.
"""

import base64
import html
import io
import math
from dataclasses import replace

from bs4 import BeautifulSoup
from PIL import Image

from l2o_kit.classroom.cells import STRIP, Block
from l2o_kit.plots import img

WIDE = 1200  # pixels of width that a slide has, at 1280 x 720
ROOM = 580  # and of height, below its heading
LINE = 34  # pixels of a line of text
LETTERS = {"output": 80, "code": 80}  # in a line


def height(block: Block) -> int | float:
    """About how many pixels a block takes on a slide."""
    width, tall = block.size
    if block.kind == "strip":
        return ROOM
    if width:
        return min(0.72 * 720, WIDE * tall / width) + 0.5 * LINE
    if block.kind == "fold":
        return 2.4 * LINE
    return LINE * (sum(_rows(block)) + 0.6)


def pieces(block: Block) -> list[Block]:
    """The block, or what it is cut into."""
    if block.kind == "strip":
        return pictures(block)
    if block.kind in ("table", "output") and height(block) > ROOM:
        return _cut(block)
    return [block]


def pictures(strip: Block) -> list[Block]:
    """The still pictures of a film-strip, each by itself, with its words."""
    image = _soup(strip).find("img")
    title, _, states = image["alt"].partition(STRIP)
    states = states.splitlines()
    sheet = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
    tall, found = math.ceil(sheet.height / len(states)), []
    for k, state in enumerate(states):
        buffer, end = io.BytesIO(), min((k + 1) * tall, sheet.height)
        part = sheet.crop((0, k * tall, sheet.width, end))
        part.save(buffer, format="png", optimize=True)
        picture = img(buffer.getvalue(), f"{title}: still picture for {state}")
        words = f"<figcaption><b>{html.escape(title)}</b></figcaption>"
        figure = f'<figure class="strip">{picture}{words}</figure>'
        found.append(replace(strip, html=figure, size=part.size))
    return found


def _cut(block: Block) -> list[Block]:
    """As many rows or lines in a piece as there is room for."""
    rows, piece, pieces = _rows(block), [], []
    fixed = rows[0] if block.kind == "table" else 0  # the header, in each piece
    room = ROOM / LINE - 2
    for k in range(1 if fixed else 0, len(rows)):
        if piece and fixed + sum(rows[j] for j in piece) + rows[k] > room:
            pieces.append(piece)
            piece = []
        piece.append(k)
    return [_only(block, piece) for piece in [*pieces, piece]]


def _only(block: Block, kept: list[int]) -> Block:
    """The block with these rows or lines only, and a table's header."""
    soup = _soup(block)
    if block.kind == "table":
        for k, row in enumerate(soup.find_all("tr")):
            if k and k not in kept:
                row.decompose()
    else:
        lines = soup.get_text().splitlines()
        soup.find("pre").string = "\n".join(lines[k] for k in kept)
    return replace(block, html=str(soup))


def _rows(block: Block) -> list[int | float]:
    """How many lines of text each row or line takes, wrapped."""
    soup = _soup(block)
    if block.kind == "table":
        above = [len(soup.caption.get_text()) / 90] if soup.caption else [0]
        rows = [1.3 * _wrapped(row.get_text(), 90) for row in soup.find_all("tr")]
        return [above[0] + rows[0], *rows[1:]]
    if block.kind in LETTERS:
        lines = soup.get_text().strip("\n").splitlines()
        return [_wrapped(line, LETTERS[block.kind]) for line in lines]
    if block.kind == "math":
        return [2.0 + _wrapped(block.text, 90)]
    folded = [fold.extract() for fold in soup.find_all("details")]
    parts = soup.find_all("li") or [soup]
    return [2.0 * len(folded), *(_wrapped(p.get_text(), 90) + 0.2 for p in parts)]


def _wrapped(text: str, letters: int) -> int:
    return max(1, math.ceil(len(text) / letters))


def _soup(block: Block) -> BeautifulSoup:
    return BeautifulSoup(block.html, "html.parser")
