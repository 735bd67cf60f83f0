"""The panels of lessons 06 and 07 against independent computations."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from l2o_kit import problems, trust
from l2o_kit.baselines import Baseline
from l2o_kit.checkpoint import load
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.lessons.l06_concurrent import cooperation, teamwork
from l2o_kit.lessons.l06_concurrent.cooperation import settings
from l2o_kit.lessons.l06_concurrent.gains import RULES
from l2o_kit.lessons.l06_concurrent.spoilt import (
    DIGITS,
    Noisy,
    Poisoned,
    Rotated,
    noise_question,
    poison_question,
    turned_question,
)
from l2o_kit.lessons.l06_concurrent.subsets import Subsets, counts, subsets_question
from l2o_kit.lessons.l06_concurrent.together import Together, combine_question
from l2o_kit.lessons.l07_softmax.broken_law import BrokenLaw, copies_question
from l2o_kit.lessons.l07_softmax.lambdas import (
    CASES,
    FACTOR_OF_TWO,
    PATHS,
    STRENGTHS,
    broken,
    lambda_of_case,
    lambda_of_noise,
    moments,
    random_stds,
    shuffled,
)
from l2o_kit.lessons.l07_softmax.live import LiveTrust, LiveTurned
from l2o_kit.lessons.l07_softmax.paths import Paths, seeds_question
from l2o_kit.lessons.stored import read
from l2o_kit.optimizees import Quadratic
from l2o_kit.trust import KINDS, trusting
from l2o_kit.window import Trainer
from tests.library.test_trust import with_lambdas
from tests.oracle import same_runs

PANELS = {"noise": Noisy, "rotation": Rotated, "poison": Poisoned}


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name.replace("_", " ")].value = value
    return panel


# Stored rows, recomputed


@pytest.mark.parametrize("name", KINDS)
def test_a_random_setting_of_the_grid(name, draw):
    """Losses with the stored lambda and at the stored rate; lambda itself for noise."""
    kind, rows = KINDS[name], read(f"cooperation_{name}")
    (k,) = draw(range(len(settings(kind))))
    amounts, concurrent = settings(kind)[k], kind.make(settings(kind)[k])
    rules = {
        "anew": with_lambdas(kind.frozen, rows["lambdas"][k]),
        "average": load(kind.frozen),
        "adam": Baseline("Adam", float(rows["lr"][k])),
    }
    for rule, made in rules.items():
        curves = optimize(made, concurrent, batch=kind.judged_on, seed=1)
        found = curves.losses[91:].mean(0).numpy()
        same_runs(found, rows[rule][k], f"{name} {amounts} {rule}")
    if name == "noise":
        again = trust.learned(kind, amounts)[0].lambdas.numpy()
        np.testing.assert_allclose(again, rows["lambdas"][k], atol=0.01)


@pytest.mark.parametrize("name", KINDS)
def test_a_random_order_of_the_shipped_optimizer(name, draw):
    kind, rows = KINDS[name], read(f"cooperation_{name}")
    orders = list(itertools.product(kind.levels, repeat=kind.num_sources))
    (k,) = draw(range(len(orders)))
    curves = optimize(
        load(f"concurrent_{name}"), kind.make(orders[k]), batch=kind.judged_on, seed=1
    )
    found = curves.losses[91:].mean(0).numpy()
    same_runs(found, rows["shipped"][k], orders[k])
    panel = PANELS[name]()
    for control, amount in zip(panel.controls.values(), orders[k], strict=True):
        control.value = amount
    shown = panel.dots[list(RULES).index("shipped")].get_xdata()[0]
    expected = np.clip(found.mean(), panel.low / 2, 2 * panel.high)
    assert shown == pytest.approx(float(expected), rel=0.05)


def test_a_random_path_begins_anew_as_stored(draw):
    name, seed = draw(PATHS, range(10))
    plan = PATHS[name]
    kind, rows = KINDS[plan.kind], read(f"paths_{name}")["lambdas"]
    steps, seen = rows.shape[1] - 1, []

    def stop_early(optimizer, log):
        seen.append(optimizer.lambdas.numpy())
        if len(seen) == 4:
            raise KeyboardInterrupt

    trust.learned(kind, plan.amounts, plan.target, seed, stop_early, meta_steps=steps)
    where = f"{name}, seed {seed}"
    np.testing.assert_allclose(seen, rows[seed, 1:5], atol=0.01, err_msg=where)


def test_a_random_case(draw):
    case, c, seed = draw(CASES, STRENGTHS, range(3))
    found = lambda_of_case(case, c, seed)
    row = read("cases")["lambdas"][list(CASES).index(case), STRENGTHS.index(c), seed]
    np.testing.assert_allclose(found, row, atol=0.01, err_msg=f"{case}, {c}, {seed}")


def test_a_random_vector_of_noise(draw):
    (seed,) = draw(range(20))
    stds = random_stds(seed)
    found = lambda_of_noise(stds, seed)
    row = read("drawn")["random"][0, seed]
    np.testing.assert_allclose(found, row, atol=0.01, err_msg=f"{stds}")
    stds = shuffled(seed)
    assert sorted(stds) == list(FACTOR_OF_TWO)


def test_a_random_run_in_conflict(monkeypatch, draw):
    """Losses from the stored lambda; and that a short training tells the two apart."""
    k, seed = draw(range(2), range(cooperation.CONFLICT_SEEDS))
    rows = read("conflict")
    rule = with_lambdas("digits", rows["lambdas"][k, seed])
    again = cooperation.end(
        rule, KINDS["rotation"].make(cooperation.CONFLICT), 8, seed=1 + seed
    )
    np.testing.assert_allclose(again, rows["losses"][k, seed], rtol=0.1)
    monkeypatch.setattr(cooperation, "CONFLICT_TRAINING", {"meta_steps": 2})
    short = [cooperation.in_conflict(0, second)[0] for second in (False, True)]
    assert np.abs(short[0] - short[1]).max() > 1e-3


@pytest.mark.parametrize("choice", ["noisy sources", "losses", "activations"])
def test_a_random_row_of_teamwork(choice, draw):
    """Of those that need no training."""
    names = list(teamwork.choices()[choice])
    name, seed = draw(names[:4], (1, 2))
    row = read("teamwork")[choice][names.index(name), seed, 0]
    found, _ = teamwork.outcome(choice, name, seed)
    assert found == pytest.approx(row, rel=0.05), (choice, name, seed)


def test_a_random_place_of_the_subsets(draw):
    place = draw(range(3), range(3), range(4))
    values = [each[k] for each, k in zip(teamwork.GRID.values(), place, strict=True)]
    curves = optimize(load("digits"), teamwork.subsets(*values), batch=8, seed=1)
    old = read("subsets")["average"][tuple(place)]
    same_runs(curves.losses[91:].mean(0).numpy(), old, values)


# What is drawn


def test_lambda_of_a_setting_goes_with_its_source_whatever_the_order():
    panel = set_to(Noisy(), source_0=3.0, source_1=0.5, source_2=1.0, source_3=0.1)
    rows = read("cooperation_noise")["lambdas"]
    row = rows[settings(KINDS["noise"]).index((0.1, 0.5, 1.0, 3.0))]
    shown = panel.bars.tops["learned"].get_ydata()
    np.testing.assert_allclose(shown, row[[3, 1, 2, 0]])
    theory = np.array([1 / 9, 4.0, 1.0, 100.0])
    np.testing.assert_allclose(
        panel.bars.tops["theory"].get_ydata(), theory / theory.sum()
    )
    assert panel.bars.lines["learned"][3].get_ydata()[1] == pytest.approx(row[0])


def test_the_cloud_is_as_wide_as_its_noise():
    panel = set_to(Noisy(), source_0=3.0, source_1=0.1)
    widths = [np.std(c.get_xydata(), axis=0).mean() for c in panel.clouds]
    assert 20 < widths[0] / widths[1] < 45
    mixed = np.std(panel.mixed.get_xydata(), axis=0).mean()
    assert mixed < widths[1] * 1.3


def test_the_arrow_lies_above_the_clouds_and_the_axis_has_its_decades():
    panel = Noisy()
    order = [panel.moving.index(artist) for artist in (panel.mixed, panel.arrow)]
    assert order == sorted(order)
    ticks = panel.figure.axes[2].get_xticks().tolist()
    assert ticks == [0.01, 0.1, 1, 10, 100]


def test_pictures_are_turned_and_labels_poisoned():
    panel = set_to(Rotated(), source_0=180, source_1=0, source_2=90)
    image = np.asarray(panel.image.get_array())
    first = image[11:19, 1:9]  # source 1, upright
    np.testing.assert_allclose(image[1:9, 1:9], first[::-1, ::-1], atol=1e-5)
    np.testing.assert_allclose(image[21:29, 1:9], np.rot90(first), atol=1e-5)
    panel = set_to(Poisoned(), source_0=0.0, source_3=0.8)
    texts = [text.get_text() for text in panel.labels]
    assert not any("!" in text for text in texts[:DIGITS])
    assert any("!" in text for text in texts[-DIGITS:])


def test_the_subsets_shown_have_their_size():
    assert counts(120, 0.25).sum(1).tolist() == [120] * 9
    panel = set_to(Subsets(), sources=2, size=40, concentration=2.0)
    heights = [[b.get_ydata()[1] - b.get_ydata()[0] for b in row] for row in panel.bars]
    assert np.sum(heights[2:]) == pytest.approx(0)
    np.testing.assert_allclose(
        np.array(heights[0]) / np.sum(heights[0]), counts(40, 2.0)[0] / 40
    )


def test_together_divides_by_the_first_row():
    panel = set_to(Together(), choice="ways to combine")
    losses = read("teamwork")["ways to combine"][..., 0]
    np.testing.assert_allclose(panel.dots[3].get_xdata(), losses[3] / losses[0])
    assert panel.bars[0].get_xdata()[0] == 1


def test_the_general_law_of_the_panel_is_a_minimum():
    """Among many random weights on the simplex."""
    draw = np.random.default_rng(0).dirichlet(np.ones(4), 20_000)
    for case, c in itertools.product(CASES, STRENGTHS):
        panel = set_to(BrokenLaw(), case=case, strength=c)
        M, best = moments(case, c), panel.result["theory"]
        least = np.einsum("nk,kl,nl->n", draw, M, draw).min()
        assert best @ M @ best <= least + 1e-9, (case, c)


@pytest.mark.parametrize("case", CASES)
def test_moments_are_those_of_the_errors_that_are_drawn(case):
    """Simulated: the y of the sources less the clean y, or less the target's."""
    problem = broken(case, 2.0).sample(20_000, torch.Generator().manual_seed(0))
    target = problem.views[0] if "source 0" in case else problem.clean
    errors = torch.stack([view.y - target.y for view in problem.views]).flatten(1)
    M = (errors @ errors.T / errors.shape[1]).numpy()
    np.testing.assert_allclose(M, moments(case, 2.0), atol=0.15)


