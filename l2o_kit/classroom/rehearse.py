"""Will the class work on this machine? ``make rehearse``, or for some notebooks:

    python -m l2o_kit.classroom.rehearse 00_start_here 03_coordinatewise_lstm

Each notebook is run as a class would run it: in a kernel of its own, one at a time,
with the live budget of ``L2O_LIVE_SECONDS``, and with no way out of this machine. Then
come versions, a table of the time and memory that each took, what is missing, and GO or
NO-GO with the reasons; the exit status is 0 or 1. ``notebooks/`` is only read. After a
GO with all notebooks, the table is put into the README.
"""

import argparse
import sys
from pathlib import Path

from l2o_kit.classroom import room
from l2o_kit.classroom.running import TIMES, Result, rehearse
from l2o_kit.teaching.live_training import live_seconds

ROOT = Path(__file__).parents[2]
LEAST_MEMORY = 1000  # MB that must stay free beside a kernel: JupyterLab and a browser
OPEN, CLOSE = "<!-- rehearse -->", "<!-- /rehearse -->"


def table(results: list[Result]) -> str:
    """What was measured, in markdown."""
    lines = [
        "| notebook | seconds | budget, seconds | times the budget | peak memory, MB |",
        "|---|---|---|---|---|",
    ]
    for one in results:
        budget = f"{one.budget} | {one.times:.2f}" if one.budget else "none | "
        lines.append(
            f"| {one.name} | {one.seconds:.0f} | {budget} | {one.memory:.0f} |"
        )
    return "\n".join(lines)


def reasons(results: list[Result]) -> list[str]:
    """Why a class should not begin with these notebooks; [] where it may."""
    found = []
    for one in results:
        if one.wrong:
            found.append(f"{one.name}: {one.wrong}")
        if (one.times or 0) > TIMES:
            found.append(
                f"{one.name} took {one.seconds:.0f} s, over {TIMES} times its budget "
                f"of {one.budget} s. Close other programs, or take a faster machine."
            )
        if one.free < LEAST_MEMORY:
            found.append(
                f"{one.name}: only {one.free:.0f} MB of memory were left, and "
                f"JupyterLab and a browser need {LEAST_MEMORY}. Close other programs."
            )
    return found


def report(results: list[Result]) -> str:
    """The table, how it was measured and where, for the README."""
    return (
        f"{room.machine()}. {room.versions()}.\n\n"
        "One notebook at a time, offline; a cell that trains live does so for "
        f"{live_seconds():g} seconds. Seconds: from the start of the kernel to the end "
        "of the last cell. Memory: resident, of the kernel and its child processes "
        f"together, looked at five times a second.\n\n{table(results)}"
    )


def keep(text: str, readme: Path) -> str:
    """Put a report between the marks of a README; what was done, in a sentence."""
    try:
        old = readme.read_text()
        before, rest = old.split(OPEN)
        _, after = rest.split(CLOSE)
        readme.write_text(f"{before}{OPEN}\n{text}\n{CLOSE}{after}")
    except (OSError, ValueError) as error:
        why = "it has no place for it" if isinstance(error, ValueError) else error
        return f"The table was not put into {readme.name}: {why}."
    return f"The table was put into {readme.name}."


def run_all(paths: list[Path]) -> list[Result]:
    """Run notebooks one after the other, and print how it goes.

    Raises KeyboardInterrupt after Ctrl-C, with the name of the notebook that was
    running; its kernel is shut down.
    """
    results, end = [], "\r" if sys.stdout.isatty() else "\n"
    for number, path in enumerate(paths, 1):

        def tell(line, number=number):
            text = f"[{number}/{len(paths)}] {line}"
            print(f"{text:78}".rstrip("" if end == "\r" else None), end=end, flush=True)

        try:
            results.append(rehearse(path, tell))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(path.stem) from None
        one = results[-1]
        tell(f"{one.name}: {'FAILED' if one.wrong else 'ran'}, {one.seconds:.0f} s")
        print(end="" if end == "\n" else "\n")
    return results


def main(argv: list[str] | None = None) -> int:
    """Rehearse; 0 for GO, 1 for NO-GO."""
    paths, whole, readme = _arguments(argv)
    folder = paths[0].parent
    print(f"{room.machine()}, {room.free_disk(folder):.0f} GB of disk free.")
    wrong = room.missing(folder)
    print(*(f"- {line}" for line in wrong), sep="\n", end="\n" if wrong else "")
    try:
        results = run_all(paths)
    except KeyboardInterrupt as stop:
        print(f"\nInterrupted in {stop}. Its kernel was shut down; nothing is kept.")
        return 1
    text, wrong = report(results), wrong + reasons(results)
    print("", text, "", *(f"- {line}" for line in wrong), sep="\n")
    print("NO-GO" if wrong else "GO")
    if whole and not wrong:
        print(keep(text, readme))
    return int(bool(wrong))


def _arguments(argv) -> tuple[list[Path], bool, Path]:
    """The notebooks to run, whether these are all, and the README."""
    parser = argparse.ArgumentParser(
        prog="python -m l2o_kit.classroom.rehearse",
        description="Will the class work on this machine? GO or NO-GO.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="none: all notebooks")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    asked = parser.parse_args(argv)
    folder = asked.notebooks.resolve()
    there = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    for name in asked.names:
        if name not in there:
            parser.error(f"There is no notebook {name!r} in {asked.notebooks}.")
    if not there:
        parser.error(f"There is no notebook in {asked.notebooks}.")
    paths = [there[name] for name in asked.names or there]
    return paths, not asked.names, asked.readme


if __name__ == "__main__":
    sys.exit(main())
