"""The live view: rates between two readings, and what can be read on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from textual.pilot import Pilot

from rhythm import InitBuilder, Worker, WorkflowFile
from rhythm.errors import ConnectionLost
from rhythm.models import (
    Diagnosis,
    ExecutionType,
    Finding,
    Pause,
    QueueInfo,
    Severity,
    WorkerInfo,
)
from rhythm.services.diagnosis import latencies
from rhythm.tasks import TaskRegistry
from rhythm.top import Failure, Reading, Top, read
from rhythm.top.tables import amiss, headline, tables

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(seconds: float = 0, **changes: Any) -> Reading:
    """A made-up one, so long after the first."""
    parts: dict[str, Any] = {
        "server": "redis",
        "server_version": "7.0.15",
        "persistence": "aof",
        "maxmemory_policy": "noeviction",
        "namespace": "shop",
        "schema": 1,
        "partitions": 1,
        "workers": [worker()],
        "queues": [QueueInfo(name="mail", ready=0, workers=1)],
        "due": 3,
        "executions": {},
        "findings": [],
    }
    failures, times = changes.pop("failures", []), changes.pop("latencies", [])
    return Reading(
        at=BEGAN + timedelta(seconds=seconds),
        diagnosis=Diagnosis(**{**parts, **changes}),
        failures=failures,
        latencies=times,
    )


def worker(lease_ms: int = 8000) -> WorkerInfo:
    return WorkerInfo(
        id="w1",
        host="north",
        pid=7,
        queues=["mail"],
        tasks=[],
        started_at=BEGAN,
        lease_expires_in_ms=lease_ms,
        holding=2,
    )


def rows(now: Reading, before: Reading | None, header: str) -> list[list[str]]:
    """The rows of the table that begins with that header."""
    [table] = [table for table in tables(now, before) if table.headers[0] == header]
    return table.rows


def test_rates_are_what_changed_divided_by_the_time_between() -> None:
    before = reading(executions={"pending": 10, "completed": 100, "failed": 0})
    now = reading(4, executions={"pending": 4, "completed": 1120, "failed": 2})

    assert rows(now, before, "EXECUTIONS") == [
        ["now", "4", "1,120", "2"],
        ["per second", "-1.5", "+255.0", "+0.5"],
    ]
    assert "finished per second: 255.5   " in headline(now, before)


def test_without_an_earlier_reading_or_time_between_there_are_no_rates() -> None:
    now = reading(executions={"completed": 5})

    for before in (None, now, reading(9, executions={"completed": 1})):
        assert rows(now, before, "EXECUTIONS")[1] == ["per second", "-"]
        assert "finished per second: -   " in headline(now, before)


def test_where_more_was_deleted_than_finished_the_rate_is_not_told() -> None:
    before, now = reading(executions={"failed": 5}), reading(1, executions={"failed": 2})

    assert "finished per second: -   " in headline(now, before)


def test_queues_say_what_waits_and_whether_they_are_paused() -> None:
    before = reading(queues=[QueueInfo(name="mail", ready=10, workers=1)])
    now = reading(
        2,
        queues=[
            QueueInfo(name="mail", ready=7, workers=1),
            QueueInfo(name="new", ready=6, workers=0, oldest_waits_s=75.0, limited=12),
        ],
        pauses=[
            Pause(kind="queue", name="mail", since=BEGAN, note=None),
            Pause(kind="task", name="new", since=BEGAN, note=None),
        ],
    )

    assert rows(now, before, "QUEUE") == [
        ["mail (paused)", "7", "-1.5", "0", "-", "1"],
        ["new", "6", "+3.0", "12", "75.0 s", "0"],
    ]


def test_a_worker_whose_lease_ran_out_is_overdue_and_none_is_a_warning() -> None:
    assert rows(reading(), None, "WORKER")[0][-4:] == ["never", "8.0 s left", "-", "-"]
    assert rows(reading(workers=[worker(-1500)]), None, "WORKER")[0][-3] == "overdue by 1.5 s"
    gone = Finding(code="gone", severity=Severity.ERROR, text="it is gone", remedy="find it")
    assert amiss(reading(workers=[], findings=[gone])) == [
        (Severity.WARNING, "no workers"),
        (Severity.ERROR, "it is gone; find it"),
    ]


def test_latencies_are_by_name_the_middle_one_and_the_longest_but_a_twentieth() -> None:
    facts = [
        {"ty": "task", "tg": "pay", "cr": "0", "sa": str(ms), "co": str(ms + 2_000)}
        for ms in range(1, 41)
    ]
    never_begun = {"ty": "workflow", "tg": "it", "cr": "0", "co": "5"}
    found = latencies([*facts, never_begun, {"ty": "workflow", "tg": "it", "cr": "0"}])

    [pay] = found
    assert (pay.count, pay.waited_s, pay.waited_most_s) == (40, 0.0205, 0.038)
    assert rows(reading(latencies=found), None, "COMPLETED LAST") == [
        ["task pay", "40", "20 ms", "38 ms", "2.0 s", "2.0 s"]
    ]


def screen(app: Top) -> str:
    """What can be read, without colour."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[None], app: Top, text: str) -> str:
    async with asyncio.timeout(30):
        while text not in (shown := screen(app)):
            await pilot.pause()
    return shown


