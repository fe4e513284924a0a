"""Tokens to the syntax tree, or to everything that is wrong with them.

The grammar is `flow.peg`; the rules it leaves to Python are the functions `_rule_…` here, each of
which looks at the next tokens and picks one way. Splitting and matching run twice only for a wrong
file: first without records; then guessing at forgotten brackets, and noting how far each statement
came and what could have followed there. A statement that fails is reported and skipped by bracket
partners, and matching goes on behind it.

What matched, `TreeBuilder` turns into nodes; what did not, `explain` puts into words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from parsimonious.grammar import TokenGrammar

from flowlang import nodes
from flowlang.checker import check_tree
from flowlang.diagnostics import MOST_SHOWN, Diagnostic, in_order, report
from flowlang.errors import EvaluationRefused
from flowlang.frontmatter import FrontMatter, read_front_matter
from flowlang.limits import RoomToRecurse
from flowlang.source import Source
from flowlang.syntax_errors import explain
from flowlang.tokens import (
    ARROW_NAME,
    ARROW_PARAMETERS,
    DEEPEST,
    KEYWORDS,
    Token,
    tokenize,
)
from flowlang.tree_builder import PRECEDENCE, TooDeep, TreeBuilder
from flowlang.type_annotations import type_end

LONGEST_SOURCE: Final = 256 * 1024
"""A limit of the language, in UTF-16 units of the whole file."""


class ParsedProgram(msgspec.Struct, frozen=True):
    """What came out of a file.

    Attributes:
        tree: None when there is an error among the diagnostics.
        front_matter: the default one when the file has none, or a wrong one.
        diagnostics: mistakes, and warnings of undeclared names, in the order of their places. What
            else there is to warn of, `rules.diagnose` finds.
        begin: where the program begins, behind the front matter.
        tokens: what its text was split into; empty when it could not be split.
    """

    source: Source
    front_matter: FrontMatter
    tree: nodes.Program | None
    diagnostics: tuple[Diagnostic, ...]
    begin: int = 0
    tokens: tuple[Token, ...] = ()


def parse(source_text: str, path: str) -> ParsedProgram:
    """Read a .flow file; never raises for anything that `source_text` may hold.

    Args:
        source_text: the file's text, front matter included.
        path: how messages call the file.
    """
    source = Source(source_text, path)
    found: list[Diagnostic] = []
    length = len(source.text)
    if length > LONGEST_SOURCE:
        at = LONGEST_SOURCE
        source = Source(source_text[: 2 * at], path)  # the rest is not even looked at
        found.append(report(source, "source-too-long", at, at, length=length, limit=LONGEST_SOURCE))
        return ParsedProgram(source, FrontMatter(), None, in_order(found))
    front_matter, begin = read_front_matter(source, found, _formula_mistake)
    tokens: list[Token] = []
    tree: nodes.Program | None = None
    if begin is not None:
        in_front = len(found)
        split = _with_room_to_recurse(lambda: _attempt(source, begin, found), found)
        if split is not None:
            tokens, tree = split
        elif len(found) == in_front:
            end = len(source.text)
            found.append(report(source, "too-deep", end, end, limit=DEEPEST))
    if any(diagnostic.severity == "error" for diagnostic in found):
        tree = None
    return ParsedProgram(source, front_matter, tree, in_order(found), begin or 0, tuple(tokens))


def _formula_mistake(expression: str) -> str | None:
    from flowlang.formula import check_formula  # it stands on this module

    try:
        check_formula(expression)
    except EvaluationRefused as refused:
        return refused.reason
    return None


_Result = TypeVar("_Result")


def _with_room_to_recurse(work: Callable[[], _Result], found: list[Diagnostic]) -> _Result | None:
    """`work()`; should Python's recursion limit stop it, once more with room for the deepest
    nesting that Flow allows. None when even that is not enough."""
    before = len(found)
    try:
        return work()
    except RecursionError:
        del found[before:]
    try:
        with RoomToRecurse():
            return work()
    except RecursionError:
        del found[before:]
        return None


def _attempt(
    source: Source, begin: int, found: list[Diagnostic]
) -> tuple[list[Token], nodes.Program | None]:
    """Split, match, build and check: the tokens, and the tree if one could be built."""
    in_front = in_text = len(found)
    tokens = tokenize(source, begin, found, guess=False)
    match = None if tokens is None or len(found) > in_front else _match(tokens)
    if tokens is None or match is None:
        del found[in_front:]
        tokens = tokenize(source, begin, found, guess=True)
        if tokens is None:
            return [], None
        in_text = len(found)
        match = _match(tokens) if in_text > in_front else None
    is_complete = match is not None
    if match is None:
        recorder = _Recorder(source, tokens, found)
        try:
            match = _GRAMMAR["program"].match_core(tokens, 0, defaultdict(dict), recorder)
        except _Enough:
            return tokens, None
        except TooDeep as deep:
            token = tokens[deep.at]
            found.append(report(source, "too-deep", token.start, token.end, limit=DEEPEST))
            return tokens, None
    if match is None:
        raise AssertionError("a program matches any tokens")
    builder = TreeBuilder(source, tokens, found)
    try:
        tree = builder.program(match)
    except TooDeep as deep:
        token = tokens[deep.at]
        found.append(report(source, "too-deep", token.start, token.end, limit=DEEPEST))
        return tokens, None
    # With brackets guessed, names would be looked for in the wrong scopes.
    guessed = ("unclosed-bracket", "unopened-bracket")
    if not any(diagnostic.code in guessed for diagnostic in found[:in_text]):
        check_tree(source, tree, found, is_complete=is_complete)
    return tokens, tree


def _match(tokens: list[Token]) -> Any | None:
    """What the tokens match as, or None if they are no program."""
    try:
        return _GRAMMAR["program"].match_core(tokens, 0, defaultdict(dict), _Progress())
    except _Failed:
        return None


# ------------------------------------------------------------------------------- how far we came


class _Failed(Exception):
    """A statement did not match, and nobody takes notes."""


class _Enough(Exception):
    """So much is wrong that the rest need not be looked at."""


class _Progress:
    """Stands in for parsimonious' error object and takes no notes: everything fails before it."""

    takes_notes = False

    def __init__(self) -> None:
        self.pos = 1 << 60
        self.expr: Any = None
        # How deep the nesting is, and the token that the innermost statement begins at.
        self.depth = 0
        self.statement = -1
        # The token, such as "[", that had to go on with an operand and did not match.
        self.stuck = -1

    def enter(self, at: int) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self.too_deep(at)

    def too_deep(self, at: int) -> NoReturn:
        raise _Failed

    def failed(self, tokens: list[Token], start: int) -> int:
        raise _Failed

    def note(self, code: str, start: int, end: int, **fields: object) -> None:
        raise _Failed


