"""Bad input gets a clear error at the border and changes nothing, on both servers."""

import inspect
import itertools
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rhythm import (
    ConfigurationError,
    ConnectionLost,
    ExecutionExists,
    ExecutionFilters,
    ExecutionFinished,
    ExecutionNotFound,
    FlowSyntaxError,
    InitBuilder,
    InvalidPayload,
    InvalidRequest,
    PayloadTooLarge,
    Retry,
    RetryPolicy,
    Rhythm,
    WaitTimeout,
    Worker,
    WorkflowFile,
    WorkflowNotRegistered,
    task,
)
from rhythm.settings import Settings
from rhythm.tasks import TaskRegistry
from streams.connection import Connection
from tests.rhythm.stored import all_that_is_stored

# What is wrong with a value, and the words that the refusal has for it. Each argument of each call
# is given all values of one of these tables; nothing else is wrong with the call.

Bad = Sequence[tuple[Any, str]]
Calls = Sequence[tuple[str, dict[str, Any]]]

NO_TEXT: Bad = [
    (7, "must be text, not an int"),
    (True, "must be text, not a bool"),
    (1.5, "must be text, not a float"),
    (b"x", "must be text, not bytes"),
    (["x"], "must be text, not a list"),
    ({}, "must be text, not a dict"),
    (object(), "must be text, not an object"),
    ("", "must not be empty"),
]

NAMES: Bad = [
    *NO_TEXT,
    ("x" * 129, "is 129 characters long, at most 128 are allowed"),
    ("x" * 10**6, "is 1,000,000 characters long, at most 128 are allowed"),
    (" ", "' ' has ' ' in it; names are printable and without whitespace"),
    ("a\nb", r"'a\nb' has '\n' in it"),
    ("a\0b", r"'a\x00b' has '\x00' in it"),
    ("\ud800", r"'\ud800' has '\ud800' in it"),
    ("a\u202eb", r"'a\u202eb' has '\u202e' in it"),
]

QUEUES: Bad = [*NAMES, ("mail:p3", "ends in ':p' and a digit, which is kept for priorities")]

CHOSEN_IDS: Bad = [
    *NO_TEXT,
    ("x" * 129, "is 129 characters long, at most 128 are allowed"),
    ("a/b", "'a/b' is not made of the characters A-Z a-z 0-9 . _ : @ - alone"),
    ("{0}", "'{0}' is not made of the characters"),
    ("a|b", "'a|b' is not made of the characters"),
    ("a b", "'a b' is not made of the characters"),
    ("ü", "'ü' is not made of the characters"),
    ("a\0", r"'a\x00' is not made of the characters"),
    ("\ud800", r"'\ud800' is not made of the characters"),
]

EXECUTION_IDS: Bad = [
    *NO_TEXT,
    ("x" * 1025, "is 1,025 characters long, at most 1,024 are allowed"),
    ("{0}", "'{0}' cannot be an execution's id; those look like exec_01h…"),
    ("a|b", "'a|b' cannot be an execution's id"),
    ("a*", "'a*' cannot be an execution's id"),
    ("ü", "'ü' cannot be an execution's id"),
    ("a\nb", r"'a\nb' cannot be an execution's id"),
]

REASONS: Bad = [
    *NO_TEXT,
    ("x" * 1001, "is 1,001 characters long, at most 1,000 are allowed"),
    ("\ud800", "has half a surrogate pair"),
]

DEFINITIONS: Bad = [
    *NO_TEXT,
    ("latest", "'latest' is no content hash of a source"),
    ("x" * 32, "is no content hash of a source"),
    ("\ud800", "is no content hash of a source"),
]

TIMES: Bad = [
    (7, "must be a datetime or ISO 8601 text, not an int"),
    (True, "must be a datetime or ISO 8601 text, not a bool"),
    (math.nan, "must be a datetime or ISO 8601 text, not a float"),
    (date(2026, 1, 31), "must be a datetime or ISO 8601 text, not a date"),
    (timedelta(1), "must be a datetime or ISO 8601 text, not a timedelta"),
    ("soon", "'soon' is no ISO 8601 time; write it like '2026-01-31T09:30:00Z'"),
    ("2026-13-01", "'2026-13-01' is no ISO 8601 time"),
    ("9" * 5000, f"{'9' * 127!r}… is no ISO 8601 time"),
    (datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))), "lies outside of the years"),
]

