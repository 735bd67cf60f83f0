"""How the library's shipped optimizers were made: one named recipe each.

A recipe is deterministic for its seed on one machine: it counts meta-steps, not time.
Its score goes into the file with the weights; claims are judged on other problems.
``python -m l2o_kit.lessons.recipes`` makes them, and those that lessons add.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from l2o_kit import distributed
from l2o_kit.checkpoint import PRETRAINED, from_config, load, save
from l2o_kit.evaluate import optimize
from l2o_kit.groups import Learned
from l2o_kit.problems import (
    diabetes,
    digits,
    mnist_mlp,
    noisy,
    poisoned,
    quadratic,
    rotated,
    several_activations,
)
from l2o_kit.trainer import Rate, meta_train
from l2o_kit.trust import learn_lambda


@dataclass(frozen=True)
class Recipe:
    """What to train on, how the optimizer is built, and each stage of meta_train.

    optimizee is what it is judged on, and trained on, unless a stage says "on" what
    else. start names a shipped optimizer whose phi it goes on from; a stage with
    "only_lambda" then leaves all of it but lambda as it is.

    On networks, windows of 20 steps learn quickly but end in a greedy rule: it falls
    fast and then cannot settle. Stages with windows of 100 and of 50 steps fix that.
    On quadratics a stage with a window of 100 was tried, and changed nothing. Where
    phi goes on from a good rule, the meta-gradient without second derivatives made it
    worse, on both networks, and the one with them better.
    """

    optimizee: Callable
    config: dict
    stages: tuple[dict, ...]
    judged_on: int = 100  # problems, for the score
    steps: int = 100  # of the score
    start: str | None = None
    seed: int = 0


def stage(unroll: int, meta_steps: int, batch: int, lr: Rate, **more: Any) -> dict:
    """One call of meta_train: its arguments by name, in the order of the papers."""
    return {
        "unroll": unroll,
        "meta_steps": meta_steps,
        "batch": batch,
        "lr": lr,
        **more,
    }


ONLY_LAMBDA = stage(20, 100, 4, (0.1, 0.003), only_lambda=True)
FOUR = {"preprocess": "log_sign", "combine": "softmax", "num_sources": 4}
ROBUST = {"preprocess": "normalized", "bounded": True}

RECIPES = {
    "quadratic": Recipe(
        quadratic,
        {"preprocess": "identity"},
        (stage(20, 15_000, 128, (5e-3, 1e-4)),),
        judged_on=1000,
    ),
    "digits": Recipe(
        digits,
        {"preprocess": "log_sign"},
        (
            stage(20, 400, 4, (1e-2, 3e-3)),
            stage(100, 1_800, 2, (3e-3, 1e-4)),
            stage(50, 1_300, 4, (2e-3, 1e-4)),
        ),
        judged_on=32,
    ),
    "digits_robust": Recipe(
        digits,
        ROBUST,
        (
            stage(20, 800, 4, (1e-2, 3e-3), horizon=(100, 200), on=several_activations),
            stage(
                100, 500, 2, (3e-3, 1e-4), horizon=(100, 300), on=several_activations
            ),
        ),
        judged_on=32,
    ),
    "mnist_mlp": Recipe(
        mnist_mlp,
        {"preprocess": "log_sign", "output_scale": 0.025},
        (stage(50, 90, 2, (3e-4, 3e-5), horizon=200, second_derivatives=True),),
        judged_on=16,
        start="digits",
    ),
    "diabetes": Recipe(
        diabetes,
        ROBUST | {"output_scale": 0.2},
        (
            stage(50, 90, 8, (1e-3, 5e-4), horizon=500, second_derivatives=True),
            stage(250, 120, 8, (5e-4, 3e-5), horizon=500, second_derivatives=True),
        ),
        judged_on=32,
        steps=500,
        start="digits_robust",
    ),
    "concurrent_noise": Recipe(
        noisy, FOUR, (stage(20, 3_000, 64, (1e-2, 1e-4)),), judged_on=1000
    ),
    "concurrent_rotation": Recipe(
        rotated, FOUR | {"num_sources": 3}, (ONLY_LAMBDA,), judged_on=32, start="digits"
    ),
    "concurrent_poison": Recipe(
        poisoned, FOUR, (ONLY_LAMBDA,), judged_on=32, start="digits"
    ),
}


def make(
    name: str,
    recipe: Recipe,
    folder: Path = PRETRAINED,
    keep: Path | None = None,
    device: str | None = None,
) -> Path:
    """Train one recipe from random phi; save it as NAME, with its provenance.

    keep: a folder for what each stage needs to go on; a run that was stopped goes on
    from what it finds there. device: where to train.
    """
    distributed.start()
    optimizer = from_config(recipe.config, recipe.seed)
    if recipe.start:  # it knows nothing of lambda
        started = optimizer.state_dict() | load(recipe.start).state_dict()
        optimizer.load_state_dict(started)
    seconds = 0.0
    for k, stage in enumerate(recipe.stages):
        settings = {"on": recipe.optimizee} | stage
        train: Callable = (
            learn_lambda if settings.pop("only_lambda", False) else meta_train
        )
        path = keep and keep / f"{name}.{k}.safetensors"
        settings |= distributed.by_first(kept, path)  # rank 0 will write there at once
        settings |= {"seed": recipe.seed + k, "device": device}
        log = train(optimizer, settings.pop("on")(), **settings)
        seconds += log.seconds[-1]
    return distributed.by_first(scored, optimizer, name, recipe, folder, seconds)


def scored(
    optimizer: Learned, name: str, recipe: Recipe, folder: Path, seconds: float
) -> Path:
    """Score what a recipe made, and save it with its provenance."""
    optimizee = recipe.optimizee()
    optimizer.to("cpu")
    curves = optimize(
        optimizer,
        optimizee,
        steps=recipe.steps,
        batch=recipe.judged_on,
        purpose="score",
    )
    mean, last = curves.mean_loss().mean(), curves.losses[-1].mean()
    score = {
        f"mean loss, steps 1 to {recipe.steps}": round(float(mean), 4),
        f"loss at step {recipe.steps}": round(float(last), 4),
    }
    return save(
        optimizer,
        folder / f"{name}.safetensors",
        recipe=name,
        how=how(recipe),
        seed=recipe.seed,
        score=score,
        seconds=round(seconds),
    )


def kept(path: Path | None) -> dict:
    """What meta_train is told to keep a stage in a file, and to go on from it."""
    if path is None:
        return {}
    return {"checkpoint": path, "resume": path if path.is_file() else None}


def how(recipe: Recipe) -> dict:
    """A recipe in words and numbers, for its checkpoint's provenance."""
    stages = [{"on": recipe.optimizee} | stage for stage in recipe.stages]
    stages = [stage | {"on": repr(stage["on"]())} for stage in stages]
    return asdict(recipe) | {"optimizee": repr(recipe.optimizee()), "stages": stages}
