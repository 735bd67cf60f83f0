"""Panels: every control to both ends, guesses, errors, Run and Stop, film-strips."""

import io
import re
import threading
import time

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from l2o_kit.baselines import RULES
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l00_start.race import (
    RACE_RATES,
    FreshRace,
    Race,
    noisy_digits,
    race_rival,
)
from l2o_kit.lessons.l01_descent.landscape import Landscape
from l2o_kit.lessons.l02_meta_gradient.laboratory import Laboratory
from l2o_kit.lessons.l02_meta_gradient.unrolled import STEPS, WEIGHTS, Unrolled
from l2o_kit.lessons.l07_softmax.paths import Paths
from l2o_kit.lessons.l09_art.standings import ArtRace
from l2o_kit.lessons.l10_take_home.costs_panel import CostMeter
from l2o_kit.lessons.stored import read
from l2o_kit.plots import new_figure
from l2o_kit.teaching.guess import Guess
from l2o_kit.teaching.panel import Panel
from l2o_kit.teaching.run_panel import Job, RunPanel, Stopped
from l2o_kit.teaching.strips import film_strip
from l2o_kit.teaching.sweep import caption, ends
from tests.rooms import ALL


class Line(Panel):
    """A line of slope a; a = 3 is an error."""

    title = "A line"

    def make_controls(self):
        return {"a": widgets.IntSlider(1, 0, 5)}

    def compute(self, state):
        self.computed = [*getattr(self, "computed", []), state["a"]]
        if state["a"] == 3:
            raise ValueError("three <is> too many")
        return state["a"]

    def make_figure(self):
        figure, (ax,) = new_figure()
        (self.line,) = ax.plot([0, 1], [0, 1])
        ax.set_ylim(0, 5)
        return figure, [self.line]

    def draw(self, result):
        self.line.set_ydata([0, result])

    def describe(self, result):
        return f"The line rises to {result}."

    def numbers(self, result):
        return ["end", "value"], [["right", str(result)]]


class SlowLine(RunPanel, Line):
    """The same, ten steps later; waits at step 5 while ``hold`` is set."""

    hold = None

    def work(self, state, job):
        for k in range(10):
            job.step(k / 10)
            if k == 5 and self.hold:
                self.hold.wait(10)
        return self.compute(state)


def pixels(panel):
    return np.asarray(Image.open(io.BytesIO(panel.picture)))


def test_a_control_changes_data_pixels_text_table_and_page():
    panel = Line()
    before = pixels(panel), panel.text, panel.table, panel._picture.value
    panel.controls["a"].value = 5
    after = pixels(panel), panel.text, panel.table, panel._picture.value
    assert panel.state() == {"a": 5} and panel.data()[-1] == 5
    assert panel.text == "The line rises to 5." and panel.table[1] == [["right", "5"]]
    assert not np.array_equal(before[0], after[0]) and before[0].shape == after[0].shape
    assert all(a != b for a, b in zip(before[1:], after[1:], strict=True))
    assert 'alt="A line. The line rises to 5."' in panel._picture.value
    assert "data:image/png;base64," in panel._picture.value
    assert (
        'aria-live="polite"' in panel._sentence.value
        and "rises" in panel._table.value + (panel._sentence.value)
    )


def test_compute_is_cached():
    panel = Line()
    for value in (2, 1, 2, 1):
        panel.controls["a"].value = value
    assert panel.computed == [1, 2]


def test_an_error_is_shown_raised_and_gone_when_the_control_moves_back():
    panel = Line()
    with pytest.raises(ValueError, match="too many"):
        panel.controls["a"].value = 3
    assert "ValueError: three &lt;is&gt; too many" in panel._status.value
    assert 'role="alert"' in panel._status.value
    panel.controls["a"].value = 1
    assert "too many" not in panel._status.value and panel.data()[-1] == 1


def test_what_is_plotted_is_drawn_where_it_belongs():
    """The background is kept, and the line is where a full drawing would put it."""
    panel = Line()
    panel.controls["a"].value = 4
    kept = pixels(panel)
    panel._background = None
    panel._show_picture()
    assert np.array_equal(kept, pixels(panel))


