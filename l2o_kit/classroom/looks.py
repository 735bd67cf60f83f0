"""How handouts look: the frame of a page, and its style.

Everything is in the file: a policy in each page forbids the browser to load anything.
Dark text on white, letters that grow with the reader's settings, code in the colours of
pygments' "xcode", all of which have a contrast of at least 4.5 to 1 on white.
"""

import html

from pygments.formatters import HtmlFormatter

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

CODE = HtmlFormatter(style="xcode").get_style_defs(".highlight")

STYLE = """
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


def page(title: str, head: str, main: str) -> str:
    """A whole page to read: head is what stands above the lesson, as HTML."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{CODE}{STYLE}</style>
</head>
<body>
<header>{head}</header>
<main>{main}</main>
</body>
</html>
"""
