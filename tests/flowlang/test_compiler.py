"""How programs become Python: nothing leaks in, nothing is too deep, lines stay known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

import flowlang
from flowlang.compiler import facts, lower, lowering
from flowlang.program import Program


@pytest.fixture(autouse=True)
def no_python_warnings() -> Iterator[None]:
    """Python must have nothing to say about generated code."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def generated(program: Program) -> str:
    """All generated Python of a program."""
    return "\n".join(
        lower(program.analysis, code.info, program.units, program.constants, program.line_at).text
        for code in program.functions
    )


def test_text_of_a_program_enters_generated_python_only_as_quoted_constants() -> None:
    program = flowlang.compile(
        """
        const __import__ = "'); import os; ('", exec = `\\n${__import__}"""
        + '"""'
        + """`
        function eval_(os, __builtins__ = exec) { return os[__import__] + __builtins__ }
        lambda: for (const None_ of [1]) { pass_ = { "def x(": None_, ﬁ: 1 }; break lambda }
        return [eval_({}), pass_, exec]
        """
    )

    text = generated(program)

    assert text.isascii()
    for word in ("__import__", "exec", "eval_", "os,", "lambda", "pass_ ", "ﬁ"):
        assert f" {word}" not in text
    assert flowlang.evaluate(program.source).status == "completed"


def test_names_that_python_would_take_for_the_same_stay_apart() -> None:
    """Python folds identifiers by NFKC; JavaScript does not."""
    outcome = flowlang.evaluate("let ﬁ = 1, fi = 2, ª = 3, a = 4; return [ﬁ, fi, ª, a]")

    assert outcome.value == [1, 2, 3, 4]


def test_generated_code_has_no_builtins_of_python() -> None:
    program = flowlang.compile("return typeof open + typeof __builtins__ + typeof globals")

    assert program.namespace["__builtins__"] == {}
    assert flowlang.evaluate(program.source).value == "undefined" * 3


def test_functions_are_lowered_when_they_are_first_called() -> None:
    program = flowlang.compile("const used = () => 1, unused = () => 2; return used()")

    flowlang.Machine(program).start()

    lowered = [code.name for code in program.functions if code.bind is not None]
    assert lowered == ["", "used"]


def test_one_text_is_compiled_once() -> None:
    assert flowlang.compile("return 1", "a.flow") is flowlang.compile("return 1", "a.flow")


DEPTH = 180

DEEP = {
    "if": "let x = 0; " + "if (true) {" * DEPTH + "x = 5" + "}" * DEPTH + " return x",
    "for": "let x = 5; "
    + "".join(f"for (let i{n} = 0; i{n} < 1; i{n}++) {{" for n in range(DEPTH))
    + "x"
    + "}" * DEPTH
    + " return x",
    "try": "let x = 5; " + "try {" * DEPTH + "throw 1" + "} catch (e) { throw e }" * (DEPTH - 1)
    + "} catch {} return x",
    "finally": "let x = 5; " + "while (true) { try {" * 80 + "x" + "} finally { break } }" * 80
    + " return x",
    "switch": "let x = 0; " + "switch (1) { case 1: " * 90 + "x = 5" + "}" * 90 + " return x",
    "labels": "".join(f"l{n}: {{" for n in range(150)) + "break l3" + "}" * 150 + " return 5",
    "conditional": "let x = 0; return " + "x ? 1 : " * DEPTH + "(x = 5)",
    "brackets": "return " + "(1 + " * DEPTH + "1" + ")" * DEPTH + f" - {DEPTH - 4}",
    "arrays": "return " + "[" * DEPTH + "5" + "]" * DEPTH + ".flat(1e3)[0]",
    "arguments": "const f = x => x; return " + "f(" * DEPTH + "5" + ")" * DEPTH,
    "chain": "let n = 0; const o = { f: () => o }; o" + "?.f?.(n++)" * 60 + "; return n - 55",
    "pattern": "const " + "[" * 90 + "x" + "]" * 90 + " = " + "[" * 90 + "5" + "]" * 90
    + "; return x",
    "assignments": "let x; " + "x = " * DEPTH + "5; return x",
    "templates": "let x = 5; return Number(" + "`${" * DEPTH + "x" + "}`" * DEPTH + ")",
    "long sum": "let x = 1; return " + "x + " * 3000 + "1 - 2996",
    "long and": "let x = 1; return " + "x && " * 2000 + "5",
    "long or": "let x = 0; return " + "(x += 0) || " * 500 + "5",
    "long else if": "let x = 0; if (x) {} " + "else if (x === 1) {}" * 800 + "else x = 5; return x",
    "long else if with assignment": "let x = 0; if (x) {} "
    + "else if ((x += 0) === 1) {} " * 500
    + "else x = 5; return x",
    "long array": "return [" + "1, " * 3000 + "1].length - 2996",
    "long object": "return Object.keys({" + ", ".join(f"k{n}: {n}" for n in range(2000))
    + "}).length - 1995",
}  # fmt: skip


