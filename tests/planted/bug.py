"""What a planted bug is: one small change of one file that a good test would see."""

from dataclasses import dataclass


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
