"""`@task`: make a function known as a task, and leave it as it is but for its `queue`."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from rhythm import process
from rhythm.engine.options import declared_options
from rhythm.engine.retry import Duration, RetryPolicy
from rhythm.errors import ConfigurationError, InvalidRequest
from rhythm.limits import limits_of
from rhythm.tasks.definition import TaskDefinition
from rhythm.tasks.registration import registry
from streams.limits import UNLIMITED, Limits

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Task(Protocol[P, R]):
    """A function that is a task: to be called as before, or to be queued."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now."""

    def queue(self, **inputs: Any) -> str:
        """Start the task, in its own queue, with the process's application; return its id.

        Raises:
            As `rhythm.client.queue_task`.
        """


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...


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
    priority: int | None = None,
    key: str | None = None,
    concurrency: int | None = None,
    rate: str | None = None,
    key_concurrency: int | None = None,
    key_rate: str | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    queue: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: Duration | None = None,
    deadline: Duration | None = None,
    queue_timeout: Duration | None = None,
    heartbeat: Duration | None = None,
    priority: int | None = None,
    key: str | None = None,
    concurrency: int | None = None,
    rate: str | None = None,
    key_concurrency: int | None = None,
    key_rate: str | None = None,
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Register a function, sync or async, as a task; it stays callable as before.

    It gets a method: `function.queue(**inputs)` starts the task and returns its id, with the
    application that `rhythm.init` opened.

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
        priority: 0 to 9, which comes first; the workflow's if not given, else 5.
        key: whom it is for, as an expression over its inputs, such as ``"customerId"`` or
            ``"by ?? order.customer.id"``: the keys of a queue take turns. The workflow's key if
            not given, or if that is null or undefined.
        concurrency: how many may run at once, at all workers together.
        rate: how many may begin within a time, in any such time: ``"10/s"``, ``"100/1m"``.
        key_concurrency, key_rate: the same for each key.

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
        return _register(function, name, queue, {}, UNLIMITED, sys._getframe(1).f_locals)
    try:
        options = declared_options(
            retry, timeout, deadline, queue_timeout, heartbeat, priority, key
        )
        limits = limits_of(concurrency, rate, key_concurrency, key_rate)
    except InvalidRequest as error:
        raise ConfigurationError(f"@task: {error}") from None

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return _register(function, name, queue, options, limits, sys._getframe(1).f_locals)

    return decorate


def _register(
    function: Callable[P, R],
    name: str | None,
    queue: str | None,
    options: Mapping[str, Any],
    limits: Limits,
    around: Mapping[str, object],
) -> Task[P, R]:
    called = getattr(function, "__name__", "") if name is None else name
    if called == "<lambda>":
        raise ConfigurationError("a lambda has no name", "give one: task(name=…)(lambda …)")
    # Types that are local to an outer function cannot be found from the inner one's annotations.
    inside = "<locals>" in getattr(function, "__qualname__", "")
    local_names = around if inside else None
    registry.add(TaskDefinition(called, queue, function, local_names, options, limits))
    made = cast("Task[P, R]", function)
    made.queue = _queue_of(called)  # type: ignore[method-assign]  # the function is no Task until now
    return made


def _queue_of(name: str) -> Callable[..., str]:
    def queue(**inputs: Any) -> str:
        return process.run(
            f"task {name}: queue",
            f'await app.execution_service.create_execution(exec_type="task", target_name="{name}", '
            "inputs=…)",
            lambda app: app.execution_service.create_execution(
                exec_type="task", target_name=name, inputs=inputs
            ),
        )

    return queue
