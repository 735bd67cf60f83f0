"""BENCHMARKS.json and .md: one table of numbers, and what is claimed of it."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from l2o_kit.lessons import bench
from l2o_kit.lessons.claims import CLAIMS
from tests.bench import engine, report, run, slider

ROOT = Path(__file__).parents[2]
FILES = "BENCHMARKS.json", "BENCHMARKS.md"


def contestant(rate, peak=0.75, coords=1280):
    return {"rate": rate * 1e6, "peak": peak, "coords": coords, "seconds": 1.0}


FAKE = {
    "128 quadratics of 10": {
        "kit": contestant(0.8),
        "autograd": contestant(0.2, peak=6.0),
        "jax": contestant(0.5),
        "floor": contestant(1.6),
    },
    "784-1258-10": {
        "kit": contestant(0.9, coords=1_000_120),
        "autograd": None,
        "jax": None,
        "floor": contestant(3.6),
    },
}
TIMES = {"The race": [80.0, 90.0, 120.0], "The laboratory": [130.0, 140.0, 1234.5]}


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Both files in a folder of their own, written from fake numbers."""
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(bench, "BENCHMARKS", tmp_path / FILES[0])
    monkeypatch.setattr(engine, "measure", lambda: FAKE)
    monkeypatch.setattr(slider.lab, "chromium", lambda: "chromium")
    monkeypatch.setattr(slider, "NOTEBOOKS", tmp_path / "notebooks")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_made.ipynb").touch()
    monkeypatch.setattr(slider, "notebook", lambda name: TIMES)
    sections = {"engine": engine.measured(), "slider": slider.measured()}
    report.write({"machine": "2 cores.", "sections": sections})
    return tmp_path


def test_the_markdown_is_made_from_the_numbers(folder):
    lines = (folder / "BENCHMARKS.md").read_text().splitlines()
    assert lines[0] == "# Benchmarks" and lines[4] == "2 cores."
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == ["## The meta-gradient of a window", "## Slider to pixels"]
    fast, slow = "4.00 | 1.60 | 0.50 |", "not run | not run | 0.25 |"
    quadratics = "| 128 quadratics of 10 | 1,280 | 0.80 | 0.20 | 0.50 | 1.60 | "
    million = "| 784-1258-10 | 1,000,120 | 0.90 | not run | not run | 3.60 | "
    assert {quadratics + fast, million + slow} <= set(lines)
    assert "| 02 | The laboratory | 3 | 140 | 1234 |" in lines
    assert "All together: median 125, 95th percentile 1234." in "\n".join(lines)


def test_claims_are_judged_by_the_same_numbers(folder):
    expected = {
        "speed-quadratics-jax": (0.625, 1.6),
        "speed-quadratics-autograd": (0.25, 4.0),
        "speed-floor-twice": (4.0, None),
        "memory-million": (0.75, None),
        "slider-all": (125.0, 1234.5),
        "slider-each": (140.0, 1234.5),
    }
    for name, (number, turned) in expected.items():
        value, low, high, _ = CLAIMS[name].measure(False, None)
        assert value == low == high == pytest.approx(number), name
        found = CLAIMS[name].measure(False, True)
        assert (found and found[0]) == (turned and pytest.approx(turned)), name
    for name in ("speed-digits-jax", "memory-large", "minute-mean", "step-large"):
        assert CLAIMS[name].measure(False, None) is None, name


def test_the_worst_seed_decides_with_its_interval(folder):
    known, rows = report.read(), []
    for ratio in ([0.5, 0.4, 0.75], [0.625, 0.25, 0.7]):
        turned = [1 / ratio[k] for k in (0, 2, 1)]
        row = {"optimizer": "LSTMOptimizer", "judged by": "mean of steps 1 to 100"}
        rows.append(row | {"ratio": ratio, "rival / learned": turned})
    known["sections"]["minute"] = report.section("Minute", [], seeds=rows)
    report.write(known)
    found = CLAIMS["minute-mean"].measure(False, None)
    assert found == (0.625, 0.4, 0.75, "best rival")
    assert CLAIMS["minute-mean"].measure(False, True)[:3] == (2.0, 1.4286, 4.0)


def test_without_benchmarks_nothing_is_tested(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "BENCHMARKS", tmp_path / "none.json")
    for claim in bench.CLAIMS.values():
        assert claim.measure(False, None) is None, claim.id


def test_one_section_is_measured_again_and_the_rest_stays(folder, monkeypatch):
    before = report.read()["sections"]
    new = report.section("Slider to pixels", ["Not measured."])
    monkeypatch.setattr(run, "section", lambda name: new)
    run.main(["slider"])
    assert report.read()["sections"] == {"engine": before["engine"], "slider": new}
    assert (folder / "BENCHMARKS.md").read_text().endswith("\n\nNot measured.\n")
    with pytest.raises(SystemExit, match="'sliders' is not known"):
        run.main(["sliders"])


def test_the_files_of_the_repository_are_one_run(monkeypatch, tmp_path):
    known = report.read()
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    report.write(known)
    for name in FILES:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text(), name
    assert list(known["sections"]) and set(known["sections"]) <= set(run.SECTIONS)


def test_every_section_has_a_function_that_measures_it():
    for module, function in run.SECTIONS.values():
        assert callable(getattr(import_module(f"tests.bench.{module}"), function))


def test_the_example_of_a_section():
    assert doctest.testmod(report).failed == 0
