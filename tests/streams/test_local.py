"""``redis+local:///folder``: a server that lives while somebody uses it, and keeps what it has."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.connection import Connection
from streams.errors import BackendRefused

Run = Callable[[Coroutine[Any, Any, None]], None]

# Says the number of the server's process when it uses it, and goes on until its input ends.
USER = """
import asyncio, sys
from streams.connection import Connection

async def use():
    async with Connection(sys.argv[1], "test") as connection:
        print((await connection.command("INFO", "server"))["process_id"], flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(use())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of which the server has ended with the test."""
    folder = tmp_path / "a folder"
    yield folder
    if folder.is_dir():
        wait_until_it_has_ended(folder)


def address(folder: Path) -> str:
    return f"redis+local://{str(folder).replace(' ', '%20')}"


def wait_until_it_has_ended(folder: Path) -> None:
    """Its keeper ends with the server, and until then holds this lock or waits for it."""
    with (folder / "keeper").open("a") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
    assert not (folder / "redis.sock").is_socket()


@contextmanager
def used_by(count: int, folder: Path) -> Iterator[list[tuple[subprocess.Popen[str], int]]]:
    """Processes that begin to use the server at the same time, each with the server's number."""
    command = [sys.executable, "-c", USER, address(folder)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        yield [(process, int(process.stdout.readline())) for process in processes if process.stdout]


async def set_and_get(folder: Path) -> Any:
    async with Connection(address(folder), "test") as connection:
        kept = await connection.command("GET", "test:kept")
        await connection.command("SET", "test:kept", "yes")
        return kept


def test_what_it_has_is_kept_from_one_use_to_the_next(folder: Path, run: Run) -> None:
    async def story() -> None:
        assert await set_and_get(folder) is None
        await asyncio.to_thread(wait_until_it_has_ended, folder)
        assert await set_and_get(folder) == b"yes"

    run(story())


def test_nobody_else_may_look_into_it(folder: Path) -> None:
    with used_by(1, folder):
        assert not [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_processes_that_begin_together_have_one_server(folder: Path) -> None:
    with used_by(3, folder) as users:
        (first, server), *others = users
        assert [server_of_other for _, server_of_other in others] == [server, server]
        first.kill()
        first.wait()
        os.kill(server, 0)  # the others use it


def test_it_ends_with_the_last_process_that_uses_it_even_a_killed_one(folder: Path) -> None:
    with used_by(1, folder) as [(process, _)]:
        process.kill()

    wait_until_it_has_ended(folder)


def test_a_server_that_was_killed_is_started_anew(folder: Path) -> None:
    with used_by(1, folder) as [(_, server)]:
        os.kill(server, signal.SIGKILL)
        with (folder / "keeper").open("a") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)

        with used_by(1, folder) as [(_, other)]:
            assert other != server


def test_a_folder_that_is_a_file_is_refused(folder: Path) -> None:
    folder.write_text("")

    with pytest.raises(BackendRefused, match=r"File exists: .*a folder$"):
        Connection(address(folder), "test")


def test_a_server_that_cannot_begin_is_refused(folder: Path) -> None:
    (folder / "redis.sock").mkdir(parents=True)

    with pytest.raises(BackendRefused, match=r"redis-server ended at once: see .*/redis.log$"):
        Connection(address(folder), "test")


def test_without_a_redis_server_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))

    with pytest.raises(BackendRefused, match=r"no redis-server on the PATH: install it"):
        Connection(address(folder), "test")


def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with pytest.raises(BackendRefused, match=r"path of its folder is too long for a socket"):
        Connection(address(folder / ("x" * 90)), "test")

    assert not folder.exists()