@pytest.mark.parametrize("what", DEEP)
@pytest.mark.parametrize("around", ["%s", "function f() { %s } return f()"])
def test_nesting_within_the_languages_limits_meets_no_wall_of_python(
    what: str, around: str
) -> None:
    outcome = flowlang.evaluate(around % DEEP[what])

    assert outcome.error is None
    assert outcome.value == 5


ALL_AT_ONCE = """
const seen = []
const note = value => { seen.push(value); return value }
function work(n, { a = n > 1 ? (seen.push("default"), 2) : 3, ...rest } = {}) {
  let sum = 0
  outer: for (let i = 0; i < n; i++) {
    for (const x of [1, 2, 3]) {
      try {
        if (x === 2 && i % 2) continue outer
        if (i === 3) break outer
        sum += note(x) * (i ? a : (sum = 1, 10))
      } catch (e) {
        note(e)
      } finally {
        switch (x) {
          case 1: note("one")
          case 2: note("two"); break
          default: { let late = () => x; note(late()) }
        }
      }
    }
  }
  return sum && (sum += 1) || rest?.b?.[note("never")]
}
return [work(5), work(2, { a: 7, b: 1 }), work(0, { b: null }), seen.join()]
"""


def test_both_ways_of_lowering_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flat and structured code, with and without many temporaries, differ only in speed."""
    expected = flowlang.evaluate(ALL_AT_ONCE).value
    assert expected is not None

    for weight, depth in ((0, 25), (6, 25), (60, 1), (0, 1)):
        monkeypatch.setattr(facts, "WEIGHT_LIMIT", weight)
        monkeypatch.setattr(lowering, "MAX_DEPTH", depth)
        outcome = flowlang.evaluate(ALL_AT_ONCE + f"// {weight} {depth}")

        assert outcome.value == expected, (weight, depth)


def test_errors_know_their_line_within_long_expressions() -> None:
    source = """
const missing = undefined
const run = items =>
  items
    .map(x => x + 1)
    .map(x =>
      missing.field)
run([1])
"""

    outcome = flowlang.evaluate(source)

    assert outcome.error is not None
    assert outcome.error.line == 7


def test_commands_know_their_line_within_long_expressions() -> None:
    program = flowlang.compile(
        """const all = Promise.all([
  Task.run("a"),
  Task.run(
    "b"
  ), Task.run("c"),
])
await all"""
    )

    turn = flowlang.Machine(program).start()

    assert [command.line for command in turn.commands if isinstance(command, flowlang.RunTask)] == [
        2,
        3,
        5,
    ]


def test_a_syntax_error_carries_all_diagnostics() -> None:
    with pytest.raises(flowlang.FlowSyntaxError) as caught:
        flowlang.compile("let x = class {}\nlet y = ;\n", "bad.flow")

    diagnostics = caught.value.diagnostics
    assert [found.line for found in diagnostics] == [1, 2]
    assert caught.value.args == (diagnostics,)
    assert "bad.flow:1:9" in str(caught.value)
    assert flowlang.check("let x = class {}\nlet y = ;\n", "bad.flow") == list(diagnostics)


def test_a_programs_name_is_the_front_matters_else_the_files() -> None:
    named = flowlang.compile("```\nname: onboard\nqueue: slow\n```\nreturn 1", "a/b.flow")

    assert (named.name, named.front_matter.queue) == ("onboard", "slow")
    assert flowlang.compile("return 1", "a/daily_report.flow").name == "daily_report"
    assert len(named.digest) == 32
