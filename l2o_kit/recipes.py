"""How each shipped optimizer was made: one named recipe each.

    python -m l2o_kit.recipes            every recipe, in order
    python -m l2o_kit.recipes digits     one of them
    python -m l2o_kit.recipes conv --keep FOLDER     go on from where it was stopped

A recipe is deterministic for its seed on one machine: it counts meta-steps, not time.
Its score goes into the file with the weights; claims are judged on other problems.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torch.nn import functional as F

from l2o_kit import data
from l2o_kit.checkpoint import PRETRAINED, from_config, load, save
from l2o_kit.concurrent import Concurrent
from l2o_kit.evaluate import optimize
from l2o_kit.groups import CONV_AND_FC
from l2o_kit.optimizees import Network, Quadratic, convnet, mlp
from l2o_kit.sources import Noise, Poison, Rotation
from l2o_kit.trainer import meta_train
from l2o_kit.trust import learn_lambda
from l2o_kit.variations import Mixture, RandomScaling


def quadratic() -> Quadratic:
    """The paper's quadratics: ten dimensions, W, y and theta_0 standard normal."""
    return Quadratic(dim=10)


def digits() -> Network:
    """The 64-20-10 sigmoid network on scikit-learn's digits; weights ~ N(0, 0.1^2)."""
    return Network(mlp([64, 20, 10]), *data.digits(), batch_size=128, init_std=0.1)


def mnist_mlp() -> Network:
    """The paper's 784-20-10 sigmoid network, on the digits enlarged to 28x28."""
    return Network(mlp([784, 20, 10]), *data.digits(size=28), init_std=0.1)


def diabetes() -> Network:
    """Regression: a 10-20-1 sigmoid network, mean squared error, on load_diabetes."""
    network = mlp([10, 20, 1])
    return Network(network, *data.diabetes(), loss=F.mse_loss, init_std=0.1)


def several_activations() -> RandomScaling:
    """The digits network with a sigmoid, a tanh or a ReLU, its coordinates scaled."""
    networks = (
        Network(mlp([64, 20, 10], activation), *data.digits())
        for activation in ("sigmoid", "tanh", "relu")
    )
    return RandomScaling(Mixture(*networks), spread=1.0)


def conv(labels: str = "all", channels: int = 16, size: int = 32) -> Network:
    """The paper's convolutional network on digits on photographs, minibatches of 64."""
    pictures = data.digits_on_photos(data.LABELS[labels], size=size)
    return Network(convnet(channels, size), *pictures, batch_size=64, init_std=None)


def conv_others() -> Network:
    """The same on the labels 5 to 9 only."""
    return conv("others")


def conv_small() -> Network:
    """The same with 8 channels, on pictures of 16x16."""
    return conv(channels=8, size=16)


def noisy(stds=(0.5, 1.0, 2.0, 3.0), target: str = "clean") -> Concurrent:
    """Least squares, y = W theta_true, seen through noise of these sizes."""
    sources = [Noise(std) for std in stds]
    return Concurrent(Quadratic(dim=10, theta_true=True), sources, target)


def rotated(angles=(0, 20, 45), target: str = "clean") -> Concurrent:
    """The digits network, each source with its pictures turned by an angle."""
    return Concurrent(digits(), [Rotation(angle) for angle in angles], target)


def poisoned(rates=(0.0, 0.2, 0.5, 0.8), target: str = "clean") -> Concurrent:
    """The digits network, each source with a share of its labels wrong."""
    return Concurrent(digits(), [Poison(rate) for rate in rates], target)


PROBLEMS = {"quadratic": quadratic, "digits": digits, "mnist_mlp": mnist_mlp,
            "diabetes": diabetes, "conv_small": conv_small}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What to train on, how the optimizer is built, and each stage of meta_train.

    optimizee is what it is judged on, and trained on, unless a stage says "on" what
    else. start names a shipped optimizer whose phi it goes on from; a stage with
    "only_lambda" then leaves all of it but lambda as it is.

    On networks, windows of 20 steps learn quickly but end in a greedy rule: it falls
    fast and then cannot settle. Stages with windows of 100 and of 50 steps mend that.
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


ONLY_LAMBDA = {"only_lambda": True, "unroll": 20, "meta_steps": 100, "batch": 4,
               "lr": (0.1, 0.003)}  # fmt: skip
