"""What is stored, recomputed: random entries of every file."""

import json

import numpy as np
import pytest

from l2o_kit import store
from l2o_kit.baselines import RULES, Baseline, tune
from l2o_kit.checkpoint import load
from l2o_kit.evaluate import optimize
from l2o_kit.recipes import RECIPES
from l2o_kit.store import BUILDERS, RACE_NOISE, RACE_RATES, rivals, stored


@pytest.mark.parametrize("name", [*BUILDERS, "strips"])
def test_every_file_says_when_and_with_what_it_was_made(name):
    provenance = json.loads(str(stored(name)["provenance"]))
    assert {"date", "versions"} <= set(provenance)


def test_random_curves_of_the_race_grid():
    grid, draw = stored("race_grid"), np.random.default_rng()
    for _ in range(3):
        rule, rate, noise = (int(draw.integers(n)) for n in grid["rivals"].shape[:3])
        name = list(RULES)[rule]
        rival = store.race_rival(name, RACE_RATES[rate])
        new = store.race_curve(rival, RACE_NOISE[noise]).astype(float)
        old = grid["rivals"][rule, rate, noise].astype(float)
        usual = old[0] < 10  # a run that diverges magnifies the last bit of a float
        where = f"{name} at {RACE_RATES[rate]:.2g}, noise {RACE_NOISE[noise]}"
        np.testing.assert_allclose(
            new[0, usual], old[0, usual], rtol=0.02, err_msg=where
        )
    noise = int(draw.integers(len(RACE_NOISE)))
    new = store.race_curve(load("digits"), RACE_NOISE[noise]).astype(float)
    np.testing.assert_allclose(
        new[0], grid["learned"][noise, 0].astype(float), rtol=0.1
    )


@pytest.mark.parametrize("objective", ["mean", "last"])
def test_a_random_tuned_rate_is_found_again(objective):
    name = list(RULES)[np.random.default_rng().integers(len(RULES))]
    first = {"mean": 1, "last": 91}[objective]

    def score(rival):
        curves = optimize(rival, RECIPES["quadratic"].optimizee(), batch=1000,
                          purpose="tuning")  # fmt: skip
        value = float(curves.mean_loss(first).mean())
        return value if np.isfinite(value) else np.inf

    stored_rival = rivals("quadratic", objective)[name]
    again = tune(Baseline(name, 1.0, stored_rival.cosine_steps), score)
    assert again.lr == pytest.approx(stored_rival.lr), name


def test_rates_of_digits_are_better_than_their_neighbours():
    """The whole grid takes minutes; two neighbours of one random rival do not."""
    name = list(RULES)[np.random.default_rng().integers(len(RULES))]
    best = rivals("digits")[name]
    scores = []
    for lr in (best.lr, 1.36 * best.lr, best.lr / 1.36):
        rival = Baseline(name, lr, best.cosine_steps)
        curves = optimize(rival, RECIPES["digits"].optimizee(), purpose="tuning",
                          batch=store.TUNING["digits"])  # fmt: skip
        scores.append(float(curves.mean_loss().mean()))
    assert scores[0] <= min(scores) * 1.0001, name


def test_an_unknown_name_says_what_is_there():
    with pytest.raises(FileNotFoundError, match=r"'nothing'. There is \[.*race_grid"):
        stored("nothing")


def test_numbers_of_pickled_objects_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    np.savez(tmp_path / "bad.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        stored("bad")
