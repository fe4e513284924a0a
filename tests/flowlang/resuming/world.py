"""The world around a machine: what was asked of it and not answered, and what happens next.

What happens is chosen by a number, so that a list of numbers, a script, is a whole history. A task
or child workflow "fail" fails as its inputs say, every other one gives its input `value` back.
"""

from __future__ import annotations

from typing import Any, Final

from flowlang import Machine
from flowlang.protocol import (
    CancelTimer,
    Command,
    ErrorInfo,
    Event,
    RunTask,
    RunWorkflow,
    SendSignal,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)

START_MS: Final = 1_700_000_000_000
EVENT_MS: Final = 1_000
SIGNALS: Final = ("go", "stop")


class World:
    """One machine's world.

    Attributes:
        now_ms: the time of the latest event.
        open: the answers to what was asked, by the number of the command.
    """

    def __init__(self, machine: Machine) -> None:
        self.now_ms = START_MS
        self.open: dict[int, Event] = {}
        self._machine = machine

    def take(self, commands: tuple[Command, ...]) -> None:
        """See what a machine asks for."""
        for command in commands:
            match command:
                case RunTask(n, name, inputs):
                    self.open[n] = _reply(n, name, inputs, "task_failed")
                case RunWorkflow(n, name, inputs, wait=wait):
                    if wait:
                        self.open[n] = _reply(n, name, inputs, "workflow_failed")
                case StartTimer(n):
                    self.open[n] = TimerFired(n)
                case CancelTimer(n):
                    self.open.pop(n, None)
                case SendSignal(n):
                    self.open[n] = TaskCompleted(n, None)

    def event(self, choice: int) -> Event | None:
        """What happens next, by a number; None when nothing can happen any more."""
        waiters = self._machine.waiters
        if not self.open and not waiters:
            return None
        self.now_ms += EVENT_MS
        if not self.open or choice % 4 == 3:
            name = SIGNALS[(choice >> 2) % 2] if self.open else waiters[0].name
            return SignalReceived(name, choice)
        numbers = sorted(self.open)
        return self.open.pop(numbers[(choice >> 2) % len(numbers)])


def _reply(n: int, name: str, inputs: dict[str, Any], kind: str) -> Event:
    if name == "fail":
        error = ErrorInfo(inputs["name"], inputs["message"], kind, inputs.get("details"))
        return TaskFailed(n, error)
    return TaskCompleted(n, inputs.get("value"))
