"""What tasks get from their worker: `Provided[T]`, and the function that provides.

A worker enters its resources once per process, before it takes work, and leaves them when it has
drained. A value is found by exactly the type it was given under, never by a base class.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from rhythm.errors import ConfigurationError, MissingResource
from rhythm.payloads import kind_of

if TYPE_CHECKING:
    from rhythm.tasks.definition import TaskDefinition

T = TypeVar("T")


class _FromResources:
    """Marks a parameter that the worker's resources fill."""

    def __repr__(self) -> str:
        return "Provided"


PROVIDED = _FromResources()

Provided: TypeAlias = Annotated[T, PROVIDED]
"""`mailer: Provided[Mailer]` is a parameter that gets the worker's Mailer. It is no input."""

Resources: TypeAlias = AbstractAsyncContextManager[Mapping[Any, object]]
"""Gives `{type: value}` when it is entered."""


@asynccontextmanager
async def open_resources(
    resources: Resources | Callable[[], Resources] | None,
) -> AsyncIterator[Mapping[Any, object]]:
    """Enter `resources`, or what a function by that name gives; the values by their types.

    Raises:
        ConfigurationError: it is no async context manager, or gives something else than a mapping
            of types to values.
    """
    if resources is None:
        yield {}
        return
    manager: object = resources
    if isinstance(manager, type) or not hasattr(manager, "__aenter__"):
        manager = manager() if callable(manager) else manager
    if not isinstance(manager, AbstractAsyncContextManager):
        if inspect.iscoroutine(manager):
            manager.close()  # it will not be awaited, and Python would warn about that
        raise ConfigurationError(
            f"resources {_where(resources)}: {kind_of(manager)} is no async context manager",
            "decorate an async generator function with contextlib.asynccontextmanager",
        )
    async with manager as values:
        if not isinstance(values, Mapping) or any(isinstance(key, str) for key in values):
            what = "names" if isinstance(values, Mapping) else kind_of(values)
            raise ConfigurationError(
                f"resources {_where(resources)} give {what}", "yield {type: value, …}"
            )
        yield values


def require_resources(definitions: "Iterable[TaskDefinition]", provided: Iterable[Any]) -> None:
    """Refuse to go on without what tasks need.

    Raises:
        MissingResource: naming every task and the types that are not among `provided`.
    """
    provided = list(provided)
    missing = [
        (definition.name, name_of_type(needed))
        for definition in definitions
        for needed in definition.missing_resources(provided)
    ]
    if missing:
        raise MissingResource(missing, [name_of_type(given) for given in provided])


def name_of_type(annotation: object) -> str:
    """A type as its programmer would write it: `Mailer`, `list[int]`, `int | None`."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__qualname__.rpartition("<locals>.")[2]
    return str(annotation).replace("typing.", "")


def _where(resources: object) -> str:
    module = getattr(resources, "__module__", None)
    name = getattr(resources, "__qualname__", None)
    return f"{module}.{name}" if module and name else type(resources).__qualname__
