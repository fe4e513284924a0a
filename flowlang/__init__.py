"""Flow: durable workflows as scripts in a subset of JavaScript.

`compile` turns a source text into a `Program`, or raises `FlowSyntaxError` with all that is wrong
with it; a `Machine` runs a program, one event of the world after the other, and says what it asks
for; `evaluate` runs one that asks for nothing. The package is pure: no input or output, no clock,
no randomness of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flowlang.diagnostics import Diagnostic
from flowlang.errors import (
    EditRefused,
    EvaluationError,
    EvaluationRefused,
    FlowError,
    FlowSyntaxError,
    InternalError,
    MappingRefused,
)
from flowlang.formula import check_formula, formula_value
from flowlang.limits import Limits
from flowlang.machine import Machine, Waiter
from flowlang.mapping import Moved, SourceMapping, map_source, mapped, moves
from flowlang.parser import parse
from flowlang.program import LANGUAGE_VERSION, LOWERING_VERSION, Program, compile_program
from flowlang.protocol import (
    CancelChild,
    CancelRequested,
    CancelTimer,
    Command,
    Completed,
    Edit,
    ErrorInfo,
    Event,
    Failed,
    Forked,
    Log,
    Restarted,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetAttribute,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
)
from flowlang.rules import diagnose
from flowlang.snapshot import SnapshotUnusable, StateTooLarge
from flowlang.snapshot import decode as decode_state
from flowlang.snapshot import encode as encode_state
from flowlang.stepper import Stepper, Stop
from flowlang.whereabouts import Awaited, Position, Suspended, VisibleScope, show


class Outcome(msgspec.Struct, frozen=True):
    """How a program run by `evaluate` ended.

    Attributes:
        status: "suspended" when it waits for something from outside, or for nothing at all.
        value: what it returned, or restarted with, as a plain value.
        error: what it failed with.
        console: the lines it logged.
    """

    status: Literal["completed", "failed", "restarted", "suspended"]
    value: Any = None
    error: ErrorInfo | None = None
    console: tuple[str, ...] = ()


def compile(source: str, path: str = "workflow.flow") -> Program:
    """The program of a .flow file's text.

    Args:
        path: how messages call the file; its stem is the workflow's name without front matter.

    Raises:
        FlowSyntaxError: with `.diagnostics`, each with line, column, code, message and hint.
    """
    return compile_program(source, path)


def check(source: str, path: str = "workflow.flow") -> list[Diagnostic]:
    """All mistakes and warnings in a .flow file's text, in the order of their places."""
    return list(diagnose(parse(source, path)))


def evaluate(
    source: str,
    inputs: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Outcome:
    """Run a program that asks nothing of the outside.

    Raises:
        FlowSyntaxError: the text is no program.
    """
    turn = Machine(compile(source), inputs, context, limits=limits).start()
    console = tuple(
        command.text
        for command in turn.commands
        if isinstance(command, Log) and not command.is_remark
    )
    match turn.outcome:
        case Completed(value):
            return Outcome("completed", value, None, console)
        case Restarted(again):
            return Outcome("restarted", again, None, console)
        case Failed(error) if error.name != "DeadlockError":
            return Outcome("failed", None, error, console)
    return Outcome("suspended", None, None, console)


__all__ = [
    "LANGUAGE_VERSION",
    "LOWERING_VERSION",
    "Awaited",
    "CancelChild",
    "CancelRequested",
    "CancelTimer",
    "Command",
    "Completed",
    "Diagnostic",
    "Edit",
    "EditRefused",
    "ErrorInfo",
    "EvaluationError",
    "EvaluationRefused",
    "Event",
    "Failed",
    "FlowError",
    "FlowSyntaxError",
    "Forked",
    "InternalError",
    "Limits",
    "Log",
    "Machine",
    "MappingRefused",
    "Moved",
    "Outcome",
    "Position",
    "Program",
    "Restarted",
    "RunTask",
    "RunWorkflow",
    "SendSignal",
    "SetAttribute",
    "SetState",
    "SignalReceived",
    "SnapshotUnusable",
    "SourceMapping",
    "StartTimer",
    "StateTooLarge",
    "Stepper",
    "Stop",
    "Suspended",
    "TaskCompleted",
    "TaskFailed",
    "TimerFired",
    "Turn",
    "VisibleScope",
    "Waiter",
    "check",
    "check_formula",
    "compile",
    "decode_state",
    "encode_state",
    "evaluate",
    "formula_value",
    "map_source",
    "mapped",
    "moves",
    "show",
]