def test_it_reads_again_on_r_and_keeps_what_it_has_while_redis_is_away() -> None:
    failure = Failure(
        id="exec_1",
        type=ExecutionType.TASK,
        target_name="send",
        failed_at=BEGAN,
        error="OSError: [red] no route",
    )
    answers: list[Reading | ConnectionLost] = [
        reading(executions={"completed": 10}),
        reading(2, executions={"completed": 20}, failures=[failure]),
        ConnectionLost("redis://north:6379/0", "refused"),
        reading(4, executions={"completed": 20}),
    ]

    async def next_answer() -> Reading:
        answer = answers.pop(0)
        if isinstance(answer, ConnectionLost):
            raise answer
        return answer

    async def story() -> None:
        app = Top(next_answer, every_s=3600)
        async with app.run_test(size=(120, 30)) as pilot:
            first = await until(pilot, app, "12:00:00 UTC")
            assert "finished per second: -" in first and "FAILED  NAME" not in first
            await pilot.press("r")
            shown = await until(pilot, app, "finished per second: 5.0")
            assert "OSError: [red] no route" in shown
            await pilot.press("r")
            away = await until(pilot, app, "not read: ")
            assert "redis://north:6379/0" in away and "12:00:02 UTC" in away and "exec_1" in away
            await pilot.press("r")
            assert "not read" not in await until(pilot, app, "12:00:04 UTC")
            await pilot.press("q")
        assert app.return_code == 0

    asyncio.run(story())


def test_what_is_read_is_what_is_there(
    database_url: str, namespace: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def story() -> None:
        flow = WorkflowFile("bad", 'throw new Error("no tea")', "bad.flow")
        good_flow = WorkflowFile("good", "return 1", "good.flow")
        builder = (
            InitBuilder()
            .database_url(database_url)
            .namespace(namespace)
            .workflows([flow, good_flow])
        )
        async with builder as app, Worker(app, registry=TaskRegistry()):
            good = await app.execution_service.create_execution(target_name="good")
            await app.execution_service.wait_for_execution(good, timeout=30)
            ids = [
                await app.execution_service.create_execution(target_name="bad") for _ in "123456"
            ]
            for id in ids:
                await app.execution_service.wait_for_execution(id, timeout=30)
            found = await read(app)
        assert [one.error for one in found.failures] == ["Error: no tea"] * 5
        assert {one.id for one in found.failures} < set(ids)
        assert found.diagnosis.executions["failed"] == 6
        assert len(found.diagnosis.workers) == 1
        assert [(one.target_name, one.count) for one in found.latencies] == [("good", 1)]
        assert rows(found, None, "EXECUTIONS")[0][0] == "now"

    run(story())
