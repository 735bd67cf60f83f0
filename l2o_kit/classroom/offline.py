"""No connection beyond this machine: a guard for kernels, and what they tried.

A copy of this file, named ``sitecustomize.py`` and first on PYTHONPATH, is run by each
Python process when it starts: by the kernel, and by the processes that it starts. An
audit hook there refuses every connection, datagram and name lookup that would leave the
machine, and writes it down, so that it is reported even where the error is caught.

Left out: programs that are not Python; a name given straight to ``socket.connect`` is
looked up before the hook is asked (the connection is refused).
"""

import ipaddress
import os
import shutil
import socket
import sys
from pathlib import Path

NOTES = "L2O_OUTSIDE"  # names the file with what was tried
ADDRESSED = ("socket.connect", "socket.sendto", "socket.sendmsg")  # (socket, address)
NAMED = ("socket.getaddrinfo", "socket.gethostbyname")  # (name, ...)


class Outside(ConnectionRefusedError):
    """Something beyond this machine was asked for."""


def environment(folder: Path) -> dict[str, str]:
    """The environment for a guarded process, beside this one's variables.

    Arguments: an empty folder for the guard and its notes, which must outlive the
    process.
    """
    shutil.copy(__file__, folder / "sitecustomize.py")
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(folder), *([before] if before else [])])
    return {"PYTHONPATH": path, NOTES: str(folder / "outside.txt")}


def asked(folder: Path) -> list[str]:
    """What was asked of other machines, without repetition, in order."""
    notes = folder / "outside.txt"
    return list(dict.fromkeys(notes.read_text().splitlines())) if notes.exists() else []


def beyond(host: str | bytes | None) -> bool:
    """Whether a name or an address leads out of this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not host or host in ("localhost", socket.gethostname()):
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True  # a name: looking it up asks another machine
    return not (address.is_loopback or address.is_unspecified)


def _watch(event: str, arguments: tuple) -> None:
    if event in NAMED:
        host = arguments[0]
        if _number(host):  # nothing is looked up
            return
    elif event in ADDRESSED:
        here, address = arguments
        if here.family not in (socket.AF_INET, socket.AF_INET6) or not address:
            return  # a file on this machine, or connected before
        host = address[0]
    else:
        return
    if beyond(host):
        host = host.decode() if isinstance(host, bytes) else host
        with open(os.environ[NOTES], "a") as notes:
            notes.write(f"{event.removeprefix('socket.')} {host}\n")
        raise Outside(f"{host} is beyond this machine, and a rehearsal is offline.")


def _number(host) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True


if __name__ == "sitecustomize":
    sys.addaudithook(_watch)
