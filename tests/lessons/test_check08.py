"""The checks of lessons 08 and 09: right answers, misconceptions by name, bad input."""

import pytest
import torch
from torch.nn import functional as F

from l2o_kit.lessons.l08_convnets import checks as checks08
from l2o_kit.lessons.l09_art import checks as checks09
from l2o_kit.lessons.l09_art.features import gram
from l2o_kit.network import convnet
from tests.rooms import CHECKS


def by_length(shapes, *, longest=4, doubled=False):
    conv = [name for name, shape in shapes.items() if len(shape) >= longest]
    fc = [name for name in shapes if doubled or name not in conv]
    return {"conv": conv, "fc": fc}


def by_name(shapes):
    conv = [name for name in shapes if name.startswith("conv")]
    return {"conv": conv, "fc": [name for name in shapes if name not in conv]}


def normal(X, gain, bias, *, dims=(0, 2, 3), correction=0, eps=1e-5, gained=True):
    X = X - X.mean(dims, keepdim=True)
    X = X / (X.var(dims, correction=correction, keepdim=True) + eps).sqrt()
    return gain.view(-1, 1, 1) * X + bias.view(-1, 1, 1) if gained else X


def eps_outside(X, gain, bias):
    """1e-5 added to the standard deviation."""
    std = X.std((0, 2, 3), correction=0, keepdim=True)
    centred = X - X.mean((0, 2, 3), keepdim=True)
    return centred / (std + 1e-5) * gain[:, None, None] + bias[:, None, None]


def torchs(X, gain, bias):
    return F.batch_norm(X, None, None, gain, bias, training=True)


def scatter(grads, places, rules):
    update = torch.empty_like(grads)
    for name in places:
        update = update.index_put((places[name],), rules[name](grads[places[name]]))
    return update


def pair(maps, *, by=None, centre=False):
    if centre:
        maps = maps - maps.mean((1, 2), keepdim=True)
    products = torch.einsum("ihw,jhw->ij", maps, maps)
    return products / (maps[0].numel() if by is None else by)


def steps(image, *, dims=(1, 2), of=torch.abs, take=torch.mean):
    return sum(take(of(image.diff(dim=dim))) for dim in dims)


def ratio(gram, start, goal):
    return F.mse_loss(gram, goal) / F.mse_loss(start, goal)


