"""Lambda, read: over training and over seeds, and beside the laws that predict it.

A path is lambda after every meta-step. A case is a way in which the law of the inverse
variances breaks, with a strength c; errors of the four labels are then

    e_k = s_k eps_k + c_k eps + b_k        eps_k its own, eps common to all

and lambda is predicted by the minimizer of lambda^T M lambda on the simplex, where M
are the second moments of the errors, relative to the error of the target.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from l2o_kit.concurrent import Concurrent
from l2o_kit.optimizees import Quadratic
from l2o_kit.sources import Bias, Noise, Shared
from l2o_kit.trust import KINDS, learn_lambda, learned, second_moments, trusting

AS_IN_THE_RECIPE = {"meta_steps": 100}  # of rotations and poison


@dataclass(frozen=True)
class Path:
    """What is learned, from which seeds."""

    kind: str
    amounts: tuple
    target: str = "clean"
    seeds: int = 10


FAINT = (0.01, 0.1, 0.2, 0.3, 0.4)
PATHS = {
    "noise_source0": Path("noise", FAINT, "source0"),
    "noise_clean": Path("noise", FAINT),
    "noisiest_source0": Path("noise", (3.0, 2.0, 1.0, 0.5), "source0"),
    "noisiest_clean": Path("noise", (3.0, 2.0, 1.0, 0.5)),
    "rotation_first": Path("rotation", (0, 20, 45)),
    "rotation_last": Path("rotation", (45, 20, 0)),
    "poison": Path("poison", (0.0, 0.2, 0.5, 0.8)),
}


def path(name: str, seed: int) -> np.ndarray:
    """Lambda before the first meta-step and after each: [step, K]."""
    plan, seen = PATHS[name], []
    training = {} if plan.kind == "noise" else AS_IN_THE_RECIPE
    seen.append(np.full(len(plan.amounts), 1 / len(plan.amounts), dtype=np.float32))
    learned(
        KINDS[plan.kind],
        plan.amounts,
        plan.target,
        seed,
        on_step=lambda optimizer, _: seen.append(optimizer.lambdas.numpy()),
        **training,
    )
    return np.stack(seen)


def build_path(name: str) -> dict:
    """lambdas [seed, step, K]."""
    return {"lambdas": np.stack([path(name, k) for k in range(PATHS[name].seeds)])}


# Sizes of noise, drawn

FACTOR_OF_TWO = (0.25, 0.5, 1.0, 2.0)
SHUFFLES = RANDOM = 20


def shuffled(seed: int) -> tuple:
    """Four sizes a factor of 2 apart, in an order drawn from the seed."""
    return tuple(np.random.default_rng(seed).permutation(FACTOR_OF_TWO).tolist())


def random_stds(seed: int) -> tuple:
    """Four sizes between 0.1 and 4, uniform on a logarithmic scale."""
    uniform = np.random.default_rng(1000 + seed).random(4)
    return tuple((0.1 * 40**uniform).tolist())


def lambda_of_noise(stds: tuple, seed: int, frozen: str = "quadratic", **training):
    """What a frozen LSTM learns with these sizes, clean target: [K]."""
    kind = KINDS["noise"]
    optimizer = trusting(frozen, len(stds))
    learn_lambda(
        optimizer,
        kind.make(stds),
        seed=seed,
        on_step=lambda log: None,
        **kind.training | training,
    )
    return optimizer.lambdas.numpy()


FROZEN = ("quadratic", "concurrent_noise")  # without preprocessing, and with it
HOME, HOME_SEEDS, LIVE = (0.5, 1.0, 2.0, 3.0), 5, {"meta_steps": 100}


def build_drawn() -> dict:
    """What was learned: home [frozen, seed, K], live [seed, K] after half the training,
    shuffled [seed, K], random [frozen, seed, K].
    """
    seeds = range(HOME_SEEDS)
    return {
        "home": np.stack(
            [[lambda_of_noise(HOME, k, name) for k in seeds] for name in FROZEN]
        ),
        "live": np.stack([lambda_of_noise(HOME, k, **LIVE) for k in seeds]),
        "shuffled": np.stack(
            [lambda_of_noise(shuffled(k), k) for k in range(SHUFFLES)]
        ),
        "random": np.stack(
            [
                [lambda_of_noise(random_stds(k), k, name) for k in range(RANDOM)]
                for name in FROZEN
            ]
        ),
    }


# Where the inverse variances are not the answer

UNEQUAL = np.array([0.25, 0.5, 0.75, 1.0])
STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0)
CASES = {
    "three copies": lambda c: {"stds": np.ones(4), "shared": c * (UNEQUAL < 1)},
    "unequal copies": lambda c: {"stds": np.ones(4), "shared": c * UNEQUAL},
    "one biased": lambda c: {"stds": np.ones(4), "bias": c * (UNEQUAL == 1)},
    "all biased": lambda c: {"stds": np.ones(4), "bias": c * UNEQUAL},
    "judged on source 0": lambda c: {"stds": np.array([c, 1.0, 1.0, 1.0])},
}
CASE_SEEDS = 3


def target_of(case: str) -> str:
    """Of all cases but one the clean objective."""
    return "source0" if case == "judged on source 0" else "clean"


def moments(case: str, c: float) -> np.ndarray:
    """M [4, 4] of the errors, those of source 0 subtracted where it is the target."""
    M = second_moments(**CASES[case](c))
    if target_of(case) == "source0":
        without = np.eye(4)
        without[:, 0] -= 1
        M = without @ M @ without.T
    return M


def broken(case: str, c: float) -> Concurrent:
    """Four sources with the errors of a case."""
    errors = {"shared": np.zeros(4), "bias": np.zeros(4)} | CASES[case](c)
    rows = zip(errors["stds"], errors["shared"], errors["bias"], strict=True)
    sources = [(Noise(float(s)), Shared(float(e)), Bias(float(b))) for s, e, b in rows]
    return Concurrent(Quadratic(dim=10, theta_true=True), sources, target_of(case))


def lambda_of_case(case: str, c: float, seed: int) -> np.ndarray:
    """What the frozen LSTM learns: [4]."""
    optimizer = trusting("quadratic", 4)
    learn_lambda(
        optimizer,
        broken(case, c),
        seed=seed,
        on_step=lambda log: None,
        **KINDS["noise"].training,
    )
    return optimizer.lambdas.numpy()


def build_cases() -> dict:
    """lambdas [case, strength, seed, 4]."""
    return {
        "lambdas": np.array(
            [
                [
                    [lambda_of_case(case, c, k) for k in range(CASE_SEEDS)]
                    for c in STRENGTHS
                ]
                for case in CASES
            ]
        )
    }


BUILDERS = {
    **{f"paths_{name}": partial(build_path, name) for name in PATHS},
    "drawn": build_drawn,
    "cases": build_cases,
}
