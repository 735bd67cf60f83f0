"""The panels of lesson 03 against independent computations; learning, live."""

import threading
import time
from functools import partial

import numpy as np
import pytest
import torch

from l2o_kit import baselines
from l2o_kit.baselines import rivals
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l03_lstm import away, minute
from l2o_kit.lessons.l03_lstm.away_panel import ANEW, Away
from l2o_kit.lessons.l03_lstm.gates import Gates
from l2o_kit.lessons.l03_lstm.minute import MetaTraining
from l2o_kit.lessons.l03_lstm.opened import Opened, growth_question
from l2o_kit.lessons.l03_lstm.preprocessing import OPTIONS, Preprocessing, raw_question
from l2o_kit.optimizees import Quadratic
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.teaching import live_training


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = value
    return panel


@pytest.mark.parametrize(("p", "size"), [(10.0, 1e-3), (4.0, 1e-3), (7.0, 100.0)])
def test_preprocessing_shows_the_papers_two_numbers(p, size):
    panel = set_to(Preprocessing(), p=p, size=size)
    if size >= np.exp(-p):
        expected = [np.log(size) / p, 1.0]
    else:
        expected = [-1.0, np.exp(p) * size]
    shown = [point.get_ydata()[0] for point in panel.points]
    np.testing.assert_allclose(shown, expected, rtol=1e-9)
    sizes, (log_part, sign_part) = panel.parts[0].get_xdata(), panel.parts
    linear = sizes[log_part.get_ydata() == -1]  # of both branches, where they meet
    edge = panel.threshold.get_xdata()[0]
    assert edge == pytest.approx(linear.max(), rel=0.13)  # SIZES are 12 % apart
    assert sign_part.get_ydata()[sizes < 0.99 * edge].max() < 1
    assert (sign_part.get_ydata()[sizes > 1.01 * edge] == 1).all()
    sigmoid = torch.tensor([size, 2 * size]).double().sigmoid()
    assert panel.marks["raw"].get_ydata()[0] == pytest.approx(
        max(float(sigmoid[1] - sigmoid[0]), 1.1e-7), rel=1e-6
    )


def test_raw_gradients_are_told_apart_around_one():
    assert raw_question().measured() == OPTIONS[0]


@pytest.mark.parametrize("stream", ["alternating", "noisy"])
def test_gates_are_those_of_torchs_cell(stream):
    """An nn.LSTMCell whose gates see nothing but their biases."""
    panel = set_to(Gates(), stream=stream, size=10**0.25, forget=0.8, input=0.4)
    cell = torch.nn.LSTMCell(1, 1).double()
    with torch.no_grad():
        for weight in cell.parameters():
            weight.zero_()
        cell.weight_ih[2] = 1.0  # i, f, g, o
        logits = torch.tensor([0.4, 0.8]).double().logit()
        cell.bias_ih[:2], cell.bias_ih[3] = logits, 40.0
        state = torch.zeros(1, 1).double(), torch.zeros(1, 1).double()
        for t, d in enumerate(panel.result["d"]):
            state = cell(torch.tensor([[d]]), state)
            assert panel.result["cell"][3, t] == pytest.approx(state[0].item())
            assert panel.result["cell"][2, t] == pytest.approx(state[1].item())


def test_the_cells_neighbour_is_torchs_momentum():
    panel = set_to(Gates(), stream="noisy", forget=0.8, input=1.0)
    v = torch.zeros(1, requires_grad=True)
    sgd = torch.optim.SGD([v], lr=1.0, momentum=0.8)
    for t, d in enumerate(panel.result["d"]):
        before = v.item()
        v.grad = torch.tensor([d]).float()
        sgd.step()
        assert panel.result["v"][t] == pytest.approx(before - v.item(), abs=1e-4)


def grads_of(panel, size):
    patterns = {"steady": np.ones(10), "alternating": (-1.0) ** np.arange(10)}
    return size * np.append(patterns[panel.state()["past"]], 1.0)


def updates(rule, grads):
    """The last update of a rule that ``optimize`` would run, after all gradients."""
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    made = rule([theta])
    for grad in grads:
        before = theta.item()
        theta.grad = torch.tensor([grad])
        made.step()
    return theta.item() - before


@pytest.mark.parametrize("past", ["steady", "alternating"])
def test_the_opened_rules_are_torch_optims_and_the_optimizers_own(past):
    panel = set_to(Opened(), past=past, size=0.1)
    tuned = rivals("quadratic")
    rules = {
        "Momentum": partial(torch.optim.SGD, lr=tuned["Momentum"].lr, momentum=0.9),
        "Adam": partial(torch.optim.Adam, lr=tuned["Adam"].lr),
    }
    at = int(np.abs(np.log(minute_sizes(panel) / 10.0)).argmin())
    for name, rule in rules.items():
        expected = abs(updates(rule, grads_of(panel, 10.0)))
        assert panel.sizes[name].get_ydata()[at] == pytest.approx(expected, rel=1e-5)
    learned = load("quadratic").double()

    def last(grads):
        state = learned.initial_state(1)
        with torch.no_grad():
            for grad in grads:
                update, state = learned(torch.tensor([grad]), state)
        return update.item()

    grads, h = grads_of(panel, 0.1), 1e-5
    slopes = []
    for k in range(11):
        bump = np.zeros(11)
        bump[10 - k] = h
        slopes.append(-(last(grads + bump) - last(grads - bump)) / (2 * h))
    slopes = np.array(slopes) / np.abs(slopes).max()
    np.testing.assert_allclose(panel.ages["learned"].get_ydata(), slopes, atol=1e-4)


def minute_sizes(panel):
    return panel.sizes["learned"].get_xdata()


