"""Neural art: against loops, finite differences, brute force; what it refuses."""

import sys
import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from l2o_kit import photodigits
from l2o_kit.baselines import Baseline
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l09_art import features, photographs, styles
from l2o_kit.lessons.l09_art.art import StyleTransfer, match_colours, total_variation
from l2o_kit.lessons.l09_art.features import VGG19, RandomFilters, blur, gram
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.trainer import meta_train

SMALL = {"size": 16, "features": RandomFilters(filters=2)}


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def images(batch=2, height=16, width=12, seed=0, dtype=torch.float64):
    return torch.rand(batch, 3, height, width, generator=draw(seed)).to(dtype)


# --- features -------------------------------------------------------------------------


def test_gram_equals_a_loop_over_pairs_and_pixels():
    maps = images()
    expected = torch.zeros(2, 3, 3, dtype=torch.float64)
    for b in range(2):
        for j in range(3):
            for k in range(3):
                for y in range(16):
                    for x in range(12):
                        expected[b, j, k] += maps[b, j, y, x] * maps[b, k, y, x]
    torch.testing.assert_close(gram(maps), expected / (16 * 12))


def test_random_filters_equal_a_loop_over_pixels():
    filters = RandomFilters(filters=1, sizes=(3, 5)).double()
    picture = images(1, 8, 7)
    (maps,), _ = filters(picture)
    assert maps.shape == (1, 2, 8, 7)
    for k, size in enumerate((3, 5)):
        weight = getattr(filters, f"weight{size}")[0]
        padded = F.pad(picture - 0.5, [size // 2] * 4, mode="reflect")[0]
        for y in range(8):
            for x in range(7):
                patch = padded[:, y : y + size, x : x + size]
                expected = (patch * weight).sum().clamp(min=0)
                torch.testing.assert_close(maps[0, k, y, x], expected)


def test_random_filters_have_unit_norm_and_come_from_their_seed_alone():
    before = torch.get_rng_state()
    first, again, other = RandomFilters(4), RandomFilters(4), RandomFilters(4, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    for size in features.SIZES:
        weight = getattr(first, f"weight{size}")
        torch.testing.assert_close(weight.flatten(1).norm(dim=1), torch.ones(4))
        assert torch.equal(weight, getattr(again, f"weight{size}"))
        assert not torch.equal(weight, getattr(other, f"weight{size}"))


def test_blur_equals_the_two_dimensional_kernel():
    picture = images(1, 9, 8)
    line = torch.exp(-(torch.arange(-2.0, 3.0).double() ** 2) / 2)
    kernel = torch.outer(line, line)
    kernel = (kernel / kernel.sum()).expand(3, 1, 5, 5)
    padded = F.pad(picture, [2] * 4, mode="reflect")
    torch.testing.assert_close(blur(picture), F.conv2d(padded, kernel, groups=3))


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"filters": 0}, "filters=0: give at least 1"),
        ({"sizes": (3, 4)}, r"sizes=\(3, 4\): filters have an odd number"),
        ({"sizes": ()}, r"sizes=\(\): filters have an odd number"),
    ],
)
def test_impossible_filters_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        RandomFilters(**arguments)


# --- styles ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", styles.MAKERS)
def test_another_seed_is_another_picture_of_the_style(name):
    first, second = (styles.style(name, 32, seed) for seed in (3, 4))
    assert not torch.equal(first, second)
    assert torch.equal(first, styles.MAKERS[name](32, draw(3)))


@pytest.mark.parametrize("name", styles.MAKERS)
@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_style_is_a_picture_that_its_seed_decides(name, size):
    make, before = styles.MAKERS[name], torch.get_rng_state()
    picture = make(size, draw(3))
    assert torch.equal(before, torch.get_rng_state())
    assert picture.shape == (3, size, size)
    assert picture.min() >= 0 and picture.max() <= 1
    assert torch.equal(picture, make(size, draw(3)))
    assert not torch.equal(picture, make(size, draw(4)))
    assert picture.flatten(1).std(1).max() > 0.1  # it is not blank


def test_the_mosaic_is_the_nearest_point_of_each_pixel_with_black_between():
    size, generator = 24, draw(5)
    picture = styles.mosaic(size, draw(5), cell=8.0)
    points = torch.rand(9, 2, generator=generator) * size
    which = torch.randint(5, (9,), generator=generator)
    palette = styles._colours("glass")
    black = 0
    for y in range(size):
        for x in range(size):
            distances = (points - torch.tensor([y, x])).norm(dim=1)
            a, b = distances.argsort()[:2]
            middle, apart = (points[a] + points[b]) / 2, points[a] - points[b]
            line = (torch.tensor([y, x]) - middle) @ apart / apart.norm()
            light = (line - 1.6).clamp(0, 1)
            black += int(light == 0)
            expected = palette[which[a]] * light
            torch.testing.assert_close(picture[:, y, x], expected, atol=1e-4, rtol=0)
    assert 0.1 < black / size**2 < 0.8


