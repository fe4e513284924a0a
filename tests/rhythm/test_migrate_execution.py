"""Live executions that go on with another definition."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rhythm import ExecutionFinished, InvalidRequest, NondeterminismError
from tests.rhythm.test_fork import all_is_well
from tests.rhythm.test_workflows import on_stage

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
