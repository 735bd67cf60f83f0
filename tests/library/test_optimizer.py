"""The LSTM against nn.LSTM and autograd; preprocessing against its formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from l2o_kit.lstm import LSTM, Tape
from l2o_kit.optimizer import COMBINE, FEATURES, LSTMOptimizer, log_sign


def make(input_size=3, hidden=4, layers=2):
    return LSTM(input_size, hidden, layers, torch.Generator().manual_seed(0)).double()


def reference(lstm: LSTM) -> nn.LSTM:
    """nn.LSTM with the same weights; its gates come in the order i, f, g, o."""
    h = lstm.hidden_size
    other = nn.LSTM(lstm.input_size, h, lstm.num_layers).double()
    order = torch.cat(
        [torch.arange(2 * h), torch.arange(3 * h, 4 * h), torch.arange(2 * h, 3 * h)]
    )
    with torch.no_grad():
        for k, n in enumerate(lstm.inputs()):
            w_x, w_h, bias = lstm.W[k][order].split([n, h, 1], 1)
            getattr(other, f"weight_ih_l{k}").copy_(w_x)
            getattr(other, f"weight_hh_l{k}").copy_(w_h)
            getattr(other, f"bias_ih_l{k}").copy_(bias[:, 0])
            getattr(other, f"bias_hh_l{k}").zero_()
    return other


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_lstm_equals_nn_lstm(layers):
    lstm, x = make(layers=layers), torch.randn(6, 3, 5).double()  # steps, features, n
    state, outs = lstm.initial_state(5), []
    for t in range(6):
        out, state = lstm(x[t], state)
        outs.append(out)
    hidden, (h, c) = reference(lstm)(x.mT)  # [steps, n, hidden]
    expected = (hidden @ lstm.w_out.T + lstm.b_out).squeeze(2)
    torch.testing.assert_close(torch.stack(outs), expected)
    torch.testing.assert_close(state["h"], h.mT)
    torch.testing.assert_close(state["c"], c.mT)


@pytest.mark.parametrize(
    ("layers", "coords", "steps"), [(1, 1, 1), (2, 5, 6), (3, 2, 4)]
)
def test_tape_equals_autograd_from_a_state_that_is_not_zero(layers, coords, steps):
    lstm = make(layers=layers)
    x = torch.randn(steps, 3, coords).double().requires_grad_()
    weights = torch.randn(steps, coords).double()
    first = {name: torch.randn(layers, 4, coords).double() for name in "hc"}
    tape, state, total = Tape(lstm, steps, coords), first, 0
    tape.load(first)
    for t in range(steps):
        out, state = lstm(x[t], state)
        torch.testing.assert_close(tape.step(t, x[t])[0], out.detach())
        total = total + (weights[t] * out).sum()
    *expected, d_x = torch.autograd.grad(total, [*lstm.parameters(), x])
    torch.testing.assert_close(tape.backward(weights), d_x, rtol=1e-12, atol=1e-15)
    for (name, weight), grad in zip(lstm.named_parameters(), expected, strict=True):
        assert (weight.grad - grad).norm() <= 1e-12 * grad.norm() + 1e-15, name
    last = {name: torch.zeros_like(part) for name, part in first.items()}
    tape.store(last)
    for name in "hc":
        torch.testing.assert_close(last[name], state[name].detach())


def test_tape_adds_to_gradients_and_forgets_what_was_before():
    lstm, x = make(), torch.randn(2, 3, 4).double()
    tape = Tape(lstm, 2, 4)

    def once():
        tape.load(lstm.initial_state(4))
        outs = [tape.step(t, x[t]).clone() for t in range(2)]
        tape.backward(torch.ones(2, 4).double())
        return torch.stack(outs), lstm.W[0].grad.clone()

    (outs, grad), (outs_again, grad_again) = once(), once()
    assert torch.equal(outs, outs_again)
    torch.testing.assert_close(grad_again, 2 * grad)


def test_tape_counts_its_numbers():
    lstm = make(layers=3)
    tape = Tape(lstm, steps=50, coords=2)
    buffers = [*tape.z, *tape.c, *tape.gates, *tape.tanh_c, tape.out, tape.d_x]
    held = sum(buffer.numel() for buffer in buffers) / 2
    extra = 4 * 3 + sum(lstm.inputs()) + 3 * 5  # z and c hold the first state as well
    assert held - extra <= Tape.floats(lstm, 50) <= held


@given(st.floats(-1e30, 1e30), st.floats(1.0, 20.0))
def test_log_sign_equals_its_formula(gradient, p):
    feature, sign = log_sign(torch.tensor([[gradient]], dtype=torch.float64), p)[
        :, 0
    ].tolist()
    if abs(gradient) >= math.exp(-p):
        expected = (math.log(abs(gradient)) / p, math.copysign(1.0, gradient))
    else:
        expected = (-1.0, math.exp(p) * gradient)
    assert (feature, sign) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_log_sign_on_zero_tiny_huge_infinite_and_nan():
    grads = torch.tensor([0.0, 1e-38, -1e38, math.exp(-10.0), math.inf, math.nan])
    features = log_sign(grads[None], 10.0)
    assert features[:, 0].tolist() == pytest.approx([-1.0, 0.0], rel=1e-6)
    assert features[:, :4].isfinite().all()
    assert features[0, 2] == pytest.approx(8.7498, rel=1e-4) and features[1, 2] == -1
    assert features[0, 4] == math.inf  # never clamped
    assert features[1, 5].isnan()


def test_a_gradient_that_is_not_finite_is_not_hidden():
    rule = LSTMOptimizer(preprocess="identity")
    update, _ = rule(torch.tensor([math.nan, 1.0]), rule.initial_state(2))
    assert update[0].isnan() and update[1].isfinite()


def test_the_papers_weight_counts():
    assert LSTMOptimizer().num_weights == 5141
    assert LSTMOptimizer(preprocess="identity").num_weights == 5061


def test_output_scale_multiplies_the_update():
    grads = torch.randn(7)
    one, ten = LSTMOptimizer(output_scale=0.1), LSTMOptimizer(output_scale=1.0)
    updates = [rule(grads, rule.initial_state(7))[0] for rule in (one, ten)]
    torch.testing.assert_close(10 * updates[0], updates[1])


def test_at_first_only_the_forget_gates_are_open():
    """Biases are uniform within 1 / sqrt(h), those of the forget gates one higher."""
    for W in LSTMOptimizer(hidden_size=20, seed=5).lstm.W:
        biases = dict(zip("ifog", W[:, -1].detach().view(4, 20), strict=True))
        for gate, bias in biases.items():
            off = (bias - float(gate == "f")).abs()
            assert off.max() <= 20**-0.5 and off.std() > 0.01, gate


def test_seed_decides_the_initial_weights():
    weights = [LSTMOptimizer(seed=s).lstm.W[0] for s in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(
        weights[0], weights[2]
    )


def combined(combine, grads):
    rule = LSTMOptimizer(combine=combine, num_sources=len(grads))
    if combine == "softmax":
        with torch.no_grad():
            rule.alpha.copy_(torch.tensor([0.0, 1.0, 2.0]))
    return rule.combine(grads).detach()


def test_each_way_to_combine_equals_its_formula():
    grads = torch.randn(3, 5)
    assert torch.equal(combined("concat", grads), grads)
    weights = torch.tensor([1.0, math.e, math.e**2])
    expected = (weights[:, None] * grads).sum(0) / weights.sum()
    torch.testing.assert_close(combined("softmax", grads), expected[None])
    expected = torch.tensor(np.stack([grads.numpy().mean(0), grads.numpy().std(0)]))
    torch.testing.assert_close(combined("mean_std", grads), expected)
    expected = torch.stack([grads[0], grads[1] - grads[0], grads[2] - grads[0]])
    torch.testing.assert_close(combined("difference", grads), expected)


@pytest.mark.parametrize("combine", COMBINE)
@pytest.mark.parametrize("preprocess", FEATURES)
def test_every_pair_has_an_update_for_every_coordinate(combine, preprocess):
    rule = LSTMOptimizer(combine=combine, num_sources=3, preprocess=preprocess)
    update, state = rule(torch.randn(3, 6), rule.initial_state(6))
    assert update.shape == (6,) and update.isfinite().all()
    assert state.keys() == rule.initial_state(6).keys()
    for name, part in rule.initial_state(6).items():
        assert state[name].shape == part.shape, name


def test_lambdas_start_equal_and_are_the_softmax_of_alpha():
    rule = LSTMOptimizer(combine="softmax", num_sources=4)
    assert rule.lambdas.tolist() == [0.25] * 4
    with torch.no_grad():
        rule.alpha[2] = 1.0
    assert rule.lambdas[2] == pytest.approx(math.e / (3 + math.e))
    with pytest.raises(ValueError, match="combine='concat' has no lambdas"):
        _ = LSTMOptimizer(num_sources=4).lambdas


def test_normalized_inputs_equal_adams_update():
    rule = LSTMOptimizer(preprocess="normalized").double()
    theta = torch.zeros(6).double().requires_grad_()
    adam = torch.optim.Adam([theta], lr=1.0, betas=(0.95, 0.95), eps=1e-8)
    state = rule.initial_state(6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        theta.grad = torch.randn(6, generator=generator).double()
        before = theta.detach().clone()
        adam.step()
        x, running = rule.read(theta.grad[None], state)
        state |= running
        # epsilon stands inside the root here, outside of it in Adam
        torch.testing.assert_close(x[0], before - theta.detach(), rtol=1e-5, atol=1e-6)
        root = (state["v"] / (1 - state["decay"])).sqrt()
        torch.testing.assert_close(x[1:], theta.grad / root)


def test_a_bound_keeps_each_update_within_output_scale():
    grads = 100 * torch.randn(50)
    free, bound = (
        LSTMOptimizer(output_scale=0.01, bounded=b, preprocess="identity")
        for b in (False, True)
    )
    with torch.no_grad():
        free.lstm.w_out.mul_(100), bound.lstm.w_out.mul_(100)
    updates = [rule(grads, rule.initial_state(50))[0] for rule in (free, bound)]
    torch.testing.assert_close(updates[1], 0.01 * (updates[0] / 0.01).tanh())
    assert updates[0].abs().max() > 0.01 >= updates[1].abs().max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"combine": "sum"}, "combine='sum' is not known"),
        ({"num_sources": 0}, "num_sources=0"),
        ({"preprocess": "log"}, "preprocess='log' is not known"),
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"num_layers": 0}, "num_layers=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LSTMOptimizer(**arguments)


def test_repr_teaches():
    assert "preprocess='log_sign'" in repr(LSTMOptimizer())
    assert "5,141 weights" in repr(LSTMOptimizer())
    assert "num_sources" not in repr(LSTMOptimizer())
    assert "num_sources=3" in repr(LSTMOptimizer(num_sources=3))