class _Recorder(_Progress):
    """Notes the furthest token that anything failed at, and all that could have stood there.

    parsimonious sets `expr` and then `pos` whenever an expression fails at or behind `pos`.
    """

    takes_notes = True

    def __init__(self, source: Source, tokens: list[Token], found: list[Diagnostic]) -> None:
        self.furthest = -1
        self.expected: set[str] = set()
        self._failing: str | None = None
        self.depth = 0
        self.statement = -1
        self.stuck = -1
        self.source = source
        self.tokens = tokens
        self.found = found

    @property
    def pos(self) -> int:
        return self.furthest

    @pos.setter
    def pos(self, at: int) -> None:
        if at > self.furthest:
            self.furthest = at
            self.expected = set()
        if self._failing is not None:
            self.expected.add(self._failing)

    @property
    def expr(self) -> None:
        """Always None, so that parsimonious reports expressions without names too."""
        return None

    @expr.setter
    def expr(self, expression: Any) -> None:
        if expression is None:
            self._failing = None
        else:
            self._failing = expression.name or getattr(expression, "literal", None)

    def too_deep(self, at: int) -> NoReturn:
        raise TooDeep(at)

    def note(self, code: str, start: int, end: int, **fields: object) -> None:
        """Report something about the tokens `start` to `end` (exclusive)."""
        first, last = self.tokens[start], self.tokens[end - 1]
        self.found.append(
            report(self.source, code, first.start, last.end, **fields)  # type: ignore[arg-type]  # fields and notes both pass through
        )

    def failed(self, tokens: list[Token], start: int) -> int:
        """Report the statement that begins at token `start`; say where the next one begins."""
        at = max(self.furthest, start)
        expected = self.expected if self.furthest == at else set()
        self.furthest = -1
        self.expected = set()
        after = _next_statement(tokens, start, at)
        begin, end = tokens[start].start, tokens[after].start
        # What is wrong here may follow from what has been reported already.
        if not any(begin <= diagnostic.start < end for diagnostic in self.found) and not any(
            tokens[index].is_missing or tokens[index].is_broken
            for index in range(start, min(after + 1, len(tokens)))
        ):
            self.found.append(explain(self.source, tokens, start, at, expected))
            if len(self.found) >= MOST_SHOWN:
                raise _Enough
        return after


