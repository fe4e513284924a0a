"""What is in Redis after a story that leaves something of everything, as a text to compare.

Names and times are the story's own, so the text is the same each time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from streams import definitions, limits, pauses, projections, schedules, transitions
from streams.errors import OtherLives
from streams.schedules import Start
from streams.transitions import Debounce
from streams.work import (
    Bounds,
    NewChild,
    NewTimer,
    Outgoing,
    Successor,
    TaskSettlement,
    WorkflowSettlement,
)
from tests.streams.house import House

ROOT: Final = Path(__file__).parents[2]
RECORDED: Final = Path(__file__).with_suffix(".txt")

BOUNDS: Final = Bounds(60_000, 50_000, 3_000, 4, 2_000)


def stored() -> str:
    """The schema number, and below it all that is stored at several points of the story."""
    return f"schema {definitions.SCHEMA}\n" + asyncio.run(_story())


def schema_of(text: str) -> str:
    """The line of such a text that says which schema it is of."""
    return text.partition("\n")[0]


async def _story() -> str:
    house = House("memory://", "layout")
    async with house.connection:
        await definitions.migrate(house.connection)
        text, before = "", dict[str, str]()
        for scene in (_begin, _work, _rest, _end):
            await scene(house)
            records = await _records(house)
            text += f"\n# {scene.__doc__}\n\n"
            text += "".join(f"{key} is gone\n" for key in before if key not in records)
            text += "".join(records[key] for key in records if records[key] != before.get(key))
            before = records
            house.clock.now_ms += 1_000
        return text


async def _begin(house: House) -> None:
    """Started, and nobody works yet."""
    connection, now_ms = house.connection, house.clock.now_ms
    await definitions.register(connection, name="greet", digest="d1", source=b"SOURCE")
    await house.start("flow", attributes='customer="c-1"\nn=3')
    await house.signal("flow", "s1")
    await house.start("task", "task", bounds=BOUNDS)
    await house.start("failing", "task")
    await house.start("later", "task", due_ms=now_ms + 90_000)
    await house.start("large", "task", queue="other", payload=b"P" * 600)
    await house.start("idle", target="resting")
    await house.start("key!exec_first", "task", debounce=Debounce(500_000, 900_000))
    for newer in ("key!exec_second", "key!exec_third"):
        with suppress(OtherLives):
            await house.start(newer, "task", debounce=Debounce(300_000), attributes="n=3")
    await house.start("again")
    await house.start("long")
    await transitions.pause_execution(connection, "later")
    await pauses.put(connection, "workflow", "resting", is_paused=True, note="why")
    await projections.register_wait(connection, "flow", "client")
    await schedules.put(
        connection,
        "nightly",
        expected=None,
        revision="v1",
        is_paused=False,
        next_ms=now_ms + 70_000,
        after_ms=now_ms,
        payload=b"SCHEDULE",
    )


async def _work(house: House) -> None:
    """Claimed, with a decision that asks for one of each."""
    connection, now_ms = house.connection, house.clock.now_ms
    seat = await house.seat()
    claims = {claim.id: claim for claim in (await seat.step(["default"], 9, [])).claims}
    await seat.report("task", claims["task"].token, b"DETAILS", b"PROGRESS")
    failed = TaskSettlement(
        "failing", claims["failing"].token, "attempt_failed", b"FAILED", now_ms + 60_000
    )
    flow: Any = claims["flow"]
    decided = WorkflowSettlement(
        "flow",
        flow.token,
        flow.events[-1].version,
        decided=b"DECIDED",
        state=b"STATE",
        attributes='customer=\nstep="paid"',
        children=(
            NewChild(1, "task", "add", "other", "", b"CREATED", "c", BOUNDS),
            NewChild(2, "workflow", "greet", "other", "d1", b"CREATED", "a", attributes="vip=true"),
        ),
        timers=(NewTimer(3, now_ms + 80_000),),
        outbox=(
            Outgoing("signal", 4, "elsewhere", b"SIGNAL"),
            Outgoing("start", 5, "own", b"CREATED", "c", "greet", "other", "d1", "c0", BOUNDS),
        ),
        identity=flow.events[-1].identity,
        snapshot=b"MACHINE",
    )
    restarted = WorkflowSettlement(
        "again",
        claims["again"].token,
        1,
        outcome="restarted",
        payload=b"RESTARTED",
        successor=Successor("greet", "d1", BOUNDS, b"CREATED", (b"SIGNAL",)),
    )
    await transitions.pause_execution(connection, "again")
    is_long = WorkflowSettlement("long", claims["long"].token, 1, decided=b"D", outcome="long")
    await seat.step([], 0, [failed, decided, restarted, is_long])
    await house.signal("flow", "s2")
    await transitions.cancel_execution(
        connection, execution_id="task", request="c1", at_once=False, payload=b"WHY"
    )
    await house.timekeeper().tend()
    (schedule,) = await schedules.read(connection, ["nightly"])
    for due_ms in (now_ms, now_ms + 1):
        await schedules.fire(
            connection,
            schedule,
            why="asked",
            due_ms=due_ms,
            execution_id=f"nightly!{due_ms}",
            request=f"fire-{due_ms}",
            overlap="queue",
            reason=b"REASON",
            start=Start("workflow", "greet", "other", "d1", "c0", b"CREATED", attributes="n=4"),
        )


async def _rest(house: House) -> None:
    """Paused; parked since so many workers were lost with it; come to its time limit."""
    for number in range(5):
        house.clock.now_ms += 11_000
        seat = await house.seat(f"lost{number}", lease_ms=1_000)
        await seat.step(["default"], 9, [])
        house.clock.now_ms += 2_000
        await house.timekeeper(f"keeper{number}", max_lost=3).tend()
    await transitions.pause_execution(house.connection, "later")


async def _end(house: House) -> None:
    """Ended from outside, with what was below; and one that is more urgent waits."""
    await house.start("urgent", "task", bounds=Bounds(priority=9, key="ada"))
    await house.start("only!one")
    limited = {"task:greet": limits.Limits(1, 9, 1_000), "queue:slow": limits.Limits(key_most=1)}
    await limits.put(house.connection, limited)
    for number in range(3):
        await house.start(f"limited{number}", "task", queue="limited")
    limiting = await house.seat("limiting", lease_ms=60_000)
    for _ in range(3):
        await limiting.step(["limited"], 3, [])
    await house.terminate("flow")
    await house.terminate("large")
    house.clock.now_ms += 10_000
    await house.timekeeper("last").tend()
    # Whoever reads the indexes folds in what was noted of their changes.
    await house.ids()


async def _records(house: House) -> dict[str, str]:
    """Each key with what it holds, without the bells, which hold nothing."""
    command = house.connection.command
    records = {}
    for key in sorted(await command("KEYS", "*")):
        kind = (await command("TYPE", key)).decode()
        reading = {
            "hash": ("HGETALL", key),
            "list": ("LRANGE", key, 0, -1),
            "set": ("SMEMBERS", key),
            "stream": ("XRANGE", key, "-", "+"),
            "string": ("GET", key),
            "zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
        }
        content = _content(kind, await command(*reading[kind]))
        if any(content):
            name = _shown(key)
            records[name] = f"{name} {kind}\n" + "".join(f"    {line}\n" for line in content)
    return records


def _content(kind: str, answer: Any) -> list[str]:
    match kind:
        case "hash":
            return [f"{_shown(field)}: {_shown(answer[field])}" for field in sorted(answer)]
        case "stream":
            return [
                f"{_shown(entry)} "
                + " ".join(f"{_shown(f)}={_shown(v)}" for f, v in fields.items())
                for entry, fields in answer
            ]
        case "set":
            return sorted(map(_shown, answer))
        case "string":
            return [_shown(answer)]
    return [_shown(item) for item in answer]


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return repr(value)[2:-1].replace("P" * 600, "P…")
    if isinstance(value, tuple | list):
        return " ".join(map(_shown, value))
    return f"{value:.0f}" if isinstance(value, float) else str(value)