def test_pictures_are_the_canvas_to_the_last_pixel():
    """PIL reads back what was encoded by hand."""
    panel = Line()
    canvas = np.asarray(panel._canvas.buffer_rgba())[..., :3]
    assert np.array_equal(pixels(panel), canvas)


def test_projector_mode_has_the_same_size_and_larger_letters():
    panel = Line()
    small = pixels(panel)
    panel.projector.value = True
    large = pixels(panel)
    assert small.shape == large.shape and not np.array_equal(small, large)
    assert (large < 128).sum() > 1.2 * (small < 128).sum()
    assert "l2o-projector" in panel.box._dom_classes
    panel.projector.value = False
    assert np.array_equal(small, pixels(panel))


def test_projector_mode_by_environment(monkeypatch):
    monkeypatch.setenv("L2O_PROJECTOR", "1")
    assert Line().projector.value and not Line(projector=False).projector.value


def test_rehearse_passes_where_all_answers():
    class Fine(Line):
        def make_controls(self):
            return {"a": widgets.IntSlider(1, 0, 2)}

    assert Fine().rehearse() == ("Fine: 1 controls answer at both ends, and 2 corners.")


@pytest.mark.parametrize(
    ("method", "returns", "message"),
    [
        ("describe", lambda self, result: "always the same", "text is the same"),
        ("draw", lambda self, result: None, "picture does not answer"),
        ("draw", lambda self, r: self.line.set_ydata([0, np.nan]), "not finite"),
        ("describe", lambda self, result: f"nan {result}", "says nan"),
    ],
)
def test_rehearse_finds_what_does_not_answer(method, returns, message):
    broken = type("Broken", (Line,), {method: returns})
    with pytest.raises(AssertionError, match=message):
        broken().rehearse()


def test_rehearse_raises_what_a_callback_raises_and_leaves_the_panel_locked():
    class Fails(Line):
        def make_controls(self):
            return {"a": widgets.IntSlider(1, 0, 3)}

    panel = Fails(Guess("?", "yes", options=("yes", "no")))
    with pytest.raises(ValueError, match="too many"):
        panel.rehearse()
    assert panel.locked and panel.state() == {"a": 1}


def locked_panel():
    guess = Guess("How steep?", lambda: "flat", "It is flat.", ("flat", "steep"))
    panel = Line(guess)
    return panel, panel.box.children[-1]


def shown(panel):
    return panel._picture in panel.box.children


def test_a_guess_unlocks_and_is_shown_with_the_truth():
    panel, question = locked_panel()
    assert panel.locked and not shown(panel) and question.field.value is None
    question.go.click()
    assert panel.locked and "Choose an answer first" in question.hint.value
    question.field.value = "steep"
    question.go.click()
    assert not panel.locked and shown(panel)
    assert "You guessed: steep. No." in panel._answer.value
    assert "The answer: flat. It is flat." in panel._answer.value


def test_a_right_guess_and_a_skip():
    panel, question = locked_panel()
    question.field.value = "flat"
    question.go.click()
    assert "You guessed: flat. Right." in panel._answer.value
    panel, question = locked_panel()
    question.skip.click()
    assert shown(panel) and "You skipped the guess." in panel._answer.value


def test_a_number_is_guessed():
    panel = Line(Guess("How high?", 1.0))
    question = panel.box.children[-1]
    question.field.value = 2.5
    question.go.click()
    assert "You guessed 2.5. No.</b> The answer: 1." in panel._answer.value
    for guessed, verdict in ((1.0, "Right"), (1.1, "Close"), (0.7, "No")):
        panel.unlock(guessed)
        assert f"You guessed {guessed:g}. {verdict}.</b>" in panel._answer.value


