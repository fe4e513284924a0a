"""What is in a machine's bytes and what is not, and that bytes of anything else are refused.

That machines go on from bytes as if they had never stopped is `test_resuming`'s claim.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from flowlang import (
    Limits,
    Machine,
    Program,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TimerFired,
)
from flowlang.parser import parse
from flowlang.program import LOWERING_VERSION
from flowlang.snapshot import FORMAT_VERSION, SnapshotUnusable, StateTooLarge, decode, encode
from tests.flowlang.resuming.runs import CONTEXT, run

PROGRAMS = Path(__file__).parent / "resuming" / "programs"
HEAD = struct.Struct(">HHI16s")


def started(source: str, **arguments: Any) -> Machine:
    machine = Machine(flowlang.compile(source), **arguments)
    machine.start()
    return machine


# ----------------------------------------------------------------------------------- what is in it


def test_a_state_opens_in_a_process_that_compiled_the_program_afresh() -> None:
    source = (PROGRAMS / "loops.flow").read_text(encoding="utf-8")
    machine = started(source)

    afresh = Program(source, "workflow.flow", parse(source, "workflow.flow"))
    again = decode(afresh, encode(machine), {})

    assert again.feed(TaskCompleted(1, 1), 5) == machine.feed(TaskCompleted(1, 1), 5)


def test_what_no_code_can_reach_any_more_is_not_kept() -> None:
    machine = started(
        """
        { const big = "x".repeat(1e5); await Task.run("a", { n: big.length }) }
        await Task.run("b")
        """
    )
    with_big = len(encode(machine))
    machine.feed(TaskCompleted(1, None), 0)

    assert with_big > 100_000
    assert len(encode(machine)) < 1000


@pytest.mark.parametrize(
    "source",
    [
        """[Array(1e5).fill("x").length, await Task.run("a")].join() + (await Task.run("b"))
           await Task.run("c")""",
        """for (const big of ["x".repeat(1e5)]) { await Task.run("a", { n: big.length }) }
           for (let i = 0; i < 2; i++) await Task.run("b")""",
        """try { throw "x".repeat(1e5) } catch (big) { await Task.run("a") }
           try { await Task.run("b") } finally { await Task.run("c") }""",
        """const f = async big => { await Task.run("a"); big = null; await Task.run("b") }
           await f("x".repeat(1e5))""",
        """let total = 0; const g = () => total
           total += (await Task.run("a", { s: "x".repeat(1e5).length }), g())
           await Task.run("b")""",
    ],
)
def test_a_value_is_gone_with_the_scope_or_expression_that_held_it(source: str) -> None:
    machine = started(source)
    machine.feed(TaskCompleted(1, 0), 0)

    assert len(encode(machine)) < 1000


def test_a_name_that_can_still_be_seen_keeps_its_value() -> None:
    """Although no code reads it any more: whoever looks at the machine does."""
    machine = started('const kept = "x".repeat(1e5); await Task.run("a"); await Task.run("b")')
    machine.feed(TaskCompleted(1, 0), 0)

    assert len(encode(machine)) > 100_000
    assert machine.where()[0].variables["kept"] == "x" * 100_000


def test_signals_that_nobody_took_keep_their_payloads() -> None:
    machine = started(
        'await Task.run("a"); return [await Signal.when("🦉"), await Signal.when("🦉")]'
    )
    payload = {"a": [1, None, 1.5, "🦉", "\ud800"]}
    machine.feed(SignalReceived("🦉", payload), 0)
    machine.feed(SignalReceived("🦉", 2), 0)

    again = decode(machine.program, encode(machine), {})

    assert encode(again) == encode(machine)
    assert again.feed(TaskCompleted(1, 0), 0) == machine.feed(TaskCompleted(1, 0), 0)
    assert again.outcome == flowlang.Completed([{"a": [1, None, 1.5, "🦉", "\ufffd"]}, 2])


def test_every_nan_is_written_alike() -> None:
    """On most processors, infinity minus infinity has another sign bit than the constant."""
    sources = [
        f"const n = {{ v: {nan} }}; await Task.run('a'); return n.v"
        for nan in (
            "[NaN][0]               ",
            "Infinity - [Infinity][0]",
            "[Infinity][0] * 0       ",
        )
    ]

    bodies = {encode(started(source))[HEAD.size :] for source in sources}

    assert len(bodies) == 1


LOOPS = {
    "tasks": 'for (let i = 0; i < 1e9; i++) { const got = await Task.run("a", { i }) }',
    "closures": """
        let last; for (let i = 0; ; i++) { const f = () => i; last = f; await Task.run("a") }
    """,
    "combinations": """
        const never = () => new Promise(() => {})
        for (;;) await Promise.race([Promise.all([Task.run("a"), 1]), Promise.any([never()])])
    """,
    "one promise in many races": """
        const cancel = Signal.when("cancel"), idle = new Promise(() => {})
        for (;;) {
          await Promise.race([cancel, idle, Task.run("a")])
          await Promise.any([cancel, Task.run("a")])
          await Promise.race_kv({ cancel, a: Task.run("a") })
          await Promise.all([idle, Promise.reject(1)]).catch(() => {})
        }
    """,
    "finalizers": """
        for (let n = 0; ; n++) try { try { if (await Task.run("a")) throw new Error("x" + n) }
          finally { await Task.run("a") } } catch (e) { await Task.run("a") } finally { await null }
    """,
    "collections": """
        const m = new Map(), s = new Set(), list = [], keys = m.keys(); let i = 0
        for (;;) {
          m.set(++i, i); m.delete(i - 5); s.add({ i }); if (s.size > 5) s.clear()
          list.push(i); if (list.length > 5) list.shift(); keys.next(); await Task.run("a")
        }
    """,
    "chains": """
        let last = Promise.resolve(0), text = ""
        for (;;) {
          last = last.then(n => n + 1); text = (text + "x").slice(-5)
          await Task.run("a"); await last
        }
    """,
    "functions": """
        const turn = async n => { try { return await Task.run("a") } finally { await null } }
        for (let n = 0; ; n++) { turn(n); await turn(n) }
    """,
    "state": 'for (let i = 0; ; i = (i + 1) % 100) { State.set("k", { i }); await Task.run("a") }',
}  # fmt: skip


@pytest.mark.parametrize("what", LOOPS)
def test_a_loop_of_many_awaits_takes_no_more_and_more_room(what: str) -> None:
    machine = Machine(flowlang.compile(LOOPS[what]))
    commands = machine.start().commands
    sizes = []
    for number in range(10_000):
        if number % 2_000 == 1_999:
            sizes.append(len(encode(machine)))
        asked = [command.n for command in commands if isinstance(command, flowlang.RunTask)]
        commands = ()
        for n in asked:
            commands += machine.feed(TaskCompleted(n, number % 3 == 0), 0).commands

    assert commands, "it still goes on"
    # Numbers that count on take some bytes more, and lists grow a little until they are swept.
    assert max(sizes) - min(sizes) < 1_500, sizes


def test_a_state_over_its_limit_is_refused() -> None:
    machine = started(
        'const big = "x".repeat(1e5); await Task.run("a"); return big', limits=Limits(state=50_000)
    )

    with pytest.raises(StateTooLarge) as caught:
        encode(machine)

    assert caught.value.limit == 50_000


# ------------------------------------------------------------------------------------ what is not


def states() -> list[tuple[Program, bytes]]:
    """Some states of each of the durable programs."""
    found = []
    for path in sorted(PROGRAMS.glob("*.flow")):
        done = run(path.read_text(encoding="utf-8"))
        program = flowlang.compile(done.source)
        found += [(program, moment.state) for moment in done.moments[1::3][:4]]
    return found


STATES = states()


def sealed(state: bytes, program: Program) -> bytes:
    """A state behind a head in which all is right."""
    digest = bytes.fromhex(program.digest)
    checksum = zlib.crc32(digest + state)
    return HEAD.pack(FORMAT_VERSION, LOWERING_VERSION, checksum, digest) + state


@st.composite
def changed(draw: st.DrawFn, original: bytes) -> bytes:
    """Bytes with a few places changed, cut out, put in, or the rest broken off."""
    data = original
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.binary(min_size=1, max_size=6))
        match draw(st.integers(0, 4)):
            case 0:
                data = data[:at] + piece + data[at + len(piece) :]
            case 1:
                data = data[:at] + piece + data[at:]
            case 2:
                data = data[:at] + data[at + len(piece) :]
            case 3:
                data = data[:at]
            case 4 if at < len(data):
                bit = bytes([data[at] ^ 1 << piece[0] % 8])
                data = data[:at] + bit + data[at + 1 :]
    return data


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_changed_bytes_are_refused(data: st.DataObject) -> None:
    """A state that a single bit was changed in could go on somewhere else, without a word."""
    program, state = data.draw(st.sampled_from(STATES))
    other = data.draw(changed(state))

    if other == state:
        assert encode(decode(program, other, CONTEXT)) == state
    else:
        with pytest.raises(SnapshotUnusable):
            decode(program, other, CONTEXT)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_never_were_a_state_are_refused(data: bytes) -> None:
    program, _ = STATES[0]

    with pytest.raises(SnapshotUnusable):
        decode(program, data, CONTEXT)
    with pytest.raises(SnapshotUnusable, match="makes no machine"):
        decode(program, sealed(data, program), CONTEXT)


NONSENSE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 40),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.sampled_from(["object", "list", "frame", "promise", "state", "builtin", "Map", "map"]),
    st.lists(st.integers(-4, 9), max_size=4),
    st.just({}),
)


@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_nonsense_behind_a_right_head_is_refused_or_read_but_nothing_else(
    data: st.DataObject,
) -> None:
    """Written, perhaps, by code that forgot to raise a version."""
    program, state = data.draw(st.sampled_from(STATES))
    fields = msgspec.msgpack.decode(state[HEAD.size :])
    for _ in range(data.draw(st.integers(1, 3))):
        at = fields
        while True:
            position = data.draw(st.integers(0, len(at) - 1))
            if not isinstance(at[position], list) or not at[position] or data.draw(st.booleans()):
                break
            at = at[position]
        at[position] = data.draw(NONSENSE)

    try:
        machine = decode(program, sealed(msgspec.msgpack.encode(fields), program), CONTEXT)
    except SnapshotUnusable:
        return
    assert isinstance(machine, Machine)


def test_states_of_something_else_are_refused_saying_of_what() -> None:
    program, state = STATES[0]
    other = flowlang.compile('await Task.run("b")')

    for version, lowering in [
        (FORMAT_VERSION + 1, LOWERING_VERSION),
        (FORMAT_VERSION, LOWERING_VERSION + 1),
        (FORMAT_VERSION, LOWERING_VERSION - 1),
        (0, 0),
    ]:
        head = struct.pack(">HH", version, lowering)
        with pytest.raises(SnapshotUnusable, match=f"format {version} and lowering {lowering}"):
            decode(program, head + state[4:], {})
    with pytest.raises(SnapshotUnusable, match=f"of program {program.digest}"):
        decode(other, state, {})
    with pytest.raises(SnapshotUnusable, match="breaks off after 5 bytes"):
        decode(program, state[:5], {})
    with pytest.raises(SnapshotUnusable, match="damaged"):
        decode(program, state[:-1], {})


def test_a_refused_state_leaves_nothing_behind() -> None:
    """The events are fed again, to a machine that is as good as any."""
    program = flowlang.compile('const a = Timer.delay(1); await a; return await Task.run("b")')
    machine = Machine(program)
    (timer,) = machine.start().commands
    assert isinstance(timer, StartTimer)

    with pytest.raises(SnapshotUnusable):
        decode(program, encode(machine)[:-1], {})

    machine.feed(TimerFired(timer.n), 1_000)
    assert machine.feed(TaskCompleted(2, "done"), 2_000).outcome == flowlang.Completed("done")
