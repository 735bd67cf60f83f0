"""A student on a JupyterHub, as its servers see one: login, kernels, cells, sliders.

Speaks the protocol that JupyterLab speaks: the login form, an API token of one's own,
kernels over websockets, widgets as comms, in a subshell of the kernel.
"""

import json
import random
import threading
import time
import uuid
from pathlib import Path

import requests
import websocket

PAUSE = 2.0  # seconds between two moves of a slider
DEADLINE = 60.0  # seconds that a student waits for an answer


class Student:
    """Logs in, starts the server, and opens a kernel for each lesson."""

    def __init__(
        self,
        address: str,
        name: str,
        password: str,
        notebooks: Path,
        lessons: tuple[str, ...],
    ):
        self.browser = requests.Session()
        self.home = f"{address}/user/{name}"
        token = self._log_in(address, name, password)
        self.browser.headers["Authorization"] = f"token {token}"
        self._start(address, name)
        self.desks = [Desk(self, notebooks / f"{lesson}.ipynb") for lesson in lessons]

    def run_all(self) -> list[float]:
        """Run all cells of all lessons, moving sliders; the answers' seconds."""
        threads = [threading.Thread(target=desk.run_cells) for desk in self.desks]
        for thread in threads:
            thread.start()
        found = []
        while any(thread.is_alive() for thread in threads):
            found += self._round()
        for desk in self.desks:
            if desk.trouble:
                raise RuntimeError(desk.trouble)
        return found

    def explore(self, seconds: float) -> list[float]:
        """Move sliders for so long; the answers' seconds."""
        end, found = time.time() + seconds, []
        while time.time() < end:
            found += self._round()
        return found

    def close(self):
        """Leave."""
        for desk in self.desks:
            desk.socket.close()

    def _round(self) -> list[float]:
        """A move in each lesson that has a slider already, then a pause."""
        found = [desk.move() for desk in self.desks if desk.sliders()]
        time.sleep(PAUSE * random.uniform(0.5, 1.5))
        return found

    def _log_in(self, address, name, password) -> str:
        form = f"{address}/hub/login"
        self.browser.get(form).raise_for_status()
        answer = self.browser.post(
            form,
            data={
                "username": name,
                "password": password,
                "_xsrf": self._xsrf(),
            },
            allow_redirects=False,
        )
        if answer.status_code != 302:
            raise RuntimeError(f"{name} could not log in: {answer.status_code}")
        self.browser.get(f"{address}/hub/home").raise_for_status()
        answer = self.browser.post(
            f"{address}/hub/api/users/{name}/tokens",
            headers={"X-XSRFToken": self._xsrf(), "Referer": f"{address}/hub/token"},
            json={"note": "a class", "expires_in": 7200},
        )
        answer.raise_for_status()
        return answer.json()["token"]

    def _xsrf(self) -> str:
        return next(
            c.value
            for c in self.browser.cookies
            if c.name == "_xsrf" and c.path.startswith("/hub")
        )

    def _start(self, address, name):
        own = f"{address}/hub/api/users/{name}"
        self.browser.cookies.clear()  # from here on the token alone
        self.browser.post(f"{own}/server").raise_for_status()
        end = time.time() + 300
        while not self.browser.get(own).json()["servers"].get("", {}).get("ready"):
            if time.time() > end:
                raise RuntimeError(f"{name} got no server in 300 s")
            time.sleep(1)


