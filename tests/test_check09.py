"""The checks of lesson 09: right answers, misconceptions by name, bad input."""

import pytest
import torch
from torch.nn import functional as F

from l2o_kit import check
from l2o_kit.check import lesson09
from l2o_kit.features import gram


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
    "gram_matrix": [pair, lambda m: gram(m[None])[0]],
    "variation": [steps, lambda image: float(steps(image))],
    "style_term": [ratio, lambda g, s, t: float(ratio(g, s, t))],
}
WRONG = [
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
    ("style_term", lambda g, s, t: (g - t).square().sum(), "divide by the same"),
    ("style_term", lambda g, s, t: F.mse_loss(g, s) / F.mse_loss(s, t), "still is"),
    ("style_term", lambda g, s, t: (g - t).square().sum() / t.square().sum(),
     "size of the style's"),
    ("style_term", lambda g, s, t: ratio(g, s, t) ** 0.5, "take the root"),
    ("style_term", lambda g, s, t: 1 / ratio(g, s, t), "Turned round"),
    ("style_term", lambda g, s, t: 7.0, "yours gives 7"),
    ("style_term", lambda g, s, t: g, "return one number"),
]  # fmt: skip


def own(name):
    return {"gram_matrix": lesson09._own_gram, "variation": lesson09._own_variation,
            "style_term": lesson09._own_style}[name]  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_kept(name, capsys):
    for answer in (*RIGHT[name], own(name)):
        assert getattr(check, name)(answer) is answer
        assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("name", "answer", "message"), WRONG)
def test_misconceptions_are_named_and_the_kits_is_used(name, answer, message, capsys):
    assert getattr(check, name)(answer) is own(name)
    assert message in capsys.readouterr().out
