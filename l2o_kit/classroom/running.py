"""One notebook in one kernel: how long it takes, how much memory, what went wrong.

Seconds count from the start of the kernel to the end of the last cell. Memory is the
resident memory (RSS) of the kernel and its child processes together, looked at five
times a second; pages that two processes share count twice.
"""

import contextlib
import math
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from l2o_kit.classroom import offline

TIMES = 3  # a notebook fails at more than so many times its budget: machines differ
LOOKS = 5  # at the memory, a second
PATIENCE = 600  # seconds for a cell, where the notebook has no budget
MEGABYTE = 1e6
QUIET = {
    "stdout": subprocess.DEVNULL,
    "stderr": subprocess.DEVNULL,
}  # cells still speak


@dataclass(frozen=True)
class Result:
    """How one notebook ran: its name, seconds, the budget (seconds) or None, the peak
    memory of its kernel and the least that was free on the machine (both MB), and what
    went wrong, "" for nothing."""

    name: str
    seconds: float
    budget: int | float | None
    memory: float
    free: float
    wrong: str = ""

    @property
    def times(self) -> float | None:
        """How many times its budget the notebook took."""
        return self.seconds / self.budget if self.budget else None


class Memory(threading.Thread):
    """Looks at the memory of a process and its children: ``peak`` and the least
    ``free`` memory of the machine, in MB, while the ``with`` block runs."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.process, self.done = psutil.Process(pid), threading.Event()
        self.peak, self.free = 0.0, math.inf

    def run(self):
        """Look until the block ends."""
        while True:
            self.peak = max(self.peak, self._resident())
            free = psutil.virtual_memory().available / MEGABYTE
            self.free = min(self.free, free)
            if self.done.wait(1 / LOOKS):
                return

    def _resident(self) -> float:
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                total += process.memory_info().rss
        return total / MEGABYTE

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.join()


def rehearse(path: Path, tell: Callable[[str], None]) -> Result:
    """Run a copy of a notebook from the first cell to the last, offline.

    Arguments: the notebook, which is only read; ``tell`` is called with a line before
    each cell. Nothing is raised for what the notebook does: see ``Result.wrong``.
    """
    run = _Run(path.stem, nbformat.read(path, as_version=4), tell)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        guard, work = Path(home, "guard"), Path(home, "work")
        guard.mkdir()
        work.mkdir()
        wrong = [
            run.all_cells(cwd=str(work), env=os.environ | offline.environment(guard))
        ]
        if tried := offline.asked(guard):
            wrong.append(
                f"it asked outside: {', '.join(tried)}. Nobody answers in a class "
                "without network."
            )
    return Result(
        path.stem,
        run.seconds,
        run.budget,
        run.peak,
        run.free,
        " ".join(filter(None, wrong)),
    )


class _Run:
    """One notebook on its way through the kernel."""

    def __init__(self, name: str, notebook: nbformat.NotebookNode, tell: Callable):
        self.name, self.tell = name, tell
        self.budget = notebook.metadata.get("l2o", {}).get("seconds")
        self.cells = [
            (place, cell)
            for place, cell in enumerate(notebook.cells)
            if cell.cell_type == "code"
        ]
        self.client = NotebookClient(notebook, timeout_func=self._patience)
        self.begin, self.number, self.seconds = time.perf_counter(), 0, 0.0
        self.peak, self.free = 0.0, math.inf

    def all_cells(self, **kernel) -> str:
        """Run them; what went wrong, or ""."""
        try:
            with self.client.setup_kernel(**QUIET, **kernel):
                self._each(self.client.km.provisioner.pid)
        except NoSuchKernel as error:
            return f"There is no kernel called {error.name}. Run: make setup"
        except (CellExecutionError, CellTimeoutError, RuntimeError) as error:
            return self._complaint(error)
        return ""

    def _each(self, pid: int):
        memory = Memory(pid)
        try:
            with memory:
                for place, cell in self.cells:
                    self.number += 1
                    self.tell(
                        f"{self.name}: cell {self.number} of {len(self.cells)}, "
                        f"{self._now():.0f} s"
                    )
                    self.client.execute_cell(cell, place)
        finally:
            self.seconds = self._now()
            self.peak, self.free = memory.peak, memory.free

    def _now(self) -> float:
        return time.perf_counter() - self.begin

    def _patience(self, cell) -> int:
        """Seconds that a cell may take: what is left of the budget, three times."""
        if not self.budget:
            return PATIENCE
        return max(1, math.ceil(TIMES * self.budget - self._now()))

    def _complaint(self, error: Exception) -> str:
        """Which cell, what happened, what to do."""
        if not self.number:
            return f"The kernel did not start: {error}. Run: make setup"
        first = next(iter(self.cells[self.number - 1][1].source.splitlines()), "")
        where = f"cell {self.number} of {len(self.cells)} ({first})"
        if isinstance(error, CellTimeoutError):
            return f"{where} was stopped: it took too long."
        if not isinstance(error, CellExecutionError):
            return (
                f"{where}: the kernel died, of too little memory most likely. Close "
                "other programs and try again."
            )
        text = re.sub(r"\x1b\[[\d;]*m", "", f"{error.ename}: {error.evalue}")
        if error.ename in ("ModuleNotFoundError", "ImportError"):
            return f"{where}: {text}. Something is not installed: run `make setup`."
        return f"{where}: {text}. Open it with `make lab`, and run it up to this cell."