def test_opened_takes_another_optimizer_and_leaves_it_as_it_is():
    mine = LSTMOptimizer(preprocess="identity", seed=5)
    panel = Opened(optimizer=mine)
    assert panel.text != Opened().text
    assert mine.lstm.w_out.dtype == torch.float32
    assert growth_question().measured() == "In between"


def test_away_plots_what_an_independent_run_gives():
    panel = set_to(Away(), place=("dimension", 2))
    learned = optimize(load("quadratic"), Quadratic(2), batch=500, seed=1).losses
    means = learned.mean(1).numpy()
    np.testing.assert_allclose(
        panel.lines[0].get_ydata(), means[::2] / means[0], rtol=1e-3
    )
    ratio = panel.result["ratio"]
    assert f"{ratio[0]:.2f} times" in panel.text and ratio[1] < ratio[0] < ratio[2]


def test_rivals_tuned_anew_are_no_worse_than_those_from_home():
    """But for the problems they were tuned on, which are others."""
    panel = Away()
    home = panel.result["ratios"][:, 0]
    panel.controls["tuned"].value = ANEW
    assert (panel.result["ratios"][:, 0] > 0.95 * home).all()


def test_a_rival_that_diverges_is_never_the_best():
    losses = {name: torch.full((3, 4), 2.0) for name in baselines.SIX}
    losses["Adam"] = torch.full((3, 4), torch.nan)
    losses["learned"], losses["NAG"] = torch.ones(3, 4), torch.full((3, 4), 1.5)
    assert away.ratio_to_best(losses) == pytest.approx((2 / 3,) * 3 + ("NAG",))


# Learning, live


class Own(LSTMOptimizer):
    """A forward of its own."""

    def forward(self, grads, state):
        return super().forward(grads, state)


@pytest.fixture
def live():
    panel = MetaTraining(make=Own)
    panel.budget = {"meta_steps": 6}
    return panel


def test_learn_returns_what_is_plotted(live):
    learned = live.learn()
    assert type(learned) is Own and live.text.startswith("Trained: ")
    assert "6 meta-steps" in live.text and live.result["times"][-1] == 1.0
    curves = optimize(learned, Quadratic(), batch=100, purpose="watch")
    plotted = live.curve.get_ydata()
    np.testing.assert_allclose(plotted, curves.losses.mean(1).numpy(), rtol=1e-5)
    nag = optimize(rivals("quadratic")["NAG"], Quadratic(), batch=100, purpose="watch")
    ratio = curves.losses[1:].mean() / nag.losses[1:].mean()
    assert live.ratio.get_ydata()[-1] == pytest.approx(min(ratio.item(), 30), rel=1e-4)


def test_the_first_dot_is_what_the_question_asks(live):
    """Before the first meta-step, at 0 % of the budget."""
    live.learn()
    times, ratios = live.ratio.get_data()
    assert times[0] == 0 and times[1] > 0
    question = minute.untrained_question()
    assert ratios[0] == pytest.approx(question.measured(), rel=1e-6)
    assert ratios[1] < 0.95 * ratios[0]


def test_the_same_seed_learns_the_same_and_another_another(live):
    first = live.learn().lstm.W[0].detach()
    assert torch.equal(live.learn().lstm.W[0], first)
    set_to(live, seed=3)
    assert not torch.equal(live.learn().lstm.W[0], first)


def test_stop_keeps_what_was_learned_and_threads_are_given_back(live):
    live.budget, before = {"seconds": 60.0}, torch.get_num_threads()
    torch.set_num_threads(2)
    live.run()
    while live.result is None:
        time.sleep(0.01)
    live._stop.click()
    live.wait(20)
    assert live.text.startswith("Stopped: ") and live.optimizer is not None
    seen = []  # by a new thread: one that has computed already keeps its own number
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start(), other.join()
    torch.set_num_threads(before)
    assert live.result["seconds"] < 20 and seen == [2]


def test_the_kernels_interrupt_is_a_stop(live, monkeypatch):
    live.budget, joined = {"seconds": 60.0}, threading.Thread.join

    def interrupted(thread, timeout=None):
        if timeout == 0.2:
            raise KeyboardInterrupt
        joined(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    learned = live.learn()
    assert live.text.startswith("Stopped: ") and learned is live.optimizer


def test_a_training_that_diverges_says_so_and_keeps_its_last_weights(live):
    live.make = partial(LSTMOptimizer, output_scale=1e25)
    learned = live.learn()
    assert live.text.startswith("Diverged: ") and "out of sight" in live.text
    assert all(w.isfinite().all() for w in learned.parameters())


def test_live_seconds_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("L2O_LIVE_SECONDS", "7")
    assert MetaTraining().budget == {"seconds": 7.0}
    monkeypatch.delenv("L2O_LIVE_SECONDS")
    assert live_training.live_seconds() == 60.0
    for empty in ("", " "):
        monkeypatch.setenv("L2O_LIVE_SECONDS", empty)
        assert live_training.live_seconds() == 60.0


@pytest.mark.parametrize("value", ["abc", "-5", "0", "nan", "inf", "1 minute"])
def test_live_seconds_that_are_none_are_refused_in_words(value, monkeypatch):
    monkeypatch.setenv("L2O_LIVE_SECONDS", value)
    with pytest.raises(ValueError, match=f"L2O_LIVE_SECONDS='{value}': .*Set it to"):
        live_training.live_seconds()


def test_the_note_that_sends_a_click_to_the_busy_shell_is_dropped():
    class Comm:
        def __init__(self):
            self._reply_subshell_id = None

    class Button:
        comm = Comm()

    live_training.answer_in_subshell(Button)
    assert not hasattr(Button.comm, "_reply_subshell_id")
    live_training.answer_in_subshell(Button)  # a kernel that keeps no note
    Button.comm = None
    live_training.answer_in_subshell(Button())
