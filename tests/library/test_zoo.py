"""Thirty small models of all kinds: LearnedOptimizer steps each, all it owns moves."""

import pytest
import torch
from torch import nn

from l2o_kit.deploy import LearnedOptimizer

X, PICTURES = torch.randn(8, 6), torch.randn(4, 3, 8, 8)
WORDS, SERIES = torch.randint(20, (4, 7)), torch.randn(4, 7, 6)


class Scale(nn.Module):
    """One number: a parameter without a dimension."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.scale * x


class Tied(nn.Module):
    """The embedding is the last layer, too."""

    def __init__(self):
        super().__init__()
        self.words, self.out = nn.Embedding(20, 6), nn.Linear(6, 20, bias=False)
        self.out.weight = self.words.weight

    def forward(self, x):
        return self.out(self.words(x).tanh())


class Residual(nn.Module):
    """A block of a residual network."""

    def __init__(self, channels=4):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Linear(channels, 2)

    def forward(self, x):
        x = self.first(x).relu()
        x = x + self.second(self.norm(x).relu())
        return self.out(x.mean((2, 3)))


class Last(nn.Module):
    """A recurrent network's last output."""

    def __init__(self, kind, **more):
        super().__init__()
        self.core, self.out = kind(6, 5, batch_first=True, **more), nn.LazyLinear(1)

    def forward(self, x):
        return self.out(self.core(x)[0][:, -1])


def row(*layers):
    return lambda: nn.Sequential(*(layer() for layer in layers))


def linear(n, m, **more):
    return lambda: nn.Linear(n, m, **more)


def conv(n, m, **more):
    return lambda: nn.Conv2d(n, m, 3, padding=1, **more)


ZOO = {
    "linear": (linear(6, 1), X),
    "no bias": (linear(6, 1, bias=False), X),
    "one weight": (lambda: nn.Linear(1, 1), X[:, :1]),
    "a scalar": (Scale, X),
    "mlp, sigmoid": (row(linear(6, 5), nn.Sigmoid, linear(5, 1)), X),
    "mlp, relu": (row(linear(6, 32), nn.ReLU, linear(32, 1)), X),
    "mlp, gelu": (row(linear(6, 9), nn.GELU, linear(9, 9), nn.SiLU, linear(9, 2)), X),
    "mlp, prelu": (row(linear(6, 4), nn.PReLU, linear(4, 1)), X),
    "deep": (row(*[f for _ in range(10) for f in (linear(6, 6), nn.Tanh)]), X),
    "wide": (row(linear(6, 2000), nn.Tanh, linear(2000, 1)), X),
    "bilinear": (lambda: Pair(nn.Bilinear(6, 6, 2)), X),
    "layer norm": (row(linear(6, 8), lambda: nn.LayerNorm(8), linear(8, 1)), X),
    "batch norm": (row(linear(6, 8), lambda: nn.BatchNorm1d(8), linear(8, 1)), X),
    "rms norm": (row(linear(6, 8), lambda: nn.RMSNorm(8), linear(8, 1)), X),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), X),
    "dropout": (row(linear(6, 8), nn.Dropout, linear(8, 1)), X),
    "lazy": (row(lambda: nn.LazyLinear(4), nn.ReLU, lambda: nn.LazyLinear(1)), X),
    "convolution": (conv(3, 4), PICTURES),
    "grouped convolution": (conv(3, 6, groups=3), PICTURES),
    "dilated convolution": (conv(3, 4, dilation=2), PICTURES),
    "transposed convolution": (lambda: nn.ConvTranspose2d(3, 2, 2), PICTURES),
    "convolution in a row": (row(lambda: nn.Conv1d(7, 3, 3), nn.ReLU), SERIES),
    "group norm": (row(conv(3, 4), lambda: nn.GroupNorm(2, 4)), PICTURES),
    "residual": (Residual, PICTURES),
    "embedding": (row(lambda: nn.Embedding(20, 5), linear(5, 1)), WORDS),
    "tied": (Tied, WORDS),
    "rnn": (lambda: Last(nn.RNN), SERIES),
    "gru": (lambda: Last(nn.GRU, bidirectional=True), SERIES),
    "lstm": (lambda: Last(nn.LSTM, num_layers=2), SERIES),
    "transformer": (
        lambda: nn.TransformerEncoderLayer(6, 2, 12, batch_first=True),
        SERIES,
    ),
}


class Pair(nn.Module):
    """A module of two inputs, given the same one twice."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x, x)


@pytest.mark.parametrize("name", ZOO)
def test_it_steps_every_model(name):
    torch.manual_seed(0)
    make, x = ZOO[name]
    model = make()
    model(x)  # lazy layers take their shape
    optimizer = LearnedOptimizer(model.parameters(), "digits_robust", lr=0.1)
    start = [p.detach().clone() for p in model.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()
    assert len(optimizer.state) == len(start)
    for before, after in zip(start, model.parameters(), strict=True):
        assert after.isfinite().all() and not torch.equal(before, after)


def test_there_are_thirty():
    assert len(ZOO) == 30
