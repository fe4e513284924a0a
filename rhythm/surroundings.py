"""What an application takes from the process around it: the wall clock, chance, threads.

Everything else that it does follows from what it is told, so with other surroundings, in which a
seed decides, a whole run can be had again. Time that passes is the event loop's (`loop.time`).
"""

from __future__ import annotations

import os
import platform
import secrets
import socket
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_RANDOM_BITS: Final = 80


_DISTRIBUTION: Final = "rhythm-flow"
# Of a commit's name: enough to tell all commits of most repositories apart.
_COMMIT_SHOWN: Final = 12


class Software(NamedTuple):
    """What a process runs: releases of Rhythm and Python, and the commit that is checked out where
    it was started; empty where that is no Git repository."""

    rhythm: str
    python: str
    commit: str


class Surroundings:
    """A process of an operating system. Subclasses decide by a seed, on a clock of their own."""

    has_threads: bool = True
    """Whether threads may be used; on a clock that jumps nothing would wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def now_ms(self) -> int:
        """The wall clock, unix ms."""
        return time.time_ns() // 1_000_000

    def random_bits(self, count: int) -> int:
        """A number of `count` random bits that nobody can guess."""
        return secrets.randbits(count)

    def process(self) -> tuple[str, int]:
        """Host name and process id, for people."""
        return socket.gethostname(), os.getpid()

    def software(self) -> Software:
        """What this process runs, for people."""
        try:
            release = metadata.version(_DISTRIBUTION)
        except metadata.PackageNotFoundError:  # imported from a source tree that is not installed
            release = "unknown"
        return Software(release, platform.python_version(), _commit(Path.cwd()))

    def new_execution_id(self) -> str:
        """``exec_`` and 26 sortable characters, greater than all that were made here before.

        Shaped as a ULID (https://github.com/ulid/spec): 48 bits of unix ms and 80 random bits in
        Crockford's base 32.
        """
        with self._lock:
            fresh = self.now_ms() << _RANDOM_BITS | self.random_bits(_RANDOM_BITS)
            # In one millisecond, or when the clock stepped back: the next number after the last.
            is_later = fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS
            self._last = fresh if is_later else self._last + 1
            number = self._last
        return "exec_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])

    def new_name(self) -> str:
        """24 characters that nobody else has: of a request, so that repeating it after a lost
        answer changes nothing more, or of a process that waits for answers."""
        return f"{self.random_bits(96):024x}"

    def new_worker_name(self) -> str:
        """The name of a worker's incarnation, which tells people where it runs."""
        host, pid = self.process()
        return f"{host.partition('.')[0]}-{pid}-{self.random_bits(32):08x}"


def _commit(folder: Path) -> str:
    """The commit that is checked out in a folder or one above it; empty if none is.

    Git's own files say so (see gitrepository-layout), and it need not be installed.
    """
    for above in (folder, *folder.parents):
        git = above / ".git"
        try:
            if git.is_file():  # a worktree's, which says where its own are
                git = above / git.read_text().removeprefix("gitdir:").strip()
            head = (git / "HEAD").read_text().strip()
            if head.startswith("ref:"):
                head = _tip(git, head.removeprefix("ref:").strip())
        except (OSError, UnicodeDecodeError):
            continue
        return head[:_COMMIT_SHOWN]
    return ""


def _tip(git: Path, branch: str) -> str:
    common = git / "commondir"
    shared = git / common.read_text().strip() if common.is_file() else git
    if (shared / branch).is_file():
        return (shared / branch).read_text().strip()
    for line in (shared / "packed-refs").read_text().splitlines():
        commit, _, name = line.partition(" ")
        if name == branch:
            return commit
    return ""
