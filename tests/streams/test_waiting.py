"""Blocking reads: what is rung reaches somebody who still listens."""

from __future__ import annotations

import asyncio

import pytest

from streams.connection import Connection
from streams.errors import BackendUnavailable
from tests.conftest import RedisServer
from tests.streams.house import House, Run, play


def test_who_has_stopped_listening_takes_no_bell(house: House, run: Run) -> None:
    async def story() -> None:
        gone, stays = house.connection.reader(), house.connection.reader()
        bell = house.keys.queue_bell("default")
        listening = asyncio.create_task(gone.pop([bell], 30))
        for _ in range(20):
            # Round trips enough for it to have begun to listen.
            await house.connection.command("PING", near=bell)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await gone.close()
        await house.connection.command("PING", near=bell)

        await house.connection.command("RPUSH", bell, "")
        assert await stays.pop([bell], 5) == (bell, b"")

    play(house, run, story)


def test_a_worker_without_room_rings_for_others(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("t", "task")
        full, reader = await house.seat(), house.connection.reader()
        assert await full.wait_for_work(reader, ["default"], 5)  # its last token

        await full.step(["default"], 0, [])

        assert await full.wait_for_work(reader, ["default"], 5)

    play(house, run, story)


def test_a_wait_that_the_server_breaks_off_may_be_repeated(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with Connection(redis_server.url, namespace) as connection:
            reader = connection.reader()
            assert reader._client is not None
            id_ = await reader._client.client_id()
            waiting = asyncio.create_task(reader.pop(["nothing"], 30))
            broken_off = 0
            while not broken_off:
                # As in a failover, when the master becomes a replica.
                broken_off = await connection.command("CLIENT", "UNBLOCK", id_, "ERROR")
            with pytest.raises(BackendUnavailable, match="UNBLOCKED"):
                await waiting

    run(story())
