"""A machine: what goes in, what comes out, in which order, and how it ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flowlang
from flowlang import (
    CancelChild,
    CancelRequested,
    CancelTimer,
    Command,
    Completed,
    ErrorInfo,
    Failed,
    InternalError,
    Log,
    Machine,
    RunTask,
    RunWorkflow,
    SendSignal,
    SetState,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
)

START_MS = 1_700_000_000_000


def machine_of(source: str, **arguments: Any) -> Machine:
    return Machine(flowlang.compile(source), now_ms=START_MS, **arguments)


def lines(turn: Turn) -> list[str]:
    return [command.text for command in turn.commands if isinstance(command, Log)]


def without_logs(turn: Turn) -> list[Command]:
    return [command for command in turn.commands if not isinstance(command, Log)]


# ---------------------------------------------------------------------------------------- asking


def test_commands_come_in_the_order_and_with_the_line_in_which_the_program_asked() -> None:
    machine = machine_of(
        """const order = { id: 7 }
Task.run("charge", order, { queue: "money" })
const both = [
  Workflow.run("ship", { order }),
  Timer.delay("5s"),
]
State.set("stage", "paid")
console.log("asked")
Signal.send("other", "go", [1])
await Promise.all(both)
"""
    )

    turn = machine.start()

    assert turn.commands == (
        RunTask(1, "charge", {"id": 7}, {"queue": "money"}, 2),
        RunWorkflow(2, "ship", {"order": {"id": 7}}, {}, True, 4),
        StartTimer(3, START_MS + 5000, 5),
        SetState("stage", "paid"),
        Log("info", "asked", 8),
        SendSignal(4, "other", "go", [1], 9),
    )
    assert turn.outcome is None


def test_answers_come_in_any_order_and_later_code_sees_values_of_its_own() -> None:
    machine = machine_of(
        """
        const [a, b] = await Promise.all([Task.run("a"), Task.run("b")])
        a.n += 0.5
        return [a, b, typeof b.n]
        """
    )
    machine.start()

    waits = machine.feed(TaskCompleted(2, {"n": 2, "big": 1.5}), START_MS)
    ends = machine.feed(TaskCompleted(1, {"n": 1}), START_MS)

    assert waits == Turn()
    assert ends.outcome == Completed([{"n": 1.5}, {"n": 2, "big": 1.5}, "number"])


def test_a_failed_task_throws_a_plain_error_named_after_the_exception() -> None:
    machine = machine_of(
        """
        try {
          await Task.run("charge")
        } catch (error) {
          return [error instanceof Error, error.name, error.message, error.type, error.details]
        }
        """
    )
    machine.start()
    error = ErrorInfo("CardDeclined", "no 💶", "task_failed", {"code": 51}, traceback="secret")

    turn = machine.feed(TaskFailed(1, error), START_MS)

    expected = [True, "CardDeclined", "no 💶", "task_failed", {"code": 51}]
    assert turn.outcome == Completed(expected)


def test_an_uncaught_failure_fails_the_execution_with_the_line_that_asked() -> None:
    machine = machine_of('const x = 1\nawait Task.run("charge")\n')
    machine.start()

    turn = machine.feed(TaskFailed(1, ErrorInfo("CardDeclined", "no", "task_failed")), START_MS)

    assert turn.outcome == Failed(ErrorInfo("CardDeclined", "no", "task_failed", line=2))


def test_a_thrown_value_that_is_no_error_is_shown_and_kept_as_details() -> None:
    turn = machine_of("throw { code: 5 }").start()

    assert turn.outcome == Failed(ErrorInfo("Error", "[object Object]", details={"code": 5}))


def test_a_child_that_nobody_waits_for_has_its_id_at_once() -> None:
    machine = machine_of(
        """
        await null
        return [Workflow.start("audit", { a: 1 }), Workflow.start("audit", {}, { id: "mine" })]
        """,
        context={"executionId": "exec_1"},
    )

    turn = machine.start()

    assert turn.outcome == Completed(["exec_1/1", "mine"])
    assert [command.wait for command in turn.commands if isinstance(command, RunWorkflow)] == [
        False,
        False,
    ]


# ---------------------------------------------------------------------------------------- signals


def test_signals_are_kept_until_asked_for_and_handed_out_first_in_first_out() -> None:
    machine = machine_of(
        """
        const early = await Signal.when("news")
        console.log("early", early)
        const [a, b] = await Promise.all([Signal.when("news"), Signal.next("news")])
        return [early, a, b]
        """
    )
    machine.start()

    machine.feed(SignalReceived("other", 0), START_MS)
    machine.feed(SignalReceived("news", 1), START_MS)
    machine.feed(SignalReceived("news", 2), START_MS)
    turn = machine.feed(SignalReceived("news", {"n": 3}), START_MS)

    assert turn.outcome == Completed([1, 2, {"n": 3}])


def test_a_signal_sent_before_the_wait_is_not_lost() -> None:
    machine = machine_of('await Task.run("slow"); return await Signal.when("news")')
    machine.start()
    machine.feed(SignalReceived("news", "hello"), START_MS)

    turn = machine.feed(TaskCompleted(1, None), START_MS)

    assert turn.outcome == Completed("hello")


def test_a_wait_with_a_timeout_rejects_when_its_timer_fires() -> None:
    machine = machine_of(
        """
        try {
          await Signal.when("approval", { timeout: "1h" })
        } catch (error) {
          console.log(error.name, error.type)
        }
        return await Signal.when("approval", { timeout: 60 })
        """
    )
    assert machine.start().commands == (StartTimer(1, START_MS + 3_600_000, 3),)

    late = machine.feed(TimerFired(1), START_MS + 3_600_000)
    turn = machine.feed(SignalReceived("approval", "yes"), START_MS + 3_600_001)

    assert lines(late) == ["TimeoutError timeout"]
    assert turn == Turn((CancelTimer(2),), Completed("yes"))


# ---------------------------------------------------------------------------------------- chance


def test_time_is_that_of_the_event_and_never_goes_back() -> None:
    machine = machine_of(
        """
        const times = [Date.now()]
        for (const name of ["a", "b", "c"]) {
          await Task.run(name)
          times.push(Date.now(), new Date().getTime())
        }
        return times
        """
    )
    machine.start()

    machine.feed(TaskCompleted(1, None), START_MS + 10)
    machine.feed(TaskCompleted(2, None), START_MS + 5)
    turn = machine.feed(TaskCompleted(3, None), START_MS + 20)

    offsets = [0, 10, 10, 10, 10, 20, 20]
    assert turn.outcome == Completed([START_MS + offset for offset in offsets])


def test_chance_is_decided_by_the_seed() -> None:
    source = "return [Math.random(), Math.random(), crypto.randomUUID()]"

    one = machine_of(source, seed=42).start().outcome
    same = machine_of(source, seed=42).start().outcome
    other = machine_of(source, seed=43).start().outcome

    assert one == same != other
    # SplitMix64 of seed 42: part of the language version.
    assert one == Completed(
        [0.7415648787718233, 0.1599103928769201, "47526757-130f-4f52-981c-e1ff0e4ae394"]
    )


# ---------------------------------------------------------------------------------------- ends


def test_the_end_drops_what_still_waits_but_not_what_was_asked() -> None:
    machine = machine_of(
        """
        (async () => { await Task.run("slow"); console.log("never") })()
        return 1
        """
    )

    turn = machine.start()

    assert without_logs(turn) == [RunTask(1, "slow", {}, {}, 2)]
    assert turn.outcome == Completed(1)


def test_the_result_leaves_when_the_body_has_settled_but_jobs_run_to_their_end() -> None:
    machine = machine_of(
        """
        const seen = []
        Promise.resolve().then(() => seen.push(1)).then(() => seen.push(2)).then(() => {
          seen.push(3)
          console.log("jobs done", seen.length)
        })
        return seen
        """
    )

    turn = machine.start()

    assert turn.outcome == Completed([1])
    assert lines(turn) == ["jobs done 3"]


def test_an_unhandled_rejection_is_logged_and_fails_nothing() -> None:
    machine = machine_of(
        """
        Task.run("forgotten")
        Promise.reject(new TypeError("lost"))
        const late = Promise.reject(1)
        late.catch(() => {})
        await Task.run("main")
        return "fine"
        """
    )

    started = machine.start()
    forgotten = machine.feed(TaskFailed(1, ErrorInfo("ValueError", "bad")), START_MS)
    ended = machine.feed(TaskCompleted(2, None), START_MS)

    assert lines(started) == ["unhandled rejection: TypeError: lost (line 3)"]
    assert lines(forgotten) == ["unhandled rejection: ValueError: bad (line 2)"]
    assert ended.outcome == Completed("fine")


def test_waiting_for_nothing_is_a_deadlock_that_names_the_lines() -> None:
    machine = machine_of(
        """const gate = new Promise(() => {})
