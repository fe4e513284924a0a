"""Machines that go on from bytes in another process, which lives long and under another hash seed.

Of a run that never stopped, each state is decoded there and given the event that came next. What
can be seen then, commands, console, outcome and new state, must be the same to the byte. As the new
state is the same as well, a machine that is restored again and again is covered too. And a machine
that begins there and is given the same events must show the same all along.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import msgspec

import flowlang
from flowlang import Event, snapshot
from tests.flowlang.resuming.runs import CONTEXT, Run, new_machine, seen

_ROOT: Final = Path(__file__).parents[3]
_HASH_SEED: Final = "4242"

_STATE_FROM: Final = 24
"""Where a snapshot's state begins, behind its head."""

_Task = tuple[str, list[tuple[bytes, Event, int]]]
_Restored = tuple[bytes, bytes] | str
"""The state encoded again, and what could be seen after the event; or how that failed."""

_Answer = tuple[list[_Restored], list[bytes]]
"""What came of each state, and what could be seen of a machine that began there."""


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
        restored, begun = self._ask((run.source, moments))
        for position, answer in enumerate(restored):
            moment = run.moments[position]
            if isinstance(answer, str):
                raise StateDiffers(f"going on from suspension {position} failed\n{answer}")
            again, after = answer
            if again != moment.state:
                what = f"encoding what was decoded at suspension {position}"
                raise StateDiffers(_difference(what, _opened(moment.state), _opened(again)))
            if after != moment.after:
                what = f"going on from suspension {position} with {moment.event}"
                raise StateDiffers(_difference(what, _shown(moment.after), _shown(after)))
        expected = [run.start, *(moment.after for moment in run.moments)]
        for position, (ours, theirs) in enumerate(zip(expected, begun, strict=True)):
            if ours != theirs:
                what = f"turn {position} of a machine that began elsewhere"
                raise StateDiffers(_difference(what, _shown(ours), _shown(theirs)))

    def _ask(self, task: _Task) -> _Answer:
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
        answer: _Answer = _read(self._process.stdout)
        return answer


def _difference(what: str, expected: object, found: object) -> str:
    return f"{what} gives other bytes\n  never stopped: {expected}\n  elsewhere:     {found}"


def _shown(after: bytes) -> object:
    turn, state, places = msgspec.msgpack.decode(after)
    return turn, None if state is None else _opened(state), places


def _opened(state: bytes) -> object:
    return msgspec.msgpack.decode(state[_STATE_FROM:])


def serve(tasks: IO[bytes], answers: IO[bytes]) -> None:
    """The other process: decode, feed, encode, until nothing more comes."""
    while True:
        try:
            task: _Task = _read(tasks)
        except EOFError:
            return
        source, moments = task
        program = flowlang.compile(source)
        restored = [_go_on(program, *moment) for moment in moments]
        events = [(event, now_ms) for _, event, now_ms in moments]
        _write(answers, (restored, list(_begin(program, events))))


def _begin(program: flowlang.Program, events: list[tuple[Event, int]]) -> Iterator[bytes]:
    machine = new_machine(program)
    yield seen(machine, machine.start())
    for event, now_ms in events:
        yield seen(machine, machine.feed(event, now_ms))


def _go_on(program: flowlang.Program, state: bytes, event: Event, now_ms: int) -> _Restored:
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
