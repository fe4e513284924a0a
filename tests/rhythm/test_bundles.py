"""Executions taken along in a file, and what can be seen of them without a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from rhythm import ConfigurationError, ExecutionNotFound, InvalidRequest, events
from rhythm.cli import main
from rhythm.events import Restarted
from rhythm.history import bundle, files
from rhythm.history.bundle import Bundle, shape
from rhythm.history.recording import Recording
from rhythm.history.timeline import Span
from tests.rhythm.made_up import history_of_tasks
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

PARENT = """\
const secret = "hunter" + 2
console.log(secret)
const given = await Signal.when("given")
return await Workflow.run("child", { secret, given })
"""
CHILD = """\
const x = await Task.run("square", { x: 3 })
await Task.run("fail", { message: Inputs.secret })
"""


@pytest.fixture
def failed(database_url: str, namespace: str, run: Run) -> tuple[Bundle, Bundle, Span]:
    """A workflow whose child failed: with values and without, and its timeline."""
    found: list[Any] = []

    async def story() -> None:
        async with on_stage(database_url, namespace, parent=PARENT, child=CHILD) as stage:
            await stage.start("parent", id="one")
            await stage.until("one", "decided")
            await stage.app.signal_service.send_signal(
                workflow_id="one", signal_name="given", payload={"to": "Ada"}
            )
            await stage.end("one")
            histories = stage.app.history_service
            found.append(await histories.export_bundle("one", values=True))
            found.append(await histories.export_bundle("one"))
            found.append(await histories.timeline("one"))

    run(story())
    return found[0], found[1], found[2]


def test_a_bundle_has_all_below_and_opens_as_it_was(
    failed: tuple[Bundle, Bundle, Span], tmp_path: Path
) -> None:
    with_values, without, _ = failed
    for made in (with_values, without):
        path = tmp_path / "one.bundle"
        path.write_bytes(bundle.encode(made))
        read = files.open_bundle(path)

        assert read == made
        assert list(read.executions) == ["one", "one/1", "one/1/1", "one/1/2"]
        assert {source.workflow for source in read.sources.values()} == {"parent", "child"}


def test_a_bundle_with_values_is_replayed_and_explained_without_a_store(
    failed: tuple[Bundle, Bundle, Span],
) -> None:
    made, _, _ = failed

    replay = made.replay("one/1")
    replay.goto(1, stop=1)
    replay.run_to(line=2)

    assert replay.variables()["x"] == 9
    assert made.execution("one/1").status == "failed"
    explained = made.explain("one/1")
    assert any("hunter2" in sentence for sentence in explained.stands)
    assert any("Traceback" in sentence for sentence in explained.past)
    assert made.what_if(CHILD.replace("3", "4"), "one/1") is not None
    assert made.what_if(CHILD + "\n", "one/1") is None
    assert [event.type for event in made.events("one/1/1")] == ["created", "started", "completed"]


def test_without_values_no_value_is_in_the_file(failed: tuple[Bundle, Bundle, Span]) -> None:
    _, made, _ = failed
    text = bundle.encode(made).decode()

    assert "hunter2" not in text
    assert "Ada" not in text
    assert "File " not in text  # of a traceback
    assert "text(7)" in text
    (signalled,) = [e for e in made.events() if e.type == "signal_received"]
    assert signalled.data["payload"] == {"to": "text(3)"}
    with pytest.raises(InvalidRequest, match="--with-values"):
        made.replay()
    assert "failed" in made.explain().stands[0]
    assert made.timeline().status == "failed"
    with pytest.raises(ExecutionNotFound):
        made.events("two")


def test_a_timeline_has_children_attempts_and_waits(failed: tuple[Bundle, Bundle, Span]) -> None:
    made, _, whole = failed
    kinds = [(depth, span.kind, span.name, span.status) for depth, span in whole.walk()]

    assert made.timeline() == whole
    assert kinds[0] == (0, "workflow", "parent", "failed")
    assert (1, "signal", "given", "came") in kinds
    assert (1, "workflow", "child", "failed") in kinds
    assert (2, "task", "square", "completed") in kinds
    assert [kind for _, kind, _, _ in kinds].count("queued") == 2
    attempts = [status for _, kind, _, status in kinds if kind == "attempt"]
    assert attempts == ["completed", "failed"]
    assert all(part.begins >= whole.begins for _, part in whole.walk())


def test_the_commands_take_a_file_in_place_of_an_id(
    failed: tuple[Bundle, Bundle, Span], tmp_path: Path
) -> None:
    path = tmp_path / "one.bundle"
    path.write_bytes(bundle.encode(failed[0]))

    def told(*words: str) -> str:
        result = CliRunner().invoke(main, [*words])
        assert result.exit_code == 0, result.output
        return result.output

    assert "signal given arrived" in told("history", str(path))
    assert "attempt" in told("timeline", str(path))
    assert json.loads(told("timeline", str(path), "--json"))["status"] == "failed"
    assert "Task 2 'fail' failed" in told("explain", str(path), "--id", "one/1")
    assert "decided as recorded" in told("replay", str(path), "--id", "one/1")
    flow = tmp_path / "child.flow"
    flow.write_text(CHILD)
    assert "would decide" in told("what-if", str(path), "--id", "one/1", "--source", str(flow))
    result = CliRunner().invoke(main, ["replay", "one", "--id", "two"])
    assert "--id chooses from a bundle" in result.output


def test_a_single_recorded_history_opens_as_a_bundle(tmp_path: Path) -> None:
    recorded = history_of_tasks('return await Task.run("a")', [{"output": 1}])
    files.write(recorded, tmp_path / "one.json")

    opened = files.open_bundle(tmp_path / "one.json")

    assert opened.recording() == recorded
    assert files.read(tmp_path / "one.json") == recorded


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no recorded history or bundle"),
        (b"{}", "is no recorded history or bundle"),
        (b"[" * 100_000, "is no recorded history or bundle"),
        (b'{"format": 3}', "has format 3, this release knows 2"),
        (b'{"format": 2}', "is no recorded history or bundle"),
        (
            b'{"format":2,"root":"a","exported_ms":1,"has_values":true,"sources":{},'
            b'"executions":[]}',
            "lacks its root 'a'",
        ),
        (
            b'{"format":2,"root":"a","exported_ms":1,"has_values":true,"sources":{},'
            b'"executions":[{"id":"a"}]}',
            "has no event of 'a'",
        ),
    ],
)
def test_what_is_no_bundle_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "it.json").write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        files.open_bundle(tmp_path / "it.json")

    assert problem in str(caught.value)


def test_a_bundle_lacks_no_source() -> None:
    recorded: Recording = history_of_tasks("return 1", [])
    made = Bundle("exec_made_up", 1, True, {"exec_made_up": recorded.events}, {})

    with pytest.raises(ConfigurationError, match="lacks the source"):
        bundle.decode(bundle.encode(made), "it.json")


def test_a_shape_keeps_types_lengths_and_keys() -> None:
    assert shape({"a": [1, 2.5, True, None], "b": {"c": "four"}}) == {
        "a": ["number", "number", "bool", None],
        "b": {"c": "text(4)"},
    }


def test_a_child_under_an_id_of_its_own_goes_along_with_who_began_it(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'return await Workflow.run("shared", {}, { id: "own" })'
    shared = 'return await Task.run("square", { x: 3 })'

    twice = """
        const given = await Workflow.run("shared", {}, { id: "mine" })
        return [given, await Workflow.run("shared", {}, { id: "mine" })]
    """

    async def story() -> None:
        async with on_stage(
            database_url,
            namespace,
            it=source,
            shared=shared,
            twice=twice,
            waits='await Workflow.run("signalled", {}, { id: "theirs" })',
            signalled="""
                await Signal.send(Context.parentWorkflowId, "here")
                await Signal.when("go")
            """,
        ) as stage:
            for id_ in ("one", "two"):
                await stage.start("it", id=id_)
                await stage.end(id_)
            histories = stage.app.history_service

            first = await histories.export_bundle("one", values=True)
            second = await histories.export_bundle("two", values=True)

            assert list(first.executions) == ["one", "own", "own/1"]
            assert first.replay("own").outcome is not None
            assert list(second.executions) == ["two"]
            assert first.explain() is not None

            def told(whole: Span) -> list[tuple[int, str, str | None, int | None, str]]:
                return [(d, s.kind, s.id, s.n, s.status) for d, s in whole.walk()]

            assert told(await histories.timeline("one")) == told(first.timeline())
            assert told(first.timeline())[:3] == [
                (0, "workflow", "one", None, "completed"),
                (1, "workflow", "own", 1, "completed"),
                (2, "task", "own/1", 1, "completed"),
            ]
            # The other one came to it when it was over, and began nothing.
            assert told(second.timeline()) == told(await histories.timeline("two"))
            assert told(second.timeline())[1:] == [(1, "workflow", None, 1, "completed")]

            await stage.start("waits", id="four")
            await stage.until("four", "signal_received")
            await stage.until("theirs", "child_completed")
            bundle = await histories.export_bundle("four", values=True)
            for explained in (await histories.explain("four"), bundle.explain()):
                assert "Workflow 1 'signalled' is suspended" in explained.stands[-1]
                assert "(rhythm explain theirs)" in explained.stands[-1]

            # Somebody asks twice: it is drawn where it was begun.
            await stage.start("twice", id="three")
            await stage.end("three")
            assert [
                (span.kind, span.id, span.n) for span in (await histories.timeline("three")).parts
            ] == [("workflow", "mine", 1), ("workflow", None, 2)]

    run(story())


def test_all_runs_of_a_child_go_along_and_are_drawn(
    database_url: str, namespace: str, run: Run
) -> None:
    again = """
        await Task.run("square", { x: Inputs.n })
        if (Inputs.n === 3) { return "done" }
        Workflow.restart({ n: Inputs.n + 1 })
    """

    async def story() -> None:
        async with on_stage(
            database_url, namespace, it='return await Workflow.run("again", { n: 1 })', again=again
        ) as stage:
            await stage.start("it", id="one")
            await stage.end("one")
            histories = stage.app.history_service

            made = await histories.export_bundle("one", values=True)
            drawn = await histories.timeline("one")

            runs = ["one/1", "one/1~2", "one/1~3"]
            assert [id_ for id_ in made.executions if "/1/" not in id_] == [
                *("one", "one/1", "one/1~2", "one/1~2/1", "one/1~3", "one/1~3/1")
            ]
            assert made.children() == {1: "one/1~3"}
            assert drawn == made.timeline()
            assert [(part.id, part.status) for part in drawn.parts] == [
                *((id_, "restarted") for id_ in runs[:2]),
                (runs[2], "completed"),
            ]
            assert [[part.name for part in one.parts] for one in drawn.parts] == [["square"]] * 3

            # A file may say that they go round.
            first = made.executions["one/1"]
            for successor, newest in (("one/1", "one/1"), ("one", "one")):
                last = msgspec.structs.replace(first[-1], payload=_restarted_as(successor))
                round_ = {**made.executions, "one/1": (*first[:-1], last)}
                odd = msgspec.structs.replace(made, executions=round_)
                assert len(odd.timeline().parts) == 1
                assert odd.children() == {1: newest}

    run(story())


def _restarted_as(successor: str) -> bytes:
    said = Restarted(inputs=events.raw({}), successor=successor, definition="")
    return events.encode(said)
