"""LearnedOptimizer as a torch.optim.Optimizer: after PyTorch's tests of optimizers."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit.checkpoint import load
from l2o_kit.deploy import LearnedOptimizer, NonFiniteGradient, blocks
from l2o_kit.engine import Engine
from l2o_kit.groups import CONV_AND_FC, GroupedOptimizer
from l2o_kit.network import convnet
from l2o_kit.optimizer import LSTMOptimizer

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = X[:, :1] - 2 * X[:, 1:2]


def a_model(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


def train(model, optimizer, steps=5):
    """The losses along the way."""
    dtype, seen = next(model.parameters()).dtype, []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(X.to(dtype)), Y.to(dtype))
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


def same(a, b):
    """Whether two models have the same parameters, to the last bit."""
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def by_hand(rule, model, steps):
    """The plain rule, each parameter alone."""
    states = [rule.initial_state(p.numel()) for p in model.parameters()]
    for _ in range(steps):
        loss = F.mse_loss(model(X.double()), Y.double())
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for k, (p, grad) in enumerate(zip(model.parameters(), grads, strict=True)):
                update, states[k] = rule(grad.flatten(), states[k])
                p.add_(update.view_as(p))


@pytest.mark.parametrize("block_size", [3, 20, 4096])
@pytest.mark.parametrize("name", ["digits", "digits_robust"])
def test_it_takes_the_steps_of_the_rule_whatever_the_blocks(name, block_size):
    a, b = a_model(torch.float64), a_model(torch.float64)
    train(a, LearnedOptimizer(a.parameters(), name, block_size=block_size), 20)
    by_hand(load(name).double(), b, 20)
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-12)


def test_groups_go_through_their_own_lstm():
    model = convnet(2, 8)
    X, y = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    two = GroupedOptimizer(
        {"conv": LSTMOptimizer(seed=1), "fc": LSTMOptimizer(seed=2)}, CONV_AND_FC
    )
    optimizer = LearnedOptimizer(model.named_parameters(), two)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    F.cross_entropy(model(X), y).backward()
    optimizer.step()
    for name, p in model.named_parameters():
        member = two.groups["conv" if p.ndim == 4 else "fc"]
        with torch.no_grad():
            update, _ = member(p.grad.flatten(), member.initial_state(p.numel()))
        torch.testing.assert_close(
            p.detach() - before[name], update.view_as(p), rtol=1e-4, atol=1e-6
        )


def test_lr_multiplies_the_update_and_zero_moves_nothing():
    moved = []
    for lr in (0.0, 1.0, 0.5):
        model, start = a_model(), a_model()
        train(model, LearnedOptimizer(model.parameters(), lr=lr), 1)
        moved.append(model[0].weight.detach() - start[0].weight.detach())
    assert not moved[0].any() and moved[1].any()
    torch.testing.assert_close(moved[2], 0.5 * moved[1], rtol=1e-4, atol=1e-7)


def test_weight_decay_is_decoupled():
    plain, decayed = a_model(), a_model()
    start = plain[0].weight.detach().clone()
    train(plain, LearnedOptimizer(plain.parameters(), lr=0.5), 1)
    train(decayed, LearnedOptimizer(decayed.parameters(), lr=0.5, weight_decay=0.1), 1)
    torch.testing.assert_close(decayed[0].weight, plain[0].weight - 0.05 * start)


def test_training_resumed_from_a_state_dict_is_the_same_to_the_last_bit():
    whole, model = a_model(), a_model()
    train(whole, LearnedOptimizer(whole.parameters(), "digits_robust"), 10)
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust")
    train(model, optimizer)
    buffer = io.BytesIO()
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer
    )
    buffer.seek(0)
    kept = torch.load(buffer, weights_only=True)
    model = a_model()
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust")
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    train(model, optimizer)
    assert same(whole, model)


@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_of_model_and_optimizer_goes_on_alike(how):
    model = a_model()
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust", lr=0.3)
    train(model, optimizer)
    other, its = how((model, optimizer))
    train(model, optimizer), train(other, its)
    assert same(model, other)
    train(other, its)
    assert not same(model, other)
    assert its.rule.config == optimizer.rule.config


# Parameters of all kinds


def test_without_a_gradient_nothing_moves_and_no_state_is_made():
    model = a_model()
    model[0].requires_grad_(False)
    optimizer = LearnedOptimizer(model.parameters())
    start = copy.deepcopy(model)
    optimizer.step()
    assert same(model, start) and not optimizer.state
    train(model, optimizer, 2)
    assert torch.equal(model[0].weight, start[0].weight)
    assert len(optimizer.state) == 2


def test_channels_last_parameters_move_as_others_do():
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 4, 3).to(memory_format=layout)
        optimizer = LearnedOptimizer(conv.parameters(), "digits_robust", block_size=7)
        for _ in range(3):
            optimizer.zero_grad()
            conv(torch.ones(2, 3, 5, 5)).square().mean().backward()
            optimizer.step()
        moved.append(conv.weight.detach().contiguous())
    torch.testing.assert_close(*moved, rtol=1e-4, atol=1e-6)


def test_bfloat16_parameters_keep_a_float32_state():
    model = a_model(torch.bfloat16)
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust", lr=0.3)
    losses = train(model, optimizer, 40)
    assert losses[-1] < losses[0] / 2
    assert {part.dtype for s in optimizer.state.values() for part in s.values()} == {
        torch.float32
    }
    kept = LearnedOptimizer(model.parameters(), "digits_robust", lr=0.3)
    kept.load_state_dict(optimizer.state_dict())
    for p in model.parameters():  # torch's own would round it to the parameter's type
        assert torch.equal(kept.state[p]["h"], optimizer.state[p]["h"])


def test_a_bfloat16_state_takes_half_the_memory_and_still_learns():
    sizes = []
    for dtype in (None, torch.bfloat16):
        model = a_model()
        optimizer = LearnedOptimizer(model.parameters(), lr=0.3, state_dtype=dtype)
        losses = train(model, optimizer, 40)
        assert losses[-1] < losses[0] / 2
        sizes.append(
            sum(part.nbytes for s in optimizer.state.values() for part in s.values())
        )
    coords = sum(p.numel() for p in model.parameters())
    assert sizes == [320 * coords, 160 * coords]  # 80 floats


# As other optimizers


def test_a_scheduler_a_closure_and_clipping_work():
    model = a_model()
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust", lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    losses = []
    for _ in range(31):
        losses.append(optimizer.step(closure).item())
        schedule.step()
    assert losses[-1] < losses[0] / 3
    assert optimizer.param_groups[0]["lr"] < 1e-2


def test_a_group_may_be_added_with_an_lr_of_its_own():
    model = a_model()
    optimizer = LearnedOptimizer(model[0].parameters(), lr=0.5)
    optimizer.add_param_group({"params": model[2].parameters(), "lr": 0.0})
    start = copy.deepcopy(model)
    train(model, optimizer, 2)
    assert same(model[2], start[2]) and not same(model[0], start[0])


def test_hooks_are_called():
    model, seen = a_model(), []
    optimizer = LearnedOptimizer(model.parameters())
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    train(model, optimizer, 1)
    assert seen == ["before", "after"]
    assert "LearnedOptimizer" in repr(optimizer) and "lr: 1.0" in repr(optimizer)


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": []}, "empty parameter list"),
        ({"lr": -0.1}, "lr=-0.1: it must be a number of at least 0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
        ({"rule": "concurrent_noise"}, "reads num_sources=4 gradients"),
        ({"rule": "conv"}, "goes by the parameters' names"),
        ({"rule": "nobody"}, "There is no optimizer called 'nobody'"),
        ({"non_finite": "ignore"}, "non_finite='ignore'"),
        ({"block_size": 0}, "block_size=0"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnedOptimizer(**{"params": a_model().parameters()} | arguments)


def test_the_same_parameter_twice_and_complex_ones():
    p = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match="twice"):
        LearnedOptimizer([p, p])
    with pytest.raises(ValueError, match="complex64: the LSTM reads real"):
        LearnedOptimizer([nn.Parameter(torch.ones(2, dtype=torch.complex64))])
    with pytest.raises(ValueError, match=r"the group 'conv' .* has no parameter"):
        LearnedOptimizer(a_model().named_parameters(), "conv")


def test_a_gradient_that_is_not_finite_changes_nothing():
    model = a_model()
    optimizer = LearnedOptimizer(model.named_parameters(), "digits_robust")
    train(model, optimizer, 2)
    start, state = copy.deepcopy(model), copy.deepcopy(optimizer.state_dict())
    model[2].bias.grad[0] = torch.nan
    with pytest.raises(NonFiniteGradient, match=r"the gradient of 2\.bias is not"):
        optimizer.step()
    optimizer.non_finite = "skip"
    optimizer.step()
    assert optimizer.skipped == 1 and same(model, start)
    for k, parts in optimizer.state_dict()["state"].items():
        for name, part in parts.items():
            assert torch.equal(part, state["state"][k][name])


def test_a_sparse_gradient_is_refused_by_name():
    table = nn.Embedding(5, 3, sparse=True)
    optimizer = LearnedOptimizer(table.named_parameters())
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="weight has a sparse gradient"):
        optimizer.step()


def test_states_of_others_are_refused():
    model = a_model()
    optimizer = LearnedOptimizer(model.parameters(), "digits")
    train(model, optimizer, 1)
    other = LearnedOptimizer(a_model().parameters(), "digits_robust")
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        other.load_state_dict(optimizer.state_dict())
    adam = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        other.load_state_dict(adam.state_dict())
    larger = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 1))
    other = LearnedOptimizer(larger.parameters(), "digits")
    with pytest.raises(ValueError, match="belongs to another model"):
        other.load_state_dict(optimizer.state_dict())


def test_blocks_share_out_every_coordinate_once():
    for sizes, most in (([5, 1, 9], 4), ([3], 3), ([0, 2], 10), ([7, 7], 1)):
        seen = [[0] * size for size in sizes]
        found = list(blocks(sizes, most))
        for block in found:
            for k, at in block:
                for i in range(at.start, at.stop):
                    seen[k][i] += 1
        assert all(n == 1 for row in seen for n in row)
        assert all(sum(at.stop - at.start for _, at in b) <= most for b in found)


def test_a_compiled_model_keeps_its_groups():
    """torch.compile puts a prefix before every name; the backend compiles nothing."""
    model = torch.compile(convnet(2, 8), backend="eager")
    assert next(model.named_parameters())[0].startswith("_orig_mod.")
    optimizer = LearnedOptimizer(model.named_parameters(), "conv")
    X, y = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_accumulated_gradients_are_those_of_the_whole():
    moved = []
    for parts in (1, 4):
        model = a_model(torch.float64)
        optimizer = LearnedOptimizer(model.parameters(), "digits_robust")
        for x, y in zip(X.double().chunk(parts), Y.double().chunk(parts), strict=True):
            (F.mse_loss(model(x), y) / parts).backward()
        optimizer.step()
        moved.append(model[0].weight.detach())
    torch.testing.assert_close(*moved, rtol=0, atol=1e-9)


def test_a_rule_with_a_forward_of_ones_own_is_followed():
    class Half(LSTMOptimizer):
        def forward(self, grads, state):
            return -0.5 * grads.flatten(), state

    model, start = a_model(), a_model()
    train(model, LearnedOptimizer(model.parameters(), Half()), 1)
    moved = model[0].weight - start[0].weight
    torch.testing.assert_close(moved, -0.5 * model[0].weight.grad, rtol=1e-4, atol=1e-7)


def test_buffers_of_a_few_widths_are_kept_only():
    p = nn.Parameter(torch.ones(40))
    optimizer = LearnedOptimizer([p])
    for width in range(1, 20):
        optimizer._steps_of(optimizer.rule, width)
        assert len(optimizer._buffers) <= 8


@pytest.mark.parametrize("name", ["digits", "digits_robust"])
def test_the_trainer_takes_the_same_steps_to_the_last_bit(name):
    """The same gradients and blocks, float32: the roll-out and a parameter."""
    rule, draw = load(name), torch.Generator().manual_seed(0)
    engine = Engine(rule, 20, 192, block_size=64)
    p = nn.Parameter(torch.zeros(192))
    optimizer = LearnedOptimizer([p], rule, block_size=64)
    engine.reset(), engine.begin()
    theta = torch.zeros(192)
    for t in range(20):
        grads = 0.1 * torch.randn(192, generator=draw)
        engine.see(t, None, grads[None], None)
        theta = theta + engine.step(t)
        p.grad = grads
        optimizer.step()
        assert torch.equal(p.detach(), theta)
