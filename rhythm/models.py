"""What goes in and out of the services: executions, filters, requests, and what there is to see.

All of it is data. A request is checked completely when it is made, before anything is written, so
whoever holds one need not look again. Times are aware UTC outside and unix milliseconds inside.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NotRequired, Required, TypedDict, TypeVar

import msgspec

from rhythm.engine.attributes import Attribute, check_attributes
from rhythm.engine.lanes import check_key, check_priority
from rhythm.engine.retry import Duration, duration_ms
from rhythm.errors import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFinished,
    InvalidRequest,
    did_you_mean,
    number,
    quoted,
)
from rhythm.events import Origin, found_by
from rhythm.payloads import (
    DEFAULT_LIMIT,
    check_payload,
    decode_payload,
    encode_payload,
    kind_of,
)
from streams.work import USUAL_PRIORITY

MAX_NAME_LENGTH = 128
"""Characters of a name or chosen id: they stand in keys, indexes and on one line of a terminal."""

MAX_REASON_LENGTH = 1_000
"""Characters of a reason for an end: a few sentences, repeated in every history below."""

DEFAULT_QUERY_LIMIT = 100
"""One screen or page of executions; a query that forgot its limit must not read a million."""


class ExecutionType(enum.StrEnum):
    """What an execution runs. Members equal their text."""

    WORKFLOW = "workflow"
    """A `.flow` script."""
    TASK = "task"
    """A Python function."""


class ExecutionStatus(enum.StrEnum):
    """Where an execution stands. Members equal their text."""

    PENDING = "pending"
    """Enqueued or due later, and waiting for a worker."""
    RUNNING = "running"
    """A worker is at it."""
    SUSPENDED = "suspended"
    """A workflow that waits for tasks, signals, timers or children."""
    COMPLETED = "completed"
    """Finished with an output."""
    FAILED = "failed"
    """Ended with an error."""
    CANCELLED = "cancelled"
    """Ended from outside."""
    RESTARTED = "restarted"
    """A workflow that ended with `Workflow.restart`: its successor goes on, under its own id."""

    @property
    def finished(self) -> bool:
        """Whether nothing can change any more."""
        return self in _FINISHED


_FINISHED = frozenset(
    {
        ExecutionStatus.COMPLETED,
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.RESTARTED,
    }
)


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow or task, as it stood when it was read."""

    id: str
    type: ExecutionType
    target_name: str
    status: ExecutionStatus
    inputs: dict[str, Any]
    output: Any = None
    """The result of a completed execution; of a failed one its error: an object with `name` and
    `message`, and where known `type`, `details`, `line`, `traceback`; of a cancelled one an object
    with `reason`."""
    created_at: datetime
    completed_at: datetime | None = None
    queue: str
    attempt: int = 0
    """Of a task: how often a worker has begun it. Of a workflow: 0."""
    parent_workflow_id: str | None = None
    started_at: datetime | None = None
    definition: str | None = None
    """Of a workflow: the content hash of the source that it runs."""
    version: int = 0
    """How many events its history has."""
    state: dict[str, Any] = {}
    """Of a workflow: what its script showed with `State.set`."""
    progress: Any = None
    """Of a running task: what it last gave to `TaskContext.progress`."""
    paused: bool = False
    """Whether it rests until it is resumed: it alone, or all of its workflow or task."""
    stuck: bool = False
    """Whether it was parked, for the reason in `trouble`: see to that, then `resume_execution`."""
    trouble: str | None = None
    """What stops it, in words: worker after worker was lost with it, a worker could not go on with
    it and tries again later, or its records are damaged."""
    attributes: dict[str, Attribute] = {}
    """By which it can be found: of its start, and of a workflow what its script made of them with
    `Attributes.set`."""
    forked_from: Origin | None = None
    """Of a fork: the execution whose history it shares, and the last event of that."""
    trace_id: str | None = None
    """The OpenTelemetry trace that it is part of."""

    restarted_from: str | None = None
    """Of a successor: the execution that restarted and goes on in this one."""
    restarted_as: str | None = None
    """Of one that restarted: its successor."""
    priority: int = USUAL_PRIORITY
    """0 to 9, which comes first."""
    key: str | None = None
    """Whom it is for: the keys of a queue take turns."""

    def result(self) -> Any:
        """The output of a completed execution.

        Raises:
            ExecutionFailed: it failed; the error is in `.error`.
            ExecutionCancelled: it was cancelled.
            ExecutionNotFinished: it has no result yet.
        """
        if self.status == ExecutionStatus.COMPLETED:
            return self.output
        details = self.output if isinstance(self.output, dict) else {}
        if self.status == ExecutionStatus.FAILED:
            raise ExecutionFailed(self.id, self.target_name, details)
        if self.status == ExecutionStatus.CANCELLED:
            raise ExecutionCancelled(self.id, self.target_name, details.get("reason"))
        raise ExecutionNotFinished(self.id, self.status)


