"""Attributes, pages and counts: finding executions among many, while they change."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from click.testing import CliRunner

from rhythm import Debounce, InvalidRequest
from rhythm.cli import main
from rhythm.models import parse_create, parse_filters
from rhythm.tasks import TaskDefinition
from tests.conftest import RedisServer
from tests.rhythm.test_ending import verified
from tests.rhythm.test_workflows import Stage, a_registry, on_stage

pytestmark = pytest.mark.everywhere

Run = Callable[[Coroutine[Any, Any, None]], None]

WAITS = 'return await Signal.when("go")'


async def found(stage: Stage, **attributes: Any) -> list[str]:
    executions = stage.app.execution_service
    filters = {"attributes": attributes}
    ids = [one.id for one in await executions.query_executions(filters)]
    assert len(ids) == await executions.count_executions(filters)
    return sorted(ids)


def test_executions_are_found_by_the_attributes_of_their_start(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return 1", waits=WAITS) as stage:
            for id_, customer, vip in (("a", "c-1", True), ("b", "c-1", False), ("c", "c-2", True)):
                await stage.start("it", id=id_, attributes={"customer": customer, "vip": vip})
            await stage.start("greet", exec_type="task", id="t", attributes={"n": 3.0})
            await stage.start("it", id="none")
            (task,) = await stage.app.execution_service.get_executions(["t"])
            assert task.attributes == {"n": 3}
            assert await found(stage, customer="c-1") == ["a", "b"]
            assert await found(stage, customer="c-1", vip=True) == ["a"]
            assert await found(stage, n=3) == ["t"]
            assert await found(stage, n="3") == await found(stage, unknown="x") == []
            for id_ in ("a", "b", "c"):
                await stage.end(id_)
            executions = stage.app.execution_service
            assert (
                await executions.count_executions(
                    {"attributes": {"vip": True}, "status": "completed", "target_name": "it"}
                )
                == 2
            )
            await verified(stage)
            await executions.delete_execution("a")
            assert await found(stage, customer="c-1") == ["b"]
            async for _ in stage.app.verification_service.rebuild_all():
                pass
            assert await found(stage, customer="c-1") == ["b"]
            await verified(stage)

    run(story())


def test_a_script_sets_attributes_and_takes_them_away(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        if (Inputs.again) { Attributes.set("step", "again"); return "over" }
        Attributes.set("step", "new")
        await Signal.when("go")
        Attributes.set("step", "paid")
        Attributes.set("total", 9.5)
        Attributes.set("gone", null)
        await Signal.when("go")
        Workflow.restart({ again: true })
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            id_ = await stage.start("it", id="it", attributes={"gone": 1, "kept": "é\u2028\n="})

            async def go() -> None:
                await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="go")

            await stage.until(id_, "decided")
            assert await found(stage, step="new") == await found(stage, gone=1) == [id_]
            await go()
            await stage.until(id_, "decided", 2)
            assert await found(stage, step="new") == await found(stage, gone=1) == []
            assert await found(stage, step="paid", total=9.5, kept="é\u2028\n=") == [id_]
            forked = await stage.app.history_service.fork(id_)
            assert await found(stage, step="paid", total=9.5) == sorted([id_, forked])
            await stage.app.execution_service.terminate_execution(forked)
            await go()
            assert (await stage.end(id_)).result() == "over"
            # What the successor began with, it has from the run before.
            (second,) = await stage.app.execution_service.get_executions(["it~2"])
            assert second.attributes == {"step": "again", "total": 9.5, "kept": "é\u2028\n="}
            assert await found(stage, kept="é\u2028\n=") == sorted(["it", "it~2", forked])
            await verified(stage)
            for one in ("it", "it~2"):
                assert await stage.app.history_service.what_if(one, source) is None

    run(story())


CHILDREN = """
    const attributes = { customer: "é\u2028\\n=", total: 3, none: null, missing: undefined }
    const one = await Workflow.run("below", {}, { attributes })
    await Workflow.run("below", {}, { id: "own", attributes: { ...attributes, total: -0.5 } })
    const ids = [1, 2].map(n => Workflow.start("waits", {}, { attributes: { n, twin: true } }))
    const plain = await Workflow.run("below")
    return one
