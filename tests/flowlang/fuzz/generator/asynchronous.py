"""Promises, async functions and the durable calls; their order shows in the console."""

# ruff: noqa: E501 - a line of the generated source is easier to read in one piece

from __future__ import annotations

from typing import Final

from tests.flowlang.fuzz.generator.draft import indented
from tests.flowlang.fuzz.generator.statements import Statements

_COMBINATORS: Final = ("all", "allSettled", "race", "any", "any_kv", "race_kv")


class Asynchronous(Statements):
    """Statements and expressions that wait."""

    def awaitable(self, kind: str, size: int) -> str:
        match self.below(15):
            case 0 | 1:
                return self.operand(kind, size)
            case 2 | 3:
                return f"Promise.resolve({self.expression(kind, size)})"
            case 4 | 5:
                return self.task(self.portable(kind))
            case 6:
                return f"({{ then(done) {{ done({self.expression(kind, 0)}) }} }})"
            case 7:
                functions = [one for one in self.visible("function") if one.is_async]
                if functions:
                    return self.call_of(self.pick(functions), size)
                return f"(async () => {self.operand(kind, size)})()"
            case 8:
                return (
                    f"new Promise((done, fail) => {{ done({self.expression(kind, 0)}); fail(1) }})"
                )
            case 9:
                return f"Promise.resolve({self.expression(kind, 0)}).finally({self.callback(0, 'any', 1)})"
            case 10:
                duration = self.pick(("1", "0", "0.5", "'5m'"))
                return f"Timer.delay({duration}).then(() => {self.operand(kind, 0)})"
            case 11:
                signal = self.pick(("go", "stop"))
                return f"Signal.{self.pick(('when', 'next'))}('{signal}')"
            case 12:
                when = self.pick(
                    ("1700000002500", "new Date(1e12)", "'2100-01-01'", "Date.now() + 1")
                )
                return f"Timer.until({when})"
            case 13:
                return f"Signal.send('other', 'go', {self.portable(kind)})"
        return f"Promise.{self.pick(_COMBINATORS)}({self.promises(size)})"

    def portable(self, kind: str) -> str:
        """A value that JSON leaves as it is."""
        match kind:
            case "array":
                return "[1, 'x', [2]]"
            case "object":
                return "{ a: 1, b: { c: null } }"
            case "boolean":
                return "true"
            case "string":
                return self.pick(("'t'", "'\\u{1F600}'", "''"))
        return self.pick(("1", "0", "-2.5", "1e21", "'x'", "null", "9007199254740991"))

    def task(self, value: str) -> str:
        """A call of a task; "fail" rejects, "echo" gives its value back."""
        if self.often(20):
            name = self.pick(("ValueError", "TimeoutError"))
            return f"Task.run('fail', {{ name: '{name}', message: 'm1', details: {value} }})"
        call = self.pick(("Task.run", "Task.run", "Workflow.run"))
        return f"{call}('echo', {{ value: {value} }})"

    def promises(self, size: int) -> str:
        """The argument of a combinator."""
        parts = [
            self.awaitable(self.pick(("number", "string")), size - 1) for _ in range(self.below(4))
        ]
        if self.often(15):
            parts.append("Promise.reject(new Error('m2'))")
        if self.often(25):
            keys = ("b", "a", "1", "x")
            pairs = zip(keys, parts, strict=False)
            return f"{{ {', '.join(f'{key}: {part}' for key, part in pairs)} }}"
        return f"[{', '.join(parts)}]"

    def waiting(self, size: int) -> list[str]:
        match self.below(10):
            case 0 | 1:
                return [f"console.log({self.below(100)}, await {self.awaitable('any', size)})"]
            case 2:
                return self._background(size)
            case 3:
                return self._chain(size)
            case 4:
                return self._combined(size)
            case 5:
                return self._guarded_await(size)
            case 6:
                name = self.pick(("go", "stop"))
                limit = self.pick(("", ", { timeout: 5 }"))
                return self._tried(f"await Signal.when('{name}'{limit})")
            case 7:
                return [f"{self.task(self.portable('any'))}"]
            case 8:
                options = self.pick(("", ", {}", ", { id: 'mine' }"))
                return [
                    f"console.log(Workflow.start('w', {{ a: {self.portable('any')} }}{options}))"
                ]
        return [
            f"State.set('s', {self.portable('any')}); console.log(State.get('s'), State.get('none'))"
        ]

    def _background(self, size: int) -> list[str]:
        """An async function called and not awaited: the rest goes on meanwhile."""
        with self.function(True):
            lines = self.body(1 + self.below(3), size)
        name = self.fresh()
        log = self.need("nameOf")
        return [
            f"const {name} = (async () => {{",
            *indented(lines),
            "})()",
            f"{name}.then((x) => console.log('done', x), (e) => console.log('fail', {log}(e)))",
        ]

    def _chain(self, size: int) -> list[str]:
        links = [
            self.pick(("Promise.resolve(1)", "Promise.reject('r')", self.awaitable("number", 1)))
        ]
        name_of = self.need("nameOf")
        for _ in range(1 + self.below(3)):
            mark = self.below(100)
            links.append(
                self.pick(
                    (
                        f".then((x) => {{ console.log({mark}, x); return {self._settled()} }})",
                        f".catch((e) => {{ console.log({mark}, {name_of}(e)); return {self._settled()} }})",
                        f".finally(() => {{ console.log({mark}); return {self._settled()} }})",
                        f".then(undefined, (e) => {{ console.log({mark}, {name_of}(e)); throw e }})",
                        f".then({self.literal('any')})",
                    )
                )
            )
        return [f";({links[0]}){''.join(links[1:])}.catch((e) => console.log('end', {name_of}(e)))"]

    def _settled(self) -> str:
        return self.pick(
            (
                "1", "Promise.resolve(2)", "Promise.reject(new TypeError('m3'))",
                "{ then(f) { console.log('then'); f('t') } }", "new Promise((f) => f(Promise.resolve(3)))",
                "Task.run('echo', { value: 4 })", "(async () => 5)()",
            )
        )  # fmt: skip

    def _combined(self, size: int) -> list[str]:
        which = self.pick((*_COMBINATORS, "all"))
        if self.often(25):
            a, b = self.awaitable("number", 1), self.awaitable("string", 1)
            return self._tried_shown(f"Promise.{self.pick(('all', 'allSettled'))}([{a}, {b}])")
        return self._tried_shown(f"Promise.{which}({self.promises(size)})")

    def _tried_shown(self, promise: str) -> list[str]:
        return self._tried(f"await {promise}")

    def _tried(self, expression: str) -> list[str]:
        name_of = self.need("nameOf")
        name = self.fresh("e")
        return [
            f"try {{ console.log({expression}) }} catch ({name}) {{ console.log('!', {name_of}({name})) }}"
        ]

    def _guarded_await(self, size: int) -> list[str]:
        name_of, name = self.need("nameOf"), self.fresh("e")
        lines = ["try {", *self.body_of(size), f"  console.log(await {self.awaitable('any', 1)})"]
        lines += [f"}} catch ({name}) {{", f"  console.log('!', {name_of}({name}))"]
        if self.often(50):
            lines += [
                "} finally {",
                f"  console.log('finally', await {self.awaitable('number', 1)})",
            ]
            if self.often(30):
                lines.append(f"  if ({self.expression('boolean', 1)}) {self.exit(1)}")
        return [*lines, "}"]
