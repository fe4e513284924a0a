"""A suspended machine that goes on with another source."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
import pytest

import flowlang
from flowlang import Machine, MappingRefused, SignalReceived, snapshot
from flowlang.mapping import map_source, mapped
from tests.flowlang.resuming.catalogue import Case, corpus, done, durable, history, waiting
from tests.flowlang.resuming.runs import CONTEXT, seen

PARTS = 4


def check(case: Case, edit: Callable[[str], str], *, to_the_byte: bool) -> int:
    """At each suspension of a program: it goes on with the edited one as if nothing had been."""
    old = flowlang.compile(case.source)
    new = flowlang.compile(edit(case.source), "other.flow")
    run = done(case)
    for moment in run.moments:
        machine = snapshot.decode(old, moment.state, CONTEXT)
        moved = mapped(machine, new, map_source(machine, new))
        now = seen(moved, moved.feed(moment.event, moment.now_ms))
        if to_the_byte:
            assert now == moment.after
        else:  # columns and offsets differ
            assert msgspec.msgpack.decode(now)[0] == msgspec.msgpack.decode(moment.after)[0]
    return len(run.moments)


@pytest.mark.parametrize("case", list(durable(1)), ids=lambda case: case.name)
def test_onto_the_same_source_nothing_changes_to_the_byte(case: Case) -> None:
    assert check(case, lambda source: source, to_the_byte=True)


@pytest.mark.parametrize("case", list(durable(2)), ids=lambda case: case.name)
def test_onto_a_source_that_stands_elsewhere_it_goes_on_alike(case: Case) -> None:
    case = Case(case.name, case.source, history(2))

    assert check(case, lambda source: "  " + source, to_the_byte=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_corpus_goes_on_alike_between_all_statements(part: int) -> None:
    """Each program stands still before each statement of its async functions and at each await."""
    suspensions = 0
    for case in islice(corpus(), part * 6, None, PARTS * 6):
        suspensions += check(waiting(case), lambda source: source, to_the_byte=True)

    assert suspensions >= 50


def gone_on(old: str, new: str) -> Machine:
    """The machine of another program that goes on where one waits for its first signal."""
    machine = Machine(flowlang.compile(old))
    assert machine.start().outcome is None
    other = flowlang.compile(new)
    return mapped(machine, other, map_source(machine, other))


def result(machine: Machine) -> Any:
    """What it gives when each signal that it waits for is 5."""
    turn = flowlang.Turn()
    while turn.outcome is None:
        turn = machine.feed(SignalReceived("go", 5), 0)
    assert isinstance(turn.outcome, flowlang.Completed), turn
    return turn.outcome.value


WAIT = 'await Signal.when("go")'

ACCEPTED = {
    "what comes later may differ": (
        f"const a = 1; const b = {WAIT}; return [a, b]",
        f"const a = 2; const b = {WAIT}; const c = [a]; return [...c, b, 'new']",
        [1, 5, "new"],
    ),
    "a variable that a function comes to share": (
        f"const a = 1; let n = 2; {WAIT}; return a + n",
        f"const a = 1; let n = 2; {WAIT}; const add = (x) => {{ n += x; return n + a }};"
        "return [add(1), add(1), n]",
        [4, 5, 4],
    ),
    "a variable that no function shares any more": (
        f"let n = 2; const get = () => n; {WAIT}; n = 7; return get()",
        f"let n = 2; const get = () => 'gone'; {WAIT}; n = 7; return [get(), n]",
        ["gone", 7],
    ),
    "a function has another body, wherever it is held": (
        f"const a = 10; const f = (x) => x + a; const held = {{ f }}; {WAIT}; return held.f(1)",
        f"const a = 10; const f = (x) => x * a; const held = {{ f }}; {WAIT};"
        "return [held.f(2), held.f === f]",
        [20, True],
    ),
    "a function that is new": (
        f"const a = 3; {WAIT}; return a",
        f"const a = 3; {WAIT}; return triple(a); function triple(x) {{ return x * a }}",
        9,
    ),
    "closures of rounds that are over keep their variables": (
        "const all = []; for (let i = 0; i < 2; i++) { all.push(() => i) }"
        f"const b = {WAIT}; return all.map((f) => f())",
        "const all = []; for (let i = 0; i < 2; i++) { all.push(() => i * 10) }"
        f"const b = {WAIT}; return all.map((f) => f())",
        [0, 10],
    ),
    "in the middle of an expression": (
        f"const f = (x) => x; const s = `${{f(1)}}-${{{WAIT}}}-${{f(2)}}`; return s",
        f"const f = (x) => x * 2; const s = `${{f(1)}}-${{{WAIT}}}-${{f(2)}}`; return [s]",
        ["1-5-4"],
    ),
    "in a loop and a try": (
        f"const out = []; for (const x of [1, 2]) {{ try {{ out.push(x + {WAIT}) }} finally "
        "{ out.push('f') } } return out",
        f"const out = []; for (const x of [1, 2]) {{ try {{ out.push(x + {WAIT}) }} finally "
        "{ out.push('g'); } } return ['new', ...out]",
        ["new", 6, "g", 7, "g"],
    ),
    "another time limit": (
        'const b = await Signal.when("go", { timeout: "1h" }); return b',
        'const b = await Signal.when("go", { timeout: "2h" }); return [b]',
        [5],
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_goes_on_with_an_edited_source(name: str) -> None:
    old, new, expected = ACCEPTED[name]

    assert result(gone_on(old, new)) == expected


REFUSED = {
    "another place looks the same": (
        f"{WAIT}; {WAIT}; return 1",
        f"{WAIT}; {WAIT}; {WAIT}; return 1",
        r"line 1: it waits here, which may be line 1 of the other source, or another one that",
    ),
    "there is no such place": (
        f"const a = 1\nconst b = {WAIT}\nreturn [a, b]",
        "const a = 1\nconst b = 2\nreturn [a, b]",
        r"line 2: it waits here, and the other source has no such place",
    ),
    "it waits for something else": (
        f"const b = {WAIT}\nreturn b",
        'const b = await Signal.when("stop")\nreturn b',
        r"line 1: it waits here, and line 1 of the other source waits for something else",
    ),
    "something else is around it": (
        f"if (Inputs) {{ return {WAIT} }}",
        f"if (Inputs) {{}} else {{ return {WAIT} }}",
        r"line 1: it waits here, and",
    ),
    "what it is in the middle of": (
        f"const a = 1; const b = a + {WAIT}; return b",
        f"const a = 1; const b = a * 2 + {WAIT}; return b",
        r"line 1: it waits here in the middle of something that the other source does otherwise",
    ),
    "a loop goes over something else": (
        f"const out = []; for (const x of [1, 2]) out.push(x + {WAIT}); return out",
        f"const out = []; for (const x of [1, 2, 3]) out.push(x + {WAIT}); return out",
        r"in the middle of something that the other source does otherwise: see its line 1",
    ),
    "how a block was left": (
        f"try {{ return 1 }} finally {{ {WAIT} }}",
        f"try {{ if (Inputs) return 1; return 2 }} finally {{ {WAIT} }}",
        r"in the middle of something that the other source does otherwise",
    ),
    "a variable has no value yet": (
        f"const a = 1; const b = {WAIT}; return [a, b]",
        f"const a = 1; const more = a; const b = {WAIT}; return [a, b, more]",
        r"variable more would have no value: in the other source its declaration comes before",
    ),
    "a declaration comes earlier": (
        f"{WAIT}; const b = 2; const a = 1; return [a, b]",
        f"const a = 1; {WAIT}; const b = 2; return [a, b]",
        r"variable a would have no value",
    ),
    "a variable has a value of another kind": (
        f"let n = 'text'; {WAIT}; return n",
        f"let n = 1; {WAIT}; return n + 1",
        r"variable n holds string, and the other source gives it nothing but number",
    ),
    "a function is gone": (
        f"const all = [() => 1]; {WAIT}; return all[0]()",
        f"const all = []; {WAIT}; return all[0]()",
        r"line 1: function <anonymous> is in use, and which one it is in the other source",
    ),
    "a function would see what was not kept": (
        f"function make() {{ const a = 1, b = 2; return () => a }} const f = make(); {WAIT};"
        "return f()",
        f"function make() {{ const a = 1, b = 2; return () => b }} const f = make(); {WAIT};"
        "return f()",
        r"function <anonymous> would see b, which was not kept for it",
    ),
    "a function would see a scope that was not kept": (
        f"function make() {{ const a = 1; return () => 0 }} const f = make(); {WAIT}; return f()",
        f"function make() {{ const a = 1; return () => a }} const f = make(); {WAIT}; return f()",
        r"function <anonymous> would see a of what is around it, which was not kept for it",
    ),
    "a function comes later": (
        f"const held = []; held.push(() => 1); const b = {WAIT}; return [held, b]",
        f"const held = []; const b = {WAIT}, c = 2; held.push(() => c); return [held, b]",
        r"function <anonymous> is in use, and in the other source it comes to be after line 1",
    ),
    "a function waits in one of them only": (
        f"const f = async () => 1; {WAIT}; return f()",
        f"const f = () => 1; {WAIT}; return f()",
        r"function f is in use, and which one it is",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_is_refused(name: str) -> None:
    old, new, why = REFUSED[name]

    with pytest.raises(MappingRefused, match=why):
        gone_on(old, new)


def test_what_a_mapping_says_is_told_by_lines() -> None:
    old = f"async function ask() {{\n  return {WAIT}\n}}\nreturn await ask()"
    new = f"// one more\n{old}"
    machine = Machine(flowlang.compile(old))
    machine.start()
    mapping = map_source(machine, flowlang.compile(new))

    told = flowlang.moves(mapping, machine.program, flowlang.compile(new))

    assert sorted((one.function, one.old_line, one.new_line) for one in told) == [
        ("ask", 2, 3),
        ("main", 4, 5),
    ]


def test_a_machine_that_was_moved_is_written_and_read_as_any_other() -> None:
    old, new, expected = ACCEPTED["closures of rounds that are over keep their variables"]
    machine = gone_on(old, new)

    state = snapshot.encode(machine)

    assert result(snapshot.decode(machine.program, state, machine.facts)) == expected
