"""Replay: events to machine, and what is said when the script decides otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from flowlang import RunTask, RunWorkflow
from rhythm import events
from rhythm.engine.history import LiveMachine
from rhythm.errors import NondeterminismError, UnreadableEvent
from rhythm.events import Completed, Created, Decided, SignalReceived
from streams.codec import StoredEvent

SOURCE = """
const seen = []
const later = Timer.delay("1h").then(() => seen.push("timer"))
for (let i = 0; i < Inputs.rounds; i++) {
  const [a, b] = await Promise.all([
    Task.run("left", { i }),
    Task.run("right", { i, dice: Math.floor(Math.random() * 6) }),
  ])
  seen.push(a + b)
}
console.log("done", seen.length)
return seen
"""

LATER_SOURCE = SOURCE.replace('"right"', '"other"')


def stored(version: int, type_: str, payload: bytes = b"", **plain: str) -> StoredEvent:
    return StoredEvent(version, type_, 1_700_000_000_000 + version, "cause", payload, plain)


def created(rounds: int) -> StoredEvent:
    first = Created("workflow", "it", "default", events.raw({"rounds": rounds}), seed=7)
    return stored(1, "created", events.encode(first))


def child_completed(version: int, n: int, output: object) -> StoredEvent:
    payload = events.encode(Completed(events.raw(output)))
    return stored(version, "child_completed", payload, n=str(n))


class Live:
    """Runs a workflow as a worker would, keeping its history."""

    def __init__(self, rounds: int) -> None:
        self.program = flowlang.compile(SOURCE, path="it.flow")
        self.history = [created(rounds)]
        self.machine = LiveMachine("e", self.program, self.history[0])
        self.open: list[int] = []
        self.decide()

    def decide(self) -> None:
        commands = tuple(self.machine.undecided)
        self.open += [
            command.n for command in commands if isinstance(command, RunTask | RunWorkflow)
        ]
        if commands:
            decided = stored(
                len(self.history) + 1,
                "decided",
                events.encode(Decided(commands)),
                u=str(self.machine.upto),
            )
            self.history.append(decided)
            self.machine.advance([decided])

    def answer(self, which: int) -> None:
        n = self.open.pop(which % len(self.open))
        event = child_completed(len(self.history) + 1, n, n)
        self.history.append(event)
        self.machine.advance([event])
        self.decide()


def standing(machine: LiveMachine) -> list[tuple[str, int, int, str]]:
    return [(one.name, one.line, one.column, one.awaits) for one in machine.where()]


@settings(max_examples=40, deadline=None)
@given(rounds=st.integers(0, 4), order=st.lists(st.integers(0, 9), max_size=12), cut=st.data())
def test_replay_equals_live_at_every_point(
    rounds: int, order: list[int], cut: st.DataObject
) -> None:
    live = Live(rounds)
    for which in order:
        if not live.open:
            break
        live.answer(which)

    at = cut.draw(st.integers(1, len(live.history)))
    replayed = LiveMachine("e", live.program, live.history[0])
    replayed.advance(live.history[1:at])
    replayed.advance(live.history[at:])

    assert replayed.undecided == live.machine.undecided == []
    assert replayed.outcome == live.machine.outcome
    assert replayed.upto == live.machine.upto
    assert standing(replayed) == standing(live.machine)


def test_a_decision_that_is_known_to_be_recorded_is_not_read_again() -> None:
    """Also one that came after news: what those lead to is decided next, and stays."""
    program = flowlang.compile(
        """
        await Promise.all([Task.run("a"), Signal.when("go").then(() => Task.run("b"))])
        """,
        path="it.flow",
    )
    machine = LiveMachine("e", program, created(0))
    asked = [command.n for command in machine.undecided if isinstance(command, RunTask)]
    go = events.encode(SignalReceived("go", events.raw(None)))

    machine.be_recorded()
    machine.advance([stored(2, "signal_received", go), stored(3, "decided", b"\xc1", u="1")])

    assert asked == [1]
    assert [(one.n, one.name) for one in machine.undecided if isinstance(one, RunTask)] == [
        (2, "b")
    ]
    assert machine.upto == 3


def test_a_script_that_decides_otherwise_is_told_with_both_and_the_line() -> None:
    live = Live(1)
    other = flowlang.compile(LATER_SOURCE, path="it.flow")
    machine = LiveMachine("e", other, live.history[0])

    with pytest.raises(NondeterminismError) as caught:
        machine.advance(live.history[1:])

    assert (caught.value.version, caught.value.line) == (2, 7)
    assert "task 'right'" in str(caught.value)
    assert "task 'other'" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{ at: 2 }", "{ at: 3 }"), "task 'a' (command 2) with other inputs"),
        (('"three"', '"seven"'), "a console line of 5 characters with other text"),
    ],
)
def test_what_is_told_alike_says_what_differs(change: tuple[str, str], told: str) -> None:
    source = """
        await Task.run("a", { at: 1 })
        console.log("three")
        await Task.run("a", { at: 2 })
    """
    before = LiveMachine("e", flowlang.compile(source), created(0))
    before.advance([])
    asked = stored(2, "decided", events.encode(Decided(tuple(before.undecided))), u="1")
    before.advance([asked])
    done = child_completed(3, 1, None)
    before.advance([done])
    more = stored(4, "decided", events.encode(Decided(tuple(before.undecided))), u="3")

    after = LiveMachine("e", flowlang.compile(source.replace(*change)), created(0))
    with pytest.raises(NondeterminismError) as caught:
        after.advance([asked, done, more])

    assert caught.value.replayed == told
    assert told.startswith(caught.value.recorded)


def test_a_history_that_asks_for_more_than_the_script_is_nondeterministic_too() -> None:
    live = Live(2)
    shorter = LiveMachine("e", live.program, created(0))

    with pytest.raises(NondeterminismError, match="asks for"):
        shorter.advance(live.history[1:])


def test_damaged_and_unknown_events_are_named() -> None:
    live = Live(1)

    with pytest.raises(UnreadableEvent, match="event 9 of execution 'e'"):
        live.machine.advance([stored(9, "child_completed", b"\xc1", n="2")])
    with pytest.raises(UnreadableEvent, match="'teleported'"):
        live.machine.advance([stored(9, "teleported")])
    with pytest.raises(UnreadableEvent, match="first event"):
        LiveMachine("e", live.program, stored(1, "started"))
