"""Let work rest for a while: of a queue, or of a workflow or task by name."""

from __future__ import annotations

from typing import Final, Literal

from rhythm.errors import InvalidRequest, did_you_mean, quoted
from rhythm.models import Pause, check_name, check_queue, check_reason, from_unix_ms
from rhythm.services.translation import translated
from streams import pauses
from streams.connection import Connection

PauseKind = Literal["queue", "workflow", "task"]

KINDS: Final[tuple[PauseKind, ...]] = ("queue", "workflow", "task")


class PauseService:
    """`app.pause_service`. One execution alone is paused by `execution_service`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def pause(self, kind: PauseKind, name: str, note: str | None = None) -> bool:
        """Let no worker take work of a queue, workflow or task until it is resumed.

        What is in a worker's hands now is finished: a task runs to its end, a workflow decides once
        more. Everything else goes on: executions are started, workflows get signals, results and
        timers, and deal with them in order once they are resumed. Time limits go on, too.

        Args:
            kind: "queue", "workflow" or "task"; `name` is that of one.
            note: why, for people; pausing once more replaces it.

        Returns:
            Whether it was not paused before.

        Raises:
            InvalidRequest: no such kind, or no name.
            ConnectionLost: no answer in time; repeat the call. Where there are several partitions,
                some may hold to it already; the others then do when they can be reached.
        """
        return await self._put(kind, name, True, note)

    async def resume(self, kind: PauseKind, name: str) -> bool:
        """Let workers take the work again, what has waited longest first.

        Returns:
            Whether it was paused.

        Raises:
            As `pause`.
        """
        return await self._put(kind, name, False, None)

    async def list_pauses(self) -> list[Pause]:
        """What is paused now, by kind and name."""
        with translated():
            found = await pauses.read(self._connection)
        return [
            Pause(
                kind=one.kind,
                name=one.name,
                since=from_unix_ms(one.since_ms),
                note=one.note or None,
            )
            for one in found
        ]

    async def _put(self, kind: PauseKind, name: str, is_paused: bool, note: str | None) -> bool:
        if kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise InvalidRequest(
                "kind", f"{quoted(str(kind))} is none of {known}{did_you_mean(str(kind), KINDS)}"
            )
        check = check_queue if kind == "queue" else check_name
        checked = check(name, "name")
        why = "" if note is None else check_reason(note, "note")
        with translated():
            return await pauses.put(self._connection, kind, checked, is_paused=is_paused, note=why)
