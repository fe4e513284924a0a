"""The test kit: workflows run to their end in memory, on a clock that skips, and tell what came."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from rhythm import (
    ConfigurationError,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFinished,
    ExecutionStatus,
    FlowSyntaxError,
    InvalidPayload,
    InvalidRequest,
    MissingResource,
    Provided,
    Retry,
    RunStuck,
    TaskContext,
    TaskNotRegistered,
    task,
)
from rhythm.tasks import TaskRegistry
from rhythm.testing import RhythmTest
from rhythm.virtual_time import Standstill, VirtualLoop
from rhythm.virtual_time import run as run_on

TRIAL = """\
const { userId } = Inputs
await Task.run("send_mail", { to: "a@b.c" })
const ends = Timer.delay("30d")
const { approved } = await Signal.when("manager-approval")
console.log("approved", approved)
await ends
return { ended: true }
"""


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> TaskRegistry:
    """Where `@task` puts functions in this test alone."""
    own = TaskRegistry()
    monkeypatch.setattr("rhythm.tasks.registry", own)
    monkeypatch.setattr("rhythm.tasks.decorator.registry", own)
    return own


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "trial.flow").write_text(TRIAL)
    return folder


# Time.


def test_a_month_passes_and_the_run_tells_what_happened(
    rhythm_test: RhythmTest, flows: Path
) -> None:
    rhythm_test.task("send_mail", returns={"ok": True})
    rhythm_test.signal("manager-approval", {"approved": True}, after="3d")

    run = rhythm_test.run(flows / "trial.flow", {"userId": "1"})

    assert run.output == {"ended": True} and run.elapsed == timedelta(days=30)
    assert run.status is ExecutionStatus.COMPLETED and run.error is None
    assert run.workflow == "trial" and run.inputs == {"userId": "1"}
    assert run.calls("send_mail") == [{"to": "a@b.c"}]
    assert run.console == ["approved true"]
    signalled = next(event for event in run.history if event.type == "signal_received")
    assert signalled.at - run.history[0].at == timedelta(days=3)


@pytest.mark.parametrize(
    ("source", "elapsed"),
    [
        ("return 1", timedelta()),
        ('await Timer.delay("1ms")', timedelta(milliseconds=1)),
        ('await Timer.delay("9.5d"); await Timer.delay(3)', timedelta(days=9.5, seconds=3)),
        ('await Timer.delay("3650d"); await Timer.delay("3650d")', timedelta(days=7300)),
        ('await Promise.race([Timer.delay("2h"), Timer.delay("1h")])', timedelta(hours=1)),
    ],
)
def test_only_what_is_waited_for_takes_time(
    rhythm_test: RhythmTest, source: str, elapsed: timedelta
) -> None:
    assert rhythm_test.run(f"{source}\n").elapsed == elapsed


def test_a_task_that_waits_takes_no_time_either(rhythm_test: RhythmTest) -> None:
    async def slow() -> str:
        await asyncio.sleep(86_400)
        return await asyncio.to_thread(str.upper, "done")

    rhythm_test.task("slow", calls=slow)

    run = rhythm_test.run("return await Task.run('slow')")

    assert (run.output, run.elapsed) == ("DONE", timedelta(days=1))


def test_the_clock_begins_where_it_is_told(rhythm_test: RhythmTest) -> None:
    begins = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)

    aware = rhythm_test.run("return new Date().toISOString()", starts_at=begins)
    naive = rhythm_test.run(
        "return new Date().toISOString()", starts_at=begins.replace(tzinfo=None)
    )

    assert aware.output == naive.output == "2030-05-06T07:08:09.000Z"


def test_the_same_run_is_the_same_to_the_id(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("f", returns=1)
    source = 'await Task.run("f"); return [Context.executionId, Math.random()]'

    first, second = rhythm_test.run(source), rhythm_test.run(source)
    other = rhythm_test.run(source, seed=1)

    assert first.history == second.history
    assert other.output[0] != first.output[0] and other.output[1] != first.output[1]


# Tasks.


def test_registered_tasks_run_as_they_are_unless_replaced(rhythm_test: RhythmTest) -> None:
    @task
    def sync(text: str) -> str:
        return text + " sync"

    @task
    async def waiting(text: str) -> str:
        return text + " async"

    @task(name="mail")
    def never(text: str) -> str:
        raise AssertionError("it is replaced")

    rhythm_test.task("mail", returns="sent")

    run = rhythm_test.run(
        "const of = name => Task.run(name, { text: 'a' })\n"
        "return await Promise.all([of('sync'), of('waiting'), of('mail')])"
    )

    assert run.output == ["a sync", "a async", "sent"]


def test_an_error_that_a_task_raises_reaches_the_script_by_its_name(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("declined", raises=PermissionError("no cover"))
    rhythm_test.task("gone", raises=LookupError)

    run = rhythm_test.run(
        "const names = []\n"
        "for (const name of ['declined', 'gone', 'declined']) {\n"
        "  try { await Task.run(name) } catch (error) { names.push([error.name, error.message]) }\n"
        "}\n"
        "return names"
    )

    declined = ["PermissionError", "no cover"]
    assert run.output == [declined, ["LookupError", ""], declined]


def test_a_function_is_called_as_a_task_would_be(rhythm_test: RhythmTest) -> None:
    class Amount(int):
        pass

    def charge(amount: float, context: TaskContext, currency: str = "EUR") -> str:
        return f"{amount:.2f} {currency} {context.attempt} {context.task_name}"

    rhythm_test.task("charge", calls=charge)
    rhythm_test.task("length", calls=lambda text: len(text))

    run = rhythm_test.run(
        "return [await Task.run('charge', { amount: 3 }), "
        "await Task.run('length', { text: 'four' })]"
    )

    assert run.output == ["3.00 EUR 1 charge", 4]


@pytest.mark.parametrize("kind", [Mock, AsyncMock])
def test_a_double_of_any_kind_can_be_called(rhythm_test: RhythmTest, kind: type[Mock]) -> None:
    double = kind(return_value=7)
    rhythm_test.task("f", calls=double)

    run = rhythm_test.run("return await Task.run('f', { a: 1 })")

    assert run.output == 7
    double.assert_called_once_with(a=1)


def test_retries_take_their_time_and_are_counted(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("charge", calls=Mock(side_effect=[ConnectionError, Retry("1d"), "paid"]))

    run = rhythm_test.run(
        "const retry = { maxAttempts: 5, initialInterval: '1h', maxInterval: '1h', jitter: 0 }\n"
        "return await Task.run('charge', { n: 1 }, { retry })"
    )

    assert run.output == "paid" and run.elapsed == timedelta(hours=25)
    assert run.calls("charge") == [{"n": 1}] and run.attempts("charge") == [3]


def test_a_replaced_task_keeps_the_queue_and_the_retries_of_its_declaration(
    rhythm_test: RhythmTest,
) -> None:
    from rhythm import RetryPolicy

    @task(queue="slow", retry=RetryPolicy(max_attempts=3))
    def charge() -> None:
        raise AssertionError("it is replaced")

    rhythm_test.task("charge", raises=ConnectionError)

    run = rhythm_test.run("await Task.run('charge')")

    assert run.attempts("charge") == [3]
    assert run.error is not None and run.error.name == "ConnectionError"


def test_a_replaced_task_refuses_what_the_registered_one_would_refuse(
    rhythm_test: RhythmTest,
) -> None:
    @task
    def charge(amount: float) -> None:
        raise AssertionError("it is replaced")

    rhythm_test.task("charge", returns="paid")

    run = rhythm_test.run("await Task.run('charge', { amuont: 3 })")

    assert run.error is not None and run.error.name == "InvalidTaskInputs"
    assert "amuont" in run.error.message


def test_a_task_that_the_test_does_not_have_is_told_at_once_even_if_the_script_would_catch_it(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("send_mail", returns=None)

    with pytest.raises(TaskNotRegistered) as caught:
        rhythm_test.run("try { await Task.run('send_mial', {}, { queue: 'x' }) } catch (e) {}")

    assert caught.value == TaskNotRegistered("send_mial", ["send_mail"])
    assert caught.value.__notes__ == [
        "replace it with rhythm_test.task('send_mial', returns=…), or import the module that "
        "declares it"
    ]


def test_a_registered_task_gets_its_resources_from_the_test(rhythm_test: RhythmTest) -> None:
    class Bank:
        def charge(self, amount: float) -> str:
            return f"charged {amount:g}"

    @task
    def charge(amount: float, bank: Provided[Bank]) -> str:
        return bank.charge(amount)

    source = "return await Task.run('charge', { amount: 3 })"
    with pytest.raises(MissingResource) as caught:
        rhythm_test.run(source)
    rhythm_test.resource(Bank, Bank())

    assert rhythm_test.run(source).output == "charged 3"
    assert "rhythm_test.resource(Bank, …)" in caught.value.__notes__[0]


def test_a_task_that_nobody_calls_needs_no_resources(rhythm_test: RhythmTest) -> None:
    @task
    def charge(bank: Provided[Path]) -> None: ...

    assert rhythm_test.run("return 1 \n").output == 1


def test_every_queue_is_served_before_time_passes(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("f", returns="task")

    run = rhythm_test.run(
        "const timer = Timer.delay('1ms').then(() => 'timer')\n"
        "return await Promise.race([timer, Task.run('f', {}, { queue: 'reports' })])"
    )

    assert run.output == "task"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"returns": 1, "raises": ValueError}, "task 'f' is to do several things"),
        ({"raises": "ValueError"}, "task 'f' cannot raise a str"),
    ],
)
def test_a_replacement_that_cannot_be_is_refused(
    rhythm_test: RhythmTest, given: Any, error: str
) -> None:
    with pytest.raises(ConfigurationError, match=error):
        rhythm_test.task("f", **given)


def test_a_replacement_cannot_return_what_no_task_can(rhythm_test: RhythmTest) -> None:
    with pytest.raises(InvalidPayload, match="returns"):
        rhythm_test.task("f", returns=object())


# Signals and cancellation.


def test_signals_come_in_the_order_of_their_times_and_are_kept_until_waited_for(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.signal("go", "third", after=timedelta(hours=2))
    rhythm_test.signal("go", "first")
    rhythm_test.signal("go", "second")
    rhythm_test.signal("go", "never taken", after="9h")

    run = rhythm_test.run(
        "await Timer.delay('1h')\n"
        "return [await Signal.when('go'), await Signal.when('go'), await Signal.when('go')]"
    )

    assert run.output == ["first", "second", "third"] and run.elapsed == timedelta(hours=2)


def test_a_signal_can_go_to_a_child(rhythm_test: RhythmTest) -> None:
    rhythm_test.workflow("return await Signal.when('go')", name="child")
    rhythm_test.signal("go", 5, after="1h", workflow="child")

    run = rhythm_test.run(
        "return await Promise.all([Workflow.run('child'), Workflow.run('child')])"
    )

    assert run.output == [5, 5]


def test_a_signal_to_a_child_that_does_not_run_is_a_mistake(rhythm_test: RhythmTest) -> None:
    rhythm_test.signal("go", 5, after="1h", workflow="child")

    with pytest.raises(ConfigurationError, match=r"signal 'go' is for workflow 'child'.*1:00:00"):
        rhythm_test.run("await Timer.delay('1d')")


def test_a_cancellation_lets_the_workflow_clean_up(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("refund", returns=None)
    rhythm_test.cancel("user left", after="2d")

    run = rhythm_test.run("try { await Timer.delay('30d') } finally { await Task.run('refund') }")

    assert run.status is ExecutionStatus.CANCELLED and run.elapsed == timedelta(days=2)
    assert run.calls("refund") == [{}]
    with pytest.raises(ExecutionCancelled, match="user left"):
        run.output  # noqa: B018 - reading it raises


@pytest.mark.parametrize(
    "given",
    [{"name": ""}, {"name": "a b"}, {"name": "a", "after": "soon"}, {"name": "a", "after": -1}],
)
def test_a_signal_that_cannot_be_is_refused(rhythm_test: RhythmTest, given: Any) -> None:
    with pytest.raises(InvalidRequest):
        rhythm_test.signal(**given)


# Runs that do not end.


def test_a_wait_that_nothing_will_end_names_file_line_and_signal(
    rhythm_test: RhythmTest, flows: Path
) -> None:
    rhythm_test.task("send_mail", returns=None)
    rhythm_test.signal("manager-aproval", {}, after="40d")

    with pytest.raises(RunStuck) as caught:
        rhythm_test.run(flows / "trial.flow", {"userId": "1"})

    assert str(caught.value) == (
        "nothing is left that could end workflow 'trial', 40 days, 0:00:00 after its start:\n"
        f'  {flows}/trial.flow:4: await Signal.when("manager-approval") waits for signal '
        "'manager-approval'\n"
        "send it: rhythm_test.signal('manager-approval', …) (the test sends 'manager-aproval')"
    )


def test_it_is_told_where_a_child_stands_that_is_waited_for(rhythm_test: RhythmTest) -> None:
    rhythm_test.signal("go", after="1h", workflow="child")
    rhythm_test.workflow("await Signal.when('go')\nawait Signal.when('go')", name="child")

    with pytest.raises(RunStuck) as caught:
        rhythm_test.run("async function f() { await Workflow.run('child') }\nawait f()")

    assert caught.value.waits == ("child.flow:2: await Signal.when('go') waits for signal 'go'",)
    assert caught.value.remedies == (
        "send it once more: rhythm_test.signal('go', …, workflow='child')",
    )


def test_a_combination_is_told_with_all_that_it_waits_for(rhythm_test: RhythmTest) -> None:
    with pytest.raises(RunStuck) as caught:
        rhythm_test.run("await Promise.race([Signal.when('a'), Signal.when('b')])")

    assert [wait.partition("waits for ")[2] for wait in caught.value.waits] == [
        "the first of signal 'a' and signal 'b'"
    ]
    assert len(caught.value.remedies) == 2


def test_a_task_that_waits_for_something_of_its_own_is_named(rhythm_test: RhythmTest) -> None:
    async def hangs() -> None:
        await asyncio.get_running_loop().create_future()

    rhythm_test.task("hangs", calls=hangs)

    with pytest.raises(RunStuck, match="task 'hangs' runs, and waits for something of its own"):
        rhythm_test.run("await Task.run('hangs')")


def test_a_timer_beyond_what_is_skipped_is_told(rhythm_test: RhythmTest) -> None:
    with pytest.raises(RunStuck, match="a test skips ten years at once, and no more"):
        rhythm_test.run("await Timer.until(new Date('2040-01-01'))")


def test_a_workflow_that_never_ends_is_noticed(
    rhythm_test: RhythmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhythm.testing.world.MAX_SKIPS", 20)

    with pytest.raises(RunStuck, match=r"goes on 20 days, .* time has passed 20 times"):
        rhythm_test.run("for (;;) await Timer.delay('1d')")


def test_a_run_can_be_stopped_to_see_how_far_it_is(
    rhythm_test: RhythmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhythm.testing.world.MAX_SKIPS", 5)
    rhythm_test.task("report", returns=None)

    run = rhythm_test.run(
        "for (let day = 1; ; day++) {\n"
        "  await Timer.delay('1d'); State.set('day', day); await Task.run('report', { day })\n"
        "}",
        stop_after="10d",
    )

    assert run.status is ExecutionStatus.SUSPENDED and run.elapsed == timedelta(days=10)
    assert run.calls("report") == [{"day": day} for day in range(1, 11)]
    assert run.state == {"day": 10}
    with pytest.raises(ExecutionNotFinished):
        run.output  # noqa: B018 - reading it raises


@pytest.mark.errors_expected
def test_a_workflow_that_the_engine_cannot_run_on_ends_the_run(
    rhythm_test: RhythmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of the engine")

    monkeypatch.setattr("rhythm.worker.activations.settle", broken)

    with pytest.raises(ZeroDivisionError):
        rhythm_test.run("return 1 \n")


# What came of it.


def test_a_failed_run_shows_its_error_instead_of_an_output(rhythm_test: RhythmTest) -> None:
    run = rhythm_test.run("const a = null\nreturn a.b")

    assert run.status is ExecutionStatus.FAILED
    assert run.error is not None and (run.error.name, run.error.line) == ("TypeError", 2)
    with pytest.raises(ExecutionFailed, match=r"line 2 of the workflow"):
        run.output  # noqa: B018 - reading it raises


def test_calls_are_those_of_the_whole_tree_in_order(rhythm_test: RhythmTest) -> None:
    rhythm_test.task("note", returns=None)
    rhythm_test.workflow("await Task.run('note', { by: Inputs.name })", name="child")

    run = rhythm_test.run(
        "await Task.run('note', { by: 'parent' })\n"
        "for (const name of ['a', 'b']) await Workflow.run('child', { name })\n"
        "await Task.run('note', { by: 'parent again' })"
    )

    assert [call["by"] for call in run.calls("note")] == ["parent", "a", "b", "parent again"]
    assert [child.inputs["name"] for child in run.children("child")] == ["a", "b"]
    assert run.children("child")[1].calls("note") == [{"by": "b"}]
    assert run.children() and not run.children("other")


def test_asking_for_calls_of_a_task_that_could_not_be_called_is_a_mistake(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("send_mail", returns=None)
    run = rhythm_test.run("return 1 \n")

    assert run.calls("send_mail") == []
    with pytest.raises(TaskNotRegistered, match="did you mean 'send_mail'"):
        run.calls("send_mial")


def test_what_was_started_and_is_not_waited_for_goes_on_as_far_as_it_can_at_once(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("note", returns=None)
    rhythm_test.workflow(
        "for (const at of [0, 1]) { await Task.run('note', { at }); await Timer.delay(1) }",
        name="child",
    )

    run = rhythm_test.run("await Workflow.start('child'); return 'over'")

    assert run.output == "over" and run.calls("note") == [{"at": 0}]


def test_workflows_with_ids_of_their_own_belong_to_the_run_and_can_be_sent_signals(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("note", returns=None)
    rhythm_test.workflow("await Task.run('note', await Signal.when('go'))", name="clerk")

    run = rhythm_test.run(
        "const id = await Workflow.start('clerk', {}, { id: 'clerk-7' })\n"
        "await Timer.delay('1d')\n"
        "await Signal.send(id, 'go', { at: 1 })\n"
        "await Timer.delay('1d')"
    )

    assert run.status is ExecutionStatus.COMPLETED and run.elapsed == timedelta(days=2)
    assert [child.id for child in run.children("clerk")] == ["clerk-7"]
    assert run.calls("note") == [{"at": 1}]
    assert run.children()[0].elapsed == timedelta(days=1)


def test_a_workflow_that_restarts_is_its_last_run_with_the_calls_of_all(
    rhythm_test: RhythmTest,
) -> None:
    rhythm_test.task("note", returns=None)
    rhythm_test.workflow(
        "await Timer.delay('1d'); if (!Inputs.again) Workflow.restart({ again: true })",
        name="child",
    )
    rhythm_test.signal("stop", 9, after="77h")

    run = rhythm_test.run(
        "const { day = 1 } = Inputs; await Task.run('note', { day });"
        "if (day === 1) await Workflow.run('child')\n"
        "try { return [day, await Signal.when('stop', { timeout: '12h' })] }"
        "catch { Workflow.restart({ day: day + 1 }) }"
    )

    assert run.output == [3, 9] and run.elapsed == timedelta(hours=77)
    assert run.inputs == {"day": 3} and run.history[0].data["restarted_from"].endswith("~2")
    assert run.calls("note") == [{"day": 1}, {"day": 2}, {"day": 3}]
    assert [each.status.value for each in run.runs] == ["restarted", "restarted", "completed"]
    assert [child.inputs for child in run.children("child")] == [{"again": True}]


def test_a_workflow_that_restarts_for_ever_is_told(
    rhythm_test: RhythmTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhythm.testing.world.MAX_SKIPS", 5)

    with pytest.raises(RunStuck, match="goes on 0:00:05 after its start"):
        rhythm_test.run("return Workflow.restart()")


# Where workflows come from.


def test_workflows_beside_the_file_can_be_its_children(
    rhythm_test: RhythmTest, flows: Path
) -> None:
    (flows / "parent.flow").write_text("return await Workflow.run('billing')")
    (flows / "child.flow").write_text("```\nname: billing\n```\nreturn 'from the folder'")

    assert rhythm_test.run(flows / "parent.flow").output == "from the folder"

    rhythm_test.workflow("return 'in its place'", name="billing")
    assert rhythm_test.run(flows / "parent.flow").output == "in its place"


def test_a_workflow_is_known_by_path_by_name_or_by_its_text(
    rhythm_test: RhythmTest, flows: Path
) -> None:
    (flows / "one.flow").write_text("return 1")
    rhythm_test.workflow(flows / "one.flow")
    rhythm_test.workflow("```\nname: two\n```\nreturn 2")

    assert rhythm_test.run("one").output == 1
    assert rhythm_test.run("two").output == 2
    assert (
        rhythm_test.run("return await Workflow.run('one') + await Workflow.run('two')").output == 3
    )


def test_paths_are_looked_for_from_here_then_in_the_folders(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (flows / "one.flow").write_text("return 1")
    kit = RhythmTest(folders=[tmp_path])

    assert kit.run("flows/one.flow").output == 1
    monkeypatch.chdir(flows)
    assert kit.run("one.flow").output == 1
    with pytest.raises(ConfigurationError, match="looked for in"):
        kit.run("flows/other.flow")


def test_the_fixture_finds_what_lies_beside_the_test(rhythm_test: RhythmTest) -> None:
    assert rhythm_test.replay("../histories") > 0


@pytest.mark.parametrize(
    ("workflow", "error", "said"),
    [
        ("nobody", ConfigurationError, "no workflow 'nobody' was given"),
        ("return (", FlowSyntaxError, "workflow.flow:1"),
    ],
)
def test_a_workflow_that_cannot_be_run_is_told(
    rhythm_test: RhythmTest, workflow: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        rhythm_test.run(workflow)


def test_a_text_without_a_name_cannot_be_a_child(rhythm_test: RhythmTest) -> None:
    with pytest.raises(ConfigurationError, match="has no name"):
        rhythm_test.workflow("return 1")


def test_inputs_that_are_no_json_are_refused(rhythm_test: RhythmTest) -> None:
    with pytest.raises(InvalidPayload, match=r"inputs\.at"):
        rhythm_test.run("return 1 \n", {"at": datetime.now(UTC)})


def test_inside_a_running_event_loop_it_says_what_to_do(rhythm_test: RhythmTest) -> None:
    async def story() -> None:
        rhythm_test.run("return 1 \n")

    with pytest.raises(ConfigurationError, match="not async def"):
        asyncio.run(story())


# The base install.


def test_the_kit_needs_no_pytest() -> None:
    program = """
