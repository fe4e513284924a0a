"""A task that blocks its worker's event loop costs others nothing, and is named in the log."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from rhythm import InitBuilder, Worker
from rhythm.services.workflows import WorkflowFile
from rhythm.tasks import TaskDefinition, TaskRegistry

Run = Callable[[Coroutine[Any, Any, None]], None]

WAITING = WorkflowFile("waiting", 'return await Signal.when("go")', "waiting.flow")


class Hearing(logging.Handler):
    """What the log says of a blocked loop; sets `heard` when it does."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.told = threading.Event(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if "is blocked" in record.getMessage():
            self.told.append(record.getMessage())
            self.heard.set()


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    logger, hearing = logging.getLogger("rhythm.worker"), Hearing()
    logger.addHandler(hearing)
    yield hearing
    logger.removeHandler(hearing)


def test_what_waits_for_a_blocked_worker_is_done_by_another(
    database_url: str, namespace: str, run: Run, hearing: Hearing
) -> None:
    """One worker holds the machine of a workflow, and its loop is blocked when a signal comes."""
    begun, may_end = threading.Event(), threading.Event()
    registry = TaskRegistry()

    async def block() -> None:
        begun.set()
        may_end.wait()

    registry.add(TaskDefinition("block", None, block))

    def builder() -> InitBuilder:
        return InitBuilder().database_url(database_url).namespace(namespace).workflows([WAITING])

    async def be_blocked() -> None:
        async with (
            builder() as app,
            Worker(app, queues=["default", "blocking"], registry=registry),
        ):
            executions = app.execution_service
            await executions.create_execution(target_name="waiting", id="waiting")
            async for event in app.history_service.follow("waiting"):
                if event.type == "decided":
                    break
            await executions.create_execution(
                target_name="block", exec_type="task", queue="blocking", id="block"
            )
            await executions.wait_for_execution("block")

    async def story() -> None:
        async with builder() as app:
            await asyncio.to_thread(begun.wait)
            async with Worker(app, registry=TaskRegistry()):
                await app.signal_service.send_signal(
                    workflow_id="waiting", signal_name="go", payload=1
                )
                ended = await app.execution_service.wait_for_execution("waiting", timeout=30)
            assert ended.result() == 1
            await asyncio.to_thread(hearing.heard.wait)

    thread = threading.Thread(target=asyncio.run, args=(be_blocked(),))
    thread.start()
    try:
        run(story())
    finally:
        may_end.set()
        thread.join()
    (warning,) = hearing.told
    assert "block (" in warning
    assert "may_end.wait()" in warning