RIGHT = {
    "groups": [
        by_length,
        lambda s: {
            "fc": [n for n in s if len(s[n]) < 4],
            "conv": tuple(n for n in s if len(s[n]) == 4),
        },
    ],
    "batch_norm": [normal, torchs],
    "grouped_update": [scatter],
    "gram_matrix": [pair, lambda m: gram(m[None])[0]],
    "variation": [steps, lambda image: float(steps(image))],
    "style_term": [ratio, lambda g, s, t: float(ratio(g, s, t))],
}
WRONG = [
    ("groups", by_name, "belongs to the rest"),
    (
        "groups",
        lambda s: {
            "conv": ["conv1.weight"],
            "fc": [n for n in s if n != "conv1.weight"],
        },
        "Count dimensions",
    ),
    ("groups", lambda s: by_length(s, longest=2), "in the wrong group"),
    ("groups", lambda s: by_length(s, doubled=True), "in both groups"),
    ("groups", lambda s: {"conv": ["conv1.weight"], "fc": []}, "in no group"),
    ("groups", lambda s: {"conv": 3, "fc": 4}, "a list of names"),
    ("groups", lambda s: list(s), "two keys"),
    ("groups", lambda s: {k: iter(v) for k, v in by_length(s).items()}, "a list of"),
    ("batch_norm", lambda *a: normal(*a, dims=(2, 3)), "of each picture alone"),
    ("batch_norm", lambda *a: normal(*a, dims=(0,)), "for each pixel"),
    ("batch_norm", lambda *a: normal(*a, dims=(1, 2, 3)), "over the channels"),
    ("batch_norm", lambda *a: normal(*a, dims=(0, 1, 2, 3)), "over the channels"),
    ("batch_norm", lambda *a: normal(*a, correction=1), "divided by n - 1"),
    ("batch_norm", lambda *a: normal(*a, gained=False), "multiply by the gain"),
    ("batch_norm", lambda X, g, b: X - X.mean(), "yours begins with"),
    ("batch_norm", lambda X, g, b: torchs(X, g, b)[:1], "has shape"),
    ("batch_norm", lambda *a: normal(*a, eps=0.0), "hardly varies"),
    ("batch_norm", lambda *a: normal(*a, eps=3e-4), "hardly varies"),
    ("batch_norm", eps_outside, "hardly varies"),
    (
        "grouped_update",
        lambda g, p, r: torch.cat([r[n](g[p[n]]) for n in p]),
        "one group's updates behind",
    ),
    ("grouped_update", lambda g, p, r: r["fc"](g), "the rule of 'fc' for all"),
    (
        "grouped_update",
        lambda g, p, r: scatter(g, p, {n: (lambda x, n=n: r[n](g)[p[n]]) for n in r}),
        "read all gradients",
    ),
    ("grouped_update", lambda g, p, r: -scatter(g, p, r), "Yours begins with"),
    ("gram_matrix", lambda m: pair(m, by=1), "divide by the number of pixels"),
    ("gram_matrix", lambda m: pair(m, by=3), "the number of channels"),
    ("gram_matrix", lambda m: pair(m, by=60), "channels times pixels"),
    ("gram_matrix", lambda m: pair(m, centre=True), "subtract the means"),
    ("gram_matrix", lambda m: pair(m.transpose(0, 1)), "has shape"),
    ("gram_matrix", lambda m: -pair(m), "yours begins with"),
    ("variation", lambda i: steps(i, dims=(1,)), "left and right"),
    ("variation", lambda i: steps(i, dims=(2,)), "above and below"),
    ("variation", lambda i: steps(i, take=torch.sum), "take means"),
    ("variation", lambda i: steps(i, of=torch.square), "square the differences"),
    ("variation", lambda i: steps(i, of=lambda x: x), "cancel"),
    ("variation", lambda i: steps(i, dims=(0, 1)), "holds the colours"),
    ("variation", lambda i: steps(i, dims=(0, 1, 2)), "holds the colours"),
    ("variation", lambda i: i.var(), "yours gives"),
    ("variation", lambda i: steps(i) / 2, "halve"),
    (
        "variation",
        lambda i: (
            torch.cat([i.diff(dim=1).flatten(), i.diff(dim=2).flatten()]).abs().mean()
        ),
        "one mean over all",
    ),
    ("style_term", lambda g, s, t: (g - t).square().sum(), "divide by the same"),
    ("style_term", lambda g, s, t: F.mse_loss(g, s) / F.mse_loss(s, t), "still is"),
    (
        "style_term",
        lambda g, s, t: (g - t).square().sum() / t.square().sum(),
        "size of the style's",
    ),
    (
        "style_term",
        lambda g, s, t: (g - t).square().sum() / s.square().sum(),
        "size of the start's",
    ),
    ("style_term", lambda g, s, t: ratio(g, s, t) ** 0.5, "take the root"),
    (
        "style_term",
        lambda g, s, t: (g - t).abs().sum() / (s - t).abs().sum(),
        "add up absolute differences",
    ),
    ("style_term", lambda g, s, t: 1 / ratio(g, s, t), "Turned round"),
    ("style_term", lambda g, s, t: 7.0, "yours gives 7"),
    ("style_term", lambda g, s, t: g, "return one number"),
]


def own(name):
    return {
        "groups": checks08._own_groups,
        "batch_norm": checks08._own_batch_norm,
        "grouped_update": checks08._own_update,
        "gram_matrix": checks09._own_gram,
        "variation": checks09._own_variation,
        "style_term": checks09._own_style,
    }[name]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_kept(name, capsys):
    for answer in (*RIGHT[name], own(name)):
        assert CHECKS[name](answer) is answer
        assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_misconceptions_are_named_and_the_kits_is_used(name, answer, message, capsys):
    assert CHECKS[name](answer) is own(name)
    assert message in capsys.readouterr().out


def test_the_kits_own_are_right_by_others():
    net = convnet()
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    conv = set(checks08._own_groups(shapes)["conv"])
    assert conv == {"conv1.weight", "conv2.weight", "conv3.weight"}
    X = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    gain, bias = torch.rand(3), torch.rand(3)
    ours = checks08._own_batch_norm(X, gain, bias)
    assert torch.allclose(ours, torchs(X, gain, bias), atol=1e-5)
