"""Executions that share the history of another one up to an event, and go on by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import (
    ExecutionExists,
    ExecutionNotFound,
    ExecutionStatus,
    InvalidPayload,
    InvalidRequest,
)
from rhythm.errors import NondeterminismError
from rhythm.events import Origin
from rhythm.history.verify import Finding
from rhythm.tasks import TaskDefinition
from streams.transitions import STAGED_AT_ONCE
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]


class Works:
    """Tasks that count how often they ran, and one that fails until it is mended."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.broken = True

    def definitions(self) -> list[TaskDefinition]:
        async def note(what: str) -> str:
            self.ran[what] += 1
            return f"{what} noted"

        async def brittle(what: str = "it") -> str:
            self.ran[what] += 1
            if self.broken:
                raise LookupError(f"{what} broke")
            return f"{what} held"

        return [TaskDefinition("note", None, note), TaskDefinition("brittle", None, brittle)]


async def all_is_well(stage: Stage) -> bool:
    """Nothing that is kept of any execution disagrees with its events."""
    found: list[Finding] = []
    async for _, findings in stage.app.verification_service.verify_all():
        found += findings
    assert found == []
    return True


ORDER = """
    const first = await Task.run("note", { what: "first" })
    let price = 3
    const [paid, told] = await Promise.all([
      Task.run("brittle", { what: "pay" }), Task.run("note", { what: "tell" }),
    ])
    State.set("price", price)
    return [first, paid, told, price, Context.executionId]
"""


def test_a_failed_workflow_is_tried_again_and_what_was_done_stays_done(
    database_url: str, namespace: str, run: Run
) -> None:
    works = Works()

    async def story() -> None:
        registry = a_registry(*works.definitions())
        async with on_stage(database_url, namespace, registry, order=ORDER) as stage:
            await stage.start("order", id="one")
            failed = await stage.end("one")
            assert failed.status is ExecutionStatus.FAILED
            await stage.end("one/3")
            history = await stage.app.history_service.events("one")
            works.broken = False

            fork = await stage.app.history_service.fork("one", edits={"price": 5})
            ended = await stage.end(fork)

            assert ended.result() == ["first noted", "pay held", "tell noted", 5, fork]
            assert works.ran == {"first": 1, "tell": 1, "pay": 2}
            assert fork.startswith("one.fork.")
            assert await stage.app.history_service.events("one") == history
            (told,) = [
                e for e in await stage.app.history_service.events(fork) if e.type == "forked"
            ]
            assert told.data["origin"]["execution_id"] == "one"
            assert ended.forked_from == Origin("one", told.version - 1)
            assert ended.created_at == told.at > failed.created_at
            assert await all_is_well(stage)
            replay = await stage.app.history_service.replay(fork)
            assert replay.outcome is not None

    run(story())


def test_a_fork_takes_another_script_that_decides_alike_so_far(
    database_url: str, namespace: str, run: Run
) -> None:
    broken = 'const a = await Task.run("note", { what: "a" })\nreturn a.missing.length'
    mended = (
        'const a = await Task.run("note", { what: "a" })\nreturn [a.length, Context.definition]'
    )
    other = 'const b = await Task.run("note", { what: "b" })\nreturn b'
    works = Works()

    async def story() -> None:
        registry = a_registry(*works.definitions())
        async with on_stage(database_url, namespace, registry, it=broken) as stage:
            await stage.start("it", id="one")
            failed = await stage.end("one")

            fork = await stage.app.history_service.fork("one", source=mended)
            with pytest.raises(NondeterminismError):
                await stage.app.history_service.fork("one", source=other)

            ended = await stage.end(fork)
            assert ended.result() == [7, ended.definition]
            assert ended.definition != failed.definition
            assert works.ran == {"a": 1}
            # Who starts it by its name gets what was registered.
            assert (await stage.app.workflow_service.get_workflow("it")).latest
            assert await all_is_well(stage)

    run(story())


