"""Text to tokens: what each piece is, how it is read, and that no text takes long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlang.diagnostics import Diagnostic
from flowlang.source import Source, from_units, to_units
from flowlang.tokens import Token, tokenize


def tokens_of(text: str) -> list[Token]:
    found: list[Diagnostic] = []
    tokens = tokenize(Source(text, "x.flow"), 0, found)
    assert not found, [str(each) for each in found]
    assert tokens is not None
    return tokens


def types_of(text: str) -> list[str]:
    return [token.type for token in tokens_of(text)]


def codes_of(text: str) -> list[str]:
    found: list[Diagnostic] = []
    tokenize(Source(text, "x.flow"), 0, found)
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42.0),
        ("0", 0.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.e3", 1000.0),
        ("1e-3", 0.001),
        ("1_000_000.2_5", 1000000.25),
        ("0xFf", 255.0),
        ("0o17", 15.0),
        ("0b1_01", 5.0),
        ("1e999", float("inf")),
        ("0x" + "f" * 300, float("inf")),
        ("9007199254740993", 9007199254740992.0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert tokens_of(text)[0].value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'a\n\t\v\b\f\r\0\'\"\\'", "a\n\t\v\b\f\r\0'\"\\"),
        (r"'\x41\u0042\u{43}\u{000044}'", "ABCD"),
        (r"'\u{1F600}'", "\ud83d\ude00"),
        ("'a\\\r\nb\\\nc\\\u2028d'", "abcd"),
        (r"'\q\-'", "q-"),
        ("'\u2028'", "\u2028"),
        ("`a\r\nb\rc\\\r\nd`", "a\nb\ncd"),
        (r"`\$\{\``", "${`"),
        ("`$ $$ {`", "$ $$ {"),
    ],
)
def test_strings_and_templates(text: str, value: str) -> None:
    assert tokens_of(text)[0].value == value


def test_template_parts_nest_and_know_their_partners() -> None:
    tokens = tokens_of("`a${b + `c${d}`}e${{}}f`")

    assert [t.type for t in tokens][:6] == ["head", "name", "+", "head", "name", "tail"]
    head = tokens[0]
    assert tokens[head.partner].type == "middle"
    assert tokens[tokens[head.partner].partner].type == "tail"


def test_marks_save_the_grammar_from_looking_ahead() -> None:
    assert types_of("(a) => [b] = {c} = async x => async(y)")[:-1] == [
        "(=>", "name", ")", "=>", "[=", "name", "]", "=", "{=", "name", "}", "=",
        "async", "name=>", "=>", "name", "(", "name", ")",
    ]  # fmt: skip
    assert types_of("async function")[0] == "async"
    assert types_of("async\nfunction")[0] == "name"
    assert types_of("a?.5:1")[:4] == ["name", "?", "number", ":"]
    assert types_of("a?.b")[1] == "?."


def test_a_line_end_in_a_comment_counts_as_one() -> None:
    tokens = tokens_of("a /* \n */ b // c\nd e \u2028f")

    assert [token.newline for token in tokens] == [False, True, True, False, True, True]


def test_names_follow_unicode_14_and_take_escapes() -> None:
    assert [t.text for t in tokens_of("\\u{61}b \u00e9t\u00e9 \u2118 a\u200d $_1")][:-1] == [
        "ab", "\u00e9t\u00e9", "\u2118", "a\u200d", "$_1",
    ]  # fmt: skip
    # Vithkuqi came with Unicode 14, Kawi with 15.
    assert types_of("\U00010570") == ["name", "eof"]
    assert codes_of("\U00011f04") == ["unexpected-character"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("010", "octal-number"),
        ("12n", "no-bigint"),
        ("0x1fn", "no-bigint"),
        ("1__0", "bad-number"),
        ("1_", "bad-number"),
        ("3in x", "bad-number"),
        ("1.5a", "bad-number"),
        ("0b2", "bad-number"),
        ("'a", "unterminated-string"),
        ("`a", "unterminated-template"),
        ("`a${b", "unclosed-bracket"),
        ("/* a", "unterminated-comment"),
        (r"'\1'", "octal-escape"),
        (r"`\08`", "octal-escape"),
        (r"'\u{110000}'", "bad-escape"),
        (r"'\xg1'", "bad-escape"),
        ("x = /a[/]b/g", "no-regular-expression"),
        ("x <!-- y", "no-html-comment"),
        ("--> y", "no-html-comment"),
        ("a.#b", "no-private-name"),
        ("# a", "python-comment"),
        ("(", "unclosed-bracket"),
        (")", "unopened-bracket"),
        ("a \u201cb\u201d", "curly-quote"),
    ],
)
def test_refused_text(text: str, code: str) -> None:
    assert codes_of(text) == [code]


def test_arrows_that_look_like_comments_are_operators() -> None:
    assert types_of("x-->y") == ["name", "--", ">", "name", "eof"]


def test_division_is_no_regular_expression() -> None:
    assert codes_of("a / b / c; (a) / b; a[1] / 2 / 3; x.if / 2; 1 / 2; `a` / 2; b++ / 2") == []


HOSTILE = {
    "comments": "/* " * 80_000,
    "stars": "/*" + "*" * 200_000,
    "brackets": "(" * 10_000,
    "templates": "`${" * 10_000,
    "ticks": "`" * 50_001,
    "classes": "/[=" * 80_000,
    "escapes": "'\\" * 100_000,
    "name escapes": "\\u{" * 80_000,
    "names": "a" * 200_000 + "\u00e9",
    "digits": "1" * 200_000 + "x",
    "underscores": "1_" * 100_000,
    "closers": ")" * 30_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_ends_in_few_diagnostics(text: str) -> None:
    """Each of these took minutes, or the stack, in some tokenizer. A hang fails the run."""
    assert len(codes_of(text)) <= 250


@given(st.text(max_size=80))
def test_tokens_stand_in_order_and_hold_their_own_text(text: str) -> None:
    source = Source(text, "x.flow")
    tokens = tokenize(source, 0, []) or []

    at = 0
    for token in tokens:
        assert at <= token.start <= token.end
        at = token.end
        if token.type in ("string", "number", "template"):
            assert source.text[token.start : token.end] == token.text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_units_come_back_as_the_text(text: str) -> None:
    units = to_units(text)

    assert from_units(units) == text
    assert len(units) == len(text.encode("utf-16-le")) // 2