SECONDS: Bad = [
    (True, "must be seconds or None, not a bool"),
    ("5", "must be seconds or None, not a str"),
    (timedelta(seconds=5), "must be seconds or None, not a timedelta"),
    (-0.5, "must be seconds from 0 to 1,000,000,000, is -0.5; None waits without end"),
    (math.nan, "must be seconds from 0 to 1,000,000,000, is nan"),
    (math.inf, "must be seconds from 0 to 1,000,000,000, is inf"),
    (10**5000, "must be seconds from 0 to 1,000,000,000, is a number of 16610 bits"),
]

COUNTS: Bad = [
    (True, "must be a whole number, not a bool"),
    (1.0, "must be a whole number, not a float"),
    ("1", "must be a whole number, not a str"),
    (-1, "must be from 0 to 2,147,483,647, is -1"),
    (2**31, "must be from 0 to 2,147,483,647, is 2147483648"),
    (-(10**5000), "must be from 0 to 2,147,483,647, is a number of 16610 bits"),
]

CHOICES: Bad = [
    *NO_TEXT[:-1],
    ("", "'' is none of"),
    ("compleet", "'compleet' is none of"),
    ("x" * 10**6, "x'… is none of"),
]


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["me"] = CYCLE

# Of values the path is told, which goes on behind the argument.
VALUES: Bad = [
    ({1}, ": a set is no JSON value; pass a list"),
    (b"x", ": bytes is no JSON value; pass text, for example base64"),
    (object(), ": an object is no JSON value; pass dicts, lists, text, numbers, booleans"),
    ({"at": datetime(2026, 1, 1)}, ".at: a datetime is no JSON value; pass value.isoformat()"),
    ({"n": [1, Decimal(1)]}, ".n[1]: a Decimal is no JSON value; pass str(value)"),
    ({"unit price": math.nan}, '["unit price"]: JSON has no nan; pass None or text'),
    ([[math.inf]], "[0][0]: JSON has no inf; pass None or text"),
    (2**53 + 1, ": an int beyond 2^53 would be rounded in a workflow; pass it as text"),
    (10**5000, ": an int beyond 2^53 would be rounded in a workflow; pass it as text"),
    ("\ud800", ": has half a surrogate pair, which UTF-8 cannot carry"),
    ({1: 2}, ": has an int as a key; keys of JSON objects are text"),
    ({"\ud800": 2}, '["?"]: has half a surrogate pair'),
    ({"k" * 10**5: object()}, f'["{"k" * 64}…"]: an object is no JSON value'),
    (nested(300), "[0][0][0]…[0][0][0][0][0][0]: nests deeper than 200 levels, or"),
    (nested(100_000), "[0][0][0]…[0][0][0][0][0][0]: nests deeper than 200 levels, or"),
    (CYCLE, ".me.me.me….me.me.me.me.me.me: nests deeper than 200 levels, or contains"),
]  # fmt: skip

TOO_LARGE: Bad = [
    ("x" * 2**20, " bytes when encoded, at most 1,048,576 are allowed; keep large data elsewhere"),
    ([""] * 2**20, " bytes when encoded, at most 1,048,576 are allowed"),
]

NO_DICT: Bad = [
    (7, "not an int"),
    ("x", "not a str"),
    ([], "not a list"),
    ([("a", 1)], "not a list"),
]

NONE = (None, "must be text, not None")

NO_FLAG: Bad = [
    (7, "must be True or False, not an int"),
    ("yes", "must be True or False, not a str"),
    (None, "must be True or False, not None"),
]

NO_SOURCE: Bad = [
    (value, "give the text of a .flow, not ") for value in (7, None, b"return 1", Path("a.flow"))
]

NO_PATH: Bad = [(7, "must be text, not an int"), (Path("a.flow"), "must be text, not a PosixPath")]


