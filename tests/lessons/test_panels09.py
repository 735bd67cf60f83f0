"""The panels of lesson 09 against independent computations; stored rows, anew."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from l2o_kit import data, plots
from l2o_kit.baselines import RULES, SIX
from l2o_kit.checkpoint import from_config, load
from l2o_kit.evaluate import optimize, start
from l2o_kit.lessons.l09_art import claims, photographs, places, styles
from l2o_kit.lessons.l09_art import standings as artrace
from l2o_kit.lessons.l09_art.art import StyleTransfer
from l2o_kit.lessons.l09_art.paint import Paint, PaintOwn
from l2o_kit.lessons.l09_art.standings import ArtRace, larger_question
from l2o_kit.lessons.recipes import RECIPES
from l2o_kit.lessons.stored import read

PLACES = {
    "home": {},
    "large": {"size": 128},
    "new": {"style": ("brush", "dots", "flower")},
}
NAMES = ("learned", "before", *RULES)  # in the order of the stored losses
CONTENTS = ("china", "flower", "grace_hopper")
STEPS = 8  # of what is painted here: frames at 0, 4 and 8


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name.replace("_", " ")].value = value
    return panel


# Stored rows, recomputed


def test_a_random_tuned_rate_is_no_worse_than_its_neighbours(draw):
    name, apart = draw(RULES, (1.36, 2.5))
    rate = float(read("gallery_home")["rates"][list(RULES).index(name)])
    best, scores = places.rival(name, rate), []
    for lr in (rate, apart * rate, rate / apart):
        losses = optimize(
            replace(best, lr=lr),
            StyleTransfer(content="validation"),
            steps=128,
            batch=4,
            purpose="tuning",
        ).losses
        scores.append(float(losses[1:].mean().nan_to_num(np.inf)))
    assert best.cosine_steps == (128 if "cosine" in name else None)
    assert scores[0] <= 1.1 * min(scores), (best, apart, scores)


def first_pictures(where, count):
    """The first of the sixteen test pictures of a place."""
    pictures = StyleTransfer(content="test", **PLACES[where])
    painting = pictures.sample(16, data.stream(0, "problems"))
    for name in ("theta0", "content", "content_map", "spread"):
        setattr(painting, name, getattr(painting, name)[:count])
    for name in ("grams", "scales"):
        setattr(painting, name, [part[:count] for part in getattr(painting, name)])
    return painting


@torch.no_grad()
def test_a_random_rule_is_as_stored_on_its_first_pictures(draw):
    where, name = draw(PLACES, NAMES)
    rows = read(f"gallery_{where}")
    if name in RULES:
        rule = places.rival(name, rows["rates"][list(RULES).index(name)])
    else:
        rule = load("neural_art")
    if name == "before":  # as it was when its meta-training began
        rule = from_config(RECIPES["neural_art"].config)
        rule.load_state_dict(load("digits_robust").state_dict())
    painting = first_pictures(where, 1 if where == "large" else 2)
    theta, losses = painting.theta0.clone(), []
    step = start(rule, theta)
    for _ in range(129):
        loss, grad = painting.value_and_grad(theta)
        losses.append(loss.numpy())
        step(grad)
    row = rows["losses"][NAMES.index(name), :, : len(theta)]
    np.testing.assert_allclose(losses[0], row[0], rtol=1e-4)
    np.testing.assert_allclose(
        np.mean(losses, 0), row.mean(0), rtol=0.05, err_msg=f"{name}, {where}"
    )


# Who is ahead


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("measure", "first"), [("all steps", 1), ("the last tenth", 117)]
)
def test_dots_and_ratios_are_the_stored_means(place, measure, first):
    panel = set_to(ArtRace(), place=place, measure=measure)
    losses = read(f"gallery_{place}")["losses"].astype(float)
    means = losses[:, first:].mean((1, 2))
    six = dict(zip(SIX, means[2:8], strict=True))  # after learned and before
    best = min(six, key=six.get)
    shown = [panel.dots[name].get_xdata()[1] for name in NAMES]
    np.testing.assert_allclose(shown, np.clip(means / six[best], 0.4, 2.0), rtol=1e-5)
    assert f"the best of six tuned rivals is {best}." in panel.text
    for name, mean in zip(("learned", "before"), means, strict=False):
        assert f"{name} {mean / six[best]:.2f} (" in panel.text
    ratio, low, high, against = claims.ahead(place, SIX, first, quick=True)
    assert panel.result["ratios"]["learned"] == pytest.approx((ratio, low, high))
    assert against == best


def test_curves_are_the_stored_ones_over_the_first_loss(draw):
    place, name = draw(PLACES, RULES)
    panel = set_to(ArtRace(), place=place, rival=name)
    losses = read(f"gallery_{place}")["losses"].astype(float)
    np.testing.assert_allclose(losses[:, 0].mean(1), losses[0, 0].mean(), rtol=1e-4)
    curves = losses.mean(2) / losses[0, 0].mean()
    for line, row in (
        (panel.lines["learned"], 0),
        (panel.lines["before"], 1),
        (panel.rival, NAMES.index(name)),
    ):
        np.testing.assert_allclose(line.get_ydata(), curves[row])
    assert f"{name} has {losses[NAMES.index(name), 1:].mean():.3f}." in panel.text


def test_the_legend_names_the_rival_that_is_drawn():
    panel = ArtRace()
    pictures = set()
    for name in RULES:
        set_to(panel, rival=name)
        texts = [text.get_text() for text in panel.legend.get_texts()]
        assert texts == ["learned", "before", name]
        look = plots.style(name)
        for line in (panel.rival, panel.legend.legend_handles[-1]):
            assert line.get_color() == look["color"]
            assert line.get_linestyle() == look["linestyle"]
            assert line.get_marker() == look["marker"]
        assert panel.legend in panel.moving
        pictures.add(panel.picture)
    assert len(pictures) == len(RULES)


def test_larger_pictures_are_answered_by_what_is_stored():
    ratios = []
    for place in ("home", "large"):
        losses = read(f"gallery_{place}")["losses"][:, 1:].astype(float)
        ratios.append(losses[0].mean() / losses[2 + SIX.index("Adam")].mean())
    change, measured = ratios[1] - ratios[0], larger_question().measured()
    expected = "As" if abs(change) <= 0.05 else "Further" if change < 0 else "Less"
    assert measured.split()[0] == expected


def test_every_answer_to_larger_pictures_has_its_losses(monkeypatch):
    for ratio, word in ((0.3, "Further"), (0.52, "As"), (0.7, "Less")):
        losses = {"home": np.ones((9, 129, 16)), "large": np.ones((9, 129, 16))}
        losses["home"][0], losses["large"][0] = 0.5 * 3, ratio * 4
        losses["home"][7], losses["large"][7] = 3, 4  # Adam
        monkeypatch.setattr(artrace, "_losses", losses.__getitem__)
        assert larger_question().measured().split()[0] == word


# Painting


def run(panel, steps=STEPS):
    panel.steps = steps
    panel.run()
    panel.wait(120)
    return panel


def by_hand(content, style, rule, **weights):
    """(frames, losses) of eight steps: autograd, and torch's Adam or the LSTM."""
    transfer = StyleTransfer([style], [content], **weights)
    painting = transfer.sample(1, data.stream(0, "paint"))
    theta = painting.theta0.clone().requires_grad_()
    adam = torch.optim.Adam([theta], lr=rule) if isinstance(rule, float) else None
    state = None if adam else rule.initial_state(theta.numel())
    frames, losses = [], []
    for _ in range(STEPS + 1):
        frames.append(theta.detach().clone().view(content.shape).clamp(0, 1))
        (loss,) = painting.loss(theta)
        losses.append(float(loss.detach()))
        (theta.grad,) = torch.autograd.grad(loss, theta)
        if adam:
            adam.step()
            continue
        with torch.no_grad():
            update, state = rule(theta.grad.flatten(), state)
            theta += update
    return [frame.permute(1, 2, 0).numpy() for frame in frames[::4]], losses


