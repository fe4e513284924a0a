"""More than one script may carry goes along to the successor of a workflow, whatever happens."""

from __future__ import annotations

import msgspec
import pytest

from streams import events, transitions
from streams.codec import WorkflowClaim
from streams.work import (
    UNBOUNDED,
    UNITS,
    NewTimer,
    Step,
    Successor,
    WorkerSeat,
    WorkflowSettlement,
)
from tests.streams.house import House, Run, play

pytestmark = pytest.mark.everywhere

TAKEN = [b"taken %d" % n for n in range(2000)]
"""Signals that the machine was told of, and that no wait took."""


def restarts(token: str) -> list[WorkflowSettlement]:
    """A decision, then its signals in pieces; the last ends the workflow."""
    begins = WorkflowSettlement("f", token, 1, last=False, decided=b"D", attributes="n=1")
    chunks = [begins]
    for before in range(0, len(TAKEN), UNITS):
        piece = tuple(TAKEN[before : before + UNITS])
        chunks.append(
            WorkflowSettlement(
                "f",
                token,
                1,
                chunk=len(chunks) + 1,
                last=before + UNITS >= len(TAKEN),
                outcome="restarted",
                payload=b"RESTARTED",
                successor=Successor("greet", "d1", UNBOUNDED, b"CREATED", piece, before),
            )
        )
    return chunks


async def verdict(seat: WorkerSeat, settlement: WorkflowSettlement) -> str:
    step: Step = await seat.step([], 0, [settlement])
    return step.verdicts[0]


async def payloads(house: House, id_: str) -> list[bytes]:
    return [event.payload async for event in events.read(house.connection, id_)]


def test_thousands_of_signals_go_along_in_their_order(house: House, run: Run) -> None:
    """Of a worker that dies on its way nothing is left; a repeated call does nothing twice."""
    later = [b"later %d" % n for n in range(600)]

    async def story() -> None:
        await house.start("f")
        first = await house.seat("w1")
        (claim,) = (await first.step(["default"], 1, [])).claims
        for n, payload in enumerate(later):
            await house.signal("f", f"r{n}", payload)
        for chunk in restarts(claim.token)[:5]:
            assert await verdict(first, chunk) == "OK"
        assert await house.history("f~2") == []

        house.clock.now_ms += 20_000
        await house.timekeeper("w2").tend()
        second = await house.seat("w2")
        (claim,) = (await second.step(["default"], 1, [])).claims
        chunks = restarts(claim.token)
        for chunk in chunks[:-1]:
            assert await verdict(second, chunk) == "OK"
            second._answered -= 1  # as if the answer had been lost, and the call were sent again
            assert await verdict(second, chunk) in ("OK", "DONE")
        verdicts = [await verdict(second, chunks[-1])]
        await house.signal("f", "meanwhile", b"meanwhile")
        while verdicts[-1] == "MORE":
            verdicts.append(await verdict(second, chunks[-1]))
            second._answered -= 1
            verdicts.append(await verdict(second, chunks[-1]))
        # 208 and 48 of the last piece, then 256 at a call.
        assert verdicts == ["MORE", "MORE", "MORE", "OK", "DONE"]
        assert await payloads(house, "f~2") == [b"CREATED", *TAKEN, *later, b"meanwhile"]
        begun = await anext(events.read(house.connection, "f~2"))
        assert begun.cause == claim.token
        history = await house.history("f~2")
        assert history == ["created"] + ["signal_received"] * (len(history) - 1)
        assert (await house.history("f"))[-1] == "restarted"
        assert await house.ids(attributes=(("n", "1"),)) == ["f~2", "f"]
        # It waited for nothing before.
        house.clock.now_ms += 1_000
        await house.timekeeper("w2").tend()
        (claim,) = (await second.step(["default"], 1, [])).claims
        assert isinstance(claim, WorkflowClaim)
        assert (claim.id, claim.version) == ("f~2", len(history))

    play(house, run, story)


def test_a_cancel_goes_along_among_many_signals(house: House, run: Run) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        for n in range(300):
            await house.signal("f", f"r{n}")
        await transitions.cancel_execution(
            house.connection, execution_id="f", request="end", at_once=False, payload=b"R"
        )
        end = msgspec.structs.replace(
            restarts(claim.token)[-1],
            chunk=1,
            successor=Successor("greet", "d1", UNBOUNDED, b"CREATED"),
        )
        assert await verdict(seat, end) == "MORE"
        assert await verdict(seat, end) == "OK"
        assert (await house.history("f~2"))[-1] == "cancel_requested"
        house.clock.now_ms += 61_000
        await house.timekeeper().tend()
        assert await house.status("f~2") == "cancelled"

    play(house, run, story)


def test_what_was_gathered_and_is_gone_is_gathered_anew_by_another_claim(
    house: House, run: Run
) -> None:
    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        chunks = restarts(claim.token)
        for chunk in chunks[:4]:
            assert await verdict(seat, chunk) == "OK"
        await house.connection.command("DEL", house.keys.staged("f~2"))
        assert await verdict(seat, chunks[4]) == "STALE"
        (claim,) = (await seat.step(["default"], 1, [])).claims
        for chunk in restarts(claim.token):
            last = await verdict(seat, chunk)
        assert last == "OK"
        assert await payloads(house, "f~2") == [b"CREATED", *TAKEN]

    play(house, run, story)


def test_what_was_gathered_over_a_time_begins_as_its_history_says(house: House, run: Run) -> None:
    """Nothing goes along: the first event is the only one, and older than the last call."""

    async def story() -> None:
        await house.start("f")
        seat = await house.seat()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        soon = house.clock.now_ms + 5
        timers = (NewTimer(1, soon), *(NewTimer(n, soon + 5) for n in range(2, 302)))
        await seat.step(
            [], 0, [WorkflowSettlement("f", claim.token, 1, decided=b"D", timers=timers)]
        )
        house.clock.now_ms += 5
        await house.timekeeper().tend()
        (claim,) = (await seat.step(["default"], 1, [])).claims
        house.clock.now_ms += 5
        while len(await house.history("f")) < 2 + 301:
            await house.timekeeper().tend()
        end = WorkflowSettlement(
            "f",
            claim.token,
            3,
            outcome="restarted",
            payload=b"RESTARTED",
            successor=Successor("greet", "d1", UNBOUNDED, b"CREATED"),
        )
        assert await verdict(seat, end) == "MORE"
        house.clock.now_ms += 7
        assert await verdict(seat, end) == "OK"

        (claim,) = (await seat.step(["default"], 1, [])).claims

        assert isinstance(claim, WorkflowClaim)
        assert claim.events == (await anext(events.read(house.connection, "f~2")),)
        assert await house.history("f~2") == ["created"]

    play(house, run, story)
