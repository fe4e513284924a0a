"""Tasks started by themselves, run by a worker, on both servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from rhythm import (
    ConfigurationError,
    ConnectionLost,
    ExecutionFailed,
    ExecutionStatus,
    InitBuilder,
    Provided,
    Rhythm,
    TaskContext,
    WaitTimeout,
    Worker,
)
from rhythm.engine.fold import fold
from rhythm.models import from_unix_ms
from rhythm.tasks import TaskDefinition, TaskRegistry
from streams import events as stream
from streams.connection import Connection
from streams.definitions import SCHEMA

Run = Callable[[Coroutine[Any, Any, None]], None]


class Mailer:
    """What tasks get from resources."""

    def __init__(self) -> None:
        self.sent: list[str] = []


async def greet(name: str) -> str:
    return f"hello {name}"


def add(left: int, right: int = 1) -> int:
    return left + right


async def fail() -> None:
    raise LookupError("nothing there")


async def mail(to: str, mailer: Provided[Mailer], context: TaskContext) -> dict[str, Any]:
    mailer.sent.append(to)
    return {"attempt": context.attempt, "id": context.execution_id}


def exits() -> None:
    raise SystemExit(3)


def a_registry(*functions: Callable[..., Any]) -> TaskRegistry:
    registry = TaskRegistry()
    for function in functions:
        registry.add(TaskDefinition(function.__name__, None, function))
    return registry


@asynccontextmanager
async def at_work(
    url: str, namespace: str, registry: TaskRegistry, **options: Any
) -> AsyncIterator[Rhythm]:
    async with (
        InitBuilder().database_url(url).namespace(namespace) as app,
        Worker(app, registry=registry, **options),
    ):
        yield app


async def ended(app: Rhythm, target: str, **inputs: Any) -> Any:
    id_ = await app.execution_service.create_execution(
        exec_type="task", target_name=target, inputs=inputs
    )
    return await app.execution_service.wait_for_execution(id_, timeout=30)


def test_async_and_sync_tasks_give_their_results(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(greet, add)) as app:
            greeted = await ended(app, "greet", name="Ada")
            added = await ended(app, "add", left=2)

        assert greeted.result() == "hello Ada"
        assert (greeted.status, greeted.attempt, greeted.version) == ("completed", 1, 3)
        assert greeted.started_at >= greeted.created_at
        assert greeted.completed_at >= greeted.started_at
        assert added.result() == 3

    run(story())


@pytest.mark.errors_expected  # SystemExit in a task
def test_what_a_task_raises_is_its_answer(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(fail, exits)) as app:
            failed = await ended(app, "fail")
            exited = await ended(app, "exits")

        assert failed.status is ExecutionStatus.FAILED
        assert failed.output["name"] == "LookupError"
        first, where, *_ = failed.output["traceback"].splitlines()
        assert first == "Traceback (most recent call last):"
        # It begins with the task's own function.
        assert __file__ in where
        assert "nothing there" in failed.output["traceback"]
        with pytest.raises(ExecutionFailed, match="LookupError: nothing there"):
            failed.result()
        assert exited.output["name"] == "SystemExit"

    run(story())


def test_inputs_that_do_not_fit_fail_the_task_at_once(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(add)) as app:
            failed = await ended(app, "add", left="two")

        assert failed.output["name"] == "InvalidTaskInputs"
        assert "'left'" in failed.output["message"]
        assert failed.attempt == 1

    run(story())


def test_resources_are_entered_once_and_given_to_tasks(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        mailer, entered = Mailer(), []

        @asynccontextmanager
        async def resources() -> AsyncIterator[dict[Any, object]]:
            entered.append("in")
            yield {Mailer: mailer}
            entered.append("out")

        async with at_work(database_url, namespace, a_registry(mail), resources=resources) as app:
            first = await ended(app, "mail", to="a@b.c")
            await ended(app, "mail", to="d@e.f")

        assert mailer.sent == ["a@b.c", "d@e.f"]
        assert entered == ["in", "out"]
        assert first.result() == {"attempt": 1, "id": first.id}

    run(story())


def test_many_tasks_at_once_all_complete(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(add), concurrency=7) as app:
            ids = await asyncio.gather(
                *(
                    app.execution_service.create_execution(
                        exec_type="task", target_name="add", inputs={"left": i, "right": i}
                    )
                    for i in range(60)
                )
            )
            ends = await asyncio.gather(
                *(app.execution_service.wait_for_execution(id_, timeout=30) for id_ in ids)
            )

        assert [end.result() for end in ends] == [2 * i for i in range(60)]

    run(story())


def test_waiting_in_vain_says_that_nobody_serves_the_queue(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(greet)) as app:
            id_ = await app.execution_service.create_execution(
                exec_type="task", target_name="greet", queue="elsewhere", inputs={"name": "Ada"}
            )
            with pytest.raises(WaitTimeout, match="no worker serves its queue 'elsewhere'"):
                await app.execution_service.wait_for_execution(id_, timeout=0.05)

    run(story())


def test_draining_finishes_what_runs(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            begun.set()
            await go_on.wait()
            return "done"

        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            worker = Worker(app, registry=a_registry(slow))
            running = asyncio.create_task(worker.run())
            id_ = await app.execution_service.create_execution(exec_type="task", target_name="slow")
            await begun.wait()
            worker.stop()
            later = await app.execution_service.create_execution(
                exec_type="task", target_name="slow"
            )
            go_on.set()
            await running

            finished = await app.execution_service.get_execution(id_)
            untouched = await app.execution_service.get_execution(later)
            assert finished is not None and finished.status == "completed"
            assert untouched is not None and untouched.status == "pending"
            assert (await app.diagnose()).workers == []

    run(story())


def test_a_task_nobody_knows_fails_with_the_known_names_when_patience_is_over(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setenv("RHYTHM_UNKNOWN_TASK_PATIENCE", "0.5")
        async with at_work(database_url, namespace, a_registry(greet, add)) as app:
            failed = await ended(app, "gret", name="Ada")
            history = await app.history_service.events(failed.id)

        assert failed.output["name"] == "TaskNotRegistered"
        assert "did you mean 'greet'" in failed.output["message"]
        assert "add, greet" in failed.output["message"]
        assert "released" in [event.type for event in history]
        assert failed.attempt == 1

    run(story())


@pytest.mark.usefixtures("one_partition")
def test_a_projection_is_what_its_events_fold_to(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setenv("RHYTHM_UNKNOWN_TASK_PATIENCE", "0.5")
        async with at_work(database_url, namespace, a_registry(greet, fail)) as app:
            ends = [
                await ended(app, "greet", name="Ada"),
                await ended(app, "fail"),
                await ended(app, "nobody"),
            ]
            waiting = await app.execution_service.create_execution(
                exec_type="task", target_name="greet", queue="elsewhere"
            )
            ends.append(await app.execution_service.get_execution(waiting))
        async with Connection(database_url, namespace) as connection:
            for execution in ends:
                history = [event async for event in stream.read(connection, execution.id)]
                facts = fold(execution.id, history)
                assert (
                    facts.type,
                    facts.target,
                    facts.queue,
                    facts.status,
                    from_unix_ms(facts.created_ms),
                    facts.started_ms and from_unix_ms(facts.started_ms),
                    facts.ended_ms and from_unix_ms(facts.ended_ms),
                    facts.attempt,
                    facts.version,
                ) == (
                    execution.type,
                    execution.target_name,
                    execution.queue,
                    execution.status,
                    execution.created_at,
                    execution.started_at,
                    execution.completed_at,
                    execution.attempt,
                    execution.version,
                )

    run(story())


def test_closing_ends_those_who_wait(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        app = await InitBuilder().database_url(database_url).namespace(namespace).init()
        id_ = await app.execution_service.create_execution(exec_type="task", target_name="greet")
        waiting = asyncio.create_task(app.execution_service.wait_for_execution(id_))
        await asyncio.sleep(0)  # lets it begin; wherever it then is, it must end

        await app.close()

        with pytest.raises(ConnectionLost):
            await waiting

    run(story())


def test_a_lease_is_kept_while_a_task_runs_longer_than_it(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setenv("RHYTHM_LEASE", "0.6")

        async def longer_than_a_lease() -> str:
            await asyncio.sleep(1.3)  # the work itself, not a wait for something
            return "done"

        def blocking() -> str:
            time.sleep(1)  # as above
            return "done"

        registry = a_registry(longer_than_a_lease, blocking)
        async with at_work(database_url, namespace, registry) as app:
            ends = [await ended(app, "longer_than_a_lease"), await ended(app, "blocking")]
            histories = [await app.history_service.events(end.id) for end in ends]

        for history in histories:
            assert [event.type for event in history] == ["created", "started", "completed"]

    run(story())


def test_a_task_that_raises_cancelled_error_itself_has_failed(
    database_url: str, namespace: str, run: Run
) -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError("I do not want to")

    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(gives_up)) as app:
            failed = await ended(app, "gives_up")

        assert (failed.output["name"], failed.attempt) == ("CancelledError", 1)

    run(story())


def test_an_error_whose_text_no_json_carries_is_a_failure_all_the_same(
    database_url: str, namespace: str, run: Run
) -> None:
    async def odd() -> None:
        raise ValueError("half a \ud83d character, " + "and long" * 10_000)

    async def story() -> None:
        async with at_work(database_url, namespace, a_registry(odd)) as app:
            failed = await ended(app, "odd")

        assert failed.output["name"] == "ValueError"
        assert failed.output["message"].startswith("half a ? character")
        assert len(failed.output["message"]) <= 16 * 1024

    run(story())


def test_a_task_that_another_worker_of_the_queue_knows_waits_for_it(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setenv("RHYTHM_UNKNOWN_TASK_PATIENCE", "0.1")
        busy, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            busy.set()
            await go_on.wait()

        async with at_work(database_url, namespace, a_registry(hold, greet), concurrency=1) as app:
            start = app.execution_service.create_execution
            held = await start(exec_type="task", target_name="hold")
            await busy.wait()
            id_ = await start(exec_type="task", target_name="greet", inputs={"name": "Ada"})
            # The worker that knows it is busy: the other one gets it, again and again.
            async with (
                Worker(app, registry=a_registry(add)),
                aclosing(app.history_service.follow(id_)) as history,
            ):
                released = 0
                async for event in history:
                    released += event.type == "released"
                    if released == 2:
                        break
            # Were it still there, it might get it many times more.
            go_on.set()
            greeted = await app.execution_service.wait_for_execution(id_, timeout=30)
            await app.execution_service.wait_for_execution(held, timeout=30)

        assert greeted.result() == "hello Ada"

    run(story())


def test_a_worker_ends_where_another_release_has_set_the_namespace_up(
    database_url: str, namespace: str, run: Run, one_partition: None
) -> None:
    """As after a server was emptied, or another's copy restored."""

    async def story() -> None:
        async with InitBuilder().database_url(database_url).namespace(namespace) as app:
            ready = asyncio.Event()
            working = asyncio.create_task(
                Worker(app, registry=a_registry(), on_ready=ready.set).run()
            )
            await ready.wait()
            (seat,) = await seats(app)
            connection = app._connection
            await connection.command("HSET", connection.keys.meta, "schema", SCHEMA + 1)
            await connection.command("DEL", connection.keys.partitions[0].held(seat))
            await app.execution_service.create_execution(target_name="x", exec_type="task")

            with pytest.raises(ConfigurationError, match="a newer release set it up"):
                await working

    run(story())


async def seats(app: Rhythm) -> list[str]:
    return [worker.id for worker in (await app.diagnose()).workers]
