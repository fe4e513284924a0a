"""Why a statement does not match the grammar, in words.

Most mistakes in a .flow file are habits of another language, or one sign too few: these are looked
for first. What remains is told by the grammar: what stands there, and what could have stood there.
"""

from __future__ import annotations

from typing import Final

from flowlang import foreign_syntax
from flowlang.diagnostics import Diagnostic
from flowlang.failures import OPERAND_ENDS, Failure, describe
from flowlang.source import Source
from flowlang.tokens import ARROW_NAME, ARROW_PARAMETERS, KEYWORDS, Token

_WORDS: Final = {
    "name": "a name",
    "binding_target": "a name",
    "target": "a name or a pattern",
    "operand": "a value",
    "word": "a property name",
    "property_name": "a property",
    "each_word": "'of' or 'in'",
    "end": "';' or a new line",
    "statement": "a statement",
    "for_head": "the loop's head",
}
# Only worth a word when nothing else could have stood there: there is always an operator that can.
_WEAK: Final = frozenset(["?", "=", "...", "=>", "*", "await", "async"])
_DECLARING: Final = frozenset(["let", "const", "var"])
_STATEMENTS: Final = _DECLARING | {"return", "throw", "if", "for", "while", "do", "switch", "try"}
_BEGINS_VALUE: Final = frozenset(["name", "number", "string", "template", "head", "{", "["])


_WANTS_RIGHT: Final = frozenset(
    [
        *("+", "-", "*", "/", "%", "**", "=", "+=", "-=", "*=", "/=", "==", "!=", "===", "!=="),
        *("<", ">", "<=", ">=", "&&", "||", "??", "!", "await", "typeof"),
    ]
)
"""What a value must follow."""


def explain(
    source: Source, tokens: list[Token], start: int, at: int, expected: set[str]
) -> Diagnostic:
    """Why the statement at token `start` ends at token `at`."""
    failure = Failure(source, tokens, start, at, expected)
    for explanation in _EXPLANATIONS:
        found = explanation(failure)
        if found is not None:
            return found
    return _what_was_expected(failure)


def _misplaced(f: Failure) -> Diagnostic | None:
    """A word that only continues something else, or begins what Flow does not have."""
    here = f.here
    if here.type == "enum":
        return f.say("no-enum")
    if f.first.type == "class":
        return f.say("no-class", f.first)
    if f.at != f.start or here.type not in ("case", "default", "else", "catch", "finally"):
        return None
    hint = "it only stands within 'switch (…) { … }'"
    if here.type == "else":
        hint = "an 'else' must follow the 'if' directly"
    if here.type in ("catch", "finally"):
        hint = "it must follow 'try { … }' directly"
    return f.say("unexpected", found=describe(here), hint=hint)


def _quotes(f: Failure) -> Diagnostic | None:
    """`"He said "no""`: a quote within a text ends it."""
    text, here = f.previous, f.here
    is_closed = text.type == "string" and len(text.text) > 1 and text.text[-1] == text.text[0]
    if not is_closed or not f.touches:
        return None
    is_word = here.type == "name" or here.type in KEYWORDS or here.type == "number"
    if is_word or (here.type == "string" and here.text[0] == text.text[0]):
        quote = text.text[0]
        other = "'" if quote == '"' else '"'
        return f.say_at("quote-in-text", text.end - 1, text.end, quote=quote, other=other)
    return None


def _functions(f: Failure) -> Diagnostic | None:
    """Arrows and functions that are written a little wrong."""
    here, previous = f.here, f.previous
    if "operand" in f.expected and f.at > f.start:
        if here.type in (ARROW_PARAMETERS, ARROW_NAME, "async"):
            return f.say("arrow-operand")
        if previous.type == "=>" and here.type in _STATEMENTS:
            hint = f"put the statement in braces: => {{ {here.text} … }}"
            return f.say("syntax", expected="a value", found=describe(here), hint=hint)
    if here.type == "{" and f.token(-2).type == "function" and "(" in f.expected:
        hint = f"parameters stand in parentheses, even if there are none: {previous.text}() {{ … }}"
        return f.say("syntax", expected="'('", found="'{'", hint=hint)
    if here.type == "(" and previous.type == "}" and f.tokens[previous.partner - 1].type == "=>":
        hint = "to call a function at once, put it in parentheses: (() => { … })()"
        return f.say("syntax", expected="the end of the statement", found="'('", hint=hint)
    if previous.type == "function" and here.type == "(" and "name" in f.expected:
        hint = "a function that stands alone has a name: function name(…) { … }"
        return f.say("syntax", expected="a name", found="'('", hint=hint)
    if previous.text == "async" and here.type == "name":
        is_function = f.token(1).type == "(" and f.tokens[f.token(1).partner + 1].type == "{"
        hint = "put the parameters in parentheses: async (x, y) => …"
        if is_function:
            hint = f"write 'async function {here.text}(…) {{ … }}'"
        return f.say("syntax", expected="a function", found=describe(here), hint=hint)
    if previous.text == "async" and here.type == "{":
        hint = "write 'async () => { … }'"
        return f.say("syntax", expected="a function", found="'{'", hint=hint)
    if here.type == ":" and f.start > 3:
        arrow, brace, label, colon = f.tokens[f.start - 4 : f.start]
        if (arrow.type, brace.type, label.type, colon.type) == ("=>", "{", "name", ":"):
            return f.say("object-meant", label, label=label.text)
    return None