@dataclass(frozen=True, init=False)
class ExecutionFilters:
    """Which executions a query gives, newest first. What is None does not filter.

    Raises InvalidRequest, also from the constructor, for what cannot be a filter.
    """

    target_name: str | None
    status: ExecutionStatus | None
    parent_workflow_id: str | None
    queue: str | None
    type: ExecutionType | None
    created_after: datetime | None
    """Inclusive."""
    created_before: datetime | None
    """Exclusive."""
    limit: int
    offset: int
    schedule: str | None
    """Id of the schedule that started it."""
    attributes: dict[str, Attribute]
    """What its attributes must be; each that is named."""
    error_name: str | None
    """Of the error that it failed with: its first 64 characters."""

    def __init__(
        self,
        target_name: str | None = None,
        status: ExecutionStatus | str | None = None,
        parent_workflow_id: str | None = None,
        queue: str | None = None,
        type: ExecutionType | str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        limit: int = DEFAULT_QUERY_LIMIT,
        offset: int = 0,
        schedule: str | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        error_name: str | None = None,
    ) -> None:
        """Times may be aware, naive (UTC) or ISO text; status and type may be their text."""
        checked = {
            "target_name": optional(check_name, target_name, "target_name"),
            "status": optional(_check_status, status, "status"),
            "parent_workflow_id": optional(
                check_execution_id, parent_workflow_id, "parent_workflow_id"
            ),
            "queue": optional(check_queue, queue, "queue"),
            "type": optional(_check_type, type, "type"),
            "schedule": optional(check_chosen_id, schedule, "schedule"),
            "attributes": check_attributes({} if attributes is None else attributes),
            "error_name": optional(_check_error_name, error_name, "error_name"),
            "created_after": optional(utc, created_after, "created_after"),
            "created_before": optional(utc, created_before, "created_before"),
            "limit": check_count(limit, "limit"),
            "offset": check_count(offset, "offset"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def created_after_ms(self) -> int | None:
        """Unix milliseconds from which an execution counts, inclusive."""
        return None if self.created_after is None else unix_ms(self.created_after)

    @property
    def created_before_ms(self) -> int | None:
        """Unix milliseconds from which an execution no longer counts."""
        return None if self.created_before is None else unix_ms(self.created_before)


class ExecutionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what a query gives."""

    executions: list[Execution]
    cursor: str | None
    """Where the next page begins; None when this was the last."""


CountBy = Literal["status", "target_name", "queue", "type", "schedule", "error", "age"]
"""By what executions can be counted; also ``"attribute:NAME"``."""


# What there is to see of an application.


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of an execution's history, decoded for reading."""

    version: int
    """1 for the first event, without a gap."""
    at: datetime
    type: str
    data: dict[str, Any]
    worker: str | None = None
    attempt: int | None = None
    child: int | None = None
    """Which of the workflow's commands it answers."""
    line: int | None = None
    """Of the `.flow`, for what a workflow asked for."""


class WorkflowInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A registered workflow."""

    name: str
    definition: str
    """Content hash of its source."""
    path: str
    """Where the source came from; may be no longer there."""
    queue: str = "default"
    """Where its executions run unless the start says otherwise."""
    description: str | None = None
    latest: bool = True
    """Whether a start by name alone runs this definition."""
    source: str | None = None
    """The text, when it was asked for."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What registering a workflow's source did."""

    name: str
    definition: str
    """Content hash of the source."""
    is_new: bool
    """Whether the store had not seen this source before."""
    replaced: str | None = None
    """The definition that starts by name alone ran until now, if this one took its place."""


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process that has registered itself."""

    id: str
    host: str
    pid: int
    queues: list[str]
    tasks: list[str]
    started_at: datetime
    lease_expires_in_ms: int
    """Negative when it is overdue: the worker is stuck, gone, or cut off from Redis."""
    holding: int
    """How many executions it is at."""
    claimed_ms_ago: int | None = None
    """When it last claimed, or asked for work in vain; None when it never did."""
    able_to_claim: bool = False
    """Whether that was within its lease's time, as it is for every worker that is well."""
    concurrency: int = 0
    """How many executions it is at, at most; 0 if it did not say."""
    version: str = ""
    """The release of Rhythm that it runs."""
    python: str = ""
    build: str = ""
    """Which build of its program it is: the setting `build_id`, else its Git commit."""
    clock_ahead_ms: int = 0
    """By how much its clock was ahead of Redis's when it began; negative when it was behind."""


class QueueInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that has work or workers."""

    name: str
    ready: int
    """Executions that wait for a worker now."""
    workers: int
    """Workers that serve it now."""
    limited: int = 0
    """Executions that wait at a limit (`rhythm limit list`), and are not among the ready ones."""
    oldest_waits_s: float | None = None
    """How long what it hands out next has been ready; None when nothing waits."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Something that no worker takes work of for now."""

    kind: str
    """`queue`, `workflow` or `task`."""
    name: str
    since: datetime
    note: str | None
    """Why."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long executions of one name waited and took, of those that were looked at; in seconds."""

    type: ExecutionType
    target_name: str
    count: int
    """How many were looked at."""
    waited_s: float
    """From the start until a worker began it: the one in the middle."""
    waited_most_s: float
    """The longest but for the twentieth part."""
    took_s: float
    """From then until its end: the one in the middle."""
    took_most_s: float
    """The longest but for the twentieth part."""


class Severity(enum.StrEnum):
    """How much a finding matters. Members equal their text."""

    ERROR = "error"
    """Work stands still, or is lost."""
    WARNING = "warning"
    """It works, and ought to be looked at."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is amiss."""

    code: str
    """What kind of thing it is; docs/operating.md lists them."""
    severity: Severity
    text: str
    """What is amiss, and with what."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an application's Redis, as `rhythm doctor` prints it."""

    server: str
    """The product: `redis`, `valkey`, or `embedded`."""
    server_version: str
    persistence: str
    maxmemory_policy: str
    namespace: str
    schema: int
    partitions: int
    workers: list[WorkerInfo]
    queues: list[QueueInfo]
    pauses: list[Pause] = []
    """What no worker takes work of for now."""
    due: int
    """Timers, scheduled starts, retries and leases that become due later."""
    executions: dict[str, int]
    """How many there are of each status."""
    findings: list[Finding]
    """What is amiss, errors first."""

    @property
    def warnings(self) -> list[str]:
        """The findings as sentences: what is amiss, and what to do."""
        return [str(finding) for finding in self.findings]


# What callers ask for.


class ExecutionParameters(TypedDict, total=False):
    """What is said of any start."""

    target_name: Required[str]
    exec_type: ExecutionType | str
    inputs: Mapping[str, Any]
    queue: str | None
    id: str | None
    priority: int | None
    key: str | int | None
    attributes: Mapping[str, Attribute]


class Debounce(TypedDict):
    """What a start is merged by: a dict, or written as a call, `Debounce(key="ada", wait="5s")`.

    Starts of one workflow or task in one queue with the same `key` are one execution, which begins
    when none has come for `wait`, or `max_wait` after the first one, with the inputs of the newest.
    """

    key: str
    wait: Duration
    max_wait: NotRequired[Duration | None]


class StartParameters(ExecutionParameters):
    """What `create_execution` takes, as one dict or as keywords."""

    delay: NotRequired[Duration | None]
    singleton: NotRequired[str | None]
    debounce: NotRequired[Debounce | None]


class ScheduleParameters(ExecutionParameters):
    """What `schedule_execution` takes, as one dict or as keywords."""

    run_at: Required[datetime | str]


class SignalParameters(TypedDict):
    """What `send_signal` takes."""

    workflow_id: str
    signal_name: str
    payload: NotRequired[Any]
    queue: NotRequired[str | None]
    request_id: NotRequired[str | None]


class Merging(msgspec.Struct, frozen=True):
    """By what starts are merged, and for how long they wait: a `Debounce`, checked."""

    key: str
    wait_ms: int
    max_wait_ms: int | None


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A start, checked."""

    type: ExecutionType
    target_name: str
    encoded_inputs: bytes
    """The inputs as msgpack: later changes to the caller's dict change nothing."""
    queue: str | None = None
    """None: the workflow's or the task's own."""
    id: str | None = None
    """None: a new one."""
    priority: int | None = None
    """0 to 9, which comes first. None: that of its declaration."""
    key: str | None = None
    """Whom it is for. None: what its declaration says."""
    attributes: dict[str, Attribute] = {}
    """By which it is to be found."""
    delay_ms: int = 0
    """How long it is not to begin."""
    singleton: str | None = None
    """Started only if no other one of that name lives."""
    debounce: Merging | None = None
    """Merged into what waits under the same key."""

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs as they will be read."""
        inputs: dict[str, Any] = decode_payload(self.encoded_inputs)
        return inputs


class ScheduleRequest(CreateRequest, frozen=True, kw_only=True):
    """A start at a given time, checked."""

    run_at_ms: int
    """Unix milliseconds, possibly past."""


class SignalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A signal to a workflow, checked."""

    workflow_id: str
    signal_name: str
    encoded_payload: bytes
    """The payload as msgpack: later changes to the caller's value change nothing."""
    queue: str | None = None
    """Accepted and not needed: a signal finds its workflow by id."""
    request_id: str | None = None
    """Sent twice with the same one, a signal arrives once. None: every call is a new signal."""

    @property
    def payload(self) -> Any:
        """The payload as it will be read."""
        return decode_payload(self.encoded_payload)


def parse_create(
    parameters: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    *,
    payload_limit: int = DEFAULT_LIMIT,
) -> CreateRequest:
    """The request that a call of `create_execution` makes, with a dict or with keywords.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: naming the parameter.
    """
    given = given_parameters("create_execution", StartParameters, parameters, keywords)
    delay, singleton, debounce = (given.get(n) for n in ("delay", "singleton", "debounce"))
    if singleton is not None and given.get("id") is not None:
        raise InvalidRequest("singleton", "makes its own ids: leave out id")
    for name in ("id", "delay", "singleton"):
        if debounce is not None and given.get(name) is not None:
            raise InvalidRequest(
                "debounce", f"says itself what is started, and when: leave out {name}"
            )
    return CreateRequest(
        debounce=optional(_check_debounce, debounce, "debounce"),
        delay_ms=0 if delay is None else duration_ms(delay, "delay"),
        singleton=optional(check_chosen_id, singleton, "singleton"),
        **start_fields("create_execution", given, payload_limit),
    )


def _check_debounce(value: object, argument: str) -> Merging:
    if not isinstance(value, Mapping):
        raise InvalidRequest(argument, f"must be a dict with key and wait, not {kind_of(value)}")
    given = _known(argument, Debounce.__annotations__, value)
    key = check_chosen_id(needed(argument, given, "key", "a text"), f"{argument}.key")
    wait = needed(argument, given, "wait", "how long it waits for further starts")
    wait_ms = duration_ms(wait, f"{argument}.wait")
    most = given.get("max_wait")
    most_ms = None if most is None else duration_ms(most, f"{argument}.max_wait")
    if wait_ms == 0:
        raise InvalidRequest(f"{argument}.wait", "must be longer than nothing")
    if most_ms is not None and most_ms < wait_ms:
        raise InvalidRequest(f"{argument}.max_wait", "must not be shorter than wait")
    return Merging(key, wait_ms, most_ms)


def parse_schedule(
    parameters: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    *,
    payload_limit: int = DEFAULT_LIMIT,
) -> ScheduleRequest:
    """The request that a call of `schedule_execution` makes, with a dict or with keywords.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: naming the parameter.
    """
    given = given_parameters("schedule_execution", ScheduleParameters, parameters, keywords)
    start = start_fields("schedule_execution", given, payload_limit)
    run_at = needed("schedule_execution", given, "run_at", "the time to start at")
    return ScheduleRequest(run_at_ms=unix_ms(utc(run_at, "run_at")), **start)


def parse_signal(
    parameters: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    *,
    payload_limit: int = DEFAULT_LIMIT,
) -> SignalRequest:
    """The request that a call of `send_signal` makes, with a dict or with keywords.

    Raises:
        InvalidRequest, InvalidPayload, PayloadTooLarge: naming the parameter.
    """
    given = given_parameters("send_signal", SignalParameters, parameters, keywords)
    workflow_id = needed("send_signal", given, "workflow_id", "the id of a workflow execution")
    signal_name = needed("send_signal", given, "signal_name", "the name that the workflow awaits")
    return SignalRequest(
        workflow_id=check_execution_id(workflow_id, "workflow_id"),
        signal_name=check_name(signal_name, "signal_name"),
        encoded_payload=encode_payload(given.get("payload"), "payload", payload_limit),
        queue=optional(check_queue, given.get("queue"), "queue"),
        request_id=optional(check_chosen_id, given.get("request_id"), "request_id"),
    )


def parse_filters(filters: ExecutionFilters | Mapping[str, Any] | None) -> ExecutionFilters:
    """The filters that a query was given: as such, as a dict of the same fields, or none."""
    if isinstance(filters, ExecutionFilters):
        return filters
    fields = ExecutionFilters.__dataclass_fields__
    return ExecutionFilters(
        **_known("query_executions", fields, {} if filters is None else filters)
    )


# Names, ids and times.

_CHOSEN_ID = re.compile(r"[A-Za-z0-9._:@-]+")
_EXECUTION_ID = re.compile(r"[A-Za-z0-9._:@!/~-]+")
_DEFINITION = re.compile(r"[0-9a-f]{32}")
_PRIORITY_SUFFIX = re.compile(r":p[0-9]\Z")

_MAX_EXECUTION_ID_LENGTH = 1024
"""A chosen id and what generations of children append to it."""

_MAX_COUNT = 2**31 - 1
"""Of limit and offset: more than any namespace holds, and a number to every server."""

_LONGEST_WAIT_S = 10**9
"""30 years: more is a slip."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)


def check_name(name: object, argument: str) -> str:
    """The name of a workflow, task or signal: 1 to 128 printable characters without whitespace."""
    text = _text(name, argument, MAX_NAME_LENGTH)
    if text.isprintable() and " " not in text:
        return text
    for character in text:
        if character.isspace() or not character.isprintable():
            raise InvalidRequest(
                argument,
                f"{quoted(text)} has {character!r} in it; names are printable and without "
                "whitespace",
            )
    return text


def _check_error_name(name: object, argument: str) -> str:
    found = found_by(_text(name, argument, MAX_NAME_LENGTH))
    if not found:
        raise InvalidRequest(argument, "must not be blank")
    return found


def check_queue(name: object, argument: str) -> str:
    """The name of a queue: a name that is not taken for one of its priorities."""
    text = check_name(name, argument)
    if _PRIORITY_SUFFIX.search(text):
        raise InvalidRequest(
            argument, f"{text!r} ends in ':p' and a digit, which is kept for priorities"
        )
    return text


def check_chosen_id(value: object, argument: str) -> str:
    """An id that a caller made up: 1 to 128 of `A-Z a-z 0-9 . _ : @ -`."""
    text = _text(value, argument, MAX_NAME_LENGTH)
    if not _CHOSEN_ID.fullmatch(text):
        raise InvalidRequest(
            argument, f"{quoted(text)} is not made of the characters A-Z a-z 0-9 . _ : @ - alone"
        )
    return text


def check_execution_id(value: object, argument: str) -> str:
    """The id of an execution, which may be a child's or a schedule's; whether it exists is open."""
    text = _text(value, argument, _MAX_EXECUTION_ID_LENGTH)
    if not _EXECUTION_ID.fullmatch(text):
        raise InvalidRequest(
            argument, f"{quoted(text)} cannot be an execution's id; those look like exec_01h…"
        )
    return text


def check_reason(value: object, argument: str = "reason") -> str:
    """Why something is ended or paused: text of at most 1,000 characters."""
    text = _text(value, argument, MAX_REASON_LENGTH)
    check_payload(text, argument)
    return text


def check_definition(value: object, argument: str) -> str:
    """The content hash of a workflow's source; whether it is kept is open."""
    text = _text(value, argument, MAX_NAME_LENGTH)
    if not _DEFINITION.fullmatch(text):
        raise InvalidRequest(
            argument,
            f"{quoted(text)} is no content hash of a source; list_workflows and get_execution "
            "tell those there are",
        )
    return text


def check_yes_or_no(value: object, argument: str) -> bool:
    """Whether something: True or False, and nothing that merely counts as that."""
    if not isinstance(value, bool):
        raise InvalidRequest(argument, f"must be True or False, not {kind_of(value)}")
    return value


def check_timeout(value: object, argument: str = "timeout") -> float | None:
    """How long to wait, in seconds from 0 on; None is without end."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequest(argument, f"must be seconds or None, not {kind_of(value)}")
    if not 0 <= value <= _LONGEST_WAIT_S:  # also false for nan
        raise InvalidRequest(
            argument,
            f"must be seconds from 0 to {_LONGEST_WAIT_S:,}, is {number(value)}; "
            "None waits without end",
        )
    return float(value)


def unix_ms(at: datetime) -> int:
    """Unix milliseconds of an aware time; a fraction counts as whole, so nothing is early, but for
    the last millisecond of the year 9999: the next could not be shown."""
    return -((_EPOCH - min(at, _LAST)) // _MILLISECOND)


def from_unix_ms(ms: int) -> datetime:
    """The aware UTC time of unix milliseconds, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


_Checked = TypeVar("_Checked")


def optional(
    check: Callable[[object, str], _Checked], value: object, argument: str
) -> _Checked | None:
    return None if value is None else check(value, argument)


def _text(value: object, argument: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(argument, f"must be text, not {kind_of(value)}")
    if not value:
        raise InvalidRequest(argument, "must not be empty")
    if len(value) > longest:
        raise InvalidRequest(
            argument, f"is {len(value):,} characters long, at most {longest:,} are allowed"
        )
    # Of a subclass, such as an enum of texts, the text alone is kept.
    return str.__str__(value)


def _check_status(value: object, argument: str) -> ExecutionStatus:
    return member_of(ExecutionStatus, value, argument)


def _check_type(value: object, argument: str) -> ExecutionType:
    return member_of(ExecutionType, value, argument)


_Member = TypeVar("_Member", bound=enum.StrEnum)


def member_of(members: type[_Member], value: object, argument: str) -> _Member:
    if not isinstance(value, str):
        raise InvalidRequest(argument, f"must be text, not {kind_of(value)}")
    try:
        return members(value)
    except ValueError:
        known = [str(member) for member in members]
        raise InvalidRequest(
            argument,
            f"{quoted(value)} is none of {', '.join(map(repr, known))}{did_you_mean(value, known)}",
        ) from None


def check_count(value: object, argument: str) -> int:
    """How many of something: a whole number from 0 on."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(argument, f"must be a whole number, not {kind_of(value)}")
    if not 0 <= value <= _MAX_COUNT:
        raise InvalidRequest(argument, f"must be from 0 to {_MAX_COUNT:,}, is {number(value)}")
    return value


def utc(value: object, argument: str) -> datetime:
    """Aware UTC, of a time that is aware, naive (then UTC, as utcnow() gives it) or ISO text."""
    at = value
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidRequest(
                argument,
                f"{quoted(value)} is no ISO 8601 time; write it like '2026-01-31T09:30:00Z'",
            ) from None
    if not isinstance(at, datetime):
        raise InvalidRequest(argument, f"must be a datetime or ISO 8601 text, not {kind_of(value)}")
    if at.tzinfo is None or at.utcoffset() is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(argument, "lies outside of the years 1 to 9999 in UTC") from None


def given_parameters(
    call: str,
    known: type,
    parameters: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """What a call was given, in either of the two ways but not in both."""
    if parameters is None:
        return _known(call, known.__annotations__, keywords)
    if keywords:
        raise InvalidRequest(
            call, f"takes one dict or keywords, not both; {', '.join(keywords)} came as keyword"
        )
    return _known(call, known.__annotations__, parameters)


def _known(call: str, known: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(parameters, Mapping):
        raise InvalidRequest(call, f"takes a dict or keywords, not {kind_of(parameters)}")
    for name in parameters:
        if not isinstance(name, str) or name not in known:
            names = list(known)
            what = (
                f"has no parameter {quoted(name)}{did_you_mean(name, names)}"
                if isinstance(name, str)
                else f"was given {kind_of(name)} as the name of a parameter"
            )
            raise InvalidRequest(call, f"{what}; it takes {', '.join(names)}")
    return dict(parameters)


def needed(call: str, given: Mapping[str, Any], name: str, meaning: str) -> Any:
    if name not in given:
        raise InvalidRequest(name, f"is missing; {call} needs {meaning}")
    return given[name]


def start_fields(call: str, given: Mapping[str, Any], payload_limit: int) -> dict[str, Any]:
    target_name = needed(call, given, "target_name", "the name of a workflow or task")
    inputs = given.get("inputs", {})
    if not isinstance(inputs, Mapping):
        raise InvalidRequest("inputs", f"must be a dict, not {kind_of(inputs)}")
    return {
        "type": _check_type(given.get("exec_type", ExecutionType.WORKFLOW), "exec_type"),
        "target_name": check_name(target_name, "target_name"),
        "encoded_inputs": encode_payload(dict(inputs), "inputs", payload_limit),
        "queue": optional(check_queue, given.get("queue"), "queue"),
        "id": optional(check_chosen_id, given.get("id"), "id"),
        "priority": optional(check_priority, given.get("priority"), "priority"),
        "key": optional(check_key, given.get("key"), "key"),
        "attributes": optional(check_attributes, given.get("attributes"), "attributes") or {},
    }