# Calls, with what is good of their parameters beside the one that is not.
CREATE = ("execution_service.create_execution", {"exec_type": "task", "target_name": "some_task"})
SCHEDULE = ("scheduler_service.schedule_execution", {**CREATE[1], "run_at": "2030-01-01"})
SIGNAL = ("signal_service.send_signal", {"workflow_id": "waiting", "signal_name": "go"})
SIGNAL_WITH_START = (
    "signal_service.signal_with_start",
    {"execution": {"target_name": "waits", "id": "waiting"}, "signal_name": "go"},
)
CANCEL = ("execution_service.cancel_execution", {"execution_id": "waiting"})
TERMINATE = ("execution_service.terminate_execution", {"execution_id": "waiting"})
WAIT = ("execution_service.wait_for_execution", {"execution_id": "waiting"})
GET_WORKFLOW = ("workflow_service.get_workflow", {"name": "waits"})
QUERIES: Calls = (
    ("execution_service.query_executions", {}),
    ("execution_service.count_executions", {}),
)
REPLAY = ("history_service.replay", {"execution_id": "waiting"})
WHAT_IF = ("history_service.what_if", {"execution_id": "waiting", "source": "return 1"})
IMPACT = ("history_service.impact", {"name": "waits", "source": "return 1"})
WHERE = ("history_service.where", {"name": "waits"})
FORK = ("history_service.fork", {"execution_id": "waiting", "at": 1})
REHEARSE = ("history_service.rehearse", {"execution_id": "waiting", "at": 1})
FORK_OF_SOURCE = (FORK[0], {**FORK[1], "source": "return 1"})
MIGRATE = ("history_service.migrate_execution", {"execution_id": "waiting", "program": "0" * 32})
DIFF = ("history_service.diff", {"a": "waiting", "b": "waiting"})
GREP = ("history_service.grep", {"name": "waits", "line": 1, "expression": "1"})
EXPORT = ("history_service.export_bundle", {"execution_id": "waiting"})
BULK = ("bulk_service.run", {"action": "cancel", "filters": {}})
ABOUT_ONE: Calls = (
    CANCEL,
    TERMINATE,
    WAIT,
    ("execution_service.get_execution", {}),
    ("execution_service.resume_execution", {}),
    ("execution_service.delete_execution", {}),
    ("history_service.events", {}),
    ("history_service.record", {}),
    ("history_service.follow", {}),
    ("history_service.explain", {}),
    REPLAY,
    WHAT_IF,
    FORK,
    REHEARSE,
    EXPORT,
    ("history_service.timeline", {}),
    ("verification_service.verify", {}),
    ("verification_service.rebuild", {}),
)

REFUSED: list[tuple[Calls, str, Bad]] = [
    ([CREATE, SCHEDULE], "target_name", [*NAMES, NONE]),
    ([CREATE, SCHEDULE], "exec_type", CHOICES),
    ([CREATE, SCHEDULE], "queue", QUEUES),
    ([CREATE, SCHEDULE], "id", CHOSEN_IDS),
    ([CREATE, SCHEDULE], "inputs", NO_DICT),
    ([CREATE, SCHEDULE], "inputs", [({"a": value}, what) for value, what in VALUES]),
    ([CREATE, SCHEDULE], "inputs", [({"a": value}, what) for value, what in TOO_LARGE]),
    ([SCHEDULE], "run_at", [*TIMES, (None, "must be a datetime or ISO 8601 text, not None")]),
    ([SIGNAL], "workflow_id", [*EXECUTION_IDS, NONE]),
    ([SIGNAL], "queue", QUEUES),
    ([SIGNAL_WITH_START], "execution", NO_DICT),
    ([SIGNAL, SIGNAL_WITH_START], "signal_name", [*NAMES, NONE]),
    ([SIGNAL, SIGNAL_WITH_START], "request_id", CHOSEN_IDS),
    ([SIGNAL, SIGNAL_WITH_START], "payload", [*VALUES, *TOO_LARGE]),
    (ABOUT_ONE, "execution_id", [*EXECUTION_IDS, NONE]),
    ([WAIT], "timeout", SECONDS),
    ([CANCEL, TERMINATE], "reason", REASONS),
    ([CANCEL, TERMINATE], "request_id", CHOSEN_IDS),
    ([GET_WORKFLOW, IMPACT, WHERE], "name", [*NAMES, NONE]),
    ([REPLAY], "upto", [*COUNTS, (0, "the history has events 1 to"), (99, "the history has eve")]),
    ([IMPACT], "last", [*COUNTS, (None, "must be a whole number, not None")]),
    ([WHAT_IF, IMPACT], "source", NO_SOURCE),
    ([FORK, REHEARSE], "source", [one for one in NO_SOURCE if one[0] is not None]),
    (
        [IMPACT, MIGRATE, ("history_service.fork", {**FORK[1], "source": "return 1"})],
        "path",
        NO_PATH,
    ),
    (
        [FORK, REHEARSE],
        "at",
        [(True, "not a bool"), ("2", "not a str"), (0, ""), (99, ""), (-1, "")],
    ),
    ([FORK], "id", CHOSEN_IDS),
    ([FORK, REHEARSE], "edits", [(7, "not an int"), ({"nothing.there": 1}, ""), ({7: 1}, "")]),
    ([FORK, REHEARSE], "results", NO_FLAG),
    ([FORK, REHEARSE], "signals", [one for one in NO_FLAG if one[0] is not None]),
    ([REHEARSE], "answers", [(7, "must be a function, not an int")]),
    ([EXPORT], "values", NO_FLAG),
    ([MIGRATE], "execution_id", [*EXECUTION_IDS, NONE]),
    ([MIGRATE], "program", [*DEFINITIONS, NONE]),
    ([DIFF], "a", [*EXECUTION_IDS, NONE]),
    ([DIFF], "b", [*EXECUTION_IDS, NONE]),
    ([GREP], "name", [*NAMES, NONE]),
    ([GREP], "line", COUNTS),
    ([GREP], "last", COUNTS),
    ([GREP], "expression", [one for one in NO_TEXT if one[0] != ""]),
    ([BULK], "action", [*CHOICES, ({}, "must be text, not a dict")]),
    ([BULK], "on_progress", [(7, "must be a function, not an int"), ("print", "not a str")]),
    ([BULK], "dry_run", NO_FLAG),
    ([GET_WORKFLOW], "definition", DEFINITIONS),
    (QUERIES, "target_name", NAMES),
    (QUERIES, "status", CHOICES),
    (QUERIES, "type", CHOICES),
    (QUERIES, "queue", QUEUES),
    (QUERIES, "parent_workflow_id", EXECUTION_IDS),
    (QUERIES, "created_after", TIMES),
    (QUERIES, "created_before", TIMES),
    (QUERIES, "limit", COUNTS),
    (QUERIES, "offset", COUNTS),
]

