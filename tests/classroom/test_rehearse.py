"""make rehearse: made-up notebooks in real kernels; GO, NO-GO and why; the README."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from l2o_kit.classroom import offline, room
from l2o_kit.classroom.rehearse import LEAST_MEMORY, keep, main, reasons, table
from l2o_kit.classroom.running import Result, rehearse
from l2o_kit.teaching import installation

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README = "# Kit\n<!-- rehearse -->\nold\n<!-- /rehearse -->\nafter\n"


def notebook(folder, name, *sources, seconds=100, **metadata):
    """Write a notebook with some code cells, a text between each, and a budget."""
    cells = []
    for source in sources:
        cells += [new_markdown_cell("## Text"), new_code_cell(source)]
    made = new_notebook(cells=cells, metadata={"l2o": {"seconds": seconds}, **metadata})
    nbformat.write(made, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def quiet(line):
    pass


HUNGRY = """
import subprocess, sys, time
held = bytearray(b"1" * 150_000_000)
code = "import time; held = bytearray(b'1' * 150_000_000); time.sleep(2)"
_ = subprocess.run([sys.executable, "-c", code])
open("left_behind.txt", "w").write("here")
"""


def test_go_and_the_table_in_the_readme(tmp_path, capsys):
    notebook(tmp_path, "00_a", "a = 1", HUNGRY)
    path = notebook(tmp_path, "01_b", "print(2)")
    readme = tmp_path / "README.md"
    readme.write_text(README)
    before = path.read_bytes()
    command = ["--notebooks", str(tmp_path), "--readme", str(readme)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "[1/2] 00_a: cell 2 of 2" in shown and "[2/2] 01_b: ran" in shown
    assert "\nGO\n" in shown and shown.endswith("was put into README.md.\n")
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {
        "README.md",
        "00_a.ipynb",
        "01_b.ipynb",
    }
    head, row = (
        "# Kit\n<!-- rehearse -->\n",
        r"\| 00_a \| (\d+) \| 100 \| ([\d.]+) \| (\d+)",
    )
    text = readme.read_text()
    assert text.startswith(head) and text.endswith("<!-- /rehearse -->\nafter\n")
    seconds, times, memory = map(float, re.search(row, text).groups())
    assert 2 <= seconds < 60 and times == pytest.approx(seconds / 100, abs=0.006)
    assert 330 < memory < 700  # two processes of 150 MB and Python twice
    assert "old" not in text and f"Python {sys.version_info.major}." in text


def test_only_all_notebooks_change_the_readme(tmp_path):
    notebook(tmp_path, "a", "a = 1")
    notebook(tmp_path, "b", "1 / 0")
    readme = tmp_path / "README.md"
    readme.write_text(README)
    command = ["--notebooks", str(tmp_path), "--readme", str(readme)]
    assert main(["a", *command]) == 0
    assert readme.read_text() == README


def test_an_error_is_no_go_with_its_cell_and_what_to_do(tmp_path, capsys):
    notebook(tmp_path, "a", "a = 1", "1 / 0", "open('later', 'w')")
    readme = tmp_path / "README.md"
    readme.write_text(README)
    assert main(["--notebooks", str(tmp_path), "--readme", str(readme)]) == 1
    shown = capsys.readouterr().out
    assert (
        "- a: cell 2 of 3 (1 / 0): ZeroDivisionError: division by zero. Open it with "
        "`make lab`, and run it up to this cell.\nNO-GO\n"
    ) in shown
    assert "cell 3 of 3" not in shown and readme.read_text() == README


def test_a_notebook_far_over_its_budget_is_stopped(tmp_path):
    path = notebook(tmp_path, "a", "import time; time.sleep(90)", seconds=1)
    result = rehearse(path, quiet)
    assert 3 < result.seconds < 60 and result.times > 3
    assert "cell 1 of 1 (import time; time.sleep(90)) was stopped" in result.wrong
    assert "over 3 times its budget of 1 s" in " ".join(reasons([result]))


ASKS = """
import socket, subprocess, sys, urllib.request

here = socket.create_server(("127.0.0.1", 0))
socket.create_connection(here.getsockname()).close()  # this machine may be asked
socket.create_connection(("localhost", here.getsockname()[1])).close()

def refused(ask):
    try:
        ask()
    except Exception as error:
        text = f"{error!r} {error.__cause__!r} {error.__context__!r}"
        assert "beyond this machine" in text, text
    else:
        raise AssertionError("not refused")

