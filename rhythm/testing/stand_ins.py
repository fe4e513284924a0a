"""The tasks of a test: those that it replaces, and the registered ones.

What a workflow asks for and the test does not have is a mistake of the test, not of the workflow:
it is told to the test at once instead of failing the task.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from rhythm.errors import ConfigurationError, MissingResource, RhythmError, TaskNotRegistered
from rhythm.payloads import kind_of, to_payload
from rhythm.tasks import TaskDefinition, TaskRegistry
from rhythm.tasks.resources import name_of_type

Raised = BaseException | type[BaseException]


class TasksAtHand(TaskRegistry):
    """The tasks of one run.

    Args:
        replaced: goes before the registered ones.
        registered: the program's own.
        provided: types that the test gives values for.
        on_mistake: called with the error when something is asked for that cannot be had.
    """

    def __init__(
        self,
        replaced: Mapping[str, TaskDefinition],
        registered: TaskRegistry,
        provided: Mapping[Any, object],
        on_mistake: Callable[[RhythmError], None],
    ) -> None:
        super().__init__()
        self._on_mistake = on_mistake
        self._unusable: dict[str, RhythmError] = {}
        for definition in (*replaced.values(), *registered):
            if definition.name in replaced and definition is not replaced[definition.name]:
                continue
            mistake = _lacking(definition, provided)
            if mistake is None:
                self.add(definition)
            else:
                self._unusable[definition.name] = mistake

    def get(self, name: str) -> TaskDefinition | None:
        """The task of that name; if there is none, the test is told."""
        found = super().get(name)
        if found is None:
            self._on_mistake(self._unusable.get(name) or self._unknown(name))
        return found

    def _unknown(self, name: str) -> TaskNotRegistered:
        error = TaskNotRegistered(name, sorted({*self.names(), *self._unusable}))
        error.add_note(
            f"replace it with rhythm_test.task({name!r}, returns=…), or import the module that "
            "declares it"
        )
        return error


def _lacking(definition: TaskDefinition, provided: Mapping[Any, object]) -> RhythmError | None:
    """Why a task could not run here, or None."""
    try:
        missing = [name_of_type(needed) for needed in definition.missing_resources(provided)]
    except ConfigurationError as error:
        return error
    if not missing:
        return None
    lacking = MissingResource(
        [(definition.name, needed) for needed in missing], [name_of_type(k) for k in provided]
    )
    lacking.add_note(
        f"give one with rhythm_test.resource({missing[0]}, …), or replace the task with "
        f"rhythm_test.task({definition.name!r}, returns=…)"
    )
    return lacking


def stand_in(
    name: str,
    registered: TaskDefinition | None,
    *,
    returns: Any,
    raises: Raised | None,
    calls: Callable[..., Any] | None,
    local_names: Mapping[str, object],
) -> TaskDefinition:
    """A task in the place of another.

    It keeps the queue, retries and limits of the registered one, if there is one. One that returns
    or raises also refuses the inputs that the registered one would refuse.

    Args:
        local_names: what annotations of `calls` may name beside its globals.

    Raises:
        ConfigurationError: it is to do several things, or no task can be made of it.
        InvalidPayload: `returns` is nothing that a task can return.
    """
    if (returns is not None) + (raises is not None) + (calls is not None) > 1:
        raise ConfigurationError(
            f"task {name!r} is to do several things", "give one of returns=, raises= and calls="
        )
    if raises is not None:
        is_error = isinstance(raises, BaseException) or (
            isinstance(raises, type) and issubclass(raises, BaseException)
        )
        if not is_error:
            raise ConfigurationError(
                f"task {name!r} cannot raise {kind_of(raises)}", "give an exception or its class"
            )
    function = _function(registered, to_payload(returns, "returns"), raises, calls)
    is_local = "<locals>" in function.__qualname__
    queue, options = (None, None) if registered is None else (registered.queue, registered.options)
    return TaskDefinition(name, queue, function, local_names if is_local else None, options)


def _function(
    registered: TaskDefinition | None,
    returns: Any,
    raises: Raised | None,
    calls: Callable[..., Any] | None,
) -> Callable[..., Any]:
    if isinstance(calls, types.FunctionType):
        return calls

    async def called(**inputs: Any) -> Any:
        assert calls is not None
        result = calls(**inputs)
        return await result if inspect.isawaitable(result) else result

    async def answering(**inputs: Any) -> Any:
        if registered is not None:
            registered.from_inputs(inputs)
        if isinstance(raises, BaseException):
            raise raises.with_traceback(None)
        if raises is not None:
            raise raises
        return returns

    return answering if calls is None else called