_CONTINUING = frozenset(["else", "catch", "finally", ")", "]", "=>", "name=>"])
_MAY_BEGIN = frozenset(["name", "async", "string", "template", "head", "{", "{=", "(", "(=>", "[="])


def _next_statement(tokens: list[Token], start: int, at: int) -> int:
    """Where to go on after the statement that began at `start` and went wrong at `at`."""
    index = start
    while True:
        token = tokens[index]
        if token.type in ("}", "eof"):
            return max(index, start)
        if index > start and index >= at and _begins_statement(tokens, index):
            return index
        if token.partner > index:
            index = _behind(tokens, index)
        else:
            index += 1
            if token.type == ";" and index > at:
                return index


def _begins_statement(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if not token.newline or token.type in _CONTINUING:
        return False
    return token.type in KEYWORDS or token.type in _MAY_BEGIN


def _behind(tokens: list[Token], index: int) -> int:
    """The index behind the bracket, or the template, that opens at `index`."""
    while True:
        token = tokens[index]
        if token.partner <= index:
            return index + 1
        index = token.partner
        if tokens[index].type != "middle":
            return index + 1


# ------------------------------------------------------------------------- rules beside flow.peg

_STATEMENTS = {
    "{": "block",
    "{=": "expression_statement",
    ";": "empty",
    "let": "declaration",
    "const": "declaration",
    "var": "declaration",
    "function": "function_declaration",
    "if": "if",
    "for": "for",
    "while": "while",
    "do": "do",
    "return": "return",
    "throw": "throw",
    "break": "break",
    "continue": "continue",
    "switch": "switch",
    "try": "try",
    "with": "with",
    "debugger": "debugger",
    "export": "module",
    "class": "class",
}
_NO_STATEMENT = frozenset(["case", "default", "else", "catch", "finally", "enum", "extends"])
_OPERANDS = {
    "name": None,
    "number": None,
    "string": None,
    "template": None,
    "null": None,
    "true": None,
    "false": None,
    "this": None,
    "super": None,
    "regex": None,
    "import": None,
    "(": "parenthesised",
    "[": "array",
    "[=": "array",
    "{": "object",
    "{=": "object",
    "head": "template",
    "function": "function_expression",
    "new": "new",
    "class": "class",
}
_TAILS = {
    ".": "member",
    "?.": "optional",
    "[": "index",
    "[=": "index",
    "(": "arguments",
    "(=>": "arguments",
    "template": "template_operand",
    "head": "template_operand",
}
_PREFIXES = frozenset(["-", "+", "!", "~", "typeof", "void", "delete", "await", "++", "--"])
_ASSIGNMENT_TEXT = "= += -= *= /= %= **= <<= >>= >>>= &= |= ^= &&= ||= ??="
# Operators that only stand behind an operand; "+" and "-" may also begin a statement.
_BETWEEN = frozenset(PRECEDENCE) - {"+", "-"}
_EACH = frozenset(["for-of", "for-in"])
_PROPERTY_STARTS = KEYWORDS | {"name", "string", "number", "[", "[=", "async", "name=>", "*"}
_WORD_TYPES = KEYWORDS | {"name", "name=>", "async"}
_PROPERTY_WORDS = _WORD_TYPES | {"string", "number"}
_BEHIND_NAME = frozenset(["=", ",", ";", ")", "}", "]", "for-of", "for-in", "eof", ":"])

_Tokens = list[Token]
_Cache = Any
_Outcome = Any


def _rule_statement(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    token = tokens[pos]
    type = token.type
    rule = _STATEMENTS.get(type)
    if rule is None:
        if type == "}" or type == "eof":
            return None
        if type in _NO_STATEMENT:
            error.pos, error.expr = pos - 1, None
            return error.failed(tokens, pos), []
        follows = tokens[pos + 1].type
        if type == "name" and follows == ":":
            rule = "labelled"
        elif type == "async" and follows == "function":
            rule = "function_declaration"
        elif type == "import" and follows not in ("(", "."):
            rule = "module"
        else:
            rule = "expression_statement"
    # A block counts with what is in it, as brackets do.
    error.statement = pos
    if rule == "block":
        node = grammar[rule].match_core(tokens, pos, cache, error)
    else:
        depth = error.depth
        error.enter(pos)
        node = grammar[rule].match_core(tokens, pos, cache, error)
        error.depth = depth
    if node is None:
        return error.failed(tokens, pos), []
    cache.clear()
    return node


def _rule_case_statement(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    if tokens[pos].type in ("case", "default"):
        return None
    return grammar["statement"].match_core(tokens, pos, cache, error)


def _rule_condition(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    """`( expression )`; without parentheses it is read too, and reported."""
    # `if (a) && (b)` begins like a condition in parentheses.
    if tokens[pos].type == "(" and tokens[_behind(tokens, pos)].type not in _BETWEEN:
        return grammar["plain_condition"].match_core(tokens, pos, cache, error)
    word = tokens[pos - 1].text
    if tokens[pos].type == "{" and word in ("if", "while"):
        error.note("missing-condition", pos - 1, pos, word=word)
        return pos
    node = grammar["bare_condition"].match_core(tokens, pos, cache, error)
    if node is not None:
        if tokens[node.end].type == ":":
            error.note("python-colon", node.end, node.end + 1)
            return node.end + 1, [node]
        error.note("missing-parentheses", pos, node.end, word=word)
    return node


def _rule_for_head(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    """What kind of loop it is, shows at the first `;`, `of` or `in` between the parentheses."""
    end = tokens[pos - 1].partner
    index = pos + (2 if tokens[pos].type in ("let", "const", "var") else 1)
    each = -1
    is_three = tokens[pos].type == ";"
    if tokens[pos].partner > pos:
        index = max(index, _behind(tokens, pos))
    elif index == pos + 2 and tokens[pos + 1].partner > pos + 1:
        index = _behind(tokens, pos + 1)
    while index < end and not is_three:
        token = tokens[index]
        if token.type == ";":
            is_three = True
        elif each < 0 and tokens[index - 1].type != "." and _is_each_word(token):
            each = index
        index = _behind(tokens, index) if token.partner > index else index + 1
    if is_three or each < 0:
        if each >= 0 and tokens[each].type == "in":
            error.note("for-in-head", each, each + 1)
        return grammar["for_three"].match_core(tokens, pos, cache, error)
    tokens[each].type = "for-in" if tokens[each].text == "in" else "for-of"
    return grammar["for_each"].match_core(tokens, pos, cache, error)


def _is_each_word(token: Token) -> bool:
    return token.type in ("in", "for-in", "for-of") or (
        token.type == "name" and token.text == "of" and not token.is_escaped
    )


def _rule_each_target(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    type = tokens[pos].type
    rule = "postfix"
    if type in ("let", "const", "var"):
        rule = "for_variables"
    elif type in ("[", "{") and tokens[_behind(tokens, pos)].type in _EACH:
        rule = "array_pattern" if type == "[" else "object_pattern"
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_assign(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    type = tokens[pos].type
    is_async = type == "async" and tokens[pos + 1].type != "function"
    if is_async or type in (ARROW_PARAMETERS, ARROW_NAME):
        rule = "arrow"
    elif type == "[=" or type == "{=":
        rule = "pattern_assignment"
    elif type == "yield":
        rule = "yield"
    else:
        rule = "assignment"
    if error.statement == pos or tokens[pos - 1].type in ("return", "throw", "case"):
        # The statement counts already.
        return grammar[rule].match_core(tokens, pos, cache, error)
    depth = error.depth
    error.enter(pos)
    node = grammar[rule].match_core(tokens, pos, cache, error)
    error.depth = depth
    return node


def _rule_arrow_body(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    rule = "block" if tokens[pos].type in ("{", "{=") else "assign"
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_unary(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    start = pos
    while tokens[start].type in _PREFIXES:
        start += 1
    if start - pos > DEEPEST:
        error.too_deep(pos)
    node = grammar["update"].match_core(tokens, start, cache, error)
    if node is None or start == pos:
        return node
    return node.end, [node]


def _rule_operand(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    type = tokens[pos].type
    if type == "async" and tokens[pos + 1].type == "function":
        rule: str | None = "function_expression"
    elif type in _OPERANDS:
        rule = _OPERANDS[type]
        if rule is None:
            return pos + 1
    else:
        return None
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_tail(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    rule = _TAILS.get(tokens[pos].type)
    if rule is None:
        return None
    node = grammar[rule].match_core(tokens, pos, cache, error)
    if node is None:
        error.stuck = pos
    return node


def _rule_property(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    token = tokens[pos]
    type = token.type
    follows = tokens[pos + 1]
    if type == "}":
        return None
    if type == "...":
        rule = "spread_property"
    elif type == "*" or _rule_method_async(tokens, pos) is not None:
        rule = "method"
    elif (
        type == "name"
        and token.text in ("get", "set")
        and follows.type in _PROPERTY_STARTS
        and follows.type != "*"
    ):
        rule = "accessor"
    else:
        after = tokens[_behind(tokens, pos)].type
        if after == ":":
            rule = "pair"
        elif after == "(" or after == ARROW_PARAMETERS:
            rule = "method"
        elif type == "name" or type == "async":
            rule = "shorthand_default" if after == "=" else "shorthand"
        else:
            rule = "pair"
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_target(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    """A name, a pattern or, in assignments, a property: the builder knows which is allowed."""
    type = tokens[pos].type
    behind = tokens[_behind(tokens, pos)].type
    if behind in _TAILS or type == "(":
        rule = "postfix"
    elif type in ("[", "[="):
        rule = "array_pattern"
    elif type in ("{", "{="):
        rule = "object_pattern"
    elif type == "name" or (type in KEYWORDS and behind in _BEHIND_NAME):
        return pos + 1
    else:
        rule = "postfix"
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_binding_target(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    type = tokens[pos].type
    if type == "name":
        return pos + 1
    if type in ("[", "[="):
        return grammar["array_pattern"].match_core(tokens, pos, cache, error)
    if type in ("{", "{="):
        return grammar["object_pattern"].match_core(tokens, pos, cache, error)
    if type in KEYWORDS and tokens[pos + 1].type in _BEHIND_NAME:
        return pos + 1
    return None


def _rule_pattern_property(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    type = tokens[pos].type
    if type == "}":
        return None
    if type == "...":
        rule = "rest_property"
    elif tokens[_behind(tokens, pos)].type == ":":
        rule = "pattern_pair"
    elif type in ("name", "async") or type in KEYWORDS:
        rule = "pattern_shorthand"
    else:
        rule = "pattern_pair"
    return grammar[rule].match_core(tokens, pos, cache, error)


def _rule_method_async(tokens: _Tokens, pos: int) -> int | None:
    token = tokens[pos]
    if token.text != "async" or token.type not in ("name", "async") or token.is_escaped:
        return None
    follows = tokens[pos + 1]
    return pos + 1 if follows.type in _PROPERTY_STARTS and not follows.newline else None


def _rule_annotation(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    """`: string`, `?: number`, `!: T` behind what is declared: TypeScript's, read and reported."""
    at = pos + 1 if tokens[pos].type in ("?", "!") else pos
    if tokens[at].type == ":":
        end = type_end(tokens, at + 1)
    elif at > pos and tokens[at].type in (")", ",") and tokens[pos].type == "?":
        end = at
    else:
        return None
    if end == at + 1 or not error.takes_notes:
        return None
    error.note("no-type-annotation", pos, end)
    return end


def _rule_type_parameters(
    tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any
) -> _Outcome:
    """`<T>` before the parameters or the arguments: TypeScript's, read and reported."""
    if tokens[pos].type != "<" or not error.takes_notes:
        return None
    end = type_end(tokens, pos)
    if end == pos or tokens[end].type not in ("(", ARROW_PARAMETERS):
        return None
    error.note("no-type-annotation", pos, end)
    return end


def _rule_class_body(tokens: _Tokens, pos: int) -> int | None:
    """Everything up to the closing brace of a class; `extends` takes any operand without braces."""
    while tokens[pos].type not in ("{", "{=", "eof", ";", "}"):
        pos = _behind(tokens, pos)
    return _behind(tokens, pos) if tokens[pos].type in ("{", "{=") else None


def _rule_module_rest(tokens: _Tokens, pos: int) -> int:
    """The rest of an `import` or `export`, to the end of its line."""
    while tokens[pos].type not in (";", "eof", "}") and not tokens[pos].newline:
        pos = _behind(tokens, pos)
    return pos + 1 if tokens[pos].type == ";" else pos


def _rule_else_if_words(tokens: _Tokens, pos: int) -> int | None:
    return pos + 2 if tokens[pos].type == "else" and tokens[pos + 1].type == "if" else None


def _rule_plain_else(tokens: _Tokens, pos: int) -> int | None:
    return pos + 1 if tokens[pos].type == "else" and tokens[pos + 1].type != "if" else None


def _rule_end(tokens: _Tokens, pos: int, cache: _Cache, error: _Progress, grammar: Any) -> _Outcome:
    """A semicolon, or where JavaScript inserts one: not before what can go on with the line above,
    even if that goes wrong further on."""
    token = tokens[pos]
    if token.type == ";":
        return pos + 1
    if token.newline and error.stuck != pos:
        return pos
    return pos if token.type in ("}", "eof") else None


def _rule_here(tokens: _Tokens, pos: int) -> int | None:
    token = tokens[pos]
    return None if token.newline or token.type in ("}", ";", "eof") else pos


def _one_of(types: Sequence[str] | frozenset[str]) -> Callable[[_Tokens, int], int | None]:
    allowed = frozenset(types)

    def match(tokens: _Tokens, pos: int) -> int | None:
        return pos + 1 if tokens[pos].type in allowed else None

    return match


def _rule_postfix_operator(tokens: _Tokens, pos: int) -> int | None:
    token = tokens[pos]
    return pos + 1 if token.type in ("++", "--") and not token.newline else None


_GRAMMAR: Any = TokenGrammar(
    files("flowlang").joinpath("flow.peg").read_text("utf-8"),
    statement=_rule_statement,
    case_statement=_rule_case_statement,
    condition=_rule_condition,
    for_head=_rule_for_head,
    each_target=_rule_each_target,
    assign=_rule_assign,
    arrow_body=_rule_arrow_body,
    unary=_rule_unary,
    operand=_rule_operand,
    tail=_rule_tail,
    property=_rule_property,
    target=_rule_target,
    binding_target=_rule_binding_target,
    pattern_property=_rule_pattern_property,
    method_async=_rule_method_async,
    annotation=_rule_annotation,
    type_parameters=_rule_type_parameters,
    class_body=_rule_class_body,
    module_rest=_rule_module_rest,
    else_if_words=_rule_else_if_words,
    plain_else=_rule_plain_else,
    end=_rule_end,
    here=_rule_here,
    postfix_operator=_rule_postfix_operator,
    binary_operator=_one_of(frozenset(PRECEDENCE)),
    assign_operator=_one_of(_ASSIGNMENT_TEXT.split()),
    declaring_word=_one_of(("let", "const", "var")),
    each_word=_one_of(_EACH),
    name=_one_of(("name",)),
    word=_one_of(_WORD_TYPES),
    property_word=_one_of(_PROPERTY_WORDS),
)
