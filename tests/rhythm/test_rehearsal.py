"""Forks that are only tried out: what they would do, with nothing written and no task run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from flowlang import protocol
from rhythm import ExecutionNotFound, InvalidRequest, UnreadableEvent
from rhythm.cli import main
from rhythm.cli.exits import Exit
from rhythm.history.rehearsal import Answer, Asked, Rehearsal
from tests.rhythm.test_fork import ORDER, Works
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]


def stubs(**values: Any) -> Callable[[Asked], Answer | None]:
    return lambda asked: Answer(values[asked.name]) if asked.name in values else None


def output(rehearsal: Rehearsal) -> Any:
    assert isinstance(rehearsal.outcome, protocol.Completed), rehearsal
    return rehearsal.outcome.value


async def rehearsed(stage: Stage, id_: str, at: int | None = None, **more: Any) -> Rehearsal:
    return await stage.app.history_service.rehearse(id_, at, **more)


def test_what_a_rehearsal_says_the_fork_does(database_url: str, namespace: str, run: Run) -> None:
    works = Works()

    async def story() -> None:
        async with on_stage(
            database_url, namespace, a_registry(*works.definitions()), order=ORDER
        ) as stage:
            await stage.start("order", id="one")
            await stage.end("one")
            await stage.end("one/3")
            ran, count = dict(works.ran), await stage.app.execution_service.count_executions()

            told = await rehearsed(
                stage, "one", edits={"price": 9}, answers=stubs(brittle="pay held")
            )

            assert dict(works.ran) == ran
            assert await stage.app.execution_service.count_executions() == count
            works.broken = False
            fork = await stage.app.history_service.fork("one", edits={"price": 9})
            assert (await stage.end(fork)).output[:-1] == output(told)[:-1]
            # What had completed since is known; what failed is asked for anew.
            assert [(s.kind, s.name) for s in told.steps] == [
                ("task", "brittle"),
                ("state", "price"),
            ]

    run(story())


def test_calls_that_are_as_they_were_are_answered_by_the_history(
    database_url: str, namespace: str, run: Run
) -> None:
    works = Works()
    works.broken = False
    flow = """
        let price = 3
        const first = await Task.run("note", { what: "first" })
        const second = await Task.run("note", { what: `for ${price}` })
        const third = await Task.run("brittle")
        return [first, second, third]
    """

    async def story() -> None:
        async with on_stage(
            database_url, namespace, a_registry(*works.definitions()), it=flow
        ) as stage:
            await stage.start("it", id="one")
            await stage.end("one")

            same = await rehearsed(stage, "one", 2)
            other = await rehearsed(stage, "one", 2, edits={"price": 4})
            stubbed = await rehearsed(
                stage, "one", 2, edits={"price": 4}, answers=stubs(note="stubbed", brittle="-")
            )

        assert output(same) == ["first noted", "for 3 noted", "it held"]
        assert [step.event for step in same.steps] == [5, 7]
        assert other.outcome is None
        assert other.waits == ("task 2 'note' (line 4)",)
        # What is recorded of the same call goes before a stub.
        assert output(stubbed) == ["first noted", "stubbed", "it held"]

    run(story())


def test_time_does_not_take_any_and_signals_come_when_they_are_waited_for(
    database_url: str, namespace: str, run: Run
) -> None:
    flow = """
        const began = Date.now()
        await Timer.delay("30d")
        const told = []
        for (let i = 0; i < 2; i++) {
          try { told.push(await Signal.when("go", { timeout: "1d" })) }
          catch (error) { told.push(error.name) }
        }
        await Promise.all([Signal.send("other", "hello", 1), Workflow.run("it")])
        return [told, Date.now() - began]
    """
    asked: list[Asked] = []

    def answers(question: Asked) -> Answer | None:
        asked.append(question)
        if question.kind == "workflow":
            return Answer(None)
        return Answer("now") if len(asked) == 1 else None

    async def story() -> None:
        async with on_stage(database_url, namespace, it=flow) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "decided")

            told = await rehearsed(stage, "one", answers=answers)

        days = 86_400_000
        assert output(told) == [["now", "TimeoutError"], 31 * days]
        assert [(a.kind, a.name) for a in asked] == [
            ("signal", "go"), ("signal", "go"), ("workflow", "it")
        ]  # fmt: skip

    run(story())


def test_errors_restarts_and_what_never_ends_are_told(
    database_url: str, namespace: str, run: Run
) -> None:
    flow = """
        await Signal.when("go")
        const kind = await Task.run("kind")
        if (kind === "restart") Workflow.restart({ again: true })
        if (kind === "endless") while (true) await Timer.delay("1d")
        throw new RangeError(kind)
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=flow) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "decided")

            async def of(kind: str) -> Rehearsal:
                return await rehearsed(stage, "one", answers=stubs(go=None, kind=kind))

            failed, restarted, endless = await of("far"), await of("restart"), await of("endless")
            broken = await rehearsed(
                stage,
                "one",
                answers=lambda asked: Answer(
                    error=protocol.ErrorInfo("Error", "broke", "task_failed")
                    if asked.kind == "task"
                    else None
                ),
            )
            with pytest.raises(InvalidRequest, match="has events 1 to 2"):
                await rehearsed(stage, "one", 9)

        assert isinstance(failed.outcome, protocol.Failed)
        assert failed.outcome.error.name == "RangeError"
        assert isinstance(broken.outcome, protocol.Failed)
        assert broken.outcome.error.message == "broke"
        assert isinstance(restarted.outcome, protocol.Restarted)
        assert (endless.outcome, endless.is_endless) == (None, True)

    run(story())