refused(lambda: urllib.request.urlopen("http://example.org/data"))
refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1))
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused(lambda: datagram.sendto(b"1", ("192.0.2.2", 53)))
code = "import socket; socket.create_connection(('192.0.2.3', 80), timeout=1)"
assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 1
"""


def test_whoever_asks_outside_is_refused_and_reported(tmp_path):
    """Even where the notebook catches the error, and in a process of its own."""
    result = rehearse(notebook(tmp_path, "a", ASKS), quiet)
    assert result.wrong == (
        "it asked outside: getaddrinfo example.org, connect 192.0.2.1, sendto "
        "192.0.2.2, connect 192.0.2.3. Nobody answers in a class without network."
    )


@pytest.mark.parametrize(
    ("host", "out"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        (None, False),
        ("", False),
        (b"localhost", False),
        ("10.0.0.1", True),
        ("192.168.1.1", True),
        ("fe80::1%eth0", True),
        ("8.8.8.8", True),
        ("pypi.org", True),
        (b"pypi.org", True),
    ],
)
def test_what_is_beyond_this_machine(host, out):
    assert offline.beyond(host) == out


@pytest.mark.parametrize(
    ("source", "metadata", "message"),
    [
        ("import no_such_thing", {}, "Something is not installed: run `make setup`."),
        ("import os; os.kill(os.getpid(), 9)", {}, "the kernel died, of too little"),
        (
            "1",
            {"kernelspec": {"name": "none", "display_name": ""}},
            "There is no kernel called none. Run: make setup",
        ),
    ],
)
def test_other_failures_say_what_to_do(tmp_path, source, metadata, message):
    assert message in rehearse(notebook(tmp_path, "a", source, **metadata), quiet).wrong


def test_ctrl_c_ends_the_kernel_and_names_the_notebook(tmp_path):
    source = "import os, time\nprint(open('{}', 'w').write(str(os.getpid())))"
    kernel = tmp_path / "pid"
    notebook(tmp_path, "slow", source.format(kernel), "time.sleep(500)")
    done = subprocess.Popen(
        [sys.executable, "-m", "l2o_kit.classroom.rehearse", "--notebooks", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for line in done.stdout:
        if "cell 2 of 2" in line:
            done.send_signal(signal.SIGINT)
            break
    shown, errors = done.communicate(timeout=60)
    assert done.returncode == 1 and "Interrupted in slow." in shown
    assert "Traceback" not in errors and "never awaited" not in errors, errors
    assert not psutil.pid_exists(int(kernel.read_text()))


def one(**changes):
    fine = {"name": "a", "seconds": 30.0, "budget": 10, "memory": 500.0, "free": 5e3}
    return Result(**fine | changes)


def test_the_reasons_for_a_no_go():
    assert reasons([one(), one(budget=None)]) == []
    [slow] = reasons([one(seconds=30.1)])
    assert slow.startswith("a took 30 s, over 3 times its budget of 10 s.")
    [small] = reasons([one(free=LEAST_MEMORY - 1.0)])
    assert small.startswith("a: only 999 MB of memory were left")
    assert reasons([one(wrong="broken")]) == ["a: broken"]


def test_the_table():
    lines = table([one(), one(name="b", budget=None)]).splitlines()
    assert lines[2:] == ["| a | 30 | 10 | 3.00 | 500 |", "| b | 30 | none |  | 500 |"]


def test_a_readme_without_a_place_is_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    assert "No such file" in keep("text", readme)
    readme.write_text("# Kit\n")
    assert keep("text", readme).endswith("it has no place for it.")
    assert readme.read_text() == "# Kit\n"


def test_what_the_machine_lacks(tmp_path, monkeypatch):
    assert room.missing(tmp_path) == []
    monkeypatch.setattr(room, "LEAST_DISK", 1e9)
    monkeypatch.setattr(room, "FONT", "No Such Font")
    monkeypatch.setattr(room, "WIDGETS", "no/such/extension")
    monkeypatch.setitem(installation.OLDEST, "torch", "99.0")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("L2O_DATA", str(tmp_path / "file" / "cache"))
    found = room.missing(tmp_path)
    for part in (
        "99.0 or newer is needed",
        "no slider",
        "No Such Font",
        "of disk are",
        "file cannot be written to (Not a directory)",
    ):
        assert sum(part in problem for problem in found) == 1, part
    assert len(found) == 5


def test_an_unknown_notebook_is_named(tmp_path, capsys):
    for names, message in ((["none"], "no notebook 'none'"), ([], "no notebook in")):
        with pytest.raises(SystemExit, match="2"):
            main([*names, "--notebooks", str(tmp_path)])
        assert message in capsys.readouterr().err


def test_nbval_prints_seconds_beside_the_budget(tmp_path):
    notebook(tmp_path, "a", "import time; time.sleep(1.2)", seconds=77)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.nbval_times",
            "--nbval-lax",
            "--nbval-current-env",
            "-p",
            "no:cacheprovider",
            tmp_path / "a.ipynb",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ""},
    )
    found = re.search(r"(\d+) s   budget   77   \S*a\.ipynb", done.stdout)
    assert done.returncode == 0 and 1 <= int(found.group(1)) < 60, done.stdout


NUMBERS = {
    "a minute and a half": 90,
    "a minute": 60,
    "two minutes": 120,
    "three minutes": 180,
}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_has_a_budget_that_its_text_tells(path):
    """Minutes of reading as written; running time within 30 % of the budget."""
    lesson = nbformat.read(path, as_version=4)
    told = next(c.source for c in lesson.cells if "**Time:**" in c.source)
    budget = lesson.metadata["l2o"]
    assert set(budget) == {"seconds", "minutes"}
    assert f"about {budget['minutes']} minutes of reading" in told
    running = re.search(r"run in about ([\w ]+?)(?=[,.])", told).group(1)
    seconds = NUMBERS.get(running) or int(running.removesuffix(" seconds"))
    assert 0.7 <= seconds / budget["seconds"] <= 1.3, (running, budget)


def test_exercises_keep_the_budget():
    for path in LESSONS:
        copy = nbformat.read(path.parent / "exercises" / path.name, as_version=4)
        assert copy.metadata["l2o"] == nbformat.read(path, 4).metadata["l2o"]