# Calls that are wrong as a whole, or do not fit what there is.
REFUSED_AS_A_WHOLE: list[tuple[str, dict[Any, Any], type[Exception], str]] = [
    (CREATE[0], {}, InvalidRequest,
     "target_name: is missing; create_execution needs the name of a workflow or task"),
    (CREATE[0], {"target_name": "t", "input": {}}, InvalidRequest,
     "create_execution: has no parameter 'input' (did you mean 'inputs'?); it takes target_name, "),
    (CREATE[0], {"target_name": "waitz"}, WorkflowNotRegistered,
     "no workflow 'waitz' is registered (did you mean 'waits'?); known are: waits"),
    (CREATE[0], {**CREATE[1], "id": "taken", "inputs": {"other": 1}}, ExecutionExists,
     "execution 'taken' exists already and differs in inputs; choose another id, or repeat"),
    (CREATE[0], {**CREATE[1], "id": "taken", "target_name": "other"}, ExecutionExists,
     "execution 'taken' exists already and differs in target_name and inputs; choose"),
    (SCHEDULE[0], CREATE[1], InvalidRequest,
     "run_at: is missing; schedule_execution needs the time to start at"),
    (SIGNAL[0], {"signal_name": "go"}, InvalidRequest,
     "workflow_id: is missing; send_signal needs the id of a workflow execution"),
    (SIGNAL[0], {"workflow_id": "waiting"}, InvalidRequest,
     "signal_name: is missing; send_signal needs the name that the workflow awaits"),
    (SIGNAL[0], {"workflow_id": "no", "signal_name": "go"}, ExecutionNotFound,
     "no execution 'no'; check the id, the address and the namespace"),
    (SIGNAL[0], {"workflow_id": "taken", "signal_name": "go"}, InvalidRequest,
     "workflow_id: 'taken' is a task, which takes no signals; send it to its workflow"),
    (SIGNAL_WITH_START[0], {"execution": CREATE[1], "signal_name": "go"}, InvalidRequest,
     "exec_type: a task takes no signals; name a workflow"),
    (SIGNAL_WITH_START[0], {"execution": {"target_name": "no"}, "signal_name": "go"},
     WorkflowNotRegistered, "no workflow 'no' is registered; known are: waits"),
    (GET_WORKFLOW[0], {"name": "waits", "definition": "0" * 32}, WorkflowNotRegistered,
     f"no workflow 'waits@{'0' * 32}' is registered"),
    (QUERIES[0][0], {"state": "failed"}, InvalidRequest,
     "query_executions: has no parameter 'state' (did you mean 'status'?); it takes target_name, "),
    (QUERIES[0][0], {7: 1}, InvalidRequest,
     "query_executions: was given an int as the name of a parameter; it takes target_name"),
    *((call, {**good, "execution_id": "no"}, ExecutionNotFound,
       "no execution 'no'; check the id, the address and the namespace")
      for call, good in ABOUT_ONE if call != "execution_service.get_execution"),
]  # fmt: skip

TAKE_ONE_DICT = (CREATE[0], SCHEDULE[0], SIGNAL[0], *(call for call, _ in QUERIES))


