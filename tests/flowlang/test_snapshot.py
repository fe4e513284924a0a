"""A machine restored at every suspension cannot be told from one that never stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import flowlang
from flowlang import (
    ErrorInfo,
    Limits,
    Machine,
    Program,
    RunTask,
    SignalReceived,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    Turn,
)
from flowlang.snapshot import SnapshotUnusable, StateTooLarge, decode, encode

CONTEXT = {"executionId": "exec_1", "queue": "default"}
INPUTS = {"users": [{"name": "Ada 🦉"}, {"name": "\u00e9"}]}

# `T(value)` suspends and gives its value back through the world, as JSON.
PRELUDE = 'const T = async v => (await Task.run("echo", { v })).v;\n'

PROGRAMS = {
    "everything a variable can hold": """
        const m = new Map([["a", 1], [NaN, { z: 1 }]]), s = new Set([1, "1"])
        const entries = m.entries(); entries.next()
        const error = new TypeError("x", { cause: 3 }); error.extra = m
        const cycle = { m }; cycle.self = cycle
        const frozen = Object.freeze({ a: [1] }), sealed = Object.seal([1, { b: 2 }])
        const sparse = [1, , 3]; sparse.named = "p"
        const bound = Math.max.bind(null, 5), date = new Date(5)
        const shared = { v: 1 }, two = [shared, shared]
        const astral = "🦉", lone = astral[0]
        const push = sparse.push, nothing = undefined, zero = -0
        await T(1)
        shared.v = 2; frozen.a = 2; sealed.push
        try { sealed.push(1) } catch (e) { console.log(e.name) }
        console.log(two, two[0] === two[1], cycle.self === cycle, cycle.m === m, error.extra === m)
        console.log(entries.next(), [...entries], m, s, date, error, error.cause, frozen, sealed)
        console.log(sparse, 1 in sparse, bound(3), astral + lone === "🦉" + "🦉"[0], zero, nothing)
        console.log(push.call(sparse, 9), Object.isFrozen(frozen), Object.isSealed(sealed))
        return Inputs.users.map(user => user.name + Context.queue)
    """,
    "functions and what they closed over": """
        function counter(start) {
          let n = start
          return { up: () => ++n, get: () => n, self: function me() { return typeof me } }
        }
        const a = counter(1), b = counter(10)
        counter.tag = "t"; a.up()
        const named = { ["x" + 1]: () => 1 }
        const late = []
        for (let i = 0; i < 3; i++) { late.push(() => i++); await T(i) }
        a.up(); b.up()
        global_ = 5; await T(0); global_++
        return [a.get(), b.get(), a.self(), counter.tag, named.x1.name, counter.name,
                late.map(f => f() + f()), late.map(f => f()), global_, String(a.up)]
    """,
    "loops that wait": """
        const seen = []
        const m = new Map([["a", 1], ["b", 2], ["c", 3]])
        for (const [k, v] of m) { if (v === 1) m.delete("b"); seen.push(k, await T(v)) }
        for (const k in { x: 1, y: 2 }) seen.push(await T(k))
        for (const c of "a🦉é") seen.push(await T(c))
        for (const [i, v] of [7, 8].entries()) seen.push(i, await T(v))
        outer: for (let i = 0; ; i++) {
          for (const j of [1, 2, 3]) {
            try {
              if (j === 2) continue outer
              if (i === 2) break outer
              seen.push([i, await T(j)])
            } finally { seen.push(await T("f")) }
          }
        }
        let n = 0
        do { switch (await T(n)) { case 0: seen.push("zero"); case 1: n = await T(5); break
             default: n += await T(1) } } while (await T(n < 7))
        return [seen, n]
    """,
    "values held while another is awaited": """
        let o = { a: 1, f(x) { return this_ + x } }, this_ = "t"
        o.a += await T(5) + (await T(6)) * 2
        const list = [await T(1), ...await T([2, 3]), o.a, await T(4)]
        const record = { a: await T(1), ...await T({ b: 2 }), [await T("c")]: await T(3) }
        const text = `${await T("x")}-${o.a}-${await T("y")}`
        let [p = await T(1), { q = await T(2), ...rest } = await T({ r: 3 }), ...more] = [, , 5, 6]
        const chosen = (await T(false)) ? 1 : ((await T(null)) ?? await T("d")) || 0
        o.list ??= await T([1]); o.list[await T(0)] += await T(9)
        return [o.a, list, record, text, p, q, rest, more, chosen, o.list,
                o.f(await T("z")), await o?.f?.(await T("w")),
                Math.max(...await T([1, 4]), await T(2))]
    """,
    "promises": """
        const outcomes = await Promise.allSettled([
          T(1), Task.run("fail"), Promise.race([T(5), Timer.delay("1h")]),
          new Promise(r => T(9).then(r)), Promise.any([Task.run("fail"), T("any")]),
          { then(f) { T(3).then(f) } }, T(8).finally(() => T(7)), Promise.reject(4),
        ])
        const keyed = Promise.all({ a: T(1), b: Signal.when("s"), c: T(2) })
        await Task.run("signal", { p: 1 })
        const settled = Promise.resolve(6), lost = Promise.reject(new RangeError("r"))
        lost.catch(() => {})
        let open; const gate = new Promise(resolve => { open = resolve })
        const waits = gate.then(v => v + 1)
        await T(0); open(41)
        return [outcomes.map(o => o.value ?? String(o.reason)), await keyed, await settled,
                await lost.catch(e => e.message), await waits]
    """,
    "exceptions on their way": """
        const log = []
        const dive = async n => {
          try { if (n) return await dive(n - 1); await Task.run("fail") }
          catch (e) { log.push(e.name); throw e }
          finally { log.push(await T(n)) }
        }
        const early = async () => { try { return await T("value") } finally { await T(0) } }
        const over = async () => {
          try { throw 1 } catch (e) { return await T(e) } finally { return await T("over") }
        }
        await dive(2).catch(e => log.push(e.message, e.type, e.details))
        return [log, await early(), await over()]
    """,
    "time, chance and signals": """
        const a = [Math.random(), Date.now()]
        try { await Signal.when("never", { timeout: "5s" }) } catch (e) { a.push(e.name) }
        await Task.run("signal", 0 || { n: 1 }); await Task.run("signal", { n: 2 })
        State.set("k", { v: 1 })
        a.push(Math.random(), Date.now(), await Signal.when("s"), await T(0))
        a.push(await Signal.when("s"))
        a.push(State.get("k"), crypto.randomUUID())
        return a
    """,
}  # fmt: skip


def play(program: Program, between: Callable[[Machine], Machine]) -> list[Turn]:
    """Run a program against a small world, handing the machine through `between` at each pause."""
    machine = Machine(program, INPUTS, CONTEXT, seed=7, now_ms=1000)
    turns = [machine.start()]
    asked: list[RunTask | StartTimer] = []
    while turns[-1].outcome is None:
        for command in turns[-1].commands:
            if isinstance(command, RunTask | StartTimer):
                asked.append(command)
        machine = between(machine)
        now_ms = 1000 + len(turns)
        command = asked.pop(0)
        if isinstance(command, StartTimer):
            turn = machine.feed(TimerFired(command.n), now_ms)
        elif command.name == "fail":
            error = ErrorInfo("ValueError", "bad 🦉", "task_failed", {"a": [1]})
            turn = machine.feed(TaskFailed(command.n, error), now_ms)
        elif command.name == "signal":
            turns.append(machine.feed(SignalReceived("s", command.inputs), now_ms))
            machine = between(machine)
            turn = machine.feed(TaskCompleted(command.n, None), now_ms)
        else:
            turn = machine.feed(TaskCompleted(command.n, command.inputs), now_ms)
        turns.append(turn)
    return turns


@pytest.mark.parametrize("what", PROGRAMS)
def test_restoring_at_every_pause_changes_nothing(what: str) -> None:
    program = flowlang.compile(PRELUDE + PROGRAMS[what])
    states = 0

    def restored(machine: Machine) -> Machine:
        nonlocal states
        states += 1
        data = encode(machine)
        again = decode(program, data, CONTEXT)
        assert encode(again) == data
        assert [at.line for at in again.where()] == [at.line for at in machine.where()]
        return again

    straight = play(program, lambda machine: machine)
    interrupted = play(program, restored)

    assert interrupted == straight
    assert isinstance(straight[-1].outcome, flowlang.Completed), straight[-1].outcome
    assert states >= 1


def test_a_state_opens_in_a_process_that_compiled_the_program_afresh() -> None:
    from flowlang.parser import parse

    source = PRELUDE + PROGRAMS["loops that wait"]
    machine = Machine(flowlang.compile(source), INPUTS, CONTEXT)
    machine.start()

    afresh = Program(source, "workflow.flow", parse(source, "workflow.flow"))
    again = decode(afresh, encode(machine), CONTEXT)

    assert again.feed(TaskCompleted(1, {"v": 1}), 5) == machine.feed(TaskCompleted(1, {"v": 1}), 5)


def test_what_no_code_can_reach_any_more_is_not_kept() -> None:
    program = flowlang.compile(
        """
        { const big = "x".repeat(1e5); await Task.run("a", { n: big.length }) }
        await Task.run("b")
        """
    )
    machine = Machine(program)
    machine.start()
    with_big = len(encode(machine))
    machine.feed(TaskCompleted(1, None), 0)

    assert with_big > 100_000
    assert len(encode(machine)) < 1000


def test_a_snapshot_of_something_else_is_refused() -> None:
    program = flowlang.compile('await Task.run("a")')
    machine = Machine(program)
    machine.start()
    data = encode(machine)

    with pytest.raises(SnapshotUnusable, match="of program"):
        decode(flowlang.compile('await Task.run("b")'), data, {})
    with pytest.raises(SnapshotUnusable, match="cannot be read"):
        decode(program, data[:-3], {})
    with pytest.raises(SnapshotUnusable, match="lowering 99"):
        decode(program, data.replace(b"\x9c\x02\x02", b"\x9c\x02\x63", 1), {})


def test_a_state_over_its_limit_is_refused() -> None:
    program = flowlang.compile('const big = "x".repeat(1e5); await Task.run("a"); return big')
    machine = Machine(program, limits=Limits(state=50_000))
    machine.start()

    with pytest.raises(StateTooLarge) as caught:
        encode(machine)

    assert caught.value.limit == 50_000
