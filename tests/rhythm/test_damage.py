"""What is stored may be damaged: that is told, stops that execution alone, and harms nobody else.

A store holds executions of every kind. Something of one of them is flipped, cut, taken away or
replaced; then everything is read, and work goes on. On both servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from rhythm import (
    ExecutionNotFound,
    InitBuilder,
    Rhythm,
    RhythmError,
    UnreadableEvent,
    UnreadableRecord,
    Worker,
    WorkflowFile,
    events,
    task,
)
from rhythm.cli import main
from rhythm.cli.exits import Exit
from rhythm.engine.history import KeptMachine, LiveMachine
from rhythm.events import Created
from rhythm.history.bundle import encode
from rhythm.history.files import read
from rhythm.tasks import TaskRegistry, registry
from rhythm.worker.activations import HOT, Keeping
from streams.codec import Snapshot, StoredEvent
from streams.connection import Connection

pytestmark = pytest.mark.usefixtures("one_partition")

FLOW = """
State.set("stage", "asked");
const sum = await Task.run("add_for_damage", { a: 1, b: 2 });
State.set("stage", "waiting");
const word = await Signal.when("go");
await Timer.delay("1ms");
return { sum, word };
"""


@task(name="add_for_damage")
def add(a: int, b: int) -> int:
    return a + b


KNOWN = TaskRegistry()
KNOWN.add(registry.get("add_for_damage"))  # type: ignore[arg-type]  # it was just registered


Events = list[tuple[bytes, dict[bytes, bytes]]]


class Store:
    """An application with executions in it, and ways to damage what is kept of them."""

    def __init__(self, app: Rhythm, connection: Connection) -> None:
        self.app, self.connection = app, connection
        self.keys = connection.keys.partitions[0]

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, namespace: str) -> AsyncIterator[Store]:
        flow = WorkflowFile("adds", FLOW, "adds.flow")
        builder = InitBuilder().database_url(url).namespace(namespace).workflows([flow])
        async with builder as app, Connection(url, namespace) as connection:
            yield cls(app, connection)

    async def start(self, execution_id: str, **more: Any) -> None:
        await self.app.execution_service.create_execution(
            target_name="adds", id=execution_id, **more
        )

    async def start_task(self, execution_id: str) -> None:
        await self.app.execution_service.create_execution(
            target_name="add_for_damage",
            exec_type="task",
            id=execution_id,
            inputs={"a": 1, "b": 2},
        )

    @asynccontextmanager
    async def at_work(self, keeping: Keeping = HOT) -> AsyncIterator[list[str]]:
        """A worker; gives the ids of workflows that it could not go on with."""
        given_back: list[str] = []
        async with Worker(
            self.app,
            registry=KNOWN,
            keeping=keeping,
            on_given_back=lambda execution_id, _: given_back.append(execution_id),
        ):
            yield given_back

    async def until(self, met: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not await met():  # noqa: ASYNC110  # what is waited for is in the store
                await asyncio.sleep(0.01)

    async def waits(self, execution_id: str) -> bool:
        """Whether a workflow has come to its signal."""
        found = await self.app.execution_service.get_execution(execution_id)
        return found is not None and found.state.get("stage") == "waiting"

    async def signal(self, execution_id: str) -> None:
        await self.app.signal_service.send_signal(
            workflow_id=execution_id, signal_name="go", payload="yes"
        )

    async def events(self, execution_id: str) -> Events:
        key = self.keys.events(execution_id)
        found: list[Any] = await self.connection.command("XRANGE", key, "-", "+")
        return found

    async def put_events(self, execution_id: str, events: Events) -> None:
        """Replace all events of an execution."""
        key = self.keys.events(execution_id)
        await self.connection.command("DEL", key)
        for entry, fields in events:
            words = [word for pair in fields.items() for word in pair]
            await self.connection.command("XADD", key, entry, *words)

    async def damage_payload(self, execution_id: str, version: int) -> None:
        events = await self.events(execution_id)
        payload = bytearray(events[version - 1][1][b"d"])
        payload[len(payload) // 2] ^= 1
        events[version - 1][1][b"d"] = bytes(payload)
        await self.put_events(execution_id, events)


@pytest.mark.errors_expected
def test_a_damaged_event_is_named_and_stops_that_execution_alone(
    database_url: str,
    namespace: str,
    run: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Store.opened(database_url, namespace) as store:
            app = store.app
            await store.start("broken")
            await store.start("sound")
            async with store.at_work():
                await store.until(lambda: store.waits("broken"))
                await store.until(lambda: store.waits("sound"))
            await store.damage_payload("broken", 3)

            with pytest.raises(UnreadableEvent) as caught:
                await app.history_service.events("broken")
            said = (
                "event 3 of execution 'broken' cannot be read: its bytes are not those that were "
                "written; the execution is left as it is"
            )
            assert str(caught.value).startswith(said)
            assert (caught.value.execution_id, caught.value.version) == ("broken", 3)
            findings = [
                f async for _, found in app.verification_service.verify_all() for f in found
            ]
            assert {f.execution_id for f in findings} == {"broken"}
            assert any(f.problem.startswith(said) for f in findings)

            await store.signal("broken")
            await store.signal("sound")
            # Without the snapshot, its events alone count.
            await store.connection.command("DEL", store.keys.snapshot("broken"))
            async with store.at_work() as given_back:
                sound = await app.execution_service.wait_for_execution("sound", timeout=30)
                assert sound.output == {"sum": 3, "word": "yes"}
                await store.until(lambda: _true(given_back))
                await store.start("later")
                await store.until(lambda: store.waits("later"))

            broken = await app.execution_service.get_execution("broken")
            assert broken is not None and not broken.status.finished
            assert broken.trouble is not None and broken.trouble.startswith(said)
            warnings = (await app.diagnose()).warnings
            assert any(w.startswith(f"execution 'broken' does not go on: {said}") for w in warnings)
            await app.execution_service.terminate_execution("broken")
            assert (await app.execution_service.wait_for_execution("broken")).trouble is None
            assert not any("broken" in w for w in (await app.diagnose()).warnings)

    run(scenario())
    assert any("event 3 of execution 'broken'" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("is_over", [True, False], ids=["over", "live"])
@pytest.mark.parametrize("harm", ["flipped", "cut out", "cut off"])
def test_a_damaged_history_opens_up_to_the_damage(
    database_url: str,
    namespace: str,
    run: Callable[..., Any],
    harm: str,
    is_over: bool,
    tmp_path: Path,
) -> None:
    """Of one that has ended its status misses what is cut off, of one that lives its control."""

    async def scenario() -> None:
        async with Store.opened(database_url, namespace) as store:
            await store.start("one")
            async with store.at_work():
                await store.until(lambda: store.waits("one"))
                if is_over:
                    await store.signal("one")
                    await store.app.execution_service.wait_for_execution("one")
            if not is_over:
                await store.signal("one")
                await store.signal("one")
            events = await store.events("one")
            assert len(events) > 5
            if harm == "flipped":
                await store.damage_payload("one", 5)
            else:
                kept = events[:4] + (events[5:] if harm == "cut out" else [])
                await store.put_events("one", kept)
            histories = store.app.history_service

            replay = await histories.replay("one")
            bundle = await histories.export_bundle("one", values=True)
            bare = await histories.export_bundle("one")

            with pytest.raises(UnreadableEvent) as strict:
                await histories.record("one")
            assert (replay.last, len(await histories.events("one", 4))) == (4, 4)
            told = [replay.damage, bundle.damage["one"], bare.damage["one"], strict.value]
            assert {str(one) for one in told} == {str(strict.value)}
            assert strict.value.version == 5
            # What is sound can be gone on with, by an execution of its own.
            for at in (None, 5):
                with pytest.raises(UnreadableEvent):
                    await histories.fork("one", at)
            forked = await histories.events(await histories.fork("one", 4))
            assert [one.type for one in forked[4:5]] == ["forked"]
            assert (await histories.rehearse("one", 4)).at == 4
            assert await store.app.verification_service.verify("one")
            if not (is_over and harm == "cut off"):
                explained = await histories.explain("one")
                assert explained.amiss[0].startswith("Its history is damaged")
                assert str(strict.value) in explained.amiss[0]

            # Also where it is taken to.
            path = tmp_path / "one.bundle"
            path.write_bytes(encode(bundle))
            opened = histories.open_bundle(path)
            assert encode(opened) == path.read_bytes()
            assert len(opened.history()) == 4
            assert str(opened.replay().damage) == str(strict.value)

    run(scenario())
    path, again = tmp_path / "one.bundle", tmp_path / "one.json"
    for words in (["history", str(path)], ["history", str(path), "--record", str(again)]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == Exit.FAILED
        assert "event 5 of execution 'one' cannot be read" in result.stderr
    assert len(read(again).events) == 4


async def _true(found: list[Any]) -> bool:
    return bool(found)


DAMAGES: dict[str, Callable[[Store, str], Any]] = {
    "no first event": lambda store, id_: store.connection.command(
        "XDEL", store.keys.events(id_), "1-0"
    ),
    "no events": lambda store, id_: store.connection.command("DEL", store.keys.events(id_)),
    "no stream": lambda store, id_: _replace(store, store.keys.events(id_)),
    "an event too many": lambda store, id_: store.connection.command(
        "XADD", store.keys.events(id_), "99-0", "t", "timer_fired", "a", "1", "k", "x", "n", "1"
    ),
    "no control": lambda store, id_: _replace(store, store.keys.control(id_)),
    "a control without numbers": lambda store, id_: store.connection.command(
        "SET", store.keys.control(id_), "many"
    ),
    "half a control": lambda store, id_: store.connection.command(
        "SET", store.keys.control(id_), "1\0002\0pending\0queued\0"
    ),
    "no further fields": lambda store, id_: _replace(store, store.keys.further(id_)),
    "no projection": lambda store, id_: _replace(store, store.keys.projection(id_)),
    "half a projection": lambda store, id_: store.connection.command(
        "HDEL", store.keys.projection(id_), "st"
    ),
    "a projection of bytes": lambda store, id_: store.connection.command(
        "HSET", store.keys.projection(id_), "cr", b"\xff", "tg", b"\xfe"
    ),
    "no children": lambda store, id_: _replace(store, store.keys.children(id_)),
    "no snapshot": lambda store, id_: _replace(store, store.keys.snapshot(id_)),
    "a snapshot of nothing": lambda store, id_: store.connection.command(
        "HSET", store.keys.snapshot(id_), "u", "x", "d", "y"
    ),
}


async def _replace(store: Store, key: str) -> None:
    """Something else stands under the key."""
    await store.connection.command("DEL", key)
    await store.connection.command("RPUSH", key, "something else")


@pytest.mark.errors_expected
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_of_one_execution_others_go_on(
    damage: str, database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    """A waiting workflow, one that is about to be claimed and a task: all go on but the damaged."""

    async def scenario() -> None:
        async with Store.opened(database_url, namespace) as store:
            app = store.app
            for id_ in ("broken", "sound"):
                await store.start(id_)
            async with store.at_work():
                await store.until(lambda: store.waits("broken"))
                await store.until(lambda: store.waits("sound"))
            await store.start_task("broken-task")
            for id_ in ("broken", "sound"):
                await store.signal(id_)
            await store.start_task("sound-task")
            for id_ in ("broken", "broken-task"):
                await DAMAGES[damage](store, id_)

            async with store.at_work():
                for id_ in ("sound", "sound-task"):
                    ended = await app.execution_service.wait_for_execution(id_, timeout=30)
                    assert ended.status == "completed", id_
                await _read_everything(store)
            listed = await app.execution_service.query_executions()
            assert {"sound", "sound-task"} <= {execution.id for execution in listed}

    run(scenario())


async def _read_everything(store: Store) -> None:
    """Nothing but errors of ours may come of it."""
    app = store.app
    for id_ in ("broken", "broken-task", "sound", "sound-task"):
        for look in (
            app.execution_service.get_execution,
            app.history_service.events,
            app.history_service.record,
            app.verification_service.verify,
            app.verification_service.rebuild,
        ):
            try:
                await look(id_)
            except RhythmError as error:
                assert "broken" in id_ or "task" in str(error), (id_, error)
                assert not isinstance(error, UnreadableEvent) or error.execution_id == id_
    await app.diagnose()
    await app.execution_service.query_executions({"limit": 10})
    await app.execution_service.count_executions()
    wrong = {
        id_: [finding.problem for finding in found]
        async for id_, found in app.verification_service.verify_all()
        if found
    }
    assert not any(id_.startswith("sound") for id_ in wrong), wrong


def test_any_damage_to_any_event_is_told_or_changes_nothing(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    """What is read is as it was written, or an error names the event; and verify tells of it."""

    async def finished() -> Events:
        async with Store.opened(database_url, namespace) as store:
            await store.start("one", inputs={"text": "ü€𝄞", "n": [1, 2.5, None]})
            async with store.at_work():
                await store.until(lambda: store.waits("one"))
                await store.signal("one")
                await store.app.execution_service.wait_for_execution("one", timeout=30)
            return await store.events("one")

    async def read_damaged(events: Events) -> None:
        async with Store.opened(database_url, namespace) as store:
            await store.put_events("one", written)
            before = await store.app.history_service.events("one")
            await store.put_events("one", events)
            try:
                after = await store.app.history_service.events("one")
            except (UnreadableEvent, ExecutionNotFound) as error:
                assert "'one'" in str(error)
                after = []
            if after != before:
                assert await _verified(store.app), "damage that nobody tells"
            try:
                assert await store.app.execution_service.get_execution("one") is not None
            except (UnreadableEvent, UnreadableRecord) as error:
                assert "'one'" in str(error)

    written = run(finished())

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def read(data: st.DataObject) -> None:
        events = [(entry, dict(fields)) for entry, fields in written]
        run(read_damaged(_damaged(data.draw, events)))

    read()


async def _verified(app: Rhythm) -> list[str]:
    return [
        finding.problem
        async for _, found in app.verification_service.verify_all()
        for finding in found
    ]


def _damaged(draw: Callable[..., Any], events: Events) -> Events:
    at = draw(st.integers(0, len(events) - 1))
    entry, fields = events[at]
    name = draw(st.sampled_from(sorted(set(fields) - {b"k", b"h", b"w", b"a", b"r", b"e"})))
    value = fields[name]
    match draw(st.sampled_from(["flip", "cut", "drop field", "drop event", "swap", "bytes"])):
        case "flip" if value:
            place = draw(st.integers(0, len(value) - 1))
            changed = bytearray(value)
            changed[place] ^= draw(st.integers(1, 255))
            fields[name] = bytes(changed)
        case "cut":
            fields[name] = value[: draw(st.integers(0, max(len(value) - 1, 0)))]
        case "drop field":
            del fields[name]
            fields[b"x"] = b""
        case "drop event":
            return events[:at] + events[at + 1 :]
        case "swap":
            other = draw(st.integers(0, len(events) - 1))
            events[at] = (entry, events[other][1])
            events[other] = (events[other][0], fields)
        case "bytes":
            fields[name] = draw(st.binary(max_size=40))
    return events


def test_a_damaged_snapshot_is_never_used() -> None:
    """Whatever of it is flipped, cut or replaced: the machine is made of the events instead."""
    program = flowlang.compile(FLOW, path="adds.flow")
    created = Created("workflow", "adds", "default", events.raw({}), definition=program.digest)
    first = StoredEvent(1, "created", 1_000, "r", events.encode(created), {})
    live = LiveMachine("one", program, first)
    kept = live.kept()
    sound = Snapshot(1, first.identity, kept)
    LiveMachine.restored("one", program, first, sound, KeptMachine.of(sound))

    @given(st.data())
    def restore(data: st.DataObject) -> None:
        damaged = bytearray(kept)
        if data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
        else:
            damaged = damaged[: data.draw(st.integers(0, len(kept) - 1))]
        with pytest.raises(flowlang.SnapshotUnusable):
            harmed = Snapshot(1, first.identity, bytes(damaged))
            LiveMachine.restored("one", program, first, harmed, KeptMachine.of(harmed))

    restore()


@pytest.mark.errors_expected
def test_a_damaged_definition_is_named_and_deployed_anew(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    """Those who know the source go on meanwhile, and so do other workflows."""

    async def scenario() -> None:
        async with Store.opened(database_url, namespace) as store:
            await store.start("own")
            key = store.connection.keys.definition("adds")
            (digest,) = store.app.workflow_service.registered.values()
            definition = digest.digest
            whole = await store.connection.command("HGET", key, definition)
            other = WorkflowFile("other", "return 1", "other.flow")
            builder = InitBuilder().database_url(database_url).namespace(namespace)
            async with builder.workflows([other]) as stranger:
                create = stranger.execution_service.create_execution
                for damaged in (b"", b"\xff", whole[:-1], whole.replace(b"sum", b"som")):
                    await store.connection.command("HSET", key, definition, damaged)
                    stranger.workflow_service._compiled.clear()
                    with pytest.raises(UnreadableRecord) as caught:
                        await create(target_name="adds")
                    assert str(caught.value).startswith(
                        f"definition {definition} of workflow 'adds' cannot be read: "
                    )
                    assert str(caught.value).endswith("; deploy that source again")
                    await stranger.diagnose()
                    await create(target_name="other")
                await store.connection.command("HSET", key, "latest", b"\xfflost")
                with pytest.raises(UnreadableRecord, match="'adds' cannot be read: it is to be"):
                    await create(target_name="adds")

                programs = {"adds": store.app.workflow_service.registered["adds"]}
                await store.app.workflow_service.register(programs, deploy=True)
                await create(target_name="adds")

    run(scenario())


@pytest.mark.errors_expected
def test_what_indexes_queues_and_the_time_hold_by_mistake_harms_nobody(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        async with Store.opened(database_url, namespace) as store:
            app, keys, command = store.app, store.keys, store.connection.command
            await store.start("sound")
            for member in (b"nobody", b"\xff\xfe", b""):
                for index in (keys.index("y", "task"), keys.index("s", "pending")):
                    await command("ZADD", index, 5, member)
                await command("ZADD", keys.due, 5, member)
                await command("ZADD", keys.due, 5, b"timer|" + member + b"|1|x")
                await command("LPUSH", keys.ready("default"), member)
                await command("LPUSH", keys.ready("default"), b"workflow\0" + member + b"\0\0\0")
            await command("ZADD", keys.index("y", "task"), "inf", b"endless")

            async with store.at_work():
                await store.until(lambda: store.waits("sound"))
                await store.signal("sound")
                sound = await app.execution_service.wait_for_execution("sound", timeout=30)
                assert sound.status == "completed"
            assert [e.id for e in await app.execution_service.query_executions()] == [
                "sound/1",
                "sound",
            ]
            told = {id_ async for id_, found in app.verification_service.verify_all() if found}
            assert {"nobody", "endless"} <= told
            assert not any(id_.startswith("sound") for id_ in told)
            await app.diagnose()
            [_ async for _ in app.verification_service.rebuild_all()]
            told = {id_ async for id_, found in app.verification_service.verify_all() if found}
            assert "nobody" not in told

    run(scenario())
