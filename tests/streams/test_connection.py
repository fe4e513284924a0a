"""A connection's calls begin and end when their callers say so."""

from __future__ import annotations

import asyncio

from streams.connection import Connection
from tests.conftest import RedisServer
from tests.streams.house import House, Run, play


def test_a_cancelled_call_is_cancelled_whatever_it_is_just_doing(house: House, run: Run) -> None:
    async def story() -> None:
        over = False

        async def call_on_and_on() -> None:
            while not over:
                await house.connection.command("PING")

        for turns in range(300):
            calling = asyncio.create_task(call_on_and_on())
            for _ in range(turns % 30):
                await asyncio.sleep(0)

            calling.cancel()

            _, alive = await asyncio.wait({calling}, timeout=2)
            over = bool(alive)
            assert not alive, f"the cancellation after {turns % 30} turns of the loop was swallowed"

    play(house, run, story)


def test_a_server_that_says_nothing_is_given_up_and_called_again(
    own_redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        connection = Connection(own_redis_server.url, namespace, reply_timeout_s=0.1)
        async with connection:
            await connection.command("PING")
            own_redis_server.pause()
            calling = asyncio.create_task(connection.command("PING"))
            await asyncio.wait({calling}, timeout=0.3)
            assert not calling.done()

            own_redis_server.go_on()

            assert await calling

    run(story())
