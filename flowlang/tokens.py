"""Text to tokens, in one pass that is linear for every input.

Besides splitting the text, the pass decides what the grammar would need to look ahead for: which
tokens begin on a new line, where the partner of each bracket is, which `(` holds an arrow
function's parameters, which `[` or `{` is a pattern being assigned to, which `async` is a keyword.
A bracket that is never closed is reported here, and a token of no width is put where its partner
was missed, so that the parser always sees balanced brackets.

The regular expressions leave themselves no second way to match, so they never go back over text.
"""

from __future__ import annotations

import re
from typing import Final

from flowlang.diagnostics import MOST_SHOWN, Diagnostic, report
from flowlang.lookalikes import INVISIBLE, SIGNS
from flowlang.source import LINE_END, Source
from flowlang.unicode14 import may_continue, may_start

MOST_TOKENS: Final = 40_000
"""A limit of the language: about 5,000 lines, which the parser reads in under a second."""

DEEPEST: Final = 200
"""A limit of the language: how deep brackets, functions and what nests to the right may go."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS: Final = _words(
    """
    await break case catch class const continue debugger default delete do else enum export
    extends false finally for function if import in instanceof let new null return super switch
    this throw true try typeof var void while with yield
    """
)
"""Words that are a token type of their own. They still may be property names."""

STRICT_WORDS: Final = _words(
    "implements interface package private protected public static eval arguments"
)
"""Words that are names to the grammar, but that nothing may be called."""

ARROW_PARAMETERS: Final = "(=>"
ARROW_NAME: Final = "name=>"
PATTERN_OPENERS: Final = ("[=", "{=")


class Token:
    """One token.

    Attributes:
        type: the text itself for keywords and punctuation; else "name", "number", "string",
            "template" (without parts), "head", "middle", "tail" (parts of one with `${`), "regex",
            "async" (where it is a keyword) or "eof". Marks that replace "(", "[", "{" and "name":
            "(=>" and "name=>" are an arrow function's parameters, "[=" and "{=" stand before "=".
        text: the source text; for names with escapes resolved.
        start: offset in UTF-16 units; `end` is exclusive.
        newline: whether a line ended between the previous token and this one.
        partner: for brackets and template parts, the index of the closing token; for closing ones,
            that of the opener; else -1.
        value: a number's value, or the text of a string or template part with escapes resolved.
    """

    __slots__ = ("end", "newline", "partner", "start", "text", "type", "value")

    def __init__(self, type: str, text: str, start: int, end: int, newline: bool) -> None:
        self.type = type
        self.text = text
        self.start = start
        self.end = end
        self.newline = newline
        self.partner = -1
        self.value: float | str = ""

    def __repr__(self) -> str:
        return f"{self.type}:{self.text}"

    @property
    def is_escaped(self) -> bool:
        """Whether a name was written with escapes, which makes a keyword of none."""
        return self.end - self.start != len(self.text)

    @property
    def is_missing(self) -> bool:
        """Whether this is a closing bracket that the text does not have."""
        return self.start == self.end and self.type != "eof"

    @property
    def is_broken(self) -> bool:
        """Whether this is a text without its closing quote."""
        text = self.text
        return self.type == "string" and (len(text) < 2 or text[-1] != text[0])


_SPACE = "\\t\\v\\f \\xa0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufeff"
_LINES = "\\n\\r\\u2028\\u2029"
_DIGITS = "[0-9](?:_?[0-9])*"
# What could go on with a name: an escape, or anything beyond ASCII but white space.
_UNUSUAL = rf"[^\x00-\x5b\x5d-\x7f{_SPACE}{_LINES}]"
_NUMBER_TEXT = (
    r"(?>0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|0[oO][0-7](?:_?[0-7])*|0[bB][01](?:_?[01])*"
    rf"|(?:(?:0|[1-9](?:_?[0-9])*)(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][-+]?+{_DIGITS})?)"
)
_PUNCTUATION = (
    r"[{}()\[\];,:~@#]|\.(?:\.\.)?|>>>=|>>>|>>=|>>|>=|>|<!--|<<=|<<|<=|<|===|==|=>|=|!==|!=|!"
    r"|\+\+|\+=|\+|-->|--|-=|-|\*\*=|\*\*|\*=|\*|/\*|/=|/|%=|%|&&=|&&|&=|&|\|\|=|\|\||\|=|\|"
    r"|\^=|\^|\?\?=|\?\?|\?\.(?![0-9])|\?"
)
# Only single characters are repeated possessively: before Python 3.11.5 a possessive group whose
# content can match in more than one way goes wrong. Nothing here backtracks over more than its own
# length: what precedes a token never has to give anything back, since some token always follows.
_TOKEN = re.compile(
    rf"((?:[{_SPACE}{_LINES}]++|//[^{_LINES}]*+|/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*/)*)"
    rf"(?:([A-Za-z_$][A-Za-z0-9_$]*+)(?!{_UNUSUAL})"
    rf"|({_NUMBER_TEXT}(?![A-Za-z0-9_$]|{_UNUSUAL}))"
    r"""|("[^"\\\n\r]*+(?:\\(?:\r\n|[\s\S])[^"\\\n\r]*+)*")"""
    r"""|('[^'\\\n\r]*+(?:\\(?:\r\n|[\s\S])[^'\\\n\r]*+)*')"""
    r"|(\.?[0-9][0-9A-Za-z_$.]*+)"
    rf"|({_PUNCTUATION})"
    r"|(`)"
    r"|([\s\S])"
    r"|(\Z))"
)
_TRIVIA, _NAME, _NUMBER, _STRING, _STRING2, _BAD_NUMBER, _PUNCT, _TICK, _OTHER, _END = range(1, 11)

_NUMBER_LIKE = re.compile(r"\.?[0-9](?:[0-9A-Za-z_$]|\.(?=[0-9]))*")
_PLAIN_NUMBER = re.compile(_NUMBER_TEXT)
_BIG = re.compile(r"(?:0|[1-9][0-9_]*+|0[xXoObB][0-9a-fA-F_]++)n")
_LEADING_ZERO = re.compile(r"0[0-9]++(?:\.[0-9]*+)?(?:[eE][0-9]++)?")
_BAD_SEPARATOR = re.compile(r"_\Z|__|\A0_|[._eExXoObB]_")
_EXPONENT = re.compile(r"[0-9]++(?:\.[0-9]*+)?[eE]")
_DURATION = re.compile(r"[0-9]++(?:\.[0-9]++)?(?:ms|s|m|h|d)")
_DIGITS_AND_LETTERS = re.compile(r"(?:[1-9][0-9]*+|0(?![xXoObB]))[A-Za-z$]")
_TEMPLATE_PART = re.compile(r"[^`\\$]*+(?:(?:\\[\s\S]|\$(?!\{))[^`\\$]*+)*(`|\$\{)")
_REGEX = re.compile(
    rf"/(?!\*)(?:[^/\\\[{_LINES}]|\\[^{_LINES}]|\[(?:[^\]\\{_LINES}]|\\[^{_LINES}])*\])+/[A-Za-z]*+"
)
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]++)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(0(?![0-9]))"
    r"|([1-9]|0[0-9])|([ux])|(\r\n|[\s\S]))"
)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_LINE_ENDS = frozenset("\n\r\u2028\u2029")
_NAME_ESCAPE = re.compile(r"\\u(?:\{([0-9a-fA-F]++)\}|([0-9a-fA-F]{4}))")
_REST_OF_LINE = re.compile(rf"[ \t]*+(?://[^{_LINES}]*+)?(?=[{_LINES}]|\Z)")
_TEMPLATE_LINE_END = re.compile("\r\n?")

_OPENERS = {"(": ")", "[": "]", "{": "}"}
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_OPERAND_ENDS = _words(
    "name number string template tail regex ) ] } ++ -- this super null true false"
)
# Words that begin a statement and can stand nowhere directly within ( or [: there, at the start of
# a line, they show that the bracket was forgotten.
_STATEMENT_WORDS = _words(
    "break case const continue do for if let return switch throw try var while"
)
# What version control leaves where it could not merge, by its first sign.
_MERGE_MARKS = {"<<": "<<<<<<<", "===": "=======", ">>>": ">>>>>>>"}
# Words that a value begins with.
_VALUE_WORDS = _words(
    "name async await new typeof delete void function this null true false super class import"
)
# Before a brace, these make it an object.
_BEFORE_OBJECT = _words("= ( (=> , [ [= ? && || ?? return throw await == === != !== + ...")
# Words before the parentheses of a statement's head.
_BEFORE_HEAD = _words("if while for switch catch")
_CURLY_QUOTES = {
    "\u201c": "\u201d", "\u201d": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb",
    "\u2018": "\u2019", "\u2019": "\u2019", "\u201a": "\u2018", "\u2032": "\u2032",
}  # fmt: skip


class _Stop(Exception):
    """The rest of the text cannot be split any more; the reason has been reported."""


def tokenize(
    source: Source,
    begin: int,
    found: list[Diagnostic],
    limit: int = MOST_TOKENS,
    *,
    guess: bool = True,
) -> list[Token] | None:
    """The tokens of `source` from offset `begin` on, the last of type "eof".

    Args:
        found: takes what is wrong with the text.
        limit: most tokens there may be.
        guess: tell by how lines begin where a closing bracket was forgotten. That is for a text
            known to be wrong: nothing about lines is so unusual that no program may do it.

    Returns:
        None when the text cannot be split to its end (the reason is in `found`).
    """
    lexer = _Lexer(source, begin, found, limit, guess)
    try:
        lexer.run()
    except _Stop:
        return None
    return lexer.tokens


class _Lexer:
    def __init__(
        self, source: Source, begin: int, found: list[Diagnostic], limit: int, guess: bool
    ) -> None:
        self.source = source
        self.text = source.text
        self.position = begin
        self.begin = begin
        self.found = found
        self.limit = limit
        self.guess = guess
        self.tokens: list[Token] = []
        self.open: list[int] = []
        # A closing brace that stands further left than the line of its opener: if a brace turns
        # out to be missing at the end of the file, it is missing here.
        self.suspect: tuple[Token, Token] | None = None
        # Lines with a text that does not end, and the quote of the last one.
        self.broken_lines: set[int] = set()
        self.broken_quote = ""
        # No "/" up to here begins a regular expression that ends on its line.
        self.no_regex_before = 0

    def report(self, code: str, start: int, end: int, **fields: object) -> None:
        self.found.append(report(self.source, code, start, end, **fields))  # type: ignore[arg-type]  # fields and notes both pass through

        if len(self.found) >= MOST_SHOWN:
            raise _Stop

    def run(self) -> None:
        text = self.text
        match = _TOKEN.match
        tokens = self.tokens
        add = tokens.append
        find_line_end = LINE_END.search
        limit = self.limit
        guess = self.guess
        while True:
            m = match(text, self.position)
            assert m is not None  # the expression ends in [\s\S] and \Z
            kind = m.lastindex
            before = m.end(1)
            newline = before - self.position > 0 and (
                find_line_end(text, self.position, before) is not None
            )
            end = m.end()
            if kind == _NAME:
                word = m[_NAME]
                if word in KEYWORDS:
                    token = Token(word, word, before, end, newline)
                    if newline and self.open and guess:
                        self.begin_line(token)
                    if word == "function":
                        self.mark_async(len(tokens) - 1, newline)
                else:
                    token = Token("name", word, before, end, newline)
                    if newline and self.open and guess:
                        self.begin_line(token)
                add(token)
                self.position = end
            elif kind == _PUNCT:
                self.position = end
                self.punctuation(m[_PUNCT], before, end, newline)
            elif kind == _NUMBER:
                token = Token("number", m[_NUMBER], before, end, newline)
                token.value = _number(token.text)
                add(token)
                self.position = end
            elif kind in (_STRING, _STRING2):
                raw = text[before:end]
                token = Token("string", raw, before, end, newline)
                if "\\" in raw:
                    token.value = self.unescape(raw[1:-1], before + 1)
                else:
                    token.value = raw[1:-1]
                if end - before == 2 and text[end : end + 1] == raw[0]:
                    self.python_string(before, newline)
                else:
                    add(token)
                    self.position = end
            elif kind == _TICK:
                self.position = end
                self.template_part(before, newline, is_first=True)
            elif kind == _END:
                self.finish(before)
                return
            else:
                self.position = before
                self.unusual(m, newline)
            if len(tokens) > limit:
                last = tokens[-1]
                self.report("too-many-tokens", last.start, last.end, limit=limit)
                raise _Stop

    # ------------------------------------------------------------------------------ punctuation

    def punctuation(self, sign: str, start: int, end: int, newline: bool) -> None:
        if sign in _MERGE_MARKS and self.text.startswith(_MERGE_MARKS[sign], start):
            self.report("merge-mark", start, start + 7)
            self.position = self.line_end(start)
            return
        tokens = self.tokens
        token = Token(sign, sign, start, end, newline)
        if sign in _OPENERS:
            if sign == "{" and self.open and self.guess:
                self.close_condition(token)
            self.push(len(tokens))
            tokens.append(token)
            if len(self.open) > DEEPEST:
                self.report("too-deep", start, end, limit=DEEPEST)
                raise _Stop
        elif sign in _CLOSERS:
            self.close(token)
        elif sign == ";":
            while self.open and self.ends_statement_in_brackets(token):
                self.forgotten(token)
            tokens.append(token)
        elif sign == "=":
            if tokens and tokens[-1].type in ("]", "}") and tokens[-1].partner >= 0:
                opener = tokens[tokens[-1].partner]
                if opener.type in ("[", "{"):
                    opener.type += "="
            tokens.append(token)
        elif sign == "=>":
            if newline:
                self.report("newline-before-arrow", start, end)
            self.mark_arrow()
            tokens.append(token)
        elif sign == "/" or sign == "/=":
            if not self.regex(start, newline):
                tokens.append(token)
        elif sign == "/*":
            self.report("unterminated-comment", start, end)
            raise _Stop
        elif sign == "<!--":
            self.report("no-html-comment", start, end, text=sign)
            self.position = self.line_end(end)
        elif sign == "-->":
            if newline or not tokens:
                self.report("no-html-comment", start, end, text=sign)
                self.position = self.line_end(end)
            else:
                tokens.append(Token("--", "--", start, start + 2, newline))
                self.position = start + 2
        elif sign == "#":
            self.hash(start, end)
        elif sign == "@":
            name = re.compile(r"[A-Za-z_$][\w$.]*+", re.ASCII).match(self.text, end)
            if name is not None:
                self.report("no-decorator", start, name.end())
                self.position = name.end()
                if self.text.startswith("(", self.position):
                    # What it takes is read as the arguments of a call.
                    tokens.append(Token("null", "null", start, name.end(), newline))
            else:
                self.report("unexpected-character", start, end, character="'@'")
        else:
            tokens.append(token)

    def line_end(self, offset: int) -> int:
        """Where the line ends that an offset is on."""
        found = LINE_END.search(self.text, offset)
        return found.start() if found else len(self.text)

    def push(self, index: int) -> None:
        self.open.append(index)

    def close(self, token: Token) -> None:
        """Link a closing bracket to its opener; report those in between, or the bracket itself."""
        tokens = self.tokens
        wanted = _CLOSERS[token.type]
        stack = self.open
        depth = len(stack) - 1
        while depth >= 0 and not _opens(tokens[stack[depth]].type, wanted):
            depth -= 1
        if depth < 0:
            self.report(
                "unopened-bracket", token.start, token.end, opener=wanted, closer=token.type
            )
            return
        while len(stack) - 1 > depth:
            self.forgotten(token)
        index = stack.pop()
        opener = tokens[index]
        if opener.type in ("head", "middle"):
            self.position = token.start + 1
            self.template_part(token.start, token.newline, is_first=False, before=index)
            return
        if token.type == "}" and self.suspect is None and token.newline:
            at, until = self.indentation(opener.start), self.indentation(token.start)
            if until < at:
                self.suspect = (opener, token)
        opener.partner = len(tokens)
        token.partner = index
        tokens.append(token)

    def begin_line(self, token: Token) -> None:
        """A word stands at the beginning of a line, within brackets: close those that it shows to
        have been forgotten."""
        while self.open and self.shows_forgotten(token):
            self.forgotten(token)

    def shows_forgotten(self, word: Token) -> bool:
        """Whether a word at the beginning of a line cannot stand within the innermost bracket."""
        tokens = self.tokens
        last = tokens[-1]
        if last.type in (".", "?."):
            return False
        index = self.open[-1]
        opener = tokens[index]
        ends = last.type in _OPERAND_ENDS and last.text not in ("++", "--", "of")
        if opener.type in ("(", "["):
            if word.type in _STATEMENT_WORDS:
                return not (last is opener and index > 0 and tokens[index - 1].type == "for")
            # A comma or an operator is missing, or the bracket: then the line stands further left.
            is_value = word.type in _VALUE_WORDS and word.text not in ("of", "as")
            return ends and is_value and self.is_outdented(word, opener)
        if opener.type != "{":
            return word.type in _STATEMENT_WORDS
        if self.is_object(len(self.open) - 1):
            if word.type in _STATEMENT_WORDS:
                return ends
            return ends and word.type in _VALUE_WORDS and self.is_outdented(word, opener)
        if last.type in ("}", "{", ","):
            return False
        if word.type in ("catch", "finally"):
            return True
        if word.type == "else":
            head = tokens[index - 1] if index > 0 else None
            is_if = head is not None and head.partner > 0 and tokens[head.partner - 1].type == "if"
            return is_if and self.is_outdented(word, opener)
        return False

    def is_object(self, depth: int) -> bool:
        """Whether the open brace at that place of the stack begins an object, as far as what stands
        before it tells."""
        index = self.open[depth]
        before = self.tokens[index - 1].type if index > 0 else ";"
        if before == ":":
            return (
                depth > 0
                and self.tokens[self.open[depth - 1]].type == "{"
                and (self.is_object(depth - 1))
            )
        return before in _BEFORE_OBJECT

    def is_outdented(self, token: Token, opener: Token) -> bool:
        """Whether a line does not stand further right than the one that a bracket is on."""
        return self.indentation(token.start) <= self.indentation(opener.start)

    def close_condition(self, brace: Token) -> None:
        """`if (ready {`: a value and a brace behind it do not fit into the head of a statement, or
        into parameters."""
        tokens = self.tokens
        index = self.open[-1]
        last = tokens[-1]
        if tokens[index].type != "(" or index == 0 or last.type not in _OPERAND_ENDS:
            return
        before = [token.type for token in tokens[max(0, index - 2) : index]]
        if "function" not in before and before[-1] not in _BEFORE_HEAD:
            return
        is_function = last.type == ")" and any(
            token.type == "function" for token in tokens[max(0, last.partner - 3) : last.partner]
        )
        if not is_function and last.text != "of":
            self.forgotten(brace)

    def ends_statement_in_brackets(self, semicolon: Token) -> bool:
        """`f([1, 2;` at the end of a line: no ';' fits there, but the head of a `for` has some."""
        index = self.open[-1]
        if self.tokens[index].type == "(" and self.tokens[max(0, index - 1)].type == "for":
            return False
        rest = _REST_OF_LINE.match(self.text, semicolon.end)
        return self.tokens[index].type in ("(", "[") and rest is not None

    def forgotten(self, at: Token) -> None:
        """Report the innermost open bracket and close it before the token `at`."""
        index = self.open.pop()
        opener = self.tokens[index]
        closer = "}" if opener.type in ("head", "middle") else _OPENERS[opener.type]
        self.report_unclosed(opener, closer, at.start, at.end)
        self.insert_closer(index, closer)

    def insert_closer(self, index: int, closer: str) -> None:
        tokens = self.tokens
        opener = tokens[index]
        place = tokens[-1].end
        if opener.type in ("head", "middle"):
            closing = Token("tail", "", place, place, False)
        else:
            closing = Token(closer, closer, place, place, False)
        closing.partner = index
        opener.partner = len(tokens)
        tokens.append(closing)

    def report_unclosed(self, opener: Token, closer: str, start: int, end: int) -> None:
        if self.source.position(opener.start)[0] in self.broken_lines:
            return  # a text that does not end on its line has swallowed the bracket
        sign = "${" if opener.type in ("head", "middle") else opener.text
        at = opener.end - len(sign)
        self.report(
            "unclosed-bracket",
            at,
            opener.end,
            opener=sign,
            closer=closer,
            notes=[
                (f"'{closer}' was expected {'before this' if end > start else 'here'}", start, end)
            ],
        )

    def indentation(self, offset: int) -> int:
        line, _ = self.source.position(offset)
        text = self.source.line(line)
        return len(text) - len(text.lstrip(" \t"))

    def finish(self, place: int) -> None:
        """The end of the text: report what is still open, and close it."""
        tokens = self.tokens
        if self.open:
            innermost = self.open[-1]
            if tokens[innermost].type == "{" and self.suspect is not None:
                opener, token = self.suspect
                self.report_unclosed(opener, "}", token.start, token.end)
            else:
                for index in reversed(self.open):
                    opener = tokens[index]
                    closer = "}" if opener.type in ("head", "middle") else _OPENERS[opener.type]
                    missed = self.missed_at(index)
                    behind = tokens[-1].end
                    start, end = (missed.start, missed.end) if missed else (behind, behind)
                    self.report_unclosed(opener, closer, start, end)
            while self.open:
                index = self.open.pop()
                opener = tokens[index]
                closer = "}" if opener.type in ("head", "middle") else _OPENERS[opener.type]
                self.insert_closer(index, closer)
        tokens.append(Token("eof", "", place, place, True))

    def missed_at(self, index: int) -> Token | None:
        """The first token on a line that stands no further right than the line of a brace which
        is never closed: the brace was missed before it."""
        opener = self.tokens[index]
        if opener.type == "{":
            for token in self.tokens[index + 1 :]:
                if token.newline and self.is_outdented(token, opener):
                    return token
        return None

    # ------------------------------------------------------------------------------------ marks

    def mark_async(self, index: int, newline: bool) -> None:
        """The token after `index` is `function`, or begins arrow parameters: is this `async`?"""
        if index < 0 or newline:
            return
        token = self.tokens[index]
        if token.type == "name" and token.text == "async" and not token.is_escaped:
            if index > 0 and self.tokens[index - 1].type in (".", "?."):
                return
            token.type = "async"

    def mark_arrow(self) -> None:
        tokens = self.tokens
        if not tokens:
            return
        last = tokens[-1]
        if last.type == ")" and last.partner >= 0:
            opener = tokens[last.partner]
            opener.type = ARROW_PARAMETERS
            self.mark_async(last.partner - 1, opener.newline)
        elif last.type == "name":
            last.type = ARROW_NAME
            self.mark_async(len(tokens) - 2, last.newline)

    # -------------------------------------------------------------------- strings and templates

    def template_part(self, start: int, newline: bool, *, is_first: bool, before: int = -1) -> None:
        """The text of a template from the "`" or "}" at `start` to the next "`" or "${"."""
        m = _TEMPLATE_PART.match(self.text, start + 1)
        if m is None and is_first and self.tokens and self.open:
            # `Hello ${name` is a value and a template behind it: the brace is what is missing.
            index = self.open[-1]
            opener = self.tokens[index]
            if opener.type in ("head", "middle") and self.tokens[-1].type in _OPERAND_ENDS:
                self.report_unclosed(opener, "}", start, start + 1)
                raise _Stop
        if m is None:
            first = before
            while first >= 0 and self.tokens[first].type == "middle":
                first = self.first_part(first)
            at = self.tokens[first].start if first >= 0 else start
            self.report("unterminated-template", at, at + 1, notes=self.swallowing(at))
            raise _Stop
        is_last = m[1] == "`"
        if is_first:
            type = "template" if is_last else "head"
        else:
            type = "tail" if is_last else "middle"
        token = Token(type, self.text[start : m.end()], start, m.end(), newline)
        raw = self.text[start + 1 : m.start(1)]
        if "\\" in raw:
            token.value = self.unescape(raw, start + 1, is_template=True)
        else:
            token.value = _TEMPLATE_LINE_END.sub("\n", raw) if "\r" in raw else raw
        if not is_first:
            token.partner = before
            self.tokens[before].partner = len(self.tokens)
        if not is_last:
            self.push(len(self.tokens))
            if len(self.open) > DEEPEST:
                self.report("too-deep", start, m.end(), limit=DEEPEST)
                raise _Stop
        self.tokens.append(token)
        self.position = m.end()

    def swallowing(self, start: int) -> list[tuple[str, int, int]]:
        """A template of several lines that ends in the line of `start`, where another seems to
        begin: maybe it is that one which does not end."""
        line, _ = self.source.position(start)
        for index in range(len(self.tokens) - 1, -1, -1):
            token = self.tokens[index]
            if self.source.position(token.end)[0] < line:
                break
            if token.type in ("template", "tail"):
                while token.type in ("tail", "middle"):
                    index = token.partner if token.type == "tail" else self.first_part(index)
                    token = self.tokens[index]
                if self.source.position(token.start)[0] < line:
                    sentence = f"or is it this one that should end before line {line}?"
                    return [(sentence, token.start, token.start + 1)]
        return []

    def first_part(self, index: int) -> int:
        """The part before the "middle" part at `index`."""
        depth = 0
        for at in range(index - 1, -1, -1):
            type = self.tokens[at].type
            if type == "tail":
                depth += 1
            elif type == "head":
                if depth == 0:
                    return at
                depth -= 1
        return -1

    def unescape(self, raw: str, offset: int, *, is_template: bool = False) -> str:
        """`raw` with its escapes resolved; `offset` is where it begins in the source."""
        pieces: list[str] = []
        at = 0
        for m in _ESCAPE.finditer(raw):
            # finditer goes on after each match, so an escaped backslash hides no escape.
            plain = raw[at : m.start()]
            if is_template and "\r" in plain:
                plain = _TEMPLATE_LINE_END.sub("\n", plain)
            pieces.append(plain)
            at = m.end()
            braced, four, two, zero, octal, _, other = m.groups()
            if other is not None:
                if other[0] not in _LINE_ENDS:
                    pieces.append(_SIMPLE_ESCAPES.get(other, other))
            elif braced is not None or four is not None or two is not None:
                digits = braced or four or two
                digits = digits.lstrip("0") or "0"
                if len(digits) > 6 or int(digits, 16) > 0x10FFFF:
                    self.report(
                        "bad-escape",
                        offset + m.start(),
                        offset + m.end(),
                        escape=m[0][:20],
                        advice="characters end at \\u{10FFFF}",
                    )
                else:
                    pieces.append(_units(int(digits, 16)))
            elif zero is not None:
                pieces.append("\0")
            elif octal is not None:
                self.report(
                    "octal-escape", offset + m.start(), offset + m.end(), escape="\\" + octal
                )
            else:
                self.report(
                    "bad-escape",
                    offset + m.start(),
                    offset + m.end(),
                    escape=m[0],
                    advice="write \\xHH, \\uHHHH or \\u{H…} with hexadecimal digits, or \\\\ for a "
                    "backslash",
                )
        plain = raw[at:]
        if is_template and "\r" in plain:
            plain = _TEMPLATE_LINE_END.sub("\n", plain)
        pieces.append(plain)
        return "".join(pieces)

    def python_string(self, start: int, newline: bool) -> None:
        """Three quotes: skip to the next three, as Python would."""
        mark = self.text[start : start + 3]
        end = self.text.find(mark, start + 3)
        until = end + 3 if end >= 0 else start + 3
        self.report("python-string", start, start + 3, what="a string in triple quotes")
        token = Token("string", self.text[start:until], start, until, newline)
        self.tokens.append(token)
        self.position = until

    # --------------------------------------------------------------------------------- the rest

    def regex(self, start: int, newline: bool) -> bool:
        """Report a regular expression where an operand is due; False when it is a division."""
        tokens = self.tokens
        if tokens:
            last = tokens[-1]
            after_dot = len(tokens) > 1 and tokens[-2].type in (".", "?.")
            is_operand = last.type in _OPERAND_ENDS and not self.ends_head(last)
            if is_operand or (after_dot and last.type in KEYWORDS):
                return False
        if tokens and last.type == "*" and last.end == start:
            self.report("unopened-comment", last.start, start + 1)
            del tokens[-1]  # goes on as if the sign were not there
            return True
        if start < self.no_regex_before:
            return False
        m = _REGEX.match(self.text, start)
        if m is None:
            self.no_regex_before = self.line_end(start)
            return False
        self.report("no-regular-expression", start, m.end())
        tokens.append(Token("regex", m[0], start, m.end(), newline))
        self.position = m.end()
        return True

    def ends_head(self, last: Token) -> bool:
        """Whether a parenthesis closes the head of `if (…)` and its like: a statement follows."""
        if last.type != ")" or last.partner < 1:
            return False
        return self.tokens[last.partner - 1].type in ("if", "while", "for", "with")

    def hash(self, start: int, end: int) -> None:
        """`#` is a private name after a dot and in a class, else somebody's idea of a comment."""
        tokens = self.tokens
        until = self.line_end(end)
        m = re.compile(r"[A-Za-z_$][\w$]*+", re.ASCII).match(self.text, end)
        if (tokens and tokens[-1].type in (".", "?.")) or (m is not None and self.is_in_class()):
            name = m[0] if m else ""
            self.report("no-private-name", start, end + len(name), name=name)
            return
        is_script = start == self.begin and self.text.startswith("!", end)
        hint = "remove this line: what runs the file is known" if is_script else None
        self.report("python-comment", start, end, hint=hint)
        self.position = until

    def is_in_class(self) -> bool:
        """Whether the innermost bracket is the brace of a class."""
        if not self.open:
            return False
        index = self.open[-1]
        before = self.tokens[max(0, index - 4) : index]
        return any(token.type == "class" for token in before)

    def unusual(self, m: re.Match[str], newline: bool) -> None:
        """What no alternative of the fast path took: names beyond ASCII or with escapes, numbers
        that are none, quotes that do not close, stray characters."""
        start = self.position
        text = self.text
        sign = text[start]
        if sign in "0123456789" or (sign == "." and m.lastindex == _BAD_NUMBER):
            self.bad_number(start, newline)
            return
        if sign in "\"'":
            self.unterminated_string(start, newline)
            return
        if sign in _CURLY_QUOTES:
            self.report("curly-quote", start, start + 1, character=f"'{sign}'")
            line_end = LINE_END.search(text, start)
            until = line_end.start() if line_end else len(text)
            close = text.find(_CURLY_QUOTES[sign], start + 1, until)
            if close >= 0:
                token = Token("string", text[start : close + 1], start, close + 1, newline)
                self.tokens.append(token)
                self.position = close + 1
            else:
                self.position = start + 1
            return
        name, end = self.name(start)
        if end == start:
            self.stray_sign(start, newline)
            return
        # A keyword written with escapes is a name here; the parser refuses it as one.
        if name in KEYWORDS and end - start == len(name):
            token = Token(name, name, start, end, newline)
        else:
            token = Token("name", name, start, end, newline)
        self.tokens.append(token)
        self.position = end

    def unterminated_string(self, start: int, newline: bool) -> None:
        """A quote without its partner on the line: the text is left open, or an earlier quote was
        meant to be part of it."""
        text, tokens = self.text, self.tokens
        quote = text[start]
        # A backslash before the line end continues the string: stop where it really breaks.
        line_end = re.compile("[\n\r]").search(text, start)
        until = line_end.start() if line_end else len(text)
        rest = text[start + 1 : until]
        line, column = self.source.position(start)
        self.broken_lines.add(line)
        index = self.text_before(start - column + 1, quote)
        if index >= 0:
            end = tokens[index].end
            other = "'" if quote == '"' else '"'
            self.report("quote-in-text", end - 1, end, quote=quote, other=other)
            if all(token.partner < 0 for token in tokens[index + 1 :]) and not any(
                opened > index for opened in self.open
            ):
                del tokens[index + 1 :]
        elif not (self.broken_quote == quote and not rest.strip(" \t;,)]}")):
            curly = next((sign for sign in rest if sign in _CURLY_QUOTES), None)
            hint = f"close it with {quote}, not with {curly}" if curly else None
            self.report("unterminated-string", start, start + 1, quote=quote, hint=hint)
            self.broken_quote = quote
        tokens.append(Token("string", text[start:until], start, until, newline))
        self.position = until

    def text_before(self, line_start: int, quote: str) -> int:
        """The index of a text on the line, in these quotes, that a word follows without a space."""
        tokens = self.tokens
        found = -1
        for index in range(len(tokens) - 2, -1, -1):
            token = tokens[index]
            if token.start < line_start:
                break
            is_text = token.type == "string" and token.text[0] == quote
            if (
                is_text
                and tokens[index + 1].start == token.end
                and tokens[index + 1].type == "name"
            ):
                found = index
        return found

    def stray_sign(self, start: int, newline: bool) -> None:
        """A character that no token begins with; one that looks like another stands for it."""
        text = self.text
        code, width = _code_at(text, start)
        sign = chr(code)
        shown = f"'{sign}' (U+{code:04X})" if sign.isprintable() else f"U+{code:04X}"
        self.position = start + width
        if sign in SIGNS:
            self.report("lookalike", start, start + width, character=shown, meant=SIGNS[sign])
            self.punctuation(SIGNS[sign], start, start + width, newline)
            return
        hint = None
        if sign == "\\":
            shown = "'\\'"
        elif sign in INVISIBLE:
            shown, hint = f"the invisible character {shown}", "remove it"
        elif sign == "\u2026":
            hint = "write what it stands for"
        elif not sign.isprintable():
            shown = f"the character {shown}"
        self.report("unexpected-character", start, start + width, character=shown, hint=hint)

    def name(self, start: int) -> tuple[str, int]:
        """The name at `start` and where it ends; that is `start` when there is none."""
        text = self.text
        at = start
        pieces: list[str] = []
        while at < len(text):
            sign = text[at]
            if sign == "\\":
                m = _NAME_ESCAPE.match(text, at)
                if m is None:
                    break
                digits = (m[1] or m[2]).lstrip("0") or "0"
                code = int(digits, 16) if len(digits) <= 6 else 0x110000
                width = m.end() - at
            else:
                code, width = _code_at(text, at)
            if code < 0x80:
                letter = chr(code)
                fits = letter.isalpha() or letter in "_$" or (bool(pieces) and letter.isdigit())
            elif code > 0x10FFFF:
                fits = False
            else:
                fits = may_continue(code) if pieces else may_start(code)
            if not fits:
                break
            pieces.append(_units(code))
            at += width
        return "".join(pieces), at

    def bad_number(self, start: int, newline: bool) -> None:
        """Digits that no plain number is made of, or that something strange follows."""
        text = self.text
        m = _NUMBER_LIKE.match(text, start)
        assert m is not None  # the caller saw a digit
        raw, end = m[0], m.end()
        token = Token("number", raw, start, end, newline)
        token.value = 0.0
        self.tokens.append(token)
        self.position = end
        is_plain = _PLAIN_NUMBER.fullmatch(raw) is not None
        if is_plain and not self.name(end)[0] and text[end : end + 1] != ".":
            token.value = _number(raw)  # what follows is told of itself
        elif _BIG.fullmatch(raw):
            self.report("no-bigint", start, end, text=raw[:40])
        elif _LEADING_ZERO.fullmatch(raw):
            digits = raw.lstrip("0") or "0"
            is_octal = digits.isdigit() and not {"8", "9"} & set(digits)
            hint = None if is_octal else "leave the zeros out"
            last = [each.type for each in self.tokens[-3:-1]]
            if last == ["number", ","] and self.tokens[-2].end == start:
                hint = "thousands are written without a ',', or with '_': 1_000"
            self.report("octal-number", start, end, text=raw[:40], digits=digits[:40], hint=hint)
        else:
            advice = self.number_advice(raw, end)
            member = self.name(end + 1)[0] if self.text.startswith(".", end) else ""
            shown = f"{raw}.{member}" if member else raw
            self.report("bad-number", start, end, text=shown[:40], advice=advice)

    def number_advice(self, raw: str, end: int) -> str:
        member, _ = self.name(end + 1)
        if self.text[end : end + 1] == "." and member:
            return f"put the number in parentheses: ({raw[:40]}).{member[:40]}"
        if _BAD_SEPARATOR.search(raw):
            return "'_' stands between two digits only"
        if _EXPONENT.fullmatch(raw):
            return "digits must follow the 'e', as in 1e6"
        if _DURATION.fullmatch(raw):
            return f"a duration is a text: '{raw[:40]}'"
        if _DIGITS_AND_LETTERS.match(raw) or self.name(end)[0]:
            return "put a space between the number and the name; a name does not begin with a digit"
        return "write it like 42, 1.5, 1e6, 1_000, 0xff, 0o17 or 0b101"


def _opens(type: str, wanted: str) -> bool:
    return type[0] == wanted or (wanted == "{" and type in ("head", "middle"))


def _number(text: str) -> float:
    digits = text.replace("_", "")
    base = {"x": 16, "o": 8, "b": 2}.get(digits[1:2].lower(), 10)
    if base == 10:
        return float(digits)
    try:
        return float(int(digits[2:], base))
    except OverflowError:
        return float("inf")


def _units(code: int) -> str:
    if code < 0x10000:
        return chr(code)
    code -= 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def _code_at(text: str, at: int) -> tuple[int, int]:
    """The character at `at` and how many units it has; a lone surrogate is one of its own."""
    code = ord(text[at])
    if 0xD800 <= code < 0xDC00 and at + 1 < len(text):
        low = ord(text[at + 1])
        if 0xDC00 <= low < 0xE000:
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), 2
    return code, 1
