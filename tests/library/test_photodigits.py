"""Digits on photographs: the same for a seed, split by digit, hard for a line."""

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from l2o_kit import data, photodigits


def photos() -> list:
    return list(photodigits.shipped().values())


def painted(n=60, seed=0):
    X = data.digits().X[:n]
    return photodigits.paint(X, photos(), torch.Generator().manual_seed(seed))


def test_pictures_are_pictures_and_the_same_for_a_seed():
    pictures = painted()
    assert pictures.shape == (60, 3, 32, 32)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(pictures, painted())
    assert not torch.equal(pictures, painted(seed=1))


def test_without_a_digit_there_is_only_the_photograph():
    draw = torch.Generator().manual_seed(0)
    blank = photodigits.paint(torch.zeros(20, 64), photos(), draw)
    draw = torch.Generator().manual_seed(0)  # the same numbers, in the same order
    (
        photodigits.place(torch.zeros(20, 64), draw),
        torch.rand(20, 1, 1, 1, generator=draw),
    )
    assert torch.equal(blank, photodigits.patches(20, photos(), draw))


def test_a_patch_is_the_mean_of_a_square_of_the_photograph():
    ramp = torch.arange(200.0).expand(3, 200, 200).contiguous()
    out = photodigits.patches(30, [ramp], torch.Generator().manual_seed(0))
    step = (out[:, 0, 0, 1:] - out[:, 0, 0, :-1]).mean(1)  # pixels of it for one
    assert ((step >= 1 - 1e-4) & (step <= 4 + 1e-4)).all()  # sides of 32 to 128
    assert step.max() > 3 and step.min() < 2
    assert out.min() >= 0 and out.max() <= 199


def test_a_digit_lies_where_it_can_be_seen():
    X = data.digits().X[:200]
    mask = photodigits.place(X, torch.Generator().manual_seed(0))[:, 0]
    assert mask.min() >= 0 and mask.max() == 1
    assert (mask.mean((1, 2)) > 0.05).all()  # of the area
    places = torch.linspace(-1, 1, 32)
    weight = mask.sum((1, 2))
    for sums in (mask.sum(1), mask.sum(2)):  # it moves in both directions
        centre = (sums * places).sum(1) / weight
        assert centre.abs().max() < 0.5 and centre.std() > 0.08


def test_colours_stand_out():
    means = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    colours = photodigits.contrasting(means, torch.Generator().manual_seed(1))
    distance = (colours - means).norm(dim=1)
    assert distance.min() > 0.3 and (distance >= 0.5).float().mean() > 0.99
    assert colours.std() > 0.2


@pytest.mark.parametrize("size", [16, 32])
def test_the_data_set(size):
    X, y, X_held_out, y_held_out = data.digits_on_photos(size=size)
    assert X.shape == (10_000, 3, size, size) and len(y_held_out) == 2_000
    assert y.dtype == torch.int64 and y.bincount(minlength=10).min() > 800
    if size == 32:
        assert torch.allclose(X.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
        assert torch.allclose(X.std((0, 2, 3)), torch.ones(3), atol=1e-4)
    held_out = data.digits_on_photos(size=size, held_out="validation")
    assert torch.equal(X, held_out.X)
    assert not torch.equal(X_held_out, held_out.X_held_out)


def test_it_is_the_same_wherever_it_is_made(monkeypatch, tmp_path):
    kept = data._painted(0)
    digest = hashlib.sha256(kept["y_train"].tobytes()).hexdigest()[:8]
    assert digest == "9d530dbf"
    means = [kept[f"X_{part}"].mean() for part in data.PARTS]
    np.testing.assert_allclose(means, [104.04, 103.45, 105.52], atol=0.01)
    monkeypatch.setenv("L2O_DATA", str(tmp_path))  # an empty cache
    first, second = data.digits_on_photos(), data.digits_on_photos()
    assert torch.equal(first.X, second.X) and len(list(tmp_path.iterdir())) == 1


def test_no_digit_is_in_two_parts(monkeypatch):
    seen = []

    def spy(digits, photographs, generator):
        seen.append({row.numpy().tobytes() for row in digits})
        return torch.zeros(len(digits), 3, 32, 32)

    monkeypatch.setattr(photodigits, "paint", spy)
    data._painted(0)
    train, validation, test = seen
    assert not (train & validation or train & test or validation & test)
    assert len(train | validation | test) > 0.95 * len(load_digits().target)


def test_some_labels_are_a_part_of_all():
    whole, others = (
        data.digits_on_photos(),
        data.digits_on_photos(data.LABELS["others"]),
    )
    rows = whole.y >= 5
    assert torch.equal(others.X, whole.X[rows]) and torch.equal(others.y, whole.y[rows])
    assert set(others.y_held_out.tolist()) == {5, 6, 7, 8, 9}
    assert not set(data.LABELS["five"]) & set(data.LABELS["others"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"labels": (1, 11)},
            r"labels=\[1, 11\]: the train pictures hold no class \[11\]",
        ),
        ({"labels": ()}, r"labels=\[\]: .*there are \[0, 1"),
        ({"held_out": "tset"}, "held_out='tset': use \"validation\""),
        ({"size": 28}, "size=28: there are pictures of 16 and of 32"),
    ],
)
def test_what_is_not_there(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.digits_on_photos(**arguments)
