"""Blocking reads: what is rung reaches somebody who still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from streams import projections
from streams.cluster import send_together
from streams.connection import Connection
from streams.errors import BackendUnavailable
from streams.work import TaskSettlement
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
        assert await full.wait(reader, ["default"], 5)  # its last token

        await full.step(["default"], 0, [])

        assert await full.wait(reader, ["default"], 5)

    play(house, run, story)


def test_a_worker_that_rings_its_own_bell_begins_to_wait_anew(house: House, run: Run) -> None:
    async def story() -> None:
        seat, reader = await house.seat(), house.connection.reader()

        await seat.step([], 0, [], rings=True)

        assert await seat.wait(reader, ["default"], 5) == seat.own_bell
        assert await seat.wait(reader, ["default"], 0.01) is None

    play(house, run, story)


def test_what_was_claimed_when_a_bell_rang_is_given_again_if_the_answer_was_lost(
    redis_server: RedisServer, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(redis_server.url, namespace)
    house.connection = Connection(redis_server.url, namespace)  # at the server's own time
    sent = list[list[Any]]()

    async def lose_the_answer(client: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
        sent.append(await send_together(client, commands))
        raise ConnectionError("the answer was lost")

    async def story() -> None:
        seat, reader = await house.seat(), house.connection.reader()
        await house.start("t", "task")
        with monkeypatch.context() as patched:
            patched.setattr("streams.connection.send_together", lose_the_answer)
            with pytest.raises(BackendUnavailable):
                await seat.step_when_rung(reader, ["default"], 5, 5)

        step = await seat.step(["default"], 0, [])

        ((_, answer),) = sent
        assert [item[1] for item in answer[3]] == [b"t"]
        assert [(claim.id, claim.token) for claim in step.claims] == [("t", "w1.1")]
        assert await house.history("t") == ["created", "started"]

    play(house, run, story)


def test_a_claim_behind_a_wait_survives_that_the_server_forgot_the_script(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    house = House(redis_server.url, namespace)
    house.connection = Connection(redis_server.url, namespace)

    async def story() -> None:
        seat, reader = await house.seat(), house.connection.reader()
        await house.start("t", "task")
        await house.connection.command("SCRIPT", "FLUSH")

        assert [c.id for c in (await seat.step_when_rung(reader, ["default"], 5, 5)).claims] == [
            "t"
        ]
        assert (await seat.step_when_rung(reader, ["default"], 5, 0.01)).claims == ()

    play(house, run, story)


def test_who_waits_for_ends_misses_none_when_words_are_lost(house: House, run: Run) -> None:
    async def story() -> None:
        seat, reader = await house.seat(), house.connection.reader()
        for id_ in ("a", "b"):
            await house.start(id_, "task")
            assert await projections.register_wait(house.connection, id_, "c1")
        claims = (await seat.step(["default"], 2, [])).claims
        done = [TaskSettlement(c.id, c.token, "completed", b"OUT") for c in claims]
        await seat.step([], 0, done)
        # The word before the first id, with a connection that was cut then.
        assert await reader.pop([house.keys.replies("c1")], 5) == (house.keys.replies("c1"), b"")

        ended = await projections.next_ended(house.connection, house.keys, reader, "c1", 5)

        assert ended.keys() == {"a", "b"}
        assert ended["a"] is None  # to be asked for
        assert ended["b"] is not None

    play(house, run, story)


def test_a_wait_that_the_server_breaks_off_may_be_repeated(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with Connection(redis_server.url, namespace) as way:
            reader = way.reader()
            assert reader._client is not None
            id_ = await reader._client.client_id()
            waiting = asyncio.create_task(reader.pop(["nothing"], 30))
            broken_off = 0
            while not broken_off:
                # As in a failover, when the master becomes a replica.
                broken_off = await way.command("CLIENT", "UNBLOCK", id_, "ERROR")
            with pytest.raises(BackendUnavailable, match="UNBLOCKED"):
                await waiting

    run(story())