@pytest.mark.parametrize("how", ["forked", "migrated"])
def test_another_script_is_there_also_if_a_failover_lost_it_on_the_way(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    first, other = 'return await Signal.next("go")', 'return [await Signal.next("go")]'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=first) as stage:
            connection, histories = stage.app._connection, stage.app.history_service
            sources, write = connection.keys.definition("it"), connection.write
            await stage.start("it", id="one")
            await stage.until("one", "decided")

            async def lost_before(*call: Any) -> Any:
                for digest in await connection.command("HKEYS", sources):
                    if digest not in known:
                        await connection.command("HDEL", sources, digest)
                return await write(*call)

            known = await connection.command("HKEYS", sources)
            monkeypatch.setattr(connection, "write", lost_before)
            if how == "forked":
                moved = await histories.fork("one", 2, source=other)
            else:
                await histories.migrate_execution("one", other, path="it.flow")
                moved = "one"
            monkeypatch.undo()
            execution = await stage.app.execution_service.get_execution(moved)
            assert execution is not None and execution.definition is not None
            assert await connection.command("HEXISTS", sources, execution.definition)

    run(story())


def test_children_go_on_where_they_were_good_too(
    database_url: str, namespace: str, run: Run
) -> None:
    parent = """
        const before = await Task.run("note", { what: "before" })
        const parts = await Promise.all([Workflow.run("child", {}), Workflow.run("other", {})])
        return [before, ...parts]
    """
    child = """
        const inner = await Task.run("note", { what: "inner" })
        const outcome = await Workflow.run("grandchild", {})
        return [inner, outcome]
    """
    grandchild = """
        await Task.run("note", { what: "deep" })
        return await Task.run("brittle", { what: "deepest" })
    """
    other = 'return await Task.run("note", { what: "other" })'
    works = Works()
    sources: dict[str, Any] = {
        "parent": parent,
        "child": child,
        "grandchild": grandchild,
        "other": other,
    }

    async def story() -> None:
        registry = a_registry(*works.definitions())
        async with on_stage(database_url, namespace, registry, **sources) as stage:
            await stage.start("parent", id="one")
            assert (await stage.end("one")).status is ExecutionStatus.FAILED
            for below in ("one/2", "one/2/2", "one/3"):
                await stage.end(below)
            works.broken = False

            fork = await stage.app.history_service.fork("one", id="two")
            ended = await stage.end("two")

            assert fork == "two"
            assert ended.result()[1] == ["inner noted", "deepest held"]
            assert works.ran["deepest"] == 2
            assert {works.ran[what] for what in ("before", "inner", "deep")} == {1}
            executions = stage.app.execution_service
            deepest = await executions.get_execution("two/2/2")
            assert deepest is not None
            assert deepest.parent_workflow_id == "two/2"
            assert deepest.forked_from is not None
            assert deepest.forked_from.execution_id == "one/2/2"
            assert await all_is_well(stage)
            await executions.delete_execution("two")
            assert await executions.get_execution("two/2/2") is None

    run(story())


def test_what_ends_its_script_and_is_not_settled_yet_comes_to_the_fork_again(
    database_url: str, namespace: str, run: Run
) -> None:
    """A fork begins before that, of the workflow itself and of a child."""

    async def story() -> None:
        parent = 'return await Workflow.run("child", {})'
        child = 'return await Signal.when("go")'
        async with on_stage(database_url, namespace, parent=parent, child=child) as stage:
            executions, fork = stage.app.execution_service, stage.app.history_service.fork
            await stage.start("parent", id="one")
            await stage.until("one", "decided")
            await stage.until("one/1", "decided")
            await executions.pause_execution("one/1")
            await stage.app.signal_service.send_signal(
                workflow_id="one/1", signal_name="go", payload=5
            )

            await fork("one", id="two")
            await fork("one/1", id="three")

            assert [(await stage.end(id_)).result() for id_ in ("two", "three")] == [5, 5]
            assert await all_is_well(stage)

    run(story())