def _blocks(f: Failure) -> Diagnostic | None:
    here, previous = f.here, f.previous
    if f.first.type == "throw" and previous is f.first and here.newline and here.type != "eof":
        return f.say("newline-after-throw", f.first)
    if "brace" in f.expected and "(" not in f.expected and "operand" not in f.expected:
        after = "this" if f.at == f.start else describe(previous)
        advice = "write { … } around the statements"
        if here.type == "=>":
            advice = "a method is written with a block: name() { return … }"
            if f.first.type in ("function", "async"):
                advice = "write a block { return … }, or const f = (…) => … without 'function'"
        return f.say("missing-braces", after=after, found=describe(here), advice=advice)
    if here.type == "=>" and f.at > f.start:
        hint = "an arrow function that is an operand must stand in parentheses: (() => …)"
        if previous.partner >= 0 and f.tokens[previous.partner].newline:
            hint = "the parameters go on with the line above: end that with ';', or join the lines"
        expected = "an operator or the end of the statement"
        return f.say("syntax", expected=expected, found="'=>'", hint=hint)
    return None


def _catches(f: Failure) -> Diagnostic | None:
    """`catch error {` and `catch (TimeoutError error) {`."""
    here, previous = f.here, f.previous
    if f.first.type != "catch" or here.type != "name":
        return None
    if f.is_second:
        hint = f"write 'catch ({here.text}) {{ … }}'"
        return f.say("syntax", expected="'(' or '{'", found=describe(here), hint=hint)
    if previous.type == "name":
        hint = (
            "a 'catch' takes every error: write "
            f"'catch ({here.text})', and test {here.text}.name === '{previous.text}' within"
        )
        return f.say("syntax", expected="')'", found=describe(here), hint=hint)
    return None


def _cases(f: Failure) -> Diagnostic | None:
    """`case "a"` without a ':', and `"a":` without a 'case'."""
    here, previous = f.here, f.previous
    if {"case", "default"} <= f.expected and f.token(1).type == ":":
        hint = f"write 'case {here.text}:'"
        return f.say("syntax", expected="'case' or 'default'", found=describe(here), hint=hint)
    if ":" in f.expected and here.newline:
        for index in range(f.at - 1, f.start, -1):
            token = f.tokens[index]
            if token.type == "case":
                text = f.source.text[token.start : previous.end]
                hint = f"write '{text}:'"
                return f.say("syntax", expected="':'", found=describe(here), hint=hint)
            if token.newline or token.type == "?":
                break
    return None


def _names(f: Failure) -> Diagnostic | None:
    """What stands where a name is declared."""
    here, previous = f.here, f.previous
    wants_name = f.expected & {"name", "binding_target", "target"}
    if previous.type == "," and here.newline and here.type in _STATEMENTS and wants_name:
        hint = "a ',' at the end of a line promises another name"
        return f.say("syntax", previous, expected="a name", found=describe(here), hint=hint)
    if wants_name and here.type in KEYWORDS and "operand" not in f.expected:
        return f.say("reserved-name", name=here.text)
    if here.type in ("let", "yield") and "operand" in f.expected:
        return f.say("reserved-name", name=here.text)
    if f.first.type == "let" and f.is_second and here.type not in KEYWORDS:
        return f.say("reserved-name", f.first, name="let")
    if f.first.type not in _DECLARING or f.at != f.start + 2 or previous.type != "name":
        return None
    if here.type in ("==", "==="):
        hint = f"to give '{previous.text}' a value, write '='"
        return f.say("syntax", expected="'='", found=describe(here), hint=hint)
    follows = f.token(1)
    if here.type == "-" and f.touches and follows.type == "name" and follows.start == here.end:
        joined = previous.text + follows.text[:1].upper() + follows.text[1:]
        hint = f"a name has no '-': write '{joined}'"
        return f.say("syntax", expected="'='", found="'-'", hint=hint)
    if here.type == "name" and not here.newline:
        joined = previous.text + here.text[:1].upper() + here.text[1:]
        hint = f"a name is one word: '{joined}'; several names have ',' between them"
        return f.say("syntax", expected="'=' or ','", found=describe(here), hint=hint)
    return None


def _regular_expression(f: Failure) -> Diagnostic | None:
    if "operand" in f.expected and f.here.type in ("/", "/="):
        return f.say("no-regular-expression")
    return None


