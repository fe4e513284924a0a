"""Texts that nobody would write: random ones, and programs of the other tests with pieces changed.

Text number `i` of a seed is always the same, as long as those programs are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from flowlang.tokens import KEYWORDS
from tests.flowlang.hostile.programs import SUBJECTS, programs

_FOLDER: Final = Path(__file__).parent.parent

_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|[A-Za-z_$][\w$]*|\d[\w.]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""
    r"""|`|\$\{|=>|\?\.|\?\?=?|\.\.\.|>>>=?|[<>=!]==?|\*\*=?|&&=?|\|\|=?|[-+*/%&|^<>]=|\+\+|--|."""
    r"""|\n""",
    re.DOTALL,
)
"""Tokens and what is between them; rough, since what they are cut from may be no program."""

_OPERATORS: Final = (
    "+", "-", "*", "/", "%", "**", "&", "|", "^", "<", ">", "<=", ">=", "<<", ">>", ">>>", "&&",
    "||", "??", "==", "!=", "===", "!==", "in", "instanceof",
)  # fmt: skip

_VALUES: Final = (
    "0", "-1", "0.1", "1e9", "1e308", "5e-324", "-0", "4294967295", "9007199254740993", "08", "1n",
    '""', '"\\u{1f600}"', '"\\ud800"', '"__proto__"', '"x".repeat(1e6)', "null", "undefined", "NaN",
    "Infinity", "[,]", "Array(1e5)", "new Map()", "new Date(0)", "new Error('e')", "/a/g", "x => x",
    "async () => 1", "Promise.resolve(1)",
)  # fmt: skip

_SIGNS: Final = "abcxyz019_$ \n{}()[]<>;:,.?+-*/%=!&|^~`'\"\\#@"

_ODD: Final = (
    "\x00\t\v\f\r\n\x1f\x7f\x85\xa0\u00e9\u0130\u0301\u200b\u200d\u2028\u2029\ufeff\u3000\ufdfa\uffff"
    "\ud800\udc00\U0001f600\U000e0100\u0664\u212a\U0001d400"
)
"""Characters that take part in no program, or hardly."""


def text(seed: str, number: int) -> str:
    """The text of this number."""
    chance = random.Random(f"{seed}/{number}")
    made = chance.choices(_KINDS, _WEIGHTS)[0](chance)
    return made if chance.random() < 0.8 else _characters_changed(chance, made)


@cache
def _corpora() -> tuple[list[str], ...]:
    """Programs that run, mistakes, and programs that mean harm."""
    files = (sorted(_FOLDER.glob(f"{folder}/*.flow")) for folder in ("programs", "mistakes"))
    return (
        *([file.read_text("utf-8") for file in folder] for folder in files),
        [program for subject in SUBJECTS for program in programs(subject)],
    )


def _program(chance: random.Random) -> str:
    return chance.choice(chance.choice(_corpora()))


@cache
def _vocabulary() -> list[str]:
    """The tokens of all of them, those that are frequent more often."""
    every = (token for programs in _corpora() for each in programs for token in _cut(each))
    return [token for token in every if not token.isspace()]


def _cut(program: str) -> list[str]:
    return _TOKEN.findall(program)


def _characters(chance: random.Random) -> str:
    """Characters without any sense."""
    alphabet = chance.choice((_SIGNS, _SIGNS + _ODD))
    return "".join(chance.choices(alphabet, k=chance.choice((3, 20, 200))))


def _tokens(chance: random.Random) -> str:
    """Tokens without any sense."""
    tokens = chance.choices(_vocabulary(), k=chance.choice((5, 30, 150)))
    return chance.choice((" ", " ", "", "\n")).join(tokens)


def _tokens_changed(chance: random.Random) -> str:
    """A program in which some tokens are missing, doubled, exchanged or others."""
    tokens = _cut(_program(chance))
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not tokens:
            break
        at = chance.randrange(len(tokens))
        other = chance.randrange(len(tokens))
        match chance.randrange(6):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[other])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = chance.choice(chance.choice((_vocabulary(), _VALUES)))
            case 4:
                del tokens[min(at, other) : max(at, other)]
            case _:
                tokens[at:at] = tokens[other : other + chance.randrange(20)]
    return "".join(tokens)


def _tokens_exchanged(chance: random.Random) -> str:
    """A program with other values, operators and names here and there: often one still."""
    tokens = _cut(_program(chance))
    names = [token for token in tokens if _is_name(token)] or ["x"]
    for _ in range(chance.choice((1, 3, 10))):
        at = chance.randrange(len(tokens))
        if _is_name(tokens[at]):
            tokens[at] = chance.choice((*_VALUES, *chance.choices(names, k=len(_VALUES))))
        elif tokens[at] in _OPERATORS:
            tokens[at] = f" {chance.choice(_OPERATORS)} "
        elif tokens[at][0] in "0123456789\"'":
            tokens[at] = chance.choice(_VALUES)
    return "".join(tokens)


def _is_name(token: str) -> bool:
    return token.isidentifier() and token not in KEYWORDS


def _tokens_shuffled(chance: random.Random) -> str:
    """A program with a stretch of its tokens in another order."""
    tokens = _cut(_program(chance))
    start = chance.randrange(len(tokens))
    stretch = tokens[start : start + chance.choice((3, 10, 1000))]
    chance.shuffle(stretch)
    return "".join(tokens[:start] + stretch + tokens[start + len(stretch) :])


def _spliced(chance: random.Random) -> str:
    """The beginning of one program with the end of another, or lines of both."""
    first, second = _program(chance), _program(chance)
    if chance.random() < 0.5:
        return first[: chance.randrange(len(first) + 1)] + second[chance.randrange(len(second)) :]
    lines = first.split("\n") + second.split("\n")
    return "\n".join(chance.sample(lines, chance.randrange(len(lines)) + 1))


def _within(chance: random.Random) -> str:
    """A program put where it may not belong, or repeated."""
    program = _program(chance)
    match chance.randrange(6):
        case 0:
            return f"for (;;) {{ {program} }}"
        case 1:
            return f"const f = async (a = {program}) => a; return f()"
        case 2:
            return f"try {{ {program} }} finally {{ {_program(chance)} }}"
        case 3:
            return f"return `${{{program}}}`"
        case 4:
            return f"async function main() {{ {program} }}"
        case _:
            return program * chance.choice((2, 5, 20))


def _characters_changed(chance: random.Random, text: str) -> str:
    """The text with some characters missing or others, or much of it once more."""
    for _ in range(chance.choice((1, 2, 10))):
        at = chance.randrange(len(text) + 1)
        new = chance.choice(("", chance.choice(_ODD), chance.choice(_SIGNS), text[:at]))
        text = text[:at] + new + text[at + chance.choice((0, 1, 3)) :]
    return text


_KINDS: Final[tuple[Callable[[random.Random], str], ...]] = (
    _characters, _tokens, _tokens_changed, _tokens_exchanged, _tokens_shuffled, _spliced, _within,
)  # fmt: skip
_WEIGHTS: Final = (1, 1, 4, 8, 2, 2, 2)
