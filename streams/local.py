"""A `redis-server` of one's own in a folder: ``redis+local:///folder``.

It listens on a socket in that folder, keeps an append-only file there, and lives while any process
uses it. Those hold a shared lock on the file ``users``; the server's keeper, a process that runs
`streams/keeper.py`, waits for an exclusive one and then ends the server. So the system itself tells
the keeper of a user that was killed. Who finds no server answering starts one, one at a time by
the lock on the file ``starting``.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO
from urllib.parse import quote

from streams.errors import BackendRefused

SCHEME = "redis+local"

_KEEPER = Path(__file__).with_name("keeper.py")
_LOOK_EVERY_S = 0.01
# What the address of a socket has room for, on Linux; see unix(7).
_LONGEST_PATH = 107


class LocalServer:
    """One use of the server in a folder, which is started if it does not run.

    Blocks until the server listens, usually some hundredths of a second.

    Args:
        folder: where it keeps what it has; made if it is not there.
        address: how to name it in what is raised.

    Raises:
        BackendRefused: there is no `redis-server`, or it cannot work in that folder.
    """

    def __init__(self, folder: str, address: str) -> None:
        self._folder, self._address = Path(folder), address
        self._socket = self._folder / "redis.sock"
        if len(os.fsencode(self._socket)) > _LONGEST_PATH:
            raise self._refused("the path of its folder is too long for a socket")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._users = self._locked("users", fcntl.LOCK_SH)
        except OSError as error:
            raise self._refused(f"{error.strerror}: {error.filename}") from error
        try:
            with self._locked("starting", fcntl.LOCK_EX):
                if not self._answers():
                    self._start()
        except BaseException:
            self.release()
            raise

    @property
    def url(self) -> str:
        """The address of its socket."""
        return f"unix://{quote(str(self._socket))}"

    def release(self) -> None:
        """Use it no longer; the server ends when nobody does."""
        self._users.close()

    def _locked(self, name: str, kind: int) -> IO[str]:
        file = os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w")
        fcntl.flock(file, kind)
        return file

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

    def _start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise self._refused("there is no redis-server on the PATH: install it, or use another")
        # Nobody writes into the pipe: it ends with the keeper, which ends with the server.
        its_end, held = os.pipe()
        try:
            command = [sys.executable, "-I", "-S", str(_KEEPER), str(self._folder), binary]
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, pass_fds=(held,), process_group=0
            )
        finally:
            os.close(held)
        try:
            while not self._answers():
                if select.select([its_end], [], [], _LOOK_EVERY_S)[0]:
                    raise self._refused(
                        f"redis-server ended at once: see {self._folder / 'redis.log'}"
                    )
        finally:
            os.close(its_end)

    def _refused(self, reason: str) -> BackendRefused:
        return BackendRefused(self._address, reason)
