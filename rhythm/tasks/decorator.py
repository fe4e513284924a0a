"""`@task`: make a function known as a task, and leave it as it is."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from rhythm.engine.options import declared_options
from rhythm.engine.retry import Duration, RetryPolicy
from rhythm.errors import ConfigurationError, InvalidRequest
from rhythm.tasks.definition import TaskDefinition
from rhythm.tasks.registration import registry

F = TypeVar("F", bound=Callable[..., Any])


@overload
def task(function: F, /) -> F: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: Duration | None = None,
    deadline: Duration | None = None,
    queue_timeout: Duration | None = None,
    heartbeat: Duration | None = None,
) -> Callable[[F], F]: ...


def task(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    queue: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: Duration | None = None,
    deadline: Duration | None = None,
    queue_timeout: Duration | None = None,
    heartbeat: Duration | None = None,
) -> F | Callable[[F], F]:
    """Register a function, sync or async, as a task; it stays callable as before.

    Inputs come as keyword arguments and are converted to the annotated types. Parameters annotated
    `TaskContext` or `Provided[T]` are filled in by the worker. Sync functions run in threads.

    Args:
        name: what workflows call it; the function's own name if not given.
        queue: where it runs unless the call says otherwise; the workflow's if not given.
        retry: whether and when a failed attempt is tried again. Not given, it is not: what a task
            raises is its answer, since only its author knows whether it may run twice.
        timeout: of one attempt. Async functions are cancelled at it; sync ones are abandoned,
            `TaskContext.cancelled` tells them, and what they return late is refused.
        deadline: of all attempts, from the call on.
        queue_timeout: until a worker begins the first attempt.
        heartbeat: longest time between two calls of `TaskContext.heartbeat`.

    Durations are seconds, text such as ``"30s"``, ``"5m"``, ``"24h"``, or timedelta. There is no
    limit by default: a task may take days, and a lost worker is noticed by its lease. A call's own
    options win over these.

    Raises:
        ConfigurationError: no task can be made of it, or another function has that name.
    """
    if isinstance(function, str):
        raise ConfigurationError(
            f"@task({function!r}) gives the name by position", f"write @task(name={function!r})"
        )
    if function is not None:
        _register(function, name, queue, {}, sys._getframe(1).f_locals)
        return function
    try:
        options = declared_options(retry, timeout, deadline, queue_timeout, heartbeat)
    except InvalidRequest as error:
        raise ConfigurationError(f"@task: {error}") from None

    def decorate(function: F) -> F:
        _register(function, name, queue, options, sys._getframe(1).f_locals)
        return function

    return decorate


def _register(
    function: Callable[..., Any],
    name: str | None,
    queue: str | None,
    options: Mapping[str, Any],
    around: Mapping[str, object],
) -> None:
    called = getattr(function, "__name__", "") if name is None else name
    if called == "<lambda>":
        raise ConfigurationError("a lambda has no name", "give one: task(name=…)(lambda …)")
    # Types that are local to an outer function cannot be found from the inner one's annotations.
    inside = "<locals>" in getattr(function, "__qualname__", "")
    registry.add(TaskDefinition(called, queue, function, around if inside else None, options))
