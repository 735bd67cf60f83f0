"""A real JupyterLab, driven by the system's Chromium through playwright.

The server listens on 127.0.0.1 only, on a free port, with a random token, on a copy of
the notebooks. No browser is downloaded: playwright drives the one that is installed.
"""

import atexit
import functools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "There is no Chromium here. Install it (Debian, Ubuntu: apt install chromium; "
    "macOS: brew install --cask chromium), or set CHROMIUM=/path/to/chrome."
)
ERRORS = (
    '.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"], .jp-OutputArea '
    '[data-mime-type="application/vnd.jupyter.stderr"]'
)
LOGGED = ".jp-LogConsoleStatusItem:not(.lm-mod-hidden)"

# Notes when a key is pressed and when a new picture has been decoded and painted.
PROBE = """
window.pressed = []; window.painted = [];
addEventListener('keydown', () => window.pressed.push(performance.now()), true);
const paint = img => img.decode().catch(() => {}).then(() =>
    requestAnimationFrame(() => window.painted.push(performance.now())));
new MutationObserver(changes => { for (const change of changes) {
    const images = change.type === 'attributes' ? [change.target]
        : [...change.addedNodes].flatMap(n =>
            n.querySelectorAll ? [n, ...n.querySelectorAll('img')] : []);
    for (const img of images)
        if (img.tagName === 'IMG' && img.src.startsWith('data:')) paint(img);
}}).observe(document, {subtree: true, childList: true, attributes: true,
                       attributeFilter: ['src']});
"""


def chromium() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )


@contextmanager
def lab(notebooks: Path):
    """A running JupyterLab on a copy of the notebooks: yields (address, token)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(notebooks, home / "work")
        log = home / "lab.log"
        with log.open("w") as out:
            server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    "--ServerApp.ip=127.0.0.1",
                    f"--ServerApp.port={port}",
                    "--ServerApp.port_retries=0",
                    f"--IdentityProvider.token={token}",
                    f"--ServerApp.root_dir={home / 'work'}",
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(home),
            )
        try:
            address = f"http://127.0.0.1:{port}"
            status = f"{address}/api/status?token={token}"
            complaint = "JupyterLab did not start:\n"
            _wait(
                lambda: _answers(status),
                120,
                lambda: complaint + log.read_text()[-2000:],
            )
            yield address, token
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


@functools.cache
def _playwright():
    """One for the process, which can have no second."""
    started = sync_playwright().start()
    atexit.register(started.stop)
    return started


@contextmanager
def chrome():
    """A headless Chromium."""
    running = _playwright().chromium.launch(
        executable_path=chromium(), headless=True, args=FLAGS
    )
    try:
        yield running
    finally:
        running.close()


@contextmanager
def tab(running, width: int = 1280, height: int = 1000):
    """A page of a Chromium. What must not happen on it is noted, see ``no_errors``:
    ``page.outside`` lists requests to other hosts, ``page.failures`` its own errors.
    """
    page = running.new_page(viewport={"width": width, "height": height})
    page.add_init_script(PROBE)
    page.outside, page.failures = [], []
    page.on("request", lambda request: _note_outside(page, request.url))
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda said: _note_console(page, said))
    try:
        yield page
    finally:
        page.close()


@contextmanager
def browser(width: int = 1280, height: int = 1000):
    """A page of a Chromium of its own."""
    with chrome() as running, tab(running, width, height) as page:
        yield page


def open_notebook(page, address: str, token: str, name: str):
    """Open a notebook and wait until its kernel is idle and connected."""
    page.goto(f"{address}/lab/tree/{name}.ipynb?token={token}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook", timeout=120_000)

    def connected():
        return any(
            s["kernel"]["execution_state"] == "idle" and s["kernel"]["connections"] > 0
            for s in _sessions(address, token)
        )

    _wait(connected, 120, lambda: "the kernel did not become ready")


@contextmanager
def visit(running, address: str, token: str, name: str):
    """A page of a Chromium with a notebook; its kernel ends with it."""
    with tab(running) as page:
        page.lesson = name
        open_notebook(page, address, token, name)
        yield page
    shut_down(address, token)


def shut_down(address: str, token: str):
    """End every session with its kernel, so that the next lesson has both cores."""
    for session in _sessions(address, token):
        _ask(f"{address}/api/sessions/{session['id']}?token={token}", "DELETE")


def put_notebook(address: str, token: str, name: str, cells: list[str]):
    """Write a notebook of these code cells beside the others."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    code = [new_code_cell(cell) for cell in cells]
    notebook = new_notebook(cells=code, metadata=kernel)
    content = {"type": "notebook", "content": notebook}
    _ask(f"{address}/api/contents/{name}.ipynb?token={token}", "PUT", content)