def test_a_bundle_rehearses_as_the_store_does(
    database_url: str, namespace: str, run: Run, tmp_path: Path
) -> None:
    """Also what a child completed after the event, of which the history does not tell."""
    works = Works()

    async def story() -> None:
        async with on_stage(
            database_url, namespace, a_registry(*works.definitions()), order=ORDER
        ) as stage:
            await stage.start("order", id="one")
            await stage.end("one")
            await stage.end("one/3")
            histories = stage.app.history_service
            bundle = await histories.export_bundle("one", values=True)
            bare = await histories.export_bundle("one")

            for wanted in (
                {"edits": {"price": 9}},
                {"at": 2},
                {"at": 4, "results": False},
                {"at": 4, "source": ORDER.replace("State.set(", "console.log("), "signals": True},
            ):
                more: dict[str, Any] = {"answers": stubs(brittle="held"), **wanted}
                assert bundle.rehearse(**more) == await histories.rehearse("one", **more)

            for at in (0, 99):
                with pytest.raises(InvalidRequest, match="has events 1 to"):
                    bundle.rehearse(at)
            with pytest.raises(InvalidRequest, match="export it with --with-values"):
                bare.rehearse()
            with pytest.raises(InvalidRequest, match="is a task, which has no script"):
                bundle.rehearse(execution_id="one/1")
            with pytest.raises(ExecutionNotFound):
                bundle.rehearse(execution_id="two")
            damage = UnreadableEvent("one", 5, "it is missing")
            cut = msgspec.structs.replace(
                bundle,
                executions={"one": bundle.history()[:4]},
                damage={"one": damage},
            )
            assert cut.rehearse(4).at == 4
            with pytest.raises(UnreadableEvent):
                cut.rehearse()

    run(story())


# The command.

ASKING = """
    const price = await Task.run("price_of", { item: "tea" })
    console.log("it costs", price)
    const told = await Signal.when("go")
    return await Task.run("buy", { price, told })
"""


@pytest.fixture
def dry(
    database_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> Iterator[Callable[..., Result]]:
    """`rhythm fork one --dry`, where `one` waits for its first task."""
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with on_stage(database_url, namespace, it=ASKING) as stage:
            await stage.start("it", id="one")
            await stage.until("one", "decided")

    def call(
        *words: str, typed: str | None = None, verb: Sequence[str] = ("fork", "one")
    ) -> Result:
        where = ["--redis", database_url, "--namespace", namespace]
        return CliRunner().invoke(
            main, [*verb, *words, *where], input=typed, catch_exceptions=False
        )

    # Its server must not be gone with the loop.
    asyncio.run(story())
    yield call


def test_the_command_answers_by_stubs(dry: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "stubs.json").write_text('{"price_of": 4.5, "buy": "bought"}')

    result = dry("--dry", "--stubs", "stubs.json", "--signal", 'go={"by": "Ada"}')

    assert result.exit_code == Exit.OK, result.stderr
    told = [line.partition("  ")[2] for line in result.stdout.splitlines()]
    assert told[:-1] == [
        'line 2    task price_of {"item": "tea"} -> 4.5',
        "line 3    console (info): it costs 4.5",
        '          signal go came: {"by": "Ada"}',
        'line 5    task buy {"price": 4.5, "told": {"by": "Ada"}} -> "bought"',
    ]
    assert result.stdout.splitlines()[-1] == 'it would complete: "bought"'


def test_the_command_asks_for_the_rest(dry: Callable[..., Result]) -> None:
    asked = dry("--dry", "--ask", "--stub", "price_of=3", typed='{"by": "Ada"}\n!sold out\n')

    assert asked.exit_code == Exit.FAILED
    assert 'line 5: task buy {"price": 3, "told": {"by": "Ada"}}' in asked.stderr
    assert asked.stdout.splitlines()[-1] == "it would fail: Error: sold out (line 5)"


def test_the_command_says_what_it_would_wait_for(dry: Callable[..., Result]) -> None:
    result = dry("--dry", "--json", "--stub", "price_of=3")

    assert result.exit_code == Exit.FAILED
    said = json.loads(result.stdout)
    assert (said["outcome"], said["waits"]) == (None, ["signal 'go' (line 4)"])
    failed = dry("--dry", "--fail", "price_of=no tea")
    assert failed.stdout.splitlines()[-1] == "it would fail: Error: no tea (line 2)"


def test_the_command_takes_a_file(dry: Callable[..., Result], tmp_path: Path) -> None:
    stubs = ("--dry", "--stub", "price_of=3", "--signal", "go=1", "--stub", "buy=2")
    exported = dry(verb=["export", "one", "--with-values"])
    (tmp_path / "one.rhythm").write_text(exported.stdout)

    result = dry(*stubs, verb=["fork", "one.rhythm"])
    same = dry(*stubs, "--id", "one", verb=["fork", "one.rhythm"])

    assert result.stdout == dry(*stubs).stdout == same.stdout
    assert result.stdout.splitlines()[-1] == "it would complete: 2"
    for words, code, said in (
        ([], Exit.USAGE, "can only be rehearsed: add --dry"),
        (["--dry", "--id", "x"], Exit.NOT_FOUND, "'x'"),
    ):
        refused = dry(*words, verb=["fork", "one.rhythm"])
        assert (refused.exit_code, said in refused.stderr) == (code, True), refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stub", "a=1"], "are for a rehearsal: add --dry"),
        (["--no-ask"], "are for a rehearsal: add --dry"),
        (["--dry", "--id", "x"], "--id is for a fork that is made"),
        (["--dry", "--stubs", "list.json"], "holds no JSON object"),
        (["--dry", "--stubs", "bad.json"], "bad.json is no JSON"),
    ],
)
def test_bad_options_are_told(
    dry: Callable[..., Result], tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bad.json").write_text("{")

    result = dry(*words)

    assert result.exit_code == Exit.USAGE
    assert said in result.stderr
