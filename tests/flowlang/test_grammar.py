"""What the grammar means: grouping, inserted semicolons, what is taken and refused, how deep."""

from typing import Any

import pytest

from flowlang import nodes
from flowlang.nodes import decode_tree, encode_tree
from flowlang.parser import parse


def tree_of(text: str) -> nodes.Program:
    parsed = parse(text, "x.flow")
    assert parsed.tree is not None, [str(found) for found in parsed.diagnostics]
    return parsed.tree


def codes_of(text: str) -> list[str]:
    return [found.code for found in parse(text, "x.flow").diagnostics if found.severity == "error"]


def expression_of(text: str) -> Any:
    statement = tree_of(text).body[0]
    assert isinstance(statement, nodes.ExpressionStatement)
    return statement.expression


def shape(node: Any) -> str:
    """An expression as text, with each node of the tree in parentheses and chains in <>."""
    match node:
        case nodes.Identifier():
            return node.name
        case nodes.Binary():
            text = shape(node.operands[0])
            for operator, operand in zip(node.operators, node.operands[1:], strict=True):
                text += f" {operator} {shape(operand)}"
            return f"({text})"
        case nodes.Logical():
            return f"({f' {node.operator} '.join(shape(each) for each in node.operands)})"
        case nodes.Unary():
            return f"({node.operator} {shape(node.operand)})"
        case nodes.Await():
            return f"(await {shape(node.operand)})"
        case nodes.Update():
            target = shape(node.target)
            return f"({node.operator}{target})" if node.is_prefix else f"({target}{node.operator})"
        case nodes.Conditional():
            return f"({shape(node.test)} ? {shape(node.consequent)} : {shape(node.alternate)})"
        case nodes.Assign():
            return f"({shape(node.target)} {node.operator} {shape(node.value)})"
        case nodes.Sequence():
            return f"({', '.join(shape(each) for each in node.expressions)})"
        case nodes.Chain():
            return f"<{shape(node.expression)}>"
        case nodes.Member():
            mark = "?" if node.is_optional else ""
            key: Any = node.property
            suffix = f"[{shape(key)}]" if node.computed else f".{key.value}"
            return f"{shape(node.object)}{mark}{suffix}"
        case nodes.Call():
            mark = "?" if node.is_optional else ""
            return f"{shape(node.callee)}{mark}({', '.join(shape(a) for a in node.arguments)})"
        case nodes.Function():
            names = ", ".join(shape(element.target) for element in node.parameters)
            body = node.body[0]
            assert isinstance(body, nodes.Return)
            return f"{'async ' if node.is_async else ''}({names}) => {shape(body.value)}"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a + b - c", "(a + b - c)"),
        ("a + b * c - d", "(a + (b * c) - d)"),
        ("a * b + c * d", "((a * b) + (c * d))"),
        ("a ** b ** c", "(a ** (b ** c))"),
        ("(-a) ** b * c", "(((- a) ** b) * c)"),
        ("a || b && c || d", "(a || (b && c) || d)"),
        ("a ?? (b || c)", "(a ?? (b || c))"),
        ("a == b === c < d << e", "(a == b === (c < (d << e)))"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a in b instanceof c", "(a in b instanceof c)"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a ? b = c : d = e", "(a ? (b = c) : (d = e))"),
        ("a = b ||= c", "(a = (b ||= c))"),
        ("a, b = c, d", "(a, (b = c), d)"),
        ("!a.b[c](d)", "(! a.b[c](d))"),
        ("typeof - --a", "(typeof (- (--a)))"),
        ("a+++b", "((a++) + b)"),
        ("await a + await b", "((await a) + (await b))"),
        ("a?.b.c", "<a?.b.c>"),
        ("(a?.b).c", "<a?.b>.c"),
        ("a?.[b]?.(c)", "<a?[b]?(c)>"),
        ("(a?.b)()", "<a?.b>()"),
        ("(a + b) + c", "((a + b) + c)"),
        ("a = b => c, d", "((a = (b) => c), d)"),
        ("a = async (b, c) => d", "(a = async (b, c) => d)"),
        ("a ? (b) : c => d", "(a ? b : (c) => d)"),
        ("a\n(b)", "a(b)"),
    ],
)
def test_grouping(text: str, grouped: str) -> None:
    assert shape(expression_of(text)) == grouped


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a\nb", 2),
        ("a\n++b", 2),
        ("a\n[b]", 1),
        ("let a\n[b] = c", 2),
        ("let a\n(b)", 2),
        ("do a\nwhile (b) c", 2),
        ("return\na", 2),
        ("{ a } b", 2),
        ("async\nfunction f() {}", 2),
        ("if (a) b; else c", 1),
        ("x => {}\n[b]", 2),
        (";;", 2),
    ],
)
def test_semicolons_are_inserted_where_javascript_does(text: str, count: int) -> None:
    assert len(tree_of(text).body) == count


