"""The panels of lesson 04 against independent computations; a warm start, live."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from l2o_kit import plots, trainer
from l2o_kit.baselines import SIX, rivals
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.lessons.l04_networks.break_even import (
    BreakEven,
    break_even,
    costs,
    pays_question,
    totals,
)
from l2o_kit.lessons.l04_networks.standings import HORIZONS, NAMES, PLACES, rules
from l2o_kit.lessons.l04_networks.standings_panel import (
    Networks,
    overfit_question,
    score,
)
from l2o_kit.lessons.l04_networks.warm_start import WarmStart, warm_question
from l2o_kit.lessons.stored import read
from l2o_kit.plots import POINTS
from l2o_kit.problems import PROBLEMS
from l2o_kit.recipes import RECIPES
from l2o_kit.teaching import live_training as minute


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = value
    return panel


def test_a_random_rule_of_a_random_place_is_as_stored(draw):
    """Run anew: its curve, its end, its held-out loss, and the ratio to it."""
    place, steps, name = draw(PLACES, HORIZONS[:2], NAMES[1:])
    rows = read("networks")
    where = list(PLACES).index(place), HORIZONS.index(steps)
    each = rules(place, rivals(PLACES[place], "last", steps))
    optimizee = PROBLEMS[PLACES[place]]()
    learned, other = (
        optimize(each[n], optimizee, steps=steps, batch=16, seed=1)
        for n in ("learned", name)
    )
    k, what = NAMES.index(name), f"{name}, {place}, {steps} steps"
    ours, theirs = learned.last_tenth(), other.last_tenth()
    assert float(theirs.mean()) == pytest.approx(rows["last"][*where, k, 0], rel=0.05)
    assert paired_ratio(ours, theirs)[0] == pytest.approx(
        rows["ratio"][*where, k, 0], rel=0.1
    ), what
    held_out = float(other.held_out_loss.mean())
    assert held_out == pytest.approx(rows["held_out"][*where, k, 0], rel=0.05), what
    curve = other.losses.mean(1).numpy()[
        np.linspace(0, steps, POINTS).round().astype(int)
    ]
    stored_curve = rows["losses"][*where, k, 0]
    assert np.abs(np.log(curve / stored_curve)).mean() < 0.1, what


def test_dots_lie_between_the_best_and_the_worst():
    panel = set_to(Networks(), place="diabetes", measure="held-out loss", steps=500)
    ends = read("networks")["held_out"][2, 2, :, 0]
    dots = np.array([dot.get_xdata()[0] for dot in panel.dots])
    spans = np.array([span.get_xdata() for span in panel.spans])
    assert spans.min() == 0 and spans.max() == pytest.approx(1)
    assert (spans[:, 0] <= dots).all() and (dots <= spans[:, 1]).all()
    np.testing.assert_array_equal(dots.argsort(), ends.argsort())
    panel.controls["measure"].value = "held-out score"
    dots = [dot.get_xdata()[0] for dot in panel.dots]
    np.testing.assert_array_equal(np.argsort(dots), ends.argsort())  # R^2 turns it


def test_against_time_each_curve_ends_where_its_run_does():
    panel = set_to(Networks(), place="digits, 28x28", axis="time", steps=100)
    ends = np.array([line.get_xdata()[-1] for line in panel.lines])
    seconds = read("networks")["seconds"][1]
    np.testing.assert_allclose(ends, 100 * seconds / seconds.max())


def test_the_score_of_a_regression_is_sklearns_r2():
    diabetes = PROBLEMS["diabetes"]()
    curves = optimize(rivals("diabetes")["Adam"], diabetes, steps=20, batch=1)
    X, y = diabetes.held_out_data
    r2 = r2_score(y.numpy(), diabetes.outputs(curves.theta[0], X).detach().numpy())
    loss = float(curves.held_out_loss[0])
    rows = {"accuracy": np.full((1, 3), np.nan), "held_out": np.array([[loss] * 3])}
    assert score(rows, "diabetes")[0, 0] == pytest.approx(r2, abs=1e-5)


def test_overfitting_is_what_the_stored_losses_say():
    rows = read("networks")
    train, held_out = (rows[n][2, 2, :, 0] for n in ("last", "held_out"))
    other = NAMES[train.argmin()] != NAMES[held_out.argmin()]
    assert overfit_question().measured().startswith("No" if other else "Yes")


@pytest.mark.parametrize("tuning", [0, 20])
@pytest.mark.parametrize("gradient", [1e-4, 0.1])
def test_break_even_is_where_the_sums_cross(tuning, gradient):
    """Counted run by run."""
    c = costs("digits, 28x28")
    runs = break_even(c, gradient, tuning)
    learned = c["train"] + c["gradients"] * gradient
    each = c["T"] * (gradient + c["learned"])
    rival = (1 + tuning) * c["needs"] * (gradient + c["other"])
    if each >= rival:
        assert runs == float("inf")
        return
    below, above = int(runs), int(runs) + 1
    assert learned + below * each >= below * rival - 1e-6
    assert learned + above * each <= above * rival
    assert totals(c, gradient, tuning, 7) == pytest.approx(
        (learned + 7 * each, 7 * rival)
    )


def test_costs_are_those_of_the_recipe_and_the_stored_times():
    c, rows = costs("digits, 28x28"), read("networks")
    stages = RECIPES["digits"].stages + RECIPES["mnist_mlp"].stages
    assert c["gradients"] == sum(
        s["meta_steps"] * s["unroll"] * s["batch"] for s in stages
    )
    seconds = rows["seconds"][1]
    assert c["gradient"] == seconds[NAMES.index("SGD")]
    assert c["learned"] == pytest.approx(seconds[0] - c["gradient"])
    assert c["rival"] in SIX and c["needs"] >= 1


def test_the_star_is_where_the_two_lines_cross():
    panel = set_to(BreakEven(), tuning=20, gradient=0.1)
    runs = panel.here.get_xdata()[0]
    lines = (panel.learned, panel.rival)
    learned, rival = (np.interp(runs, *line.get_data()) for line in lines)
    if runs < 1e6:
        assert learned == pytest.approx(rival, rel=0.05)
    else:
        assert "never" in panel.text
    assert pays_question().measured() in pays_question().options


def test_milliseconds_are_written_out():
    panel = set_to(BreakEven(), gradient=10.0)
    assert "With 10,000 ms a gradient" in panel.text
    assert panel.table[1][0][1] == "10,000"
    assert "With 31.6 ms a" in set_to(panel, gradient=10**-1.5).text


def test_the_name_of_the_dashed_line_stands_below_all_curves():
    panel = WarmStart()
    axes = panel.figure.axes[0]
    (name,) = [text for text in axes.texts if "dashed" in text.get_text()]
    assert panel.low < name.get_position()[1] < 1.1 * panel.low


def test_a_warm_start_trains_a_copy_of_what_is_shipped(monkeypatch):
    seen = {}

    def spy(optimizer, optimizee, **settings):
        seen.update(settings, phi=optimizer.lstm.w_out.detach().clone())
        return train(optimizer, optimizee, **settings)

    train = trainer.meta_train
    monkeypatch.setattr(minute, "meta_train", spy)
    panel = WarmStart()
    panel.budget = {"meta_steps": 3}
    mine = panel.learn()
    assert seen["second_derivatives"] and seen["unroll"] == 20
    assert torch.equal(seen["phi"], load("digits_robust").lstm.w_out)
    assert not torch.equal(mine.lstm.w_out, seen["phi"])
    first = warm_question().measured()
    assert panel.ratio.get_data()[0][0] == 0
    assert panel.ratio.get_data()[1][0] == pytest.approx(first, rel=1e-6)
    assert mine.output_scale == RECIPES["diabetes"].config["output_scale"]
    set_to(panel, start="random", second=False)
    panel.run()
    panel.wait(60)
    assert not seen["second_derivatives"]
    assert not torch.equal(seen["phi"], load("digits_robust").lstm.w_out)
    assert "start from random, without second derivatives" in panel.text


def test_every_network_has_a_name_and_a_look():
    assert len({str(plots.look_of(name, 0)) for name in NAMES}) == len(NAMES)
