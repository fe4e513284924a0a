"""Forms that chance brings together too seldom: rare syntax, and `try` with every exit."""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from typing import Final

from tests.flowlang.fuzz.generator.asynchronous import Asynchronous
from tests.flowlang.fuzz.generator.draft import indented

_EXITS: Final = (
    "", "return ['r', i, j]", "break", "continue", "throw new RangeError('m1')", "break {label}",
    "continue {label}",
)  # fmt: skip

_WHEN: Final = ("i === 1", "j === 'b'", "true", "i + j === '1a'", "false")

_FORMS: Final = (
    "const { a = %any, b } = %object; return [a, b]",
    "const { a: { b, ...c } = %object, ...d } = %object; return [b, c, d]",
    "const [a, , b = %any, ...[c, d]] = %array; return [a, b, c, d]",
    "let a = %any, b = %any; return { a, b, a, c: a }",
    "let a, b; ({ a, b = %any } = %object); return [a, b]",
    "let a, b, c = {}; [a = %any, [b], c.x] = %array; return [a, b, c]",
    "let a, b; ({ ['a' + '']: a, ...b } = %object); return [a, b]",
    "let a = 1, b = 2; [a, b] = [b, a]; return [a, b]",
    "return %array.map(x => x + %small)",
    "return [%any, %any].map((x, i, { length }) => [x, i, length])",
    "return (function f(n) { return n < 1 ? [f.name, f.length] : f(n - 1) })(%small)",
    "return (function (a, b = a, ...c) { var a; return [a, b, c] })(...%array)",
    "return ((a, { b = a, c } = %object, [d] = %array) => [a, b, c, d])(%any)",
    "let r = [], x; for (x of %array) r.push(x); return [r, x]",
    "let r = [], x = {}; for (x.p in %object) r.push(x.p); return [r, x]",
    "let r = [], x = []; for (x[r.length] of %string) r.push(1); return [r, x]",
    "let r = [], a, b; for ([a, b = %any] of [%array, %string]) r.push(a, b); return r",
    "let r = []; for (const { a = %any, length } of [%object, %array, %string]) r.push(a, length); return r",
    "let r = [], k; for (k in %array) { if (k > 1) break; r.push(k) } return [r, k]",
    "let r = []; for (var x in %object) r.push(x); return [r, x]",
    "let r = []; for (let [k, v] of new Map([[1, %any], [%any, 2]])) r.push(k, v); return r",
    "switch (%any) { default: console.log('d'); case 1: console.log(1); break; case %any: let x = 3; return x } return 'after'",
    "switch (%small) { case 0: case 1: return 'low'; case 2: { break } case 3: console.log(3); default: return 'high' } return 'two'",
    "switch (true) { case %any: return 1; case !%any: return 2; case 'x' in %object: return 3 }",
    "let n = 0; outer: while (true) { do { if (n++ > 3) break outer; if (n % 2) continue outer } while (n < 9) } return n",
    "let r = ''; a: for (let i = 0; ; i++) { for (const c of 'xyz') { if (c === 'y') continue a; if (i > 2) break a; r += c + i } } return r",
    "let r; for (r in %object) ; return r",
    "a: { b: { if (%any) break a; else break b } return 'b' } return 'a'",
    "if (%any) return 1; else if (%any) return 2; else if (%any) return 3; else return 4",
    "for (let i = 0, j = %small; i < j && i < 4; i += 1, j--) console.log(i, j)",
    "var i = 3; for (; i--;) { if (i) continue; console.log(i) } return i",
    "let i = 0; do console.log(i); while (++i < 2); return i",
    "return `${%any}${`${%any}`}-${%small}`",
    "return [%any?.a?.[0], %object?.a?.b.c, %any?.x?.(), %array?.length]",
    "const o = %object; return [o.a?.b, o?.['a'], delete o?.a, o]",
    "const o = { f(...a) { return a }, async g() {}, ['h' + 1]: () => 1, 'i j': function () {} }; return [o, o.f(...%array, %any), o.h1(), o.g.name]",
    "const o = { ...%object, ...%string, ...%array, ...null }; return o",
    "return [...%array, , ...%string, ...new Set(%array)]",
    "return Math.max(...[1, 2], ...new Set([3]), %small)",
    "const f = (...a) => a; return [f.call(null, 1, ...%array), f.apply(null, %array), f.bind(null, 0)(...%array)]",
    "let a = %any; return [a ??= %any, a ||= %any, a &&= %any, a]",
    "const o = %object; return [o.a ??= %any, o.b ||= %any, o.a &&= %any, o]",
    "let a = %small; return [a++, ++a, a--, --a, -a, +a, ~a, !a, a ** 2, -(a ** 2)]",
    "let a = [1]; return [a[0]++, a['0'] += 2, a[1]--, a.length--, a]",
    "return (%any, %any, void %any, typeof %any)",
    "return typeof undeclared + typeof %any + (%any instanceof Object)",
    "let x = 1; { let x = 2; { var y = x; let z = () => x; x = 3; return [x, y, z()] } }",
    "const r = []; for (let i = 0; i < 3; i++) { r.push(() => i); i += %small > 1 ? 1 : 0 } return r.map(f => f())",
    "{ function inner() { return 1 } } return [typeof inner, inner()]",
    "return f(); function f() { return g; var g = 1 }",
    "return x; let x = 1",
    "const x = 1; try { x = %any } finally { console.log(x) }",
    "try { null.x } catch ({ name, message: { length: { a = 1 } } }) { return [name, a] }",
    "try { throw %any } catch (e) { e = %any; return e } finally { console.log('f') }",
    "try { return console.log('r') } finally { try { throw 1 } catch { console.log('c') } }",
    "let o = { a: 1, b: 2, 1: 3, 0: 4 }; for (const k in o) { delete o.b; o.c = 5; console.log(k) } return o",
    "const s = new Set([1]); for (const x of s) { if (x < 4) { s.add(x + 1); s.delete(x - 1) } } return s",
    "const m = new Map([['a', 1]]); for (const [k, v] of m) { if (v < 3) { m.delete(k); m.set(k, v + 1) } } return m",
    "const a = [1, 2]; for (const x of a) { if (a.length < 5) a.push(x); if (x === 2) a.shift() } return a",
    "const it = %array.values(); it.next(); return [...it, it.next(), it]",
    "const a = []; a[2] = 1; a.x = %any; a.length = %small; return [a, 1 in a, Object.keys(a)]",
    "const a = %array; a.length = 1; a[3] = 0; return [a, a.indexOf(undefined), a.includes(undefined)]",
    "return [0.1 + 0.2, 5e-324 / 2, 2 ** 53 + 1, 1e21 + '', -0 + '', 1 / -0, 0b11 | 0o7, .5 % -.3, 1_0.0_1]",
    "return [%number % %number, %number / %number, %number << %small, %number >>> 0, %number | 0]",
    "return [%number.toString(%small), (%number).toFixed(%small), String(%number), `${%number}`]",
    "return [%string < %string, %string == %number, %string + %number, %string * 1, %string[%small]]",
    "return [%string.length, [...%string].length, %string.codePointAt(%small), %string.at(-1)]",
    "return [%string.split(''), %string.toUpperCase(), %string.normalize('NFD').length, %string.trim()]",
    "return [JSON.stringify(%any), JSON.stringify({ a: [%any], b: %any }), JSON.stringify([%string], null, 2)]",
    "return JSON.parse(JSON.stringify({ a: %any }), (k, v) => (console.log(k), v))",
    "const a = [3, 1, 2]; a.sort((x, y) => (console.log(x, y), x - y)); return a",
    "u%fresh = %any; return [u%fresh, typeof u%fresh]",
    ";;; return\n1",
    "var a = 1\nvar b = a\n++b\nreturn [a, b]",
)  # fmt: skip
"""Bodies of functions. A percent sign stands before a kind, for a value of that kind."""

