"""What a test says of the world around a workflow, and the call that runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Final

import flowlang
from rhythm import tasks
from rhythm.engine.retry import Duration, duration_ms
from rhythm.errors import ConfigurationError, RhythmError, did_you_mean
from rhythm.models import check_name, check_reason, unix_ms
from rhythm.payloads import check_payload
from rhythm.services.workflows import FLOW_SUFFIX, compile_all, read_workflow_files
from rhythm.tasks import TaskDefinition
from rhythm.testing import histories
from rhythm.testing.run import Run
from rhythm.testing.stand_ins import Raised, stand_in
from rhythm.testing.world import Action, Cancel, Plan, Signal, play

STARTS_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When a run begins by its own clock, unless it is told: the same in every run of a test."""


_NAMELESS: Final = "workflow"


class RhythmTest:
    """Runs workflows to their end, in memory, on a clock that skips whatever they wait for.

    Say what is around a workflow with `task`, `signal`, `cancel`, `workflow` and `resource`, then
    `run` it. What was said counts for every run of this object. Nothing here is async; two runs of
    the same test go alike, to the ids.

    Args:
        folders: where paths are looked for that are not found from the current directory.
    """

    def __init__(self, folders: Sequence[str | PathLike[str]] = ()) -> None:
        self._folders = [Path(folder) for folder in folders]
        self._replaced: dict[str, TaskDefinition] = {}
        self._provided: dict[Any, object] = {}
        self._programs: dict[str, flowlang.Program] = {}
        self._actions: list[tuple[float, Action]] = []

    def task(
        self,
        name: str,
        *,
        returns: Any = None,
        raises: Raised | None = None,
        calls: Callable[..., Any] | None = None,
    ) -> None:
        """Let a task return, raise, or call something else instead of its function.

        It keeps the queue, retries and limits of the registered `@task` of that name, if there is
        one, and unless it `calls` refuses the inputs that the registered one would refuse. Tasks
        that are not replaced run as they are, sync ones in the same thread.

        Args:
            returns: what it returns each time.
            raises: an exception, or its class, that it raises each time.
            calls: a function, sync or async, that is called with the inputs by their names.

        Raises:
            ConfigurationError: several of these are given, or no task can be made of it.
            InvalidPayload: `returns` is nothing that a task can return.
        """
        self._replaced[name] = stand_in(
            name,
            tasks.registry.get(name),
            returns=returns,
            raises=raises,
            calls=calls,
            local_names=sys._getframe(1).f_locals,
        )

    def signal(
        self, name: str, payload: Any = None, *, after: Duration = 0, workflow: str | None = None
    ) -> None:
        """Send a signal to the workflow under test.

        One that comes before it is waited for is kept for the wait, as always.

        Args:
            payload: a JSON value.
            after: since the start of the run: seconds, text such as ``"3d"``, or a timedelta.
            workflow: send it to the children of this name that then run instead.

        Raises:
            InvalidRequest, InvalidPayload: it is no name, no JSON, or no duration.
        """
        check_name(name, "name")
        check_payload(payload, "payload")
        if workflow is not None:
            check_name(workflow, "workflow")
        self._act(after, Signal(name, payload, workflow))

    def cancel(self, reason: str | None = None, *, after: Duration = 0) -> None:
        """Ask the workflow under test to end.

        Args:
            after: since the start of the run: seconds, text such as ``"3d"``, or a timedelta.
        """
        if reason is not None:
            check_reason(reason)
        self._act(after, Cancel(reason))

    def workflow(self, source: str | PathLike[str], name: str | None = None) -> None:
        """Make another workflow known, to be run or to be a child.

        It goes before one of the same name that lies beside the workflow that is run.

        Args:
            source: the path of a `.flow` file, or the text of one.
            name: needed for a text whose front matter has none.

        Raises:
            ConfigurationError: there is no such file, or no name.
            FlowSyntaxError: it has mistakes.
        """
        if _is_path(source):
            self._programs |= compile_all([(name, *_read(self._find(source)))])
            return
        text = str(source)
        [(known_as, program)] = compile_all(
            [(name, text, f"{name or _NAMELESS}{FLOW_SUFFIX}")]
        ).items()
        if name is None and program.front_matter.name is None:
            raise ConfigurationError("the workflow has no name", "give name=…")
        self._programs[known_as] = program

    def resource(self, type_: Any, value: object) -> None:
        """Give tasks that run as they are a value for their parameters ``Provided[type_]``."""
        self._provided[type_] = value

    def run(
        self,
        workflow: str | PathLike[str],
        inputs: Mapping[str, Any] | None = None,
        *,
        starts_at: datetime = STARTS_AT,
        stop_after: Duration | None = None,
        seed: int = 0,
    ) -> Run:
        """Run a workflow until it has ended and nothing more happens without time passing.

        Workflows in the same folder can be its children.

        Args:
            workflow: the path of its `.flow` file, the name of one given to `workflow`, or its
                text (anything with white space in it).
            inputs: a JSON object.
            starts_at: what its clock shows at the start; naive is UTC.
            stop_after: end the run after this time although the workflow goes on.
            seed: what its `Math.random` is drawn from.

        Raises:
            RunStuck: it waits for what nothing will bring, or never ends.
            TaskNotRegistered: it asks for a task that is neither replaced nor registered.
            MissingResource: it asks for a task that needs a resource that the test does not give.
            FlowSyntaxError: mistakes in it or in workflows beside it.
            ConfigurationError: there is no such workflow.
            InvalidPayload, InvalidRequest: the inputs or an argument cannot be.
        """
        __tracebackhide__ = True
        name, programs = self._program(workflow)
        aware = starts_at if starts_at.tzinfo is not None else starts_at.replace(tzinfo=UTC)
        plan = Plan(
            programs=programs,
            workflow=name,
            inputs=inputs or {},
            replaced=self._replaced,
            registered=tasks.registry,
            provided=self._provided,
            actions=sorted(self._actions, key=lambda action: action[0]),
            starts_at_ms=unix_ms(aware),
            stop_after_s=None
            if stop_after is None
            else duration_ms(stop_after, "stop_after") / 1000,
            seed=seed,
        )
        try:
            return play(plan)
        except RhythmError as error:
            # It speaks of the test; where in the engine it was noticed helps nobody.
            raise error.with_traceback(None)  # noqa: B904 - it is the same error

    def replay(
        self,
        recorded: str | PathLike[str] | Sequence[str | PathLike[str]],
        flows: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    ) -> int:
        """Replay recorded histories against today's scripts; see `rhythm.testing.replay`."""
        __tracebackhide__ = True
        return histories.replay(
            [self._find(path) for path in histories.listed(recorded)],
            None if flows is None else [self._find(path) for path in histories.listed(flows)],
        )

    def _act(self, after: Duration, action: Action) -> None:
        self._actions.append((duration_ms(after, "after") / 1000, action))

    def _program(self, workflow: str | PathLike[str]) -> tuple[str, Mapping[str, flowlang.Program]]:
        """The name of what is to be run, and all that can be started."""
        if _is_path(workflow):
            path = self._find(workflow)
            beside = compile_all(read_workflow_files(sorted(path.parent.glob(f"*{FLOW_SUFFIX}"))))
            name = next(name for name, program in beside.items() if program.path == str(path))
            return name, {**beside, **self._programs, name: beside[name]}
        text = str(workflow)
        if text in self._programs:
            return text, self._programs
        if not any(map(str.isspace, text)):
            raise ConfigurationError(
                f"no workflow {text!r} was given{did_you_mean(text, self._programs)}",
                "give the path of its .flow file, or make it known with workflow()",
            )
        [(name, program)] = compile_all([(None, text, f"{_NAMELESS}{FLOW_SUFFIX}")]).items()
        return name, {**self._programs, name: program}

    def _find(self, path: str | PathLike[str]) -> Path:
        places = [Path(path), *(folder / path for folder in self._folders)]
        for place in places:
            if place.exists():
                return place
        raise ConfigurationError(
            f"there is no file or folder {str(path)!r}",
            f"looked for in {', '.join(str(place.parent.absolute()) for place in places)}",
        )


def _is_path(workflow: str | PathLike[str]) -> bool:
    return isinstance(workflow, PathLike) or (
        workflow.endswith(FLOW_SUFFIX) and "\n" not in workflow
    )


def _read(path: Path) -> tuple[str, str]:
    [(_, text, where)] = read_workflow_files([path])
    return text, where
