"""Zoom of 200 %: half as many CSS pixels each way, two dots for each.

What is looked for: a picture, a control, a word of a label or a button, or a sentence
that is cut off or lies outside of the notebook; a picture smaller than it was; letters
smaller than 12 CSS pixels.
"""

from contextlib import contextmanager

WIDTH, HEIGHT = 640, 500  # of 1280 x 1000
SMALLEST = 12  # CSS pixels of a letter

LOST = """box => { const lost = [];
  const page = box.closest('.jp-WindowedPanel-outer').getBoundingClientRect();
  const named = e => (e.innerText || e.alt || e.className || e.tagName).slice(0, 50);
  const width = e => { const words = document.createRange();
    words.selectNodeContents(e);
    return Math.max(words.getBoundingClientRect().width, e.scrollWidth - sides(e)); };
  const sides = e => parseFloat(getComputedStyle(e).paddingLeft) +
      parseFloat(getComputedStyle(e).paddingRight);
  const room = e => e.clientWidth - sides(e);
  const parts = 'img, [aria-live], .widget-label, .widget-label-basic, button, ' +
      '.noUi-target, .widget-readout, input, select, b, .widget-radio-box label';
  for (const e of box.querySelectorAll(parts)) {
    const at = e.getBoundingClientRect();
    if (!at.width || !at.height) continue;
    if (at.left < page.left - 1 || at.right > page.right + 1)
      lost.push(`outside: ${named(e)}`);
    for (let up = e.parentElement; up !== box.parentElement; up = up.parentElement) {
      const frame = up.getBoundingClientRect();
      const hides = getComputedStyle(up);
      if (hides.overflowX !== 'visible' &&
          (at.left < frame.left - 1 || at.right > frame.right + 1))
        { lost.push(`cut off or to be scrolled sideways: ${named(e)}`); break; }
      if (hides.overflowY !== 'visible' &&
          (at.top < frame.top - 1 || at.bottom > frame.bottom + 1))
        { lost.push(`cut off below or above: ${named(e)}`); break; }
    }
    const words = e.clientWidth && !e.matches('img, input, select, .noUi-target');
    if (words && getComputedStyle(e).overflowX !== 'visible' && width(e) > room(e) + 1)
      lost.push(`words cut off: ${named(e)}`);
    if (words && parseFloat(getComputedStyle(e).fontSize) < SMALLEST)
      lost.push(`small letters: ${named(e)}`);
  }
  return lost; }""".replace("SMALLEST", str(SMALLEST))
WIDTHS = """box => [...box.querySelectorAll('img')].map(
    image => image.getBoundingClientRect().width)"""


@contextmanager
def zoomed(page):
    """The page at 200 %, the side bar folded away as a reader would."""
    bar = page.locator(".jp-SideBar.jp-mod-left .lm-mod-current")
    if bar.count():
        bar.first.click()
    size = page.viewport_size
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    try:
        yield
    finally:
        page.set_viewport_size(size)


def lost(box) -> list[str]:
    """What a reader cannot see or read, in words."""
    box.scroll_into_view_if_needed()
    return box.evaluate(LOST)


def widths(box) -> list[float]:
    """CSS pixels from left to right, of each picture."""
    return box.evaluate(WIDTHS)
