"""The README's search over learning rates with joblib, as it stands there."""

import math
import re
from pathlib import Path

import nbformat
import pytest
import torch

from l2o_kit.window import MetaTrainingDiverged

ROOT = Path(__file__).parents[2]
CODE = next(
    block
    for block in re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    if "joblib" in block
)


def search(backend: str, processes: int) -> list[tuple]:
    """[(score, lr, optimizer or error), ...], as the README's lines find them."""
    short = CODE.replace('"meta_steps": 50', '"meta_steps": 3')
    told = short.replace('"loky", n_jobs=2', f'"{backend}", n_jobs={processes}')
    assert told.count(f'"{backend}", n_jobs={processes}') == 1 and short != CODE
    names, threads = {"__name__": "__main__"}, torch.get_num_threads()
    try:
        exec(told, names)
    finally:
        torch.set_num_threads(threads)
    return names["found"]


@pytest.fixture(scope="module")
def alone():
    return search("loky", 1)


def test_lesson_10_runs_the_same_lines():
    notebook = nbformat.read(ROOT / "notebooks" / "10_take_it_home.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "joblib.delayed" in c.source]
    assert CODE.partition("def ")[2] == cell.source.partition("def ")[2] + "\n"


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_side_by_side_find_what_one_finds(alone, backend):
    for ours, theirs in zip(search(backend, 2), alone, strict=True):
        assert ours[:2] == theirs[:2]
        if ours[0] < math.inf:
            pairs = zip(ours[2].parameters(), theirs[2].parameters(), strict=True)
            assert all(torch.equal(p, q) for p, q in pairs)


def test_the_best_is_first_and_what_diverges_ends_no_other(alone):
    scores, rates, results = zip(*alone, strict=True)
    assert list(scores) == sorted(scores) and scores[-2] < scores[-1] == math.inf
    assert sorted(rates) == [0.0001, 0.01, 0.1, 1e30] and rates[-1] == 1e30
    assert isinstance(results[-1], MetaTrainingDiverged)
    assert "Try a smaller lr" in str(results[-1])