SMALL_STEPS = {"preprocess": "log_sign", "output_scale": 0.01}
TWO = {"groups": {"conv": SMALL_STEPS, "fc": SMALL_STEPS}, "rule": CONV_AND_FC}
# On convolutional networks random phi is lost at once on a plateau; a teacher for the
# first hundred windows prevents that.
CONV_STAGES = (
    {"unroll": 20, "meta_steps": 100, "batch": 1, "lr": 5e-3, "imitate": 3e-3},
    {"unroll": 20, "meta_steps": 900, "batch": 1, "lr": (3e-3, 1e-3)},
    {"unroll": 50, "meta_steps": 400, "batch": 1, "lr": (2e-3, 3e-4)},
    {"unroll": 100, "meta_steps": 200, "batch": 1, "lr": (1e-3, 1e-4)},
)
RECIPES = {
    "quadratic": Recipe(
        quadratic,
        {"preprocess": "identity"},
        ({"unroll": 20, "meta_steps": 15_000, "batch": 128, "lr": (5e-3, 1e-4)},),
        judged_on=1000,
    ),
    "digits": Recipe(
        digits,
        {"preprocess": "log_sign"},
        (
            {"unroll": 20, "meta_steps": 400, "batch": 4, "lr": (1e-2, 3e-3)},
            {"unroll": 100, "meta_steps": 1_800, "batch": 2, "lr": (3e-3, 1e-4)},
            {"unroll": 50, "meta_steps": 1_300, "batch": 4, "lr": (2e-3, 1e-4)},
        ),
        judged_on=32,
    ),
    "digits_robust": Recipe(
        digits,
        {"preprocess": "normalized", "bounded": True},
        (
            {
                "on": several_activations,
                "unroll": 20,
                "horizon": (100, 200),
                "meta_steps": 800,
                "batch": 4,
                "lr": (1e-2, 3e-3),
            },
            {
                "on": several_activations,
                "unroll": 100,
                "horizon": (100, 300),
                "meta_steps": 500,
                "batch": 2,
                "lr": (3e-3, 1e-4),
            },
        ),
        judged_on=32,
    ),
    "mnist_mlp": Recipe(
        mnist_mlp,
        {"preprocess": "log_sign", "output_scale": 0.025},
        (
            {
                "unroll": 50,
                "horizon": 200,
                "meta_steps": 90,
                "batch": 2,
                "lr": (3e-4, 3e-5),
                "second_derivatives": True,
            },
        ),
        judged_on=16,
        start="digits",
    ),
    "diabetes": Recipe(
        diabetes,
        {"preprocess": "normalized", "bounded": True, "output_scale": 0.2},
        (
            {
                "unroll": 50,
                "horizon": 500,
                "meta_steps": 90,
                "batch": 8,
                "lr": (1e-3, 5e-4),
                "second_derivatives": True,
            },
            {
                "unroll": 250,
                "horizon": 500,
                "meta_steps": 120,
                "batch": 8,
                "lr": (5e-4, 3e-5),
                "second_derivatives": True,
            },
        ),
        judged_on=32,
        steps=500,
        start="digits_robust",
    ),
    "concurrent_noise": Recipe(
        noisy,
        {"preprocess": "log_sign", "combine": "softmax", "num_sources": 4},
        ({"unroll": 20, "meta_steps": 3_000, "batch": 64, "lr": (1e-2, 1e-4)},),
        judged_on=1000,
    ),
    "concurrent_rotation": Recipe(
        rotated,
        {"preprocess": "log_sign", "combine": "softmax", "num_sources": 3},
        (ONLY_LAMBDA,),
        judged_on=32,
        start="digits",
    ),
    "concurrent_poison": Recipe(
        poisoned,
        {"preprocess": "log_sign", "combine": "softmax", "num_sources": 4},
        (ONLY_LAMBDA,),
        judged_on=32,
        start="digits",
    ),
    "conv": Recipe(conv, TWO, CONV_STAGES, judged_on=16),
    "conv_sub": Recipe(conv_others, TWO, CONV_STAGES, judged_on=16),
    "conv_shared": Recipe(conv, SMALL_STEPS, CONV_STAGES, judged_on=16),
    "conv_small": Recipe(conv_small, TWO, CONV_STAGES, judged_on=16),
}


def make(name: str, folder: Path = PRETRAINED, keep: Path | None = None) -> Path:
    """Train one recipe from random phi and save it with its provenance.

    keep: a folder for what each stage needs to go on; a run that was stopped goes on
    from what it finds there.
    """
    recipe = RECIPES[name]
    optimizee = recipe.optimizee()
    optimizer = from_config(recipe.config, recipe.seed)
    if recipe.start:  # it knows nothing of lambda
        started = optimizer.state_dict() | load(recipe.start).state_dict()
        optimizer.load_state_dict(started)
    seconds = 0.0
    for k, stage in enumerate(recipe.stages):
        settings = {"on": recipe.optimizee} | stage
        train = learn_lambda if settings.pop("only_lambda", False) else meta_train
        settings |= kept(keep and keep / f"{name}.{k}.safetensors")
        log = train(optimizer, settings.pop("on")(), **settings, seed=recipe.seed + k)
        seconds += log.seconds[-1]
    curves = optimize(optimizer, optimizee, steps=recipe.steps, batch=recipe.judged_on,
                      purpose="score")  # fmt: skip
    mean, last = curves.mean_loss().mean(), curves.losses[-1].mean()
    score = {f"mean loss, steps 1 to {recipe.steps}": round(float(mean), 4),
             f"loss at step {recipe.steps}": round(float(last), 4)}  # fmt: skip
    return save(optimizer, folder / f"{name}.safetensors", recipe=name,
                how=how(recipe), seed=recipe.seed, score=score,
                seconds=round(seconds))  # fmt: skip


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


def main():
    """The command line: make the recipes that are named, or all."""
    parser = argparse.ArgumentParser(description="Train the shipped optimizers anew.")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(RECIPES)}")
    parser.add_argument("--folder", type=Path, default=PRETRAINED)
    parser.add_argument("--keep", type=Path, help="a folder for long trainings")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(RECIPES)
    if unknown:
        parser.error(
            f"no recipe is called {sorted(unknown)}; there are {list(RECIPES)}"
        )
    for name in arguments.names or RECIPES:
        path = make(name, arguments.folder, arguments.keep)
        print(f"{name}: {path.name}, {path.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
