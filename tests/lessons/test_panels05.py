"""The panels of lesson 05 against independent computations."""

import numpy as np
import pytest

from l2o_kit.baselines import SIX, Baseline
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize, paired_ratio
from l2o_kit.lessons.l05_generalization import choices, horizon
from l2o_kit.lessons.l05_generalization.choices_panel import Choices, discount_question
from l2o_kit.lessons.l05_generalization.claims import adam
from l2o_kit.lessons.l05_generalization.horizon_panel import Horizon, horizon_question
from l2o_kit.lessons.l05_generalization.museum import (
    EXHIBITS,
    Change,
    judge,
    outcome,
    train,
)
from l2o_kit.lessons.l05_generalization.museum_panel import Museum, cheap_question
from l2o_kit.lessons.l05_generalization.places import (
    HOME,
    HORIZONS,
    MAP_LAYERS,
    MAP_UNITS,
    NETWORKS,
    PLACES,
    network,
)
from l2o_kit.lessons.l05_generalization.places_panel import (
    CENTRES,
    Generalize,
    Map,
    breaks_question,
)
from l2o_kit.lessons.stored import read


def set_to(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = value
    return panel


def test_curves_away_from_home_are_those_of_a_run():
    panel = set_to(Generalize(), units=10, activation="tanh")
    place = (10, 1, "tanh", 128, 1.0)
    rules = {
        "plain": load("digits"),
        "robust": load("digits_robust"),
        "Adam": adam(place, 100),
    }
    for name, rule in rules.items():
        losses = optimize(rule, network(*place), batch=NETWORKS).losses.mean(1)
        line = panel.lines[name]
        assert line.get_xdata()[-1] == 95.5 and len(line.get_xdata()) == 11
        assert line.get_ydata()[-1] == pytest.approx(
            float(losses[91:].mean()), rel=0.05
        ), name
    assert f"its best rate {rules['Adam'].lr:.2g}" in panel.text


def test_adam_is_tuned_for_the_horizon_that_is_shown():
    place, steps = (10, 1, "tanh", 128, 1.0), 500
    panel = set_to(Generalize(), units=10, activation="tanh", horizon=steps)
    rule = adam(place, steps)
    assert rule.lr != adam(place, 100).lr
    losses = optimize(rule, network(*place), steps=steps, batch=NETWORKS).losses
    assert panel.lines["Adam"].get_ydata()[-1] == pytest.approx(
        float(losses[491:].mean()), rel=0.1
    )


def test_the_horizon_cuts_the_curves_and_crosses_show_where_one_is():
    panel = set_to(Generalize(), layers=2, horizon=200)
    assert panel.lines["plain"].get_xdata()[-1] == 195.5 == CENTRES[20]
    names = [*HOME, "horizon"]
    crosses = dict(zip(names, (d.get_xdata()[0] for d in panel.here), strict=True))
    assert crosses["layers"] == 1 and crosses["horizon"] == 1 and crosses["units"] == 1


def test_what_breaks_most_is_the_largest_ratio_of_last_losses():
    """From the curves, not from the panel's code."""
    plain, tuned = (read(f"places_{n}")["curves"] for n in ("plain", "adam"))

    def ratio(place, steps):
        k, bins = PLACES.index(place), steps // 10
        first = bins - bins // 10 + 1
        theirs = tuned[k, HORIZONS.index(steps), first : bins + 1]
        return plain[k, first : bins + 1].mean() / theirs.mean()

    ratios = [
        ratio((20, 1, "relu", 128, 1.0), 100),
        ratio((20, 1, "sigmoid", 128, 1.0), 500),
        ratio((40, 1, "sigmoid", 128, 1.0), 100),
    ]
    question = breaks_question()
    assert question.measured() == question.options[int(np.argmax(ratios))]


def test_a_random_point_of_the_map(draw):
    """One of the smaller networks, against the stored best rival at its stored rate."""
    i, j, k = draw(range(2), range(3), range(2))
    rows = read("map")
    name = SIX[rows["best"][i, j]]
    rival = Baseline(name, float(rows["rates"][i, j, rows["best"][i, j]]))
    rule = load(("digits", "digits_robust")[k])
    optimizee = network(MAP_UNITS[j], MAP_LAYERS[i])
    ours, theirs = (
        optimize(r, optimizee, batch=16, seed=1).last_tenth() for r in (rule, rival)
    )
    ratio = paired_ratio(ours, theirs)[0]
    where = f"{MAP_LAYERS[i]} layers of {MAP_UNITS[j]}, rule {k}"
    assert ratio == pytest.approx(rows["ratio"][i, j, k, 0], rel=0.1), where
    panel = set_to(Map(), optimizer=("plain", "robust")[k])
    shown = panel.lines[i].get_ydata()[j]
    assert shown == pytest.approx(np.clip(rows["ratio"][i, j, k, 0], 0.2, 40))


def test_far_beyond_the_horizon_begins_as_a_run_does():
    """The first hundred of ten thousand steps, run anew."""
    lr = float(read("horizons")["lr"])
    rules = {
        "plain": load("digits"),
        "robust": load("digits_robust"),
        "Adam": Baseline("Adam", lr),
    }
    panel = set_to(Horizon(), steps=100)
    for name, rule in rules.items():
        curves = optimize(rule, network(), batch=horizon.JUDGED_ON, seed=1)
        losses = curves.losses.double().numpy()
        marks = panel.lines[name].get_xdata()
        assert marks[-1] == 100
        expected = losses[int(marks[-2]) + 1 : 101].mean()
        shown = panel.lines[name].get_ydata()[-1]
        assert shown == pytest.approx(expected, rel=0.05), name


@pytest.mark.parametrize("steps", [500, 1000, 5000])
def test_the_sentence_and_the_table_name_the_same_losses(steps):
    panel = set_to(Horizon(), steps=steps)
    header, rows = panel.table
    assert header[-1] == f"{steps:,}"
    for name, *losses in rows:
        assert losses[-1] in panel.text, name
    longest = set_to(Horizon(), steps=10_000).table
    place = longest[0].index(f"{steps:,}")
    assert [row[place] for row in longest[1]] == [row[-1] for row in rows]


def test_marks_and_parts_are_means_over_steps():
    losses = np.arange(horizon.LONGEST + 1.0)[:, None].repeat(3, 1)
    thinned = horizon.thinned(losses)
    assert thinned.shape == (3, len(horizon.MARKS))
    assert thinned[0, 0] == 1 and thinned[0, 1] == 2  # marks 1, 2, ...
    total = (thinned[0] * np.diff([0, *horizon.MARKS])).sum()
    assert total == pytest.approx(losses[1:, 0].sum())
    assert horizon.parts(losses)[2].tolist() == [1900.5] * 3


def test_stored_ends_agree_with_the_stored_curves():
    rows = read("horizons")
    last = rows["curves"][:, 0, horizon.MARKS > 9000]
    gaps = np.diff(horizon.MARKS)[-last.shape[1] :]
    mean = (last * gaps).sum(1) / gaps.sum()
    np.testing.assert_allclose(rows["ends"][:, 3].mean(1), mean, rtol=0.3)


def test_the_question_about_the_horizon_is_answered_by_the_ends():
    rows = read("horizons")["ends"].mean(2)
    plain, tuned = rows[0, 2], rows[2, 2]
    answer = horizon_question().measured()
    assert ("ahead" in answer) == (plain < tuned)
    assert ("top" in answer) == (plain > 1)


def test_the_museum_shows_what_a_training_gives():
    panel = set_to(Museum(), exhibit="inputs that vanish", seed=3)
    panel.share = 0.05
    for switch in (False, True):
        set_to(panel, switch=switch).run()
        panel.wait(60)
        exhibit = EXHIBITS["inputs that vanish"]
        change = exhibit.cure if switch else Change()
        short = Change(change.optimizer, change.training | {"meta_steps": 10})
        curve = judge(exhibit, train(exhibit, short, 3)[0])
        shown = panel.lines[switch].get_ydata()
        np.testing.assert_allclose(shown, curve.clip(5e-5, 20), rtol=1e-4)
    assert panel.lines[False].get_ydata().max() <= 1.01  # both runs stay in the picture
    set_to(panel, seed=4).run()
    panel.wait(60)
    assert panel.lines[False].get_ydata().min() > 10  # another seed: out of sight


def test_percentages_are_written_out():
    shown = [cell for row in Museum().numbers(None)[1] for cell in row[1:]]
    assert "120 %" in shown and "0.022 %" in shown and "e+" not in str(shown)


def outcome_over_stored(name, k, seed):
    """The log of an exhibit's outcome, trained again, over what is stored.

    k: 0 with its own switch, 1 with nothing changed.
    """
    exhibit, row = EXHIBITS[name], list(EXHIBITS).index(name)
    optimizer, _ = train(exhibit, (exhibit.cure, Change())[k], seed)
    new = outcome(judge(exhibit, optimizer))
    return float(np.log(new / read("museum")["outcome"][row, k, seed]))


def test_a_random_entry_of_the_ablation_table(draw):
    """Of the quick exhibits; their own switch, or nothing changed."""
    calm = ("inputs that vanish", "only the last loss", "ReLU")
    name, k, seed = draw(calm, range(2), range(3))
    assert abs(outcome_over_stored(name, k, seed)) < 0.25, (name, k, seed)


def test_a_chaotic_entry_of_the_ablation_table(draw):
    """Trained on another processor, a rule has been three times as bad."""
    k, seed = draw(range(2), range(3))
    assert abs(outcome_over_stored("another scale", k, seed)) < 2, (k, seed)


def test_every_switch_beats_its_exhibit_in_the_table():
    table = np.median(read("museum")["outcome"], axis=2)
    assert (table[:, 0] < 0.5 * table[:, 1]).all()
    row = list(EXHIBITS).index("another scale")
    # columns: own switch, none, random scaling, curriculum, imitation, normalized, clip
    best = np.argmin(table[row, [2, 5, 6]])
    assert cheap_question().measured() == cheap_question().options[best]


CALM = ("0.9", "1.0", "0.001", "0.0001", "0.01, 0.001, 0.0001")
CHOICES = [k for k, (kind, _) in enumerate(choices.SETTINGS) if kind != "horizon"]


def log_ratio(k, seed):
    """Of a choice, trained and judged again, over what is stored: mean of the marks."""
    new = choices.outcome(*choices.SETTINGS[k], seed)
    ratio = float(np.log(new / read("experiments")["outcome"][k, seed]).mean())
    print(choices.SETTINGS[k], seed, ratio)
    return ratio


def test_a_random_choice_is_found_again(draw):
    """Of the short horizons, which take less time, and of those that are calm."""
    calm = [k for k in CHOICES if choices.SETTINGS[k][1] in CALM]
    assert abs(log_ratio(*draw(calm, range(choices.SEEDS)))) < 0.2


def test_a_random_chaotic_choice_is_found_again(draw):
    """Where the rate of phi is high, or the first losses count for little or nothing.

    On another kind of processor the losses were eight times as large or as small.
    """
    chaotic = [k for k in CHOICES if choices.SETTINGS[k][1] not in (*CALM, "2.0")]
    assert abs(log_ratio(*draw(chaotic, range(choices.SEEDS)))) < 3


def test_a_discount_of_two_diverges_again():
    k = choices.SETTINGS.index(("discount", "2.0"))
    assert np.isinf(choices.outcome("discount", "2.0", 0)).all()
    assert np.isinf(read("experiments")["outcome"][k]).all()


def test_choices_show_a_dot_for_each_seed_and_their_median():
    panel = set_to(Choices(), choice="rate of phi", steps=500)
    rows = [k for k, (kind, _) in enumerate(choices.SETTINGS) if kind == "rate of phi"]
    shares = read("experiments")["outcome"][rows, :, 1].clip(1e-5 / 9, 90)
    for k, seeds in enumerate(shares):
        np.testing.assert_allclose(panel.dots[k].get_xdata(), seeds)
        assert panel.bars[k].get_xdata()[0] == pytest.approx(np.median(seeds))
    question = discount_question()
    assert question.measured() in question.options
