"""Where a machine stands: every function that waits, for what, for whom, and what it can see."""

from __future__ import annotations

import msgspec
import pytest

import flowlang
from flowlang import Awaited, Machine, Suspended, TaskCompleted, show
from flowlang.machine import Frame
from flowlang.snapshot import decode, reachable, roots
from tests.flowlang.resuming.catalogue import done, generated
from tests.flowlang.resuming.runs import CONTEXT

START_MS = 1_700_000_000_000


def machine_of(source: str) -> Machine:
    machine = Machine(flowlang.compile(source), now_ms=START_MS)
    turn = machine.start()
    assert turn.outcome is None, turn.outcome
    return machine


def visible(at: Suspended) -> list[tuple[str, dict[str, str]]]:
    return [
        (scope.kind, {name: show(value) for name, value in scope.variables.items()})
        for scope in at.scopes
    ]


def asked(kind: str, name: str = "", n: int | None = None, due_ms: int | None = None) -> Awaited:
    return Awaited(kind, name, n, due_ms, line=2)  # type: ignore[arg-type]  # any of its literals


PRELUDE = 'const gate = new Promise(() => {}); Signal.when("unheard")\n'

A_PROMISE = "a promise that nothing in sight settles"

AWAITED = {
    'Task.run("charge", {})': (asked("task", "charge", 1), "task 1 'charge'"),
    'Workflow.run("ship")': (asked("workflow", "ship", 1), "workflow 1 'ship'"),
    'Timer.delay("5s")': (asked("timer", "", 1, START_MS + 5000), "timer 1"),
    'Signal.when("paid")': (asked("signal", "paid"), "signal 'paid'"),
    'Signal.next("paid", { timeout: 1 })': (
        asked("signal", "paid", 1, START_MS + 1000),
        "signal 'paid'",
    ),
    'Signal.send("exec_9", "go", 1)': (
        asked("sending", "exec_9", 1),
        "sending of signal 1 to 'exec_9'",
    ),
    'Task.run("a").then(x => x).finally(() => 1)': (asked("task", "a", 1), "task 1 'a'"),
    'new Promise(resolve => Task.run("a").then(resolve))': (asked("task", "a", 1), "task 1 'a'"),
    "gate": (Awaited("promise"), A_PROMISE),
    'Promise.all({ a: Task.run("a"), b: Promise.race([Timer.delay(1), gate]), c: 1 })': (
        Awaited(
            "all",
            parts=(
                asked("task", "a", 1),
                Awaited("race", parts=(Awaited("promise"), asked("timer", "", 2, START_MS + 1000))),
            ),
        ),
        f"all of task 1 'a' and the first of {A_PROMISE} and timer 2",
    ),
    'Promise.any_kv(["a", "b", "c", "d", "e"].map(name => Signal.when(name)))': (
        Awaited("any", parts=tuple(asked("signal", name) for name in "abcde")),
        "any of signal 'a', signal 'b', signal 'c' and 2 more",
    ),
}


@pytest.mark.parametrize("awaited", AWAITED)
def test_what_a_function_waits_for_is_told_as_data_and_in_words(awaited: str) -> None:
    told, words = AWAITED[awaited]

    main = machine_of(PRELUDE + f"await {awaited}").where()[0]

    assert (main.name, main.line, main.column, main.awaits) == ("main", 2, 1, awaited)
    assert main.waits_for == told
    assert str(main.waits_for) == words


def test_who_waits_for_whom_is_told_both_ways() -> None:
    """Also through combinations, and for a function that only a closure can wake."""
    machine = machine_of(
        """
        const leaf = async n => { await Task.run("leaf", { n }) }
        const branch = async n => await leaf(n)
        let open; const gate = new Promise(resolve => { open = resolve })
        const gated = async () => await gate
        gated()
        await Promise.all([branch(1), branch(2), Task.run("other")])
        """
    )

    told = machine.where()

    assert [(at.name, at.line, str(at.waits_for), at.awaited_by) for at in told] == [
        ("leaf", 2, "task 1 'leaf'", (1,)),
        ("branch", 3, "function 'leaf' at line 2", (2,)),
        (
            "main",
            7,
            "all of function 'branch' at line 3, function 'branch' at line 3 and task 3 'other'",
            (),
        ),
        ("leaf", 2, "task 2 'leaf'", (4,)),
        ("branch", 3, "function 'leaf' at line 2", (2,)),
        ("gated", 5, A_PROMISE, ()),
    ]
    assert [part.function for part in told[2].waits_for.parts] == [1, 4, None]

    machine.feed(TaskCompleted(2, None), START_MS)
    assert [at.name for at in machine.where()] == ["leaf", "branch", "main", "gated"]


