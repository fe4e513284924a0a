"""A connection's calls begin and end when their callers say so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.connection import Connection
from streams.errors import BackendRefused, BackendUnavailable
from tests.conftest import RedisServer
from tests.streams.house import House, Run, play


@pytest.mark.everywhere
def test_a_cancelled_call_is_cancelled_whatever_it_is_just_doing(house: House, run: Run) -> None:
    async def story() -> None:
        over = False

        async def call_on_and_on() -> None:
            while not over:
                await house.connection.command("PING", near=house.keys.due)

        for turns in range(90):
            calling = asyncio.create_task(call_on_and_on())
            for _ in range(turns % 30):
                await asyncio.sleep(0)

            calling.cancel()

            _, alive = await asyncio.wait({calling}, timeout=2)
            over = bool(alive)
            assert not alive, f"the cancellation after {turns % 30} turns of the loop was swallowed"

    play(house, run, story)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("redis://127.0.0.1:1/0", "nothing listens there"),
        ("redis://nowhere.invalid/0", "the host's name is unknown"),
        ("unix:///nowhere/redis.sock", "there is no such socket"),
        ("redis://{host}/99", "it has no database of that number; one with 16, as usual, has 0 "),
    ],
)
def test_an_address_that_leads_nowhere_says_why(
    redis_server: RedisServer, namespace: str, run: Run, address: str, reason: str
) -> None:
    url = address.format(host=f"127.0.0.1:{redis_server.port}")

    async def story() -> None:
        async with Connection(url, namespace, patience_s=0.01, reply_timeout_s=0.5) as connection:
            with pytest.raises((BackendUnavailable, BackendRefused)) as caught:
                await connection.inspect()
            assert url in str(caught.value)
            assert reason in str(caught.value)

    run(story())


def test_a_server_is_reached_through_its_socket(tmp_path: Path, namespace: str, run: Run) -> None:
    server = RedisServer(tmp_path)
    server.start("--unixsocket", str(tmp_path / "redis.sock"))

    async def story() -> None:
        async with Connection(f"unix://{tmp_path}/redis.sock", namespace) as connection:
            reader = connection.reader()
            assert await reader.pop(["nothing"], 0.01) is None
            await connection.command("RPUSH", "list", "value")
            assert await reader.pop(["list"], 5) == ("list", b"value")

    try:
        run(story())
    finally:
        server.stop()


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