"""


def test_a_script_gives_attributes_to_the_children_it_starts(
    database_url: str, namespace: str, run: Run
) -> None:
    below = """
        if (!Inputs.again) Workflow.restart({ again: true })
        Attributes.set("step", "over")
    """

    async def story() -> None:
        async with on_stage(
            database_url, namespace, it=CHILDREN, below=below, waits=WAITS
        ) as stage:
            id_ = await stage.start("it", id="it", attributes={"customer": "not handed down"})
            await stage.end(id_)
            for n in (3, 4):
                await stage.until(f"it/{n}", "decided")
            customer = "é\u2028\n="
            runs = ["it/1", "it/1~2", "own", "own~2"]
            assert await found(stage, customer=customer) == runs
            assert await found(stage, customer=customer, total=3) == runs[:2]
            assert await found(stage, total=-0.5, step="over") == ["own~2"]
            assert await found(stage, twin=True) == ["it/3", "it/4"]
            assert await found(stage, n=2) == ["it/4"]
            of_first, without = await stage.app.execution_service.get_executions(["it/1", "it/5"])
            assert of_first.attributes == {"customer": customer, "total": 3}
            assert without.attributes == {}
            await stage.app.history_service.replay(id_)
            await verified(stage)

    run(story())


def test_children_with_many_attributes_are_begun_in_pieces(
    database_url: str, namespace: str, run: Run
) -> None:
    """Each attribute costs the server as much as a child."""
    source = """
        for (let n = 0; n < 40; n++) {
            const attributes = { n }
            for (let i = 1; i < 16; i++) attributes["a" + i] = i
            Workflow.start("waits", {}, { attributes })
        }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, waits=WAITS) as stage:
            id_ = await stage.start("it", id="it")
            await stage.end(id_)
            history = await stage.app.history_service.events(id_)
            pieces = [len(one.data["commands"]) for one in history if one.type == "decided"]
            assert pieces == [15, 15, 10]
            assert len(await found(stage, a15=15)) == 40
            assert await found(stage, n=39) == ["it/40"]
            await verified(stage)

    run(story())


def test_a_child_with_more_than_sixteen_attributes_is_refused_where_it_is_asked_for(
    database_url: str, namespace: str, run: Run
) -> None:
    source = """
        const attributes = { none: null }
        for (let n = 0; n < 17; n++) attributes["a" + n] = n
        try { await Workflow.run("it", {}, { attributes }) } catch (e) { return e.message }
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            ended = await stage.ended("it")
            assert ended.result() == (
                "the option attributes of Workflow.run are 17, and 16 are the most"
            )
            assert await stage.app.execution_service.count_executions() == 1

    run(story())


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ([], "attributes: must be a dict"),
        ({"two words": 1}, "attributes: 'two words' cannot be a name"),
        ({1: 1}, "attributes: an int cannot be a name"),
        ({"a": None}, r"attributes\['a'\]: must be text, a number or a bool, not None"),
        ({"a": float("nan")}, r"attributes\['a'\]: must be a number up to 2\^53"),
        ({"a": 10**400}, r"attributes\['a'\]: must be a number up to 2\^53"),
        ({"a": "x" * 65}, r"attributes\['a'\]: has 65 characters"),
        ({"a": "\ud800"}, r"attributes\['a'\]: is no text"),
        ({f"a{n}": n for n in range(17)}, "attributes: are 17, and 16 are the most"),
    ],
)
def test_what_cannot_be_attributes_is_refused(attributes: Any, said: str) -> None:
    for parse in (
        lambda: parse_filters({"attributes": attributes}),
        lambda: parse_create({"target_name": "it", "attributes": attributes}, {}),
    ):
        with pytest.raises(InvalidRequest, match=said):
            parse()


def test_a_character_is_one_in_python_and_in_a_script(
    database_url: str, namespace: str, run: Run
) -> None:
    """JavaScript counts two units for some: as many would fit at a start and not from a script."""
    source = 'Attributes.set("b", Inputs.text); Attributes.set("c", Inputs.text + "x")'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            text = "\N{COLLISION SYMBOL}" * 64
            id_ = await stage.start("it", {"text": text}, attributes={"a": text})
            ended = await stage.end(id_)
            assert "attribute 'c' must be a text of at most 64" in ended.output["message"]
            assert ended.attributes == {"a": text, "b": text}

    run(story())


FULL = """
    const told = []
    const attempt = name => { try { Attributes.set(name, 1) } catch (e) { told.push(e.name) } }
    attempt("one_more")
    await Signal.when("go")
    attempt("one_more")
    Attributes.set("a0", null)
    attempt("one_more")
    attempt("two_more")
    return told
