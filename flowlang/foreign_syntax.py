"""Habits of other languages, where a statement stops matching the grammar.

People write Python, TypeScript, YAML or whatever they wrote last, and mistype words. Each function
looks for one language's habits and says what to write instead, or gives None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowlang.diagnostics import Diagnostic, nearest
from flowlang.failures import OPERAND_ENDS, Failure
from flowlang.frontmatter import KEYS
from flowlang.tokens import ARROW_NAME, ARROW_PARAMETERS, KEYWORDS, Token

# ------------------------------------------------------------------------------------------ Python

_PYTHON_STATEMENTS: Final = {
    "del": "use 'delete object.name' for a property",
    "global": "names outside of a function can be assigned as they are",
    "nonlocal": "names outside of a function can be assigned as they are",
    "assert": "write 'if (!…) throw new Error(…)'",
    "print": "write 'console.log(…)'",
    "match": "write 'switch (…) { case …: … }'",
    "exec": "write the code itself",
}
_PYTHON_OPERATORS: Final = {"and": "&&", "or": "||", "not": "!", "is": "==="}
_STRING_PREFIXES: Final = frozenset(
    ["f", "F", "r", "R", "b", "B", "u", "U", "rf", "fr", "Rf", "fR", "rb", "br"]
)
_OPENS_BLOCK: Final = frozenset(["if", "else", "for", "while", "with", "try", "name", "case"])


def python(f: Failure) -> Diagnostic | None:
    first, here, previous = f.first, f.here, f.previous
    for word, name in ((previous, here), (here, f.token(1))):
        if word.text == "def" and word.type == "name" and name.type == "name":
            return f.say("python-def", word, name=name.text)
    if first.text in ("elif", "elsif", "elseif"):
        return f.say("python-elif", first, name=first.text)
    if first.text == "except":
        return f.say("python-except", first)
    if first.type == "for" and f.is_second and here.type == "name":
        return f.say("python-for", name=_loop_variables(f))
    if first.text == "raise" and f.is_second:
        return f.say("python-raise", first)
    if first.text == "from" and f.is_second:
        return f.say("python-import", first)
    if first.type == "with" and f.is_second:
        return f.say("no-with", first)
    if previous.text == "lambda" and previous.type in ("name", ARROW_NAME):
        return f.say("python-lambda", previous)
    if first.text in _PYTHON_STATEMENTS and f.is_second:
        return f.say(
            "python-statement", first, name=first.text, advice=_PYTHON_STATEMENTS[first.text]
        )
    return _python_operator(f) or _python_expression(f) or _python_block(f) or _python_string(f)


def _loop_variables(f: Failure) -> str:
    """What `for x in …` and `for a, b in …` declare, as JavaScript declares it."""
    if f.token(1).type == "(":
        return "x"  # for each (x of …)
    names = [f.here.text]
    offset = 1
    while f.token(offset).type == "," and f.token(offset + 1).type == "name":
        names.append(f.token(offset + 1).text)
        offset += 2
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _python_operator(f: Failure) -> Diagnostic | None:
    for token, after in ((f.here, f.token(1)), (f.previous, f.here)):
        if token.type != "name" or token.text not in _PYTHON_OPERATORS or f.at == f.start:
            continue
        if token.text == "is" and after.text == "not":
            return f.say_between("python-operator", token, after, name="is not", instead="!==")
        if token.text == "not" and after.type == "in":
            instead = "!(x in y)', or '!y.includes(x)"
            return f.say_between("python-operator", token, after, name="not in", instead=instead)
        instead = _PYTHON_OPERATORS[token.text]
        return f.say("python-operator", token, name=token.text, instead=instead)
    return None


def _python_expression(f: Failure) -> Diagnostic | None:
    here, previous = f.here, f.previous
    opener = f.enclosing()
    ends = previous.type in OPERAND_ENDS
    if here.type == "if" and ends and f.follows_on_line("else"):
        return f.say("python-ternary")
    if here.type == "for" and ends and opener >= 0:
        return f.say("python-comprehension")
    is_index = opener > f.start and f.tokens[opener].type == "["
    if here.type == ":" and is_index and f.tokens[opener - 1].type in OPERAND_ENDS:
        return f.say("python-slice")
    if here.type in ("*", "**") and previous.type in ("(", "(=>", ",", "{", "["):
        return f.say("python-unpacking", sign=here.type)
    return None


def _python_block(f: Failure) -> Diagnostic | None:
    """A block that begins with a colon."""
    here, previous = f.here, f.previous
    if here.type in ("else", "finally", "try") and f.token(1).type == ":" and f.at == f.start:
        return f.say("python-colon", f.token(1))
    if here.type != ":" or f.at == f.start:
        return None
    begins = previous.type in ("else", "try", "finally", "do")
    if begins or (f.first.type in _OPENS_BLOCK and f.token(1).newline):
        return f.say("python-colon")
    return None


def _python_string(f: Failure) -> Diagnostic | None:
    prefix, text = f.previous, f.here
    is_closed = len(text.text) > 1 and text.text[-1:] == text.text[:1]
    if prefix.text in _STRING_PREFIXES and text.type == "string" and f.touches and is_closed:
        return f.say("python-string", prefix, what=f"a string with the prefix '{prefix.text}'")
    return None


# -------------------------------------------------------------------------------------- TypeScript

_TYPE_STATEMENTS: Final = frozenset(["interface", "type", "declare", "abstract", "namespace"])
_MODIFIERS: Final = frozenset(["public", "private", "protected", "readonly", "static", "override"])


def typescript(f: Failure) -> Diagnostic | None:
    first, here, previous = f.first, f.here, f.previous
    is_word = here.type == "name" or here.type in KEYWORDS
    if first.text in _TYPE_STATEMENTS and f.is_second and is_word:
        return f.say("no-type-annotation", first)
    if first.text in _MODIFIERS and f.is_second and is_word:
        advice = "leave it out, or declare with 'const' or 'let'"
        return f.say("foreign-word", first, name=first.text, advice=advice)
    if here.text in ("as", "satisfies") and here.type == "name" and f.at > f.start:
        return f.say("no-type-annotation")
    if here.type == ":" and previous.type in ("name", ")", "]", "}", "?"):
        follows = f.token(1).type
        is_declared = first.type in ("let", "const", "var", "function", "async", "for", "try")
        in_brackets = f.enclosing() >= 0
        if (is_declared or in_brackets) and follows in ("name", "{", "[", "null", "void", "typeof"):
            is_call = in_brackets and not is_declared and f.tokens[f.enclosing()].type == "("
            return None if is_call else f.say("no-type-annotation")
    if here.type == "?" and f.token(1).type in (":", ")", ","):
        return f.say("no-type-annotation")
    if here.type == "!" and previous.type in OPERAND_ENDS and not here.newline:
        return f.say("no-type-annotation")
    return _type_arguments(f)


def _type_arguments(f: Failure) -> Diagnostic | None:
    """`new Map<string, number>()`, `<T>(x) => x`, `function f<T>(x)`."""
    if f.here.type == "<" and ("operand" in f.expected or "(" in f.expected):
        # <string>x and <T>(x) => x are types; <b>text</b> has the first form too, and is rarer.
        name, closer, value = f.token(1).type, f.token(2).type, f.token(3)
        begins_value = value.type in ("(", ARROW_PARAMETERS, "name")
        is_type = name == "name" and (closer != ">" or begins_value)
        is_closed = f.follows_on_line("/") or not f.follows_on_line(">")
        return f.say("no-type-annotation" if is_type and not is_closed else "no-tags")
    if f.here.type in (">", ">>"):
        for index in range(f.at - 1, f.start, -1):
            token = f.tokens[index]
            if token.type == "<" and f.tokens[index - 1].type == "name":
                return f.say_between("no-type-annotation", token, f.here)
            if token.type not in ("name", ",", "|", "[", "]", "null", "void"):
                break
    return None


# ---------------------------------------------------------------------------- YAML, and the others


def yaml(f: Failure) -> Diagnostic | None:
    first, here, previous = f.first, f.here, f.previous
    after = f.tokens[min(f.start + 1, len(f.tokens) - 1)]
    if f.start > 1 and f.tokens[f.start - 1].type == ":":
        key = f.tokens[f.start - 2]
        if key.text in KEYS and (key.newline or f.start == 2):
            return f.say("front-matter-fence", key, key=key.text)
    if first.type == "-" and after.type == "name" and f.tokens[f.start + 2].type == ":":
        return f.say("no-yaml", first)
    if here.type == ":" and f.is_second and first.type in KEYWORDS - {"default", "else", "try"}:
        return f.say("no-yaml", first)
    if here.type == "{" and (previous.text == "$" or previous.type == "{"):
        sign = previous.text + "{"
        return f.say_between(
            "foreign-operator", previous, here, sign=sign, advice="write the value: Inputs.x"
        )
    return None


_FUNCTION: Final = "write 'function name(…) { … }'"
_DECLARE: Final = "declare it with 'const' or 'let'"
_BRACES: Final = "a block stands between braces: { … }"
_LOG: Final = "write 'console.log(…)'"


def _all(words: str, advice: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), advice)


_WORDS: Final[Mapping[str, str]] = {
    **_all("func fn fun sub proc procedure", _FUNCTION),
    **_all("val final local my dim auto int float double bool boolean", _DECLARE),
    **_all("string String char long number", _DECLARE),
    **_all("puts echo println printf", _LOG),
    "unless": "write 'if (!(…)) { … }'",
    "until": "write 'while (!(…)) { … }'",
    "foreach": "write 'for (const x of …) { … }'",
    "loop": "write 'while (true) { … }'",
    "repeat": "write 'do { … } while (…)'",
}
"""Words that begin a statement elsewhere."""

_WORDS_WITHIN: Final[Mapping[str, str]] = {
    **_all("then begin end endif fi done esac", _BRACES),
    "mut": "what 'let' declares can be changed",
}


def other_words(f: Failure) -> Diagnostic | None:
    if f.at == f.start:
        return None
    is_call = f.first.text.lower() in ("foreach", "unless", "until")
    begins = _WORDS if f.is_second or f.here.type == "{" or is_call else {}
    for token, words in ((f.first, begins), (f.previous, _WORDS_WITHIN), (f.here, _WORDS_WITHIN)):
        word = token.text if token.text in words else token.text.lower()
        if token.type == "name" and word in words:
            return f.say("foreign-word", token, name=token.text, advice=words[word])
    return None


_OPERATORS: Final[Mapping[str, str]] = {
    ":=": "write '='; a new variable is declared on a line of its own: let x = …",
    "->": "write '=>' for a function, and '.' for a property",
    "=<": "write '<='",
    "<>": "write '!=='",
    "::": "write '.' for a property",
    "?:": "write '??', or 'condition ? value : other'",
    "=!": "write '!=='",
}


def other_operators(f: Failure) -> Diagnostic | None:
    """Two signs side by side that are one operator elsewhere."""
    for first, second in ((f.token(-1), f.here), (f.here, f.token(1))):
        sign = first.type + second.type
        if first.end == second.start and _OPERATORS.get(sign):
            return f.say_between(
                "foreign-operator", first, second, sign=sign, advice=_OPERATORS[sign]
            )
    if f.here.type == "=>" and f.previous.type in OPERAND_ENDS:
        opener = f.enclosing()
        if opener > 0 and f.tokens[opener - 1].type in ("if", "while"):
            return f.say("foreign-operator", sign="=>", advice="to compare, write '>='")
    if _is_entity(f.previous, f.token(-2)) and f.here.type == ";":
        sign = _ENTITIES[f.previous.text]
        return f.say_between(
            "foreign-operator",
            f.token(-2),
            f.here,
            sign=f"&{f.previous.text};",
            advice=f"write '{sign}'",
        )
    return None


_ENTITIES: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "nbsp": " "}


def _is_entity(name: Token, ampersand: Token) -> bool:
    return name.text in _ENTITIES and ampersand.type == "&" and ampersand.end == name.start


# -------------------------------------------------------------------------------------------- slips

_SLIPS: Final = (KEYWORDS | {"async", "of"}) - {"enum", "super", "with", "yield", "null", "this"}


def slip(f: Failure) -> Diagnostic | None:
    """A word that is nearly one of JavaScript's: `retrun 5`, `fucntion f() {}`."""
    if f.at == f.start:
        return None
    for token in (f.previous, f.first):
        if token.type != "name":
            continue
        meant = nearest(token.text, _SLIPS)
        is_before_brace = f.here.type == "{"
        if meant is not None and (token is f.previous or is_before_brace or f.is_second):
            return f.say("misspelt-word", token, name=token.text, meant=meant)
    return None
