"""What goes in and out of a machine: events of the world, commands to it, and how it ended.

Histories keep commands and errors as they are here: a field may be added with a default, none
may be renamed or change its meaning. Values are plain JSON ones: dict, list, str, int, float, bool
and None.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error on its way across the border.

    Attributes:
        name: the error's name, for a Python exception its class.
        message: its text.
        type: ``task_failed``, ``workflow_failed``, ``timeout``, ``cancelled``, or None for an
            error of the script itself.
        details: more about it, such as the value that was thrown.
        line: the line of the `.flow`, from 1.
        traceback: of a Python exception, for people; no script sees it.
    """

    name: str
    message: str = ""
    type: str | None = None
    details: Any = None
    line: int | None = None
    traceback: str | None = None


# Events of the world. `n` is the number of the command that they answer.


class TaskCompleted(msgspec.Struct, frozen=True):
    """A task or child workflow gave its output."""

    n: int
    value: Any


class TaskFailed(msgspec.Struct, frozen=True):
    """A task or child workflow failed for good."""

    n: int
    error: ErrorInfo


class TimerFired(msgspec.Struct, frozen=True):
    """A timer's time has come."""

    n: int


class SignalReceived(msgspec.Struct, frozen=True):
    """Somebody sent a signal."""

    name: str
    payload: Any


class CancelRequested(msgspec.Struct, frozen=True):
    """Somebody wants this execution to end: all that it waits for rejects with `CancelledError`."""

    reason: str | None = None


class Edit(msgspec.Struct, frozen=True):
    """Another value for a variable, or for a place in one.

    Attributes:
        path: as a program writes it: ``total``, ``order.items[2].price``; before it, if more than
            one function has such a variable, the function's name and a colon.
        value: a plain value.
    """

    path: str
    value: Any


class Forked(msgspec.Struct, frozen=True):
    """From here on this is an execution of its own: with this `Context`, its variables edited."""

    context: dict[str, Any]
    edits: tuple[Edit, ...] = ()


Event = TaskCompleted | TaskFailed | TimerFired | SignalReceived | CancelRequested | Forked


# Commands to the world. `n` counts from 1 over the commands that have one; `line` is the
# `.flow` line that asked, from 1.


class RunTask(msgspec.Struct, frozen=True, tag="run_task", omit_defaults=True):
    """Run a Python function; answered by `TaskCompleted` or `TaskFailed`."""

    n: int
    name: str
    inputs: dict[str, Any]
    options: dict[str, Any] = {}
    line: int = 0


class RunWorkflow(msgspec.Struct, frozen=True, tag="run_workflow", omit_defaults=True):
    """Start a child workflow; answered as a task, unless nobody waits for it."""

    n: int
    name: str
    inputs: dict[str, Any]
    options: dict[str, Any] = {}
    wait: bool = True
    line: int = 0


class StartTimer(msgspec.Struct, frozen=True, tag="start_timer", omit_defaults=True):
    """Answer with `TimerFired` at `due_ms`, unix ms."""

    n: int
    due_ms: int
    line: int = 0


class CancelTimer(msgspec.Struct, frozen=True, tag="cancel_timer"):
    """The timer that command `n` started is not needed any more."""

    n: int


class CancelChild(msgspec.Struct, frozen=True, tag="cancel_child"):
    """The task or child workflow that command `n` asked for is not needed any more."""

    n: int


class SendSignal(msgspec.Struct, frozen=True, tag="send_signal", omit_defaults=True):
    """Send a signal to another execution; answered by `TaskCompleted` or `TaskFailed`."""

    n: int
    execution_id: str
    name: str
    payload: Any = None
    line: int = 0


class SetState(msgspec.Struct, frozen=True, tag="set_state"):
    """Show `value` to outsiders under `key`."""

    key: str
    value: Any


class SetAttribute(msgspec.Struct, frozen=True, tag="set_attribute"):
    """The execution is found by this value of an attribute; None takes the attribute away."""

    key: str
    value: str | int | float | bool | None


class Log(msgspec.Struct, frozen=True, tag="log", omit_defaults=True):
    """A line of `console`, or the machine's own remark. Not logged again on replay.

    `line` is 0 where no statement of the program called, as in `promise.then(console.log)`.
    """

    level: str
    text: str
    line: int = 0
    is_remark: bool = False


Command = (
    RunTask
    | RunWorkflow
    | StartTimer
    | CancelTimer
    | CancelChild
    | SendSignal
    | SetState
    | SetAttribute
    | Log
)


class Completed(msgspec.Struct, frozen=True):
    """The script returned."""

    value: Any


class Failed(msgspec.Struct, frozen=True):
    """The script threw, went over a limit, or can never go on."""

    error: ErrorInfo


class Restarted(msgspec.Struct, frozen=True):
    """The script ended and goes on as a new execution, with a fresh history.

    Attributes:
        inputs: of the successor.
        definition: the source that it runs: what its name means by then, or the one of this.
        signals: those that came and that no wait took, of each name in the order they came.
    """

    inputs: dict[str, Any]
    definition: Literal["latest", "same"] = "latest"
    signals: tuple[SignalReceived, ...] = ()


Ended = Completed | Failed | Restarted


class Turn(msgspec.Struct, frozen=True):
    """What a machine asks for after a start or an event, and whether it has ended."""

    commands: tuple[Command, ...] = ()
    outcome: Ended | None = None
