"""One learned optimizer per group: whose coordinate is whose, and the meta-gradient."""

import copy

import pytest
import torch
from torch import nn

from l2o_kit import data
from l2o_kit.autograd import FirstOrder
from l2o_kit.checkpoint import CheckpointError, load, save
from l2o_kit.concurrent import Concurrent
from l2o_kit.diagnosis import diagnose
from l2o_kit.evaluate import optimize
from l2o_kit.groups import CONV_AND_FC, GroupedOptimizer, assign, shapes
from l2o_kit.network import Network, convnet, mlp
from l2o_kit.optimizees import Quadratic, RandomScaling
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.sources import PixelNoise
from l2o_kit.trainer import meta_train
from l2o_kit.window import Trainer
from tests.library.test_engine import assert_close

UNROLL = 4
LAYERS = {"first": "0.*", "rest": "everything else"}


def small() -> Network:
    """A network of two layers, 8-3-2, on numbers."""
    X = torch.randn(12, 8, generator=torch.Generator().manual_seed(0))
    return Network(mlp([8, 3, 2]), X, torch.arange(12) % 2, batch_size=4)


def grouped(rule=LAYERS, **config) -> GroupedOptimizer:
    members = {
        name: LSTMOptimizer(hidden_size=3, **config, seed=k)
        for k, name in enumerate(rule)
    }
    return GroupedOptimizer(members, rule)


def convolutional(batch_size=16) -> Network:
    X = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return Network(
        convnet(2, size=8),
        X,
        torch.arange(40) % 10,
        batch_size=batch_size,
        init_std=None,
    )


def test_conv_weights_are_one_group_and_all_else_the_other():
    columns = assign(CONV_AND_FC, shapes(convolutional()))
    names = [
        name
        for name, shape in shapes(convolutional()).items()
        for _ in range(shape.numel())
    ]
    conv = {names[k] for k in columns["conv"]}
    assert conv == {"conv1.weight", "conv2.weight", "conv3.weight"}
    both = torch.cat(list(columns.values())).sort().values
    assert torch.equal(both, torch.arange(len(names)))  # each once
    fc = {names[k] for k in columns["fc"]}
    assert {"conv1.bias", "norm1.weight", "norm1.bias", "output.bias"} <= fc


def test_each_group_moves_as_its_own_optimizer_would():
    network, optimizer = small(), grouped()
    rule = optimizer.on(network)
    draw = torch.Generator().manual_seed(1)
    grads = torch.randn(5, 2 * network.coords, generator=draw)  # of two networks
    state = rule.initial_state(2 * network.coords)
    alone = {
        name: member.initial_state(2 * len(rule.columns[name]))
        for name, member in optimizer.groups.items()
    }
    for grad in grads:
        update, state = rule(grad, state)
        for name, member in optimizer.groups.items():
            columns = rule.columns[name].tolist()
            places = columns + [network.coords + k for k in columns]  # of both
            expected, alone[name] = member(grad[places], alone[name])
            assert torch.allclose(update[places], expected, atol=1e-7)


@pytest.mark.parametrize("preprocess", ["log_sign", "normalized"])
@pytest.mark.parametrize("limits", [{}, {"block_size": 7, "memory_budget": 20_000}])
def test_the_meta_gradient_equals_autograds(preprocess, limits):
    ours = grouped(preprocess=preprocess).double()
    theirs, network = copy.deepcopy(ours), small()
    same = {"horizon": 3 * UNROLL, "unroll": UNROLL, "batch": 2, "discount": 0.9}
    trainer, oracle = (
        Trainer(ours, network, **same, **limits),
        Trainer(theirs, network, **same),
    )
    oracle.engine = FirstOrder(theirs.on(network), UNROLL, 2 * network.coords)
    for _ in range(4):  # the fourth window begins another roll-out
        meta_loss, expected = trainer.meta_gradient(), oracle.meta_gradient()
    assert meta_loss == pytest.approx(expected, rel=1e-10)
    assert_close(ours, theirs, 1e-9)


@pytest.mark.parametrize("target", ["source0", "clean"])
def test_groups_of_two_sources_learn_from_the_loss_that_counts(target):
    ours = grouped(num_sources=2, combine="softmax").double()
    theirs = copy.deepcopy(ours)
    network = Concurrent(small(), [PixelNoise(0.5), ()], target)
    same = {"horizon": 2 * UNROLL, "unroll": UNROLL, "batch": 2}
    trainer, oracle = Trainer(ours, network, **same), Trainer(theirs, network, **same)
    oracle.engine = FirstOrder(theirs.on(network), UNROLL, 2 * network.coords)
    assert trainer.meta_gradient() == pytest.approx(oracle.meta_gradient(), rel=1e-10)
    assert_close(ours, theirs, 1e-9)