def test_slow_panel_computes_on_run_only_and_fades_when_out_of_date():
    panel = SlowLine()
    assert "Press Run" in panel._status.value and not hasattr(panel, "computed")
    empty = pixels(panel).astype(int)
    assert (empty[..., 2] <= empty[..., 0] + 30).all()  # no line, which is blue
    panel.controls["a"].value = 2
    panel.controls["a"].value = 1
    assert np.array_equal(pixels(panel), empty)  # nothing shown can be out of date
    assert "Nothing was run yet" in panel._picture.value
    panel.run()
    panel.wait(10)
    assert panel.data()[-1] == 1 and "opacity:1.0" in panel._picture.value
    assert pixels(panel).shape == empty.shape  # nothing jumps
    assert not np.array_equal(pixels(panel), empty)
    panel.controls["a"].value = 4
    assert panel.data()[-1] == 1 and "opacity:0.35" in panel._picture.value
    assert "out of date" in panel._status.value
    panel._run.click()
    panel.wait(10)
    assert panel.data()[-1] == 4 and "opacity:1.0" in panel._picture.value


def test_run_returns_at_once_stop_ends_the_work_and_keeps_the_picture():
    panel = SlowLine()
    panel.run()
    panel.wait(10)
    panel.hold = threading.Event()
    panel.controls["a"].value = 5
    began = time.perf_counter()
    panel.run()
    assert time.perf_counter() - began < 5 and panel._run.disabled
    panel.run()  # a second Run while it runs does nothing
    panel._stop.click()
    panel.hold.set()
    panel.wait(10)
    assert "Stopped at" in panel._status.value and panel.data()[-1] == 1
    assert not panel._run.disabled and panel._stop.disabled


def test_a_control_moved_while_running_leaves_the_picture_out_of_date():
    panel = SlowLine()
    panel.hold = threading.Event()
    panel.run()
    panel.controls["a"].value = 4
    panel.hold.set()
    panel.wait(10)
    assert panel.data()[-1] == 1 and "out of date" in panel._status.value


def test_wait_raises_what_the_work_raised_and_says_when_it_lasts_too_long():
    panel = SlowLine()
    panel.controls["a"].value = 3
    panel.run()
    with pytest.raises(ValueError, match="too many"):
        panel.wait(10)
    assert "too many" in panel._status.value and not panel._run.disabled
    panel.hold = threading.Event()
    panel.run()
    with pytest.raises(TimeoutError, match=r"still running after 0.05 s"):
        panel.wait(0.05)
    panel.stop()
    panel.hold.set()
    panel.wait(10)


def test_stopped_is_raised_at_the_next_step():
    panel = SlowLine()
    job = Job(panel._bar)
    job.step(0.5)
    assert panel._bar.value == 0.5
    job.stop.set()
    with pytest.raises(Stopped):
        job.step(0.6)


def test_ends_of_every_kind_of_control():
    assert ends(widgets.IntSlider(1, 0, 7)) == (0, 7)
    assert ends(widgets.FloatLogSlider(1, base=10, min=-2, max=1)) == (0.01, 10)
    assert ends(widgets.Dropdown(options=["a", "b", "c"])) == ("a", "c")
    assert ends(widgets.SelectionSlider(options=[("x", 1), ("y", 2)])) == (1, 2)
    assert ends(widgets.Checkbox()) == (False, True)


@pytest.mark.parametrize("kind", ALL)
def test_every_panel_answers_at_every_end_and_corner(kind):
    corners = 2 ** len(kind().controls) if kind.quick else 0
    assert kind().rehearse().endswith(f"at both ends, and {corners} corners.")


def test_race_plots_what_an_independent_run_gives():
    panel = Race()
    panel.controls["rival"].value = "NAG"
    panel.controls["rate"].value = float(RACE_RATES[16])
    panel.controls["noise"].value = 0.25
    curves = optimize(
        race_rival("NAG", RACE_RATES[16]), noisy_digits(0.25), batch=8, purpose="race"
    )
    plotted = panel.curves.lines["rival"].get_ydata()
    np.testing.assert_allclose(plotted, curves.losses.mean(1).numpy(), rtol=2e-3)
    assert panel.here.get_ydata()[0] == pytest.approx(
        curves.losses[1:].mean().item(), rel=2e-3
    )


