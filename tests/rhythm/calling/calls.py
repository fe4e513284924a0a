"""Calls that nobody would make: every public call of the services and of `rhythm.client`, with
values that fit and values that do not.

A call is accepted, or refused with an error of ours; a refused one has changed nothing. What a
call is, is read off the code, so that a new one is tried as soon as it is there.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import flowlang
from rhythm import ExecutionFilters, Rhythm, RhythmError, WaitTimeout, client
from rhythm.models import ScheduleParameters, SignalParameters, StartParameters
from rhythm.schedules import ScheduleChanges, ScheduleDefinition
from streams.connection import Connection
from tests.rhythm.stored import all_that_is_stored

SERVICES: Final = (
    "bulk_service",
    "execution_service",
    "history_service",
    "limit_service",
    "pause_service",
    "scheduler_service",
    "signal_service",
    "verification_service",
    "workflow_service",
)

# What belongs to the parts among themselves, or ends the application.
NOT_FOR_USERS: Final = frozenset(
    {
        "execution_service.close",
        "execution_service.first_event",
        "execution_service.signal_or_start",
        "execution_service.start",
        "history_service.open_bundle",
        "workflow_service.keep",
        "workflow_service.know",
        "workflow_service.latest",
        "workflow_service.program",
        "workflow_service.programs_of",
        "workflow_service.register",
        "workflow_service.registered",
        "workflow_service.resolve",
        "client.close",
        "client.init",
    }
)

# Whose keywords are those of a dict.
TAKES_KEYWORDS: Final[Mapping[str, Any]] = {
    "execution_service.create_execution": StartParameters,
    "scheduler_service.schedule_execution": ScheduleParameters,
    "scheduler_service.create_schedule": ScheduleDefinition,
    "scheduler_service.change_schedule": ScheduleChanges,
    "signal_service.send_signal": SignalParameters,
}

_HOUR_LATER = datetime(2030, 1, 1, tzinfo=UTC)

# By the name of the parameter: values that fit, of which some mean something that is there.
FITTING: Final[Mapping[str, tuple[Any, ...]]] = {
    "a": ("waiting", "done"),
    "answers": (lambda asked: None,),
    "action": ("cancel", "terminate", "resume", "retry", "delete"),
    "at": (1, 2, 3, 99),
    "b": ("waiting", "done"),
    "created_after": (_HOUR_LATER, "2020-01-01"),
    "cron": ("0 3 * * *",),
    "definition": ("", "0" * 32),
    "edits": ({"got": 1}, {}),
    "error_name": ("Error",),
    "every": (60, 1.5, timedelta(hours=1), "90s"),
    "exec_type": ("task", "workflow"),
    "execution": ({"target_name": "waits"}, {"target_name": "waits", "id": "waiting"}),
    "execution_id": ("waiting", "done", "taken", "nobody"),
    "expression": ("got", "1 + 1"),
    "filters": ({}, {"status": "suspended"}, ExecutionFilters(target_name="waits")),
    "id": ("new", "waiting", "taken", "nightly"),
    "ids": (["waiting"], [], ["nobody", "taken"]),
    "inputs": ({}, {"a": 1}),
    "kind": ("queue", "workflow", "task"),
    "line": (1,),
    "name": ("waits", "default", "nothing"),
    "overlap": ("skip", "queue", "allow", "cancel"),
    "parameters": (),
    "parent_workflow_id": (None,),
    "program": ("return 2", "return await Signal.when('go')", "0" * 32),
    "queue": ("default", "mail"),
    "reason": ("enough",),
    "request_id": ("r1",),
    "run_at": (_HOUR_LATER, "2030-01-01T00:00:00Z"),
    "schedule_id": ("nightly", "nobody"),
    "signal_name": ("go",),
    "source": ("return 2", "return await Signal.when('go')"),
    "status": ("suspended", "completed"),
    "target_name": ("waits", "some_task"),
    "timeout": (0, 0.001),
    "timezone": ("Europe/Berlin",),
    "workflow_id": ("waiting", "done", "nobody"),
    "workflow_name": ("waits",),
}

_CYCLE: dict[str, Any] = {}
_CYCLE["me"] = _CYCLE
_DEEP: list[Any] = []
for _ in range(300):
    _DEEP = [_DEEP]


class _Text(str):
    """Text, and yet of a class of its own."""


ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 7, 2**31, 2**53 + 1, 10**30, -(10**5000), 1.5, -0.0, 1e300, math.nan,
    math.inf, -math.inf, "", " ", "x", "x" * 129, "x" * 1025, "x" * 70_000, "\ud800", "a\0b",
    "a\nb", "a\u202eb", "ü", "{0}", "a|b", "a*", "a/b", "a!1", "@", "0", "-1", "soon", "2026-13-01",
    "* * * * *", "61 * * * *", "mail:p3", "../../etc", "\U0001f600", _Text("waits"), b"x",
    bytearray(b"x"), [], ["x"], [None], ["waiting", 7], (), (1, 2), {}, {"a": 1}, {1: 2},
    {"a": object()}, {"a": math.nan}, {"target_name": 7}, {"id": "a/b", "target_name": "waits"},
    {"\ud800": 1}, set(), {1}, object(), object, len, ..., date(2026, 1, 31),
    datetime(2026, 1, 31), datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
    datetime.min, timedelta(1), timedelta(-1), timedelta.max, Decimal("NaN"), Decimal(1), 1j,
    Path("a.flow"), _CYCLE, _DEEP, "return", "return (", "```\nqueue: 7\n```\nreturn 1",
    "while (true) {}",
)  # fmt: skip

# Nobody waits so long.
_NOT_FOR_A_WAIT: Final = frozenset({"None", "7", "1.5", "2147483648", "True"})


def calls() -> dict[str, list[inspect.Parameter]]:
    """Every public call with its parameters."""
    found = {}
    for service in SERVICES:
        for name, function in inspect.getmembers(_class_of(service), inspect.isfunction):
            if not name.startswith("_"):
                found[f"{service}.{name}"] = _parameters(f"{service}.{name}", function)
    for name, function in inspect.getmembers(client, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == client.__name__:
            found[f"client.{name}"] = _parameters(f"client.{name}", function)
    return {call: given for call, given in found.items() if call not in NOT_FOR_USERS}


def _class_of(service: str) -> type:
    from rhythm import builder

    found: type = getattr(builder, "".join(part.capitalize() for part in service.split("_")))
    return found


def _parameters(call: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    keywords = TAKES_KEYWORDS.get(call)
    if keywords is not None:
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if name in keywords.__required_keys__ else None,
            )
            for name in sorted(keywords.__annotations__)
            if name not in {parameter.name for parameter in parameters}
        ]
    return parameters


def given_to(parameters: list[inspect.Parameter], chance: random.Random) -> dict[str, Any]:
    """Values for a call, of which some may not fit."""
    given = {}
    oddity = chance.choice((0.0, 0.2, 0.6))
    for parameter in parameters:
        is_optional = parameter.default is not parameter.empty
        if is_optional and chance.random() < 0.5 and parameter.name != "timeout":
            continue
        fitting = FITTING.get(parameter.name, ())
        value = chance.choice(ODD if chance.random() < oddity or not fitting else fitting)
        if parameter.name == "timeout" and repr(value) in _NOT_FOR_A_WAIT:
            value = 0
        given[parameter.name] = value
    return given


def shown(call: str, given: Mapping[str, Any]) -> str:
    """A call as one would write it."""
    return f"{call}({', '.join(f'{name}={_short(value)}' for name, value in given.items())})"


def _short(value: Any) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        return f"<{type(value).__name__}>"
    return text if len(text) <= 60 else f"{text[:57]}…"


# Of these some are Python's own as well, and all are named in the documentation.
REFUSALS: Final = (RhythmError, flowlang.EvaluationRefused)


async def problem_of(
    app: Rhythm, connection: Connection, call: str, given: dict[str, Any]
) -> str | None:
    """What is wrong with how a call of a service ends, if anything."""
    service, _, name = call.partition(".")
    before = await all_that_is_stored(connection)
    try:
        result = getattr(getattr(app, service), name)(**given)
        if inspect.isasyncgen(result):
            # Some go on for as long as there is something to tell.
            await anext(result, None)
            await result.aclose()
        elif inspect.isawaitable(result):
            await result
    except WaitTimeout:
        return None  # an answer; that somebody waits is kept where the answer is to come from
    except REFUSALS as refusal:
        return await _problem_of_refusal(refusal, before, connection)
    except Exception as error:
        return f"raises {type(error).__name__}: {str(error)[:200]}"
    return None


async def _problem_of_refusal(
    refusal: Exception, before: dict[str, Any], connection: Connection
) -> str | None:
    if len(str(refusal)) > 2000:
        return f"is refused at a length of {len(str(refusal)):,} characters"
    after = await all_that_is_stored(connection)
    if after == before:
        return None
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return f"is refused ({refusal}), and yet changes {', '.join(sorted(changed))}"
