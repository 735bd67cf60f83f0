"""How handouts look: the frame of a page, its style, and the keys of the slides.

Everything is in the file: a policy in each page forbids the browser to load anything.
Dark text on white, letters that grow with the reader's settings, code in the colours of
pygments' "xcode", all of which have a contrast of at least 4.5 to 1 on white.
"""

import html

from pygments.formatters import HtmlFormatter

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'"
)

CODE = HtmlFormatter(style="xcode").get_style_defs(".highlight")

BOTH = """
:root { color-scheme: light; }
body { margin: 0; color: #1a1a1a; background: #ffffff; overflow-wrap: break-word;
  font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1, h2, h3 { line-height: 1.25; }
a { color: #0b4f9e; }
:focus-visible { outline: 3px solid #0b4f9e; outline-offset: 2px; }
img { max-width: 100%; height: auto; }
figure { margin: 1em 0; }
figcaption { color: #444444; font-size: 0.9em; }
code, pre { font-family: "DejaVu Sans Mono", Consolas, Menlo, monospace; }
code { font-size: 0.9em; }
pre { margin: 0.6em 0; padding: 0.5em 0.8em; line-height: 1.4; overflow-x: auto; }
pre code { font-size: 1em; }
.highlight { background: none; }
.highlight pre { border-left: 4px solid #0b4f9e; line-height: 1.4; }
pre.out { border-left: 4px solid #767676; white-space: pre-wrap; }
.table, .formula { display: block; overflow-x: auto; }
table { border-collapse: collapse; margin: 0.8em 0; }
caption { text-align: left; padding-bottom: 0.4em; }
th, td { padding: 0.2em 0.7em; border-bottom: 1px solid #cccccc; text-align: left; }
details { margin: 0.4em 0 1em; padding: 0.3em 0.8em; border: 1px solid #bbbbbb; }
summary { cursor: pointer; }
"""

PAGE = """
body { font-size: 1.05rem; line-height: 1.55; }
header, main { max-width: 54rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1rem; }
pre { font-size: 0.88rem; }
nav ul { padding-left: 1.2em; columns: 2 16em; }
@media (max-width: 45rem) {
  th, td { padding: 0.2em; white-space: normal !important; }
  table { font-size: 0.8rem; }
  math { font-size: 0.9em; }
}
@media print {
  @page { margin: 18mm; }
  body { font-size: 10.5pt; }
  nav { display: none; }
  header, main { max-width: none; padding: 0; }
  pre { white-space: pre-wrap; font-size: 8.5pt; }
  h1, h2, h3 { break-after: avoid; }
  pre, figure, table, details { break-inside: avoid; }
  img { max-height: 22cm; width: auto; }
}
"""

SLIDES = """
body { font-size: max(24px, 1.875vw); line-height: 1.4; }
section { box-sizing: border-box; min-height: 100vh; padding: 1em 1.2em 1.8em;
  position: relative; border-bottom: 1px solid #cccccc; }
section:focus { outline: none; }
h1 { font-size: 2em; margin: 0.6em 0; }
h2 { font-size: 1.5em; margin: 0 0 0.5em; }
h3 { font-size: 1.2em; margin: 0 0 0.5em; }
p { margin: 0.4em 0; }
li { margin: 0.2em 0; }
.where { color: #444444; margin: 0 0 0.6em; }
.count { position: absolute; right: 1.2em; bottom: 0.4em; margin: 0; color: #444444; }
code { font-size: 1em; }
.highlight pre { white-space: pre-wrap; }
figure { margin: 0.4em 0; }
figure img { display: block; width: 100%; max-height: 72vh; object-fit: contain; }
table { font-size: 0.85em; }
th, td { padding: 0.2em 0.5em; }
@media (max-width: 45rem) { th, td { white-space: normal !important; } }
@media (max-width: 39rem) { body { font-size: 18px; } }
@media print {
  @page { size: 338mm 190mm; margin: 0; }
  body { font-size: 24px; }
  section { min-height: 0; border: 0; break-after: page; }
  pre { white-space: pre-wrap; }
  figure img { max-height: 140mm; }
}
"""

KEYS = """
const slides = [...document.querySelectorAll("main > section")];
const edges = n => slides[n].getBoundingClientRect();
const here = () => Math.max(0, slides.findLastIndex((_, n) =>
  edges(n).top < innerHeight / 3));
function show(n) {
  n = Math.min(Math.max(n, 0), slides.length - 1);
  slides[n].scrollIntoView();
  slides[n].focus({preventScroll: true});
  history.replaceState(null, "", "#" + slides[n].id);
}
function forward() {  // first what is left of a long slide
  const n = here();
  if (edges(n).bottom > innerHeight + 8) scrollBy(0, 0.8 * innerHeight);
  else show(n + 1);
}
function back() {
  const n = here();
  show(edges(n).top < -8 ? n : n - 1);
}
const keys = {ArrowRight: forward, PageDown: forward, ArrowLeft: back, PageUp: back,
  " ": forward, Home: () => show(0), End: () => show(slides.length - 1)};
addEventListener("keydown", event => {
  const busy = event.target.closest("summary, a, pre, .table");
  const scrolls = event.key === " " || event.key.startsWith("Arrow");
  if (event.altKey || event.ctrlKey || event.metaKey || (busy && scrolls)) return;
  const act = event.key === " " && event.shiftKey ? back : keys[event.key];
  if (act) { event.preventDefault(); act(); }
});
"""


def page(title: str, head: str, main: str) -> str:
    """A whole page to read: head is what stands above the lesson, as HTML."""
    return _frame(title, PAGE, f"<header>{head}</header>\n<main>{main}</main>")


def slides(title: str, sections: str) -> str:
    """A whole page of slides; without scripts it scrolls."""
    return _frame(title, SLIDES, f"<main>{sections}</main>\n<script>{KEYS}</script>")


def _frame(title: str, style: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{CODE}{BOTH}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
