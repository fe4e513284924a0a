"""Start, read, query and wait for executions."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack, overload

import msgspec

from rhythm import events, tracing
from rhythm.ending import end
from rhythm.engine.attributes import lines_of, read_fields, text_of
from rhythm.engine.fold import successor_of
from rhythm.engine.history import LiveMachine, beginning_of, chained
from rhythm.engine.input_schema import check_inputs
from rhythm.engine.lanes import in_lane, key_of
from rhythm.engine.options import KEY_EXPRESSION, bounds_of
from rhythm.engine.turn import bounded
from rhythm.errors import (
    ConnectionLost,
    ExecutionExists,
    ExecutionNotFound,
    InvalidRequest,
    RhythmError,
    UnreadableEvent,
    UnreadableRecord,
    WaitTimeout,
    quoted,
)
from rhythm.events import (
    Cancelled,
    CancelRequested,
    Completed,
    Created,
    Failed,
    Restarted,
    SignalReceived,
    TraceContext,
)
from rhythm.history.recording import first_of
from rhythm.models import (
    CountBy,
    CreateRequest,
    Execution,
    ExecutionFilters,
    ExecutionPage,
    ExecutionStatus,
    ExecutionType,
    StartParameters,
    check_chosen_id,
    check_execution_id,
    check_reason,
    check_timeout,
    from_unix_ms,
    parse_create,
    parse_filters,
)
from rhythm.payloads import kind_of
from rhythm.services import staff
from rhythm.services.counting import count_by
from rhythm.services.translation import translated, unreadable, unreadable_projection
from rhythm.services.workflows import DEFAULT_QUEUE, WorkflowService
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from rhythm.tasks import TaskRegistry
from streams import events as stream
from streams import projections, transitions
from streams.codec import StoredExecution
from streams.connection import BlockingReader, Connection
from streams.errors import (
    BackendUnavailable,
    CorruptRecord,
    OtherLives,
    UnknownExecution,
)
from streams.keys import PartitionKeys, run_of
from streams.work import USUAL_PRIORITY, Bounds

logger = logging.getLogger("rhythm.client")

# A waiting read is ended and begun again this often, so that a connection that died without a
# word is noticed.
_WAIT_SLICE_S = 5.0
# The store keeps replies for a minute. Who did not come back for them in good time, because
# something else held the event loop up, asks again.
_AWAY_S = 30.0
# Who has waited long enough is not kept for longer than a tenth of a second by being told why, nor
# given more than fits on some lines.
_READ_TO_TELL, _TOLD = 1_000, 5


class ExecutionService:
    """`app.execution_service`."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        surroundings: Surroundings,
        workflows: WorkflowService,
        tasks: TaskRegistry,
    ) -> None:
        self._connection, self._settings = connection, settings
        self._surroundings = surroundings
        self._workflows, self._tasks = workflows, tasks
        self._client = surroundings.new_name()
        self._waiting: dict[str, _WaitingRoom] = {}

    @overload
    async def create_execution(self, parameters: StartParameters, /) -> str: ...

    @overload
    async def create_execution(
        self, parameters: None = None, /, **keywords: Unpack[StartParameters]
    ) -> str: ...

    async def create_execution(
        self, parameters: Mapping[str, Any] | None = None, /, **keywords: Any
    ) -> str:
        """Start a workflow or task; return its id.

        Takes one dict or keywords: `target_name`, `exec_type` ("workflow", the default, or
        "task"), `inputs` (a JSON object), `queue` (default: the workflow's or the task's own, else
        "default"), `id` (a chosen id makes the start idempotent for as long as it is kept),
        `priority` (0 to 9, which comes first; 5 unless its declaration says otherwise), `key` (whom
        it is for: the keys of a queue take turns), `attributes` (a dict of up to 16 names with
        texts, numbers or bools, by which it can be found), `delay` (it begins so much later:
        seconds, "5m", or a timedelta), `singleton` (a name: while an execution started with it
        lives, nothing is started, and the id of that one is returned, whatever its inputs),
        `debounce` (a `Debounce`: starts with the same key, each within a time after the one before,
        are one execution, which begins then with the newest one's inputs; all get its id).

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
            InvalidWorkflowInputs: they do not fit the schema in the workflow's front matter.
            WorkflowNotRegistered: naming the workflows that are known.
            ExecutionExists: the id is taken by another target or other inputs.
            ConnectionLost: no answer in time; with an `id` it is safe to repeat the call.
        """
        request = parse_create(parameters, keywords, payload_limit=self._settings.payload_limit)
        run_at_ms = self._surroundings.now_ms() + request.delay_ms if request.delay_ms else None
        return await self.start(request, run_at_ms)

    async def start(self, request: CreateRequest, run_at_ms: int | None = None) -> str:
        """Start what a checked request describes, at once or at `run_at_ms`; return its id, or that
        of the one that lives if it is to be the only one, or waits for further starts."""
        execution_id = request.id or self._surroundings.new_execution_id()
        merging = request.debounce
        name = request.singleton if merging is None else merging.key
        if name is not None:
            # So all of that name lie in one partition.
            execution_id = f"{name}!{execution_id}"
        debounce = None
        if merging is not None:
            debounce = transitions.Debounce(merging.wait_ms, merging.max_wait_ms)
        with tracing.starting(execution_id, request.type, request.target_name) as trace:
            created, bounds = await self.first_event(execution_id, request, run_at_ms, trace=trace)
            try:
                with translated():
                    await transitions.create_execution(
                        self._connection,
                        execution_id=execution_id,
                        request=self._surroundings.new_name(),
                        content=events.content_of(created),
                        type=created.type,
                        target=created.target,
                        queue=created.queue,
                        definition=created.definition or "",
                        due_ms=run_at_ms,
                        payload=events.encode(created),
                        bounds=bounds,
                        attributes=lines_of(request.attributes),
                        debounce=debounce,
                    )
            except OtherLives as lives:
                return lives.execution_id
            except ExecutionExists as error:
                raise await self._exists(execution_id, request) from error
        return execution_id

    async def signal_or_start(
        self, request: CreateRequest, signal: SignalReceived, request_id: str | None
    ) -> str:
        """Send a signal to a workflow that is started for it unless it lives; return its id."""
        execution_id = request.id or self._surroundings.new_execution_id()
        with tracing.starting(execution_id, request.type, request.target_name) as trace:
            created, bounds = await self.first_event(execution_id, request, None, trace=trace)
            try:
                with translated():
                    await transitions.signal_with_start(
                        self._connection,
                        execution_id=execution_id,
                        request=request_id or self._surroundings.new_name(),
                        content=events.content_of(created),
                        target=created.target,
                        queue=created.queue,
                        definition=created.definition or "",
                        bounds=bounds,
                        created=events.encode(created),
                        signal=events.encode(msgspec.structs.replace(signal, trace=trace)),
                        attributes=lines_of(request.attributes),
                    )
            except ExecutionExists as error:
                raise await self._exists(execution_id, request) from error
        return execution_id

    async def first_event(
        self,
        execution_id: str,
        request: CreateRequest,
        run_at_ms: int | None,
        *,
        by_name: bool = False,
        trace: TraceContext | None = None,
    ) -> tuple[Created, Bounds]:
        """How the execution that a checked request describes begins, and how long it may take.

        Args:
            run_at_ms: unix ms before which it is not to start.
            by_name: run the latest deployed definition of a workflow, whichever sources this
                application has.
            trace: what it is to be part of.

        Raises:
            As `create_execution`.
        """
        definition: str | None = None
        options: Mapping[str, Any] = {}
        queue = request.queue
        if request.type is ExecutionType.WORKFLOW:
            known = await self._workflows.resolve(request.target_name, by_name=by_name)
            if known.inputs is not None:
                check_inputs(request.target_name, known.inputs, request.inputs)
            definition = known.definition
            queue = queue or known.queue
            bounds = Bounds(deadline_ms=known.timeout_ms)
            declared_priority, expression = known.priority, known.key
        else:
            declared = await staff.declared_task(
                self._connection,
                self._connection.keys.partition(execution_id),
                self._tasks,
                request.target_name,
            )
            if declared is not None:
                queue, options = queue or declared.queue, declared.options
            bounds = bounds_of(options)
            declared_priority, expression = options.get("priority"), options.get(KEY_EXPRESSION)
        priority = declared_priority if request.priority is None else request.priority
        key = request.key
        if key is None and expression is not None:
            key = key_of(expression, request.inputs)
        created = Created(
            type=request.type.value,
            target=request.target_name,
            queue=queue or DEFAULT_QUEUE,
            inputs=bounded(
                msgspec.Raw(request.encoded_inputs), "inputs", self._settings.payload_limit
            ),
            definition=definition,
            seed=self._surroundings.random_bits(63),
            options={k: v for k, v in options.items() if k not in ("priority", KEY_EXPRESSION)},
            run_at_ms=run_at_ms,
            trace=trace,
            priority=priority,
            key=key,
        )
        return created, in_lane(bounds, priority, key)

    async def _exists(self, execution_id: str, request: CreateRequest) -> ExecutionExists:
        (first, *_) = [*await self.get_executions([execution_id]), None]
        return ExecutionExists(execution_id, _differences(first, request))

    async def cancel_execution(
        self, execution_id: str, reason: str | None = None, *, request_id: str | None = None
    ) -> None:
        """Ask an execution to end; it is recorded when this returns.

        A workflow's script sees what it waits for reject with `CancelledError`, so that `finally`
        can clean up; what it asked for and waits for is cancelled too. A task that nobody runs yet
        ends at once; a running async one is cancelled, a sync one is told by
        `TaskContext.cancelled`. What has not ended after a minute of grace is ended.

        Args:
            reason: for the history and for the script.
            request_id: a request repeated with the same one is the same.

        Raises:
            ExecutionNotFound, ExecutionFinished: there is nothing to cancel.
            ConnectionLost: no answer in time; with a `request_id` it is safe to repeat the call.
        """
        await self._end(execution_id, reason, request_id, at_once=False)

    async def terminate_execution(
        self, execution_id: str, reason: str | None = None, *, request_id: str | None = None
    ) -> None:
        """End an execution and all below it as `cancelled`, without asking anybody.

        Raises:
            As `cancel_execution`.
        """
        await self._end(execution_id, reason, request_id, at_once=True)

    async def pause_execution(self, execution_id: str) -> None:
        """Let no worker go on with an execution until it is resumed.

        What a worker has in hand now it finishes: a task's attempt, one turn of a workflow. A
        paused workflow gets signals, results and timers, and deals with them in order once it is
        resumed; what it has asked for goes on. Time limits go on too, and so does the minute of
        grace after `cancel_execution`.

        Raises:
            ExecutionNotFound, ExecutionFinished: there is nothing to pause.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            await transitions.pause_execution(self._connection, execution_id)

    async def resume_execution(self, execution_id: str) -> None:
        """Hand out again what was paused, or parked because worker after worker was lost with it.

        What rests because its queue, workflow or task is paused goes on when that is resumed.

        Raises:
            ExecutionNotStuck: it is neither.
            ExecutionNotFound, ExecutionFinished: there is nothing to resume.
            ConnectionLost: no answer in time; it is safe to repeat the call.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            await transitions.resume_execution(self._connection, execution_id)

    async def delete_execution(self, execution_id: str) -> None:
        """Remove a finished execution and all below it, with their histories.

        Raises:
            InvalidRequest: it is a child, which goes with its root.
            ExecutionNotEnded: it, or something below it, has not ended.
            ExecutionNotFound: there is no execution of this id.
            ConnectionLost: no answer in time; repeat the call to delete the rest.
        """
        check_execution_id(execution_id, "execution_id")
        if "/" in execution_id:
            root = execution_id.partition("/")[0]
            raise InvalidRequest("execution_id", f"is a child's; delete its root {root!r}")
        with translated():
            await transitions.delete_execution(self._connection, execution_id)

    async def _end(
        self, execution_id: str, reason: str | None, request_id: str | None, *, at_once: bool
    ) -> None:
        check_execution_id(execution_id, "execution_id")
        if reason is not None:
            reason = check_reason(reason)
        if request_id is not None:
            check_chosen_id(request_id, "request_id")
        with translated():
            await transitions.cancel_execution(
                self._connection,
                execution_id=execution_id,
                request=request_id or self._surroundings.new_name(),
                at_once=at_once,
                payload=events.encode(CancelRequested(reason)),
            )

    async def get_execution(self, execution_id: str) -> Execution | None:
        """An execution as it stands now, or None if there is none of this id.

        Of one that restarted, its own id gives the run that goes on, with that run's id, and the
        number of a run that run: "order-7" the newest, "order-7~2" the second. `get_executions`
        gives exactly those named, also the first run.

        Raises:
            UnreadableEvent, UnreadableRecord: what is stored of it is damaged.
        """
        check_execution_id(execution_id, "execution_id")
        with translated():
            stored = await projections.get_execution(
                self._connection, execution_id, newest_run=True
            )
        return None if stored is None else execution_of(stored)

    async def query_executions(
        self, filters: ExecutionFilters | Mapping[str, Any] | None = None
    ) -> list[Execution]:
        """Executions that match all given filters, the newest first.

        One whose records are damaged is logged as an error and left out, since it does not concern
        the others.
        """
        chosen = parse_filters(filters)
        with translated():
            ids = await projections.query_executions(
                self._connection, stored_filters(chosen), limit=chosen.limit, offset=chosen.offset
            )
            found = await projections.get_executions(self._connection, ids)
        return list(_readable(found))

    async def get_executions(self, ids: Sequence[str]) -> list[Execution]:
        """Executions in the order of `ids`; those that there are not, or that are damaged, are left
        out, the latter with an error in the log."""
        if isinstance(ids, str | bytes) or not isinstance(ids, Sequence):
            raise InvalidRequest("ids", f"must be a list of ids, not {kind_of(ids)}")
        for id_ in ids:
            check_execution_id(id_, "ids")
        with translated():
            found = await projections.get_executions(self._connection, ids)
        return list(_readable(found))

    async def count_executions(
        self, filters: ExecutionFilters | Mapping[str, Any] | None = None
    ) -> int:
        """How many executions match all given filters; `limit` and `offset` do not matter."""
        with translated():
            return await projections.count_executions(
                self._connection, stored_filters(parse_filters(filters))
            )

    async def page_executions(
        self,
        filters: ExecutionFilters | Mapping[str, Any] | None = None,
        cursor: str | None = None,
    ) -> ExecutionPage:
        """A page of the executions that match all given filters, the newest first.

        Pages follow each other without a gap, and none has what another has, whatever begins, ends
        or is deleted between them: what is new comes before the first. Each has at most `limit`
        executions; as in `query_executions` damaged ones are left out.

        Args:
            cursor: that of the page before; None for the first.

        Raises:
            InvalidRequest: the cursor is none, or `offset` was given.
        """
        chosen = parse_filters(filters)
        if chosen.offset:
            raise InvalidRequest("offset", "does not go with pages: a cursor says where to go on")
        after = None if cursor is None else _place(cursor)
        with translated():
            ids, last = await projections.query_page(
                self._connection, stored_filters(chosen), limit=chosen.limit, after=after
            )
            found = await projections.get_executions(self._connection, ids)
        return ExecutionPage(
            executions=list(_readable(found)), cursor=None if last is None else _cursor(last)
        )

    async def count_by(
        self,
        by: CountBy | str,
        filters: ExecutionFilters | Mapping[str, Any] | None = None,
    ) -> dict[str, int]:
        """How many executions match all given filters, by one of their properties; the most first.

        `limit` and `offset` do not matter. It looks at every match, but for "status" and "type"
        without further filters. While much changes, counts of statuses may not be of one moment.

        Args:
            by: "status", "target_name", "queue", "type", "schedule"; "error", the name of the error
                that those that failed ended with; "age", since they were created; or
                "attribute:NAME", by its value as JSON. Those that have none count under "".

        Raises:
            InvalidRequest: they cannot be counted by this.
        """
        stored = stored_filters(parse_filters(filters))
        with translated():
            return await count_by(self._connection, stored, by, self._surroundings.now_ms())

    async def wait_for_execution(
        self, execution_id: str, timeout: float | None = None
    ) -> Execution:
        """The execution when it has ended, whatever its status; of one that restarts, the last run
        when that has ended.

        Args:
            timeout: seconds; None waits without end.

        Raises:
            InvalidRequest: `timeout` is no number of seconds from 0 on.
            ExecutionNotFound: there is no execution of this id.
            WaitTimeout: it did not end in time; says where it stands and who serves its queue.
        """
        check_execution_id(execution_id, "execution_id")
        seconds = check_timeout(timeout)
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    told = await self._waiting_room(execution_id).until_ended(execution_id)
            except TimeoutError as error:
                raise await self._wait_timeout(execution_id, seconds or 0.0) from error
            if told is None:
                ended = await self.get_execution(run_of(execution_id)[0])
            else:
                ended = execution_of(told)
            if ended is None:
                raise ExecutionNotFound(execution_id)
            # A failover may have lost the end since it was told: then it is to come again.
            if ended.status.finished:
                return ended

    async def close(self) -> None:
        """End what waits; those who wait get a `ConnectionLost`."""
        for room in self._waiting.values():
            await room.close()

    def _waiting_room(self, execution_id: str) -> _WaitingRoom:
        keys = self._connection.keys.partition(execution_id)
        room = self._waiting.get(keys.prefix)
        if room is None:
            room = _WaitingRoom(self._connection, keys, self._client)
            self._waiting[keys.prefix] = room
        return room

    async def _wait_timeout(self, execution_id: str, timeout: float) -> Exception:
        execution = await self.get_execution(run_of(execution_id)[0])
        if execution is None:
            return ExecutionNotFound(execution_id)
        keys = self._connection.keys.partition(execution_id)
        serving = await staff.count_serving(self._connection, keys, execution.queue)
        waits_for: tuple[str, ...] = ()
        if execution.status is ExecutionStatus.SUSPENDED and execution.version <= _READ_TO_TELL:
            waits_for = await self._awaited(execution.id)
        return WaitTimeout(
            execution_id,
            timeout,
            execution.status.value,
            execution.queue,
            serving,
            waits_for,
        )

    async def _awaited(self, execution_id: str) -> tuple[str, ...]:
        """What a workflow waits for, in words; nothing if its history does not tell."""
        try:
            with translated():
                history = [event async for event in stream.read(self._connection, execution_id)]
            created = first_of(execution_id, history)
            if created.definition is None:
                return ()
            programs = await self._workflows.programs_of(created.target, execution_id, history)
            first = beginning_of(execution_id, history)
            machine = LiveMachine(execution_id, chained(programs), first)
            machine.advance(history[1:])
        except RhythmError as error:
            # It is told by whoever reads it; here it would hide that the time is over.
            logger.info("what %s waits for is not known: %s", execution_id, error)
            return ()
        words = [
            f"{place.waits_for} (line {place.line})"
            for place in machine.where()
            if place.waits_for.kind != "function"  # Which is there itself.
        ]
        more = [f"{len(words) - _TOLD:,} more"] if len(words) > _TOLD else []
        return (*words[:_TOLD], *more)


