"""A notebook's cells as HTML that needs nothing from outside.

nbconvert reads the Markdown and colours the code; formulas become MathML, which
browsers draw and screen readers read without any script; pictures are embedded.

    blocks(notebook, folder, stubs) -> [Block, ...]    what pages are made of

Left out: widgets (each panel's film-strip stands in its place) and progress bars.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Comment, Tag
from latex2mathml.converter import convert
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

STRIP = ": still pictures for "  # what the alt text of a film-strip holds
PROGRESS = re.compile(r"\d+%\|")  # a progress bar, as text
NAMED = r"(<mi>(?:log|exp|tanh|min|max)</mi>)"
GAPS = re.compile(f"{NAMED}(?=<m(?!o))|(?<=</m[in]>)(?={NAMED})")  # around functions
RUN = "Run the notebooks first: make notebooks"
_colour = Highlight2HTML(pygments_lexer="python3")


class HandoutError(Exception):
    """No handout can be made; the message says why, and what to do."""


@dataclass
class Block:
    """A heading, a paragraph, a picture, a cell's code or its output.

    kind is "h1" to "h6", "text", "fold" (folded answers), "code", "picture", "table" or
    "math".
    """

    kind: str
    html: str

    @property
    def text(self) -> str:
        """The words of the block."""
        return BeautifulSoup(self.html, "html.parser").get_text(" ", strip=True)


class _Renderer(IPythonRenderer):
    """Markdown to HTML, formulas to MathML."""

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{mathml(body, "block")}</span>'

    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def mathml(latex: str, display: str) -> str:
    """A formula as MathML; display is "inline" or "block".

    Raises HandoutError where it holds a command that is not known.

    >>> "<mi>x</mi><mi>y</mi>" in mathml("x y", "inline")
    True
    """
    try:
        done = convert(latex, display=display)
    except Exception as error:  # the converter has a dozen kinds of its own
        raise HandoutError(f"The formula ${latex}$ cannot be read: {error}") from error
    unknown = re.search(r"\\[A-Za-z]+", done)
    if unknown:
        raise HandoutError(
            f"The formula ${latex}$ cannot be drawn: {unknown[0]} is not known. Write "
            "it in another way."
        )
    return GAPS.sub(r'\1<mspace width="0.17em"/>', done)


def blocks(notebook, folder: str | Path, stubs: dict[str, str]) -> list[Block]:
    """All that a notebook says, from top to bottom.

    folder is where pictures that the text names lie; stubs are the exercises by the id
    of their cell: a solution is folded away below its stub.
    Raises HandoutError where a cell was not run, ended in an error, or shows a picture
    without a text alternative.
    """
    found = []
    for cell in notebook.cells:
        try:
            if cell.cell_type == "markdown":
                found += _text(cell, Path(folder))
            elif cell.cell_type == "code" and cell.source.strip():
                found += _code(cell, stubs.get(cell.id))
        except HandoutError as error:
            raise HandoutError(f"cell {cell.id}: {error}") from error
    return found


def _text(cell, folder: Path) -> list[Block]:
    renderer = _Renderer(
        escape=False,
        embed_images=True,
        path=str(folder),
        exclude_anchor_links=True,
        attachments=cell.get("attachments"),
    )
    return _split(MarkdownWithMath(renderer).render(cell.source))


def _code(cell, stub: str | None) -> list[Block]:
    if cell.execution_count is None:
        raise HandoutError(f"it was not run. {RUN}")
    source = stub or cell.source
    shown = f'<div class="in" role="group" aria-label="Code">{_colour(source)}</div>'
    found = [Block("code", shown)]
    if "solution" in cell.metadata.get("tags", []):
        solution = (
            '<details class="solution"><summary>A solution (try it yourself first)'
            f"</summary>{_colour(cell.source)}</details>"
        )
        found = [*found, Block("fold", solution)] if stub else [Block("fold", solution)]
    return found + [block for html in _outputs(cell) for block in _split(html)]


def _outputs(cell) -> list[str]:
    """Each output as HTML; what was printed in pieces is one."""
    pieces = []
    for output in cell.outputs:
        if output.output_type == "error":
            raise HandoutError(f"it ended in {output.ename}. Mend it. {RUN}")
        if output.output_type == "stream":
            if pieces and pieces[-1][0] == "printed":
                pieces[-1] = ("printed", pieces[-1][1] + output.text)
            else:
                pieces.append(("printed", output.text))
        else:
            pieces.append(_shown(output.data))
    return [
        text if kind == "html" else f'<pre class="out">{ansi2html(text.rstrip())}</pre>'
        for kind, text in pieces
        if kind == "html" or (text.strip() and not PROGRESS.search(text))
    ]


def _shown(data) -> tuple[str, str]:
    if "text/html" in data:
        return "html", data["text/html"]
    if any(kind.startswith("image/") for kind in data):
        raise HandoutError(
            "its picture has no text alternative. Show it in this way: "
            "l2o_kit.plots.Picture(figure, 'what is to be seen')"
        )
    return "text", data.get("text/plain", "")


def _split(source: str) -> list[Block]:
    """The outermost elements of a piece of HTML, each a Block."""
    soup = BeautifulSoup(source, "html.parser")
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for image in soup.find_all("img"):
        _check(image)
    for cell in soup.select("thead th"):
        cell["scope"] = "col"
    found = []
    for element in list(soup.children):
        if isinstance(element, Tag):
            found.append(_block(element))
        elif element.strip():
            found.append(Block("text", f"<p>{html.escape(element.strip())}</p>"))
    return found


def _check(image: Tag):
    """A picture has words, and comes with the page."""
    if not image.get("alt", "").strip():
        raise HandoutError("a picture has no text alternative: ![what it shows](file)")
    if not image.get("src", "").startswith("data:"):
        raise HandoutError(
            f"the picture {image.get('src')} is not there to be embedded. Put it into "
            "the folder of the notebook."
        )


def _block(element: Tag) -> Block:
    name = element.name
    picture = element if name == "img" else element.find("img")
    if name == "details":
        return Block("fold", str(element))
    if name == "table":
        return Block("table", f'<div class="table">{element}</div>')
    if picture is not None:
        return _picture(element, picture)
    if name == "pre" or element.find("pre"):
        return Block("code", str(element))
    if element.find(class_="formula"):
        return Block("math", str(element))
    return Block(name if re.fullmatch("h[1-6]", name) else "text", str(element))


def _picture(element: Tag, picture: Tag) -> Block:
    if STRIP not in picture["alt"]:
        return Block("picture", f"<figure>{element}</figure>")
    title = html.escape(picture["alt"].partition(STRIP)[0])
    caption = f"<b>{title}</b> Still pictures of a panel, which moves in the notebook."
    figure = f'<figure class="strip">{element}<figcaption>{caption}</figcaption>'
    return Block("picture", figure + "</figure>")


def read(path: str | Path):
    """A notebook. Raises HandoutError where the file is none."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # not JSON, not a notebook, no permission, ...
        raise HandoutError(f"{path} cannot be read as a notebook: {error}") from error
