"""Plant one fault at a time, and see whether the tests notice.

    python -m tests.planted.run found.jsonl            every bug that is not in the file
    python -m tests.planted.run found.jsonl NAME ...   these, again

Each is planted in a worktree of its own of the last commit. Then the tests that import
the changed file run with -x, then those that import it through another, for at most
four minutes, and the notebooks that use it. A line of JSON a bug: name, the test that
noticed (null: none did), seconds. What is in the file
already is not run again, so that the run can be stopped. Two bugs at a time.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.planted.bugs import BUGS
from tests.planted.importers import importers

ROOT = Path(__file__).parents[2]
PATIENCE = 1200  # seconds for a group of files; a test that hangs has noticed
FAR = 240  # seconds for the files that import it through others: then, not noticed
NBVAL = [
    "--nbval-lax",
    "--nbval-current-env",
    "--nbval-cell-timeout=300",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
]


def planted(tree: Path, bug) -> str:
    """The text of the bug's file, with the fault; stops where it has no place."""
    text = (tree / bug.file).read_text()
    if text.count(bug.old) != 1:
        raise SystemExit(
            f"{bug.name}: its text is {text.count(bug.old)} times in {bug.file}, "
            "expected once."
        )
    return text.replace(bug.old, bug.new)


def noticed(tree: Path, bug) -> str | None:
    """The first test that fails, or None."""
    (tree / bug.file).write_text(planted(tree, bug))
    try:
        for group, near in importers(tree, bug.file):
            extra = NBVAL if group[0].endswith(".ipynb") else []
            failure = first_failure(tree, [*extra, *group], near)
            if failure:
                return failure
        return None
    finally:
        git(tree, "checkout", "-q", "--", ".")


def first_failure(tree: Path, arguments: list[str], near: bool) -> str | None:
    """The name of the first failing test, or None where all pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    env = os.environ | {
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": "1",
        "L2O_LIVE_SECONDS": "5",
    }
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE if near else FAR,
        )
    except subprocess.TimeoutExpired:
        return "it hangs" if near else None
    if done.returncode == 0:
        return None
    names = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
    return names[0] if names else (done.stdout + done.stderr)[-300:]


def git(tree: Path, *arguments: str):
    """Run git there; raises where it fails."""
    subprocess.run(["git", "-C", str(tree), *arguments], check=True)


def hunt(results: Path, names: list[str], jobs: int = 2):
    """Run the bugs that are asked for or not yet in the results."""
    lines = results.read_text().splitlines() if results.exists() else []
    done = {row["name"]: row for row in map(json.loads, lines)}
    todo = [b for b in BUGS if (b.name in names if names else b.name not in done)]
    for bug in todo:
        planted(ROOT, bug)  # before an hour's work: has each its place?
    trees = Queue()
    with tempfile.TemporaryDirectory() as folder:
        for k in range(jobs):
            tree = Path(folder) / f"tree{k}"
            git(ROOT, "worktree", "add", "-q", "--detach", str(tree), "HEAD")
            trees.put(tree)

        def one(bug):
            tree, begin = trees.get(), time.time()
            try:
                row = {
                    "name": bug.name,
                    "noticed": noticed(tree, bug),
                    "seconds": round(time.time() - begin),
                }
            finally:
                trees.put(tree)
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{row['seconds']:4} s  {bug.name}: {row['noticed']}", flush=True)

        try:
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(one, todo))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            git(ROOT, "worktree", "prune")
    print(summary(results))


def summary(results: Path) -> str:
    """How many were noticed, and the others' names; the last line of each counts."""
    rows = {r["name"]: r for r in map(json.loads, results.read_text().splitlines())}
    missed = sorted(name for name, row in rows.items() if not row["noticed"])
    share = 1 - len(missed) / max(1, len(rows))
    return (
        f"{len(rows) - len(missed)} of {len(rows)} noticed ({share:.1%}). Not noticed: "
        f"{', '.join(missed) or 'none'}."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    hunt(asked.results, asked.names)
