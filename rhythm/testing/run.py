"""What came of a workflow that a test ran, read from the histories that it left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from os import PathLike
from typing import Any

import msgspec

from flowlang import Program, protocol
from flowlang.protocol import ErrorInfo
from rhythm import events
from rhythm.engine.fold import Facts, fold
from rhythm.errors import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFinished,
    TaskNotRegistered,
)
from rhythm.events import Cancelled, Completed, Decided, Failed
from rhythm.history import files
from rhythm.history.reading import readable
from rhythm.history.recording import Recording, first_of
from rhythm.models import ExecutionStatus, ExecutionType, HistoryEvent
from streams.codec import StoredEvent
from streams.keys import run_id, run_of


@dataclass(frozen=True)
class Remains:
    """What is left of a run.

    Attributes:
        histories: of all its executions, by id.
        programs: by digest.
        known_tasks: the names of tasks that could have been called.
        now_ms: unix ms, by the run's clock.
    """

    histories: Mapping[str, Sequence[StoredEvent]]
    programs: Mapping[str, Program]
    known_tasks: Sequence[str]
    now_ms: int

    def starter_of(self, execution_id: str) -> str | None:
        """The workflow that asked for an execution."""
        history = self.histories.get(execution_id)
        if not history:
            return None
        created = first_of(execution_id, history)
        return created.parent or created.started_by


class Run:
    """A workflow that a test ran, or a child of it."""

    def __init__(self, execution_id: str, remains: Remains) -> None:
        self.id = execution_id
        self._remains = remains
        self._events = remains.histories[execution_id]
        self._created = first_of(execution_id, self._events)
        self._facts = fold(execution_id, self._events)

    def __repr__(self) -> str:
        return f"<Run of {self.workflow}: {self.status.value} after {self.elapsed}>"

    @property
    def runs(self) -> list[Run]:
        """All its runs, this one last: more than one when it ended with `Workflow.restart`."""
        first, number = run_of(self.id)
        ids = [run_id(first, n) for n in range(1, number)]
        return [*(Run(id_, self._remains) for id_ in ids), self]

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self._created.target

    @property
    def inputs(self) -> dict[str, Any]:
        """What it was started with."""
        inputs: dict[str, Any] = events.value_of(self._created.inputs)
        return inputs

    @property
    def status(self) -> ExecutionStatus:
        """How it ended; `suspended` if the test stopped it before."""
        return self._facts.status

    @property
    def output(self) -> Any:
        """What it returned.

        Raises:
            ExecutionFailed, ExecutionCancelled, ExecutionNotFinished: it returned nothing.
        """
        match self._ending():
            case Completed(output):
                return events.value_of(output)
            case Failed(error):
                raise ExecutionFailed(self.id, self.workflow, msgspec.to_builtins(error))
            case Cancelled(reason):
                raise ExecutionCancelled(self.id, self.workflow, reason)
        raise ExecutionNotFinished(self.id, self.status)

    @property
    def error(self) -> ErrorInfo | None:
        """What it failed with: `name`, `message`, `line` of the `.flow`, `details`, and of a task's
        exception the `traceback`; None if it did not fail."""
        ending = self._ending()
        return ending.error if isinstance(ending, Failed) else None

    @property
    def elapsed(self) -> timedelta:
        """How long it took by its own clock, with all its runs."""
        ended_ms = self._facts.ended_ms
        until_ms = self._remains.now_ms if ended_ms is None else ended_ms
        return timedelta(milliseconds=until_ms - self.runs[0]._facts.created_ms)

    @property
    def console(self) -> list[str]:
        """The lines that it logged, of all levels."""
        return [
            command.text
            for command in self._commands()
            if isinstance(command, protocol.Log) and not command.is_remark
        ]

    @property
    def state(self) -> dict[str, Any]:
        """What it showed with `State.set`, as it stood at the end."""
        return {
            command.key: command.value
            for command in self._commands()
            if isinstance(command, protocol.SetState)
        }

    @property
    def history(self) -> list[HistoryEvent]:
        """Its events, the oldest first."""
        return [readable(self.id, event) for event in self._events]

    def calls(self, task: str) -> list[dict[str, Any]]:
        """The inputs of each call of a task by this workflow, in all its runs, and by all below it,
        in order.

        A call that was tried several times counts once; see `attempts`.

        Raises:
            TaskNotRegistered: there is no task of this name, so it could not be called.
        """
        return [
            events.value_of(first_of(id_, self._remains.histories[id_]).inputs)
            for id_, _ in self._tasks(task)
        ]

    def attempts(self, task: str) -> list[int]:
        """How often the function of each of these calls was begun, in the same order.

        Raises:
            TaskNotRegistered: there is no task of this name, so it could not be called.
        """
        return [facts.attempt for _, facts in self._tasks(task)]

    def children(self, workflow: str | None = None) -> list[Run]:
        """The workflows that it started in all its runs, in order; all, or those of a name. Of one
        that restarted the last run."""
        return [
            Run(id_, self._remains)
            for id_, facts in self._all()
            if facts.type is ExecutionType.WORKFLOW
            and facts.status is not ExecutionStatus.RESTARTED
            and self._started(self._remains.starter_of(id_))
            and workflow in (None, facts.target)
        ]

    def record(self, path: str | PathLike[str]) -> None:
        """Write its history and source to a file that `replay` reads."""
        assert self._created.definition is not None
        program = self._remains.programs[self._created.definition]
        files.write(
            Recording(self.id, self.workflow, program.path, program.source, tuple(self._events)),
            path,
        )

    def _ending(self) -> events.Payload | None:
        last = self._events[-1]
        return events.decode(self.id, last.version, last.type, last.payload)

    def _commands(self) -> Iterator[protocol.Command]:
        for event in self._events:
            payload = events.decode(self.id, event.version, event.type, event.payload)
            if isinstance(payload, Decided):
                yield from payload.commands

    def _tasks(self, name: str) -> list[tuple[str, Facts]]:
        everywhere = [
            (id_, facts)
            for id_, facts in self._all()
            if facts.type is ExecutionType.TASK and facts.target == name
        ]
        known = self._remains.known_tasks
        if not everywhere and name not in known:
            raise TaskNotRegistered(name, known)
        return [(id_, facts) for id_, facts in everywhere if self._is_above(id_)]

    def _all(self) -> list[tuple[str, Facts]]:
        """Everything that ran, in the order in which it was asked for."""
        facts = [(id_, fold(id_, events)) for id_, events in self._remains.histories.items()]
        return sorted(facts, key=lambda one: (one[1].created_ms, _place(one[0])))

    def _is_above(self, execution_id: str) -> bool:
        starter = self._remains.starter_of(execution_id)
        return starter is not None and (self._started(starter) or self._is_above(starter))

    def _started(self, starter: str | None) -> bool:
        return starter is not None and run_of(starter)[0] == run_of(self.id)[0]


def _place(execution_id: str) -> list[tuple[int, str]]:
    """Sorts ids of a tree by the numbers of commands and runs, as `a`, `a/2`, `a/2~2`, `a/10`."""
    places: list[tuple[int, str]] = []
    for part in execution_id.split("/"):
        number, run = run_of(part)
        places.append((int(number), "") if number.isdigit() else (-1, number))
        places.append((run, ""))
    return places
