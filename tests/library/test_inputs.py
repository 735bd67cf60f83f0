"""What Network says of data, modules and losses that do not fit; the data sets."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.network import Network, mlp

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(20, 4, generator=GENERATOR)
Y = torch.arange(20) % 2
PICTURES = torch.randint(0, 256, (20, 1, 2, 2), generator=GENERATOR).byte()


def with_layer(layer):
    return nn.Sequential(nn.Linear(4, 3), layer, nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Network(mlp([4, 2]), X, Y + 1),
            r"classes 1 to 2, and the network has "
            r"2 outputs: classes must be 0 to 1",
        ),
        (lambda: Network(mlp([4, 2]), X, Y - 1), "classes -1 to 0"),
        (lambda: Network(mlp([4, 2]), X, Y, X, Y + 5), "y_held_out holds classes 5"),
        (
            lambda: Network(mlp([4, 2]), X, Y.float()),
            r"y is torch.float32, and cross-"
            r"entropy wants class numbers. Use y.long\(\)",
        ),
        (lambda: Network(mlp([4, 2]), X, 0 * Y), "one class only, 0"),
        (
            lambda: Network(nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), X, Y),
            r"for 2 examples have shape \[2\], and cross-entropy wants a row",
        ),
        (
            lambda: Network(mlp([4, 2]), PICTURES.flatten(1), Y),
            r"X is torch.uint8.*"
            r"Use X.float\(\), pictures X.float\(\) / 255",
        ),
        (lambda: Network(mlp([4, 2]), PICTURES.float(), Y), r"X.flatten\(1\) makes"),
        (lambda: Network(mlp([5, 2]), X, Y), "first layer's inputs with the columns"),
        (lambda: Network(with_layer(nn.Dropout(0.5)), X, Y), "a Dropout: its .*eval"),
        (
            lambda: Network(with_layer(nn.BatchNorm1d(3)), X, Y),
            "is a BatchNorm1d with running statistics.*track_running_stats=False",
        ),
        (lambda: Network(mlp([4, 1]), X, Y, loss=F.mse_loss), "would spread"),
        (
            lambda: Network(mlp([4, 1]), X, X[:, 0], loss=F.mse_loss),
            r"spread to every "
            r"pair. Use y\[:, None\]",
        ),
        (
            lambda: Network(mlp([4, 1]), X, X[:, :1], loss=F.l1_loss, batch_size=0),
            "batch_size=0",
        ),
        (
            lambda: Network(
                mlp([4, 1]), X, Y[:, None], loss=F.binary_cross_entropy_with_logits
            ),
            r"loss fails for "
            r"outputs \[2, 1\] torch.float32 and targets \[2, 1\] torch.int64",
        ),
        (lambda: data.digits(0), "size=0"),
    ],
)
def test_bad_input_says_what_was_seen_and_what_to_do(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_layers_that_are_quiet_are_welcome():
    quiet = with_layer(nn.BatchNorm1d(3, track_running_stats=False))
    for module in (
        with_layer(nn.Dropout(0.5)).eval(),
        quiet,
        with_layer(nn.Dropout(0)),
    ):
        network = Network(module, X, Y, batch_size=4)
        problem = network.sample(2, torch.Generator().manual_seed(0))
        loss, grad = problem.value_and_grad(problem.theta0, torch.ones(2, 4).long())
        assert loss.isfinite().all() and grad.isfinite().all()


def test_a_constant_column_is_centred_and_left_alone():
    train = torch.cat([X, torch.full((20, 1), 7.0)], 1)
    held_out = train[:3] + 1
    scaled, others = data.standardize(train, held_out)
    torch.testing.assert_close(scaled[:, :4].std(0), torch.ones(4))
    assert (scaled[:, 4] == 0).all() and (others[:, 4] == 1).all()


def test_scales_are_fitted_on_the_training_part_alone():
    """Another held-out part leaves the training part as it is."""
    train = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    one, _ = data.standardize(train, train[:5])
    two, _ = data.standardize(train, 1e6 + train[:5])
    assert torch.equal(one, two)


def test_data_sets_hold_scikit_learns_numbers_split_once():
    from sklearn.datasets import load_breast_cancer, load_diabetes

    for made, load in (
        (data.diabetes(), load_diabetes),
        (data.breast_cancer(), load_breast_cancer),
    ):
        raw = load()
        rows = raw.data[
            torch.randperm(len(raw.data), generator=data.stream(0, "split"))
        ]
        train = rows[: len(made.X)]
        scaled = (rows - train.mean(0)) / train.std(0, ddof=1)
        everything = torch.cat([made.X, made.X_held_out])
        np.testing.assert_allclose(everything.numpy(), scaled, atol=1e-4)
        torch.testing.assert_close(
            made.X.mean(0), torch.zeros(made.X.shape[1]), atol=1e-5, rtol=0
        )
    assert data.diabetes().y.shape == (354, 1) and data.breast_cancer().y.max() == 1


def test_large_digits_are_the_small_ones_enlarged():
    small, large = data.digits(), data.digits(28)
    assert large.X.shape == (1438, 784) and torch.equal(small.y, large.y)
    pooled = F.adaptive_avg_pool2d(large.X.view(-1, 1, 28, 28), 8).flatten(1)
    both = torch.stack([pooled.flatten(), small.X.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.95
    assert large.X.min() >= 0 and large.X.max() <= 1