# Live


def test_live_trust_learns_what_a_training_learns():
    panel = set_to(LiveTrust(), noise_0=2.0, noise_3=0.5)
    panel.budget = {"meta_steps": 5}
    panel.run()
    panel.wait(60)
    kind = KINDS["noise"]
    optimizer, _ = trust.learned(kind, (2.0, 1.0, 2.0, 0.5), meta_steps=5)
    shown = panel.bars.tops["learned"].get_ydata()
    np.testing.assert_allclose(shown, optimizer.lambdas, atol=1e-6)
    assert len(panel.lines[0].get_xdata()) == 6
    assert "Theory" in panel.text


def test_a_guess_moves_its_bars_and_keeps_what_was_learned():
    panel = LiveTrust()
    set_to(panel, guess_0=100, guess_1=0, guess_2=0, guess_3=0)
    assert panel.bars.tops["guess"].get_ydata().tolist() == [1, 0, 0, 0]
    assert panel.text.endswith("Your guess of lambda is 1.00, 0.00, 0.00, 0.00.")
    panel.budget = {"meta_steps": 2}
    panel.run()
    panel.wait(60)
    learned = panel.bars.tops["learned"].get_ydata().copy()
    set_to(panel, guess_0=0, guess_1=0, guess_2=0, guess_3=0)  # no guess at all
    assert panel.bars.tops["guess"].get_ydata().tolist() == [0.25] * 4
    assert panel.bars.tops["learned"].get_ydata().tolist() == learned.tolist()
    assert "0.25, 0.25" in panel.text
    set_to(panel, noise_0=4.0)
    assert "out of date" in panel._status.value