TAKEN = r"""
let {a, b: [c = 1, ...d] = [], [e]: f, ...g} = x
({a: b.c, d: e[0], f: (h), ...i.j} = x)
[a, , b = 1, ...[c]] = x
for (a.b of c);
for ({a} of c);
for ((a) of b);
for (of of of);
for (let of of x);
for (var a in b, c);
for (let x = (1 in b); ;) break
for (let x = [1 in b]; ;) break
for (async of => 1; ;) break
for ([a] = b; ;) break
({async, get, set, async a() {}, get() {}, set() {}, async() {}, if: 1, 'x': 2, 3: 4, [y]: 5})
({async function() {}, await: 1, class() {}})
a.if.class.await
async async => async
(a, {b = 1}, [c], ...d) => 1
(a,) => f(b, ...c,)
label: for (;;) { continue label }
switch (a) { case 1: default: case 2: b }
try {} catch {} finally {}
try {} catch ({message}) {}
new Date
new Map([[1, 2]]).get(1)
x = function f() { return f }
a = [, 1, , 2, ,]
`a${b}c${`d${e}`}f`
v = {}.x / 1
if (a) -b
if (a) [b] = c
x-->y
a?.5:1
""".strip().splitlines()


@pytest.mark.parametrize("text", TAKEN)
def test_taken(text: str) -> None:
    """Node takes every one of these, in an async function."""
    assert codes_of(text) == []


REFUSED = r"""
({a}) = 1
[([a])] = 1
[...a, b] = c
({...{a}} = b)
({a: 1} = b)
[a] += b
a?.b = 1
f() = 1
(a, (b)) => 1
(...a, b) => 1
(a,)
f(,)
({,})
({a = 1})
-a ** b
await a ** b
a ?? b || c
a && b ?? c
a || (b) => c
x => {} ()
for (const x of a, b);
for (let x = y => y in z; ;);
for (async of x);
for (let of x);
new a?.b()
new Date?.x
if (a) let b
let [a]
const a
switch (a) { default: default: }
try {}
else a
let a = 5 5
a++b
++a++
v\u0061r x
{a} = b
({get a() { return 1 }})
class A {}
import x from 'y'
function* f() {}
if (a) function f() {}
010
x = /a/
"use strict"
""".strip().splitlines()


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    assert codes_of(text)


@pytest.mark.parametrize(
    "text",
    ["x = []\n[a, , b] = c", "x = 0\n[]", "f()\n[...a] = b", "x\n(a, )(b c)", "x\n?.[]", "x\n(,)"],
)
def test_a_line_that_can_go_on_with_the_one_above_does(text: str) -> None:
    """JavaScript inserts no semicolon there, although what follows then makes no sense."""
    assert codes_of(text)


WIDE = {
    "operands": "x = " + " + ".join(["a"] * 2000),
    "mixed operators": "x = " + " + ".join(["a * b - c"] * 1000),
    "else if": "if (a) b" + "\nelse if (a) { b }" * 1000,
    "arrays": "x = " + "[" * 100 + "]" * 100,
    "loops": "for (const a of b) {" * 21 + "}" * 21,
    "functions": "f(() => {" * 95 + "})" * 95,
    "templates": "x = " + "`${" * 190 + "1" + "}`" * 190,
    "elements": "x = [" + "1," * 15_000 + "]",
}


@pytest.mark.parametrize("text", WIDE.values(), ids=WIDE.keys())
def test_large_programs_are_read_and_kept(text: str) -> None:
    """Functions 95 deep were 2^95 readings once: no rule may read anything twice."""
    data = encode_tree(tree_of(text))

    assert encode_tree(decode_tree(data)) == data


DEEP = {
    "brackets": "[" * 10_000,
    "balanced": "x = " + "(" * 10_000 + ")" * 10_000,
    "prefixes": "x = " + "!" * 30_000 + "1",
    "arrows": "x = " + "a => " * 8_000 + "b",
    "assignments": "a = " * 15_000 + "b",
    "conditions": "x = " + "a ? b : " * 9_000 + "c",
    "powers": "x = " + "a ** " * 15_000 + "b",
    "ifs": "if (a) " * 9_000 + "b",
    "labels": "".join(f"a{i}: " for i in range(9_000)) + "b",
    "members": "x" + ".a()" * 5_000,
    "blocks": "{" * 300 + "}" * 300,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_too_deep_is_one_diagnostic(text: str) -> None:
    assert codes_of(text) == ["too-deep"]


def test_parentheses_matter_only_for_names() -> None:
    """`(f) = () => 1` leaves the function without a name; parentheses on the right do not."""
    assert expression_of("(f) = () => 1").target.parenthesised
    assert not expression_of("f = (() => 1)").target.parenthesised
