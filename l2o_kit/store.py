"""Results that take too long for a slider, kept in ``stored/NAME.npz``.

    python -m l2o_kit.store              compute everything anew (minutes)
    python -m l2o_kit.store rates_digits one file

Every file has a builder here, and a test recomputes random entries of it.

    rates_PROBLEM   tuned learning rates of the rivals, for an objective and steps
    race_rivals     digits: loss curves of each rival at each rate and pixel noise
    race_learned    the same of the shipped optimizer, at each pixel noise
    networks        lesson 04: three places, three horizons, nine rules
    places_RULE     lesson 05: the digits network in 144 forms
    map             lesson 05: layers and units
    museum          lesson 05: every exhibit with every cure
    horizons        lesson 05: up to 10,000 steps
    experiments     lesson 05: discounts, horizons, rates of phi
    cooperation_KIND  lesson 06: lambda and losses for many settings of three sources
    conflict        lesson 06: lambda with and without second derivatives
    subsets         lesson 06: numbers, sizes, class concentrations of subsets
    teamwork        lesson 06: one choice changed at a time
    paths_NAME      lesson 07: lambda after every meta-step, many seeds
    drawn           lesson 07: lambda of noise of random sizes, and in random orders
    cases           lesson 07: lambda where the inverse variances are not the answer
    rates_conv_PLACE  lesson 08: tuned rates of the rivals at each place
    conv_PLACE      lesson 08: three learned optimizers and seven rivals
    accuracies      lesson 08: a line and the convolutional network, to convergence
    two_rates       lesson 08: Adam with a rate for each group
    watched         lesson 08: filters and gradients, step by step
    watched_conv_small  lesson 08: rivals on the networks of the live panel
    gallery_PLACE   lesson 09: rates and losses at home, large, in new styles
    scorecard       lesson 10: each shipped optimizer on nine tasks
    costs           lesson 10: seconds of a step's parts, four networks
    elsewhere       quadratics of another scale, dimension, horizon: see elsewhere.py
"""

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from l2o_kit import (
    convolutions,
    cooperation,
    costs,
    data,
    elsewhere,
    experiments,
    gallery,
    generalization,
    horizons,
    interpretability,
    museum,
    scorecard,
    teamwork,
)
from l2o_kit import networks as real_networks
from l2o_kit.baselines import RULES, Baseline, tuned_baselines
from l2o_kit.checkpoint import load, today
from l2o_kit.evaluate import optimize
from l2o_kit.optimizees import Network, mlp
from l2o_kit.plots import mean_band
from l2o_kit.problems import PROBLEMS

FOLDER = Path(__file__).parent / "stored"
STEPS = 100
# Problems that a rate is tuned on; and for what it is tuned, after how many steps
TUNING = {"quadratic": 1000, "digits": 16, "mnist_mlp": 4, "diabetes": 16,
          "conv_small": 8}  # fmt: skip
AT_HOME = (("mean", 100), ("last", 100))
LONGER = (("last", 200), ("last", 500))
TUNED_FOR = {
    "quadratic": AT_HOME,
    "digits": AT_HOME + LONGER,
    "mnist_mlp": AT_HOME[1:] + LONGER,
    "diabetes": AT_HOME + LONGER,
    "conv_small": AT_HOME[:1],
}


def stored(name: str) -> dict[str, np.ndarray]:
    """The arrays of one stored file, by name."""
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        names = sorted(p.stem for p in FOLDER.glob("*.npz"))
        raise FileNotFoundError(
            f"Nothing is stored as {name!r}. There is {names}. To compute it: "
            f"python -m l2o_kit.store {name}"
        )
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def rivals(problem: str, objective: str = "mean", steps: int = STEPS) -> dict:
    """The rivals of a shipped problem, tuned for an objective after so many steps.

    Returns name -> Baseline, from ``stored/rates_PROBLEM``. Raises ValueError where
    nothing is stored for that.
    """
    rates, key = stored(f"rates_{problem}"), f"{objective}_{steps}"
    if key not in rates:
        there = sorted(rates.keys() - {"provenance"})
        raise ValueError(
            f"{problem}: no rates are stored for {key}; there are {there}. Tune them "
            "yourself, with tuned_baselines."
        )
    return {
        name: Baseline(name, float(lr), steps if name == "Adam + cosine" else None)
        for name, lr in zip(RULES, rates[key], strict=True)
    }


def build_rates(problem: str) -> dict:
    """OBJECTIVE_STEPS -> the best rate of each rule of ``baselines.RULES``."""
    optimizee = PROBLEMS[problem]()
    arrays = {}
    for objective, steps in TUNED_FOR[problem]:
        tuned = tuned_baselines(optimizee, steps=steps, batch=TUNING[problem],
                                objective=objective)  # fmt: skip
        rates = [tuned[name].lr for name in RULES]
        arrays[f"{objective}_{steps}"] = np.array(rates)
    return arrays


RACE_RATES = 10.0 ** np.arange(-5, 1.01, 0.25)
RACE_NOISE = np.array([0.0, 0.25, 0.5, 1.0])
RACE_NETWORKS = 8