class _WaitingRoom:
    """Those of this process who wait for executions of a partition to end: one reader for all.

    The store pushes ended ids to this process's reply list. When the reader's connection fails, an
    id may have been lost on its way: everything that is waited for is registered once more.
    """

    def __init__(self, connection: Connection, keys: PartitionKeys, client: str) -> None:
        self._connection, self._keys, self._client = connection, keys, client
        self._futures: dict[str, asyncio.Future[StoredExecution | None]] = {}
        self._waiters: dict[str, int] = {}
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False

    async def until_ended(self, execution_id: str) -> StoredExecution | None:
        """An execution as it stood when its end was told; None if that is to be asked for."""
        # Whichever run is asked for, the last one's end is told.
        execution_id, _ = run_of(execution_id)
        future = self._futures.get(execution_id)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._futures[execution_id] = future
        self._waiters[execution_id] = self._waiters.get(execution_id, 0) + 1
        try:
            with translated():
                if not await projections.register_wait(
                    self._connection, execution_id, self._client
                ):
                    return None
            if self._is_closed:
                raise self._closed()
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(), name="rhythm-waiting-room")
            with translated():
                return await asyncio.shield(future)
        finally:
            self._waiters[execution_id] -= 1
            if not self._waiters[execution_id]:
                del self._waiters[execution_id]
                self._futures.pop(execution_id, None)
                if not future.done():
                    future.cancel()

    async def close(self) -> None:
        self._is_closed = True
        await end(self._reading)
        for future in self._futures.values():
            if not future.done():
                future.set_exception(self._closed())

    def _closed(self) -> ConnectionLost:
        return ConnectionLost(self._connection.address, "the application was closed")

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        reader: BlockingReader = self._connection.reader()
        try:
            is_wanted = True
            while is_wanted:
                asked_at = loop.time()
                try:
                    ended = await projections.next_ended(
                        self._connection, self._keys, reader, self._client, _WAIT_SLICE_S
                    )
                except BackendUnavailable as error:
                    logger.warning("waiting for results was interrupted: %s", error)
                    await self._register_again()
                    continue
                for execution_id, told in ended.items():
                    self._tell(execution_id, told)
                # Who waited for one result soon waits for the next: a connection costs more than
                # the result.
                is_wanted = bool(ended or self._futures)
                if loop.time() - asked_at > _AWAY_S:
                    await self._register_again()
        except Exception as error:
            for future in self._futures.values():
                if not future.done():
                    future.set_exception(error)
                    # Whose own call has failed too does not come to ask for it.
                    future.exception()
        finally:
            if self._reading is asyncio.current_task():
                # Who comes while this connection is being closed needs a new reader.
                self._reading = None
            await reader.close()

    async def _register_again(self) -> None:
        for execution_id, future in list(self._futures.items()):
            try:
                waits = await projections.register_wait(
                    self._connection, execution_id, self._client
                )
            except UnknownExecution as error:
                # It is gone; the others are still waited for.
                if not future.done():
                    future.set_exception(error)
                continue
            if not waits:
                self._tell(execution_id)

    def _tell(self, execution_id: str, told: StoredExecution | None = None) -> None:
        future = self._futures.get(run_of(execution_id)[0])
        if future is not None and not future.done():
            future.set_result(told)