def test_second_derivatives_against_finite_differences():
    optimizer, network = grouped(output_scale=1.0).double(), small()
    same = {"horizon": UNROLL, "unroll": UNROLL, "batch": 2}
    exact = Trainer(optimizer, network, **same, second_derivatives=True)
    exact.meta_gradient()
    weight = optimizer.groups["rest"].lstm.W[0]
    slope = float(weight.grad[2, 1])

    def meta_loss(step):
        moved = copy.deepcopy(optimizer)
        with torch.no_grad():
            moved.groups["rest"].lstm.W[0][2, 1] += step
        return Trainer(moved, network, **same).meta_gradient()

    difference = (meta_loss(1e-5) - meta_loss(-1e-5)) / 2e-5
    assert slope == pytest.approx(difference, rel=1e-5) and slope != 0


def test_two_groups_of_equal_phi_are_one_shared_optimizer():
    network = convolutional()
    one = LSTMOptimizer(output_scale=0.01)
    both = GroupedOptimizer(
        {name: copy.deepcopy(one) for name in CONV_AND_FC}, CONV_AND_FC
    )
    shared = optimize(one, network, steps=5, batch=2).losses
    assert torch.allclose(
        optimize(both, network, steps=5, batch=2).losses, shared, rtol=1e-4
    )
    with torch.no_grad():
        both.groups["fc"].lstm.b_out += 1.0
    assert not torch.allclose(optimize(both, network, steps=5, batch=2).losses, shared)


def test_meta_training_goes_on_as_if_it_had_never_stopped(tmp_path):
    settings = {
        "meta_steps": 6,
        "horizon": 3 * UNROLL,
        "unroll": UNROLL,
        "batch": 2,
        "lr": 1e-2,
        "on_step": lambda log: None,
    }
    path = tmp_path / "half.safetensors"

    def stop(log):
        if len(log.meta_losses) == 4:
            raise KeyboardInterrupt

    whole, cut = grouped(), grouped()
    before = copy.deepcopy(whole.state_dict())
    meta_train(whole, small(), **settings)
    meta_train(
        cut,
        small(),
        **settings | {"on_step": stop},
        checkpoint=path,
        checkpoint_seconds=0,
    )
    resumed = grouped()
    log = meta_train(resumed, small(), **settings, resume=path)
    assert len(log.meta_losses) == 6
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
        assert not torch.equal(value, before[name]), name


def test_it_is_saved_and_loaded(tmp_path):
    optimizer = GroupedOptimizer(
        {"first": LSTMOptimizer(hidden_size=3), "rest": LSTMOptimizer(num_layers=1)},
        LAYERS,
    )
    path = save(optimizer, tmp_path / "two.safetensors", recipe="two")
    loaded = load(path)
    assert loaded.config == optimizer.config and loaded.provenance["recipe"] == "two"
    ours, theirs = (
        optimize(rule, small(), steps=3, batch=2).losses for rule in (optimizer, loaded)
    )
    assert torch.equal(ours, theirs)
    assert "first: 0.*" in repr(loaded)
    assert f"{loaded.num_weights:,} weights" in repr(loaded)


def test_a_file_of_groups_that_lacks_one(tmp_path):
    optimizer = grouped()
    optimizer.state_dict = lambda: {
        key: value
        for key, value in GroupedOptimizer.state_dict(optimizer).items()
        if "first" in key
    }
    path = save(optimizer, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="do not have the shapes"):
        load(path)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"a": "0.*", "b": "2.weight"}, r"'2.bias' belongs to no group.*Widen"),
        (
            {"a": "0.*", "b": "*.weight", "c": "everything else"},
            r"'0.weight' belongs to two groups, 'a' and 'b'.*narrower",
        ),
        ({"a": "conv*", "b": "everything else"}, r"'a' \('conv\*'\) has no parameter"),
        ({"a": "*", "b": "everything else"}, r"the group 'b'.*has no parameter"),
    ],
    ids=["none", "two", "empty", "nothing else"],
)
def test_rules_that_do_not_fit_the_network(rule, message):
    with pytest.raises(ValueError, match=message):
        optimize(grouped(rule), small(), steps=1, batch=1)
    with pytest.raises(ValueError, match=message):
        meta_train(
            grouped(rule), small(), meta_steps=1, horizon=4, unroll=4, batch=1, lr=1e-3
        )


