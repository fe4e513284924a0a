"""What happens to executions, a line each time one changes: for people who watch while they work.

It looks every quarter of a second, so that whatever comes and goes in between shows its end alone.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import click

from rhythm.builder import Rhythm
from rhythm.cli.logs import Announce
from rhythm.cli.show import duration, short_json, status
from rhythm.models import Execution, ExecutionFilters, ExecutionStatus, ExecutionType

_LOOK_EVERY_S = 0.25
_WIDTH = 100
# More than start between two looks while somebody tries something out.
_NEWEST = 200


class LiveView:
    """Follows the workflows of an application.

    Args:
        announce: is given the lines.
        since: those that were created from then on, and those that were not over when it began.
    """

    def __init__(self, app: Rhythm, since: datetime, announce: Announce) -> None:
        self._app, self._since, self._announce = app, since, announce
        self._open: dict[str, Execution] = {}
        self._over: set[str] = set()

    async def follow(self) -> None:
        """Announce what happens until cancelled."""
        for waiting in (
            ExecutionStatus.PENDING,
            ExecutionStatus.RUNNING,
            ExecutionStatus.SUSPENDED,
        ):
            filters = ExecutionFilters(
                type=ExecutionType.WORKFLOW,
                status=waiting,
                created_before=self._since,
                limit=_NEWEST,
            )
            for execution in await self._app.execution_service.query_executions(filters):
                self._open[execution.id] = execution
        while True:
            for execution in await self.changes():
                self._announce(await self._line(execution))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def changes(self) -> list[Execution]:
        """Executions whose status changed since the last look, oldest first."""
        newest = await self._app.execution_service.query_executions(
            ExecutionFilters(type=ExecutionType.WORKFLOW, created_after=self._since, limit=_NEWEST)
        )
        found = {execution.id: execution for execution in newest}
        for id in self._open.keys() - found.keys():
            still = await self._app.execution_service.get_executions([id])
            if not still:  # was deleted
                del self._open[id]
            found.update((execution.id, execution) for execution in still)
        return sorted(self._new_in(found.values()), key=lambda execution: execution.created_at)

    def _new_in(self, found: Iterable[Execution]) -> Iterable[Execution]:
        for execution in found:
            if execution.id in self._over:
                continue
            before = self._open.get(execution.id)
            if execution.status.finished:
                self._open.pop(execution.id, None)
                self._over.add(execution.id)
            else:
                self._open[execution.id] = execution
            if before is None or before.status is not execution.status:
                yield execution

    async def _line(self, execution: Execution) -> str:
        name = f"{execution.target_name} {click.style(execution.id, dim=True)}"
        text = f"{name} {status(execution.status)}"
        if execution.status is ExecutionStatus.SUSPENDED:
            explained = await self._app.history_service.explain(execution.id)
            return "\n".join([text, *(f"  {sentence}" for sentence in explained.stands[1:])])
        if not execution.status.finished:
            return text
        assert execution.completed_at is not None
        took = duration((execution.completed_at - execution.created_at).total_seconds())
        if execution.restarted_as is not None:
            return f"{text} after {took} as {execution.restarted_as}"
        text += f" after {took}: {short_json(execution.output, _WIDTH)}"
        if execution.status is ExecutionStatus.FAILED:
            text += f"\n  rhythm explain {execution.id}"
        return text