async function inner() {
  await gate
}
await Task.run("first")
await inner()
"""
    )
    machine.start()

    turn = machine.feed(TaskCompleted(1, None), START_MS)

    assert isinstance(turn.outcome, Failed)
    assert turn.outcome.error.name == "DeadlockError"
    assert turn.outcome.error.line == 6
    assert "line 6 (await inner())" in turn.outcome.error.message
    assert flowlang.evaluate("await new Promise(() => {})").status == "suspended"


def test_a_result_that_cannot_leave_fails_the_execution_naming_the_path() -> None:
    turn = machine_of("return { users: [1, new Map()] }").start()

    assert isinstance(turn.outcome, Failed)
    assert turn.outcome.error.name == "TypeError"
    assert "users[1]" in turn.outcome.error.message


def test_a_cancellation_rejects_all_that_is_waited_for_and_lets_clean_up() -> None:
    machine = machine_of(
        """const name = promise => promise.catch(error => error.name + error.type)
        const all = await Promise.all([name(Task.run("slow")), name(Timer.delay(9)),
            name(Workflow.run("w")), name(Signal.when("s", { timeout: 9 }))])
        await Task.run("clean", { all })
        return 1"""
    )
    machine.start()

    turn = machine.feed(CancelRequested("changed my mind"), START_MS)

    cancelled = ["CancelledErrorcancelled"] * 4
    assert turn == Turn(
        (
            CancelChild(1),
            CancelTimer(2),
            CancelChild(3),
            CancelTimer(4),
            RunTask(5, "clean", {"all": cancelled}, line=4),
        )
    )
    assert machine.feed(TaskCompleted(1, "late"), START_MS) == Turn()
    assert machine.feed(TaskCompleted(5, None), START_MS).outcome == Completed(1)


def test_a_cancellation_that_nothing_catches_ends_the_execution() -> None:
    machine = machine_of('await Task.run("slow")')
    machine.start()

    turn = machine.feed(CancelRequested("changed my mind"), START_MS)

    error = ErrorInfo("CancelledError", "changed my mind", type="cancelled", line=1)
    assert turn == Turn((CancelChild(1),), Failed(error))


@pytest.mark.parametrize(
    "event", [TaskCompleted(9, 1), TaskFailed(9, ErrorInfo("X")), TimerFired(9)]
)
def test_an_answer_that_nobody_waits_for_changes_nothing(event: flowlang.Event) -> None:
    machine = machine_of('return await Task.run("a")')
    machine.start()

    assert machine.feed(event, START_MS) == Turn()
    assert machine.feed(TaskCompleted(1, "a"), START_MS).outcome == Completed("a")


def test_a_machine_that_has_ended_takes_no_event() -> None:
    machine = machine_of("return 1")
    machine.start()

    with pytest.raises(InternalError, match="has ended"):
        machine.feed(TimerFired(1), START_MS)


def test_a_number_that_javascript_cannot_hold_is_refused_with_its_path() -> None:
    with pytest.raises(ValueError, match=r"ids\[1\]"):
        machine_of("return 1", inputs={"ids": [1, 2**60]})


# ---------------------------------------------------------------------------------------- inside


def test_inputs_and_context_are_the_executions_own() -> None:
    machine = machine_of(
        """
        Inputs.seen = true
        try { Context.queue = "x" } catch (error) { console.log(error.name) }
        return [Inputs, Context.queue, Object.keys(Context), typeof Context.none]
        """,
        inputs={"user": "Ada 🦉"},
        context={"executionId": "e1", "queue": "default"},
    )

    turn = machine.start()

    assert lines(turn) == ["TypeError"]
    assert turn.outcome == Completed(
        [{"user": "Ada 🦉", "seen": True}, "default", ["executionId", "queue"], "undefined"]
    )


def test_a_machine_tells_where_every_suspended_function_stands() -> None:
    machine = machine_of(
        """const limit = 3
