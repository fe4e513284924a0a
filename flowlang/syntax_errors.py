"""Why a statement does not match the grammar, in words.

Most mistakes in a .flow file are habits of another language, or one sign too few: these are looked
for first. What remains is told by the grammar: what stands there, and what could have stood there.
"""

from __future__ import annotations

from collections.abc import Callable

from flowlang.diagnostics import Diagnostic, report
from flowlang.source import Source
from flowlang.tokens import ARROW_NAME, ARROW_PARAMETERS, KEYWORDS, Token

_WORDS = {
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
_WEAK = frozenset(["?", "=", "...", "=>", "*", "await", "async"])
_PYTHON_STATEMENTS = {
    "del": "use 'delete object.name' for a property",
    "global": "names outside of a function can be assigned as they are",
    "nonlocal": "names outside of a function can be assigned as they are",
    "assert": "write 'if (!…) throw new Error(…)'",
    "print": "write 'console.log(…)'",
    "match": "write 'switch (…) { case …: … }'",
}
_PYTHON_OPERATORS = {"and": "&&", "or": "||", "not": "!", "is": "==="}
_TYPE_STATEMENTS = frozenset(["interface", "type", "declare", "abstract", "namespace"])
_STRING_PREFIXES = frozenset(
    ["f", "F", "r", "R", "b", "B", "u", "U", "rf", "fr", "Rf", "fR", "rb", "br"]
)


def explain(
    source: Source, tokens: list[Token], start: int, at: int, expected: set[str]
) -> Diagnostic:
    """Why the statement at token `start` ends at token `at`."""
    first, here = tokens[start], tokens[at]
    previous = tokens[at - 1] if at > start else first

    def say(code: str, token: Token = here, **fields: object) -> Diagnostic:
        return report(source, code, token.start, token.end, **fields)  # type: ignore[arg-type]  # fields and notes both pass through

    found = _describe(here)
    if first.type == "name" or previous.type == "name" or here.type == "name":
        python = _explain_python(tokens, start, at, say)
        if python is not None:
            return python
    if here.type == ":" and at > start:
        if previous.type in ("else", "try", "finally", "do") or first.type in (
            "if",
            "else",
            "for",
            "while",
            "class",
            "with",
            "try",
            "name",
        ):
            follows = tokens[at + 1]
            if follows.newline or previous.type in ("else", "try", "finally"):
                return say("python-colon")
        if previous.type in ("name", ")") and tokens[at + 1].type in ("name", "{", "[", "null"):
            return say("no-type-annotation")
    if here.type == "number" and first.type == "print":
        return say("python-statement", first, name="print", advice=_PYTHON_STATEMENTS["print"])
    if here.type in ("case", "default", "else", "catch", "finally") and at == start:
        if here.type == "else":
            return say("unexpected", found=found, hint="an 'else' must follow the 'if' directly")
        if here.type in ("catch", "finally"):
            return say("unexpected", found=found, hint="it must follow 'try { … }' directly")
        return say("unexpected", found=found, hint="it only stands within 'switch (…) { … }'")
    if here.type == "enum":
        return say("no-enum")
    if first.type == "throw" and previous is first and here.newline and here.type != "eof":
        return say("newline-after-throw", first)
    if "operand" in expected and (
        here.type in (ARROW_PARAMETERS, ARROW_NAME, "async") and at > start
    ):
        return say("arrow-operand")
    if "operand" in expected and here.type in ("/", "/="):
        return say("no-regular-expression")
    wants_name = expected & {"name", "binding_target", "target"}
    if wants_name and here.type in KEYWORDS and "operand" not in expected:
        return say("reserved-name", name=here.text)
    if "brace" in expected and "(" not in expected and "operand" not in expected:
        after = "this" if at == start else _describe(previous)
        advice = "write { … } around the statements"
        if here.type == "=>":
            advice = "a method is written with a block: name() { return … }"
        return say("missing-braces", after=after, found=found, advice=advice)
    if here.type == "=>" and at > start:
        return say(
            "syntax",
            expected="an operator or the end of the statement",
            found=found,
            hint="an arrow function that is an operand must stand in parentheses: (() => …)",
        )
    wanted = _wanted(expected)
    if not wanted:
        return say("unexpected", found=found)
    return say("syntax", expected=wanted, found=found, hint=_syntax_hint(tokens, start, at, wanted))


def _explain_python(
    tokens: list[Token], start: int, at: int, say: Callable[..., Diagnostic]
) -> Diagnostic | None:
    first, here = tokens[start], tokens[at]
    previous = tokens[at - 1] if at > start else first
    if previous.text == "def" and here.type == "name":
        return say("python-def", previous, name=here.text)
    if first.text in ("elif", "elsif", "elseif"):
        return say("python-elif", first)
    if first.text == "except":
        return say("python-except", first)
    if first.text in _TYPE_STATEMENTS and at == start + 1 and here.type == "name":
        return say("no-type-annotation", first)
    if here.text in ("as", "satisfies") and here.type == "name" and at > start:
        return say("no-type-annotation")
    if first.type == "for" and at == start + 1 and here.type == "name":
        return say("python-for", name=here.text)
    if first.text == "raise" and at == start + 1:
        return say("python-raise", first)
    if first.text == "from" and at == start + 1:
        return say("python-import", first)
    if previous.text == "lambda" and previous.type in ("name", ARROW_NAME):
        return say("python-lambda", previous)
    if first.text in _PYTHON_STATEMENTS and at == start + 1:
        advice = _PYTHON_STATEMENTS[first.text]
        return say("python-statement", first, name=first.text, advice=advice)
    for token in (here, previous):
        if token.type == "name" and token.text in _PYTHON_OPERATORS and at > start:
            instead = _PYTHON_OPERATORS[token.text]
            return say("python-operator", token, name=token.text, instead=instead)
    if previous.text in _STRING_PREFIXES and here.type == "string" and previous.end == here.start:
        return say("python-string", previous, what=f"a string with the prefix '{previous.text}'")
    return None


def _wanted(expected: set[str]) -> str:
    """The sentence part that lists what could have stood there."""
    if "operand" in expected:
        return "a value"
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


def _syntax_hint(tokens: list[Token], start: int, at: int, wanted: str) -> str | None:
    here = tokens[at]
    if here.type == "eof":
        return None
    if wanted == "a value" and here.type in ("=", ")", "]", "}", ",", ";"):
        return None
    if "';'" in wanted and here.type in KEYWORDS:
        return "statements stand on lines of their own, or have a ';' between them"
    ends = tokens[at - 1].type in ("name", "number", "string", ")", "]")
    begins = here.type in ("name", "number", "string", "template", "head")
    if ends and begins and "';'" in wanted:
        return "an operator or a comma may be missing between the two"
    if ends and begins and "','" in wanted:
        return "a comma may be missing before this"
    return None


def _describe(token: Token) -> str:
    type = token.type
    if type == "eof":
        return "the end of the file"
    if type == "string":
        text = token.text if len(token.text) <= 30 else token.text[:29] + "…"
        return f"the string {text}"
    if type == "number":
        return f"the number {token.text[:30]}"
    if type in ("template", "head"):
        return "a template"
    if type in ("middle", "tail"):
        return "'}'"
    return f"'{token.text[:30]}'"