def test_functions_that_wait_for_themselves_are_told() -> None:
    machine = machine_of(
        """
        let own, one, other
        own = (async () => { await Task.run("a"); await own })()
        one = (async () => { await Task.run("b"); await Promise.all([other, one]) })()
        other = (async () => { await Task.run("c"); await one })()
        await Task.run("d")
        """
    )
    for n in (1, 2, 3):
        machine.feed(TaskCompleted(n, None), START_MS)

    told = [(at.awaits, at.waits_for.function, at.awaited_by) for at in machine.where()]

    assert told == [
        ('Task.run("d")', None, ()),
        ("own", 1, (1,)),
        ("one", 3, (3,)),
        ("Promise.all([other, one])", None, (2, 3)),
    ]


def test_what_is_told_stays_small_however_promises_share_parts() -> None:
    """Six levels of a hundred promises, each made of all of the level below."""
    machine = machine_of(
        """
        let level = [Task.run("a")]
        for (let i = 0; i < 6; i++) {
          const below = level
          level = Array.from({ length: 100 }, () => Promise.all(below))
        }
        await Promise.all(level)
        """
    )

    awaited = machine.where()[0].waits_for

    assert str(awaited).endswith("and 97 more")
    assert (len(awaited.parts), awaited.parts[0].more) == (100, 90)
    assert len(msgspec.json.encode(awaited)) < 1_000_000


# ---------------------------------------------------------------------------------------- scopes


def test_variables_are_told_by_scope_and_only_those_that_can_be_seen() -> None:
    inner, main = machine_of(
        """
        created = "w"
        const shared = [1]; let hidden = "outer"; const unshared = 2
        const inner = async (a, { b } = {}, ...c) => {
          let hidden = "inner"
          for (let i = 0; i < 1; i++) {
            try { throw { why: shared } } catch ({ why }) {
              const waiting = () => i
              await Task.run("a"); let later = waiting
            }
          }
        }
        await inner("x", undefined, 1, 2)
        """
    ).where()

    assert visible(inner) == [
        ("block", {"waiting": "[Function: waiting]", "later": "<not yet initialised>"}),
        ("block", {"why": "[1]"}),
        ("block", {"i": "0"}),
        ("function", {"hidden": "'inner'"}),
        ("function", {"a": "'x'", "b": "undefined", "c": "[1, 2]"}),
        ("closure", {"shared": "[1]"}),
        ("workflow", {"created": "'w'"}),
    ]
    assert visible(main) == [
        (
            "function",
            {
                "shared": "[1]",
                "hidden": "'outer'",
                "unshared": "2",
                "inner": "[Function: inner]",
            },
        ),
        ("workflow", {"created": "'w'"}),
    ]
    assert list(inner.variables)[:3] == ["waiting", "later", "why"]


# --------------------------------------------------------------------------------------- always


def test_every_suspended_function_is_told_once_and_who_waits_for_whom_both_ways() -> None:
    """In every state of generated programs; `test_resuming` compares restored machines."""
    told = 0
    for case in generated():
        for moment in done(case).moments:
            machine = decode(flowlang.compile(case.source), moment.state, CONTEXT)
            where = machine.where()
            assert len(where) == sum(isinstance(one, Frame) for one in reachable(roots(machine)))
            for position, at in enumerate(where):
                for part in (at.waits_for, *at.waits_for.parts):
                    if part.function is not None:
                        assert position in where[part.function].awaited_by
            told += len(where)

    assert told >= 100


def test_an_execution_that_has_ended_waits_for_nothing() -> None:
    machine = Machine(flowlang.compile('const f = async () => { await Task.run("a") }; f()'))

    assert machine.start().outcome is not None
    assert machine.where() == []