def test_rules_that_make_no_sense():
    one, two = LSTMOptimizer(), LSTMOptimizer(num_sources=2)
    with pytest.raises(ValueError, match=r"groups are \['a'\], and the rule is for"):
        GroupedOptimizer({"a": one}, {"b": "*"})
    with pytest.raises(ValueError, match="and the rule is for"):
        GroupedOptimizer({}, {})
    with pytest.raises(ValueError, match="one may"):
        GroupedOptimizer({"a": one, "b": one}, dict.fromkeys("ab", "everything else"))
    with pytest.raises(ValueError, match=r"different numbers of sources.*'b': 2"):
        GroupedOptimizer({"a": one, "b": two}, {"a": "0.*", "b": "everything else"})
    with pytest.raises(ValueError, match="may hold no dot"):
        GroupedOptimizer({"a.b": one}, {"a.b": "*"})
    with pytest.raises(ValueError, match="has no named parameters"):
        optimize(grouped(), Quadratic(), steps=1, batch=1)
    with pytest.raises(ValueError, match=r"num_sources=1 .*was given 3"):
        grouped().check_sources(3)


def test_a_variation_of_a_network_has_the_networks_groups():
    network = small()
    assert shapes(RandomScaling(network)) == shapes(network)


def test_many_convolutional_networks_in_turn_are_what_vmap_computes():
    network = convolutional()
    problem = network.sample(3, torch.Generator().manual_seed(0))
    minibatch = problem.minibatch(torch.Generator().manual_seed(1))
    loss, grad = problem.value_and_grad(problem.theta0, minibatch)
    whole = problem.loss(problem.theta0)
    held, right = problem.held_out(problem.theta0)
    problem.each = torch.vmap
    same = problem.value_and_grad(problem.theta0, minibatch)
    assert torch.allclose(loss, same[0]) and torch.allclose(grad, same[1], atol=1e-6)
    assert torch.allclose(whole, problem.loss(problem.theta0))
    expected = problem.held_out(problem.theta0)
    assert torch.allclose(held, expected[0]) and torch.allclose(right, expected[1])


def test_convnet_is_the_papers():
    layers = dict(convnet().named_children())
    assert [layers[f"conv{k}"].kernel_size for k in (1, 2, 3)] == [(5, 5)] * 3
    assert sum(p.numel() for p in convnet().parameters()) == 22_698
    assert convnet(8, 16)(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"size=20: .*multiple of 8"):
        convnet(size=20)


def test_colours_last_changes_nothing_but_memory():
    X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    net = convnet(4, 8)
    plain = nn.Sequential(*list(net)[1:])
    assert torch.allclose(net(X), plain(X), atol=1e-5)
    assert net[0](X).stride()[1] == 1 and torch.equal(net[0](X), X)


def test_a_convolutional_gradient_against_finite_differences():
    network = convolutional()
    problem = network.sample(2, torch.Generator().manual_seed(3), torch.float64)
    minibatch = problem.minibatch(torch.Generator().manual_seed(4))
    _, grad = problem.value_and_grad(problem.theta0, minibatch)
    step = torch.zeros_like(problem.theta0)
    for place in (5, network.coords - 4):
        step.zero_()[:, place] = 1e-6
        up, down = (
            problem.loss(problem.theta0 + way * step, minibatch) for way in (1, -1)
        )
        assert torch.allclose((up - down) / 2e-6, grad[:, place], rtol=1e-4, atol=1e-8)


def test_a_meta_training_of_groups_can_be_diagnosed():
    dead = LSTMOptimizer(hidden_size=3, p=0.01)  # reads all small gradients alike
    alive = LSTMOptimizer(hidden_size=3)
    settings = {"meta_steps": 2, "horizon": 8, "unroll": UNROLL, "batch": 2, "lr": 1e-3}
    share = {}
    for name, first in {"dead": dead, "alive": alive}.items():
        optimizer = GroupedOptimizer({"first": first, "rest": alive}, LAYERS)
        diagnosis = diagnose(meta_train(optimizer, small(), **settings))
        share[name] = diagnosis.findings[1].measured
        assert diagnosis.positions.isfinite().all() and len(diagnosis.positions) == 4
    assert share["dead"] != share["alive"]


def test_digits_alone_need_one_group():
    network = Network(mlp([64, 5, 10]), *data.digits(), batch_size=8)
    one = GroupedOptimizer({"all": LSTMOptimizer()}, {"all": "*"})
    alone = optimize(LSTMOptimizer(), network, steps=3, batch=1).losses
    assert torch.allclose(optimize(one, network, steps=3, batch=1).losses, alone)
