"""Every published claim as a measurement with a verdict.

    python -m l2o_kit.lessons.claims             measure all in full, write CLAIMS.md
    python -m l2o_kit.lessons.claims ID ...      measure these, write their rows
    python -m l2o_kit.lessons.claims --resume    what this very code has not measured
    verdicts("00")                       a lesson's verdicts, and quick numbers

What a claim is stands in ``teaching/claim.py``, how a row is written in
``teaching/ledger.py``. The claims are those in the table ``CLAIMS`` of any file of a
lesson, in ``papers.py`` and in ``bench.py``. Every row is written as soon as it is
measured. The best of the six rivals is the one that is best on the very problems
judged, each rival at its own best rate, found on other problems.
"""

import argparse
import difflib
import time
from pathlib import Path

from l2o_kit.lessons import bench, files, papers, rooms
from l2o_kit.teaching import ledger
from l2o_kit.teaching.claim import Claim, judged
from l2o_kit.teaching.ledger import NOT_TESTED


def _numbered() -> dict[str, Claim]:
    """The claims of all rooms; what names no other table is of its room's lesson."""
    found = {}
    for room in rooms():
        number = room.__name__.rpartition(".l")[2][:2]
        for module in files(room):
            found |= judged("-", getattr(module, "CLAIMS", {}), number)
    return found


GATHERED = _numbered() | papers.CLAIMS | bench.CLAIMS
LAST = ("papers", "engine", "bench")
ORDER = [*sorted({claim.lesson for claim in GATHERED.values()} - {*LAST}), *LAST]
CLAIMS = {
    id: claim
    for lesson in ORDER
    for id, claim in GATHERED.items()
    if claim.lesson == lesson
}


def verdicts(lesson: str) -> str:
    """The ledger's verdict of each claim of a lesson, and below it a quick measurement.

    The verdict rests on the full measurement in CLAIMS.md. The quick one, of fewer
    problems, is made when this is called; it may leave open what the ledger decides.

    Example: ``print(verdicts("00"))``. Raises ValueError for a lesson without claims.
    """
    lessons = sorted({claim.lesson for claim in CLAIMS.values()})
    if lesson not in lessons:
        raise ValueError(f"No claim is of lesson {lesson!r}; there are {lessons}.")
    published, lines = ledger.read(ledger.LEDGER), []
    for claim in CLAIMS.values():
        if claim.lesson == lesson:
            verdict = published.get(claim.id, {}).get("verdict", "no ledger")
            lines.append(f"{verdict:12} {claim.id}: {claim.statement}")
            lines.append(f"{'':12} quick: {_quickly(claim)}")
    return "\n".join(lines)


def _quickly(claim: Claim) -> str:
    """What a quick measurement finds, in a line."""
    found = claim.measure(True, None)
    if not found:
        return "not measured here"
    words = [ledger.written(found[0]), f"against {found[3]}"]
    if claim.bound or found[1] < found[2]:  # else nothing is drawn
        words.insert(1, ledger.interval(claim, found))
    return ", ".join(words)


def measure(ids: list[str], path: Path):
    """Measure these claims in full, one after the other; each row goes into the ledger.

    Prints a line for each: which of how many, its verdict, the seconds.
    """
    how = ledger.measured_with()
    for k, id in enumerate(ids, 1):
        print(f"[{k} of {len(ids)}] {id} ...", end=" ", flush=True)
        began = time.perf_counter()
        found = CLAIMS[id].measure(False, None)
        seconds = time.perf_counter() - began
        line = ledger.row(CLAIMS[id], found, seconds, how)
        ledger.write(path, CLAIMS, line)
        verdict = CLAIMS[id].verdict(*found[1:3]) if found else NOT_TESTED
        print(f"{verdict}, {seconds:.1f} s", flush=True)


def unknown(id: str) -> str:
    """What to say where there is no such claim: which there are that look like it."""
    near = difflib.get_close_matches(id, CLAIMS, n=5, cutoff=0.5)
    near = near or [name for name in CLAIMS if name.split("-")[0] in id]
    words = f"there is no claim {id!r}."
    hint = f" Near it: {', '.join(near)}." if near else ""
    return f"{words}{hint} CLAIMS.md lists all {len(CLAIMS)}."


def main():
    """The command line: measure and write."""
    parser = argparse.ArgumentParser(description="Measure published claims.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="all, if none is named")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out what the same code, weights and versions have measured",
    )
    parser.add_argument("--output", type=Path, default=Path("CLAIMS.md"))
    arguments = parser.parse_args()
    for id in arguments.ids:
        if id not in CLAIMS:
            parser.error(unknown(id))
    ids = arguments.ids or list(CLAIMS)
    if arguments.resume:
        done = ledger.rows(arguments.output)
        how = ledger.measured_with()
        ids = [id for id in ids if how not in done.get(id, "")]
        print(f"{len(CLAIMS) - len(ids)} are measured already, {len(ids)} are not.")
    try:
        measure(ids, arguments.output)
    except KeyboardInterrupt:
        parser.exit(130, "\nStopped. All rows above are written; --resume goes on.\n")


if __name__ == "__main__":
    main()
