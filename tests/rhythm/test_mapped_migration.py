"""Live executions that go on with a source on which their history does not replay."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rhythm import InvalidRequest, NondeterminismError
from rhythm.history import bundle, recording
from rhythm.history.cursor import opened
from rhythm.history.timeline import Span
from tests.rhythm.test_fork import all_is_well
from tests.rhythm.test_workflows import Stage, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

OLD = """
    const n = await Task.run("square", { x: 3 })
    async function ask(name) {
      const said = await Signal.when(name)
      return [name, said, n]
    }
    const other = ask("other")
    const go = await Signal.when("go")
    return [n, go, await other]
"""
# Before: another task. After: what was there is used otherwise.
NEW = """
    await Task.run("square", { x: 100 })
    const n = await Task.run("square", { x: 2 })
    async function ask(name) {
      const said = await Signal.when(name)
      return { name, said, n, more: await Task.run("square", { x: n }) }
    }
    const other = ask("other")
    const go = await Signal.when("go")
    const double = (x) => x * 2
    return [double(n), go, await other]
"""


async def moved(stage: Stage) -> None:
    await stage.start("it", id="one")
    await stage.until("one", "child_completed")
    histories = stage.app.history_service
    with pytest.raises(NondeterminismError):
        await histories.migrate_execution("one", NEW, path="new.flow")
    would = await histories.migrate_execution("one", NEW, path="new.flow", maps=True, dry=True)
    assert await stage.types("one") == ["created", "decided", "child_completed"]
    done = await histories.migrate_execution("one", NEW, path="new.flow", maps=True)
    assert would == done
    assert sorted((one.function, one.old_line, one.new_line) for one in done) == [
        ("ask", 4, 5),
        ("main", 8, 9),
    ]


def test_what_waits_goes_on_in_a_source_that_would_have_decided_otherwise(
    database_url: str, namespace: str, run: Run, tmp_path: Path
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=OLD) as stage:
            histories, signals = stage.app.history_service, stage.app.signal_service
            await moved(stage)
            for name in ("other", "go"):
                await signals.send_signal(workflow_id="one", signal_name=name, payload=name)
            ended = await stage.end("one")

            other = {"name": "other", "said": "other", "n": 9, "more": 81}
            assert ended.result() == [18, "go", other]
            assert await all_is_well(stage)

            replay = await histories.replay("one")
            assert (replay.first, replay.program.source, replay.outcome) == (4, NEW, replay.outcome)
            assert replay.outcome is not None
            while replay.back() is not None:
                pass
            assert replay.version == 4
            assert sorted(at.line for at in replay.where()) == [5, 9]
            before = await histories.replay("one", upto=3)
            assert (before.program.source, before.version) == (OLD, 3)
            with pytest.raises(InvalidRequest, match="another source ran before event 4"):
                replay.goto(3)
            await stage.start("it", id="unmoved")
            await stage.until("unmoved", "child_completed")
            parted = await histories.diff("one", "unmoved")
            assert parted.parts == "told" and parted.a is not None and parted.a.version == 4

            file = tmp_path / "one.bundle"
            file.write_bytes(bundle.encode(await histories.export_bundle("one", values=True)))
            exported = histories.open_bundle(file)
            assert exported.replay().outcome == replay.outcome
            assert names(exported.timeline()) == names(await histories.timeline("one"))
            recorded = recording.encode(await histories.record("one"))
            assert opened(recording.decode(recorded, "one.json")).outcome == replay.outcome

    run(story())


def names(span: Span) -> list[str]:
    return [span.name, *(name for part in span.parts for name in names(part))]


def test_it_is_forked_before_and_after_and_moved_again(
    database_url: str, namespace: str, run: Run
) -> None:
    newest = NEW.replace("double(n), go", "double(n), 'newest', go").replace("x: 100", "x: 7")

    async def story() -> None:
        async with on_stage(database_url, namespace, it=OLD) as stage:
            histories, signals = stage.app.history_service, stage.app.signal_service
            await moved(stage)
            await histories.fork("one", 3, id="before")
            await histories.fork("one", 4, id="after")
            assert await histories.what_if("one", newest)
            assert await histories.migrate_execution("one", newest, path="newest.flow", maps=True)
            with pytest.raises(NondeterminismError, match="a move onto the source"):
                await histories.fork("one", 5, id="no", source=NEW + "// other")
            for id_ in ("one", "before", "after"):
                for name in ("other", "go"):
                    await signals.send_signal(workflow_id=id_, signal_name=name, payload=name)

            other = {"name": "other", "said": "other", "n": 9, "more": 81}
            assert (await stage.end("before")).result() == [9, "go", ["other", "other", 9]]
            assert (await stage.end("after")).result() == [18, "go", other]
            assert (await stage.end("one")).result() == [18, "newest", "go", other]
            assert (await histories.replay("one")).first == 5
            assert await all_is_well(stage)

    run(story())


def test_what_cannot_be_told_is_refused_and_changes_nothing(
    database_url: str, namespace: str, run: Run
) -> None:
    without = OLD.replace('await Signal.when("go")', '"at once"').replace("x: 3", "x: 4")
    lacking = OLD.replace('const n = await Task.run("square", { x: 3 })', "const m = 1, n = m")

    async def story() -> None:
        async with on_stage(database_url, namespace, it=OLD) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "child_completed")
            for source, why in (
                (without, r"line 8: it waits here, and the other source has no such place"),
                (lacking, r"variable m would have no value"),
            ):
                with pytest.raises(InvalidRequest, match=why):
                    await stage.app.history_service.migrate_execution(
                        "one", source, path="new.flow", maps=True
                    )
            assert await stage.types("one") == ["created", "decided", "child_completed"]

    run(story())
