"""Recorded histories: to a file and back, replayed, and what is told when a script decides
otherwise."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlang.protocol import Command
from rhythm import (
    ConfigurationError,
    InvalidRequest,
    NondeterminismError,
    WorkflowNotRegistered,
)
from rhythm.events import PAYLOADS, Decided, with_sum
from rhythm.events import decode as decode_event
from rhythm.history import recording
from rhythm.history.files import read
from rhythm.history.recording import Recording
from rhythm.testing import RhythmTest, record_history, replay
from streams.codec import StoredEvent
from tests.histories.scenarios import SCENARIOS
from tests.rhythm.test_workflows import on_stage

RECORDED = Path(__file__).parents[1] / "histories"

FLOW = """\
const price = await Task.run("price_of", { item: Inputs.item })
await Timer.delay("1h")
const decision = await Signal.when("approval")
if (!decision.approved) return "refused"
return await Task.run("charge", { price })
"""


@pytest.fixture
def recorded(rhythm_test: RhythmTest, tmp_path: Path) -> Path:
    """A history of FLOW, in a folder of its own."""
    rhythm_test.task("price_of", returns=4.5)
    rhythm_test.task("charge", returns="paid")
    rhythm_test.signal("approval", {"approved": True}, after="2h")
    rhythm_test.workflow(FLOW, name="order")
    path = tmp_path / "histories" / "order.json"
    rhythm_test.run("order", {"item": "tea"}).record(path)
    return path


def changed(path: Path, old: str, new: str) -> Path:
    """The folder of a workflow that is FLOW with something changed."""
    assert old in FLOW
    folder = path.parents[1] / "flows"
    folder.mkdir()
    (folder / "order.flow").write_text(FLOW.replace(old, new))
    return folder


# The histories that were recorded must replay for ever.


def test_every_recorded_history_replays() -> None:
    assert replay(RECORDED) == len(list(RECORDED.glob("*.json"))) >= 11


def test_every_scenario_is_recorded_and_nothing_else() -> None:
    assert {file.stem for file in RECORDED.glob("*.json")} == set(SCENARIOS)


def test_the_recorded_histories_have_seen_all_that_there_is() -> None:
    """A history of every kind of event and command that a workflow meets today."""
    events = [
        (event, decode_event("", event.version, event.type, event.payload))
        for file in RECORDED.glob("*.json")
        for event in read(file).events
    ]

    of_tasks = {"started", "attempt_failed", "released"}
    assert {event.type for event, _ in events} == set(PAYLOADS) - of_tasks
    commands = {
        type(command)
        for _, payload in events
        if isinstance(payload, Decided)
        for command in payload.commands
    }
    assert commands == set(get_args(Command))
    assert any(isinstance(payload, Decided) and payload.more for _, payload in events)


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*.json")), ids=lambda file: file.stem)
def test_what_is_read_from_a_file_is_written_to_it_again(file: Path) -> None:
    assert recording.encode(read(file)) == file.read_bytes()


# What is told when a script decides otherwise.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"charge"', '"bill"', "the history has task 'charge' (command 3), the workflow now asks "
         "for task 'bill' (command 3)"),
        ("{ item: Inputs.item }", "{}", "task 'price_of' (command 1), the workflow now asks for "
         "task 'price_of' (command 1)"),
        ('"1h"', '"2h"', "the history has a timer until 2026-01-01T01:00:00.000Z (command 2), "
         "the workflow now asks for a timer until 2026-01-01T02:00:00.000Z (command 2)"),
        ("const decision", "console.log(1); const decision", "the history has task 'charge'"),
        ("return await", "return 'ok ' + await", "the history has its output, the workflow now "
         "asks for another output"),
        ("return await", "throw new RangeError(); await", "the workflow now asks for nothing"),
        ("return await", "await Task.run('x'); return await", "the workflow now asks for task 'x'"),
        ('await Timer.delay("1h")', "", "the history has a timer until"),
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_a_script_that_decides_otherwise_is_told_with_both(
    recorded: Path, old: str, new: str, said: str
) -> None:
    flows = changed(recorded, old, new)

    with pytest.raises(NondeterminismError) as caught:
        replay(recorded.parent, flows)

    assert said in str(caught.value)
    assert caught.value.__notes__ == [f"while replaying {recorded}"]


def test_a_failure_that_would_not_come_again_is_told(
    rhythm_test: RhythmTest, tmp_path: Path
) -> None:
    rhythm_test.workflow("throw new RangeError('no')", name="it")
    rhythm_test.run("it").record(tmp_path / "it.json")

    for source, said in (
        ("throw new TypeError('no')", "its end with RangeError.*its end with TypeError"),
        ("return 1", "its end with RangeError.*its output"),
        ("await Signal.when('go')", "its end with RangeError.*nothing, and waits"),
    ):
        (tmp_path / "it.flow").write_text(source)
        with pytest.raises(NondeterminismError, match=said):
            replay(tmp_path, tmp_path / "it.flow")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("const price", "\n// A remark.\nconst price"),
        ('"refused"', '"not approved"'),
        ("{ item: Inputs.item }", '{ item: Inputs["item"] }, { queue: "other" }'),
    ],
)
def test_a_change_that_decides_the_same_replays(recorded: Path, old: str, new: str) -> None:
    assert replay(recorded, changed(recorded, old, new)) == 1


def test_a_history_that_goes_on_is_replayed_as_far_as_it_goes(
    rhythm_test: RhythmTest, tmp_path: Path
) -> None:
    """Also what a script would ask for besides, where the history waits."""
    rhythm_test.workflow("await Timer.delay('1d')\nawait Signal.when('go')", name="order")
    rhythm_test.run("order", stop_after="2d").record(tmp_path / "order.json")
    more = "await Timer.delay('1d')\nawait Promise.all([Signal.when('go'), Task.run('x')])"
    early = "await Promise.all([Timer.delay('1d'), Task.run('x')])"

    assert replay(tmp_path) == 1
    for source, is_otherwise in ((more, False), (early, True)):
        (tmp_path / "order.flow").write_text(source)
        if is_otherwise:
            with pytest.raises(NondeterminismError, match=r"nothing more.*task 'x'"):
                replay(tmp_path, tmp_path / "order.flow")
        else:
            # It was told of the timer, and the history does not say what it decided then.
            assert replay(tmp_path, tmp_path / "order.flow") == 1


def test_how_a_workflow_was_ended_from_outside_is_none_of_the_scripts_business(
    run: Callable[[Coroutine[Any, Any, None]], None], namespace: str, tmp_path: Path
) -> None:
    async def story() -> None:
        url = f"memory://{namespace}"
        async with on_stage(url, namespace, it="await Signal.when('go')") as stage:
            id_ = await stage.start("it")
            await stage.until(id_, "decided")
            await stage.app.execution_service.terminate_execution(id_)
            await record_history(stage.app, id_, tmp_path / "it.json")

    run(story())

    assert read(tmp_path / "it.json").events[-1].type == "cancelled"
    assert replay(tmp_path) == 1


# Files.


def test_a_history_is_recorded_from_a_running_application(
    run: Callable[[Coroutine[Any, Any, None]], None],
    database_url: str,
    namespace: str,
    tmp_path: Path,
) -> None:
    async def story() -> None:
        flow = "return await Task.run('greet', { name: 'Ada' })"
        async with on_stage(database_url, namespace, it=flow) as stage:
            ended = await stage.end(await stage.start("it"))
            await record_history(stage.app, ended.id, tmp_path / "deep" / "it.json")
            with pytest.raises(InvalidRequest, match="is a task"):
                await record_history(stage.app, f"{ended.id}/1", tmp_path / "task.json")

            kept = read(tmp_path / "deep" / "it.json")
            history = await stage.app.history_service.events(ended.id)

        assert (kept.execution_id, kept.workflow, kept.source) == (ended.id, "it", flow)
        assert [event.type for event in kept.events] == [event.type for event in history]
        assert replay(tmp_path) == 1

    run(story())


def test_tracebacks_are_left_out(rhythm_test: RhythmTest, tmp_path: Path) -> None:
    rhythm_test.task("f", raises=LookupError("gone"))
    rhythm_test.workflow("await Task.run('f')", name="it")

    run = rhythm_test.run("it")
    run.record(tmp_path / "it.json")

    failed = next(event for event in run.history if event.type == "child_failed")
    assert "Traceback" in failed.data["error"]["traceback"]
    assert b"raceback" not in (tmp_path / "it.json").read_bytes()
    assert replay(tmp_path) == 1


_BYTES = st.binary(min_size=1, max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        (_VALUES.map(msgspec.msgpack.encode) | _BYTES).map(with_sum) | st.just(b""), min_size=1
    )
)
def test_every_payload_comes_back_to_the_bit(payloads: list[bytes]) -> None:
    history = tuple(
        StoredEvent(version, "created", 1_700_000_000_000, "cause", payload, {"n": "1"})
        for version, payload in enumerate(payloads, start=1)
    )
    kept = Recording("e", "it", "it.flow", "return 1\n\nreturn 2", history)

    assert recording.decode(recording.encode(kept), "e.json") == kept


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no recorded history"),
        ('{"format": 1}', "is no recorded history"),
        ("[]", "is no recorded history"),
        ("\xff", "is no recorded history"),
        ('"type":"created","at":0,"cause":"","packed":"?"', "is no recorded history"),
        ('"type":"created","at":true,"cause":""', "is no recorded history"),
    ],
)
def test_a_file_that_is_no_recorded_history_is_told(
    tmp_path: Path, content: str, said: str
) -> None:
    head = '{"format":1,"execution":"e","workflow":"w","path":"p","source":[],"events":'
    if content.startswith('"type"'):
        content = f'{head}[{{"version":1,{content}}}]}}'
    (tmp_path / "it.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(ConfigurationError, match=said):
        replay(tmp_path)


def test_a_file_that_cannot_be_written_is_told(rhythm_test: RhythmTest, tmp_path: Path) -> None:
    run = rhythm_test.run("return 1 \n")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        run.record(tmp_path)


def test_a_file_of_a_later_release_or_without_events_is_told(tmp_path: Path) -> None:
    head = '"execution":"e","workflow":"w","path":"p","source":[]'
    event = '{"version":1,"type":"created","at":0,"cause":""}'

    with pytest.raises(ConfigurationError, match="has format 2, this release knows 1"):
        recording.decode(f'{{"format":2,{head},"events":[{event}]}}'.encode(), "it.json")
    with pytest.raises(ConfigurationError, match="holds no event"):
        recording.decode(f'{{"format":1,{head},"events":[]}}'.encode(), "it.json")


def test_where_there_is_nothing_to_replay_it_is_told(tmp_path: Path, recorded: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "other.flow").write_text("return 1")

    with pytest.raises(ConfigurationError, match="holds no recorded history"):
        replay(empty)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        replay(empty / "nothing.json")
    with pytest.raises(WorkflowNotRegistered, match="no workflow 'order' is registered"):
        replay(recorded, empty)