_WAITING: Final = (
    "for (const x of [1, Promise.resolve(2), Task.run('echo', { value: 3 })]) console.log(await x)",
    "return await Promise.all([1, 2].map(async x => { await null; console.log(x); return x * 2 }))",
    "const f = async x => { if (x) throw new TypeError('m2'); return await %any }; return [await f(0), await f(1).catch(e => e.name)]",
    "const f = async ({ a = %any, ...r } = {}, ...s) => [a, r, s, await a]; return f(%object, ...%array)",
    "const f = async function (x) { return x }; return [await f(%any), await (async function () { return 1 })()]",
    "const o = { async m(x) { return [x, await x] } }; return [await o.m(%any), o?.m?.(1) instanceof Promise]",
    "try { await Promise.any([Task.run('fail', { name: 'E', message: 'm1' }), Promise.reject(1)]) } catch (e) { return [e.name, e.errors.length] }",
    "return Promise.race([Timer.delay('1m').then(() => 'late'), Task.run('echo', { value: 'task' }), Signal.when('go').then(() => 'go')])",
    "const { a, b } = await Promise.all({ a: Task.run('echo', { value: %small }), b: %any }); return [a, b]",
    "return (await Promise.allSettled({ x: Task.run('fail', { name: 'E', message: 'm1' }), y: 1 })).x.status",
    "return (await Promise.race_kv({ t: Timer.delay(3), w: Workflow.run('echo', { value: 1 }) })).key",
    "return Promise.any_kv([Promise.reject(1), Task.run('echo', { value: 'v' })])",
    "const p = Promise.resolve(%any); console.log('a'); p.then(x => console.log('b')); await null; console.log('c'); await p; return 'd'",
    "new Promise((r, j) => { r(1); j(2); throw 3 }).then(console.log); queue: for (let i = 0; ; i++) { await i; if (i > 1) break queue }",
    "const r = []; for (let i = 0; i < 3; i++) { r.push(() => i); await i } return r.map(f => f())",
    "let n = 0; while (await Promise.resolve(n < 2)) { n += await 1 } do { n-- } while (await n > 0); return n",
    "switch (await %small) { case await 1: return 'one'; case 2: await null; default: return 'other' }",
    "return [await 1, (await 2) + (await 3), `${await %any}`, { [await 'k']: await %any }, ...(await [4])]",
    "const o = { p: 1 }; o.p += await 2; o[await 'q'] ??= await %any; return o",
    "const [a = await 1, b = await %any] = [, undefined]; return [a, b]",
    "return %any?.x?.[await 'k'] ?? (await %any) ?? 'none'",
    "const e = await Task.run('fail', { name: 'ValueError', message: 'm1', details: [1] }).catch(e => e); return [e.name, e.message, e.type, e.details, e instanceof Error]",
    "const s = Signal.next('go', { timeout: 3 }).catch(e => e.name); const t = Signal.when('stop', { timeout: '2s' }).catch(e => e.name); return Promise.all([t, s])",
    "State.set('n', { a: [%small] }); await Timer.until(Date.now() + 5000); State.set('n', 2); return State.get('n')",
    "const t = { then(r) { console.log('then'); r(%any) } }; return [await t, await Promise.resolve(t)]",
    "const t = { then(r, j) { j(new RangeError('m1')) } }; try { return await t } catch (e) { return e.name } finally { await null; console.log('f') }",
    "return Promise.reject(1).finally(() => Task.run('echo', {})).catch(x => [x])",
    "const f = async () => { try { return await Promise.reject(1) } catch (e) { return e } finally { console.log(await 'f') } }; return Promise.all([f(), f()])",
    "const a = async n => (n < 1 ? 0 : 1 + (await a(n - 1))); const b = async function g(n) { return n < 1 ? g.name : g(n - 1) }; return [await a(3), await b(2)]",
)  # fmt: skip
"""Bodies of async functions, in which something is awaited."""


