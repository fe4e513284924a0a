"""Do the same to all executions that match: end them, resume, retry or delete them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from rhythm.errors import (
    ExecutionExists,
    ExecutionFinished,
    ExecutionNotEnded,
    ExecutionNotFound,
    ExecutionNotStuck,
    FlowSyntaxError,
    InvalidRequest,
    NondeterminismError,
    RhythmError,
    UnreadableEvent,
    UnreadableRecord,
    WorkflowNotRegistered,
    did_you_mean,
    quoted,
)
from rhythm.models import (
    Execution,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionType,
    check_definition,
    check_reason,
    check_yes_or_no,
    parse_filters,
)
from rhythm.payloads import kind_of
from rhythm.services.executions import ExecutionService, statuses_of, stored_filters
from rhythm.services.histories import HistoryService
from rhythm.services.translation import translated
from streams import projections
from streams.connection import Connection

BulkAction = Literal["cancel", "terminate", "resume", "retry", "delete"]

_LIVE: Final = tuple(status for status in ExecutionStatus if not status.finished)
_ENDED: Final = tuple(status for status in ExecutionStatus if status.finished)

STATUSES: Final[Mapping[BulkAction, tuple[ExecutionStatus, ...]]] = {
    "cancel": _LIVE,
    "terminate": _LIVE,
    "resume": _LIVE,
    "retry": (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED),
    "delete": _ENDED,
}
"""To executions of which status each action can be done."""

_MOVED_ON = (ExecutionFinished, ExecutionNotEnded, ExecutionNotFound, ExecutionNotStuck)
"""What happened to it meanwhile: there is nothing to be done any more."""

_OF_ONE = (
    ExecutionExists,
    FlowSyntaxError,
    InvalidRequest,
    NondeterminismError,
    UnreadableEvent,
    UnreadableRecord,
    WorkflowNotRegistered,
)
"""What is wrong with one execution, and does not concern the others."""

READ_AT_ONCE = 64
"""Executions that are looked at with one call; their payloads travel with them."""


class BulkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action on many executions."""

    action: BulkAction
    matched: int
    """How many there were to do it to."""
    done: int
    passed_over: int
    """How many had ended, gone on or been deleted in the meantime."""
    refused: dict[str, str]
    """Those that it could not be done to, with why."""
    ids: list[str]
    """What was done, by id; of a retry the new executions. In a dry run what would be."""
    dry_run: bool


