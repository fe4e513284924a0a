"""Warnings: each is given where it is due, and not where the program is right."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowlang
from flowlang.diagnostics import RULES
from flowlang.library.durable import TASK_OPTIONS

ROOT = Path(__file__).parents[2]

CUSTOMER = "```\ninputs: { properties: { customer: {} } }\n```\n"

DUE: dict[str, list[str]] = {
    "unawaited-promise": [
        "Timer.delay('5s')",
        "Signal.when('go')",
        "Promise.all([Task.run('a')])",
        "if (Task.run('a')) return 1",
        "const p = Task.run('a'); while (p) { await p }",
        "return !Task.run('a')",
        "return Task.run('a') || 5",
        "return Task.run('a') ?? 5",
        "return Task.run('a') ? 1 : 2",
        "return Task.run('a') + 1",
        "return Task.run('a') === 'done'",
        "return `${Task.run('a')}`",
        "return Task.run('a').name",
        "const p = Task.run('a'); return p.name",
        "const { name } = Task.run('a'); return name",
        "const [a] = Promise.all([Task.run('a')]); return a",
        "let name; ({ name } = Task.run('a')); return name",
        "for (const x of Task.run('a')) console.log(x)",
        "return [...Task.run('a')]",
        "switch (Task.run('a')) { case 1: return 2 }",
        "const p = Task.run('a'); return 1",
        "try { return Task.run('a') } catch (error) { return error.name }",
        "console.log(Task.run('a'))",
        "return Math.max(Task.run('a'), 1)",
        "await Task.run('b', { a: Task.run('a') })",
        "const a = Task.run('a'); await Task.run('b', { list: [{ a }] })",
        "return { a: Task.run('a') }",
        "async function f() { await Task.run('a'); return 1 } if (f()) return 2",
        "const f = () => Task.run('a'); return f().name",
        "return Task.run('a').then((x) => x).name",
        "function f() { return Task.run('a').name } return f()",
        "Task.run('a').then((x) => console.log(x))",
        "const p = Task.run('a'); p.finally(() => console.log(1))",
    ],
    "unawaited-promises": [
        "await Inputs.items.map(async (item) => await Task.run('a', { item }))",
        "await [Task.run('a'), Task.run('b')]",
        "Inputs.items.map((item) => Task.run('a', { item }))",
        "return Inputs.items.map(async (item) => item)",
        "const all = Inputs.items.map((item) => Task.run('a', { item })); return await all",
    ],
    "async-callback": [
        "Inputs.items.forEach(async (item) => { await Task.run('a', { item }) })",
        "return Inputs.items.filter(async (item) => await Task.run('a', { item }))",
        "const ok = async (item) => await Task.run('a', { item }); return Inputs.items.some(ok)",
        "return Inputs.items.sort(async (a, b) => await Task.run('order', { a, b }))",
    ],
    "signal-race": [
        "await Promise.race([Signal.when('a'), Timer.delay(1)])",
        "await Promise.race_kv({ a: Signal.next('a'), b: Task.run('b') })",
        "const s = Signal.when('a'); await Promise.any([s, Task.run('b')])",
        "await Promise.race([Signal.when('a').then((x) => x.by), Task.run('b')])",
        "await Promise.race([Signal.when('a', {}), Task.run('b')])",
        "await Promise.race(['a', 'b'].map((name) => Signal.when(name)))",
        "const go = () => Signal.when('go').then((x) => x.by); await Promise.any([go(), go()])",
        "function go() { return Signal.when('go') } await Promise.race({ a: go(), b: 1 })",
    ],
    "skipped-finally": [
        "try { Workflow.restart() } finally { await Task.run('unlock') }",
        "try { if (Inputs.a) { await Task.run('x'); return Workflow.restart() } }"
        " catch { Workflow.restart() } finally { await Task.run('unlock') }",
    ],
    "unreachable-code": [
        "Workflow.restart(); await Task.run('a')",
        "return 1; console.log(2)",
        "throw new Error('x'); console.log(2)",
        "for (const x of [1]) { continue; console.log(x) }",
        "for (;;) { break; await Task.run('a') }",
        "while (true) { await Task.run('a') } console.log(1)",
        "if (Inputs.a) { return 1 } else { return 2 } console.log(3)",
        "try { return 1 } catch { return 2 } console.log(3)",
        "try { console.log(1) } finally { return 1 } console.log(2)",
        "switch (Inputs.a) { case 1: return 1; default: throw 2 } console.log(3)",
        "const f = () => { return 1; console.log(2) }; f()",
        "a: { for (;;) { if (Inputs.a) break a; break; console.log(1) } }",
    ],
    "return-newline": ["return\n  Inputs.a + 1", "const f = () => {\n return\n { a: 1 } }\nf()"],
    "unused-name": [
        "const a = 1",
        "let a; a = 1; a += 2; a++",
        "let a = 1; a = a + 1",
        "var a = 1",
        "function f() {}",
        "function f() { f() }",
        "const f = () => f()",
        "const { a, b } = Inputs; return b",
        "const [a, b] = Inputs.list; return a",
        "const { ...rest } = Inputs",
        "const result = await Task.run('a')",
        "a: for (;;) { break }",
        "async function main() { await Task.run('a') } console.log(1)",
    ],
    "unused-value": [
        "let a = 1; a == 2",
        "let a = 1; a",
        "console.log",
        "Inputs.name",
        "const f = () => 1; f",
        "() => Task.run('a')",
        "'a' + Inputs.name",
        "[Inputs.a]",
        "return 1, 2",
        "let a, b; a, b = 1, 2; return [a, b]",
    ],
    "block-for-object": ["return Inputs.items.map((item) => { id: item })"],
    "mixed-equality": [
        "return 1 == '1'",
        "return null == 0",
        "return true == 'true'",
        "let n = 1; n += 2; return n === '3'",
        "return typeof Inputs.a == 5",
        "return Inputs.list.length * 2 !== null",
    ],
    "never-equal": [
        "return Inputs.a === NaN",
        "return Inputs.a != Number.NaN",
        "return Inputs.a === []",
        "return {} === Inputs.a",
    ],
    "typeof-word": [
        "return typeof Inputs.a === 'strng'",
        "return 'array' == typeof Inputs.a",
        "return typeof Inputs.a === undefined",
        "return typeof Inputs.a === null",
        "switch (typeof Inputs.a) { case 'int': return 1 }",
    ],
    "assigned-condition": [
        "if (Inputs.a = 5) return 1",
        "let a; if (a = Inputs.b) return a",
        "return (Inputs.a = 1) ? 2 : 3",
    ],
    "constant-condition": [
        "if (Inputs.a === 1 || 2) return 3",
        "if (Inputs.a && 0) return 3",
        "while (Inputs.a() || 'x') return 1",
    ],
    "empty-branch": [
        "if (Inputs.a); { return 1 }",
        "if (Inputs.a) f(); else if (f); f(); function f() {}",
    ],
    "chained-comparison": ["return 1 < Inputs.a < 3", "return Inputs.a == Inputs.b == Inputs.c"],
    "negated-operand": ["return !Inputs.key in Inputs", "return !Inputs.a instanceof Date"],
    "duplicate-key": ["return { a: 1, b: 2, a: 3 }", "return { 1: 1, '1': 2 }"],
    "duplicate-case": ["switch (Inputs.a) { case 1: return 2; case 1: return 3 }"],
    "continued-line": [
        "const a = Inputs.a\n(1 + 2).toFixed()\nreturn a",
        "const a = Inputs.a\n[1, 2].forEach((x) => x)\nreturn a",
        "f()\n(async () => { await Task.run('a') })(); function f() {}",
    ],
    "builtin-write": ["Math.PI = 3", "Task.foo = (x) => x", "console.log = 5", "Context.queue = 1"],
    "negative-index": ["return Inputs.items[-1]", "return 'abc'[-2]"],
    "endless-loop": [
        "while (true) { console.log(1) }",
        "for (;;) {}",
        "do { Inputs.list.push(1) } while (1)",
        "let i = 0; while (i < 10) { console.log(i) }",
        "let done = false; while (!done) { console.log('x') }",
        "for (let i = 0; i < 10; i--) console.log(i)",
        "for (let i = 9; i >= 0; i++) console.log(i)",
        "let j = 0; for (let i = 0; i < 10; j++) console.log(i, j)",
        "for (;;) { for (const x of [1]) { if (x) break } }",
        "for (;;) { const f = async () => { await 1; return 2 }; console.log(f) }",
    ],
    "nested-comment": [
        "/* one\nconst x = 1\n/* two */ return Inputs",
        "return /* a /* b */ Inputs",
    ],
    "for-in": [
        "for (const x in [1, 2]) console.log(x)",
        "for (const x in Object.keys(Inputs)) console.log(x)",
        "for (const x in Inputs.list.map((x) => Task.run('a', { x }))) console.log(x)",
        "for (const [k, v] in Inputs) console.log(k, v)",
        "for (const x in 'abc') console.log(x)",
        "for (const x in new Set([1])) console.log(x)",
    ],
    "constant-write": [
        "const a = 1; a = 2; return a",
        "const a = 1; a++; return a",
        "const a = 1; [a] = [2]; return a",
        "for (const i = 0; i < 3; i++) console.log(i)",
        "const a = 1; for (a of [2]) console.log(a)",
    ],
    "early-use": [
        "console.log(a); let a = 1",
        "let a = a + 1; return a",
        "for (const a of a) console.log(a)",
        "if (Inputs.x) { b = 1 } let b = 2; return b",
    ],
    "undeclared-read": ["return custmer"],
    "undeclared-write": ["total = 1; return total"],
    "python-name": ["return len(Inputs.items)"],
    "unknown-member": [
        "return Task.runn('a')",
        "return Promise.al([])",
        "return Math.flor(1.5)",
        "return Context.executionID",
        "return console.lgo",
        "return 'abc'.lenght",
        "return [1, 2].lenght",
        "const list = Object.keys(Inputs); return list.lenght",
        "return Inputs.items.lenght",
        "return 'abc'.push('d')",
        "return new Map().length",
        "return [1].size",
    ],
    "unknown-method": [
        "return Inputs.items.foreach((x) => x)",
        "Inputs.items.append(1)",
        "return Inputs.name.strip()",
        "return Inputs.name.toUppercase()",
        "const result = await Task.run('a'); return result.isValid()",
    ],
    "method-left-out": [
        "return Inputs.name.match('a')",
        "return Inputs.a.localeCompare(Inputs.b)",
        "return Inputs.price.toLocaleString('de')",
    ],
    "unknown-input": [
        CUSTOMER + "return Inputs.custmer",
        CUSTOMER + "const { custmer } = Inputs; return custmer",
        "```\ninputs: { properties: { id: {} }, additionalProperties: false }\n```\n"
        "return Inputs.other",
    ],
    "unknown-option": [
        "await Task.run('a', {}, { timout: 5 })",
        "await Task.run('a', {}, { retry: { attempts: 3 } })",
        "await Workflow.run('a', {}, { heartbeat: 3 })",
        "await Signal.when('a', { timeOut: 5 })",
    ],
    "wrong-argument": [
        "await Task.run()",
        "await Task.run(5)",
        "await Task.run('')",
        "await Task.run((x) => x)",
        "await Task.run('a', 'b')",
        "await Task.run('a', [1])",
        "await Task.run('a', null)",
        "await Task.run('a', {}, '5s')",
        "await Timer.delay()",
        "await Timer.until('5m')",
        "State.set(5, 1)",
    ],
    "wrong-duration": [
        "await Timer.delay('5 minutes')",
        "await Timer.delay(-5)",
        "await Timer.delay('soon')",
        "await Task.run('a', {}, { timeout: '5min' })",
        "await Task.run('a', {}, { retry: { initialInterval: '1sec' } })",
    ],
    "milliseconds": [
        "await Timer.delay(5000)",
        "await Timer.delay(5 * 60 * 1000)",
        "await Task.run('a', {}, { timeout: 300000 })",
        "await Task.run('a', {}, { retry: { initialInterval: 1000 } })",
        "return await Signal.when('a', { timeout: 3600000 })",
    ],
    "unknown-ignore": [
        "return 1 // flow-ignore",
        "return 1 // flow-ignore: unused-nam",
        "return 1 // flow-ignore: redeclared",
        "/* flow-ignore: */ return 1",
    ],
    "unneeded-ignore": [
        "return 1 // flow-ignore: unused-name",
        "const a = 1 // flow-ignore: unused-name, unused-value\n",
        "// flow-ignore: unused-name\n",
    ],
}

NOT_DUE = {
    "calls that run on their own": "Task.run('a'); Workflow.run('b'); Signal.send('id', 'c', {})",
    "an own async function on its own": "async function f() { await Task.run('a') } f()",
    "handlers": "Task.run('a').then((x) => console.log(x)).catch(() => {})",
    "keys": "for (const key in Inputs) console.log(key, Inputs.list[key])",
    "comments": "// a /* b */\nreturn /* c // d */ '/* e /* f */' // */ /* /*",
    "seconds": "await Timer.delay(3600); await Timer.delay(24 * 60 * 60); await Timer.delay(900); "
    "await Timer.delay(36000); await Task.run('a', {}, { timeout: 120 }); await Timer.delay(1.5)",
    "a race mapped": "return await Promise.race(Inputs.names.map((name) => Task.run(name)))",
    "void": "void Timer.delay(5)",
    "a promise kept and awaited": "const p = Task.run('a'); await Task.run('b'); return await p",
    "a promise in an array": "const all = [Task.run('a')]; return await Promise.all(all)",
    "promises mapped": "return await Promise.all(Inputs.list.map((x) => Task.run('a', { x })))",
    "a promise returned": "const f = () => Task.run('a'); return f()",
    "a promise returned behind try": "try { await Task.run('a') } catch {} return Task.run('b')",
    "a promise handed on": "const f = async (p) => (await p).x; return await f(Task.run('a'))",
    "one promise or another": "const a = Task.run('a'), b = Task.run('b'); return await (Inputs.x "
    "? a : b)",
    "which promise it is": "const a = Task.run('a'), b = Task.run('b'); return (Inputs.x ? a : b) "
    "=== a",
    "a condition before a call": "Inputs.a && Task.run('a')",
    "reduce with promises": "return await Inputs.list.reduce(async (all, x) => [...(await all), "
    "x], [])",
    "forEach that starts": "Inputs.list.forEach(async (x) => { Task.run('a', { x }) })",
    "a race with timeouts": "return await Promise.race([Signal.when('a', { timeout: 5 }), "
    "Task.run('b')])",
    "a race of options": "const o = { timeout: 5 }; return await Promise.race([Signal.when('a', "
    "o)])",
    "a signal in all": "return await Promise.all([Signal.when('a'), Signal.when('b')])",
    "a hoisted function": "return f(); function f() { return 1 }",
    "a var behind": "a = 1; return a; var a",
    "break behind return": "switch (Inputs.a) { case 1: return 1; break; default: return 2 }",
    "a loop that breaks": "while (true) { if (Inputs.a) break; await Task.run('a') } "
    "console.log(1)",
    "a loop left by a label": "a: for (;;) { for (;;) { if (Inputs.a) break a } } console.log(1)",
    "a switch that breaks": "switch (Inputs.a) { case 1: break; default: return 2 } console.log(1)",
    "a switch without default": "switch (Inputs.a) { case 1: return 1 } console.log(1)",
    "a labelled break": "a: { if (Inputs.a) break a; return 1 } console.log(1)",
    "try that may fail": "try { return await Task.run('a') } catch {} console.log(1)",
    "unused parameters": "const f = (a, b) => b; return f(1, 2)",
    "an unused error": "try { await Task.run('a') } catch (error) { console.log('no') }",
    "an unused loop variable": "let n = 0; for (const x of Inputs.list) n++; return n",
    "an unused key": "let s = 0; for (const [key, value] of Object.entries(Inputs)) s += "
    "value; return s",
    "an element before": "const [a, b] = Inputs.list; return b",
    "left out of the rest": "const { a, ...rest } = Inputs; return rest",
    "underscores": "const _a = 1; const [b, _c] = Inputs.list; return b",
    "a count that is used": "let a = 0; return a++",
    "a compound that is used": "let a = 0; return (a += 1)",
    "read in a closure": "let a = 0; const f = () => a; return f()",
    "shorthand": "const a = 1; return { a }",
    "typeof": "let a; return typeof a",
    "recursion from outside": "const f = (n) => n ? f(n - 1) : 0; return f(3)",
    "a function of a block": "{ function f() { return 1 } } return f()",
    "a label that is used": "a: for (const x of [1]) { if (x) continue a; break a }",
    "an arrow with a label and more": "const f = () => { a: for (;;) { break a } }; f()",
    "effects": "delete Inputs.a; void 0; Inputs.a ? f() : f(); Inputs.a && f(); function f() {}",
    "a remark at the top": "'use flow'\nreturn 1",
    "== with null": "return Inputs.a == null || null == undefined",
    "== of unknown things": "return Inputs.a == 1 || Inputs.b === '1'",
    "typeof with words": "return typeof Inputs.a == 'string' || typeof Inputs.b !== 'bigint'",
    "an assignment that is meant": "let a; if ((a = Inputs.b)) return a",
    "an assignment in a loop": "let a; while ((a = Inputs.b.pop())) console.log(a)",
    "a default in a condition": "if (Inputs.a ?? 5) return 1; if (Inputs.a || Inputs.b) return 2",
    "an empty branch before another": "if (Inputs.a); else return 1",
    "comparisons side by side": "return 1 < Inputs.a && Inputs.a < 3 === true",
    "a negation in parentheses": "return !(Inputs.key in Inputs)",
    "keys around a spread": "return { a: 1, ...Inputs, a: 2 }",
    "keys that differ": "return { a: 1, ['a']: 2, A: 3 }",
    "cases that differ": "switch (Inputs.a) { case 1: return 1; case '1': return 2 }",
    "lines that go on by a sign": "return Inputs.list\n  .map((x) => x)\n  .join()",
    "arguments on their own lines": "console.log(\n  1,\n  [2],\n)",
    "a line that begins with a semicolon": "const a = 1\n;[a].map((x) => x)",
    "own properties of inputs": "Inputs.a = 1; const o = {}; o.Math = 2; return o",
    "a negative key of one's own": "const o = { '-1': 1 }; return o[-1]",
    "a negative key that is written": "const o = {}; o[-1] = 5; return o",
    "a sequence that acts": "let i = 0; for (let j = 9; i < j; i++, j--) console.log(i); return i",
    "a loop with await": "while (true) { await Task.run('poll') }",
    "a loop with return": "for (;;) { if (Inputs.a) return 1 }",
    "a loop with throw": "for (;;) { if (Inputs.a) throw new Error('x') }",
    "a loop that calls what throws": "const f = () => { throw 1 }; try { for (;;) f() } catch {}",
    "a loop that counts": "let i = 0; while (i < 3) { i++ }",
    "a loop that a closure ends": "let go = true; const stop = () => { go = false }; while (go) { "
    "stop() }",
    "a loop over members": "const q = [1]; while (q.length) { q.pop() }",
    "a loop with a call": "const next = () => Inputs.a.pop(); while (next()) {}",
    "a const decided before": "const a = Inputs.a; while (a > 1) { return a }",
    "counting by member": "const o = { i: 0 }; for (; o.i < 3; ) o.i++",
    "late use": "const f = () => a; let a = 1; return f()",
    "a default of a pattern": "const { a, b = a } = Inputs; return b",
    "a switch that jumps": "switch (1) { case 0: let a; default: a = 1; console.log(a) }",
    "declared names": "const print = (x) => x; return print(Inputs)",
    "own methods": "const o = { strip: () => 1 }; return o.strip()",
    "own methods by assignment": "const o = {}; o.strip = () => 1; return o.strip()",
    "own methods with computed names": "const o = {}; o[Inputs.x] = () => 1; return o.strip()",
    "own properties": "const o = [1]; o.lenght = 5; return o.lenght",
    "asked for optionally": "return Inputs.x.strip?.()",
    "library methods": "return "
    "[...'abc'].at(-1).padEnd(3).concat(Math.PI.toFixed(2)).isWellFormed()",
    "members of all": "return [1].hasOwnProperty(0) || 'a'.constructor === String",
    "bracket names": "return Inputs['lenght'] ?? Math['flor']",
    "open inputs": CUSTOMER + "return Inputs.somethingElse",
    "known inputs": "```\ninputs: { properties: { a: {}, b: {} } }\n```\nreturn [Inputs.a, "
    "Inputs.b]",
    "all options": "await Task.run('a', { x: 1 }, { "
    + ", ".join(f"{name}: Inputs.{name}" for name in TASK_OPTIONS)
    + " })",
    "durations": "for (const d of ['1ms', 5, 0.5]) await Timer.delay(d); await Timer.delay('1.5h')",
    "a moment": "await Timer.until('2030-01-01T00:00:00Z'); await Timer.until(new Date())",
    "spread arguments": "await Task.run(...Inputs.call)",
    "names of one's own": "const Task = { run: (x) => x }; return Task.run()",
    "silenced": "const a = 1 // flow-ignore: unused-name",
    "silenced above": "// flow-ignore: unused-name (for later)\n\n// another\nconst a = 1",
    "silenced twice": "a = b // flow-ignore: undeclared-write, undeclared-read",
    "no comment": "return '// flow-ignore: x' + `\n// flow-ignore: y`",
}


def codes_of(text: str) -> list[str]:
    return [found.code for found in flowlang.check(text)]


@pytest.mark.parametrize(("code", "text"), [(code, text) for code in DUE for text in DUE[code]])
def test_a_warning_is_given_where_it_is_due(code: str, text: str) -> None:
    assert code in codes_of(text)


@pytest.mark.parametrize("text", NOT_DUE.values(), ids=NOT_DUE.keys())
def test_nothing_is_said_where_nothing_is_wrong(text: str) -> None:
    assert codes_of(text) == []


def test_every_warning_has_programs_that_get_it() -> None:
    assert set(DUE) == {code for code, rule in RULES.items() if rule.severity == "warning"}


@pytest.mark.parametrize("code", [code for code in DUE if not code.endswith("-ignore")])
def test_every_warning_can_be_silenced(code: str) -> None:
    """By a comment above each line that it speaks of, of which nothing is left to say."""
    text = DUE[code][0]
    lines = sorted({found.line for found in flowlang.check(text) if found.code == code})
    split = text.split("\n")
    for line in reversed(lines):
        split.insert(line - 1, f"// flow-ignore: {code}")

    assert not {code, "unneeded-ignore", "unknown-ignore"} & {*codes_of("\n".join(split))}


def test_a_mistake_is_not_silenced() -> None:
    assert codes_of("let a = 1; let a = 2; return a // flow-ignore: redeclared") == [
        "redeclared",
        "unknown-ignore",
    ]


def test_a_comment_is_judged_only_where_everything_was_looked_for() -> None:
    """In a file with a mistake the rules do not run: what a comment is for may not be found."""
    assert codes_of("const a = 1 // flow-ignore: unused-name\nlet b = ;") == ["syntax"]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/**/*.flow")), ids=lambda path: str(path.name)
)
def test_the_examples_are_without_warnings(path: Path) -> None:
    assert flowlang.check(path.read_text(encoding="utf-8"), path.name) == []


def test_a_long_file_full_of_what_there_is_to_warn_of_is_told_briefly() -> None:
    text = "".join(f"const v{i} = x.foo{i}() == NaN\n" for i in range(2_500))

    assert len(flowlang.check(text)) == 100