async def called(app: Rhythm, call: str, given: dict[str, Any]) -> Any:
    """What a call by its name gives, which may be a stream of things."""
    service, _, method = call.partition(".")
    function = getattr(getattr(app, service), method)
    result = function(given) if call in TAKE_ONE_DICT else function(**given)
    return [item async for item in result] if inspect.isasyncgen(result) else await result


@asynccontextmanager
async def in_use(database_url: str, namespace: str) -> AsyncIterator[tuple[Rhythm, Connection]]:
    """An application with a workflow that waits and a task, and a look at what is stored."""
    waits = WorkflowFile("waits", "return await Signal.when('go')", "waits.flow")
    builder = InitBuilder().database_url(database_url).namespace(namespace).workflows([waits])
    async with builder as app:
        create = app.execution_service.create_execution
        await create(target_name="waits", id="waiting")
        await create(target_name="some_task", exec_type="task", id="taken", inputs={"first": 1})
        yield app, app._connection


@pytest.mark.parametrize(
    ("calls", "argument", "bad"),
    REFUSED,
    ids=lambda of: of if isinstance(of, str) else None if isinstance(of, list) else "",
)
def test_a_bad_argument_is_refused_by_its_name_and_nothing_is_changed(
    calls: Sequence[tuple[str, dict[str, Any]]],
    argument: str,
    bad: Bad,
    database_url: str,
    namespace: str,
    run: Callable[..., Any],
) -> None:
    async def scenario() -> None:
        async with in_use(database_url, namespace) as (app, connection):
            before = await all_that_is_stored(connection)
            for (call, good), (value, what) in itertools.product(calls, bad):
                with pytest.raises((InvalidRequest, InvalidPayload, PayloadTooLarge)) as caught:
                    await called(app, call, {**good, argument: value})
                message = str(caught.value)
                assert message.startswith(argument) and what in message, (call, message[:300])
                assert len(message) < 400, call
            assert await all_that_is_stored(connection) == before

    run(scenario())


