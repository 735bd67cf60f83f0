"""What was measured, as BENCHMARKS.json, and BENCHMARKS.md, which is made from it.

    {"machine": words, "sections": {name: section, ...}}

A section has a ``heading``; ``values``, each a dict of numbers or a table, which is a
list of rows, each a dict, column -> number; and a ``body``, what the Markdown shows of
these: texts, whose {fields} are values, and tables, {"table": name of the value,
"columns": {column: how its numbers are formatted}, "none": what stands for None}. A
number with an interval is [number, low, high]. The JSON may hold columns that the
Markdown does not show.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2]
HEAD = "# Benchmarks\n\nWritten by `make bench`; do not edit.\n\n"


def section(heading: str, body: list, **values) -> dict:
    """A section of the report."""
    return {"heading": heading, "body": body, "values": values}


def table(name: str, columns: dict[str, str], none: str = "") -> dict:
    """What the Markdown shows of a table: its columns, with their formats."""
    return {"table": name, "columns": columns, "none": none}


def markdown(section: dict) -> str:
    """A section of BENCHMARKS.md.

    >>> body = ["{all[most]:.0f} ms.", table("each", {"panel": "", "ms": ".1f"}, "-")]
    >>> rows = [{"panel": "race", "ms": 1234.56}, {"panel": "cell", "ms": None}]
    >>> print(markdown(section("Slider", body, all={"most": 1234.56}, each=rows)))
    ## Slider
    <BLANKLINE>
    1235 ms.
    <BLANKLINE>
    | panel | ms |
    |---|---|
    | race | 1234.6 |
    | cell | - |
    """
    values = section["values"]
    parts = [
        part.format(**values) if isinstance(part, str) else _table(part, values)
        for part in section["body"]
    ]
    return "\n\n".join([f"## {section['heading']}", *parts])


def _table(told: dict, values: dict) -> str:
    columns, lines = told["columns"], []
    lines.append("|" + "".join(f" {name} |" if name else " |" for name in columns))
    lines.append("|" + "---|" * len(columns))
    for row in values[told["table"]]:
        cells = [_cell(row[c], how, told["none"]) for c, how in columns.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value, how: str, none: str) -> str:
    if isinstance(value, list):
        number, low, high = (format(part, how) for part in value)
        return f"{number} [{low}, {high}]"
    if value is None or isinstance(value, str):
        return none if value is None else value
    return format(value, how)


def write(known: dict):
    """Write both files; numbers to five digits."""
    texts = [HEAD + known["machine"], *map(markdown, known["sections"].values())]
    (FOLDER / "BENCHMARKS.md").write_text("\n\n".join(texts) + "\n")
    text = json.dumps(_short(known), indent=1, ensure_ascii=False)
    (FOLDER / "BENCHMARKS.json").write_text(text + "\n")


def read() -> dict:
    """What BENCHMARKS.json holds."""
    return json.loads((FOLDER / "BENCHMARKS.json").read_text())


def _short(part):
    """The same with each number to five digits."""
    if isinstance(part, dict):
        return {name: _short(each) for name, each in part.items()}
    if isinstance(part, list):
        return [_short(each) for each in part]
    return float(f"{part:.5g}") if isinstance(part, float) else part