def test_photographs_are_styles_too_and_some_styles_are_new():
    assert torch.equal(
        styles.style("flower", 32),
        photographs.square(photodigits.shipped()["flower"], 32),
    )
    assert not set(styles.KNOWN) & set(styles.NEW)
    assert set(styles.KNOWN) | set(styles.NEW) <= set(styles.names())
    with pytest.raises(ValueError, match=r"style='cubism' is not known. Use one of"):
        styles.style("cubism")
    with pytest.raises(ValueError, match="size=3: a style needs at least 16"):
        styles.style("waves", 3)
    with pytest.raises(ValueError, match=r"palette='neon' is not known. Use one of"):
        styles.waves(32, draw(), "neon")


# --- colours --------------------------------------------------------------------------


def test_matched_colours_have_the_mean_and_covariance_of_the_style(monkeypatch):
    monkeypatch.setattr("l2o_kit.lessons.l09_art.art.FLOOR", 1e-12)
    # spread so little that nothing is cut off at 0 or 1
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.2], [0.3, 0.0, 0.6]]).double()
    content = 0.5 + 0.03 * torch.einsum("ij,jhw->ihw", mix, images(1)[0] - 0.5)
    style = 0.4 + 0.1 * (images(1, 20, 20, seed=1)[0] - 0.5)
    matched = match_colours(content, style).flatten(1)
    torch.testing.assert_close(matched.mean(1), style.flatten(1).mean(1))
    torch.testing.assert_close(
        matched.cov(), style.flatten(1).cov(), rtol=1e-2, atol=1e-6
    )


def test_matching_a_picture_to_itself_changes_nothing():
    picture = images(1)[0]
    torch.testing.assert_close(match_colours(picture, picture), picture)


def test_a_content_without_colour_is_matched_to_something_finite():
    for value in (0.0, 0.5, 1.0):
        flat = torch.full((3, 16, 16), value)
        matched = match_colours(flat, styles.style("mosaic", 32))
        assert matched.isfinite().all() and matched.flatten(1).std(1).max() < 1e-3


# --- the problem ----------------------------------------------------------------------


def by_hand(problem, theta):
    """The loss of problem 0, from its definition, a term at a time."""
    image = theta[0].view(1, *problem.shape)
    content = problem.content[:1]

    def distance(picture):
        maps = problem.features(picture)[0][0]
        return (gram(maps) - problem.grams[0][:1]).square().sum()

    style = distance(image) / distance(content)
    here, there = blur(image), blur(content)
    variance = ((there - there.mean((2, 3), keepdim=True)) ** 2).sum()
    content_term = ((here - there) ** 2).sum() / variance
    down = (image[:, :, 1:] - image[:, :, :-1]).square()
    right = (image[:, :, :, 1:] - image[:, :, :, :-1]).square()
    tv = (down + 1e-6).sqrt().mean() + (right + 1e-6).sqrt().mean()
    outside = (image - 1).clamp(min=0) + (-image).clamp(min=0)
    return style + 0.05 * content_term + 0.2 * tv + 10 * (outside**2).mean()


def test_the_loss_is_its_definition_and_the_gradient_that_of_autograd():
    task = StyleTransfer("mosaic", noise=0.4, **SMALL)
    problem = task.sample(2, draw(), torch.float64)
    theta = problem.theta0.clone().requires_grad_()
    expected = by_hand(problem, theta)
    (slope,) = torch.autograd.grad(expected, theta)
    loss, grad = problem.value_and_grad(problem.theta0)
    torch.testing.assert_close(loss[0], expected.detach())
    torch.testing.assert_close(grad[0], slope[0])
    assert loss.shape == (2,) and grad.shape == (2, task.coords) == (2, 768)


def test_the_gradient_equals_finite_differences():
    task = StyleTransfer("waves", noise=0.2, **SMALL)
    problem = task.sample(2, draw(), torch.float64)
    theta = problem.theta0
    _, grad = problem.value_and_grad(theta)
    for seed in range(5):
        direction = torch.randn(theta.shape, generator=draw(seed)).double()
        step = 1e-6 * direction
        slope = (problem.loss(theta + step) - problem.loss(theta - step)) / 2e-6
        torch.testing.assert_close(
            slope, (grad * direction).sum(1), rtol=1e-4, atol=1e-6
        )


