"""What a class needs in memory: real kernels that run whole lessons.

    python -m tests.bench.students        the section of the report, as text

Three numbers of a process. RSS: all the memory it sees. PSS: the same, but what it
shares with n - 1 others counts as 1/n. USS: what it has for itself alone. Whatever else
holds PyTorch makes PSS smaller: this file imports none, and counts who does. With three
kernels, USS and RSS are right whoever else does.
"""

import json
import os
import statistics
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
from jupyter_client import KernelManager

from tests.bench import report
from tests.browser.lab import lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = {  # number: kernels at once; 08 and 09 need the most
    "00": (1, 3),
    "03": (1, 3),
    "08": (1,),
    "09": (1,),
}
CLASSES = (1, 3)
SETTLE = 3  # seconds, until a kernel rests
LIVE = {"L2O_LIVE_SECONDS": "5", "OMP_NUM_THREADS": "1"}


class Kernel:
    """A student's kernel, started as a notebook's."""

    def __init__(self):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(
            cwd=NOTEBOOKS, env=os.environ | LIVE, stderr=subprocess.DEVNULL
        )
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.pid = self.manager.provisioner.pid

    def run(self, cells: list[str]):
        """The cells one after another; their outputs are not kept."""
        for cell in cells:
            reply = self.client.execute_interactive(
                cell, allow_stdin=False, timeout=600, output_hook=lambda message: None
            )
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"{cell}\n{reply['content']}")

    def close(self):
        """The end of the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def cells(lesson: str) -> list[str]:
    """The code of a lesson."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    notebook = json.loads(path.read_text())
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return ["".join(cell["source"]) for cell in code]


def memory(pid: int) -> dict[str, float]:
    """MB: RSS, PSS and USS of a process."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {name: int(rest.split()[0]) for name, rest in (r.split(":", 1) for r in rows)}
    private = kb["Private_Clean"] + kb["Private_Dirty"]
    return {"RSS": kb["Rss"] / 1e3, "PSS": kb["Pss"] / 1e3, "USS": private / 1e3}


@contextmanager
def watched(kernels: list[Kernel]):
    """Yields a list that fills with the memory of all kernels, five times a second."""
    seen, stop = [], threading.Event()

    def watch():
        while not stop.wait(0.2):
            seen.append([memory(kernel.pid) for kernel in kernels])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def lesson(name: str, count: int) -> dict[str, list[dict]]:
    """{moment: memory of each kernel} of so many kernels that run a lesson at once."""
    with ThreadPoolExecutor(count) as pool:
        kernels = list(pool.map(lambda _: Kernel(), range(count)))

        def now(code):
            list(pool.map(lambda kernel: kernel.run(code), kernels))
            time.sleep(SETTLE)
            return [memory(kernel.pid) for kernel in kernels]

        found = {"idle": now([]), "`import l2o_kit`": now(["import l2o_kit"])}
        with watched(kernels) as seen:
            found[f"lesson {name}"] = now(cells(name))
        found[f"lesson {name}, peak"] = max(seen, key=total)
        list(pool.map(Kernel.close, kernels))
    return found


def total(kernels: list[dict]) -> float:
    """The RSS of all of them."""
    return sum(kernel["RSS"] for kernel in kernels)


def server() -> list[tuple[str, dict]]:
    """A student's own JupyterLab server: as it started, and after it served a page."""
    with lab(NOTEBOOKS) as (address, token):
        (process,) = psutil.Process().children()
        time.sleep(SETTLE)
        rows = [("its server, started", memory(process.pid))]
        for path in ("lab", "api/contents/00_start_here.ipynb", "lab/api/settings"):
            urllib.request.urlopen(f"{address}/{path}?token={token}").read()
        time.sleep(SETTLE)
        return [*rows, ("its server, JupyterLab opened", memory(process.pid))]


def others() -> int:
    """How many processes of this machine hold PyTorch, beside the kernels."""
    count = 0
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            count += "libtorch_cpu" in maps.read_text()
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return count


def mean(kernels: list[dict], what: str) -> float:
    """The mean over kernels, MB."""
    return statistics.mean(kernel[what] for kernel in kernels)


def measured() -> dict:
    """The section of the report."""
    foreign, found = others(), {}
    for name, counts in LESSONS.items():
        for count in counts:
            for moment, kernels in lesson(name, count).items():
                found.setdefault(moment, {})[count] = kernels
    foreign = max(foreign, others())
    of_server = ((moment, {1: [seen]}) for moment, seen in server())
    moments = [_row(moment, by) for moment, by in (*found.items(), *of_server)]
    return report.section(
        "A class at once: memory per student",
        [
            "MB of a real kernel that runs the cells of a lesson (one thread, "
            f"{LIVE['L2O_LIVE_SECONDS']} seconds where a cell trains), with one kernel "
            f"and with {CLASSES[-1]} at once (means). RSS: all that a process sees. "
            "PSS: what n processes share counts as 1/n to each. USS: what it has for "
            "itself alone. Peak: the sample, of five a second, with the largest RSS. "
            "Other processes that held PyTorch meanwhile, and so made PSS smaller: "
            f"{foreign}.",
            report.table("moments", dict.fromkeys(moments[0], ".0f")),
            "n students, each with one kernel at the peak of lesson 03: n times "
            "{each[own]:.0f} MB, and {each[shared]:.0f} MB that all share.",
        ],
        moments=moments,
        each=_each(found["lesson 03, peak"][CLASSES[-1]]),
    )


def _each(kernels: list[dict]) -> dict[str, float]:
    """MB that each kernel of the largest class needs, and that all of them share."""
    own = mean(kernels, "USS")
    return {"own": own, "shared": mean(kernels, "RSS") - own}


def _row(moment: str, by: dict[int, list[dict]]) -> dict:
    return {"after": moment} | {
        f"{what}, {count}": mean(by[count], what) if count in by else None
        for count in CLASSES
        for what in ("RSS", "PSS", "USS")
    }


if __name__ == "__main__":
    print(report.markdown(measured()))