def test_race_names_the_best_rate_of_the_grid():
    panel = Race()
    losses = read("race_rivals")["losses"].astype(float)
    best = RACE_RATES[losses[list(RULES).index("Adam"), :, 0, 0, 1:].mean(1).argmin()]
    assert f"its best rate on this grid, {best:.2g}," in panel.text
    assert panel.best.get_xdata()[0] == best


def test_fresh_race_plots_what_an_independent_run_gives():
    panel = FreshRace()
    panel.controls["networks"].value = 2
    panel.controls["seed"].value = 7
    panel.run()
    panel.wait()
    curves = optimize(
        race_rival("Adam", 0.1),
        noisy_digits(0.0),
        batch=2,
        seed=7,
        purpose="fresh race",
    )
    plotted = panel.curves.lines["rival"].get_ydata()
    np.testing.assert_allclose(plotted, curves.losses.mean(1).numpy(), rtol=1e-5)


@pytest.mark.parametrize("kind", ALL)
def test_stored_film_strips_are_what_the_panels_draw_and_say(kind):
    drawn, told = film_strip(kind)
    old, new = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
        for data in (kind().stored_strip()[0], drawn)
    )
    assert old.shape == new.shape
    trains = kind.__name__ in ("MetaTraining", "LiveConv")  # rounding grows in it
    assert (np.abs(old - new).max(2) > 64).mean() < (0.03 if trains else 0.01)
    said = kind().stored_strip()[1]
    words, now = (
        [re.sub(r"[\d.]+", "", text) for text in each] for each in (said, told)
    )
    assert words == now and len(set(said)) == len(kind.strip)
    if trains:  # its settings, and both losses; not the seconds, which come first
        theirs, ours = (
            [
                float(number)
                for text in each
                for number in re.findall(r"\d[\d.]*\d|\d", text)[1:]
            ]
            for each in (said, told)
        )
        assert len(ours) > 4 and ours == pytest.approx(theirs, rel=0.1)


def test_a_caption_says_what_stands_at_the_controls():
    controls = {
        "k": widgets.SelectionSlider(
            options=[("1,930", 0), ("994,570", 3)], description="parameters"
        ),
        "plain": widgets.ToggleButtons(options=["a", "b"], description="source 0: is"),
        "rate": widgets.FloatLogSlider(
            10**-2.5, readout_format=".2g", description="rate"
        ),
        "size": widgets.FloatSlider(10.0, description="p"),
        "cure": widgets.Checkbox(description="cured"),
    }
    state = {"k": 3, "plain": "b", "rate": 10**-2.5, "size": 10.0, "cure": True}
    said = caption(controls, state)
    assert said == (
        "parameters: 994,570 · source 0: is b · rate: 0.0032 · p: 10 · cured: on"
    )
    assert caption(controls, {"k": 0, "cure": False}) == (
        "parameters: 1,930 · cured: off"
    )


def test_film_strips_are_told_in_the_words_of_the_page():
    told = {
        kind.__name__: kind()._repr_mimebundle_()["text/html"]
        for kind in (CostMeter, Paths, ArtRace)
    }
    assert "parameters: 994,570 · minibatch: 8,192" in told["CostMeter"]
    assert "sources: 3 to 0.5, judged on source 0" in told["Paths"]
    where = "still pictures for place: 64x64 · rival, left: Adam. Place 64x64, loss"
    assert where in told["ArtRace"]


@pytest.mark.parametrize("kind", ALL)
def test_every_panel_shows_a_strip_without_a_kernel(kind):
    bundle = kind()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"].startswith('<img alt="')
    assert "still pictures" in bundle["text/html"]


