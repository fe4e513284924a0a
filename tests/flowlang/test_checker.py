"""Rules over the tree: JavaScript's early errors, what Flow leaves out, and warnings."""

import pytest

from flowlang.checker import CONSTRUCTORS, GLOBALS
from flowlang.library import GLOBALS as LIBRARY_GLOBALS
from flowlang.parser import parse


def codes_of(text: str) -> list[str]:
    return [found.code for found in parse(text, "x.flow").diagnostics]


@pytest.mark.parametrize(
    "text",
    [
        "var a; function a() {}",
        "var a; var a",
        "{ function f() {} function f() {} }",
        "switch (1) { case 1: function f() {} case 2: function f() {} }",
        "try {} catch (e) { var e }",
        "try {} catch (e) { { let e } }",
        "function g(a) { var a; function a() {} }",
        "const x = 1; for (const x of []) { const x = 2 }",
        "for (let i; ;) { let i; break }",
        "let f; { function f() {} }",
        "const g = function h() { let h }",
        "const f = (x) => { var x }",
        "let undefined",
    ],
)
def test_declarations_that_javascript_allows(text: str) -> None:
    assert codes_of(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "let a; let a",
        "let a; var a",
        "var a; let a",
        "let a; { var a }",
        "function a() {} let a",
        "{ function f() {} let f }",
        "{ function f() {} var f }",
        "{ async function f() {} function f() {} }",
        "let [a, a] = []",
        "for (let [a, a] of []);",
        "for (let i; ;) { var i }",
        "switch (1) { case 1: let a; case 2: let a }",
        "try {} catch (e) { let e }",
        "try {} catch ([e]) { var e }",
        "try {} catch (e) { function e() {} }",
        "const f = (a) => { let a }",
    ],
)
def test_declarations_that_collide(text: str) -> None:
    assert codes_of(text) == ["redeclared"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("const f = (a, a) => 1", "duplicate-parameter"),
        ("break", "break-outside"),
        ("for (;;) { [].map(() => { break }) }", "break-outside"),
        ("switch (1) { case 1: continue }", "continue-outside"),
        ("for (;;) { break a }", "unknown-label"),
        ("a: for (;;) { [].map(() => { for (;;) { break a } }) }", "unknown-label"),
        ("a: { for (;;) { continue a } }", "continue-label"),
        ("a: a: for (;;) {}", "duplicate-label"),
        ("function f() { await 1 }", "await-in-function"),
        ("[1].map(x => await x)", "await-in-function"),
        ("async function f(x = await 1) {}", "await-in-parameter"),
        ("new RegExp('x')", "new-not-allowed"),
        ("const Map = 1; new Map()", "new-not-allowed"),
        ("require('fs')", "no-require"),
        ("setTimeout(1)", "no-timers"),
        ("typeof process", "no-global"),
        ("Symbol.iterator", "no-global"),
        ("Function('x')", "no-function-constructor"),
        ("Object.create(null)", "no-global"),
        ("Array.prototype.map", "no-prototype"),
        ("const o = { __proto__: null }", "no-prototype"),
        ("Inputs.__proto__", "no-prototype"),
        ("Math = 1", "assign-builtin"),
        ("[Task] = []", "assign-builtin"),
        ("for (Date of []);", "assign-builtin"),
        ("undefined++", "assign-builtin"),
        ("return None", "python-constant"),
        ("pass", "python-pass"),
        ("return arguments", "no-arguments"),
        ("eval('1')", "no-eval"),
    ],
)
def test_one_error(text: str, code: str) -> None:
    parsed = parse(text, "x.flow")

    assert [found.code for found in parsed.diagnostics] == [code]
    assert parsed.tree is None


@pytest.mark.parametrize(
    "text",
    [
        "const setTimeout = 1; return setTimeout",
        "function require(x) {} require(1)",
        "const f = (process) => process.env",
        "const Object = { create: 1 }; return Object.create",
        "typeof nothing",
        "let None = 1; return None",
        "const c = 1; c = 2",
        "{ function f() {} } f()",
        "f(); function f() { return later } let later = 1",
    ],
)
def test_declared_names_are_the_programs_own(text: str) -> None:
    assert codes_of(text) == []


def test_undeclared_names_are_warnings_with_a_suggestion() -> None:
    parsed = parse("const customer = 1\nreturn custmer", "x.flow")
    (found,) = parsed.diagnostics

    assert parsed.tree is not None
    assert (found.code, found.severity, found.line) == ("undeclared-read", "warning", 2)
    assert found.hint == "did you mean 'customer'?"


def test_a_name_that_is_assigned_somewhere_is_warned_of_once() -> None:
    assert codes_of("total = 1\ntotal = total + 1\nreturn total") == ["undeclared-write"]


def test_names_are_not_guessed_about_where_a_statement_was_skipped() -> None:
    assert codes_of("let a = = 1\nreturn b") == ["syntax"]


def test_the_checker_knows_exactly_what_the_library_gives() -> None:
    given = set(LIBRARY_GLOBALS) | {"Inputs", "Context"}

    assert given == GLOBALS
    assert given >= CONSTRUCTORS
