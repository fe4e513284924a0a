"""A store whose time a test moves, and short ways to ask it for things."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from streams import events, projections, transitions
from streams.codec import StoredExecution
from streams.connection import Connection
from streams.due import Endings, Failure, Timekeeper
from streams.keys import PartitionKeys
from streams.projections import Filters
from streams.work import WorkerSeat

Run = Callable[[Coroutine[Any, Any, None]], None]


ENDINGS = Endings(
    Failure("Lost", b"LOST"),
    Failure("Late", b"LATE"),
    Failure("Unclaimed", b"UNCLAIMED"),
    Failure("Silent", b"SILENT"),
    b"CLOSED",
)


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class House:
    """A store on one server with a clock of its own."""

    def __init__(self, url: str, namespace: str) -> None:
        self.clock = Clock()
        self.connection = Connection(url, namespace, clock=self.clock)
        self.keys = self.connection.keys.partitions[0]

    async def start(self, id_: str, type_: Any = "workflow", **changes: Any) -> bool:
        given: dict[str, Any] = {
            "execution_id": id_,
            "request": f"start-{id_}",
            "content": "c0",
            "type": type_,
            "target": "greet",
            "queue": "default",
            "definition": "d1" if type_ == "workflow" else "",
            "due_ms": None,
            "payload": b"CREATED",
        }
        return await transitions.create_execution(self.connection, **(given | changes))

    async def signal(self, id_: str, request: str, payload: bytes = b"S") -> int:
        return await transitions.tell_execution(
            self.connection,
            execution_id=id_,
            request=request,
            type="signal_received",
            payload=payload,
        )

    async def replica_of(self, keys: PartitionKeys) -> dict[str, bytes]:
        """What a replica of a partition has got by now."""
        ask = self.connection.command
        return {key: await ask("DUMP", key) for key in await self._stored(keys)}

    async def fail_over(self, keys: PartitionKeys, replica: dict[str, bytes]) -> None:
        """The replica takes over."""
        for key in await self._stored(keys):
            await self.connection.command("DEL", key)
        for key, dumped in replica.items():
            await self.connection.command("RESTORE", key, 0, dumped)

    async def _stored(self, keys: PartitionKeys) -> list[str]:
        found = await self.connection.command("KEYS", f"{keys.prefix}*")
        return [key.decode() for key in found]

    async def terminate(self, id_: str) -> None:
        await transitions.cancel_execution(
            self.connection, execution_id=id_, request="end", at_once=True, payload=b"R"
        )

    async def seat(
        self, name: str = "w1", lease_ms: int = 10_000, about: bytes = b""
    ) -> WorkerSeat:
        seat = WorkerSeat(self.connection, self.keys, name, lease_ms=lease_ms)
        await seat.register(about or b"about " + name.encode())
        return seat

    def timekeeper(
        self, name: str = "w1", max_lost: int = 5, endings: Endings = ENDINGS
    ) -> Timekeeper:
        return Timekeeper(
            self.connection,
            self.keys,
            name,
            term_ms=10_000,
            max_lost=max_lost,
            endings=endings,
        )

    async def history(self, id_: str) -> list[str]:
        return [event.type async for event in events.read(self.connection, id_)]

    async def status(self, id_: str) -> str:
        found = (await projections.get_executions(self.connection, [id_]))[0]
        assert isinstance(found, StoredExecution)
        return found.facts["st"]

    async def ids(self, **filters: Any) -> list[str]:
        return await projections.query_executions(self.connection, Filters(**filters), limit=100)


def play(house: House, run: Run, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with house.connection:
            await story()

    run(whole())