def test_a_child_that_ends_while_it_is_looked_at_has_completed(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        parent = 'return await Workflow.run("child", {})'
        child = 'return await Signal.when("go")'
        async with on_stage(database_url, namespace, parent=parent, child=child) as stage:
            histories = stage.app.history_service
            look = histories._children

            async def look_and_wait(*what: Any) -> Any:
                found = await look(*what)
                monkeypatch.undo()
                await stage.app.signal_service.send_signal(
                    workflow_id="one/1", signal_name="go", payload=5
                )
                await stage.end("one/1")
                return found

            await stage.start("parent", id="one")
            await stage.until("one", "decided")
            await stage.until("one/1", "decided")
            monkeypatch.setattr(histories, "_children", look_and_wait)

            await histories.fork("one", 2, id="two")

            assert (await stage.end("two")).result() == 5
            assert await stage.app.execution_service.get_execution("two/1") is None

    run(story())


def test_a_fork_of_one_that_waits_has_timers_and_signals_of_its_own(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const c = Context
        await Task.run("note", { what: "a" })
        const slow = Task.run("note", { what: "b" })
        const go = await Promise.race([Signal.when("go"), Timer.delay("3h")])
        return [go, await slow, c.executionId, c.startedAt !== null]
    """
    works = Works()

    async def story() -> None:
        registry = a_registry(*works.definitions())
        async with on_stage(database_url, namespace, registry, it=source) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "child_completed", 2)
            histories = stage.app.history_service

            fork = await histories.fork("one", 4, id="two")
            again = await histories.fork("one", 4, id="two")
            third = await histories.fork("two", id="three")
            fresh = await histories.fork("one", 4, results=False)
            await stage.until("two", "decided", 2)
            assert await all_is_well(stage)
            for id_, go in (("one", 1), ("two", 2), ("three", 3), (fresh, 4)):
                await stage.app.signal_service.send_signal(
                    workflow_id=id_, signal_name="go", payload=go
                )
            ended = [await stage.end(id_) for id_ in ("one", "two", "three", fresh)]

            assert fork == again == "two"
            assert third == "three"
            assert [one.result() for one in ended] == [
                [n, "b noted", id_, True]
                for n, id_ in ((1, "one"), (2, "two"), (3, "three"), (4, fresh))
            ]
            assert works.ran == {"a": 1, "b": 2}
            assert ended[2].forked_from is not None
            assert ended[2].forked_from.execution_id == "two"
            assert await all_is_well(stage)

    run(story())


def test_a_fork_late_in_a_long_history_comes_to_the_same(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        let sum = 0
        for (let i = 0; i < 130; i++) sum += await Task.run("square", { x: i })
        return sum
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, sums=source) as stage:
            await stage.start("sums", id="one")
            expected = (await stage.end("one")).result()
            history = await stage.app.history_service.events("one")
            assert len(history) > STAGED_AT_ONCE

            for at in (len(history) - 2, len(history) - 3):
                fork = await stage.app.history_service.fork("one", at)
                assert (await stage.end(fork)).result() == expected
            assert await all_is_well(stage)

    run(story())


def test_what_cannot_be_forked_is_refused_and_nothing_is_created(
    database_url: str, namespace: str, run: Run
) -> None:
    source = (
        'let x = 1\nawait Task.run("greet", { name: "Ada" })\nawait Signal.when("go")\nreturn x'
    )

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "child_completed")
            histories = stage.app.history_service
            refused: list[tuple[int, dict[str, Any], str]] = [
                (0, {}, "has events 1 to 3"),
                (4, {}, "has events 1 to 3"),
                (2, {"edits": {"y": 1}}, "no function that waits has a variable 'y'"),
                (2, {"id": "a b"}, "is not made of the characters"),
                (True, {}, "give an event's number, not"),
                (2, {"edits": [("x", 1)]}, "give a dict of paths and values, not"),
                (2, {"edits": {1: 1}}, "a path is text, not"),
                (2, {"source": b""}, "give the text of a .flow, not"),
            ]
            for at, more, problem in refused:
                with pytest.raises(InvalidRequest) as caught:
                    await histories.fork("one", at, **more)
                assert problem in str(caught.value)
            with pytest.raises(InvalidPayload, match=r"edits\['x'\]"):
                await histories.fork("one", 2, edits={"x": float("nan")})
            with pytest.raises(InvalidRequest, match="is a task"):
                await histories.fork("one/1", 1)
            with pytest.raises(ExecutionNotFound):
                await histories.fork("nobody", 1)
            await histories.fork("one", 2, id="two")
            with pytest.raises(ExecutionExists):
                await histories.fork("one", 3, id="two")
            await stage.app.execution_service.cancel_execution("one", "enough")
            await stage.end("one")
            with pytest.raises(InvalidRequest, match="before it was to end"):
                await histories.fork("one", 4)
            await stage.app.signal_service.send_signal(workflow_id="two", signal_name="go")
            await stage.end("two")
            with pytest.raises(InvalidRequest, match="'two' completed"):
                await histories.fork("two")
            assert await stage.app.execution_service.count_executions({"target_name": "it"}) == 2
            # What was ended from outside goes on from before that.
            third = await histories.fork("one")
            await stage.app.signal_service.send_signal(workflow_id=third, signal_name="go")
            assert (await stage.end(third)).result() == 1
            assert await all_is_well(stage)

    run(story())