def test_turned_sources_have_no_theory_and_stop_keeps_what_was_learned():
    panel = LiveTurned()
    assert set(panel.bars.lines) == {"guess", "learned"}
    panel.budget = {"seconds": 60.0}
    panel.run()
    panel.stop()
    panel.wait(60)
    assert panel.bars.tops["learned"].get_ydata().sum() == pytest.approx(1)
    assert "Theory" not in panel.text


def test_paths_show_means_and_seeds():
    panel = set_to(Paths(), sources="noisiest_clean", steps=50)
    lambdas = read("paths_noisiest_clean")["lambdas"][:, :51]
    np.testing.assert_allclose(panel.means[3].get_ydata(), lambdas[..., 3].mean(0))
    np.testing.assert_allclose(panel.seeds[3][7].get_ydata(), lambdas[7, :, 3])
    assert (panel.means[4].get_ydata() < 0).all()  # there is no source 4
    assert "noise 0.5" in panel.names[3].get_text()


def test_the_meta_gradient_pushes_the_worst_source_down_most():
    """Though lambda of poison 0.8 ends above that of 0.5: Adam divides by the size."""
    kind = KINDS["poison"]
    optimizer = trusting(kind.frozen, 4)
    trainer = Trainer(optimizer, kind.make(kind.home), batch=4)
    grads = []
    for _ in range(15):
        trainer.meta_gradient()
        grads.append(optimizer.alpha.grad.clone())
    mean = torch.stack(grads).mean(0)
    assert mean[0] < mean[1] < 0 < mean[2] < mean[3] / 3
    last = read("paths_poison")["lambdas"][:, -1]
    assert (last[:, 3] > last[:, 2]).all()


