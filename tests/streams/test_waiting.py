"""Blocking reads: what is rung reaches somebody who still listens."""

from __future__ import annotations

import asyncio

from tests.streams.house import House, Run, play


def test_who_has_stopped_listening_takes_no_bell(house: House, run: Run) -> None:
    async def story() -> None:
        gone, stays = house.connection.reader(), house.connection.reader()
        bell = house.keys.queue_bell("default")
        listening = asyncio.create_task(gone.pop([bell], 30))
        for _ in range(20):
            # Round trips enough for it to have begun to listen.
            await house.connection.command("PING")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await gone.close()
        await house.connection.command("PING")

        await house.connection.command("RPUSH", bell, "")
        assert await stays.pop([bell], 5) == (bell, b"")

    play(house, run, story)