def _cursor(place: projections.Place) -> str:
    text = f"{place.created_ms} {place.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: object) -> projections.Place:
    try:
        padded = f"{cursor}{'=' * (-len(str(cursor)) % 4)}"
        created, _, id_ = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        )
        return projections.Place(int(created), check_execution_id(id_, "cursor"))
    except ValueError as error:
        raise InvalidRequest("cursor", f"{quoted(str(cursor))} is none that a page gave") from error


def _readable(
    found: Iterable[StoredExecution | CorruptRecord | None],
) -> Iterator[Execution]:
    for stored in found:
        try:
            if isinstance(stored, CorruptRecord):
                raise unreadable(stored) from stored
            if stored is not None:
                yield execution_of(stored)
        except (UnreadableEvent, UnreadableRecord) as error:
            logger.error("left out of what was asked for: %s", error)


def execution_of(stored: StoredExecution) -> Execution:
    """The model of a stored execution.

    Raises:
        UnreadableEvent: its first or last event is damaged or unknown.
        UnreadableRecord: what is kept beside its events is damaged.
    """
    created = events.decode(
        stored.id, stored.first.version, stored.first.type, stored.first.payload
    )
    if not isinstance(created, Created) or stored.first.version != 1:
        raise UnreadableEvent(stored.id, stored.first.version, "it is not the first event")
    try:
        return _execution_of(stored, created)
    except (ValueError, OverflowError) as error:
        raise unreadable_projection(stored.id, str(error)) from error


