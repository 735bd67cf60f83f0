"""Results that take too long for a slider, kept in a ``stored`` folder.

    python -m l2o_kit.lessons.stored              compute everything again (hours)
    python -m l2o_kit.lessons.stored rates_digits one file
    python -m l2o_kit.lessons.stored strips       the film-strips of all panels

Every file has a builder: here for the tuned rates that the library reads
(``rates_PROBLEM``), else in the table ``BUILDERS`` of the lesson's file that measures
it, which also says what is in it. A test recomputes random entries of each.
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np

from l2o_kit import checkpoint
from l2o_kit.baselines import RULES, tuned_baselines
from l2o_kit.checkpoint import STORED, today
from l2o_kit.lessons import files, panels, rooms
from l2o_kit.lessons.l00_start.race import readme_picture
from l2o_kit.problems import PROBLEMS
from l2o_kit.teaching.strips import film_strip

# Problems that a rate is tuned on; and for what it is tuned, after how many steps
TUNING = {
    "quadratic": 1000,
    "digits": 16,
    "mnist_mlp": 4,
    "diabetes": 16,
    "conv_small": 8,
}
AT_HOME = (("mean", 100), ("last", 100))
LONGER = (("last", 200), ("last", 500))
TUNED_FOR = {
    "quadratic": AT_HOME,
    "digits": AT_HOME + LONGER,
    "mnist_mlp": AT_HOME[1:] + LONGER,
    "diabetes": AT_HOME + LONGER,
    "conv_small": AT_HOME[:1],
}


def build_rates(problem: str) -> dict:
    """OBJECTIVE_STEPS -> the best rate of each rule of ``baselines.RULES``."""
    optimizee = PROBLEMS[problem]()
    arrays = {}
    for objective, steps in TUNED_FOR[problem]:
        tuned = tuned_baselines(
            optimizee, steps=steps, batch=TUNING[problem], objective=objective
        )
        rates = [tuned[name].lr for name in RULES]
        arrays[f"{objective}_{steps}"] = np.array(rates)
    return arrays


BUILDERS = {f"rates_{name}": functools.partial(build_rates, name) for name in TUNED_FOR}
FILES = {name: STORED / f"{name}.npz" for name in BUILDERS}
for _module in (module for room in rooms() for module in files(room)):
    for _name, _builder in getattr(_module, "BUILDERS", {}).items():
        own = Path(_module.__file__).parent / "stored"
        BUILDERS[_name] = _builder
        FILES[_name] = (STORED if _name.startswith("rates_") else own) / f"{_name}.npz"


def read(name: str) -> dict[str, np.ndarray]:
    """The arrays of one stored file, wherever it is kept.

    Raises FileNotFoundError, which names what there is.
    """
    if name not in FILES:
        there = sorted(FILES)
        raise FileNotFoundError(f"Nothing is stored as {name!r}. There is {there}.")
    return checkpoint.stored(name, str(FILES[name].parent))


def build(name: str) -> Path:
    """Compute one file and write it, with its provenance."""
    arrays = BUILDERS[name]()
    np.savez_compressed(FILES[name], provenance=json.dumps(today()), **arrays)
    return FILES[name]


def build_strips():
    """Every room's strips with their sentences, by panel; and the README's picture."""
    for room in rooms():
        strips = {}
        for kind in panels(room):
            picture, told = film_strip(kind)
            words = json.dumps(told).encode()
            strips[kind.__name__] = np.frombuffer(picture, dtype=np.uint8)
            strips[f"{kind.__name__}_told"] = np.frombuffer(words, np.uint8)
        path = Path(room.__file__).parent / "stored" / "strips.npz"
        np.savez(path, provenance=json.dumps(today()), **strips)
        print(f"{room.__name__}: {path.stat().st_size / 1000:.0f} kB", flush=True)
    (STORED / "race.png").write_bytes(readme_picture())


def main():
    """The command line: build the files that are named, or all."""
    names = [*BUILDERS, "strips"]
    parser = argparse.ArgumentParser(description="Recompute what is stored.")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(names)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"nothing is called {sorted(unknown)}; there are {names}")
    for name in arguments.names or names:
        if name == "strips":
            build_strips()
            continue
        path = build(name)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
