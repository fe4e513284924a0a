"""Keep worker processes going: start them, pass signals on, replace those that end by themselves.

Nothing is shared with them but the end of a pipe, their standard input: it ends with this process,
however that ends, and then they drain. Each is a process group of its own, so that a terminal's
Ctrl-C comes to them through here, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from typing import Final

logger = logging.getLogger("rhythm.worker")

# A process that ends again and again must not keep the machine busy with starting it.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
# One that worked for so long has begun well: what ended it is something new.
STEADY_AFTER_S = 60.0

CANNOT_BEGIN: Final = frozenset({2, 4})
"""Exit codes of a command line, a setting or an address that is wrong: see `rhythm.cli.exits`."""


class Supervisor:
    """Runs worker processes until told to stop.

    Args:
        commands: the command line of each.
    """

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._commands = commands
        self._running: set[asyncio.subprocess.Process] = set()
        self._passed_on: list[int] = []
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Work until the first signal, and until all have ended; the exit code to end with.

        One that cannot even begin, by its exit code, ends all: none of them could.
        """
        codes = await asyncio.gather(*(self._keep(command) for command in self._commands))
        return next((code for code in codes if code), 0)

    def pass_on(self, number: int) -> None:
        """Send a signal to all processes; from the first one on none is started any more."""
        self._passed_on.append(number)
        self._stopping.set()
        for process in self._running:
            _send(process, number)

    async def _keep(self, command: Sequence[str]) -> int:
        """Keep one process going; with what code the last one ended."""
        loop = asyncio.get_running_loop()
        pause_s, has_begun = FIRST_PAUSE_S, False
        while True:
            started_at = loop.time()
            process = await self._start(command)
            code = await process.wait()
            self._running.discard(process)
            if self._stopping.is_set():
                # Told to end before it could listen, it ended as it was told to.
                return 0 if -code in self._passed_on else abs(code)
            if not has_begun and code in CANNOT_BEGIN:
                self.pass_on(signal.SIGTERM)
                return code
            has_begun = True
            if loop.time() - started_at >= STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            logger.warning(
                "worker process %d %s; another is started in %g s", process.pid, _how(code), pause_s
            )
            try:
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
                return 0
            except TimeoutError:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _start(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, process_group=0
        )
        self._running.add(process)
        for number in self._passed_on:  # while it was being started
            _send(process, number)
        return process


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        process.send_signal(number)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
