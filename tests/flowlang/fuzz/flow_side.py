"""A program run by flowlang's machine, with the world that node_host.js plays.

At every quiescence one event comes, by a number of the script (0 when it is at its end): the open
requests are settled or signals sent, in the order that the numbers choose. A task "echo" gives its
`value` back, a task "fail" fails as its inputs say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import flowlang
from flowlang.library import console
from flowlang.protocol import (
    CancelTimer,
    Command,
    Completed,
    ErrorInfo,
    Event,
    Failed,
    Log,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from flowlang.values import JSError
from tests.flowlang.fuzz.answers import EVENT_MS, MAX_EVENTS, SIGNALS, START_MS, Answer

CONTEXT: Final[dict[str, Any]] = {"executionId": "fuzz", "workflowName": "fuzz", "queue": "default"}

Advance = Callable[[flowlang.Machine, flowlang.Event, int], flowlang.Turn]

_OWN_MESSAGE: Final = re.compile(r"m\d*")


def run(
    source: str,
    script: tuple[int, ...],
    seed: int = 0,
    advance: Advance = flowlang.Machine.feed,
) -> Answer:
    """What Flow does with a program.

    Args:
        advance: feeds a suspended machine an event.
    """
    with own_messages_only():
        try:
            program = flowlang.compile(source, "fuzz.flow")
        except flowlang.FlowSyntaxError as error:
            return Answer("refused", error=str(error))
        world = _World(program, seed)
        try:
            return world.play(script, advance)
        except flowlang.InternalError as error:
            return Answer("crash", error=f"{error}: {error.__cause__!r}", trace=world.trace)
        except RecursionError as error:
            return Answer("crash", error=repr(error), trace=world.trace)


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


class _World:
    """A machine and what it asked for and nobody has answered."""

    def __init__(self, program: flowlang.Program, seed: int) -> None:
        self.machine = flowlang.Machine(program, {}, CONTEXT, seed, START_MS)
        self.now_ms = START_MS
        self.open: dict[int, Event] = {}
        self.trace: list[list[Any]] = []

    def play(self, script: tuple[int, ...], advance: Advance) -> Answer:
        turn = self.machine.start()
        for position in range(MAX_EVENTS):
            self._take(turn.commands)
            if turn.outcome is not None:
                return self._answer(turn.outcome)
            event = self._event(script[position] if position < len(script) else 0)
            if event is None:
                break
            turn = advance(self.machine, event, self.now_ms)
        else:
            self._take(turn.commands)
            if turn.outcome is not None:
                return self._answer(turn.outcome)
        return Answer("suspended", trace=self.trace)

    def _answer(self, outcome: Completed | Failed) -> Answer:
        match outcome:
            case Completed(value):
                return Answer("completed", value, trace=self.trace)
            case Failed(error) if error.name == "DeadlockError":
                return Answer("suspended", trace=self.trace)
            case Failed(error) if error.name == "LimitError":
                return Answer("limit", error=error.message, trace=self.trace)
            case Failed(error):
                return Answer("failed", error=error.name, trace=self.trace)

    def _event(self, choice: int) -> Event | None:
        waiters = self.machine.waiters
        if not self.open and not waiters:
            return None
        self.now_ms += EVENT_MS
        if not self.open or choice % 4 == 3:
            name = SIGNALS[(choice >> 2) % 2] if self.open else waiters[0].name
            return SignalReceived(name, choice)
        numbers = sorted(self.open)
        return self.open.pop(numbers[(choice >> 2) % len(numbers)])

    def _take(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            match command:
                case Log(level, text, line):
                    if line:  # the machine's own remarks have none
                        self.trace.append(["log", level, text])
                case RunTask(n, name, inputs, options):
                    self.trace.append(["task", n, name, inputs, options])
                    self.open[n] = _reply(n, name, inputs, "task_failed")
                case RunWorkflow(n, name, inputs, options):
                    self.trace.append(["workflow", n, name, inputs, options])
                    self.open[n] = _reply(n, name, inputs, "workflow_failed")
                case StartTimer(n, due_ms):
                    self.trace.append(["timer", n, due_ms])
                    self.open[n] = TimerFired(n)
                case CancelTimer(n):
                    self.trace.append(["cancel", n])
                    self.open.pop(n, None)
                case SetState(key, value):
                    self.trace.append(["state", key, value])
                case SendSignal():
                    raise AssertionError("no program of the fuzzer sends signals")


def _reply(n: int, name: str, inputs: dict[str, Any], kind: str) -> Event:
    if name == "fail":
        error = ErrorInfo(inputs["name"], inputs["message"], kind, inputs.get("details"))
        return TaskFailed(n, error)
    return TaskCompleted(n, inputs.get("value"))