def _execution_of(stored: StoredExecution, created: Created) -> Execution:
    facts = stored.facts
    status = ExecutionStatus(facts["st"])
    if stored.wake == "claimed" and not status.finished:
        # A workflow's turn is no event: what workers hold tells that it is running.
        status = ExecutionStatus.RUNNING
    return Execution(
        id=stored.id,
        type=ExecutionType(facts["ty"]),
        target_name=facts["tg"],
        status=status,
        inputs=events.value_of(created.inputs),
        output=_output(stored) if status.finished else None,
        created_at=from_unix_ms(int(facts["cr"])),
        completed_at=from_unix_ms(int(facts["co"])) if "co" in facts else None,
        queue=facts["q"],
        attempt=int(facts.get("at", 0)),
        parent_workflow_id=created.parent or created.started_by,
        started_at=from_unix_ms(int(facts["sa"])) if "sa" in facts else None,
        definition=facts.get("df"),
        version=stored.version,
        state=events.value_of(msgspec.Raw(stored.state)) if stored.state else {},
        progress=events.value_of(msgspec.Raw(stored.progress)) if stored.progress else None,
        paused=stored.is_paused,
        stuck=stored.wake == "stuck",
        trouble=stored.trouble,
        attributes=read_fields(facts),
        forked_from=created.forked_from,
        restarted_from=created.restarted_from,
        restarted_as=successor_of(stored.id, stored.last),
        trace_id=tracing.trace_id(created.trace),
        priority=USUAL_PRIORITY if created.priority is None else created.priority,
        key=created.key,
    )


