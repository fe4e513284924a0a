"""Read, record, replay, explain and fork the histories of executions. Nothing here writes to them:
a fork is another execution."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from os import PathLike
from typing import Any

import msgspec

import flowlang
from flowlang import Edit, Moved, SourceMapping, protocol
from flowlang.evaluation import facts_of
from rhythm import events
from rhythm.engine.attributes import lines_of
from rhythm.engine.fold import successor_of
from rhythm.engine.history import definition_of, definitions_of
from rhythm.engine.lanes import in_lane
from rhythm.engine.retry import duration_ms
from rhythm.engine.turn import terms_of
from rhythm.errors import (
    ExecutionNotFound,
    InvalidRequest,
    NondeterminismError,
    UnreadableEvent,
)
from rhythm.events import TERMINAL, Completed, Migrated
from rhythm.history import files, forking
from rhythm.history.bundle import (
    MOST_EXECUTIONS,
    MOST_RUNS,
    Bundle,
    Source,
    asked_for,
    without_values,
)
from rhythm.history.cursor import Found, Replay, compiled, opened, program_of
from rhythm.history.difference import Difference, difference
from rhythm.history.explain import Explanation, Script, explain
from rhythm.history.explain import Surroundings as Around
from rhythm.history.forking import Wanted
from rhythm.history.impact import Impact, Parting, impact, what_if
from rhythm.history.moving import move
from rhythm.history.reading import id_of, readable
from rhythm.history.recording import EarlierSource, Recording, check_follows, first_of
from rhythm.history.rehearsal import Answers, Rehearsal, Trial, check_answers
from rhythm.history.replaying import replay as replay_on
from rhythm.history.standing import Standing, standing
from rhythm.history.timeline import Span, timeline
from rhythm.models import (
    Execution,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionType,
    HistoryEvent,
    check_chosen_id,
    check_count,
    check_definition,
    check_execution_id,
    check_name,
    check_yes_or_no,
    from_unix_ms,
    parse_filters,
)
from rhythm.payloads import kind_of
from rhythm.services import staff
from rhythm.services.executions import execution_of, statuses_of, stored_filters
from rhythm.services.translation import translated
from rhythm.services.workflows import WorkflowService
from rhythm.surroundings import Surroundings
from streams import events as stream
from streams import limits, projections, transitions
from streams.codec import StoredEvent, StoredExecution
from streams.connection import Connection
from streams.errors import CorruptRecord
from streams.work import Bounds

_LIVE = [status for status in ExecutionStatus if not status.finished]
_ENDED = [status for status in ExecutionStatus if status.finished]
_ALL = 2**31 - 1

_LOOKS, _LOOK_AGAIN_S = 20, 0.1
"""So often a busy execution is looked at again before it is given up: a turn takes some ms."""

_READ_AT_ONCE = 64
# Of more than so many that wait nobody wants to read why.
_ASKED_FOR_LIMITS = 32
"""Histories that are asked for together."""


class HistoryService:
    """`app.history_service`."""

    def __init__(
        self, connection: Connection, workflows: WorkflowService, surroundings: Surroundings
    ) -> None:
        self._connection, self._workflows = connection, workflows
        self._surroundings = surroundings

    async def events(self, execution_id: str, upto: int | None = None) -> list[HistoryEvent]:
        """All events of an execution, the oldest first.

        Args:
            upto: the version of the last event to read; None is all there are now.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            UnreadableEvent: an event is damaged, missing, or of a type that this release does not
                know; those before it can be read.
        """
        found = await self._history(execution_id, upto)
        return [readable(execution_id, event) for event in found]

    async def record(self, execution_id: str, upto: int | None = None) -> Recording:
        """A workflow's history and source as they are now, to be kept and replayed elsewhere.

        Args:
            upto: the version of the last event to read; None is all there are now.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            InvalidRequest: it is a task, which has no decisions to replay.
            WorkflowNotRegistered: its source is not kept any more.
            UnreadableEvent: an event is damaged or missing; those before it can be read.
        """
        found = await self._history(execution_id, upto)
        created = first_of(execution_id, found)
        if created.definition is None:
            raise InvalidRequest("execution_id", f"{execution_id!r} is a task; record its workflow")
        *earlier, program = await self._workflows.programs_of(created.target, execution_id, found)
        return Recording(
            execution_id,
            created.target,
            program.path,
            program.source,
            tuple(found),
            earlier=tuple(EarlierSource(one.path, one.source) for one in earlier),
        )

    async def record_to_damage(self, execution_id: str) -> Recording:
        """As `record`, of a history that is damaged up to where it is: its `damage` says why.

        Raises:
            ExecutionNotFound, InvalidRequest, WorkflowNotRegistered: as `record`.
            UnreadableEvent: not even the first event can be read.
        """
        try:
            return await self.record(execution_id)
        except UnreadableEvent as damage:
            if damage.version == 1:
                raise
            recording = await self.record(execution_id, damage.version - 1)
            return msgspec.structs.replace(recording, damage=damage)

    async def _history(self, execution_id: str, upto: int | None = None) -> list[StoredEvent]:
        check_execution_id(execution_id, "execution_id")
        if upto is not None:
            check_count(upto, "upto")
        found = await self._read(execution_id, upto)
        if not found:
            raise ExecutionNotFound(execution_id)
        if upto is None:
            await self._check_end(execution_id, found)
        return found

    async def _read(self, execution_id: str, upto: int | None = None) -> list[StoredEvent]:
        found: list[StoredEvent] = []
        with translated():
            async for event in stream.read(self._connection, execution_id, upto=upto):
                check_follows(execution_id, len(found), event)
                events.decode(execution_id, event.version, event.type, event.payload)
                found.append(event)
        return found

    async def _check_end(self, execution_id: str, found: list[StoredEvent]) -> None:
        """Are the last events missing? What came meanwhile is added."""
        if found[-1].type in TERMINAL:
            return
        with translated():
            try:
                stored = await projections.get_execution(self._connection, execution_id)
            except CorruptRecord:
                return  # What is kept beside the events says nothing of them.
            if stored is None:
                return
            after = found[-1].version
            async for event in stream.read(self._connection, execution_id, after=after):
                check_follows(execution_id, len(found), event)
                events.decode(execution_id, event.version, event.type, event.payload)
                found.append(event)
        last, status = found[-1], stored.facts.get("st", "")
        if last.type in TERMINAL:
            return
        if status in _ENDED:
            raise UnreadableEvent(
                execution_id, last.version + 1, f"it is missing, since it is {status}"
            )
        if last.version < stored.recorded:
            raise UnreadableEvent(
                execution_id,
                last.version + 1,
                f"it is missing, since {stored.recorded} events were recorded",
            )

    async def _family(
        self, execution_id: str, damage: dict[str, UnreadableEvent] | None = None
    ) -> dict[str, Sequence[StoredEvent]]:
        """The events of an execution and of all below it, the nearer ones first; of those below it
        also the runs that they restarted as.

        Args:
            damage: takes what is wrong with some, which are then read as far as they can be; None
                lets it be raised.
        """
        found: dict[str, Sequence[StoredEvent]] = {
            execution_id: await self._as_far_as_it_goes(execution_id, damage, is_root=True)
        }
        nearest = [execution_id]
        while nearest:
            asked = [id_ for one in nearest for id_ in asked_for(one, found[one]).values()]
            if len(found) < MOST_RUNS:
                asked += _later_runs(found, (one for one in nearest if one != execution_id))
            below = [id_ for id_ in dict.fromkeys(asked) if id_ not in found]
            if len(found) - 1 + len(below) > MOST_EXECUTIONS:
                raise InvalidRequest(
                    "execution_id",
                    f"more than {MOST_EXECUTIONS:,} executions are below {execution_id!r}: look at "
                    "one of its child workflows",
                )
            nearest = []
            for at in range(0, len(below), _READ_AT_ONCE):
                some = below[at : at + _READ_AT_ONCE]
                histories = await asyncio.gather(
                    *(self._as_far_as_it_goes(id_, damage) for id_ in some)
                )
                for id_, history in zip(some, histories, strict=True):
                    if history and _belongs(id_, history, found):
                        found[id_] = history
                        nearest.append(id_)
        return found

    async def _as_far_as_it_goes(
        self,
        execution_id: str,
        damage: dict[str, UnreadableEvent] | None,
        *,
        is_root: bool = False,
    ) -> list[StoredEvent]:
        """A history; none of a child that was not begun, or whose first event is damaged."""
        try:
            if is_root:
                return await self._history(execution_id)
            found = await self._read(execution_id)
            if found:
                await self._check_end(execution_id, found)
            return found
        except UnreadableEvent as error:
            if damage is None or (is_root and error.version == 1):
                raise
            damage[execution_id] = error
            return [] if error.version == 1 else await self._read(execution_id, error.version - 1)

    async def _programs(
        self, histories: Mapping[str, Sequence[StoredEvent]]
    ) -> dict[str, flowlang.Program]:
        """The programs that workflows run, by definition."""
        programs: dict[str, flowlang.Program] = {}
        for id_, history in histories.items():
            for definition in definitions_of(id_, history):
                if definition not in programs:
                    target = first_of(id_, history).target
                    programs[definition] = await self._workflows.program(target, definition)
        return programs

    async def export_bundle(self, execution_id: str, *, values: bool = False) -> Bundle:
        """An execution with all below it, to be written to a file and looked at elsewhere.

        Args:
            values: whether inputs, outputs, signals, states and console lines go along. Without
                them the bundle cannot be replayed, and shows what they look like: type and length.

        Raises:
            ExecutionNotFound, WorkflowNotRegistered: as `record`.
            InvalidRequest: there are more than 10,000 executions below it.
            NondeterminismError: without values: a script decides otherwise than recorded.
            UnreadableEvent: not even its first event can be read. Histories with damage are in the
                bundle up to that, and its `damage` tells.
        """
        check_yes_or_no(values, "values")
        damage: dict[str, UnreadableEvent] = {}
        family = await self._family(execution_id, damage)
        programs = await self._programs(family)
        names = {
            definition: first_of(id_, history).target
            for id_, history in family.items()
            for definition in definitions_of(id_, history)
        }
        with translated():
            described = await projections.describe(self._connection)
        bundle = Bundle(
            execution_id,
            described.now_ms,
            True,
            {id_: tuple(history) for id_, history in family.items()},
            {
                digest: Source(names[digest], program.path, program.source)
                for digest, program in programs.items()
            },
            damage=damage,
        )
        return bundle if values else without_values(bundle)

    @staticmethod
    def open_bundle(path: str | PathLike[str]) -> Bundle:
        """A bundle from its file. No store is asked and no task runs.

        Raises:
            ConfigurationError: there is no such file, or it is none.
        """
        return files.open_bundle(path)

    async def timeline(self, execution_id: str) -> Span:
        """What an execution spent its time on: itself, all below it, attempts and waits.

        Raises:
            InvalidRequest: there are more than 10,000 executions below it.
            NondeterminismError: a script decides otherwise than its history records.
            ExecutionNotFound, WorkflowNotRegistered, UnreadableEvent: as `record`.
        """
        family = await self._family(execution_id)
        return timeline(execution_id, family, await self._programs(family))

    async def replay(self, execution_id: str, upto: int | None = None) -> Replay:
        """A workflow's history, replayed and verified, as something to go about in.

        Args:
            upto: the version of the last event to read; None is all there are now.

        Raises:
            NondeterminismError: its script decides otherwise than the history records.
            InvalidRequest: it is a task, which has no script; or it has no such event.
            ExecutionNotFound, WorkflowNotRegistered: as `record`.
            UnreadableEvent: not even the first event can be read. One with damage opens up to that,
                and `Replay.damage` tells.
        """
        if upto is not None:
            check_count(upto, "upto")
        recording = await self.record_to_damage(execution_id)
        if upto is not None and not 1 <= upto <= len(recording.events):
            raise InvalidRequest("upto", f"the history has events 1 to {len(recording.events)}")
        return opened(recording, upto)

    async def what_if(self, execution_id: str, source: str) -> Parting | None:
        """Where another source would part from an execution's history; None if it decides as
        recorded. Nothing is written.

        Raises:
            FlowSyntaxError: the source is no program.
            ExecutionNotFound, InvalidRequest, UnreadableEvent: as `record`.
        """
        return what_if(await self.record(execution_id), _compiled(source))

    async def impact(
        self,
        name: str,
        source: str,
        *,
        last: int = 100,
        path: str = "workflow.flow",
        filters: ExecutionFilters | Mapping[str, Any] | None = None,
    ) -> Impact:
        """What a source would do to executions of a workflow: all that live, and those that ended
        last. Nothing is written.

        Args:
            last: how many of those that have ended.
            filters: only such ones, as of `query_executions`; its target, type, `limit` and
                `offset` do not matter.

        Raises:
            FlowSyntaxError: the source is no program.
            UnreadableEvent: a history is damaged.
        """
        check_count(last, "last")
        program = _compiled(source, path)
        ids = await self._chosen(name, last, filters)
        return impact([await self.record(id_) for id_ in ids], program)

    async def fork(
        self,
        execution_id: str,
        at: int | None = None,
        *,
        id: str | None = None,
        edits: Mapping[str, Any] | None = None,
        source: str | None = None,
        path: str = "workflow.flow",
        results: bool = True,
        signals: bool | None = None,
    ) -> str:
        """Start an execution that shares a workflow's history up to an event; return its id.

        The fork goes on from there by itself, a root of its own; the workflow it was forked from is
        only read. What that had asked for by then and was not answered yet: a task or child
        workflow that has completed since counts as completed; a child workflow that has not is
        forked too, at its own last good decision; everything else is asked for once more, tasks
        included, also those that still run for the other one. Due times stay as they were. A child
        that it had started without waiting for it stays the other one's.

        Args:
            at: the version of the last event to share; None is the last good decision: of a failed
                workflow the one before it failed, of a cancelled one that before it was to end.
            id: of the fork; None is one that names the other one. A fork made of the same under
                the same id is the same.
            edits: other values for variables, by path: `{"order.items[0].price": 3}`; where more
                than one function has such a variable, by `main:total`.
            source: another script. It must decide as recorded up to there.
            path: of `source`, for messages.
            results: whether what has completed since then counts as completed; else it is run
                once more.
            signals: whether signals that came later come to the fork too, at once; None is if `at`
                is not given.

        Raises:
            InvalidRequest: there is no such event, or its script had ended by then; an edit cannot
                be made; it is a task; it has completed, and `at` is not given.
            NondeterminismError: the script decides otherwise than the history records.
            FlowSyntaxError: `source` is no program.
            ExecutionExists: the id is taken.
            ExecutionNotFound, WorkflowNotRegistered: as `record`.
            UnreadableEvent: an event up to `at` is damaged or missing; without `at`, any.
        """
        wanted = Wanted.checked(at, edits, source, path, results, signals)
        if id is not None:
            check_chosen_id(id, "id")
        recording = await self.record_to_damage(execution_id)
        created = first_of(execution_id, recording.events)
        at, signals = wanted.point(recording)
        program = wanted.program(recording)
        content = forking.content_of(
            execution_id, at, program.digest, wanted.edits, results, signals
        )
        request = self._surroundings.new_name()
        new_id = id or forking.id_for(execution_id, self._surroundings.random_bits(30))
        tree = await self._forks(
            recording,
            at,
            program,
            forking.Terms(new_id, request, content, results=results, signals=signals),
            wanted.edits,
        )
        if source is not None:
            await self._workflows.keep(created.target, program)
        with translated():
            await transitions.fork_execution(
                self._connection, tree, request=request, content=content
            )
        if source is not None:
            # The fork names it, and a failover between the two calls may have taken it.
            await self._workflows.keep(created.target, program)
        return new_id

    async def rehearse(
        self,
        execution_id: str,
        at: int | None = None,
        *,
        edits: Mapping[str, Any] | None = None,
        source: str | None = None,
        path: str = "workflow.flow",
        results: bool = True,
        signals: bool | None = None,
        answers: Answers | None = None,
    ) -> Rehearsal:
        """What a fork would do, tried out: nothing is written, and no task runs.

        Its script runs on a clock of its own, which goes at once to the next moment at which
        something happens. A task or child workflow is answered by what the history says of the
        same call with the same inputs after that event, if it completed; else by `answers`. A
        signal that the script waits for is asked for there too.

        Args:
            at, edits, source, path, results, signals: as for `fork`.
            answers: called with each `Asked`; gives an `Answer`, or None for none. Left out,
                what the history does not answer stays unanswered.

        Raises:
            InvalidRequest, NondeterminismError, FlowSyntaxError, ExecutionNotFound,
                WorkflowNotRegistered, UnreadableEvent: as `fork`.
        """
        wanted = Wanted.checked(at, edits, source, path, results, signals)
        check_answers(answers)
        trial = Trial(await self.record_to_damage(execution_id), wanted)
        children = await self._children(trial.asked) if results else {}
        return trial.played(children, answers)

    async def _forks(
        self,
        recording: Recording,
        at: int,
        program: flowlang.Program,
        terms: forking.Terms,
        edits: Sequence[Edit] = (),
        policy: str = "",
        bounds: Bounds | None = None,
    ) -> list[transitions.Fork]:
        """A fork, and behind it those of the children that go with it."""
        live = forking.replayed(recording, at, program)
        asked = forking.unanswered(recording, at, live)
        # What has an id of its own stays the other one's.
        ids = {n: f"{recording.execution_id}/{n}" for n in asked}
        known = await self._children(ids) if terms.results else {}
        results = forking.later_results(recording, at, known) if terms.results else {}
        below: list[transitions.Fork] = []
        along: list[int] = []
        for n, child in known.items():
            command = asked[n]
            if n in results or not isinstance(command, protocol.RunWorkflow):
                continue
            theirs = await self.record(child.id)
            while theirs.events[-1].type == "restarted":
                # Since it was looked at.
                child = (await self._children({n: ids[n]}))[n]
                theirs = await self.record(child.id)
            last = theirs.events[-1]
            if last.type == "completed":
                told = events.decode(child.id, last.version, last.type, last.payload)
                assert isinstance(told, Completed)
                results[n] = told
                continue
            their_program = program_of(theirs)
            good = forking.last_good(theirs, their_program)
            if not good:
                # It ends before it does anything.
                continue
            first = first_of(child.id, theirs.events)
            child_policy, child_bounds = terms_of(
                command,
                await self._workflows.resolve(first.target),
                first.priority,
                first.key,
            )
            below += await self._forks(
                theirs,
                good,
                their_program,
                terms.below(n),
                policy=child_policy,
                bounds=child_bounds,
            )
            along.append(n)
        made = forking.forked(recording, at, program, live, terms, edits, results, along)
        if bounds is None:
            timeout = program.front_matter.timeout
            bounds = Bounds(deadline_ms=0 if timeout is None else duration_ms(timeout, "timeout"))
            bounds = in_lane(bounds, live.created.priority, live.created.key)
        fork = transitions.Fork(
            id=terms.new_id,
            parent=terms.parent,
            n=terms.n or 0,
            policy=policy,
            events=made.events,
            forked=made.forked,
            target=live.created.target,
            queue=live.created.queue,
            definition=live.program.digest,
            bounds=bounds,
            state=events.encode_value(made.state) if made.state else b"",
            attributes=lines_of(made.attributes),
        )
        tree = [fork, *below]
        if len(tree) > forking.MOST_TOGETHER:
            raise InvalidRequest(
                "results",
                f"more than {forking.MOST_TOGETHER} child workflows of "
                f"{recording.execution_id!r} would be forked with it; without results they begin "
                "anew",
            )
        return tree

    async def _children(self, ids: Mapping[int, str]) -> dict[int, Execution]:
        """Those of some executions that there are, by their numbers."""
        with translated():
            found = await projections.get_executions(
                self._connection, list(ids.values()), newest_run=True
            )
        return {
            n: execution_of(child)
            for n, child in zip(ids, found, strict=True)
            if isinstance(child, StoredExecution)
        }

    async def migrate_execution(
        self,
        execution_id: str,
        program: str,
        *,
        path: str = "",
        maps: bool = False,
        dry: bool = False,
    ) -> list[Moved]:
        """Let a live workflow go on with another definition, on which its history replays; or, if
        `maps`, on which it does not, but where it can be told by the sources where it stands.

        The one thing here that changes the execution it looks at. Nothing that it did is done
        again; the next thing that it is told goes to the other script. `Context.definition` stays
        the one that it began with.

        Args:
            program: the digest of a definition that is kept under the workflow's name; or, with
                a `path`, the text of a source, which is kept for it.
            maps: whether, where the other script decides otherwise than was recorded, functions
                that wait go on at the same `await` in it, with their variables by name.
            dry: whether only to tell; nothing is changed.

        Returns:
            Where functions that wait go on, if by a mapping; nothing if the history replays.

        Raises:
            NondeterminismError: the other script decides otherwise than the history records; shows
                both. Nothing was changed.
            InvalidRequest: it runs that definition already, is a task, or never rests; or where it
                would go on cannot be told.
            ExecutionFinished: it has ended.
            FlowSyntaxError: the text is no program.
            ExecutionNotFound, WorkflowNotRegistered, UnreadableEvent: as `record`.
        """
        _check_texts(program=program, path=path)
        check_yes_or_no(maps, "maps")
        check_yes_or_no(dry, "dry")
        text = compiled(program, path) if path else None
        if text is None:
            check_definition(program, "program")
        request = self._surroundings.new_name()
        for _ in range(_LOOKS):
            recording = await self.record(execution_id)
            name = recording.workflow
            to = text or await self._workflows.program(name, program)
            if definition_of(execution_id, recording.events) == to.digest:
                raise InvalidRequest("program", f"{execution_id!r} runs this definition already")
            mapping: SourceMapping | None = None
            moved: list[Moved] = []
            if recording.events[-1].type not in TERMINAL:
                try:
                    replay_on(recording, to)
                except NondeterminismError:
                    if not maps:
                        raise
                    mapping, moved = move(recording, to)
                if dry:
                    return moved
                if path:
                    await self._workflows.keep(name, to)
            with translated():
                if await transitions.migrate_execution(
                    self._connection,
                    execution_id=execution_id,
                    request=request,
                    version=len(recording.events),
                    definition=to.digest,
                    payload=events.encode(Migrated(to.digest, mapping)),
                ):
                    break
            await asyncio.sleep(_LOOK_AGAIN_S)
        else:
            raise InvalidRequest(
                "execution_id",
                f"{execution_id!r} is at work without a pause: pause it, or try again",
            )
        if path:
            # As of a fork.
            await self._workflows.keep(name, to)
        return moved

    async def diff(self, a: str, b: str) -> Difference:
        """Where two executions of a workflow part, and by which variables.

        Raises:
            NondeterminismError, InvalidRequest, ExecutionNotFound, WorkflowNotRegistered,
            UnreadableEvent: as `replay`, of either.
        """
        check_execution_id(a, "a")
        check_execution_id(b, "b")
        return difference(await self.replay(a), await self.replay(b))

    async def grep(
        self,
        name: str,
        line: int,
        expression: str,
        *,
        last: int = 100,
        definition: str = "",
        filters: ExecutionFilters | Mapping[str, Any] | None = None,
    ) -> dict[str, list[Found]]:
        """What an expression gives at a line of a workflow, each time that an execution came there:
        of all that live, and those that ended last; by id. Nothing is written.

        Args:
            last, filters: which ones, as for `impact`.
            definition: of the source that has the line; "" is what a start by the name runs.
                Executions of other sources are left out.

        Raises:
            InvalidRequest: no statement begins on the line.
            EvaluationRefused: it is no expression, or would do more than read.
            WorkflowNotRegistered: there is no such workflow.
            NondeterminismError, UnreadableEvent: one cannot be replayed.
        """
        check_name(name, "name")
        check_count(line, "line")
        check_count(last, "last")
        _check_texts(expression=expression, definition=definition)
        # Also where there is no execution to evaluate it at.
        facts_of(expression)
        if definition:
            check_definition(definition, "definition")
        else:
            definition = (await self._workflows.resolve(name)).definition
        ids = await self._chosen(name, last, filters)
        found: dict[str, list[Found]] = {}
        for id_ in ids:
            replay = await self.replay(id_)
            if replay.program.digest == definition and (
                came := list(replay.grep(line, expression))
            ):
                found[id_] = came
        return found

    async def where(self, name: str) -> list[Standing]:
        """Where the live executions of a workflow stand, for each source that some of them run,
        the one that most run first.

        Raises:
            UnreadableEvent, NondeterminismError: one cannot be replayed.
        """
        ids = await self._of_workflow(name, _LIVE, None)
        return standing([await self.replay(id_) for id_ in ids])

    async def _chosen(
        self,
        name: str,
        last: int,
        filters: ExecutionFilters | Mapping[str, Any] | None,
    ) -> list[str]:
        """Ids of a workflow's executions that match: those that live, and so many that ended
        last."""
        chosen = parse_filters(filters)
        live = await self._of_workflow(name, statuses_of(chosen, _LIVE), None, chosen)
        ended = await self._of_workflow(name, statuses_of(chosen, _ENDED), last, chosen)
        with translated():
            facts = await projections.get_facts(self._connection, ended)
        when = {id_: int(one.get("co", 0)) for id_, one in zip(ended, facts, strict=True)}
        return live + sorted(ended, key=when.__getitem__, reverse=True)[:last]

    async def _of_workflow(
        self,
        name: str,
        statuses: Sequence[ExecutionStatus],
        limit: int | None,
        chosen: ExecutionFilters | None = None,
    ) -> list[str]:
        """Ids of a workflow's executions, the newest of each status first."""
        check_name(name, "name")
        found: list[str] = []
        with translated():
            for status in statuses:
                filters = msgspec.structs.replace(
                    stored_filters(chosen or ExecutionFilters(), status),
                    target=name,
                    type=ExecutionType.WORKFLOW.value,
                )
                found += await projections.query_executions(
                    self._connection, filters, limit=_ALL if limit is None else limit
                )
        return list(dict.fromkeys(found))

    async def explain(self, execution_id: str) -> Explanation:
        """Where an execution stands, what would wake it, what went wrong, and what is amiss; of one
        that restarted, the run that goes on; of one whose history is damaged, how it stood then.

        Raises:
            ExecutionNotFound, WorkflowNotRegistered, UnreadableEvent, NondeterminismError: as
                `replay`.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            stored = await projections.get_execution(
                self._connection, execution_id, newest_run=True
            )
        if stored is None:
            raise ExecutionNotFound(execution_id)
        execution = execution_of(stored)
        damage: UnreadableEvent | None = None
        try:
            history = await self.events(execution.id)
        except UnreadableEvent as error:
            if error.version == 1:
                raise
            damage, history = error, await self.events(execution.id, error.version - 1)
        is_workflow = execution.type is ExecutionType.WORKFLOW
        script = None
        if is_workflow:
            replay = await self.replay(execution.id)
            script = Script(replay.program.path, replay.program.source, replay.where())
        around = await self._around(execution, history)
        return explain(execution, history, script, around, damage)

    async def _around(self, execution: Execution, history: list[HistoryEvent]) -> Around:
        asked = {
            command["n"]: id_of(execution.id, command["n"], command.get("options", {}))
            for event in history
            for command in event.data.get("commands", ())
            if command["type"] in ("run_task", "run_workflow")
        }
        with translated():
            described = await projections.describe(self._connection)
        children = await self._children(asked)
        held: dict[str, limits.Held] = {}
        pending = (one for one in (execution, *children.values()) if one.status == "pending")
        with translated():
            for one in itertools.islice(pending, _ASKED_FOR_LIMITS):
                if (found := await limits.find(self._connection, one.id)) is not None:
                    held[one.id] = found
        serving, knowing = Counter[str](), Counter[tuple[str, str]]()
        for worker in staff.colleagues(described):
            if worker.lease_left_ms > 0:
                serving.update(worker.about.queues)
                knowing.update((q, t) for q in worker.about.queues for t in worker.about.tasks)
        return Around(
            now=from_unix_ms(described.now_ms),
            children=children,
            child_events={
                n: await self.events(child.id)
                for n, child in children.items()
                if child.type is ExecutionType.TASK and not child.status.finished
            },
            serving=serving,
            held=held,
            knowing=knowing,
        )

    async def follow(self, execution_id: str) -> AsyncGenerator[HistoryEvent, None]:
        """The events of an execution, the oldest first, each as it comes; ends with the last one.

        Raises:
            ExecutionNotFound: there is no execution of this id.
            UnreadableEvent: an event is damaged, or of a type that this release does not know.
            ConnectionLost: the connection failed.
        """
        seen = 0
        for event in await self.events(execution_id):
            seen = event.version
            yield event
            if event.type in TERMINAL:
                return
        with translated():
            async with aclosing(
                stream.follow(self._connection, execution_id, after=seen)
            ) as coming:
                async for stored in coming:
                    yield readable(execution_id, stored)
                    if stored.type in TERMINAL:
                        return


def _belongs(execution_id: str, history: Sequence[StoredEvent], found: Container[str]) -> bool:
    """Whether one of `found` began it: others may have asked for the same id before."""
    created = first_of(execution_id, history)
    return (created.parent or created.started_by) in found


def _later_runs(found: Mapping[str, Sequence[StoredEvent]], some: Iterable[str]) -> Iterator[str]:
    """What those that restarted went on as."""
    for id_ in some:
        if (successor := successor_of(id_, found[id_][-1])) is not None:
            yield successor


def _compiled(source: str, path: str = "workflow.flow") -> flowlang.Program:
    _check_source(source)
    _check_texts(path=path)
    return compiled(source, path)


def _check_source(source: object) -> None:
    if not isinstance(source, str):
        raise InvalidRequest("source", f"give the text of a .flow, not {kind_of(source)}")


def _check_texts(**given: object) -> None:
    for argument, text in given.items():
        if not isinstance(text, str):
            raise InvalidRequest(argument, f"must be text, not {kind_of(text)}")
