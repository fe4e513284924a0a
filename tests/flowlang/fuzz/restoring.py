"""Machines that go on from bytes, in another process and under another hash seed.

At every suspension the state is encoded, carried over, decoded and given the event there. What the
other process answers, commands and new state, must be to the byte what the machine gives that never
stopped.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import flowlang
from flowlang import snapshot
from tests.flowlang.fuzz import flow_side
from tests.flowlang.fuzz.answers import Answer

_ROOT: Final = Path(__file__).parents[3]
_HASH_SEED: Final = "4242"


class StateDiffers(Exception):
    """A restored machine can be told from one that never stopped."""


class Restoring:
    """The other process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Restoring:
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

    def run(self, source: str, script: tuple[int, ...]) -> Answer:
        """What Flow does with a program when every event finds the machine as bytes."""
        try:
            return flow_side.run(source, script, advance=self._advance)
        except Exception as error:  # whatever it is, it must not happen
            return Answer("crash", error=repr(error))

    def _advance(
        self, machine: flowlang.Machine, event: flowlang.Event, now_ms: int
    ) -> flowlang.Turn:
        state = snapshot.encode(machine)
        restored = snapshot.decode(machine.program, state, flow_side.CONTEXT)
        if snapshot.encode(restored) != state:
            raise StateDiffers("decoding and encoding a state gives other bytes")
        told, where = self._ask((machine.program.source, state, event, now_ms))
        turn = machine.feed(event, now_ms)
        if told[0] != repr(turn):
            raise StateDiffers(f"after {event!r}\n  never stopped: {turn!r}\n  restored: {told[0]}")
        if turn.outcome is None and told[1] != snapshot.encode(machine):
            raise StateDiffers(f"the state after {event!r} has other bytes")
        if where != _places(restored):
            raise StateDiffers(f"it stands elsewhere: {where}, {_places(restored)}")
        return turn

    def _ask(self, task: tuple[Any, ...]) -> tuple[tuple[str, bytes], str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.flowlang.fuzz.restoring"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=_ROOT,
                env={**os.environ, "PYTHONHASHSEED": _HASH_SEED},
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        _write(self._process.stdin, task)
        answer: tuple[tuple[str, bytes], str] = _read(self._process.stdout)
        return answer


def serve(tasks: IO[bytes], answers: IO[bytes]) -> None:
    """The other process: decode, feed, encode, until nothing more comes."""
    with flow_side.own_messages_only():
        while True:
            try:
                source, state, event, now_ms = _read(tasks)
            except EOFError:
                return
            program = flowlang.compile(source, "fuzz.flow")
            machine = snapshot.decode(program, state, flow_side.CONTEXT)
            where = _places(machine)
            turn = machine.feed(event, now_ms)
            after = b"" if turn.outcome is not None else snapshot.encode(machine)
            _write(answers, ((repr(turn), after), where))


def _places(machine: flowlang.Machine) -> str:
    """Where a machine stands and which names are visible there."""
    return repr(
        [(at.name, at.line, at.column, at.awaits, list(at.variables)) for at in machine.where()]
    )


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
