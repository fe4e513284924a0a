"""Machines that go on from bytes in another process, which lives long and under another hash seed.

Of a run that never stopped, each state is decoded there and given the event that came next. What
can be seen then, commands, console, outcome and new state, must be the same to the byte. As the new
state is the same as well, a machine that is restored again and again is covered too.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import msgspec

import flowlang
from flowlang import Event, snapshot
from tests.flowlang.resuming.runs import CONTEXT, Run, seen

_ROOT: Final = Path(__file__).parents[3]
_HASH_SEED: Final = "4242"

_Task = tuple[str, list[tuple[bytes, Event, int]]]
_Answer = tuple[bytes, bytes] | str
"""The state encoded again, and what could be seen after the event; or how that failed."""


class StateDiffers(AssertionError):
    """A restored machine can be told from one that never stopped."""


class Elsewhere:
    """The other process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()

    def check(self, run: Run) -> None:
        """Go on elsewhere from each suspension of a run.

        Raises:
            StateDiffers: something else came out, for the first such suspension.
        """
        moments = [(moment.state, moment.event, moment.now_ms) for moment in run.moments]
        for position, answer in enumerate(self._ask((run.source, moments))):
            moment = run.moments[position]
            if isinstance(answer, str):
                raise StateDiffers(f"going on from suspension {position} failed\n{answer}")
            again, after = answer
            if again != moment.state:
                raise StateDiffers(
                    f"encoding what was decoded at suspension {position} gives other bytes\n"
                    + _difference(moment.state, again)
                )
            if after != moment.after:
                raise StateDiffers(
                    f"going on from suspension {position} with {moment.event}\n"
                    + _difference(moment.after, after)
                )

    def _ask(self, task: _Task) -> list[_Answer]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.flowlang.resuming.elsewhere"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=_ROOT,
                env={**os.environ, "PYTHONHASHSEED": _HASH_SEED},
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        _write(self._process.stdin, task)
        answers: list[_Answer] = _read(self._process.stdout)
        return answers


def _difference(expected: bytes, found: bytes) -> str:
    return f"  never stopped: {_readable(expected)}\n  restored:      {_readable(found)}"


def _readable(data: bytes) -> object:
    return msgspec.msgpack.decode(data)


def serve(tasks: IO[bytes], answers: IO[bytes]) -> None:
    """The other process: decode, feed, encode, until nothing more comes."""
    while True:
        try:
            task: _Task = _read(tasks)
        except EOFError:
            return
        source, moments = task
        program = flowlang.compile(source)
        _write(answers, [_go_on(program, *moment) for moment in moments])


def _go_on(program: flowlang.Program, state: bytes, event: Event, now_ms: int) -> _Answer:
    try:
        machine = snapshot.decode(program, state, CONTEXT)
        again = snapshot.encode(machine)
        return again, seen(machine, machine.feed(event, now_ms))
    except Exception:  # whatever it is, the process that asked tells it
        return traceback.format_exc()


def _write(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value)
    pipe.write(struct.pack(">I", len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    head = pipe.read(4)
    if len(head) < 4:
        raise EOFError("the other process has ended")
    return pickle.loads(pipe.read(struct.unpack(">I", head)[0]))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