class BulkService:
    """`app.bulk_service`."""

    def __init__(
        self, connection: Connection, executions: ExecutionService, histories: HistoryService
    ) -> None:
        self._connection = connection
        self._executions, self._histories = executions, histories

    async def run(
        self,
        action: BulkAction,
        filters: ExecutionFilters | Mapping[str, Any],
        *,
        definition: str | None = None,
        waits_at: int | None = None,
        reason: str | None = None,
        limit: int | None = None,
        rate: float | None = None,
        dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> BulkResult:
        """Do something to all executions that match now, one after the other, the newest first.

        They are counted first. A call that broke off is repeated: what was done no longer matches,
        or is the same when done again.

        Args:
            action: "cancel" and "terminate" as those of `execution_service`; "resume" what is stuck
                or paused; "retry" workflows that failed or were cancelled: a fork at the last good
                decision, under the id `<id>.retry`, while the old one stays as it is; "delete" what
                has ended, with all below it.
            filters: as of `query_executions`; its `limit` and `offset` do not matter. Only roots
                are retried and deleted.
            definition: only those that run this definition, a content hash.
            waits_at: only workflows whose script waits at this line; then `filters` names the
                workflow, all of whose live executions are replayed for it.
            reason: of "cancel" and "terminate".
            limit: at most so many.
            rate: at most so many a second; None is as many as go.
            dry_run: only look which there are.
            on_progress: called with how many are done, and of how many.

        Raises:
            InvalidRequest: before anything is done.
            ConnectionLost: no answer in time; repeat the call to do the rest.
        """
        chosen = parse_filters(filters)
        _check(action, definition, reason, limit, rate)
        check_yes_or_no(dry_run, "dry_run")
        if on_progress is not None and not callable(on_progress):
            raise InvalidRequest("on_progress", f"must be a function, not {kind_of(on_progress)}")
        waiting = await self._waiting(action, chosen, waits_at)
        ids = await self._select(action, chosen, definition)
        if waiting is not None:
            ids = [id_ for id_ in ids if id_ in waiting]
        ids = ids if limit is None else ids[:limit]
        done: list[str] = []
        refused: dict[str, str] = {}
        passed_over = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, execution_id in enumerate(() if dry_run else ids):
            if rate is not None:
                await asyncio.sleep(max(began + number / rate - loop.time(), 0))
            try:
                done.append(await self._act(action, execution_id, reason))
            except _MOVED_ON:
                passed_over += 1
            except RhythmError as error:
                if not isinstance(error, _OF_ONE):
                    raise
                refused[execution_id] = str(error)
            if on_progress is not None:
                on_progress(number + 1, len(ids))
        return BulkResult(
            action=action,
            matched=len(ids),
            done=len(done),
            passed_over=passed_over,
            refused=refused,
            ids=ids if dry_run else done,
            dry_run=dry_run,
        )

    async def _waiting(
        self, action: BulkAction, filters: ExecutionFilters, line: int | None
    ) -> frozenset[str] | None:
        """The executions of a workflow that wait at a line; None when no line is given."""
        if line is None:
            return None
        if isinstance(line, bool) or not isinstance(line, int) or line < 1:
            raise InvalidRequest("waits_at", "must be the number of a line, from 1 on")
        if filters.target_name is None:
            raise InvalidRequest("waits_at", "needs target_name, the workflow whose line it is")
        if action not in ("cancel", "terminate", "resume"):
            raise InvalidRequest(
                "waits_at", f"does not go with {action}: what has ended waits nowhere"
            )
        found = await self._histories.where(filters.target_name)
        return frozenset(id_ for one in found for id_ in one.at.get(line, ()))

    async def _select(
        self,
        action: BulkAction,
        filters: ExecutionFilters,
        definition: str | None,
    ) -> list[str]:
        looks = action == "resume" or definition is not None
        found: dict[str, None] = {}
        for status in statuses_of(filters, STATUSES[action]):
            stored = stored_filters(filters, status)
            if filters.status is None:
                stored = msgspec.structs.replace(stored, as_recorded=True)
            with translated():
                async for id_ in projections.matching(self._connection, stored):
                    if action not in ("retry", "delete") or "/" not in id_:
                        found[id_] = None
        ids = list(found)
        if not (looks or action == "retry"):
            return ids
        return [
            one.id
            for start in range(0, len(ids), READ_AT_ONCE)
            for one in await self._executions.get_executions(ids[start : start + READ_AT_ONCE])
            if _fits(action, one, definition)
        ]

    async def _act(self, action: BulkAction, execution_id: str, reason: str | None) -> str:
        executions = self._executions
        if action == "retry":
            # An id of a schedule's, or of a further run, has a sign that nobody may choose.
            name = f"{execution_id.replace('!', '@').replace('~', '.')}.retry"
            return await self._histories.fork(execution_id, id=name)
        calls: Mapping[str, Callable[[], Awaitable[None]]] = {
            "cancel": lambda: executions.cancel_execution(execution_id, reason),
            "terminate": lambda: executions.terminate_execution(execution_id, reason),
            "resume": lambda: executions.resume_execution(execution_id),
            "delete": lambda: executions.delete_execution(execution_id),
        }
        await calls[action]()
        return execution_id


def _fits(action: BulkAction, one: Execution, definition: str | None) -> bool:
    if action == "resume" and not (one.stuck or one.paused):
        return False
    if action == "retry" and one.type is not ExecutionType.WORKFLOW:
        return False
    return definition is None or one.definition == definition


def _check(
    action: object,
    definition: object,
    reason: object,
    limit: object,
    rate: object,
) -> None:
    if not isinstance(action, str):
        raise InvalidRequest("action", f"must be text, not {kind_of(action)}")
    if action not in STATUSES:
        known: Sequence[str] = list(STATUSES)
        raise InvalidRequest(
            "action",
            f"{quoted(action)} is none of {', '.join(map(repr, known))}"
            f"{did_you_mean(action, known)}",
        )
    if definition is not None:
        check_definition(definition, "definition")
    if reason is not None:
        check_reason(reason)
        if action not in ("cancel", "terminate"):
            raise InvalidRequest("reason", "goes with cancel and terminate")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise InvalidRequest("limit", f"must be a whole number from 0 on, not {kind_of(limit)}")
    if rate is not None and (
        isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0
    ):
        raise InvalidRequest("rate", "must be a number above 0: so many a second")
