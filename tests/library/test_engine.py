"""The meta-gradient of a window against autograd and against finite differences."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from l2o_kit import data, engine
from l2o_kit.autograd import Exact, FirstOrder
from l2o_kit.engine import Engine
from l2o_kit.lstm import Tape
from l2o_kit.network import Network, mlp
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import COMBINE, FEATURES, LSTMOptimizer
from l2o_kit.window import Trainer
from tests.oracle import Sources

RULES = st.fixed_dictionaries(
    {
        "combine": st.sampled_from(COMBINE),
        "preprocess": st.sampled_from(list(FEATURES)),
        "num_sources": st.integers(1, 4),
        "bounded": st.booleans(),
        "num_layers": st.integers(1, 2),
        "output_scale": st.sampled_from([0.01, 0.1]),
        "seed": st.integers(0, 99),
    }
)
UNROLL = 4


def build(rule) -> LSTMOptimizer:
    """A small optimizer in float64 whose sources do not all weigh the same."""
    optimizer = LSTMOptimizer(hidden_size=3, **rule).double()
    if rule["combine"] == "softmax":
        with torch.no_grad():
            optimizer.alpha.copy_(torch.linspace(-1, 1, rule["num_sources"]))
    return optimizer


def budget(optimizer, keeps: bool, coords: int) -> int:
    """Bytes that are enough for all coordinates, or for two of them only."""
    weight = optimizer.lstm.w_out
    column = Tape.floats(optimizer.lstm, UNROLL) * weight.element_size()
    return column * (coords if keeps else 2)


def assert_close(ours, theirs, tolerance, rounding=1e-14):
    """|a - b| / |b| per tensor of phi; where b is zero, a is too, but for rounding."""
    scale = max(float(w.grad.norm()) for w in theirs.parameters())
    named = zip(ours.named_parameters(), theirs.parameters(), strict=True)
    for (name, weight), other in named:
        error = (weight.grad.double() - other.grad).norm()
        assert error <= tolerance * other.grad.norm() + rounding * scale, name


@settings(deadline=None, max_examples=150)
@given(
    rule=RULES,
    clean=st.booleans(),
    windows=st.integers(1, 4),
    keeps=st.booleans(),
    block_size=st.integers(1, 8),
    discount=st.sampled_from([1.0, 0.7, 0.0]),
    seed=st.integers(0, 99),
)
def test_equals_autograd_on_its_own_trajectory(
    rule, clean, windows, keeps, block_size, discount, seed
):
    optimizee = Sources(rule["num_sources"], clean)
    ours, theirs = build(rule), build(rule)
    same = {
        "horizon": 3 * UNROLL,
        "unroll": UNROLL,
        "batch": 2,
        "discount": discount,
        "seed": seed,
    }
    trainer = Trainer(
        ours,
        optimizee,
        **same,
        block_size=block_size,
        memory_budget=budget(ours, keeps, 8),
    )
    oracle = Trainer(theirs, optimizee, **same)
    oracle.engine = FirstOrder(theirs, UNROLL, 6)
    assert trainer.engine.keeps == keeps
    for _ in range(windows):  # the fourth window begins a second roll-out
        meta_loss, expected = trainer.meta_gradient(), oracle.meta_gradient()
    assert meta_loss == pytest.approx(expected, rel=1e-10)
    assert_close(ours, theirs, 1e-9)


@settings(deadline=None, max_examples=100)
@given(
    rule=RULES,
    clean=st.booleans(),
    keeps=st.booleans(),
    block=st.integers(1, 8),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_float32_equals_float64_on_a_stored_trajectory(
    rule, clean, keeps, block, scale, seed
):
    # gradients of thousands, unprepared, saturate the gates: 1 - sigmoid is then lost
    assume(scale <= 1 or rule["preprocess"] != "identity")
    generator = torch.Generator().manual_seed(seed)
    coords, K = 7, rule["num_sources"]
    grads = scale * torch.randn(UNROLL + 1, K, coords, generator=generator)
    targets = grads[:, 0]
    if clean:
        targets = scale * torch.randn(UNROLL + 1, coords, generator=generator)
    w = torch.rand(UNROLL, generator=generator)
    theirs = build(rule)
    ours = copy.deepcopy(theirs).float()
    machine = Engine(
        ours, UNROLL, coords, block_size=block, memory_budget=budget(ours, keeps, 8)
    )
    machine.begin()
    machine.see(0, None, grads[0], targets[0] if clean else None)
    for t in range(UNROLL):
        machine.step(t)
        machine.see(t + 1, None, grads[t + 1], targets[t + 1] if clean else None)
    machine.backward(w)
    state, total = theirs.initial_state(coords), 0
    for t in range(UNROLL):  # the formula, term by term
        update, state = theirs(grads[t].double(), state)
        A = sum(w[s] * targets[s + 1].double() for s in range(t, UNROLL))
        total = total + (A * update).sum()
    total.backward()
    # alpha's terms may cancel: then less is left of it than float32 can tell
    assert_close(ours, theirs, 1e-4, rounding=1e-8)


@pytest.mark.parametrize("preprocess", FEATURES)
def test_alpha_gets_a_gradient_through_the_preprocessing(preprocess):
    optimizer = LSTMOptimizer(combine="softmax", num_sources=3, preprocess=preprocess)
    trainer = Trainer(optimizer, Sources(3, True), batch=4)
    trainer.meta_gradient()
    assert optimizer.alpha.grad.norm() > 1e-3 * optimizer.lstm.w_out.grad.norm()


@pytest.mark.parametrize("keeps", [True, False])
def test_zero_gradients_give_no_nan(keeps):
    optimizer = LSTMOptimizer(
        combine="softmax", num_sources=2, preprocess="normalized", hidden_size=3
    )
    machine = Engine(optimizer, UNROLL, 5, memory_budget=budget(optimizer, keeps, 5))
    machine.begin()
    for t in range(UNROLL):
        machine.see(t, None, torch.zeros(2, 5), None)
        machine.step(t)
    machine.see(UNROLL, None, torch.ones(2, 5), None)
    machine.backward(torch.ones(UNROLL))
    assert all(w.grad.isfinite().all() for w in optimizer.parameters())


PROBLEMS = {
    "quadratic": lambda: Quadratic(3),
    "network": lambda: Network(mlp([64, 2, 10]), *data.digits(), batch_size=5),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_exact_equals_finite_differences(name):
    """L(phi) with phi moved a little, both ways; the gradient's input moves too."""

    def second_window(move=None):
        optimizer = LSTMOptimizer(2, 1, preprocess="identity", seed=1).double()
        trainer = Trainer(
            optimizer,
            PROBLEMS[name](),
            horizon=6,
            unroll=3,
            batch=2,
            second_derivatives=True,
        )
        trainer.meta_gradient()
        if move:
            index, step = move
            with torch.no_grad():
                optimizer.lstm.W[0].view(-1)[index] += step
        return trainer.meta_gradient(), optimizer.lstm.W[0].grad.flatten()

    _, exact = second_window()
    for index in range(0, exact.numel(), 5):
        up, down = (second_window((index, step))[0] for step in (1e-5, -1e-5))
        assert exact[index] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-9)


