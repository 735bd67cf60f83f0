"""A tinkerer's path: own module and DataLoader, to training, to a file, to its use."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import l2o_kit as l2o
from l2o_kit import data


def a_loader(n=200, batch_size=32):
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(n, 5, generator=draw)
    y = (X[:, :2].sum(1) > 0).long()
    return DataLoader(TensorDataset(X, y), batch_size=batch_size)


def a_model():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))


def losses_of(model, loader, optimizer):
    seen = []
    for _ in range(6):
        for X, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(X), y)
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
    return seen


def test_from_a_module_and_a_loader_to_a_file_to_training(tmp_path):
    loader = a_loader()
    network = l2o.Network(a_model(), *data.from_loader(loader), batch_size=32)
    rule = l2o.LSTMOptimizer()
    l2o.meta_train(
        rule, network, meta_steps=60, batch=4, lr=1e-2, on_step=lambda log: None
    )
    path = l2o.save(rule, tmp_path / "mine.safetensors", recipe="60 windows")
    assert l2o.load(path).provenance["recipe"] == "60 windows"
    torch.manual_seed(0)
    model = a_model()
    seen = losses_of(model, loader, l2o.LearnedOptimizer(model.parameters(), path))
    assert sum(seen[-7:]) < 0.5 * sum(seen[:7])


def test_a_loader_gives_all_its_examples_once_in_order():
    X, y = data.from_loader(a_loader(70, 32))
    whole = a_loader(70).dataset.tensors
    assert torch.equal(X, whole[0]) and torch.equal(y, whole[1])


def test_no_more_than_most_and_no_further_reading():
    read = []

    def batches():
        for k in range(10):
            read.append(k)
            yield torch.full((4, 2), float(k)), torch.full((4,), k)

    X, y = data.from_loader(batches(), most=6)
    assert X.shape == (6, 2) and y.tolist() == [0, 0, 0, 0, 1, 1] and read == [0, 1]


@pytest.mark.parametrize(
    "loader, message",
    [
        ([torch.ones(3, 2)], "gives a Tensor, and pairs"),
        ([(1, 2, 3)], "gives a tuple"),
        ([{"X": 1}], "gives a dict"),
        ([], "empty"),
    ],
)
def test_loaders_that_give_no_pairs_are_refused(loader, message):
    with pytest.raises(ValueError, match=message):
        data.from_loader(loader)
