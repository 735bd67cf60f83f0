"""Small faults, planted one at a time, to see whether the tests and notebooks notice.

The list, ``bugs.toml``, was written before any run, and without looking at the tests:
file by file, from the code and the notebooks alone, the fault that would hurt a user, a
teacher or a student. There is at least one for every module, every check, every panel
and every notebook.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bug:
    """A small fault, as a real developer makes it.

    name: of the fault, one of its own; file: relative to the repository's root; old:
    text that occurs exactly once in the file; new: what replaces it; what: what is then
    wrong, in a few words.
    """

    name: str
    file: str
    old: str
    new: str
    what: str


LIST = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text())["bug"]
BUGS = tuple(Bug(**entry) for entry in LIST)