class Desk:
    """One lesson's kernel, its cells, and the widgets it has shown."""

    def __init__(self, student: Student, notebook: Path):
        cells = json.loads(notebook.read_text())["cells"]
        self.cells = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        answer = student.browser.post(
            f"{student.home}/api/sessions",
            json={
                "path": notebook.name,
                "name": notebook.name,
                "type": "notebook",
                "kernel": {"name": "python3"},
            },
        )
        answer.raise_for_status()
        kernel = answer.json()["kernel"]["id"]
        self.session, self.models, self.trouble = uuid.uuid4().hex, {}, ""
        self.subshell, self.answered, self.replies = None, threading.Event(), {}
        self.socket = websocket.create_connection(
            f"{student.home.replace('http', 'ws')}/api/kernels/{kernel}/channels",
            header=[f"Authorization: {student.browser.headers['Authorization']}"],
            timeout=None,
            skip_utf8_validation=True,  # else 40 ms of Python for each picture
        )
        self.writing = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        self._request("kernel_info_request", {})
        reply = self._request("create_subshell_request", {}, channel="control")
        self.subshell = reply["subshell_id"]

    def run_cells(self):
        """All cells, one after another; what goes wrong is kept in ``trouble``."""
        for cell in self.cells:
            content = {
                "code": cell,
                "silent": False,
                "store_history": True,
                "allow_stdin": False,
                "stop_on_error": True,
                "user_expressions": {},
            }
            reply = self._request("execute_request", content)
            if reply["status"] != "ok":
                self.trouble = f"{cell}\n{reply.get('evalue')}"
                return

    def sliders(self) -> list[tuple[str, dict]]:
        """(comm, state) of each slider that the kernel has made."""
        return [
            (comm, state)
            for comm, state in list(self.models.items())
            if state.get("_model_name", "").endswith("SliderModel")
        ]

    def move(self) -> float:
        """Move the first slider somewhere else; seconds until the new picture."""
        comm, state = self.sliders()[0]
        self.answered.clear()
        begin = time.time()
        self._send(
            "comm_msg",
            {
                "comm_id": comm,
                "data": {
                    "method": "update",
                    "state": elsewhere(state),
                    "buffer_paths": [],
                },
            },
            subshell=self.subshell,
        )
        self.answered.wait(DEADLINE)
        return time.time() - begin

    def _request(self, kind, content, channel="shell") -> dict:
        sent, waiting = uuid.uuid4().hex, threading.Event()
        self.replies[sent] = waiting
        self._send(kind, content, channel, sent=sent)
        waiting.wait()
        return self.replies.pop(sent).content

    def _send(self, kind, content, channel="shell", subshell=None, sent=""):
        header = {
            "msg_id": sent or uuid.uuid4().hex,
            "msg_type": kind,
            "date": "",
            "username": "",
            "version": "5.4",
            "session": self.session,
            "subshell_id": subshell,
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": channel,
            "buffers": [],
        }
        with self.writing:
            self.socket.send(json.dumps(message))

    def _lost(self):
        """Nobody waits any longer for what cannot come."""
        for waiting in list(self.replies.values()):
            waiting.content = {"status": "error", "evalue": "The connection broke."}
            waiting.set()

    def _listen(self):
        """Widgets that open, pictures that come, replies that somebody waits for."""
        while True:
            try:
                text = self.socket.recv()
            except (OSError, websocket.WebSocketException):
                return self._lost()
            if not text or not isinstance(text, str):
                continue  # closed; or with buffers: no picture of ours
            message = json.loads(text)
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "comm_open":
                self.models[content["comm_id"]] = content["data"].get("state", {})
            elif kind == "comm_msg":
                state = content["data"].get("state", {})
                self.models.setdefault(content["comm_id"], {}).update(state)
                if "data:image" in str(state.get("value", "")):
                    self.answered.set()
            elif kind.endswith("_reply"):
                waiting = self.replies.get(message["parent_header"].get("msg_id"))
                if waiting:
                    waiting.content = content
                    waiting.set()


def elsewhere(state: dict) -> dict:
    """Another place of a slider, as a browser would send it; ``state`` follows."""
    key = "index" if "index" in state else "value"
    places = [{key: place} for place in all_places(state)]
    new = random.choice([place for place in places if place[key] != state[key]])
    state.update(new)
    return new


def all_places(state: dict) -> list[float]:
    """Where a slider can stand: the numbers of its options, or its values."""
    if "index" in state:
        return list(range(len(state["_options_labels"])))
    count = round((state["max"] - state["min"]) / state["step"])
    places = [state["min"] + k * state["step"] for k in range(count + 1)]
    log = "Log" in state["_model_name"]
    return [state["base"] ** place for place in places] if log else places