"""


def test_a_script_cannot_give_more_than_sixteen_with_those_of_the_start(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it=FULL) as stage:
            executions, histories = stage.app.execution_service, stage.app.history_service
            sixteen = {f"a{n}": n for n in range(16)}
            given: dict[str, Any] = {"debounce": Debounce(key="k", wait="1h"), "attributes": {}}
            id_ = await stage.start("it", **given)
            given = {"debounce": Debounce(key="k", wait="1ms"), "attributes": sixteen}
            assert await stage.start("it", **given) == id_
            await stage.app.signal_service.send_signal(workflow_id=id_, signal_name="go")
            ended = await stage.end(id_)
            assert ended.result() == ["RangeError"] * 3
            assert len(ended.attributes) == 16 and ended.attributes["one_more"] == 1
            await histories.replay(id_)
            # Its last event before its end is the signal.
            fork = await histories.fork(id_, at=2)
            await stage.app.signal_service.send_signal(workflow_id=fork, signal_name="go")
            assert (await stage.end(fork)).result() == ["RangeError"] * 3
            assert await executions.count_executions({"attributes": {"one_more": 1}}) == 2
            await verified(stage)

    run(story())


def test_pages_follow_each_other_whatever_changes_between_them(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, workers=0, it="return 1") as stage:
            executions = stage.app.execution_service
            there = [await stage.start("it", id=f"old-{n:02}") for n in range(25)]
            before = [one.id for one in await executions.query_executions({"limit": 100})]
            seen: list[str] = []
            cursor = None
            for page in range(4):
                got = await executions.page_executions({"status": "pending", "limit": 7}, cursor)
                seen += [one.id for one in got.executions]
                cursor = got.cursor
                assert (cursor is None) == (page == 3)
                # New ones come, some that were seen and some that were not are over.
                await stage.start("it", id=f"new-{page}")
                await executions.terminate_execution(seen[-1])
                rest = [id_ for id_ in before if id_ not in seen]
                if rest:
                    await executions.terminate_execution(rest[-1])
                    before.remove(rest[-1])
            assert seen == before
            assert len(there) - len(seen) == 3
            assert (await executions.page_executions({"limit": 0})).executions == []
            wrong: Any
            for wrong in ("", "nonsense", "MTIz", 5):
                with pytest.raises(InvalidRequest, match="cursor"):
                    await executions.page_executions({}, wrong)

    run(story())


def test_executions_are_counted_by_what_they_are(
    database_url: str, namespace: str, run: Run
) -> None:
    fails = 'throw new TypeError("no")'

    async def story() -> None:
        async with on_stage(
            database_url, namespace, it="return 1", fails=fails, waits=WAITS
        ) as stage:
            for n in range(3):
                await stage.end(await stage.start("it", attributes={"tier": n % 2}))
            await stage.end(await stage.start("fails"))
            await stage.end(await stage.start("fails", queue="default"))
            waiting = await stage.start("waits", id="waits")
            await stage.until(waiting, "decided")
            await stage.start("it", queue="other")
            count_by = stage.app.execution_service.count_by
            assert await count_by("status") == {
                "completed": 3, "failed": 2, "pending": 1, "suspended": 1,
            }  # fmt: skip
            assert await count_by("status", {"target_name": "it"}) == {"completed": 3, "pending": 1}
            assert await count_by("target_name") == {"it": 4, "fails": 2, "waits": 1}
            assert await count_by("queue") == {"default": 6, "other": 1}
            assert await count_by("type") == {"workflow": 7}
            assert await count_by("schedule") == {"": 7}
            assert await count_by("error") == {"TypeError": 2}
            assert await count_by("error", {"status": "completed"}) == {}
            assert await count_by("attribute:tier", {"target_name": "it"}) == {
                "0": 2, "": 1, "1": 1,
            }  # fmt: skip
            assert sum((await count_by("age")).values()) == 7
            assert sum((await count_by("age", {"created_after": "2100-01-01"})).values()) == 0
            for by in ("stauts", "attribute:", "attribute:a b", 5):
                with pytest.raises(InvalidRequest):
                    await count_by(by)  # type: ignore[arg-type]  # wrong on purpose

    run(story())


def test_what_failed_is_found_and_counted_by_the_name_of_its_error(
    database_url: str, namespace: str, run: Run
) -> None:
    named = 'const e = new Error("no"); e.name = Inputs.name; throw e'
    long = "Late\n  again " + "x" * 70

    def spills() -> None:
        raise ConnectionError("no tea")

    registry = a_registry(TaskDefinition("spills", None, spills))
    late = f"```\ntimeout: 1ms\n```\n{WAITS}"

    async def story() -> None:
        async with on_stage(
            database_url, namespace, registry, it="return 1", named=named, late=late
        ) as stage:
            executions = stage.app.execution_service
            for number, name in enumerate(["RangeError", "Out of tea", "RangeError", "", long]):
                await stage.end(await stage.start("named", {"name": name}, id=f"named-{number}"))
            await stage.end(await stage.start("it"))
            await stage.end(await stage.start("spills", exec_type="task", id="spills"))
            await stage.end(await stage.start("late", id="late"))
            by_error = {
                "RangeError": 2,
                "": 1,
                "ConnectionError": 1,
                f"Late again {'x' * 53}": 1,
                "Out of tea": 1,
                "TimeoutError": 1,
            }
            assert await executions.count_by("error") == by_error
            assert await executions.count_by("error", {"status": "failed"}) == by_error
            assert await executions.count_by("error", {"status": "completed"}) == {}
            assert await executions.count_by("error", {"error_name": "RangeError"}) == {
                "RangeError": 2
            }
            assert await executions.count_by("status", {"error_name": "RangeError"}) == {
                "failed": 2
            }

            async def failed_with(name: str, **more: Any) -> list[str]:
                filters = {"error_name": name, **more}
                ids = [one.id for one in await executions.query_executions(filters)]
                assert len(ids) == await executions.count_executions(filters)
                return sorted(ids)

            two = ["named-0", "named-2"]
            assert await failed_with("RangeError") == two
            assert await failed_with("RangeError", status="failed", target_name="named") == two
            assert await failed_with("RangeError", status="completed") == []
            assert await failed_with("RangeError", target_name="it") == []
            assert await failed_with(long) == ["named-4"]
            assert await failed_with("Out of tea") == ["named-1"]
            assert await failed_with("TimeoutError") == ["late"]
            assert await failed_with("ConnectionError") == ["spills"]
            await verified(stage)

            await executions.delete_execution("named-0")
            assert await failed_with("RangeError") == ["named-2"]
            async for _ in stage.app.verification_service.rebuild_all():
                pass
            assert await failed_with("RangeError") == ["named-2"]
            assert await failed_with("Out of tea") == ["named-1"]
            await verified(stage)

    run(story())


def test_verify_tells_of_an_error_that_is_not_found_and_rebuild_mends_it(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it='throw new TypeError("no")') as stage:
            app, id_ = stage.app, await stage.start("it")
            await stage.end(id_)
            assert await app.verification_service.verify(id_) == []
            connection = app._connection
            keys = connection.keys.partition(id_)
            await connection.command("DEL", keys.index("e", "TypeError"))
            [missing] = await app.verification_service.verify(id_)
            assert "index" in missing.problem
            await connection.command("HSET", keys.projection(id_), "er", "Other")
            assert len(await app.verification_service.verify(id_)) >= 1
            await app.verification_service.rebuild(id_)
            assert await app.verification_service.verify(id_) == []
            assert await app.execution_service.count_by("error") == {"TypeError": 1}

    run(story())


def test_many_are_ended_by_attribute_and_by_the_line_they_wait_at(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'await Signal.when("go")\nawait Signal.when("go")'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            for n in range(6):
                await stage.start("it", id=f"it-{n}", attributes={"even": n % 2 == 0})
                await stage.until(f"it-{n}", "decided")
            for n in (0, 1):
                await stage.app.signal_service.send_signal(
                    workflow_id=f"it-{n}", signal_name="go", request_id=f"go-{n}"
                )
            while len((await stage.app.history_service.where("it"))[0].at.get(2, [])) < 2:
                pass
            bulk = stage.app.bulk_service
            done = await bulk.run("terminate", {"target_name": "it"}, waits_at=2, dry_run=True)
            assert sorted(done.ids) == ["it-0", "it-1"]
            chosen = {"target_name": "it", "attributes": {"even": True}}
            assert (await bulk.run("terminate", chosen, waits_at=1)).done == 2
            assert (await bulk.run("terminate", {"attributes": {"even": False}})).done == 3
            assert await found(stage, even=True) == ["it-0", "it-2", "it-4"]
            with pytest.raises(InvalidRequest, match="needs target_name"):
                await bulk.run("terminate", {}, waits_at=2)
            with pytest.raises(InvalidRequest, match="does not go with delete"):
                await bulk.run("delete", {"target_name": "it"}, waits_at=2)
            await verified(stage)

    run(story())


def test_the_command_line_starts_lists_and_counts_by_attributes(
    redis_server: RedisServer, namespace: str, run: Run
) -> None:
    where = ["--redis", redis_server.url, "--namespace", namespace]

    def rhythm(*words: str) -> str:
        result = CliRunner().invoke(main, [*words, *where], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    async def story() -> None:
        async with on_stage(redis_server.url, namespace, workers=0, it="return 1"):
            pass

    run(story())
    for n in range(3):
        rhythm("start", "it", "--id", f"it-{n}", "-a", "customer=c-1", "-a", f"n={n}")

    listed = rhythm("list", "-a", "customer=c-1", "--limit", "2")
    assert "2 of 3 executions" in listed
    cursor = listed.partition("--cursor ")[2].strip()
    last = rhythm("list", "-a", "customer=c-1", "--limit", "2", "--cursor", cursor)
    assert sum(f"it-{n}" in listed for n in range(3)) == 2
    assert sum(f"it-{n}" in last and f"it-{n}" not in listed for n in range(3)) == 1
    assert "3 executions" in rhythm("count", "-a", "customer=c-1")
    assert "pending  3" in rhythm("count", "--by", "status")
    assert "0 executions" in rhythm("count", "--error", "TypeError")
    assert rhythm("list", "--error", "TypeError", "--json") == "[]\n"
    assert '"it": 3' in rhythm("count", "--by", "workflow", "--json")
    assert '"cursor": null' in rhythm("list", "--json", "--cursor", "start")
    assert 'customer": "c-1"' in rhythm("get", "it-1")