def run_all(page, timeout: float = 300):
    """Run > Run All Cells, until no cell waits any more."""
    start_all(page)
    wait_for_idle(page, timeout)


def start_all(page):
    """Run > Run All Cells."""
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    time.sleep(1)


def wait_for_idle(page, timeout: float = 300):
    """Until no cell waits any more; none may have failed."""
    busy = "() => [...document.querySelectorAll('.jp-InputPrompt')]" + (
        ".some(prompt => prompt.innerText.includes('*'))"
    )
    _wait(lambda: not page.evaluate(busy), timeout, lambda: "cells still run")
    no_errors(page)


def no_errors(page):
    """No error in an output, none in the log console, none asked outside."""
    errors = page.locator(ERRORS).all_inner_texts()
    assert not [text for text in errors if "meta-training" not in text], errors
    logged = page.locator(LOGGED)
    assert logged.count() == 0, f"the log console holds {_log(page)}"
    assert not page.outside, f"the page asked outside: {page.outside[:3]}"
    assert not page.failures, f"the page's own code failed: {page.failures[:3]}"


def _log(page) -> list[str]:
    """What the log console holds; it is opened for that."""
    page.locator(LOGGED).first.click()
    page.locator(".jp-LogConsole").first.wait_for(timeout=10_000)
    return page.locator(".jp-LogConsole .jp-OutputArea-output").all_inner_texts()


def still(read, seconds: float = 30, rest: float = 0.5):
    """The value of read() once it has not changed for half a second."""
    before, since, end = read(), time.time(), time.time() + seconds
    while time.time() - since < rest and time.time() < end:
        time.sleep(0.08)
        now = read()
        if now != before:
            before, since = now, time.time()
    return before


def changed(read, before, seconds: float = 30, rest: float = 0.5):
    """The value of read() once it differs from before and has come to rest."""
    _wait(lambda: read() != before, seconds, lambda: f"nothing changed in {seconds} s")
    return still(read, rest=rest)


def key_to_picture(page, key: str, timeout: float = 10) -> float:
    """Press a key; milliseconds until the first new picture is painted."""
    page.evaluate("() => { window.pressed = []; window.painted = []; }")
    page.keyboard.press(key)
    page.wait_for_function("() => window.painted.length > 0", timeout=1000 * timeout)
    return page.evaluate("() => window.painted[0] - window.pressed[0]")


def _wait(done, seconds, complaint):
    end = time.time() + seconds
    while not done():
        if time.time() > end:
            raise AssertionError(complaint())
        time.sleep(0.2)


def _ask(url: str, method: str = "GET", content: dict | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if content is None else json.dumps(content).encode()
    return opener.open(
        urllib.request.Request(url, data, method=method), timeout=20
    ).read()


def _sessions(address: str, token: str) -> list[dict]:
    return json.loads(_ask(f"{address}/api/sessions?token={token}"))


def _answers(url: str) -> bool:
    try:
        return bool(_ask(url))
    except OSError:
        return False


def _note_outside(page, url: str):
    if not url.startswith(("data:", "blob:", "about:")) and "//127.0.0.1:" not in url:
        page.outside.append(url)


def _note_console(page, said):
    """An error of the code; the server's own "not found" is told by its requests."""
    if said.type == "error" and not said.text.startswith("Failed to load resource"):
        page.failures.append(said.text)


def _environment(home: Path) -> dict:
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    places = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "ws",
        "JUPYTER_RUNTIME_DIR": "rt",
        "JUPYTER_CONFIG_DIR": "cfg",
        "IPYTHONDIR": "ipython",
    }
    own = {name: str(home / folder) for name, folder in places.items()}
    quick = {"L2O_LIVE_SECONDS": "5", "OMP_NUM_THREADS": "1"}
    return {**quick, **os.environ, **own}