def noisy_digits(noise: float) -> Network:
    """The digits network on pictures with Gaussian pixel noise of that size."""
    X, y, X_held_out, y_held_out = data.digits()
    X = data.add_noise(X, noise, data.stream(0, "pixel noise"))
    X_held_out = data.add_noise(X_held_out, noise, data.stream(1, "pixel noise"))
    return Network(mlp([64, 20, 10]), X, y, X_held_out, y_held_out)


def race_curve(rule, noise: float) -> np.ndarray:
    """[3, steps + 1]: the mean loss of RACE_NETWORKS networks, and its 95 % band."""
    curves = optimize(rule, noisy_digits(noise), steps=STEPS, batch=RACE_NETWORKS,
                      purpose="race")  # fmt: skip
    band = np.nan_to_num(np.stack(mean_band(curves.losses)), nan=np.inf)
    return np.minimum(band, 6e4).astype(np.float16)


def race_rival(name: str, lr: float) -> Baseline:
    """A rival of the race at a rate that need not be its best."""
    return Baseline(name, float(lr), STEPS if name == "Adam + cosine" else None)


def build_race_rivals() -> dict:
    """losses [rule, rate, noise, 3, step], float16: every rival at every rate."""
    losses = [
        [[race_curve(race_rival(name, lr), noise) for noise in RACE_NOISE]
         for lr in RACE_RATES]
        for name in RULES
    ]  # fmt: skip
    return {"losses": np.array(losses)}


def build_race_learned() -> dict:
    """losses [noise, 3, step], float16: the shipped optimizer on the same networks."""
    learned = load("digits")
    return {"losses": np.array([race_curve(learned, noise) for noise in RACE_NOISE])}


def build_elsewhere() -> dict:
    """name -> [place, ...], a row for each of ``elsewhere.PLACES``."""
    learned, home = load("quadratic"), rivals("quadratic")
    rows = [elsewhere.visit(*place, learned, home) for place in elsewhere.PLACES]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def build_places(name: str) -> dict:
    """curves [place, 1 + bins] of a learned optimizer, as it is, at every place."""
    rule = load(name)
    places = generalization.PLACES
    return {"curves": np.stack([generalization.learned_row(rule, p) for p in places])}


def build_places_adam() -> dict:
    """rates [place, 3] and curves [place, 3, 1 + bins]: Adam tuned at every place."""
    rows = [generalization.adam_row(place) for place in generalization.PLACES]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def plain_and_robust() -> dict:
    """The two learned optimizers of lesson 05."""
    return {"plain": load("digits"), "robust": load("digits_robust")}


BUILDERS: dict[str, Callable[[], dict]] = {
    **{f"rates_{name}": functools.partial(build_rates, name) for name in TUNED_FOR},
    "networks": lambda: real_networks.build(rivals),
    "places_adam": build_places_adam,
    "places_plain": lambda: build_places("digits"),
    "places_robust": lambda: build_places("digits_robust"),
    "museum": museum.build,
    "experiments": experiments.build,
    "map": lambda: generalization.build_map(plain_and_robust()),
    "horizons": lambda: horizons.build(plain_and_robust()),
    **{
        f"cooperation_{kind}": functools.partial(cooperation.build, kind)
        for kind in cooperation.KINDS
    },
    **{
        f"paths_{name}": functools.partial(interpretability.build_path, name)
        for name in interpretability.PATHS
    },
    "conflict": cooperation.build_conflict,
    "subsets": teamwork.build_subsets,
    "teamwork": teamwork.build,
    "drawn": interpretability.build_drawn,
    "cases": interpretability.build_cases,
    **{
        f"rates_conv_{place}": functools.partial(convolutions.build_rates, place)
        for place in convolutions.PLACES
    },
    **{
        f"conv_{place}": functools.partial(convolutions.build_place, place, rivals)
        for place in convolutions.PLACES
    },
    "accuracies": convolutions.accuracies,
    "two_rates": convolutions.build_two_rates,
    "watched": lambda: convolutions.build_watched(rivals),
    "watched_conv_small": lambda: convolutions.build_watched_small(rivals),
    **{
        f"gallery_{place}": functools.partial(gallery.build, place)
        for place in gallery.PLACES
    },
    "scorecard": scorecard.build,
    "costs": costs.build,
    "race_rivals": build_race_rivals,
    "race_learned": build_race_learned,
    "elsewhere": build_elsewhere,
}


def build(name: str) -> Path:
    """Compute one file and write it, with its provenance."""
    arrays = BUILDERS[name]()
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, provenance=json.dumps(today()), **arrays)
    return path


def main():
    """The command line: build the files that are named, or all."""
    parser = argparse.ArgumentParser(description="Recompute what is stored.")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(BUILDERS)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BUILDERS)
    if unknown:
        parser.error(f"nothing is called {sorted(unknown)}; there are {list(BUILDERS)}")
    for name in arguments.names or BUILDERS:
        path = build(name)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