async function fetchAll(names) {
  const found = []
  for (const name of names) {
    found.push(await Task.run("fetch", { name }))
  }
  return found
}
const results = await Promise.all([fetchAll(["a", "b"]), fetchAll(["c"])])
"""
    )
    machine.start()
    machine.feed(TaskCompleted(1, "A"), START_MS)

    stands = machine.where()

    assert [(at.name, at.line, at.column) for at in stands] == [
        ("fetchAll", 5, 16),
        ("main", 9, 17),
        ("fetchAll", 5, 16),
    ]
    assert stands[0].awaits == 'Task.run("fetch", { name })'
    # Which of the two is first is decided by whose answer was asked for first.
    assert [
        (at.variables["name"], list(at.variables["found"])) for at in (stands[0], stands[2])
    ] == [
        ("c", []),
        ("b", ["A"]),
    ]
    assert stands[1].variables["limit"] == 3.0


def test_machines_of_one_program_run_side_by_side_in_threads() -> None:
    source = """
    let sum = 0
    const add = n => { sum += n; counter = (typeof counter === "number" ? counter : 0) + 1 }
    for (let i = 0; i < 3000; i++) add(i % Inputs.m)
    await Task.run("t")
    for (let i = 0; i < 3000; i++) add(i % Inputs.m)
    return [sum, counter, Math.random()]
    """
    program = flowlang.compile(source)

    def run(m: int) -> Any:
        machine = Machine(program, {"m": m}, seed=m)
        machine.start()
        return machine.feed(TaskCompleted(1, None), 0).outcome

    alone = [run(m) for m in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, range(1, 9)))

    assert together == alone
    assert alone[6] == Completed([2 * sum(i % 7 for i in range(3000)), 6000, alone[6].value[2]])


def test_evaluate_gives_console_and_error() -> None:
    outcome = flowlang.evaluate(
        'console.log("a", Inputs.n, { b: 1 }); null.x', inputs={"n": 1}, context={}
    )

    assert outcome.status == "failed"
    assert outcome.console == ("a 1 { b: 1 }",)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.line) == ("TypeError", 1)
