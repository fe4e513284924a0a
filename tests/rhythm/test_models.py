"""Requests are checked completely when they are made; what comes back says what it is."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm.errors import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFinished,
    InvalidPayload,
    InvalidRequest,
    PayloadTooLarge,
    RhythmError,
)
from rhythm.models import (
    Execution,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionType,
    check_execution_id,
    from_unix_ms,
    parse_create,
    parse_filters,
    parse_schedule,
    parse_signal,
    unix_ms,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_MS = 1769860800000


def execution(**changes: Any) -> Execution:
    fields: dict[str, Any] = {
        "id": "exec_1",
        "type": ExecutionType.WORKFLOW,
        "target_name": "onboard",
        "status": ExecutionStatus.COMPLETED,
        "inputs": {"userId": "123"},
        "created_at": NOON,
        "queue": "default",
    }
    return Execution(**{**fields, **changes})


# Statuses and types.


def test_statuses_equal_print_and_encode_as_their_text() -> None:
    text: str = "completed"
    assert text == ExecutionStatus.COMPLETED
    assert str(ExecutionStatus.RUNNING) == f"{ExecutionStatus.RUNNING}" == "running"
    assert [str(status) for status in ExecutionStatus] == [
        "pending",
        "running",
        "suspended",
        "completed",
        "failed",
        "cancelled",
        "restarted",
    ]
    assert msgspec.json.encode(ExecutionType.TASK) == b'"task"'


def test_four_statuses_are_final() -> None:
    assert [status for status in ExecutionStatus if status.finished] == [
        "completed",
        "failed",
        "cancelled",
        "restarted",
    ]


# Executions.


def test_result_of_a_completed_execution_is_its_output() -> None:
    assert execution(output={"ok": True}).result() == {"ok": True}
    assert execution(output=None).result() is None


def test_result_of_a_failed_execution_is_its_error() -> None:
    error = {"name": "TypeError", "message": "x is undefined", "line": 3}

    with pytest.raises(ExecutionFailed) as caught:
        execution(status=ExecutionStatus.FAILED, output=error).result()

    assert caught.value == ExecutionFailed("exec_1", "onboard", error)
    assert (caught.value.name, caught.value.message) == ("TypeError", "x is undefined")


def test_result_of_a_cancelled_execution_says_why() -> None:
    with pytest.raises(ExecutionCancelled, match="was cancelled: user left"):
        execution(status=ExecutionStatus.CANCELLED, output={"reason": "user left"}).result()
    with pytest.raises(ExecutionCancelled, match=r"was cancelled$"):
        execution(status=ExecutionStatus.CANCELLED).result()


@pytest.mark.parametrize("status", ["pending", "running", "suspended"])
def test_result_of_an_unfinished_execution_says_what_to_do(status: str) -> None:
    with pytest.raises(ExecutionNotFinished, match=f"it is {status}; wait_for_execution gives"):
        execution(status=ExecutionStatus(status)).result()


def test_executions_do_not_change_and_encode_as_json() -> None:
    done = execution(output=1, completed_at=NOON)

    with pytest.raises(AttributeError):
        done.output = 2  # type: ignore[misc]  # that it fails is the point
    encoded = msgspec.json.decode(msgspec.json.encode(done))
    assert (encoded["status"], encoded["created_at"]) == ("completed", "2026-01-31T12:00:00Z")
    assert msgspec.json.decode(msgspec.json.encode(done), type=Execution) == done


# Starting.


def test_the_seed_pages_request() -> None:
    request = parse_create(
        {
            "exec_type": "workflow",
            "target_name": "onboard_user",
            "queue": "default",
            "inputs": {"userId": "123", "plan": "pro"},
        },
        {},
    )

    assert request.type is ExecutionType.WORKFLOW
    assert (request.target_name, request.queue, request.id) == ("onboard_user", "default", None)
    assert request.inputs == {"userId": "123", "plan": "pro"}


def test_keywords_are_the_same_request() -> None:
    fields = {"target_name": "t", "exec_type": "task", "inputs": {"a": 1}, "id": "order-7"}

    assert parse_create(None, fields) == parse_create(fields, {})


def test_only_the_target_is_needed() -> None:
    request = parse_create(None, {"target_name": "hello"})

    assert (request.type, request.inputs) == ("workflow", {})


def test_a_request_does_not_follow_later_changes_to_its_inputs() -> None:
    inputs = {"items": [1]}
    request = parse_create(None, {"target_name": "hello", "inputs": inputs})

    inputs["items"].append(2)

    assert request.inputs == {"items": [1]}


CREATE_MISTAKES: list[tuple[Any, str]] = [
    ({}, "target_name: is missing; create_execution needs the name of a workflow or task"),
    ({"target_name": ""}, "target_name: must not be empty"),
    ({"target_name": None}, "target_name: must be text, not None"),
    ({"target_name": 7}, "target_name: must be text, not an int"),
    ({"target_name": "x" * 129}, "target_name: is 129 characters long, at most 128 are allowed"),
    (
        {"target_name": "a b"},
        "target_name: 'a b' has ' ' in it; names are printable and without whitespace",
    ),
    (
        {"target_name": "a\nb"},
        "target_name: 'a\\nb' has '\\n' in it; names are printable and without whitespace",
    ),
    (
        {"target_name": "a\ud800"},
        "target_name: 'a\\ud800' has '\\ud800' in it; names are printable and without whitespace",
    ),
    (
        {"target_name": "t", "exec_type": "job"},
        "exec_type: 'job' is none of 'workflow', 'task'",
    ),
    (
        {"target_name": "t", "exec_type": "worflow"},
        "exec_type: 'worflow' is none of 'workflow', 'task' (did you mean 'workflow'?)",
    ),
    ({"target_name": "t", "exec_type": None}, "exec_type: must be text, not None"),
    ({"target_name": "t", "inputs": [1]}, "inputs: must be a dict, not a list"),
    ({"target_name": "t", "inputs": None}, "inputs: must be a dict, not None"),
    ({"target_name": "t", "inputs": "{}"}, "inputs: must be a dict, not a str"),
    ({"target_name": "t", "queue": ""}, "queue: must not be empty"),
    (
        {"target_name": "t", "queue": "mail:p3"},
        "queue: 'mail:p3' ends in ':p' and a digit, which is kept for priorities",
    ),
    ({"target_name": "t", "id": ""}, "id: must not be empty"),
    ({"target_name": "t", "id": "x" * 129}, "id: is 129 characters long, at most 128 are allowed"),
    (
        {"target_name": "t", "id": "a/1"},
        "id: 'a/1' is not made of the characters A-Z a-z 0-9 . _ : @ - alone",
    ),
    (
        {"target_name": "t", "id": "ä"},
        "id: 'ä' is not made of the characters A-Z a-z 0-9 . _ : @ - alone",
    ),
    (
        {"target_name": "t", "id": "a\n"},
        "id: 'a\\n' is not made of the characters A-Z a-z 0-9 . _ : @ - alone",
    ),
    (
        {"tagret_name": "t"},
        "create_execution: has no parameter 'tagret_name' (did you mean 'target_name'?); "
        "it takes target_name, exec_type, inputs, queue, id, priority, key, attributes, delay, "
        "singleton, debounce",
    ),
    (
        {"target_name": "t", "type": "task"},
        "create_execution: has no parameter 'type' (did you mean 'exec_type'?); "
        "it takes target_name, exec_type, inputs, queue, id, priority, key, attributes, delay, "
        "singleton, debounce",
    ),
    (
        {"target_name": "t", 1: 2},
        "create_execution: was given an int as the name of a parameter; "
        "it takes target_name, exec_type, inputs, queue, id, priority, key, attributes, delay, "
        "singleton, debounce",
    ),
    ("hello", "create_execution: takes a dict or keywords, not a str"),
    (["hello"], "create_execution: takes a dict or keywords, not a list"),
]


@pytest.mark.parametrize(("parameters", "message"), CREATE_MISTAKES)
def test_bad_starts(parameters: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create(parameters, {})

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [m for m in CREATE_MISTAKES if isinstance(m[0], dict) and 1 not in m[0]],
)
def test_bad_starts_by_keyword_are_told_the_same(parameters: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create(None, parameters)

    assert str(caught.value) == message


def test_a_dict_and_keywords_at_once_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create({"target_name": "a"}, {"target_name": "b"})

    assert str(caught.value) == (
        "create_execution: takes one dict or keywords, not both; target_name came as keyword"
    )


def test_inputs_that_are_no_json_are_named_by_path() -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse_create(None, {"target_name": "t", "inputs": {"items": [{}, {"price": {1}}]}})

    assert str(caught.value) == "inputs.items[1].price: a set is no JSON value; pass a list"


def test_inputs_over_the_limit_are_refused() -> None:
    parse_create(None, {"target_name": "t", "inputs": {"x": "x" * 1_048_000}})

    with pytest.raises(PayloadTooLarge):
        parse_create(None, {"target_name": "t", "inputs": {"x": "x" * 1_048_576}})
    with pytest.raises(PayloadTooLarge):
        parse_create(None, {"target_name": "t", "inputs": {"x": "y" * 100}}, payload_limit=100)


@pytest.mark.parametrize("name", ["onboard_user", "mail.send", "größe", "a:b/c", "日本", "x" * 128])
def test_names_may_be_in_any_script(name: str) -> None:
    assert parse_create(None, {"target_name": name, "queue": name}).target_name == name


# Scheduling.


@pytest.mark.parametrize(
    ("run_at", "expected"),
    [
        (NOON, NOON_MS),
        (NOON.replace(tzinfo=None), NOON_MS),
        (datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))), NOON_MS),
        ("2026-01-31T12:00:00Z", NOON_MS),
        ("2026-01-31T12:00:00", NOON_MS),
        ("2026-01-31 13:00+01:00", NOON_MS),
        ("2026-01-31", NOON_MS - 12 * 3_600_000),
        (NOON + timedelta(microseconds=1), NOON_MS + 1),
        (datetime(1969, 12, 31, 23, 59, 59), -1000),
    ],
)
def test_times_to_run_at(run_at: Any, expected: int) -> None:
    request = parse_schedule({"target_name": "daily_report", "run_at": run_at}, {})

    assert request.run_at_ms == expected


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "run_at: is missing; schedule_execution needs the time to start at"),
        ({"run_at": None}, "run_at: must be a datetime or ISO 8601 text, not None"),
        ({"run_at": 1769860800}, "run_at: must be a datetime or ISO 8601 text, not an int"),
        ({"run_at": NOON.date()}, "run_at: must be a datetime or ISO 8601 text, not a date"),
        (
            {"run_at": "tomorrow"},
            "run_at: 'tomorrow' is no ISO 8601 time; write it like '2026-01-31T09:30:00Z'",
        ),
        ({"run_at": ""}, "run_at: '' is no ISO 8601 time; write it like '2026-01-31T09:30:00Z'"),
        (
            {"run_at": "0001-01-01T00:00+05:00"},
            "run_at: lies outside of the years 1 to 9999 in UTC",
        ),
        (
            {"runat": NOON},
            "schedule_execution: has no parameter 'runat' (did you mean 'run_at'?); "
            "it takes target_name, exec_type, inputs, queue, id, priority, key, attributes, run_at",
        ),
    ],
)
def test_bad_schedules(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_schedule({"target_name": "t", **parameters}, {})

    assert str(caught.value) == message


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_a_time_is_never_early_and_less_than_a_millisecond_late(at: datetime) -> None:
    aware = at.replace(tzinfo=UTC)

    assert timedelta(0) <= from_unix_ms(unix_ms(aware)) - aware < timedelta(milliseconds=1)


@given(st.integers(-(10**13), 10**14))
def test_milliseconds_survive(ms: int) -> None:
    assert unix_ms(from_unix_ms(ms)) == ms


# Signals.


def test_the_seed_pages_signal() -> None:
    request = parse_signal(
        None,
        {
            "workflow_id": "exec_abc123",
            "signal_name": "manager-approval",
            "payload": {"approved": True, "approver": "admin"},
            "queue": "default",
        },
    )

    assert (request.workflow_id, request.signal_name) == ("exec_abc123", "manager-approval")
    assert request.payload == {"approved": True, "approver": "admin"}
    assert request.request_id is None


@pytest.mark.parametrize("payload", [None, 0, "", [1], {"a": None}])
def test_signals_carry_any_json(payload: Any) -> None:
    fields = {"workflow_id": "exec_1/3", "signal_name": "go", "payload": payload}

    assert parse_signal(None, fields).payload == payload


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"signal_name": "go"}, "workflow_id: is missing; send_signal needs the id of a workflow "
         "execution"),
        ({"workflow_id": "e"}, "signal_name: is missing; send_signal needs the name that the "
         "workflow awaits"),
        ({"workflow_id": "", "signal_name": "go"}, "workflow_id: must not be empty"),
        ({"workflow_id": "a b", "signal_name": "go"}, "workflow_id: 'a b' cannot be an execution's "
         "id; those look like exec_01h…"),
        ({"workflow_id": "e", "signal_name": " "}, "signal_name: ' ' has ' ' in it; names are "
         "printable and without whitespace"),
        ({"workflow_id": "e", "signal_name": "go", "request_id": "a#1"}, "request_id: 'a#1' is not "
         "made of the characters A-Z a-z 0-9 . _ : @ - alone"),
        ({"workflow_id": "e", "signal_name": "go", "playload": 1}, "send_signal: has no parameter "
         "'playload' (did you mean 'payload'?); it takes workflow_id, signal_name, payload, queue, "
         "request_id"),
    ],
)  # fmt: skip
def test_bad_signals(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_signal(None, parameters)

    assert str(caught.value) == message


def test_ids_of_children_and_schedules_can_be_looked_up() -> None:
    for known in ("exec_01h", "order-7", "exec_01h/3/12", "nightly!1769860800000/2"):
        assert check_execution_id(known, "id") == known


# Queries.


def test_filters_are_what_they_were_given_in_one_form() -> None:
    filters = ExecutionFilters(
        target_name="onboard_user",
        status="running",
        type="workflow",
        created_after="2026-01-31T12:00:00",
        created_before=NOON + timedelta(seconds=1),
        limit=10,
    )

    assert filters.status is ExecutionStatus.RUNNING
    assert filters.type is ExecutionType.WORKFLOW
    assert filters.created_after == NOON
    assert (filters.created_after_ms, filters.created_before_ms) == (NOON_MS, NOON_MS + 1000)
    assert (filters.limit, filters.offset, filters.queue) == (10, 0, None)


def test_filters_default_to_the_newest_hundred() -> None:
    assert parse_filters(None) == ExecutionFilters(limit=100, offset=0)
    assert parse_filters({"status": "failed"}) == ExecutionFilters(status=ExecutionStatus.FAILED)
    assert ExecutionFilters().created_after_ms is None


def test_filters_do_not_change() -> None:
    with pytest.raises(AttributeError):
        ExecutionFilters().limit = 5  # type: ignore[misc]  # that it fails is the point


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "query_executions: takes a dict or keywords, not a list"),
        ({"limit": -1}, "limit: must be from 0 to 2,147,483,647, is -1"),
        ({"offset": -5}, "offset: must be from 0 to 2,147,483,647, is -5"),
        ({"limit": 2.5}, "limit: must be a whole number, not a float"),
        ({"limit": True}, "limit: must be a whole number, not a bool"),
        ({"limit": None}, "limit: must be a whole number, not None"),
        ({"limit": 2**40}, "limit: must be from 0 to 2,147,483,647, is 1099511627776"),
        (
            {"status": "complete"},
            "status: 'complete' is none of 'pending', 'running', 'suspended', 'completed', "
            "'failed', 'cancelled', 'restarted' (did you mean 'completed'?)",
        ),
        ({"status": 3}, "status: must be text, not an int"),
        ({"type": "cron"}, "type: 'cron' is none of 'workflow', 'task'"),
        ({"target_name": ""}, "target_name: must not be empty"),
        (
            {"created_after": "yesterday"},
            "created_after: 'yesterday' is no ISO 8601 time; write it like '2026-01-31T09:30:00Z'",
        ),
        (
            {"stauts": "failed"},
            "query_executions: has no parameter 'stauts' (did you mean 'status'?); it takes "
            "target_name, status, parent_workflow_id, queue, type, created_after, created_before, "
            "limit, offset, schedule, attributes, error_name",
        ),
    ],
)
def test_bad_filters(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_filters(fields)

    assert str(caught.value) == message


# Whatever comes.

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
parameter = st.sampled_from(
    ["target_name", "exec_type", "inputs", "queue", "id", "run_at", "workflow_id", "signal_name",
     "payload", "request_id", "limit", "status", "other"]
)  # fmt: skip


@given(st.dictionaries(parameter, anything, max_size=6) | anything)
def test_every_request_is_either_good_or_refused_by_an_error_of_ours(parameters: Any) -> None:
    for parse in (
        lambda given: parse_create(given, {}),
        lambda given: parse_schedule(given, {}),
        lambda given: parse_signal(given, {}),
        parse_filters,
    ):
        try:
            parse(parameters)
        except RhythmError as error:
            assert str(error)
