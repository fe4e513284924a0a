"""Live executions that go on with another definition."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ExecutionFinished, InitBuilder, InvalidRequest, NondeterminismError, Worker
from rhythm.worker.activations import HOT
from rhythm.worker.metrics import Metrics
from tests.rhythm.test_fork import all_is_well
from tests.rhythm.test_workflows import Stage, a_registry, flows, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

OLD = """
    let n = await Task.run("square", { x: 3 })
    const go = await Signal.when("go")
    return [n, go]
"""
NEW = OLD.replace("return [n, go]", 'return [n, go, await Task.run("square", { x: n })]')


def test_a_workflow_at_rest_goes_on_with_another_script(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=OLD) as stage:
            histories, signals = stage.app.history_service, stage.app.signal_service
            await stage.start("it", id="one")
            await stage.until("one", "child_completed")

            await histories.migrate_execution("one", NEW, path="new.flow")
            migrated = await stage.app.execution_service.get_execution("one")
            with pytest.raises(InvalidRequest, match="runs this definition already"):
                await histories.migrate_execution("one", NEW, path="new.flow")
            other = OLD.replace("x: 3", "x: 4")
            with pytest.raises(NondeterminismError, match="square"):
                await histories.migrate_execution("one", other, path="new.flow")
            await signals.send_signal(workflow_id="one", signal_name="go", payload="yes")
            ended = await stage.end("one")

            assert migrated is not None
            assert ended.result() == [9, "yes", 81]
            assert ended.definition == migrated.definition
            assert (await histories.replay("one")).program.source == NEW
            assert (await histories.export_bundle("one", values=True)).replay().outcome is not None
            assert await stage.types("one") == [
                *("created", "decided", "child_completed", "migrated"),
                *("signal_received", "decided", "child_completed", "completed"),
            ]
            fixed = NEW.replace("x: n", "x: n + 1")
            fork = await histories.fork("one", 5, id="two", source=fixed)
            assert (await stage.end(fork)).result() == [9, "yes", 100]
            with pytest.raises(ExecutionFinished):
                await histories.migrate_execution("one", OLD, path="old.flow")
            assert await all_is_well(stage)

    run(story())


class Sources(Metrics):
    """Remembers what machines were made of."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def count_replay(self, source: str, seconds: float) -> None:
        self.seen.append(source)


def test_what_was_migrated_goes_on_from_its_snapshots(
    database_url: str, namespace: str, run: Run
) -> None:
    """Of the other definition's machine, of which nothing is left but by replaying once."""
    old = """
        const all = []
        for (let i = 0; i < 3; i++) {
          await Signal.when("go")
          all.push(await Task.run("square", { x: i }))
        }
        return all
    """

    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflows(flows(it=old)) as app:
            stage, sources = Stage(app), Sources()
            async with Worker(app, registry=a_registry(), keeping=HOT, metrics=sources):
                await stage.start("it", id="one")
                for number in range(3):
                    if number == 1:
                        new = old.replace("return all", "return [...all, 'new']")
                        await app.history_service.migrate_execution("one", new, path="new.flow")
                    await app.signal_service.send_signal(workflow_id="one", signal_name="go")
                    await stage.until("one", "child_completed", number + 1)
                assert (await stage.end("one")).result() == [0, 1, 4, "new"]
            assert sources.seen.count("history") == 1

    run(story())
