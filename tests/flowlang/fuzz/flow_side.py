"""A program run by flowlang's machine, with the world that node_host.js plays.

At every quiescence one event comes, by a number of the script (0 when it is at its end), as
`resuming.world` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import flowlang
from flowlang.library import console
from flowlang.protocol import (
    CancelTimer,
    Command,
    Completed,
    Ended,
    Failed,
    Log,
    Restarted,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetState,
    StartTimer,
)
from flowlang.values import JSError
from tests.flowlang.fuzz.answers import MAX_EVENTS, Answer
from tests.flowlang.resuming.world import START_MS, World

CONTEXT: Final[dict[str, Any]] = {"executionId": "fuzz", "workflowName": "fuzz", "queue": "default"}

_OWN_MESSAGE: Final = re.compile(r"m\d*")


def run(source: str, script: tuple[int, ...], seed: int = 0) -> Answer:
    """What Flow does with a program."""
    with own_messages_only():
        try:
            program = flowlang.compile(source, "fuzz.flow")
        except flowlang.FlowSyntaxError as error:
            return Answer("refused", error=str(error))
        player = _Player(program, seed)
        try:
            return player.play(script)
        except flowlang.InternalError as error:
            return Answer("crash", error=f"{error}: {error.__cause__!r}", trace=player.trace)
        except RecursionError as error:
            return Answer("crash", error=repr(error), trace=player.trace)


@contextmanager
def own_messages_only() -> Iterator[None]:
    """The console shows the messages of errors that programs write: "m1", "m2" and so on. The texts
    of an engine's own errors are no part of the language."""
    head = console._error_head

    def own_head(error: JSError) -> str:
        message = error["message"]
        own = message.__class__ is str and (not message or _OWN_MESSAGE.fullmatch(message))
        return head(error) if own else head(error).removesuffix(f": {message}")

    console._error_head = own_head
    try:
        yield
    finally:
        console._error_head = head


class _Player:
    """A machine in its world, and what it did there."""

    def __init__(self, program: flowlang.Program, seed: int) -> None:
        self.machine = flowlang.Machine(program, {}, CONTEXT, seed, START_MS)
        self.world = World(self.machine)
        self.trace: list[list[Any]] = []

    def play(self, script: tuple[int, ...]) -> Answer:
        turn = self.machine.start()
        for position in range(MAX_EVENTS):
            self._take(turn.commands)
            if turn.outcome is not None:
                return self._answer(turn.outcome)
            event = self.world.event(script[position] if position < len(script) else 0)
            if event is None:
                break
            turn = self.machine.feed(event, self.world.now_ms)
        else:
            self._take(turn.commands)
            if turn.outcome is not None:
                return self._answer(turn.outcome)
        return Answer("suspended", trace=self.trace)

    def _answer(self, outcome: Ended) -> Answer:
        assert not isinstance(outcome, Restarted), "no generated program restarts itself"
        match outcome:
            case Completed(value):
                return Answer("completed", value, trace=self.trace)
            case Failed(error) if error.name == "DeadlockError":
                return Answer("suspended", trace=self.trace)
            case Failed(error) if error.name == "LimitError":
                return Answer("limit", error=error.message, trace=self.trace)
            case Failed(error):
                return Answer("failed", error=error.name, trace=self.trace)

    def _take(self, commands: tuple[Command, ...]) -> None:
        self.world.take(commands)
        for command in commands:
            match command:
                case Log(level, text, is_remark=is_remark):
                    if not is_remark:
                        self.trace.append(["log", level, text])
                case RunTask(n, name, inputs, options):
                    self.trace.append(["task", n, name, inputs, options])
                case RunWorkflow(n, name, inputs, options, wait):
                    kind = "workflow" if wait else "start"
                    self.trace.append([kind, n, name, inputs, options])
                case StartTimer(n, due_ms):
                    self.trace.append(["timer", n, due_ms])
                case CancelTimer(n):
                    self.trace.append(["cancel", n])
                case SetState(key, value):
                    self.trace.append(["state", key, value])
                case SendSignal(n, execution, name, payload):
                    self.trace.append(["send", n, execution, name, payload])