import sys
sys.modules["pytest"] = None
from rhythm.testing import RhythmTest
print(RhythmTest().run("await Timer.delay('30d'); return 'done'").output)
"""

    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert told.stdout == "done\n"


# The clock itself.


def test_what_is_to_happen_beyond_for_ever_never_happens() -> None:
    loop = VirtualLoop(forever_s=100.0)
    seen: list[float] = []

    async def story() -> None:
        loop.call_later(100, seen.append, 100.0).cancel()
        loop.call_later(100, seen.append, 100.0)
        loop.call_later(99, seen.append, 99.0)
        await asyncio.sleep(1000)

    with pytest.raises(Standstill):
        run_on(story(), loop)
    assert seen == [99.0] and loop.time() == 99.0


def test_a_century_passes_as_a_second_does() -> None:
    """So far from the start two neighbouring floats are further apart than asyncio expects."""
    loop = VirtualLoop()

    async def story() -> float:
        for _ in range(100):
            await asyncio.sleep(365 * 86_400 + 0.1)
        return loop.time()

    assert run_on(story(), loop) == pytest.approx(100 * 365 * 86_400 + 10)


def test_time_stands_while_somebody_at_rest_makes_something_ready() -> None:
    asked: list[float | None] = []

    def at_rest(seconds: float | None) -> bool:
        asked.append(seconds)
        if len(asked) == 1:
            loop.call_soon(asked.append, None)
            return True
        return False

    loop = VirtualLoop(at_rest)

    async def story() -> float:
        await asyncio.sleep(5)
        return loop.time()

    assert run_on(story(), loop) == 5.0
    assert asked == [5.0, None, 5.0]


def test_what_is_given_to_a_thread_runs_at_once() -> None:
    def fails() -> None:
        raise LookupError

    async def story() -> str:
        with pytest.raises(LookupError):
            await asyncio.to_thread(fails)
        return await asyncio.to_thread(str.upper, "done")

    assert run_on(story(), VirtualLoop()) == "DONE"
