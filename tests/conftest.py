"""What every test gets: shapes checked, draws that are seeded, margins that are told.

``L2O_TEST_SEED=7`` draws otherwise; ``L2O_TEST_SEED=0-199`` runs each test that draws
once for each of these seeds, and leaves out a case that came up before.
"""

import os
import random
import zlib

import hypothesis.core
import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("l2o_kit", "beartype.beartype")
collect_ignore = ["startup"]  # Python itself runs what is there

FIRST, _, LAST = os.environ.get("L2O_TEST_SEED", "0").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
hypothesis.core.global_force_seed = SEEDS[0]
cases = {}  # (test, case) -> the seed that came to it first


class Draw:
    """Random choices of one test: ``place, rule = draw(PLACES, RULES)``."""

    def __init__(self, seed: int, test: str):
        self.seed, self.test, self.case = seed, test, ()
        self.generator = np.random.default_rng([seed, zlib.crc32(test.encode())])

    def __call__(self, *options) -> list:
        """One of each. With many seeds, a case that was there already is skipped."""
        options = [list(each) for each in options]
        picked = [int(self.generator.integers(len(each))) for each in options]
        chosen = [each[k] for each, k in zip(options, picked, strict=True)]
        print(f"L2O_TEST_SEED={self.seed} draws {chosen}")
        self.case += tuple(picked)
        first = cases.setdefault((self.test, self.case), self.seed)
        if first != self.seed:
            pytest.skip(f"the case of seed {first}")
        return chosen


def pytest_generate_tests(metafunc):
    """A test that draws says its seed in its name."""
    if "draw" in metafunc.fixturenames:
        metafunc.parametrize("draw", SEEDS, indirect=True, ids="seed{}".format)


@pytest.fixture
def draw(request) -> Draw:
    """Random choices, the same in every run; they are printed where the test fails."""
    test = request.node.nodeid.replace(f"seed{request.param}", "")
    return Draw(request.param, test)


@pytest.fixture(autouse=True)
def seeded():
    """Whatever draws from a global generator draws the same in any order of tests."""
    random.seed(SEEDS[0]), torch.manual_seed(SEEDS[0])


@pytest.fixture
def rounding(record_property):
    """rounding(what, error, limit): the error is a third of the limit at the most."""

    def check(what: str, error: float, limit: float):
        record_property("rounding", f"{what}: {error:.1e}, limit {limit:.0e}")
        assert 3 * error <= limit, f"{what}: {error:.2e} of {limit:.0e}"

    return check


def pytest_terminal_summary(terminalreporter):
    """The margins of the tests of equality."""
    lines = [
        f"{report.nodeid.partition('::')[2]}  {text}"
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "rounding"
    ]
    if lines:
        terminalreporter.section("errors of the size of rounding")
        terminalreporter.line("\n".join(sorted(lines)))
