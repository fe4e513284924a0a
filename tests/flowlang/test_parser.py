"""From text to tree: what is accepted, where things stand, and that any text gets an answer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from flowlang import nodes
from flowlang.parser import parse

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.flow"))

_PIECE_TEXT = (
    "( ) [ ] { } ; , . ?. ... => = + - / ** ++ ! ? : ?? || && < in of ` ${ ' \" // /* # @ \\ \n "
    "0 1n 'a' `b` a b async await function let const var if else for while do switch case default "
    "break return throw try catch finally new class this import typeof null get set def None ```"
)
PIECES = _PIECE_TEXT.split(" ")


def codes(source: str) -> list[str]:
    return [
        diagnostic.code for diagnostic in flowlang.check(source) if diagnostic.severity == "error"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "return a\n+ 1",
        "const a = 1\nconst b = 2",
        "let x = 1; x\n++\nx",
        "a: for (;;) { break a }",
        "const f = async ({ a = 1, ...b }, [c, , d] = [], ...e) => a",
        "const { a: { b: [c = 1] = [] } = {}, ['k']: d } = Inputs",
        "x ??= 1; y ||= 2; z &&= 3",
        "const o = { a, 'b': 1, 3: 2, [Inputs.k]: 4, m() { return 1 }, async n() {}, ...Inputs }",
        "return Inputs?.a?.[0]?.(1) ?? `t${`n${1}`}`",
        "async function main() { return await Task.run('x') }",
        "if (1) ; else if (2) {} else return",
        "switch (1) { case 1: let a; break; default: }",
        "for (const [k, v] of Object.entries(Inputs)) for (const i in k) ;",
        "return (1, 2) ** -(3)",
        "try { throw 1 } catch { return 2 } finally { }",
        "```\nname: a\n```\nreturn 1",
    ],
)
def test_everyday_forms_are_accepted(source: str) -> None:
    assert codes(source.replace("return a\n", "var a; return a\n")) == []


@pytest.mark.parametrize(
    "legal",
    [
        "return " + " + ".join(["1"] * 1_000),
        "if (Inputs.a) 1;" + " else if (Inputs.b) 2;" * 1_000,
        "return " + "[" * 100 + "]" * 100,
        "".join(f"for (let i{n} = 0; i{n} < 1; i{n}++) " for n in range(21)) + ";",
    ],
    ids=["operands", "else-if", "arrays", "loops"],
)
def test_long_and_deep_but_legal_sources_compile_and_run(legal: str) -> None:
    assert flowlang.evaluate(legal).status == "completed"


@pytest.mark.parametrize(
    "monster",
    [
        "[" * 10_000,
        "(" * 10_000 + ")" * 10_000,
        "/* " * 80_000,
        "`${" * 5_000,
        "{" * 9_999,
        "a=>" * 5_000,
    ],
    ids=["open", "parentheses", "comments", "templates", "blocks", "arrows"],
)
def test_monstrous_sources_get_diagnostics(monster: str) -> None:
    assert codes(monster)


def test_nodes_know_where_they_stand() -> None:
    source = "```\nname: a\n```\nconst f = (x) => x\nreturn f"
    tree = parse(source, "a.flow").tree

    assert tree is not None
    first, second = tree.body
    assert isinstance(first, nodes.VariableDeclaration)
    assert source[first.start : first.end] == "const f = (x) => x"
    assert isinstance(second, nodes.Return)
    assert source[second.start : second.end] == "return f"


def test_offsets_count_utf16_units() -> None:
    (found,) = [d for d in flowlang.check("const a = '𝒳𝒳'; const a = 2") if d.severity == "error"]

    assert (found.line, found.start) == (1, 24)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join) | st.text(max_size=60))
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    parsed = parse(text, "any.flow")

    assert parsed.tree is not None or any(d.severity == "error" for d in parsed.diagnostics)
    for diagnostic in parsed.diagnostics:
        assert diagnostic.line >= 1 and diagnostic.column >= 1
        assert str(diagnostic)


def test_programs_with_a_piece_changed_give_a_tree_or_diagnostics() -> None:
    """Mutants of real programs: a character dropped, doubled, or replaced."""
    chance = random.Random(1)
    for program in PROGRAMS:
        text = program.read_text(encoding="utf-8")
        for _ in range(4):
            at = chance.randrange(len(text))
            piece = chance.choice(["", text[at] * 2, chance.choice(PIECES)])
            parsed = parse(text[:at] + piece + text[at + 1 :], program.name)
            assert parsed.tree is not None or parsed.diagnostics
