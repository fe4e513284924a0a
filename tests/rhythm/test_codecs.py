"""Payloads through codecs: users' data cannot be read in Redis, and all works as without them."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm import ConfigurationError, InitBuilder, Worker
from rhythm.codecs import Compression, Encryption, PayloadCodec
from rhythm.codecs.selection import check_codecs, codecs_of
from rhythm.errors import UnreadableEvent
from rhythm.settings import Settings, load_settings
from rhythm.tasks import TaskContext, TaskDefinition, TaskRegistry
from streams.connection import Connection
from streams.sealing import MARK, Sealing
from tests.control import get_word
from tests.rhythm.stored import all_that_is_stored
from tests.rhythm.test_workflows import Stage, flows

Run = Callable[[Coroutine[Any, Any, None]], None]

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
SECRET = "aubergine"  # stands for all that users hand in

FLOW = """
    State.set("shown", { aubergine: Inputs.aubergine })
    console.log("a line on aubergine")
    const told = await Signal.when("go")
    await Task.run("work", { told })
    await Task.run("refuse", { told }).catch(e => State.set("error", e.message))
    await Workflow.run("child", { told }).catch(e => console.log(e.message))
    await Task.run("work", { told })
    await Signal.when("never")
"""
CHILD = "await Timer.delay('1ms'); throw new Error('no ' + Inputs.told)"


async def work(told: str, context: TaskContext) -> str:
    context.heartbeat({"at": told})
    context.progress({"of": told})
    return f"done with {told}"


async def refuse(told: str) -> None:
    raise LookupError(f"no {told}")


@asynccontextmanager
async def an_app(url: str, namespace: str, *codecs: PayloadCodec) -> AsyncIterator[Stage]:
    builder = InitBuilder().database_url(url).namespace(namespace).codecs(codecs)
    async with builder.workflows(flows(it=FLOW, child=CHILD)) as app:
        yield Stage(app)


def worker(stage: Stage) -> Worker:
    registry = TaskRegistry()
    registry.add(TaskDefinition("work", None, work))
    registry.add(TaskDefinition("refuse", None, refuse))
    return Worker(stage.app, registry=registry)


def test_nothing_that_users_handed_in_can_be_read_in_redis(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story(*codecs: PayloadCodec) -> bool:
        name = f"{namespace}{len(codecs)}"
        async with an_app(database_url, name, *codecs) as stage, worker(stage):
            id_ = await stage.start("it", {SECRET: f"a {SECRET}"})
            signals = stage.app.signal_service
            await signals.send_signal(workflow_id=id_, signal_name="go", payload=SECRET)
            await stage.until(id_, "child_completed", 2)
            execution = await stage.app.execution_service.get_execution(id_)
            assert execution is not None and execution.inputs == {SECRET: f"a {SECRET}"}
            assert execution.state["shown"] == {SECRET: f"a {SECRET}"}
            await stage.app.execution_service.cancel_execution(id_, f"no more {SECRET}")
            assert (await stage.end(id_)).status == "cancelled"
            stored = await all_that_is_stored(stage.app._connection)
        # The sources of workflows stay readable.
        held = [repr(value) for key, value in stored.items() if ":{d}:" not in key]
        return any(SECRET in text for text in held)

    async def both() -> None:
        assert await story()
        assert not await story(Encryption({"k1": KEY}))

    run(both())


@pytest.mark.errors_expected
@pytest.mark.usefixtures("one_partition")
def test_without_its_key_an_execution_waits_and_goes_on_when_it_is_there(
    database_url: str, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhythm.worker.pauses._FIRST_MS", 1)

    async def story() -> None:
        new = Encryption({"old": KEY, "new": OTHER_KEY})
        async with an_app(database_url, namespace, new) as stage:
            workflow = await stage.start("it")
            task = await stage.start("work", {"told": "it"}, exec_type="task")
        async with an_app(database_url, namespace, Encryption({"old": KEY})) as stage:
            with pytest.raises(UnreadableEvent, match="its codec 'aes-gcm' is not set here, or"):
                await stage.app.execution_service.get_execution(workflow)
            async with (
                Connection(database_url, namespace, codecs=[new]) as connection,
                worker(stage),
            ):
                seen: set[str] = set()
                while len(seen) < 2:
                    seen = {id_ for id_ in (workflow, task) if await tried(connection, id_)}
        async with an_app(database_url, namespace, new) as stage, worker(stage):
            assert (await stage.end(task)).result() == "done with it"
            await stage.until(workflow, "decided")

    async def tried(connection: Connection, id_: str) -> bool:
        """Whether a worker had it and gave it back."""
        return await get_word(connection, id_, "lt") != "-"

    run(story())


def test_what_was_stored_before_a_codec_was_set_or_changed_is_read_as_before(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        stages: list[tuple[PayloadCodec, ...]] = [
            (),
            (Compression(above=0),),
            (Compression(above=0), Encryption({"a": KEY})),
            (Encryption({"a": KEY, "b": OTHER_KEY}), Compression(above=0)),
        ]
        ids: list[str] = []
        for codecs in stages:
            async with an_app(database_url, namespace, *codecs) as stage:
                ids.append(await stage.start("work", {"told": "a" * 100}, exec_type="task"))
        async with an_app(database_url, namespace, *stages[-1]) as stage, worker(stage):
            results = [(await stage.end(id_)).result() for id_ in ids]
        assert results == ["done with " + "a" * 100] * 4

    run(story())


PAYLOADS = st.binary() | st.binary(max_size=9).map(lambda part: part * 1000)
ENCRYPTION = Encryption({"one": KEY, "two": OTHER_KEY}, current="one")


@given(PAYLOADS)
def test_what_goes_through_codecs_comes_back(payload: bytes) -> None:
    chains: list[list[PayloadCodec]] = [
        [],
        [Compression()],
        [ENCRYPTION],
        [Compression(above=0), ENCRYPTION],
    ]
    sealings = [Sealing("n", codecs) for codecs in chains]

    if payload[:1] != MARK:  # It is no msgpack.
        assert [sealing.open(sealing.seal(payload)) for sealing in sealings] == [payload] * 4


@given(payload=st.binary(min_size=1), at=st.integers(0), to=st.integers(0, 255))
def test_what_was_changed_moved_or_made_up_is_not_taken_for_a_payload(
    payload: bytes, at: int, to: int
) -> None:
    here, elsewhere = Sealing("n", [ENCRYPTION]), Sealing("m", [ENCRYPTION])
    sealed = here.seal(payload)
    place = 1 + at % (len(sealed) - 1)
    changed = sealed[:place] + bytes([to]) + sealed[place + 1 :]

    assert elsewhere.open(sealed) == sealed
    assert here.open(changed) == (payload if changed == sealed else changed)
    assert Sealing("n", [Compression(), ENCRYPTION]).open(MARK + payload)[:1] == MARK


def test_what_gets_no_smaller_is_not_compressed() -> None:
    sealing = Sealing("n", [Compression()])

    assert sealing.seal(bytes(range(256)) * 2) != bytes(range(256)) * 2
    assert sealing.seal(b"a" * 255) == b"a" * 255
    assert sealing.seal(b"") == b""


def test_a_text_is_compressed_well_below_its_size() -> None:
    text = b"the same again " * 1000

    assert len(Sealing("n", [Compression()]).seal(text)) < len(text) / 20


def test_settings_say_which_codecs() -> None:
    def word(id_: str, key: bytes) -> str:
        return f"{id_}:{base64.b64encode(key).decode()}"

    keys = f"{word('old', KEY)} {word('new', OTHER_KEY)}"
    environ = {"RHYTHM_COMPRESSION": "true", "RHYTHM_ENCRYPTION_KEYS": keys}
    settings = load_settings(environ=environ, directory="/")

    compression, encryption = codecs_of(settings)

    assert (compression.name, encryption.name) == ("zstd", "aes-gcm")
    assert repr(encryption) == "Encryption(keys: old, new; current: new)"
    assert KEY.hex() not in repr(settings) and word("old", KEY) not in repr(settings)
    assert codecs_of(Settings()) == ()


@pytest.mark.parametrize("keys", ["secret", ":c2VjcmV0", "a:", "a:secret!", "a:c2VjcmV0 secret"])
def test_keys_that_cannot_be_read_are_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(ConfigurationError, match=r"encryption_keys: word|bytes") as caught:
        codecs_of(Settings(encryption_keys=keys))

    assert "secret" not in str(caught.value) and "c2V" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Encryption({}), "encryption needs a key"),
        (lambda: Encryption({"a": b"short"}), "key 'a' has 5 bytes; give 16, 24 or 32"),
        (lambda: Encryption({"": KEY}), "the key id '' cannot be"),
        (lambda: Encryption({"a": KEY}, current="b"), "there is no key 'b'; the ids are a"),
        (lambda: Compression(above=-1), "above is -1"),
        (lambda: Compression(level=0), "level is 0"),
        (lambda: check_codecs([Compression(), Compression()]), "two codecs are named 'zstd'"),
        (lambda: check_codecs([object()]), "an object is no payload codec"),  # type: ignore[list-item]
        (lambda: InitBuilder().codecs(Compression()), "takes a list"),  # type: ignore[arg-type]
    ],
)
def test_codecs_that_cannot_be_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()


@pytest.mark.parametrize(
    ("library", "make", "remedy"),
    [
        ("zstandard", Compression, "pip install 'rhythm-flow.zstd.'"),
        (
            "cryptography.hazmat.primitives.ciphers.aead",
            lambda: Encryption({"a": KEY}),
            "pip install 'rhythm-flow.aes.'",
        ),
    ],
)
def test_a_missing_library_is_named_with_what_to_install(
    library: str, make: Callable[[], object], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ConfigurationError, match=remedy):
        make()