PICTURES = [
    ("china", "mosaic", 64, "home"),
    ("flower", "brush", 64, "new"),
    ("grace_hopper", "waves", 128, "large"),
]


@pytest.mark.parametrize(("content", "style", "size", "place"), PICTURES)
def test_both_paint_as_they_would_by_hand(content, style, size, place):
    weights = {"style_weight": 10**0.5, "content_weight": 10**-2.5, "tv_weight": 1.0}
    panel = run(set_to(Paint(), content=content, style=style, size=size, **weights))
    region = photographs.regions("test")[CONTENTS.index(content)]
    rate = read(f"gallery_{place}")["rates"][list(RULES).index("Adam")]
    for name, rule in (("learned", load("neural_art")), ("Adam", float(rate))):
        frames, losses = by_hand(
            photographs.square(region, size), styles.style(style), rule, **weights
        )
        shown = panel.lines[name].get_ydata()
        np.testing.assert_allclose(panel.result["losses"][name], losses, rtol=1e-3)
        np.testing.assert_allclose(shown, np.clip(losses, 0.01, 6), rtol=1e-3)
        np.testing.assert_allclose(panel.result["frames"][name], frames, atol=0.02)
        assert f"{name} {panel.result['losses'][name][8]:.3f} (mean" in panel.text
    picture = styles.style(style).permute(1, 2, 0)
    np.testing.assert_allclose(panel.images["style"].get_array(), picture, atol=1e-6)
    assert f"{content} in {style}, {size} pixels" in panel.text