def _output(stored: StoredExecution) -> Any:
    last = stored.last
    match events.decode(stored.id, last.version, last.type, last.payload):
        case Completed(output):
            return events.value_of(output)
        case Failed(error):
            return msgspec.to_builtins(error)
        case Cancelled(reason):
            return {"reason": reason}
        case Restarted():
            return None
    raise ValueError(f"it says {stored.facts['st']}, and its last event is {last.type}")


def statuses_of(
    filters: ExecutionFilters, among: Sequence[ExecutionStatus]
) -> list[ExecutionStatus]:
    """Those that executions which match may have."""
    of_error = None if filters.error_name is None else ExecutionStatus.FAILED
    return [
        status
        for status in among
        if filters.status in (None, status) and of_error in (None, status)
    ]


def stored_filters(
    filters: ExecutionFilters, status: ExecutionStatus | None = None
) -> projections.Filters:
    """Filters as the store takes them, with another `status` if one is given."""
    before_ms = filters.created_before_ms
    status = status or filters.status
    if filters.error_name is not None and status is ExecutionStatus.FAILED:
        # All that have an error's name failed: its index alone tells.
        status = None
    return projections.Filters(
        target=filters.target_name,
        status=status,
        parent=filters.parent_workflow_id,
        queue=filters.queue,
        type=filters.type,
        schedule=filters.schedule,
        attributes=tuple((key, text_of(value)) for key, value in filters.attributes.items()),
        error=filters.error_name,
        oldest_ms=filters.created_after_ms,
        newest_ms=None if before_ms is None else before_ms - 1,
    )


def _differences(first: Execution | None, request: CreateRequest) -> list[str]:
    """The parameters that are not as in the first start."""
    if first is None:
        return []
    pairs = {
        "exec_type": (first.type, request.type),
        "target_name": (first.target_name, request.target_name),
        "inputs": (first.inputs, request.inputs),
    }
    return [name for name, (before, now) in pairs.items() if before != now]