def test_a_call_that_does_not_fit_says_so_and_changes_nothing(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with in_use(database_url, namespace) as (app, connection):
            before = await all_that_is_stored(connection)
            for call, given, kind, message in REFUSED_AS_A_WHOLE:
                with pytest.raises(kind) as caught:
                    await called(app, call, given)
                assert str(caught.value).startswith(message), call
                assert await all_that_is_stored(connection) == before, (call, given)

    run(scenario())


def test_a_call_takes_one_dict_or_keywords(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with in_use(database_url, namespace) as (app, connection):
            before = await all_that_is_stored(connection)
            for call, (value, what) in itertools.product(TAKE_ONE_DICT, NO_DICT):
                service, _, method = call.partition(".")
                with pytest.raises(InvalidRequest) as caught:
                    await getattr(getattr(app, service), method)(value)
                assert what in str(caught.value), call
            with pytest.raises(InvalidRequest, match="takes one dict or keywords, not both; queue"):
                await app.execution_service.create_execution(CREATE[1], queue="q")  # type: ignore[call-overload]
            assert await all_that_is_stored(connection) == before

    run(scenario())


def test_what_looks_odd_and_is_good(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    """The edges on the good side of the table above."""

    async def scenario() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            executions = app.execution_service
            inputs: dict[str, Any] = {
                "": None,
                "big": 2**53,
                "deep": [[[{}]]],
                "text": "ü€𝄞\0",
                "x": -0.0,
            }
            execution_id = await executions.create_execution(
                target_name="größe", exec_type="task", inputs=inputs, queue="日本", id="@:._-" * 25
            )
            stored = await executions.get_execution(execution_id)
            assert stored is not None
            assert (stored.inputs, stored.queue) == (inputs, "日本")
            assert (stored.target_name, stored.id) == ("größe", "@:._-" * 25)
            again = await executions.create_execution(
                {"target_name": "größe", "exec_type": "task", "inputs": inputs, "queue": "日本",
                 "id": "@:._-" * 25}
            )  # fmt: skip
            assert again == execution_id
            assert await executions.get_execution("exec_unknown") is None
            assert await executions.query_executions(ExecutionFilters(limit=0)) == []
            assert await executions.count_executions() == 1

    run(scenario())


def test_a_wait_that_times_out_says_that_nobody_serves_the_queue(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            execution_id = await app.execution_service.create_execution(
                target_name="some_task", exec_type="task", queue="lonely"
            )
            with pytest.raises(WaitTimeout) as caught:
                await app.execution_service.wait_for_execution(execution_id, timeout=0.05)
            assert caught.value == WaitTimeout(execution_id, 0.05, "pending", "lonely", 0)

    run(scenario())


def test_a_wait_that_times_out_says_what_a_workflow_waits_for(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    source = 'await Promise.all([Signal.when("paid"), Timer.delay("1d")])'
    files = [WorkflowFile(name="waits", source=source, file_path="waits.flow")]

    async def scenario() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace).workflows(files)
        async with builder as app, Worker(app, registry=TaskRegistry()):
            executions = app.execution_service
            execution_id = await executions.create_execution(target_name="waits", id="w")
            status = None
            while status != "suspended":
                execution = await executions.get_execution(execution_id)
                status = execution and execution.status
            with pytest.raises(WaitTimeout) as caught:
                await executions.wait_for_execution(execution_id, timeout=0.05)
            assert str(caught.value) == (
                "execution 'w' did not finish within 0.05 s, it is suspended and waits for all of "
                "signal 'paid' and timer 1 (line 1); 1 worker serves its queue 'default'"
            )

    run(scenario())


NO_SECONDS: Bad = [
    (True, "is a bool; make it a number of seconds"),
    ("5", "is a str; make it a number of seconds"),
    (timedelta(seconds=5), "is a timedelta; make it a number of seconds"),
    (-1, "is -1 s; make it "),
    (math.nan, "is nan s; make it "),
    (math.inf, "is inf s; make it "),
    (10**5000, "is a number of 16610 bits s; make it "),
]

NO_WHOLE: Bad = [
    (True, "is a bool; make it a whole number"),
    (1.5, "is a float; make it a whole number"),
    ("1", "is a str; make it a whole number"),
    (0, "is 0; make it 1"),
    (10**5000, "is a number of 16610 bits; make it 1"),
]

NO_DURATION: Bad = [
    (value, 'give seconds, or text such as "500ms", "30s", "5m", "24h"')
    for value in (
        *(True, -1, math.nan, math.inf, 10**5000, "5", "5 s", "soon", "", b"1", [], object()),
        *(timedelta(seconds=-1), timedelta.max),
    )
]

NO_LIST_OF_ERRORS: Bad = [
    (value, "give a list of errors or their names")
    for value in ("ValueError", ValueError, 7, [7], [None], [int])
]


def decorated(**options: Any) -> None:
    @task(**options)
    def function() -> None:
        pass


def built(setting: str) -> Callable[[Any], InitBuilder]:
    return lambda value: getattr(InitBuilder(), setting)(value)


# What is made in the program itself. It is refused where it is made, before there is a server.
DECLARATIONS: list[tuple[Callable[[Any], object], str, Bad]] = [
    (built("database_url"), "", [
        (7, "a Redis address must be text, not an int; give redis://HOST:6379/0, or memory://"),
        ("", "'' is no Redis address; give redis://HOST:6379/0"),
        ("localhost:6379", "'localhost:6379' is no Redis address; give redis://HOST:6379/0"),
        ("postgres://user:pass@localhost/db", "'postgres://user:***@localhost/db': Rhythm keeps "
         "its state in Redis, not in PostgreSQL; give redis://"),
        ("reddis://localhost", "reddis:// is unknown (did you mean 'redis'?)"),
        ("redis://:p/w@localhost", "a password with signs such as / ? # @ : in it must be percent"),
        ("redis://localhost/x", "after the host comes the number of a database; write it as"),
        ("x" * 10**6, "x'… is no Redis address"),
    ]),
    (built("config_path"), "config_path() ", [(7, "takes a path, not an int")]),
    (built("auto_migrate"), "auto_migrate() ", [("no", "takes True or False, not a str")]),
    (built("workflows"), "workflows() ", [
        (["a.flow"], "takes WorkflowFile objects, not a str; for files and folders use workflow_"),
        (7, "takes WorkflowFile objects, not an int"),
        (None, "takes WorkflowFile objects, not None"),
        (WorkflowFile("a", "", "a.flow"), "takes a list; give [WorkflowFile(…)]"),
    ]),
    (built("workflow_paths"), "workflow_paths() ", [
        ("flows", "takes a list; give ['flows']"),
        (Path("flows"), "takes a list; give ['flows']"),
        ([7], "takes paths, not an int; for sources at hand use workflows()"),
        (None, "takes paths, not None"),
    ]),
    (lambda name: WorkflowFile(name, "", ""), "WorkflowFile: name: ", [*NAMES, NONE]),
    (lambda source: WorkflowFile("a", source, ""), "WorkflowFile 'a': source ", [
        (b"return 1", "must be text, not bytes; give what read_text() returned"),
        (Path("a.flow"), "must be text, not a PosixPath"),
    ]),
    (lambda path: WorkflowFile("a", "", path), "WorkflowFile 'a': file_path ", [
        (Path("a.flow"), "must be text, not a PosixPath; give str(path)"), NONE,
    ]),
    *((lambda value, name=name: Settings(**{name: value}), f"{name} ", NO_SECONDS)
      for name in ("lease", "shutdown_grace", "client_timeout", "unknown_task_patience",
                   "retention")),
    *((lambda value, name=name: Settings(**{name: value}), f"{name} ", NO_WHOLE)
      for name in ("payload_limit", "max_lost_workers", "concurrency")),
    (lambda value: Settings(namespace=value), "namespace is ", [
        (value, f"{shown}; make it 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        for value, shown in (
            ("", "''"), ("a b", "'a b'"), ("a:b", "'a:b'"), ("{a}", "'{a}'"), ("ü", "'ü'"),
            ("a\0", r"'a\x00'"), (7, "an int"), ("x" * 10**6, f"{'x' * 127!r}…"))
    ]),
    (lambda value: RetryPolicy(max_attempts=value), "retry.max_attempts: ", [
        (value, "give a whole number from 1 to 1,000,000,000")
        for value in (0, -1, 1.5, math.nan, math.inf, 10**10, "3", True, None)
    ]),
    (lambda value: RetryPolicy(backoff=value), "retry.backoff: ", [
        (value, "give a number from 1 to 1,000")
        for value in (0, -1, math.nan, math.inf, 10**5000, "3", True, None)
    ]),
    (lambda value: RetryPolicy(jitter=value), "retry.jitter: ", [
        (value, "give a number from 0 to 1") for value in (-0.1, 1.1, math.nan, "0", True, None)
    ]),
    (lambda value: RetryPolicy(initial_interval=value), "retry.initial_interval: ", NO_DURATION),
    (lambda value: RetryPolicy(max_interval=value), "retry.max_interval: ", NO_DURATION),
    (lambda value: RetryPolicy(non_retryable=value), "retry.non_retryable: ", NO_LIST_OF_ERRORS),
    (lambda value: Retry(after=value), "after: ", NO_DURATION),
    (lambda value: Retry(reason=value), "reason: ", [(7, "must be text, not an int"), NONE]),
    (lambda value: decorated(name=value), "", NAMES),
    (lambda value: decorated(queue=value), "", QUEUES),
    (lambda value: decorated(retry=value), "@task: retry: ", [
        (3, "give a RetryPolicy"), ({"max_attempts": 3}, "give a RetryPolicy"),
    ]),
    *((lambda value, name=name: decorated(**{name: value}), f"@task: {name}: ", NO_DURATION)
      for name in ("timeout", "deadline", "queue_timeout", "heartbeat")),
    (task, "", [
        ("send", "@task('send') gives the name by position; write @task(name='send')"),
        (7, "7 is no function; put @task on a function made with def or async def"),
        (print, "is no function; put @task on a function"),
        (lambda: None, "a lambda has no name; give one: task(name=…)(lambda …)"),
    ]),
    (TaskRegistry().add, "a registry takes TaskDefinition objects, ", [(7, "not an int; put")]),
    (lambda app: Worker(app), "a worker needs an initialised application, ", [
        (None, "not None; give it what `await InitBuilder()….init()` returns"),
        (InitBuilder(), "not an InitBuilder; give it what"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "prefix", "bad"), DECLARATIONS)
def test_a_bad_declaration_is_refused_where_it_is_made(
    make: Callable[[Any], object], prefix: str, bad: Bad
) -> None:
    for value, what in bad:
        with pytest.raises((ConfigurationError, InvalidRequest)) as caught:
            make(value)
        message = str(caught.value)
        assert message.startswith(prefix) and what in message, message[:300]
        assert len(message) < 500


def test_a_worker_says_what_it_cannot_serve(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    lists: tuple[Any, ...] = (None, 7, "default", b"default", [], {})

    async def scenario() -> None:
        async with in_use(database_url, namespace) as (app, connection):
            before = await all_that_is_stored(connection)
            for queues in lists:
                with pytest.raises(ConfigurationError, match=r"list of queues; give queues=\["):
                    Worker(app, queues=queues)
            for name, what in QUEUES:
                with pytest.raises(InvalidRequest) as caught:
                    Worker(app, queues=[name])
                assert str(caught.value).startswith("queues: ") and what in str(caught.value)
            for concurrency, what in NO_WHOLE:
                with pytest.raises(ConfigurationError) as refused:
                    Worker(app, concurrency=concurrency)
                assert str(refused.value).startswith(f"a worker's concurrency {what}")
            assert await all_that_is_stored(connection) == before

    run(scenario())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b: b.workflow_paths(["nowhere"]), "there is no file or folder 'nowhere'; the cur"),
        (lambda b: b.namespace("a b"), "namespace is 'a b'; make it 1 to 64 of the characters"),
        (lambda b: b.workflows([WorkflowFile(name="a", source="", file_path="1.flow"),
                                WorkflowFile(name="a", source="", file_path="2.flow")]),
         "two workflows are named 'a': 1.flow and 2.flow; rename one"),
        (lambda b: b.workflows([WorkflowFile("a", "```\nname: b\n```\n", "1.flow")]),
         "1.flow: it is given as 'a' and names itself 'b'; use one name"),
        (lambda b: b.config_path("none.toml"), "the config file 'none.toml' does not exist"),
        (lambda b: b.database_url("redis://localhost/0?cluster=yes"),
         "the address is malformed: it has an unknown option 'cluster'"),
        (lambda b: b.database_url("redis://localhost?db=x"), "the address is malformed: "),
    ],
)  # fmt: skip
def test_an_application_that_cannot_be_built(
    build: Callable[[InitBuilder], InitBuilder], message: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError) as caught:
            await build(InitBuilder().database_url("memory://")).init()
        assert message in str(caught.value)

    run(scenario())


def test_a_file_whose_name_is_no_workflows_name_says_so(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    (tmp_path / "daily report.flow").write_text("return 1")

    async def scenario() -> None:
        with pytest.raises(ConfigurationError) as caught:
            await InitBuilder().database_url("memory://").workflow_paths([tmp_path]).init()
        assert "daily report.flow: its name: 'daily report' has ' ' in it" in str(caught.value)
        assert str(caught.value).endswith("name it in its front matter, or rename the file")

    run(scenario())


def test_a_server_that_is_down_is_named_without_its_password(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0.2")

    async def scenario() -> None:
        with pytest.raises(ConnectionLost) as caught:
            await InitBuilder().database_url("redis://:secret@127.0.0.1:1/0").init()
        assert str(caught.value).startswith("no answer from Redis at redis://:***@127.0.0.1:1/0")

    run(scenario())


def test_mistakes_in_one_file_leave_all_files_unregistered(
    database_url: str, namespace: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    """All mistakes of all files are told, with place, line and caret; the good file waits too."""
    (tmp_path / "bad.flow").write_text("const n = 1\nlet total = ;\n")
    (tmp_path / "good.flow").write_text("return Inputs.name\n")
    (tmp_path / "worse.flow").write_text("return (1\n")

    async def scenario() -> None:
        def builder() -> InitBuilder:
            return InitBuilder().database_url(database_url).namespace(namespace)

        async with builder() as app:
            with pytest.raises(FlowSyntaxError) as caught:
                await builder().workflow_paths([tmp_path]).init()
            bad = f"{tmp_path}/bad.flow:2:13: error: "
            assert str(caught.value).startswith(bad)
            assert "\n    let total = ;\n                ^\n" in str(caught.value)
            assert f"{tmp_path}/worse.flow:" in str(caught.value)
            assert await app.workflow_service.list_workflows() == []
            with pytest.raises(WorkflowNotRegistered, match="known are: none"):
                await app.execution_service.create_execution(target_name="good")

    run(scenario())


def test_an_unknown_workflow_is_told_with_the_nearest_and_all_known(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    files = [
        WorkflowFile(name=name, source="return 1", file_path=f"{name}.flow")
        for name in ("onboard_user", "daily_report")
    ]

    async def scenario() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace).workflows(files)
        async with builder as app:
            with pytest.raises(WorkflowNotRegistered) as caught:
                await app.execution_service.create_execution(target_name="onbord_user")
            assert str(caught.value) == (
                "no workflow 'onbord_user' is registered (did you mean 'onboard_user'?); "
                "known are: daily_report, onboard_user"
            )

    run(scenario())


def test_a_finished_workflow_takes_no_signal(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    files = [WorkflowFile(name="short", source="return 1", file_path="short.flow")]

    async def scenario() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace).workflows(files)
        async with builder as app, Worker(app, registry=TaskRegistry()):
            execution_id = await app.execution_service.create_execution(target_name="short")
            before = await app.execution_service.wait_for_execution(execution_id, timeout=30)
            with pytest.raises(ExecutionFinished) as caught:
                await app.signal_service.send_signal(workflow_id=execution_id, signal_name="go")
            assert str(caught.value) == (
                f"execution {execution_id!r} is completed and takes nothing any more"
            )
            assert await app.execution_service.get_execution(execution_id) == before

    run(scenario())
