"""What lesson 07 claims: lambda is what statistics says, and in which order it falls.

Each function gives (number, low, high, against), as every measurement of ``claims.py``
does: the median over runs, the smallest and the largest. ``control`` measures an
optimizer that has learned nothing, all lambda 1 / K. Quickly, what is stored is read;
in full it is computed again.
"""

import functools
from functools import partial

import numpy as np

from l2o_kit.checkpoint import load, stored
from l2o_kit.lessons.l07_softmax.lambdas import (
    BUILDERS,
    CASE_SEEDS,
    CASES,
    FROZEN,
    HOME,
    HOME_SEEDS,
    PATHS,
    RANDOM,
    SHUFFLES,
    STRENGTHS,
    moments,
    random_stds,
    shuffled,
)
from l2o_kit.teaching.claim import EXTENSION, LEMMA, OWN, Claim, judged
from l2o_kit.trust import best_weights, inverse_variance


@functools.cache
def _rows(name: str, quick: bool) -> dict:
    return stored(name, __file__) if quick else BUILDERS[name]()


def _errors(lambdas, theory, control) -> tuple:
    """sum |lambda - theory| of each run: median, smallest, largest."""
    lambdas = np.full_like(lambdas, 1 / lambdas.shape[-1]) if control else lambdas
    each = np.abs(lambdas - theory).sum(-1)
    return float(np.median(each)), float(each.min()), float(each.max()), "theory"


def home(key: str, frozen: str, quick: bool, control: bool | None = None):
    """Noise 0.5, 1, 2, 3; key "home", or "live" after half the training."""
    lambdas = _rows("drawn", quick)[key]
    lambdas = lambdas if key == "live" else lambdas[FROZEN.index(frozen)]
    return _errors(lambdas, inverse_variance(HOME), control)


def drawn(frozen: str, quick: bool, control: bool | None = None):
    """Twenty random vectors of noise."""
    theory = np.stack([inverse_variance(random_stds(k)) for k in range(RANDOM)])
    lambdas = _rows("drawn", quick)["random"][FROZEN.index(frozen)]
    return _errors(lambdas, theory, control)


def joint(quick: bool, control: bool | None = None):
    """The shipped optimizer of which all weights were trained."""
    lambdas = load("concurrent_noise").lambdas.numpy()[None]
    return _errors(lambdas, inverse_variance(HOME), control)


def case(name: str, c: float, quick: bool, control: bool | None = None):
    """Shared errors, biases, against the general law."""
    lambdas = _rows("cases", quick)["lambdas"]
    lambdas = lambdas[list(CASES).index(name), STRENGTHS.index(c)]
    return _errors(lambdas, best_weights(moments(name, c)), control)


def last_of(name: str, quick: bool) -> np.ndarray:
    """Lambda at the end of a path: [seed, K]."""
    return _rows(f"paths_{name}", quick)["lambdas"][:, -1]


def lacks(name: str, quick: bool, control: bool | None = None):
    """1 - lambda_0 at the end of a path of lesson 07."""
    last = last_of(name, quick)
    each = 1 - (np.full_like(last, 1 / last.shape[1]) if control else last)[:, 0]
    return float(np.median(each)), float(each.min()), float(each.max()), "1"


def _count(wrong) -> tuple:
    count = float(sum(wrong))
    return count, count, count, "none"


def disorder(quick: bool, control: bool | None = None):
    """In how many shuffled runs lambda does not fall with the noise."""
    lambdas = _rows("drawn", quick)["shuffled"]
    lambdas = np.full_like(lambdas, 0.25) if control else lambdas
    return _count([_disordered(lambdas[k], shuffled(k)) for k in range(SHUFFLES)])


def falls(name: str, sources: int, quick: bool, control: bool | None = None):
    """In how many seeds lambda does not fall with the amount, of the first sources."""
    last = last_of(name, quick)[:, :sources]
    last = np.full_like(last, 1 / sources) if control else last
    return _count([_disordered(each, PATHS[name].amounts[:sources]) for each in last])


def upright(quick: bool, control: bool | None = None):
    """In how many of twenty runs the upright source has not the largest lambda."""
    wrong = []
    for name in ("rotation_first", "rotation_last"):
        last = last_of(name, quick)
        last = np.full_like(last, 1 / last.shape[1]) if control else last
        here = PATHS[name].amounts.index(0)
        others = np.delete(last, here, axis=1)
        wrong += list(last[:, here] <= others.max(1))
    return _count(wrong)


