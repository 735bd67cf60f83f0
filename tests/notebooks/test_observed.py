"""What lessons say they observe is observed again, when their cells run again.

nbval runs every cell and compares few. Here the cells behind a sentence run by
themselves, and the sentence is held against what they give.
"""

import ast
import contextlib
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from l2o_kit import photodigits
from l2o_kit.checkpoint import load
from l2o_kit.lessons.l09_art import photographs, styles

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def code(lesson: str) -> list:
    """The code cells of a lesson, by the number it begins with."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def run(lesson: str, *marks: str, **given):
    """Run the imports, then the cell of each mark: (names, what was printed).

    given: names that other cells would have made. Among the names _ is the last value.
    """
    names, printed = dict(given), io.StringIO()
    cells = [code(lesson)[0], *(cell_with(lesson, mark) for mark in marks)]
    with contextlib.redirect_stdout(printed):
        for cell in cells:
            *first, last = ast.parse(cell.source).body
            if isinstance(last, ast.Expr):
                last = ast.Assign([ast.Name("_", ast.Store())], last.value)
            tree = ast.fix_missing_locations(ast.Module([*first, last], []))
            exec(compile(tree, lesson, "exec"), names)
    return names, printed.getvalue()


def cell_with(lesson: str, mark: str):
    """The one cell that says so."""
    (cell,) = [cell for cell in code(lesson) if mark in cell.source]
    return cell


def means(comparison) -> dict[str, float]:
    """rule -> mean loss."""
    return {row["rule"]: row["mean"] for row in comparison.rows()}


def shown_means(cell) -> dict[str, float]:
    """The same, as the notebook shows it."""
    text = cell.outputs[-1].data["text/plain"]
    rows = re.findall(r"^(\S[^\n]*?) {2,}([\d.e+-]+) +[\d.e+-]+$", text, re.M)
    return {name: float(mean) for name, mean in rows}


def same_rules(comparison, cell, *names):
    """The rules have the mean losses that the notebook shows, to 5 %."""
    new, old = means(comparison), shown_means(cell)
    for name in names:
        assert new[name] == pytest.approx(old[name], rel=0.05), name


RIVALS = ("SGD", "Momentum", "NAG", "RMSprop", "Adagrad", "Adam", "Adam + cosine")


def test_the_order_turns_over_askew():
    best = []
    for mark in ("aligned = lesson.valleys", "askew = lesson.valleys"):
        names, _ = run("01", mark)
        same_rules(names["_"], cell_with("01", mark), *RIVALS)
        found = means(names["_"])
        best.append(min(found, key=found.get))
    assert best[0] in ("RMSprop", "Adagrad") and best[1] == "NAG"


def test_the_learned_one_of_lesson_03_is_beside_the_quadratics_rivals():
    mark = '**l2o.rivals("'
    names, _ = run("03", mark, learned=load("quadratic"))
    same_rules(names["_"], cell_with("03", mark), *RIVALS)


def test_two_of_six_say_look():
    names, _ = run("05", "sick = l2o.LSTMOptimizer")
    said = re.findall(r"^(ok|LOOK) +([\w -]+?):", str(names["_"]), re.M)
    assert [name for word, name in said if word == "LOOK"] == ["inputs", "against SGD"]
    assert len(said) == 6


def test_the_source_without_noise_has_the_largest_weight():
    mark = "mine = [PixelNoise(0.0)"
    names, printed = run("06", mark)
    shown = cell_with("06", mark).outputs[-1].text
    new, old = (
        [float(w) for w in re.findall(r"0\.\d+", text.partition("lambda")[2])]
        for text in (printed, shown)
    )
    assert new[0] == max(new)
    np.testing.assert_allclose(new, old, atol=0.05)
    # A sum over 20 steps; judged by the noisiest source each has a loss above 1.
    assert names["log"].meta_losses[-1] < 20 * 0.5


def test_the_flower_is_the_content_and_the_dots_are_the_style():
    names, _ = run("09", 'styles.style("dots")')
    flower = photographs.square(photodigits.shipped()["flower"], 96)
    shown = {ax.get_title(): ax.images[0].get_array() for ax in names["_"].figure.axes}
    assert list(shown) == ["content", "style", "painted"]
    for name, picture in (("content", flower), ("style", styles.style("dots"))):
        np.testing.assert_allclose(shown[name], picture.permute(1, 2, 0), atol=1e-6)


def test_a_students_own_optimizer_meets_tuned_rivals_and_leaves_no_file(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L2O_LIVE_SECONDS", "1")
    mark = "rivals = l2o.tuned_baselines(problem"
    names, _ = run(
        "10",
        "def my_training",
        "lesson.check.training_loop",
        "def tumour_model",
        "path = l2o.save",
        mark,
    )
    same_rules(
        names["_"], cell_with("10", mark), "digits_robust", "Adam", "Adam + cosine"
    )
    assert not list(tmp_path.iterdir())
