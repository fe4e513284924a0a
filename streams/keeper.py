"""Runs the `redis-server` of a folder until nobody uses it: see `local.py`, which starts this file
as a program of its own, without anything but the standard library.

    python keeper.py FOLDER BINARY
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

_OPTIONS = (
    *("--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700"),
    *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
)


def keep(folder: Path, binary: str) -> None:
    """Start the server, and end it when no process has the folder's ``users`` locked.

    The file ``keeper`` is locked as long.
    """
    os.umask(0o077)
    alone = (folder / "keeper").open("a")
    fcntl.flock(alone, fcntl.LOCK_EX)
    with (folder / "redis.log").open("a") as log:
        server = subprocess.Popen(
            [binary, *_OPTIONS],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    threading.Thread(target=_end_unused, args=(folder, server), daemon=True).start()
    server.wait()


def _end_unused(folder: Path, server: subprocess.Popen[bytes]) -> None:
    # Held until this process ends: who comes meanwhile waits, and finds no server.
    users = (folder / "users").open("a")
    fcntl.flock(users, fcntl.LOCK_EX)
    server.terminate()
    threading.Event().wait()


if __name__ == "__main__":
    # Another process, which nobody has to wait for.
    if not os.fork():
        keep(Path(sys.argv[1]), sys.argv[2])
