"""Start an execution at a given time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

from rhythm.models import ScheduleParameters, parse_schedule
from rhythm.services.executions import ExecutionService
from rhythm.settings import Settings


class SchedulerService:
    """`app.scheduler_service`."""

    def __init__(self, executions: ExecutionService, settings: Settings) -> None:
        self._executions, self._settings = executions, settings

    @overload
    async def schedule_execution(self, parameters: ScheduleParameters, /) -> str: ...

    @overload
    async def schedule_execution(
        self, parameters: None = None, /, **keywords: Unpack[ScheduleParameters]
    ) -> str: ...

    async def schedule_execution(
        self, parameters: Mapping[str, Any] | None = None, /, **keywords: Any
    ) -> str:
        """Start a workflow or task at `run_at`; return its id at once.

        Takes what `create_execution` takes, and `run_at`: an aware datetime, a naive one (UTC), or
        ISO text. A time that has passed starts it at once. Until then it is `pending`.

        Raises:
            As `create_execution`.
        """
        request = parse_schedule(parameters, keywords, payload_limit=self._settings.payload_limit)
        return await self._executions.start(request, request.run_at_ms)
