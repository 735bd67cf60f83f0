"""Slides of a lesson: a section of the page for each, cut so that it fits the screen.

A slide begins at each heading, at each still picture of a panel, and where the one
before is full. Left out: the set-up, the self-check, and the code of panels, which show
nothing to a class.
"""

import html

from l2o_kit.classroom.cells import Block
from l2o_kit.classroom.pieces import LINE, ROOM, height, pieces

QUIET = ("Setup", "Self-check")  # sections that are left out
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
TITLES = HEADINGS[:2]  # a slide begins at each


def slides(lesson: list[Block]) -> list[tuple[str, list[Block]]]:
    """(the heading it stands under, its blocks) for each slide."""
    done, where, room = [], "", 0.0
    for block in _shown(lesson):
        if _begins(block, done[-1][1] if done else [], room):
            done.append((where, []))
            room = ROOM
        if block.kind in TITLES:
            where = block.text
            done[-1] = (where, [])
        else:
            room -= height(block)
        done[-1][1].append(block)
    return done


def section(number: int, of: int, where: str, parts: list[Block]) -> str:
    """A slide as HTML. number counts from 1; where is the heading it stands under."""
    label = html.escape(f"Slide {number} of {of}: {where}", quote=True)
    inside = "".join(part.html for part in parts)
    if parts[0].kind not in TITLES:
        inside = f'<p class="where">{html.escape(where)}</p>{inside}'
    return (
        f'<section id="slide-{number}" aria-label="{label}" tabindex="-1">{inside}<p '
        f'class="count">{number} / {of}</p></section>\n'
    )


def _begins(block: Block, before: list[Block], room: int | float) -> bool:
    """Whether a block begins a slide; before is the slide so far."""
    if not before or block.kind in TITLES:
        return True
    if all(part.kind in HEADINGS for part in before):
        return False  # a heading stays with what it announces
    if block.kind == "fold" and before[-1].kind in ("text", "code"):
        return False  # and an answer with its question
    need = height(block) + (3 * LINE if block.kind in HEADINGS else 0)
    return block.kind == "strip" or need > room


def _shown(lesson: list[Block]):
    """The blocks that slides show, in pieces that fit."""
    quiet = False
    for block, following in zip(lesson, [*lesson[1:], None], strict=True):
        if block.kind in TITLES:
            quiet = block.text in QUIET
        panel = following is not None and following.kind == "strip"
        if not quiet and not (panel and block.kind == "code"):
            yield from pieces(block)