def test_problems_side_by_side_do_not_meet():
    problem = StyleTransfer(**SMALL).sample(3, draw(), torch.float64)
    theta = problem.theta0.clone()
    before = problem.loss(theta)
    theta[1] += 0.1
    after = problem.loss(theta)
    assert torch.equal(before[[0, 2]], after[[0, 2]]) and before[1] != after[1]


def test_unpainted_content_has_style_one_and_content_zero():
    problem = StyleTransfer(noise=0.0, **SMALL).sample(3, draw(), torch.float64)
    terms = problem.terms(problem.theta0)
    torch.testing.assert_close(terms["style"], torch.ones(3).double())
    assert terms["content"].max() < 1e-12 and terms["range"].max() == 0
    torch.testing.assert_close(terms["tv"], total_variation(problem.content))


def test_each_weight_weighs_its_own_term():
    names = ("style", "content", "tv", "range")
    zero = {f"{name}_weight": 0.0 for name in names}
    full = StyleTransfer(noise=0.4, **SMALL).sample(2, draw(), torch.float64)
    terms = full.terms(full.theta0)
    for name in names:
        task = StyleTransfer(noise=0.4, **SMALL, **zero | {f"{name}_weight": 2.5})
        problem = task.sample(2, draw(), torch.float64)
        torch.testing.assert_close(problem.loss(problem.theta0), 2.5 * terms[name])


