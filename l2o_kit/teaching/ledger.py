"""CLAIMS.md, row by row: each is written as soon as it is measured.

The file is a table, a row for each claim, in the order of the lessons. Writing a row
replaces the one of the same id, drops those whose claim is gone, and puts a whole new
file in the place of the old one at once: who is interrupted loses nothing. Behind the
last cell of a row a comment, which no reader of the rendered page sees, says what it
was measured with: the versions of Python and torch, and a fingerprint of the code and
of what is stored.

Left out: numbers of other machines beside ours.
"""

import hashlib
import os
import platform
import re
from pathlib import Path

import torch

from l2o_kit.teaching.claim import Claim

KIT = Path(__file__).parents[1]  # the package's folder
LEDGER = KIT.parent / "CLAIMS.md"
NOT_TESTED = "not tested"
COLUMNS = (
    "id",
    "claim",
    "published",
    "measured",
    "95 % interval",
    "against",
    "judged on",
    "seconds",
    "verdict",
    "source",
    "command",
)
HEAD = """\
# Claims

Written by `make claims`, which measures all; do not edit. A row's command measures it \
alone, and writes it here. Speed and memory are measured together, by `make bench`; \
the row's second command judges what that wrote.

- *claim*: that the number measured is at most a threshold, which the sentence \
names. It *holds* where the whole interval is on the right side, *fails* where all of \
it is on the wrong one, and is *not decided* in between. *Not tested*: what needs \
data that must be downloaded, and what nobody has measured; the sentence says which.
- *published*: the number that the source gives, mostly read off a figure (about 5 %); \
"-" where it gives none. Problems differ where a row says so.
- *measured*: a ratio to what is named in *against*, if the claim does not say another \
thing (an error, a share, a count, bytes). Rivals are at their best rates, tuned on \
other problems.
- *95 % interval*: a paired bootstrap over the problems. In lessons 06 and 07, where \
seeds or draws are judged, the median and the extremes. Where nothing is drawn, or all \
is counted, the number itself. Where the number is of the size of rounding, a bound \
that it stays under on every processor.
- *What an interval holds*: the draw of the problems judged, or of the seeds. It does \
not hold another meta-training of the same recipe (one optimizer of each kind ships), \
nor the draw of the problems that rivals were tuned on, nor, unless it says so, \
rounding. A learned rule can make ten thousand out of one unit in the last place, and \
another processor rounds otherwise. Where a row says what *rounding alone* does, there \
were five runs, every gradient moved by one unit in the last place: the number is the \
median, and the interval reaches from the lowest end of the five to the highest.
- *seconds*: wall time on two cores, beside other work. Rows share runs: the first of \
a group carries the cost, the others take next to nothing. "-": not timed.
"""
ALSO = """\
Also shown by `python -m tests.kills 100`: killed 100 times at random moments, each \
training goes on to the last bit. `pytest tests/library/test_checkpoint.py \
tests/library/test_resume.py`: 1,000 damaged checkpoints are refused, and no code in \
them runs. `pytest tests/library/test_deploy.py tests/library/test_zoo.py`: what \
PyTorch asks of an optimizer; 30 models step. `pytest \
tests/library/test_distributed.py`: two processes train as one on the mean of their \
gradients. `pytest tests/lessons/test_networks.py`: held-out data are never tuned on. \
`make rehearse`: each notebook runs in 60 s on two cores, with 2 GB.
"""


def fingerprint(folder: Path = KIT) -> str:
    """Eight digits that change with any code, weights or stored results of the kit."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".safetensors", ".npz"}:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def measured_with(code: str | None = None) -> str:
    """What a row is measured with: versions, and the fingerprint of the code."""
    torch_version = torch.__version__.split("+")[0]
    return (
        f"Python {platform.python_version()}, torch {torch_version}, code "
        f"{code or fingerprint()}"
    )


def row(
    claim: Claim, found: tuple | None, seconds: int | float | None, how: str
) -> str:
    """The row of a claim, from what ``measure`` found and the seconds it took."""
    cells = ["none", "none", "none", NOT_TESTED]
    if found:
        cells = [
            written(found[0]),
            interval(claim, found),
            found[3],
            claim.verdict(*found[1:3]),
        ]
    value, between, against, verdict = cells
    bench = claim.lesson == "bench"
    took = "-" if bench or seconds is None or not found else f"{seconds:.1f}"
    first = "`make bench`, then " if bench else ""
    command = f"{first}`python -m l2o_kit.lessons.claims {claim.id}`"
    cells = (
        claim.id,
        claim.statement,
        claim.published,
        value,
        between,
        against,
        claim.judged_on,
        took,
        verdict,
        claim.source,
        command,
    )
    return f"| {' | '.join(cells)} | <!-- {how} -->"


def interval(claim: Claim, found: tuple) -> str:
    """A bound, or the ends of an interval and what rounding alone does."""
    if claim.bound:
        return f"at most {written(claim.threshold)}"
    _, low, high, _, *rounding = found
    ends = f"{written(low)} to {written(high)}"
    for least, most in rounding:
        ends += f"; rounding alone {written(least)} to {written(most)}"
    return ends


def written(value: int | float) -> str:
    """Three decimals; small numbers, and large ones, as 1.2e-05."""
    plain = value == 0 or 0.01 <= abs(value) < 1e5
    return f"{value:.3f}" if plain else f"{value:.1e}"


def rows(path: Path) -> dict[str, str]:
    """id -> row of a ledger, if it has all columns; nothing where there is no file."""
    text = path.read_text() if path.exists() else ""
    found = re.findall(r"^(\| ([\w-]+) \|.*)$", text, re.M)
    whole = {id: line for line, id in found if line.count("|") == len(COLUMNS) + 1}
    whole.pop("id", None)
    return whole


def read(path: Path) -> dict[str, dict[str, str]]:
    """id -> column -> cell of a ledger; nothing where there is no file."""
    cells = {
        id: line.split(" <!--")[0].strip("| ").split(" | ")
        for id, line in rows(path).items()
    }
    return {id: dict(zip(COLUMNS, row, strict=True)) for id, row in cells.items()}


def write(path: Path, claims: dict[str, Claim], line: str):
    """Put a row into the ledger, in the place of the one with its id.

    Rows keep the order of ``claims``; those of no claim go. The file is replaced at
    once, so that it is whole at every moment.
    """
    known = rows(path)
    known[line.split(" | ")[0].removeprefix("| ")] = line
    table = [known[id] for id in claims if id in known]
    heads = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    text = "\n".join([HEAD, *heads, *table, "", ALSO])
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text)
    os.replace(beside, path)
