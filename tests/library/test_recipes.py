"""Recipes: deterministic, and what is shipped was made by the recipe as it stands."""

import json

import pytest
import torch

from l2o_kit.checkpoint import from_config, load
from l2o_kit.lessons import recipes
from l2o_kit.lessons.recipes import RECIPES
from l2o_kit.optimizees import Quadratic, Scaled
from l2o_kit.optimizer import LSTMOptimizer
from l2o_kit.recipes import Recipe, how, make
from l2o_kit.trainer import meta_train

TINY = Recipe(
    lambda: Quadratic(2),
    {"preprocess": "identity", "hidden_size": 3},
    (
        {"unroll": 5, "meta_steps": 4, "batch": 4, "lr": (1e-2, 1e-3)},
        {"unroll": 20, "horizon": 20, "meta_steps": 2, "batch": 4, "lr": 1e-3},
    ),
    judged_on=5,
)


def test_a_recipe_is_deterministic_and_remembers_how(tmp_path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(load(make("tiny", TINY, tmp_path / name)))
    for a, b in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(a, b)
    provenance = made[0].provenance
    assert provenance["recipe"] == "tiny" and provenance["seed"] == 0
    assert provenance["how"]["stages"][1]["unroll"] == 20
    assert provenance["score"]["loss at step 100"] > 0
    untrained = LSTMOptimizer(**TINY.config, seed=0)
    assert not torch.equal(untrained.lstm.w_out, made[0].lstm.w_out)


def test_a_recipe_may_go_on_from_a_shipped_optimizer_on_other_problems(tmp_path):
    warm = Recipe(
        lambda: Quadratic(2),
        load("quadratic").config,
        (
            {
                "unroll": 5,
                "meta_steps": 1,
                "batch": 4,
                "lr": 1e-9,
                "on": lambda: Scaled(Quadratic(3), 2.0),
            },
        ),
        judged_on=2,
        steps=7,
        start="quadratic",
    )
    made = load(make("warm", warm, tmp_path))
    for a, b in zip(made.parameters(), load("quadratic").parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0.0)
    assert "dim=3" in made.provenance["how"]["stages"][0]["on"]
    assert "dim=2" in made.provenance["how"]["optimizee"]
    assert made.provenance["how"]["start"] == "quadratic"
    assert "mean loss, steps 1 to 7" in made.provenance["score"]


def test_a_recipe_that_was_stopped_goes_on_from_what_it_kept(tmp_path, monkeypatch):
    whole, calls = load(make("tiny", TINY, tmp_path)), []
    (tmp_path / "keep").mkdir()

    def second_stage_fails(optimizer, optimizee, **settings):
        calls.append(settings)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return meta_train(optimizer, optimizee, **settings)

    monkeypatch.setattr("l2o_kit.recipes.meta_train", second_stage_fails)
    with pytest.raises(KeyboardInterrupt):
        make("tiny", TINY, tmp_path, tmp_path / "keep")
    (tmp_path / "tiny.safetensors").unlink()
    resumed = load(make("tiny", TINY, tmp_path, tmp_path / "keep"))
    assert calls[0]["resume"] is None and calls[2]["resume"] is not None
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shipped_was_made_by_this_recipe(name):
    recipe, shipped = RECIPES[name], load(name)
    assert shipped.provenance["how"] == json.loads(json.dumps(how(recipe)))
    assert shipped.provenance["seed"] == recipe.seed
    assert shipped.config == from_config(recipe.config).config


def test_the_command_line_names_what_it_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    monkeypatch.setattr("sys.argv", ["recipes", "tiny", "--folder", str(tmp_path)])
    recipes.main()
    assert "tiny: tiny.safetensors," in capsys.readouterr().out
