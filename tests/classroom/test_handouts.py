"""Handouts: whole, offline, with words for every picture; and what is refused."""

import base64
import html
import io
import itertools
import re
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from l2o_kit.classroom import handouts
from l2o_kit.classroom.cells import HandoutError, mathml
from tests.rooms import ROOMS

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in LESSONS]
FILES = ["index.html", *(f"{name}.html" for name in NAMES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The handouts of all lessons."""
    out = tmp_path_factory.mktemp("handouts")
    handouts.write(ROOT / "notebooks", out)
    return out


@pytest.fixture(scope="module")
def soups(folder):
    return {
        name: BeautifulSoup((folder / name).read_text(), "html.parser")
        for name in FILES
    }


def png() -> str:
    """A picture as a data address."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(4, 3)).save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def shows(source="1", html=None, text=None, count=1, **more):
    """A code cell that was run."""
    outputs = [new_output("stream", text=text)] if text else []
    if html:
        outputs.append(new_output("display_data", {"text/html": html}))
    return new_code_cell(source, execution_count=count, outputs=outputs, **more)


def made(folder: Path, *cells, name="00_made"):
    """Write a notebook of a heading and these cells; the folder of its handouts."""
    begin = new_markdown_cell("# Made\n\nA promise.\n\n## One")
    cells = [new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    nbformat.write(new_notebook(cells=[begin, *cells]), folder / f"{name}.ipynb")
    return folder / "out"


def page_of(folder: Path, *cells) -> BeautifulSoup:
    """The page of a made notebook."""
    out = made(folder, *cells)
    handouts.write(folder, out)
    return BeautifulSoup((out / "00_made.html").read_text(), "html.parser")


# Every file


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_loaded_from_outside(folder, soups, name):
    text, soup = (folder / name).read_text(), soups[name]
    for tag in soup.find_all(["img", "script", "iframe", "source", "video", "object"]):
        assert tag.get("src", "data:").startswith("data:"), tag.get("src")[:80]
        assert not tag.get("srcset") and not tag.get("data")
    assert not soup.find_all("link")
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|\bimport\(", text)
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"/(home|root|Users|tmp|work)/\w", text)


@pytest.mark.parametrize("name", FILES)
def test_a_page_says_what_it_is(soups, name):
    soup = soups[name]
    assert soup.html["lang"] == "en" and soup.find("meta", charset="utf-8")
    assert soup.find("meta", attrs={"name": "viewport"})
    assert len(soup.find_all("main")) == 1
    assert soup.h1.get_text()[:20] in soup.title.get_text()


@pytest.mark.parametrize("name", FILES)
def test_headings_are_in_order(soups, name):
    headings = soups[name].find_all(re.compile("^h[1-6]$"))
    levels = [int(heading.name[1]) for heading in headings]
    assert not any("¶" in heading.get_text() for heading in headings)
    assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 3
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", FILES)
def test_pictures_have_words_and_tables_have_headers(soups, name):
    for image in soups[name].find_all("img"):
        assert len(image["alt"]) >= 20, image["alt"]
    for table in soups[name].find_all("table"):
        assert table.find("th", scope="col")


@pytest.mark.parametrize("name", FILES)
def test_links_lead_to_what_is_there(folder, soups, name):
    for link in soups[name].find_all("a"):
        target, _, part = link["href"].partition("#")
        if re.match("https?:", target):
            continue
        assert not target or (folder / target).is_file(), target
        assert not part or target or soups[name].find(id=part), part
        assert link.get_text(strip=True)


@pytest.mark.parametrize("k", range(len(NAMES)), ids=NAMES)
def test_neighbours_are_linked(soups, k):
    found = {a["href"] for a in soups[f"{NAMES[k]}.html"].main.find_all("a")}
    for neighbour in NAMES[max(0, k - 1) : k] + NAMES[k + 1 : k + 2]:
        assert f"{neighbour}.html" in found
    listed = {a["href"] for a in soups["index.html"].find_all("a")}
    assert f"{NAMES[k]}.html" in listed


# Nothing of a lesson is lost


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_every_formula_is_drawn(soups, path):
    source = "\n".join(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    )
    source = re.sub(r"`[^`\n]*`", "", source)
    formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", source, re.S)
    main = soups[path.stem + ".html"].main
    assert len(main.find_all("math")) == len(formulas)
    for math in main.find_all("math"):
        assert math.get_text(strip=True) and "\\" not in math.get_text()
    words = [
        t for t in main.find_all(string=True) if not t.find_parent(["pre", "code"])
    ]
    assert not [text for text in words if "$" in text]


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_every_panel_has_its_film_strip(soups, path):
    cells = nbformat.read(path, as_version=4).cells
    titles = [
        title
        for cell in cells
        for output in cell.get("outputs", [])
        for title in re.findall(
            'alt="([^"]*): still pictures for ',
            output.get("data", {}).get("text/html", ""),
        )
    ]
    made = sum(
        len(re.findall(r"^\w+ = lesson\.[A-Z]\w*\(", cell.source, re.M))
        for cell in cells
        if cell.cell_type == "code"
    )
    assert len(titles) == made > 0
    strips = soups[f"{path.stem}.html"].select("figure.strip img")
    assert [strip["alt"].partition(": still")[0] for strip in strips] == [
        html.unescape(title) for title in titles
    ]


@pytest.mark.parametrize("path", LESSONS, ids=NAMES)
def test_every_question_stands_above_its_film_strip(soups, path):
    """On paper nobody can answer first: the truth is folded."""
    cells = nbformat.read(path, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    asked = re.findall(r"lesson\.(\w*question)\b", source)
    main = soups[path.stem + ".html"].main
    told = [p for p in main.find_all("p") if "Predict first." in p.get_text()]
    assert len(told) == len(asked) > 0
    for name, p in zip(asked, told, strict=True):
        guess = getattr(ROOMS[path.stem[:2]], name)()
        words = BeautifulSoup(guess.question, "html.parser").get_text()
        assert p.get_text() == f"Predict first. {words}"
        fold = p.find_next("details")
        assert guess.because[:20] in fold.decode_contents() or fold.find("table")
        assert p.find_next("img") is fold.find_next("img")


@pytest.mark.parametrize("name", NAMES)
def test_no_error_no_widget_and_no_progress_bar(soups, name):
    text = soups[name + ".html"].get_text()
    assert "Traceback (most recent" not in text and "VBox(" not in text
    assert not re.search(r"\d+%\|", text)


def test_solutions_are_folded_below_their_stubs(soups):
    main = soups["03_coordinatewise_lstm.html"].main
    folds = main.select("details.solution")
    tags = [
        cell.metadata.get("tags", [])
        for cell in nbformat.read(LESSONS[3], as_version=4).cells
    ]
    assert len(folds) == sum("solution" in found for found in tags) > 0
    for fold in folds:
        assert not fold.has_attr("open") and "NotImplementedError" not in fold.text
        assert "NotImplementedError" in fold.find_previous("pre").text


def contrast(colour: str) -> float:
    """Of a colour on white, by the formula of WCAG 2.1."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 1.05 / (np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05)


def test_letters_stand_out_from_white(folder):
    style = (folder / FILES[1]).read_text().partition("</style>")[0]
    colours = set(re.findall(r"[ {;]color: ?(#[0-9A-Fa-f]{6})", style))
    assert contrast("#000000") == 21 and len(colours) > 8
    assert all(contrast(colour) >= 4.5 for colour in colours), colours
    assert set(re.findall(r"background: ?(#\w+)", style)) <= {"#ffffff"}


# A small notebook


def test_a_made_notebook(tmp_path):
    soup = page_of(
        tmp_path,
        "Let $x < 1$ and see [one](00_made.ipynb#part) and [a file](../README.md).",
        shows("print(1)", text="<b>no tag</b>\n"),
        shows("bar()", text="meta-training  12%|#  | 1/8"),
    )
    assert soup.math.get_text() == "x<1"
    assert soup.find("a", string="one")["href"] == "00_made.html#part"
    assert not soup.find("a", string="a file") and "a file" in soup.get_text()
    assert [o.get_text() for o in soup.select("pre.out")] == ["<b>no tag</b>"]
    assert not soup.find("b")


def test_pictures_of_the_text_are_embedded(tmp_path):
    data = png()
    (tmp_path / "dot.png").write_bytes(base64.b64decode(data.partition(",")[2]))
    soup = page_of(tmp_path, "![a grey dot](dot.png)")
    assert soup.img["src"] == data and soup.img["alt"] == "a grey dot"


def test_without_exercises_a_solution_is_folded_all_the_same(tmp_path):
    cell = shows("secret = 7", metadata={"tags": ["solution"]})
    soup = page_of(tmp_path, "**Exercise.**", cell)
    assert "secret" in soup.find("details").get_text()
    assert soup.get_text().count("secret") == 1


# What is refused, and how

BAD = {
    "not run": (new_code_cell("1"), "was not run. Run the notebooks first: make note"),
    "error": (
        new_code_cell(
            "1 / 0",
            execution_count=1,
            outputs=[new_output("error", ename="ZeroDivisionError", evalue="")],
        ),
        "it ended in ZeroDivisionError",
    ),
    "wordless": ("![](dot.png)", "no text alternative"),
    "wordless output": (shows(html=f'<img src="{png()}">'), "no text alternative"),
    "bare picture": (
        new_code_cell(
            "plot",
            execution_count=1,
            outputs=[new_output("display_data", {"image/png": "aGVsbG8="})],
        ),
        "l2o_kit.plots.Picture(figure",
    ),
    "elsewhere": ("![far away](https://example.org/a.png)", "is not there to be embed"),
    "lost": ("![lost](lost.png)", "lost.png is not there to be embedded"),
    "formula": (r"$\nonsense{x}$", r"\nonsense is not known"),
    "half": (r"$\text{a} \bold$", "cannot be read"),
}


@pytest.mark.parametrize("cell, message", BAD.values(), ids=BAD)
def test_a_cell_that_cannot_be_shown_is_named(tmp_path, cell, message):
    out = made(tmp_path, "fine", cell)
    with pytest.raises(HandoutError, match=re.escape(message)) as caught:
        handouts.write(tmp_path, out)
    assert re.match(r"00_made\.ipynb, cell [\w-]+: ", str(caught.value))
    assert not out.exists()


def test_folders_that_are_missing_empty_or_in_the_way(tmp_path, capsys):
    out = made(tmp_path, "fine")
    empty, file = tmp_path / "empty", tmp_path / "a_file"
    empty.mkdir()
    file.write_text("mine")
    for notebooks, target, message in (
        (tmp_path / "none", out, "There is no folder"),
        (empty, out, "There is no notebook in"),
        (tmp_path, file, "cannot be written to"),
        (tmp_path, file / "below", "cannot be written to"),
    ):
        assert handouts.main([str(notebooks), str(target)]) == 1
        said = capsys.readouterr()
        assert message in said.err and not said.out and "Traceback" not in said.err
    assert file.read_text() == "mine" and not out.exists()
    assert handouts.main([str(tmp_path), str(out)]) == 0
    assert f"Open {out}/index.html" in capsys.readouterr().out


def test_a_file_that_is_no_notebook(tmp_path):
    (tmp_path / "00.ipynb").write_text("{")
    with pytest.raises(HandoutError, match=r"00\.ipynb cannot be read as a notebook"):
        handouts.write(tmp_path, tmp_path / "out")


def test_functions_keep_a_gap():
    gap = '<mspace width="0.17em"/>'
    assert f"<mi>log</mi>{gap}<mn>0</mn>" in mathml(r"\log 0", "inline")
    assert f"<mn>0.1</mn>{gap}<mi>tanh</mi><mo" in mathml(r"0.1\tanh(a)", "inline")


def test_what_is_made_is_not_committed():
    done = subprocess.run(["git", "check-ignore", "-q", "handouts/x"], cwd=ROOT)
    assert done.returncode == 0