_EXPLANATIONS: Final = (
    foreign_syntax.yaml,
    foreign_syntax.other_operators,
    foreign_syntax.python,
    foreign_syntax.other_words,
    foreign_syntax.typescript,
    _catches,
    _misplaced,
    _quotes,
    _functions,
    foreign_syntax.slip,
    _regular_expression,
    _cases,
    _names,
    _blocks,
)


# ------------------------------------------------------------------------------- from the grammar


def _what_was_expected(f: Failure) -> Diagnostic:
    found = describe(f.here)
    wanted = _wanted(f)
    if not wanted:
        return f.say("unexpected", found=found)
    return f.say("syntax", expected=wanted, found=found, hint=_hint(f, wanted))


def _wanted(f: Failure) -> str:
    """The sentence part that lists what could have stood there."""
    expected = f.expected
    if "operand" in expected:
        return "a value"
    if f.first.type in ("case", "default") and ":" in expected:
        return "':'"
    words: list[str] = []
    if "property_name" in expected or "word" in expected:
        words.append("a property name")
    for rule in ("target", "binding_target", "name", "each_word", "end"):
        if rule in expected and _WORDS[rule] not in words:
            words.append(_WORDS[rule])
    literals = sorted(word for word in expected if not word.isidentifier() or word in KEYWORDS)
    strong = [word for word in literals if word not in _WEAK and word not in ("(", "[", ".", "?.")]
    if not words and not strong:
        strong = [word for word in literals if word in ("(", "=", "=>", "*")]
    if "a property name" in words:
        strong = [word for word in strong if word != "["]
    if "end" in expected:
        strong = [word for word in strong if word not in (",", ":")]
    shown = {"(=>": "(", "{=": "{", "[=": "[", "tail": "}", "middle": "}", "for-of": "of"}
    words += [f"'{shown.get(word, word)}'" for word in strong if word not in ("template", "head")]
    unique = sorted(set(words), key=words.index)
    if len(unique) > 1:
        return ", ".join(unique[:-1]) + " or " + unique[-1]
    return unique[0] if unique else ""


def _hint(f: Failure, wanted: str) -> str | None:
    here, previous = f.here, f.previous
    hint = _hint_in_brackets(f, wanted)
    if hint is not None:
        return hint
    if ":" in f.expected and _has_open_question(f):
        return "a '?' needs both values: condition ? value : other"
    if wanted == "a value":
        return _hint_for_value(f)
    if here.type == "eof":
        return None
    if "';'" in wanted and here.type in KEYWORDS:
        return "statements stand on lines of their own, or have a ';' between them"
    if here.type == "number" and here.text.startswith(".") and previous.type in OPERAND_ENDS:
        return f"an element is reached with brackets: x[{here.text[1:]}]"
    if previous.type not in OPERAND_ENDS or here.type not in _BEGINS_VALUE or here.text == "of":
        return None
    if "';'" in wanted:
        if previous.type == "string" and here.type == "string":
            return "texts are joined with '+'"
        if f.at > f.start + 1 and f.token(-2).type == "new":
            return f"arguments stand in parentheses: new {previous.text}(…)"
        if previous.type == "name" and here.type in ("string", "number"):
            return f"to call it, write parentheses: {_name_before(f)}({here.text})"
        return "an operator or a comma may be missing between the two"
    return "a comma may be missing before this" if "','" in wanted else None


def _hint_in_brackets(f: Failure, wanted: str) -> str | None:
    opener = f.enclosing()
    if opener < 0:
        return None
    before = f.tokens[opener - 1].type if opener > 0 else ""
    type = f.tokens[opener].type
    if type == "(" and before == "for" and "';'" in wanted:
        return "a loop's head has three parts: for (let i = 0; i < n; i++)"
    if type == "(" and f.here.type == ":" and f.previous.type == "name":
        return f"a named value stands in an object: {{ {f.previous.text}: … }}"
    if type in ("{", "{=") and f.here.type == ";" and "','" in wanted:
        return "properties are separated by ','"
    return None


def _hint_for_value(f: Failure) -> str | None:
    if f.here.type == ":" and f.previous.type == "case":
        return "to catch all other values, write 'default:'"
    if f.here.type == ">" and f.at == f.start:
        return "leave the prompt of the command line out"
    if f.at > f.start and f.previous.type in _WANTS_RIGHT and (f.here.newline or _ends(f.here)):
        return f"'{f.previous.text}' needs a value on its right"
    if f.here.type in ("===", ">>>", "<<", "<<<") and f.previous.start + 3 >= f.here.start:
        return "a mark of a merge that was not resolved?" if f.at <= f.start + 1 else None
    return None


def _name_before(f: Failure) -> str:
    """The name that ends before the token, with what it is a member of: `Task.run`."""
    index = f.at - 1
    while index > f.start + 1 and f.tokens[index - 1].type == ".":
        index -= 2
    return f.source.text[f.tokens[index].start : f.previous.end]


def _ends(token: Token) -> bool:
    return token.type in (";", ")", "]", "}", "eof")


def _has_open_question(f: Failure) -> bool:
    return any(token.type == "?" for token in f.tokens[f.start : f.at])