def test_second_derivatives_make_a_difference():
    grads = []
    for second_derivatives in (True, False):
        optimizer = LSTMOptimizer(3, preprocess="identity").double()
        Trainer(
            optimizer,
            Quadratic(3),
            batch=2,
            unroll=5,
            second_derivatives=second_derivatives,
        ).meta_gradient()
        grads.append(optimizer.lstm.w_out.grad)
    assert (grads[0] - grads[1]).norm() > 1e-3 * grads[0].norm()


def test_blocks_are_equal_and_cover_every_coordinate():
    for widest, count, width in ((100, 16, 64), (50, 21, 48), (600, 2, 512)):
        machine = Engine(LSTMOptimizer(), 2, 1001, block_size=widest)
        assert len(machine.blocks) == count and machine.blocks[-1].stop >= 1001
        assert {block.stop - block.start for block in machine.blocks} == {width}


def test_almost_nothing_counts_as_nothing():
    """Where A is below 1e-20, products of it would take many times as long."""
    machine = Engine(LSTMOptimizer(seed=1), 2, 3)
    machine.begin()
    for t, size in enumerate((1.0, 1.0, 1e-25)):
        machine.see(t, None, torch.full((1, 3), size), None)
        if t < 2:
            machine.step(t)
    seen = []
    machine.through_write = lambda out, A: seen.append(A.clone()) or torch.zeros_like(A)
    machine.backward(torch.ones(2))
    assert (seen[0][0, :3] == 1).all() and (seen[0][1] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_size": 0}, "block_size=0: a block needs at least 1 coordinate"),
        (
            {"memory_budget": 100},
            r"memory_budget=100 bytes is below what one coordinate.*lower unroll",
        ),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        Engine(LSTMOptimizer(), 20, 10, **arguments)


def test_the_exact_path_has_no_blocks():
    with pytest.raises(ValueError, match=r"block_size: autograd keeps .* Leave it out"):
        Trainer(
            LSTMOptimizer(),
            Quadratic(3),
            batch=2,
            second_derivatives=True,
            block_size=10,
        )


def test_sources_must_be_as_many_as_the_optimizer_reads():
    trainer = Trainer(LSTMOptimizer(num_sources=2), Quadratic(3), batch=2)
    with pytest.raises(ValueError, match=r"reads num_sources=2 .* was given 1"):
        trainer.meta_gradient()


def test_exact_has_the_face_of_the_engine():
    face = {name for name in vars(Engine) if not name.startswith("_")}
    assert face - {"through_write", "replay"} <= set(dir(Exact))
    assert engine.BLOCK_SIZE["cpu"] >= 1
