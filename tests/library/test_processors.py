"""Rounding on other processors: the jitter that stands for it, and who inherits it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from l2o_kit.data import stream
from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Jittered, Quadratic, jitter

STARTUP = Path(__file__).parents[1] / "startup"
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=32)
GRADIENT = """
import torch
import l2o_kit as l2o
from l2o_kit.data import stream
problem = l2o.Quadratic().sample(4, stream(0, "problems"))
formula = problem.value_and_grad(problem.theta0)[1].flatten()
w = torch.randn(40, generator=stream(0, "w"), requires_grad=True)
(0.5 * w.square()).sum().backward()
autograd, = torch.autograd.grad((0.5 * w.square()).sum(), w)
for grad in (formula, w.grad, autograd):
    print(*(grad.view(torch.int32).tolist()))
rule = l2o.LSTMOptimizer()
print(rule(formula, rule.initial_state(40))[0].isfinite().all())
"""


def environment(jittered: bool) -> dict[str, str]:
    """Of a process whose gradients are jittered, or surely not."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("L2O_JITTER", "PYTHONPATH")
    }
    return kept | ({"L2O_JITTER": "1", "PYTHONPATH": str(STARTUP)} if jittered else {})


def in_a_process(jittered: bool) -> str:
    done = subprocess.run(
        [sys.executable, "-c", GRADIENT],
        env=environment(jittered),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def in_a_kernel(jittered: bool, monkeypatch) -> str:
    for name in ("L2O_JITTER", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(jittered).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(GRADIENT)])
    NotebookClient(notebook, timeout=120).execute()
    return "".join(output["text"] for output in notebook.cells[0].outputs)


def test_kernels_and_processes_are_jittered_by_one_unit_in_the_last_place(monkeypatch):
    plain, moved = in_a_process(False), in_a_process(True)
    assert in_a_kernel(True, monkeypatch) == moved
    assert in_a_kernel(False, monkeypatch) == plain
    assert plain.split("\n")[3] == moved.split("\n")[3] == "tensor(True)"
    rows = zip(plain.splitlines()[:3], moved.splitlines()[:3], strict=True)
    for old, new in rows:  # by a formula, by backward(), by autograd.grad
        apart = [int(b) - int(a) for a, b in zip(old.split(), new.split(), strict=True)]
        assert len(apart) == 40 and set(apart) == {-1, 1}
    assert moved.splitlines()[1] == moved.splitlines()[2]  # equal ones stay equal


@given(st.lists(FLOATS, min_size=1), st.sampled_from([torch.float32, torch.float64]))
def test_jitter_moves_every_number_to_its_neighbour(numbers, dtype):
    old = torch.tensor(numbers, dtype=dtype)
    new = jitter(old)
    fixed = (old == 0) | ~old.isfinite()
    assert torch.equal(new[fixed].nan_to_num(7.0), old[fixed].nan_to_num(7.0))
    up = torch.nextafter(old, torch.full_like(old, torch.inf))
    down = torch.nextafter(old, torch.full_like(old, -torch.inf))
    most = torch.finfo(dtype).max
    neighbours = (new == up) | (new == down) | (old.abs() == most)
    assert neighbours[~fixed].all()


def test_equal_numbers_are_jittered_equally_wherever_they_stand():
    numbers = torch.randn(1000, generator=stream(0, "numbers"))
    order = torch.randperm(1000, generator=stream(0, "order"))
    assert torch.equal(jitter(numbers)[order], jitter(numbers[order]))
    assert torch.equal(jitter(numbers.view(10, 100).mT).mT.reshape(-1), jitter(numbers))
    assert (jitter(numbers, 1) != jitter(numbers, 2)).double().mean() > 0.4
    assert 0.4 < (jitter(numbers) > numbers).double().mean() < 0.6


def test_the_derivative_of_jitter_is_one():
    w = torch.tensor([3.0, -2.0], requires_grad=True)
    torch.autograd.backward(jitter(w), torch.tensor([5.0, 7.0]))
    assert w.grad.tolist() == pytest.approx([5.0, 7.0])


def test_a_jittered_optimizee_is_the_same_but_for_its_last_bits():
    def sgd(grad):
        return -0.001 * grad

    plain = optimize(sgd, Quadratic(), batch=8).losses
    first, again, other = (
        optimize(sgd, Jittered(Quadratic(), seed), batch=8).losses for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and torch.equal(first[0], plain[0])
    assert not torch.equal(first, other) and not torch.equal(first, plain)
    torch.testing.assert_close(first, plain, rtol=1e-4, atol=0)
