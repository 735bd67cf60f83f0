"""A class at once: a real JupyterHub on loopback, N students who run lessons 00 and 03.

    python -m tests.bench.hub 2 4 8 12 16 20    how many students, class after class

Each student logs in with a password, gets a server, opens both lessons, runs all cells
of both, and moves a slider of each every two seconds: while the cells run, and after.
A slider's answer is the time from the message that moves it to the message with the new
picture; a student's browser and the network come on top. The students' machines are
not the hub's: this program, which plays them, runs at a higher priority where it may
(as root), and says by how much it was late itself. Memory is the sum of PSS of the hub,
its proxy, all servers and kernels. The next class does not start where one answers
later than a second, in the middle, or memory would not do.

Needs ``pip install -c constraints.txt jupyterhub`` and ``npm install -g
configurable-http-proxy``; without them it says so.
"""

import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import psutil
import requests
import websocket

from tests.bench.student import Student

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = ("00_start_here", "03_coordinatewise_lstm")
EXPLORE = 40  # seconds of slider moves after all cells have run
PATIENCE = 1.0  # seconds: a median answer that takes longer ends the series
SPARE = 3e9  # bytes that must be left for the next class
CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = "{password}"
c.Authenticator.allowed_users = {students!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.cmd = ["{python}", "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--KernelManager.transport=ipc"]
c.Spawner.notebook_dir = "{folder}/lessons"
c.Spawner.environment = {{
    "OMP_NUM_THREADS": "1", "PYTHONPATH": "{kit}", "L2O_LIVE_SECONDS": "{seconds}",
    # names of sockets have at most 107 letters
    "JUPYTER_RUNTIME_DIR": lambda spawner: "{folder}/" + spawner.user.name,
}}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.load_roles = [
    {{"name": "user", "scopes": ["self", "access:servers!user", "tokens!user"]}}
]
"""


@contextmanager
def hub(students: list[str]):
    """A running JupyterHub, on loopback, with a password.

    Yields (address, password, its process, the parent of all others).
    """
    proxy = shutil.which("configurable-http-proxy")
    if not proxy or not shutil.which("jupyterhub", path=Path(sys.executable).parent):
        raise SystemExit(__doc__.rpartition("Needs")[2].join(["Needs", ""]))
    port, hub_port, api_port = free_ports(3)
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(NOTEBOOKS, folder / "lessons")
        config = folder / "config.py"
        config.write_text(
            CONFIG.format(
                port=port,
                hub_port=hub_port,
                api_port=api_port,
                proxy=proxy,
                password=password,
                students=set(students),
                folder=folder,
                python=sys.executable,
                kit=NOTEBOOKS.parent,
                seconds=os.environ.get("L2O_LIVE_SECONDS", "60"),
            )
        )
        config.chmod(0o600)
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.setpriority(os.PRIO_PROCESS, 0, 0),
            )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/hub/login", folder / "log")
            yield address, password, psutil.Process(process.pid)
        except Exception:
            print((folder / "log").read_text()[-6000:], file=sys.stderr)
            raise
        finally:
            everything = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            psutil.wait_procs(everything, timeout=30)
            for child in everything:
                if child.is_running():
                    child.kill()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_for(address: str, log: Path, seconds: float = 90):
    """Until the address answers."""
    end = time.time() + seconds
    while time.time() < end:
        try:
            requests.get(address, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.5)
    raise SystemExit(f"JupyterHub did not start:\n{log.read_text()[-2000:]}")


def memory(process: psutil.Process) -> float:
    """GB: the PSS of a process and all that it started."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            rows = Path(f"/proc/{each.pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total += sum(int(r.split()[1]) for r in rows if r.startswith("Pss:"))
    return total / 1e6


@contextmanager
def watched(process: psutil.Process):
    """Yields two lists: each second's memory (GB) and delay of this program (s)."""
    seen, late, stop = [], [], threading.Event()

    def watch():
        while True:
            begin = time.monotonic()
            if stop.wait(1):
                return
            late.append(time.monotonic() - begin - 1)
            seen.append(memory(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen, late
    finally:
        stop.set()
        thread.join()


def a_class(count: int) -> dict:
    """One class: seconds to start and to run all, slider answers (s), memory (GB)."""
    names = [f"s{k:02}" for k in range(count)]
    with (
        hub(names) as (address, password, process),
        ThreadPoolExecutor(count) as pool,
        watched(process) as (seen, late),
    ):
        begin = time.time()
        students = list(
            pool.map(
                lambda name: Student(address, name, password, NOTEBOOKS, LESSONS), names
            )
        )
        ready = time.time()
        while_running = list(pool.map(Student.run_all, students))
        done = time.time()
        after = list(pool.map(lambda s: s.explore(EXPLORE), students))
        for student in students:
            student.close()
        return {
            "students": count,
            "start": ready - begin,
            "run": done - ready,
            "running": [*chain(*while_running)],
            "exploring": [*chain(*after)],
            "memory": max(seen),
            "late": max(late),
        }


def answers(seconds: list[float]) -> str:
    """Median and 95th percentile, in ms."""
    if len(seconds) < 2:
        return "none | none"
    last = statistics.quantiles(seconds, n=20)[-1]
    return f"{1000 * statistics.median(seconds):.0f} | {1000 * last:.0f}"


HEADER = [
    "| students | all servers and kernels up, s | all cells of both, s | answer while "
    "cells run, median ms | 95 % | answer after, median ms | 95 % | memory, peak GB | "
    "this program late, at most ms |",
    "|" + "---|" * 9,
]


def main(counts: list[int]):
    """Print a row for each class."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    print("\n".join(HEADER))
    for count in counts:
        try:
            row = a_class(count)
        except (OSError, RuntimeError, websocket.WebSocketException) as error:
            print(f"{count} students did not get through: {error!r}")
            return
        print(
            f"| {count} | {row['start']:.0f} | {row['run']:.0f} | "
            f"{answers(row['running'])} | {answers(row['exploring'])} | "
            f"{row['memory']:.1f} | {1000 * row['late']:.0f} |",
            flush=True,
        )
        if statistics.median(row["exploring"]) > PATIENCE:
            return
        if psutil.virtual_memory().available < row["memory"] * 5e8 + SPARE:
            print("No memory is left for more.")
            return


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [2, 4, 8, 12, 16])