class Syntax(Asynchronous):
    """What has its turn in a program because of its number."""

    def syntax_turn(self, number: int) -> list[str]:
        """A rare form."""
        form = self._filled(_FORMS[number % len(_FORMS)])
        waiting = self._filled(_WAITING[number % len(_WAITING)])
        return [
            f"{self.need('probe')}(() => {{ {form} }})",
            *self._tried(f"await (async () => {{ {waiting} }})()"),
        ]

    def exits_turn(self, number: int) -> list[str]:
        """A `try` in two loops that is left in two ways, sync or between two awaits."""
        count = len(_EXITS)
        label = self.fresh("L")
        first, last = (
            _EXITS[at].format(label=label) for at in (number % count, number // count % count)
        )
        is_async = number // count // count % 2 == 1
        wait = "await " if is_async else ""
        name, name_of = self.fresh("f"), self.need("nameOf")
        lines = ["try {", "  console.log('try', i, j)"]
        if is_async:
            lines.append(
                f"  await {self.pick(('null', 'Task.run(j, { value: i })', 'Timer.delay(1)'))}"
            )
        lines += [f"  if ({self.pick(_WHEN)}) {{ {first} }}", "  console.log('went on')"]
        if self.often(50):
            exit = self.pick(_EXITS).format(label=label)
            lines += [
                "} catch (e) {",
                f"  console.log('caught', {wait}{name_of}(e))",
                f"  if ({self.pick(_WHEN)}) {{ {exit} }}",
            ]
        lines += [
            "} finally {",
            f"  console.log('finally', {wait}i)",
            f"  if ({self.pick(_WHEN)}) {{ {last} }}",
            "}",
            "console.log('behind')",
        ]
        return [
            f"const {name} = {'async ' if is_async else ''}() => {{",
            f"  {label}: for (let i = 0; i < 3; i++) {{",
            "    for (const j of ['a', 'b']) {",
            *indented(indented(indented(lines))),
            "    }",
            "  }",
            "  return 'end'",
            "}",
            *self._tried(f"{wait}{name}()"),
        ]

    def _filled(self, form: str) -> str:
        head, *rest = form.split("%")
        text = head
        fresh = self.fresh("")
        for part in rest:
            kind = next((one for one in _HOLES if part.startswith(one)), None)
            if kind is None:
                text += f"%{part}"
            elif kind == "fresh":
                text += fresh + part.removeprefix(kind)
            else:
                text += f"({self.literal(kind)}){part.removeprefix(kind)}"
        return text


_HOLES: Final = ("any", "array", "object", "string", "small", "number", "fresh")