def test_where_there_is_no_kernel_the_question_stands_before_the_strip():
    asked = Guess("How <i>many</i>?", "a < 2", "It is so.", options=("a < 2", "b"))
    page = Race(asked)._repr_mimebundle_()["text/html"]
    question, _, _ = page.partition("<img")
    assert question == (
        "<p><b>Predict first.</b> How <i>many</i>?</p><ul><li>a &lt; "
        "2</li><li>b</li></ul><details><summary>Answer</summary><p>The answer: a &lt; "
        "2. It is so.</p></details>"
    )
    bars = Guess("Shares?", (0.75, 0.25), "Because.", bars=("x", "y")).on_paper()
    assert "<li>x</li>" in bars and "0.75" in bars.partition("<details>")[2]
    assert "<ul>" not in Guess("How many?", lambda: 3.0).on_paper()


def test_the_landscapes_loss_is_what_torch_optim_reaches():
    panel = Landscape()
    for name, value in {
        "rule": "NAG",
        "rate": 0.1,
        "momentum": 0.7,
        "kappa": 10.0,
        "start": 40,
    }.items():
        panel.controls[name].value = value
    turn = np.deg2rad(25)  # curvature 1 along this angle, 1 / kappa across it
    steep = torch.tensor([np.cos(turn), np.sin(turn)])
    flat = torch.tensor([-np.sin(turn), np.cos(turn)])
    start = 2 * torch.tensor([np.cos(np.deg2rad(40)), np.sin(np.deg2rad(40))])
    theta = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=0.1, momentum=0.7, nesterov=True)
    for _ in range(60):
        optimizer.zero_grad()
        loss = 0.5 * ((theta @ steep) ** 2 + 0.1 * (theta @ flat) ** 2)
        loss.backward()
        optimizer.step()
    last = panel.path.get_xydata()[-1]
    np.testing.assert_allclose(last, theta.detach().numpy(), atol=1e-6)
    assert panel.limit.get_xdata()[0] == pytest.approx(3.4 / 2.4)


def test_the_laboratorys_truth_is_a_finite_difference_of_its_loss():
    panel = Laboratory()
    for name, value in {
        "curvatures": "one",
        "horizon": 40,
        "noise": 4.0,
        "rate": 10**-0.4,
    }.items():
        panel.controls[name].value = value

    def loss(alpha):
        a, total = 1e4, 0.0
        for _ in range(40):
            a = (1 - alpha) ** 2 * a + alpha**2 * 16
            total += 0.5 * a
        return total

    alpha = 10**-0.4
    slope = (loss(alpha * 1.0001) - loss(alpha / 1.0001)) / (2 * np.log(1.0001))
    assert panel.result["truth"] == pytest.approx(slope, rel=1e-4)
    lowest = min(loss(rate) for rate in np.geomspace(0.01, 1.5, 4000))
    x, y = panel.here.get_xydata()[0]
    assert y == pytest.approx(100 * (loss(x) / lowest - 1), rel=0.05)


@pytest.mark.parametrize("window", [1, 2, 3, 6])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_credit_is_what_autograd_gives_an_update(window, weights):
    """With f(theta) = theta, the derivative to g_t adds up the weights it meets."""
    panel = Unrolled()
    panel.controls["window"].value = window
    panel.controls["weights"].value = weights
    updates = torch.zeros(STEPS, requires_grad=True)
    theta, total = torch.zeros(()), 0.0
    for t in range(STEPS):
        theta = theta.detach() if t % window == 0 else theta
        theta = theta + updates[t]
        b = (t // window + 1) * window
        total = total + WEIGHTS[weights](t + 1, b) * theta
    total.backward()
    credit = updates.grad.numpy()
    np.testing.assert_allclose(panel.credit.get_ydata(), credit, rtol=1e-6)


def test_first_order_drops_what_the_optimizer_reads_and_nothing_else():
    panel = Unrolled()
    exact = panel.result["kept"]
    panel.controls["derivative"].value = "first order"
    lost = [a and not b for a, b in zip(exact, panel.result["kept"], strict=True)]
    kinds = [arrow.get_color() for arrow in panel.arrows]
    assert sum(lost) == STEPS - 1  # theta_0 is a constant anyway
    assert len({kind for kind, gone in zip(kinds, lost, strict=True) if gone}) == 1
