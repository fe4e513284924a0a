"""What may be said of a call of a task or workflow, and who has the last word. Pure.

Options come from the call, from the task's declaration and from the workflow's front matter; the
nearest to the call wins, option by option. What results is recorded with the execution, in the
script's own words, with durations in seconds or as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rhythm.engine.lanes import check_key, check_key_expression, check_priority
from rhythm.engine.retry import Duration, RetryPolicy, duration_ms, policy_of
from rhythm.errors import InvalidRequest, did_you_mean
from streams.work import Bounds

TASK_OPTIONS: Final = frozenset(
    {"queue", "retry", "timeout", "deadline", "queueTimeout", "heartbeat", "priority", "key"}
)
"""What `Task.run` takes. `timeout` is of one attempt, `deadline` of all, from the call on,
`queueTimeout` of waiting for the first, `heartbeat` the longest silence of an attempt; for
`priority` and `key` see `rhythm.engine.lanes`."""

WORKFLOW_OPTIONS: Final = frozenset(
    {"id", "onParentClose", "queue", "timeout", "priority", "key", "attributes"}
)
"""What `Workflow.run` takes. `timeout` is of the whole run."""

KEY_EXPRESSION: Final = "keyExpression"
"""Of a declaration alone: how the key is made of the inputs."""

_DURATIONS: Final = ("timeout", "deadline", "queueTimeout", "heartbeat")


def declared_options(
    retry: RetryPolicy | None,
    timeout: Duration | None,
    deadline: Duration | None,
    queue_timeout: Duration | None,
    heartbeat: Duration | None,
    priority: int | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """What `@task` was given, in a script's words.

    Raises:
        InvalidRequest: naming the argument that cannot be.
    """
    options: dict[str, Any] = {}
    if retry is not None:
        if not isinstance(retry, RetryPolicy):
            raise InvalidRequest("retry", "give a RetryPolicy")
        options["retry"] = retry.as_option()
    given = {
        "timeout": (timeout, "timeout"),
        "deadline": (deadline, "deadline"),
        "queueTimeout": (queue_timeout, "queue_timeout"),
        "heartbeat": (heartbeat, "heartbeat"),
    }
    for name, (value, argument) in given.items():
        if value is not None:
            options[name] = duration_ms(value, argument) / 1000
    if priority is not None:
        options["priority"] = check_priority(priority, "priority")
    if key is not None:
        options[KEY_EXPRESSION] = check_key_expression(key, "key")
    return options


def merged(*sources: Mapping[str, Any] | None) -> dict[str, Any]:
    """All options, the earlier source before the later one; an option that is null is not given."""
    options: dict[str, Any] = {}
    for source in reversed(sources):
        if source:
            options |= {name: value for name, value in source.items() if value is not None}
    return options


def check_options(call: str, options: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse what cannot be.

    Raises:
        InvalidRequest: an option that the call does not have, or a value that it cannot have.
    """
    for name in sorted(set(options) - known):
        raise InvalidRequest(name, f"is no option of {call}{did_you_mean(name, known)}")
    policy_of(options.get("retry"))
    for name in _DURATIONS:
        if options.get(name) is not None:
            duration_ms(options[name], name)
    if options.get("priority") is not None:
        check_priority(options["priority"], "priority")
    if options.get("key") is not None:
        check_key(options["key"], "key")


def bounds_of(options: Mapping[str, Any]) -> Bounds:
    """What a task's checked options bound."""
    return _bounds(options) if options else _OF_NONE


def _bounds(options: Mapping[str, Any]) -> Bounds:
    policy = policy_of(options.get("retry"))
    return Bounds(
        deadline_ms=_ms(options, "deadline"),
        queue_ms=_ms(options, "queueTimeout"),
        heartbeat_ms=_ms(options, "heartbeat"),
        attempts=int(policy.max_attempts),
        interval_ms=policy.initial_interval_ms,
    )


def _ms(options: Mapping[str, Any], name: str) -> int:
    # A bound of nothing would be none: the least there is, is one millisecond.
    return 0 if options.get(name) is None else max(duration_ms(options[name], name), 1)


# Most calls and declarations have none.
_OF_NONE: Final = _bounds({})