# Questions


def test_questions_are_answered_by_what_is_stored():
    assert noise_question().measured() == pytest.approx(
        float(load("concurrent_noise").lambdas[0])
    )
    first = float(load("concurrent_rotation").lambdas[0])
    assert ("Nearly all" in turned_question().measured()) == (first > 0.85)
    halves = read("cooperation_poison")["average"][30].mean()
    assert poison_question().measured() == pytest.approx(halves)
    losses = read("subsets")["average"][:, 1, 1].mean(1)
    assert subsets_question().measured() == pytest.approx(losses[0] / losses[2])
    losses = np.median(read("teamwork")["ways to combine"][..., 0], axis=1)
    names = list(teamwork.choices()["ways to combine"])
    best = combine_question().measured()
    assert losses[names.index(best)] == losses[2:].min()
    assert copies_question().measured() == "More than a quarter"
    last = read("paths_noisiest_clean")["lambdas"][:, -1, 3]
    assert (seeds_question().measured() == "Within 0.05") == (np.ptp(last) < 0.05)


def test_averaged_sources_give_the_mean_gradient_and_the_target():
    """The control of the ways to combine: one gradient, the clean target's slope."""
    line = Quadratic(5, theta_true=True)
    concurrent = Concurrent(line, [()] * 3, "clean")
    problem = teamwork.Averaged(concurrent).sample(4, torch.Generator().manual_seed(0))
    loss, grads, target = problem.value_and_grads(problem.theta0)
    assert grads.shape == (1, 4, 5) and teamwork.Averaged(concurrent).coords == 5
    torch.testing.assert_close(grads[0], target)
    torch.testing.assert_close(loss, problem.loss(problem.theta0))


def test_losses_as_sources_are_those_they_are_called():
    """theta_0 of the regression, against the loss on its outputs."""
    fitted = problems.diabetes()
    problem = Concurrent(fitted, [(), teamwork.L1, teamwork.SMOOTH]).sample(
        1, torch.Generator().manual_seed(0)
    )
    X, y = fitted.data[:2]
    outputs = torch.func.functional_call(
        fitted.module, _named(fitted, problem.theta0[0]), (X,)
    )
    for view, loss in zip(
        problem.views, (F.mse_loss, F.l1_loss, F.smooth_l1_loss), strict=True
    ):
        torch.testing.assert_close(view.loss(problem.theta0)[0], loss(outputs, y))


def _named(network, theta):
    parts, start = {}, 0
    for name, weight in network.module.named_parameters():
        parts[name] = theta[start : start + weight.numel()].view_as(weight)
        start += weight.numel()
    return parts