def test_problems_are_drawn_by_their_generator_alone():
    task, before = StyleTransfer(**SMALL), torch.get_rng_state()
    first, again, other = (task.sample(4, draw(seed)) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    for name in ("theta0", "content"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    assert not torch.equal(first.content[0], first.content[1])


def test_every_problem_draws_its_style_and_content_comes_from_the_split(monkeypatch):
    seen = []

    def crop(split, size, generator):
        seen.append(split)
        return torch.rand(3, size, size, generator=generator)

    monkeypatch.setattr("l2o_kit.lessons.l09_art.photographs.crop", crop)
    task = StyleTransfer(["mosaic", "waves", "dots"], "validation", **SMALL)
    problem = task.sample(60, draw())
    assert seen == ["validation"] * 60
    for style in task.grams[0]:
        count = sum(torch.equal(style, mine) for mine in problem.grams[0])
        assert 8 <= count <= 32
    means = torch.stack([s.mean((1, 2)) for s in task.styles])  # [styles, 3]
    nearest = torch.cdist(problem.content.mean((2, 3)), means).argmin(1)
    grams = torch.stack([g for g in task.grams[0]])
    assert torch.equal(problem.grams[0], grams[nearest])  # colours and style agree


def test_given_pictures_keep_their_shape_and_start_grey_where_asked():
    pictures = [torch.rand(3, 20, 31, generator=draw(k)) for k in range(2)]
    task = StyleTransfer(
        "brush", pictures, start="grey", noise=0.0, features=RandomFilters(2)
    )
    assert task.coords == 3 * 20 * 31
    problem = task.sample(5, draw())
    assert (problem.theta0 == 0.5).all()
    assert problem.images(problem.theta0 + 2).shape == (5, 3, 20, 31)
    assert problem.images(problem.theta0 + 2).max() == 1
    assert "given pictures in brush; 20x31 from grey, noise 0;" in repr(task)
    alone = StyleTransfer("brush", pictures[0], features=RandomFilters(2))
    assert alone.sample(1, draw()).content.shape == (1, 3, 20, 31)


def test_a_picture_may_be_the_style():
    style = styles.style("dots", 64)
    named, given = (StyleTransfer(s, **SMALL) for s in ("dots", styles.style("dots")))
    torch.testing.assert_close(named.grams[0], given.grams[0])
    assert "train in a picture" in repr(StyleTransfer(style, **SMALL))


BAD = [
    ({"style": "cubism"}, "style='cubism' is not known"),
    ({"style": []}, "style is empty"),
    ({"content": []}, "content is empty"),
    ({"content": "tset"}, "split='tset' is not known"),
    ({"content": torch.zeros(16, 16)}, r"and this is a Tensor \[16, 16\]"),
    ({"style": 3}, r"and this is a int \[\].*open_picture"),
    ({"content": torch.zeros(3, 16, 16).byte()}, "This picture is torch.uint8"),
    ({"content": torch.full((3, 16, 16), 255.0)}, "are 255 to 255; .* Divide by 255"),
    ({"style": torch.full((3, 16, 16), torch.nan)}, "are nan to nan; they must"),
    (
        {"content": [torch.zeros(3, 16, 16), torch.zeros(3, 16, 17)]},
        r"several sizes, \[\(16, 16\), \(16, 17\)\].*square",
    ),
    ({"size": 5}, "5 x 5 pixels is too small: these features need 6"),
    ({"content": torch.zeros(3, 1, 40)}, "1 x 40 pixels is too small"),
    ({"content_weight": -1.0}, "content_weight=-1.0: a weight is a number of at"),
    ({"tv_weight": float("nan")}, "tv_weight=nan: a weight is"),
    ({"start": "black"}, 'start=\'black\': use "content" or "grey"'),
    ({"noise": -0.1}, "noise=-0.1: the size of noise cannot be negative"),
    ({"features": "vgg16"}, "features='vgg16' is not known"),
    (
        dict.fromkeys(
            ("style_weight", "content_weight", "tv_weight", "range_weight"), 0
        ),
        "All four weights are 0",
    ),
]


@pytest.mark.parametrize("arguments, says", BAD)
def test_what_makes_no_sense_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        StyleTransfer(**SMALL | arguments)


def test_hand_made_and_learned_rules_paint_and_are_meta_trained():
    task = StyleTransfer("mosaic", **SMALL)
    curves = optimize(Baseline("Adam", 0.05), task, steps=20, batch=2)
    assert (curves.losses[-1] < curves.losses[0] / 2).all()
    learned = LSTMOptimizer(hidden_size=4, num_layers=1, preprocess="normalized")
    before = learned.lstm.w_out.detach().clone()
    short = {"horizon": 4, "unroll": 2, "batch": 2, "lr": 0.1, "on_step": print}
    log = meta_train(learned, task, meta_steps=2, **short)
    assert len(log.meta_losses) == 2 and not torch.equal(before, learned.lstm.w_out)
    exact = meta_train(learned, task, meta_steps=1, second_derivatives=True, **short)
    assert exact.meta_losses[0] > 0


def test_a_problem_moves_as_a_whole():
    problem = StyleTransfer(**SMALL).sample(1, draw()).to("meta")
    assert problem.theta0.device.type == problem.features.weight3.device.type == "meta"
    assert problem.grams[0].device.type == problem.scales[0].device.type == "meta"
    assert problem.loss(problem.theta0).device.type == "meta"


# --- VGG-19 ---------------------------------------------------------------------------


def small_vgg(weights):
    """The layers of VGG-19 in order, with 4 channels in place of 64 to 512."""
    layers, channels = [], 3
    for count in (2, 2, 4, 4, 4):
        for _ in range(count):
            layers += [nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(inplace=True)]
            channels = 4
        layers.append(nn.MaxPool2d(2))
    return types.SimpleNamespace(features=nn.Sequential(*layers), weights=weights)


def pretend_torchvision(monkeypatch, vgg19):
    models = types.ModuleType("torchvision.models")
    models.vgg19 = vgg19
    models.VGG19_Weights = types.SimpleNamespace(IMAGENET1K_V1="trained")
    module = types.ModuleType("torchvision")
    module.models = models
    monkeypatch.setitem(sys.modules, "torchvision", module)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def test_vgg19_gives_the_layers_of_the_paper(monkeypatch):
    asked = []
    pretend_torchvision(
        monkeypatch, lambda weights: asked.append(weights) or small_vgg(weights)
    )
    network = VGG19().double()
    assert asked == ["trained"] and len(network.layers) == 30  # the last is relu5_1
    picture = images(1, 32, 32)
    maps, content = network(picture)
    assert [m.shape[2] for m in maps] == [32, 16, 8, 4, 2] and content.shape[2] == 4
    mean = torch.tensor([0.485, 0.456, 0.406]).double().view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).double().view(1, 3, 1, 1)
    x = (picture - mean) / std
    torch.testing.assert_close(maps[0], network.layers[0](x).relu())
    torch.testing.assert_close(content, network.layers[:23](x))
    assert not any(p.requires_grad for p in network.parameters())


def test_vgg19_paints(monkeypatch):
    pretend_torchvision(monkeypatch, small_vgg)
    task = StyleTransfer("mosaic", size=32, features="vgg19")
    problem = task.sample(2, draw(), torch.float64)
    loss, grad = problem.value_and_grad(problem.theta0)
    assert loss.isfinite().all() and grad.abs().sum(1).min() > 0
    assert len(problem.grams) == 5 and "VGG19()" in repr(task)
    with pytest.raises(ValueError, match=r"8 x 8 pixels is too small: .* need 16"):
        StyleTransfer("mosaic", size=8, features="vgg19")


def test_without_torchvision_or_its_weights_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # import fails
    with pytest.raises(ValueError, match=r'pip install torchvision.*features="random"'):
        StyleTransfer(features="vgg19")

    def no_network(weights):
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    pretend_torchvision(monkeypatch, no_network)
    with pytest.raises(ValueError, match=r"548 MB.*Name or service.*Check the"):
        StyleTransfer(features="vgg19")