def _disordered(lambdas, amounts) -> bool:
    """Whether lambda, from the smallest amount to the largest, fails to fall."""
    return bool((np.diff(lambdas[np.argsort(amounts)]) >= 0).any())


SEEDS_OF = "{} seeds".format
HOME_RUNS, CASE_RUNS = SEEDS_OF(HOME_SEEDS), SEEDS_OF(CASE_SEEDS)
PATH_RUNS = SEEDS_OF(PATHS["poison"].seeds)
RANDOM_RUNS, SHUFFLED_RUNS = f"{RANDOM} draws", f"{SHUFFLES} draws"
LAW = "the inverse variances, within 0.08 in all"
CLAIMS = {
    "trust-home": Claim(
        f"Noise 0.5, 1, 2, 3, no preprocessing: lambda is {LAW}",
        partial(home, "home", "quadratic"),
        0.08,
        judged_on=HOME_RUNS,
    ),
    "trust-home-log": Claim(
        "The same with preprocessing",
        partial(home, "home", "concurrent_noise"),
        0.08,
        judged_on=HOME_RUNS,
    ),
    "trust-live": Claim(
        "The same after 100 meta-steps, as in the live panel: within 0.15 in all",
        partial(home, "live", "quadratic"),
        0.15,
        judged_on=HOME_RUNS,
    ),
    "trust-joint": Claim(
        "The same where all weights were trained",
        joint,
        0.08,
        judged_on="1 shipped optimizer, recipe's seed",
    ),
    "trust-random": Claim(
        f"Twenty random vectors of noise, no preprocessing: lambda is {LAW}",
        partial(drawn, "quadratic"),
        0.08,
        judged_on=RANDOM_RUNS,
    ),
    "trust-random-log": Claim(
        "The same with preprocessing",
        partial(drawn, "concurrent_noise"),
        0.08,
        judged_on=RANDOM_RUNS,
    ),
    **{
        f"trust-{name}": Claim(
            f"{words}: lambda is what the general law says, within 0.08 in all",
            partial(case, *which),
            0.08,
            judged_on=CASE_RUNS,
        )
        for name, words, which in (
            (
                "copies",
                "Three sources share an error of size 2",
                ("three copies", 2.0),
            ),
            (
                "unequal",
                "All share an error, of sizes 0.5 to 2 (on the boundary)",
                ("unequal copies", 2.0),
            ),
            ("biased", "One source has a bias of 2", ("one biased", 2.0)),
            (
                "all-biased",
                "All are biased, by 0.5 to 2 (on the boundary)",
                ("all biased", 2.0),
            ),
        )
    },
    "trust-target": Claim(
        "Noise 0.01 to 0.4, judged on source 0: lambda_0 above 0.95",
        partial(lacks, "noise_source0"),
        0.05,
        EXTENSION,
        published="0.14 (lambda_0 0.86 after 1,000 epochs)",
    ),
    "trust-noisiest": Claim(
        "Noise 3, 2, 1, 0.5, judged on source 0, the noisiest: lambda_0 above 0.95",
        partial(lacks, "noisiest_source0"),
        0.05,
        EXTENSION,
    ),
    "trust-order": Claim(
        "Sizes a factor of 2 apart, shuffled: lambda falls with the noise in 20 of 20 "
        "runs",
        disorder,
        0.5,
        OWN,
        judged_on=SHUFFLED_RUNS,
    ),
    "trust-upright": Claim(
        "Rotations 0, 20, 45, upright first or last: its lambda is the largest in 20 "
        "of 20 runs",
        upright,
        0.5,
        EXTENSION,
        judged_on="2 places, 10 seeds each",
    ),
    "trust-poison": Claim(
        "Poison 0, 0.2, 0.5, 0.8: lambda falls with the rate in 10 of 10 seeds",
        partial(falls, "poison", 4),
        0.5,
        EXTENSION,
    ),
    "trust-poison-three": Claim(
        "The same among 0, 0.2 and 0.5", partial(falls, "poison", 3), 0.5, OWN
    ),
}
CLAIMS = judged(PATH_RUNS, CLAIMS, source=LEMMA)