def test_the_step_is_only_looked_at(monkeypatch):
    panel = run(Paint())
    monkeypatch.setattr(panel, "paint", None)  # another run would fail
    result = panel.result
    for step, shot in ((0, 0), (4, 1), (8, 2), (128, 2)):  # only 8 steps were painted
        set_to(panel, step=step)
        for name in ("learned", "Adam"):
            shown = panel.images[name].get_array()
            np.testing.assert_array_equal(shown, result["frames"][name][shot])
        assert f"step {4 * shot}: the loss is" in panel.text
        assert panel.now.get_xdata() == [4 * shot] * 2
        assert "out of date" not in panel._status.value
        assert "opacity:1.0" in panel._picture.value
    assert panel.result["frames"] is result["frames"]


def test_another_content_is_out_of_date_until_it_is_back():
    panel = run(Paint())
    shown = panel.images["Adam"].get_array().copy()
    for name, other in (
        ("content", "flower"),
        ("style", "dots"),
        ("size", 128),
        ("tv_weight", 1.0),
    ):
        was = panel.controls[name.replace("_", " ")].value
        set_to(panel, **{name: other})
        assert "out of date" in panel._status.value
        assert "opacity:0.35" in panel._picture.value
        set_to(panel, step=panel.controls["step"].value - 4)  # still so
        assert "out of date" in panel._status.value and "china in mosaic" in panel.text
        set_to(panel, **{name: was}, step=128)
        assert "out of date" not in panel._status.value
        assert "opacity:1.0" in panel._picture.value
    np.testing.assert_array_equal(panel.images["Adam"].get_array(), shown)


def test_stop_ends_it_and_keeps_what_is_shown(monkeypatch):
    panel, threads = run(Paint()), []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    result, panel.steps = panel.result, 100_000  # hours
    set_to(panel, content="flower")
    panel.run()
    time.sleep(0.2)
    panel.stop()
    panel.wait(20)
    assert "Stopped at" in panel._status.value and panel.result is result
    assert threads == [1, 7] and not panel._run.disabled


# Your own picture


def png(mode="RGB", size=(64, 64), seed=0):
    """(the bytes of a smooth, random PNG, its pixels in that mode)."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, bands), dtype=np.uint8)
    layers = [Image.fromarray(band).resize(size) for band in np.moveaxis(small, 2, 0)]
    image, file = Image.merge(mode, layers), io.BytesIO()
    image.save(file, "png")
    return file.getvalue(), np.asarray(image, dtype=np.float32) / 255


def upload(panel, content):
    """As the browser does: state from the front end, in ipywidgets 8's form."""
    file = {"name": "mine.png", "type": "image/png", "last_modified": 1_700_000_000_000}
    file |= {"size": len(content), "content": memoryview(content)}
    panel.upload.set_state({"value": [file]})
    return panel


def test_your_picture_is_the_content():
    content, pixels = png()
    panel = run(set_to(upload(PaintOwn(), content), role="content", other="waves"))
    mine = torch.from_numpy(pixels).permute(2, 0, 1)
    frames, losses = by_hand(
        mine,
        styles.style("waves"),
        load("neural_art"),
        content_weight=10**-1.25,
        tv_weight=10**-0.75,
    )
    np.testing.assert_allclose(panel.result["frames"]["learned"], frames, atol=0.02)
    np.testing.assert_allclose(panel.result["losses"]["learned"], losses, rtol=1e-3)
    assert "your picture as content, waves, 64 pixels" in panel.text


