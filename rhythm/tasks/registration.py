"""Which tasks this process knows, by name."""

from collections.abc import Iterator

from rhythm.errors import ConfigurationError
from rhythm.payloads import kind_of
from rhythm.tasks.definition import TaskDefinition


class TaskRegistry:
    """Tasks by name. A name means one function."""

    def __init__(self) -> None:
        self._definitions: dict[str, TaskDefinition] = {}

    def add(self, definition: TaskDefinition) -> None:
        """Make a task known; one that is the same function, imported again, replaces itself.

        Raises:
            ConfigurationError: another function has that name, or it is no TaskDefinition.
        """
        if not isinstance(definition, TaskDefinition):
            raise ConfigurationError(
                f"a registry takes TaskDefinition objects, not {kind_of(definition)}",
                "put @task on the function, or give TaskDefinition(name, queue, function)",
            )
        first = self._definitions.get(definition.name)
        if first is not None and not _may_replace(first, definition):
            raise ConfigurationError(
                f"two functions are task {definition.name!r}: {_place(first)} and "
                f"{_place(definition)}",
                "give one of them another name with @task(name=…)",
            )
        self._definitions[definition.name] = definition

    def get(self, name: str) -> TaskDefinition | None:
        """The task of that name, or None."""
        return self._definitions.get(name)

    def names(self) -> list[str]:
        """The names of all tasks, sorted."""
        return sorted(self._definitions)

    def __iter__(self) -> Iterator[TaskDefinition]:
        return iter([self._definitions[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self._definitions)


registry = TaskRegistry()
"""Where `@task` puts functions, and where workers look for them."""


def _may_replace(first: TaskDefinition, again: TaskDefinition) -> bool:
    """Whether both come from one `def` that ran twice.

    A module can run twice: reloaded, or as `__main__` and then by its name. A function inside of
    another is made anew whenever the outer one runs, so the latest one counts.
    """
    old, new = first.function, again.function
    if "<locals>" in old.__qualname__ and "<locals>" in new.__qualname__:
        return True
    same_place = old.__module__ == new.__module__ or (
        old.__code__.co_filename == new.__code__.co_filename
    )
    return same_place and old.__qualname__ == new.__qualname__


def _place(definition: TaskDefinition) -> str:
    function = definition.function
    code = function.__code__
    return (
        f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
    )
