"""A claim: a sentence, where it comes from, and how it is measured.

A claim says that a number is at most a threshold. It *holds* where the whole 95 %
interval is, *fails* where none of it is, and is *not decided* in between. An error of
the size of rounding has no interval, for every processor rounds otherwise: there the
threshold is a bound, and the claim holds where the number is below it.

A count is a whole number, or a share k/n: its threshold lies between two of them, so
that no interval can end on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

# Where claims come from
PAPER, OWN = "Andrychowicz et al. 2016, figure 4", "design of the lesson"
EXTENSION = "MikyLanfra, Learning-to-Optimize"
LEMMA = "Aitken 1936, for least squares"


@dataclass(frozen=True)
class Claim:
    """A sentence, where it comes from, and how to measure it.

    ``measure(quick, control)`` gives (number, low, high, against), and behind these,
    where rounding was varied, (low, high) of what it alone does; or None where it
    cannot be measured; the claim is that the number is at most ``threshold``. With a
    control, something else is measured of which the claim must fail: an untrained
    optimizer in place of the shipped one, or True where the measurement has a control
    of its own. ``judged_on`` says what the number rests on when measured in full (how
    many problems, which seed); ``published`` is the number that the source gives, "-"
    where it gives none. ``bound``: the number is an error of the size of rounding.
    A table gives each its id, and what is left out; the room its lesson.
    """

    statement: str
    measure: Callable
    threshold: float = 1.0
    source: str = ""
    judged_on: str = ""
    published: str = "-"
    bound: bool = False
    id: str = ""
    lesson: str = ""

    def verdict(self, low: float, high: float) -> str:
        """holds, fails or not decided, from the 95 % interval."""
        if high <= self.threshold:
            return "holds"
        return "fails" if low > self.threshold else "not decided"


def judged(
    on: str, claims: dict[str, Claim], lesson: str = "", source: str = OWN
) -> dict[str, Claim]:
    """A table of claims: what most have in common is said once, behind it."""
    common = {"judged_on": on, "lesson": lesson, "source": source}

    def whole(id: str, claim: Claim) -> Claim:
        own = {name: getattr(claim, name) or value for name, value in common.items()}
        return replace(claim, id=id, **own)

    return {id: whole(id, claim) for id, claim in claims.items()}


def elsewhere(quick: bool, control=None) -> None:
    """What cannot be measured here: not tested."""
    return None