@pytest.mark.parametrize("other", ["china", "mosaic"])
def test_your_picture_is_the_style(other):
    content, pixels = png(size=(80, 48))
    panel = run(set_to(upload(PaintOwn(), content), role="style", other=other))
    np.testing.assert_allclose(panel.images["style"].get_array(), pixels, atol=1e-6)
    picture = (
        styles.style(other)
        if other == "mosaic"
        else photographs.regions("test")[CONTENTS.index(other)]
    )
    mine = torch.from_numpy(pixels).permute(2, 0, 1)
    frames, losses = by_hand(
        photographs.square(picture, 64),
        mine,
        load("neural_art"),
        content_weight=10**-1.25,
        tv_weight=10**-0.75,
    )
    np.testing.assert_allclose(panel.result["frames"]["learned"], frames, atol=0.02)
    np.testing.assert_allclose(panel.result["losses"]["learned"], losses, rtol=1e-3)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_grey_and_transparent_pictures_are_taken(mode):
    content, pixels = png(mode)
    panel = upload(PaintOwn(), content)
    assert "press Run" in panel._status.value and "alert" not in panel._status.value
    colours, alpha = (
        (pixels, 1) if mode == "L" else (pixels[..., :-1], pixels[..., -1:])
    )
    colours = colours.reshape(64, 64, -1) * np.ones(3)
    expected = np.ones(3) * (colours * alpha + 1 - alpha)  # on white
    np.testing.assert_allclose(panel.own.permute(1, 2, 0), expected, atol=0.01)
    run(set_to(panel, role="style"), steps=4)
    shown = panel.images["style"].get_array()
    np.testing.assert_allclose(shown, expected, atol=0.01)


BAD = {
    "no picture": (b"not a picture", "no picture that can be read"),
    "cut off": (png()[0][:-200], "damaged or cut off"),
    "thin": (png(size=(1, 64))[0], "1 x 64 pixels"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_picture_is_refused_and_the_one_before_kept(bad):
    content, words = BAD[bad]
    panel = upload(PaintOwn(), content)
    assert panel.own is None and 'role="alert"' in panel._status.value
    assert words in panel._status.value and "kept" in panel._status.value
    upload(panel, png()[0])
    mine = panel.own
    assert mine.shape == (3, 64, 64) and "alert" not in panel._status.value
    upload(panel, content)
    assert panel.own is mine and 'role="alert"' in panel._status.value
    upload(panel, png(seed=1)[0])  # and a good one after it is taken
    assert panel.own is not mine and "alert" not in panel._status.value


def test_a_new_picture_puts_the_one_shown_out_of_date():
    panel = run(PaintOwn(), steps=4)
    assert "an example as content" in panel.text
    shown = panel.images["learned"].get_array().copy()
    upload(panel, png()[0])
    assert "out of date" in panel._status.value
    assert "opacity:0.35" in panel._picture.value
    set_to(panel, step=0)
    set_to(panel, step=4)
    assert "out of date" in panel._status.value
    np.testing.assert_array_equal(panel.images["learned"].get_array(), shown)
    assert "an example as content" in panel.text  # that is what is shown
    run(panel, steps=4)
    assert "your picture as content" in panel.text
    assert "out of date" not in panel._status.value
    assert not np.allclose(panel.images["learned"].get_array(), shown)
    upload(panel, png(seed=1)[0])  # a second picture of one's own
    assert "out of date" in panel._status.value
    assert "opacity:0.35" in panel._picture.value


def test_a_picture_that_comes_while_another_is_painted_waits_for_run(monkeypatch):
    panel = PaintOwn()
    paint = panel.paint

    def interrupted(*arguments):
        if panel.own is None:
            upload(panel, png()[0])
        return paint(*arguments)

    monkeypatch.setattr(panel, "paint", interrupted)
    run(panel, steps=4)
    assert "an example as content" in panel.text
    assert "out of date" in panel._status.value


def test_pictures_side_by_side_are_shown_as_they_are():
    pictures = [styles.style("mosaic", 32), styles.style("waves", 32)]
    picture = plots.wall(pictures, ["mosaic", "waves"])
    assert picture.alt == "2 pictures side by side: mosaic, waves"
    for ax, shown in zip(picture.figure.axes, pictures, strict=True):
        drawn = torch.from_numpy(np.asarray(ax.images[0].get_array()))
        torch.testing.assert_close(drawn.permute(2, 0, 1).float(), shown)
