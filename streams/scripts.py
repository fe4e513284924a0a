"""Load a .lua file, call it by digest.

One file is one atomic operation; its header is the contract. ``--@include name`` on a line of its
own stands for what the script needs of the file of that name under ``lua/include/``: Redis has no
modules for scripts, and makes every function of a script anew at each call, which takes longer than
most of them run. So what few calls need is included ``when called``: made when one of its
names is first used. Other files use such names, and never assign to them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, Protocol

from redis.exceptions import NoScriptError

Argument = str | bytes | int
"""What a key or an argument of a script may be."""


class Runner(Protocol):
    """The part of an asyncio Redis client that scripts need."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, return its reply."""


class BlockingRunner(Protocol):
    """The part of a blocking Redis client that scripts need."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, return its reply."""


class Script:
    """A Lua file ready to be called.

    Attributes:
        name: the file's stem, for errors and logs.
        source: the text sent to Redis, includes resolved.
        digest: its SHA-1 in hexadecimal, which Redis calls it by.
    """

    __slots__ = ("digest", "name", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Runner, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run on an asyncio client; the whole text is sent only if Redis has forgotten it."""
        try:
            return await client.execute_command(*self.by_digest(keys, arguments))
        except NoScriptError:
            return await client.execute_command(*self.in_full(keys, arguments))

    def by_digest(self, keys: Sequence[str], arguments: Sequence[Argument]) -> list[Argument]:
        """The command that runs it if Redis knows it."""
        return ["EVALSHA", self.digest, len(keys), *keys, *arguments]

    def in_full(self, keys: Sequence[str], arguments: Sequence[Argument]) -> list[Argument]:
        """The command that runs it and lets Redis know it."""
        return ["EVAL", self.source, len(keys), *keys, *arguments]


class ScriptCall(NamedTuple):
    """One call of a script, to be made."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]


_INCLUDE = re.compile(r"^--@include (\w+)( when called)?$", re.MULTILINE)


_WORD = re.compile(r"\w+")
# Words that are no field of anything.
_USED = re.compile(r"(?<![\w.])\w+")
_QUOTED = r'"(?:\\.|[^"\\\n])*"'
_COMMENT = re.compile(r"^\s*--(?!@).*\n", re.MULTILINE)
# What an included file declares at its outermost level, up to the next such declaration.
_DECLARATION = re.compile(
    r"^(?:local (?:function )?(\w+(?:, \w+)*)|--@include (\w+) when called$)"
    r".*?(?=^local |^--@include |\Z)",
    re.M | re.S,
)


_DECLARED = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
# Names that every script has, and most of its functions use, come first.
_OUTSIDE = 40


def load(name: str) -> Script:
    """The script in ``lua/<name>.lua``."""
    text = (files("streams") / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return compose(name, text)


def compose(name: str, text: str) -> Script:
    """A script of this text, which may include as those in ``lua/`` do."""
    text = _COMMENT.sub("", text)
    groups: dict[str, str] = {}
    while includes := list(_INCLUDE.finditer(text)):
        # From the last on: what is included may need what was included before.
        include = includes[-1]
        needed = text[include.end() :]
        shared = include[0] if include[2] else _included(include[1])
        words = set(_WORD.findall("\n".join([needed, *groups.values()])))
        used = _of_use(shared, words, groups)
        text = text[: include.start()] + used + needed
    text = _nested(text)
    for group, declared in groups.items():
        text = _made_when_called(text, group, declared)
    return Script(name, text)


def _nested(text: str) -> str:
    """A script, all but the first of its names within a function.

    Where a function uses a local of the one around it, Lua 5.1 looks for it among all that are used
    so, from the newest on; what that one has from outside itself it just hands on. So a script's
    functions are made in two thirds of the time, at each call. Lua takes at most 60 names from
    outside, and 200 locals in a function: with this more of them.
    """
    outside = 0
    for declaration in _DECLARED.finditer(text):
        outside += 1 + declaration[1].count(",")
        if outside > _OUTSIDE:
            at = declaration.start()
            return f"{text[:at]}return (function()\n{text[at:]}\nend)()\n"
    return text


def _opener(group: str) -> str:
    # One declaration, which is not to be divided.
    return f"local made_{group}, open_{group}\n"


def _made_when_called(text: str, group: str, declared: str) -> str:
    """A script in which the declarations of a group are made when one of them is first used."""
    # What stands before cannot use them.
    before, _, after = text.partition(_opener(group))
    own = _names_in(after)
    used = set(_USED.findall(after))
    names = [name for name in _names_in(declared) if name not in own and name in used]
    if names:
        # What is quoted stays as it is.
        found = re.compile(rf"{_QUOTED}|(?<![\w.])({'|'.join(names)})\b")
        after = found.sub(
            lambda use: f"open_{group}().{use[1]}" if use[1] else use[0],
            after,
        )
    answer = ", ".join(f"{name} = {name}" for name in names)
    opened = (
        f"local made_{group}\nlocal function open_{group}()\nif made_{group} then\n"
        f"return made_{group}\nend\n{declared}made_{group} = {{ {answer} }}\n"
        f"return made_{group}\nend\n"
    )
    return before + opened + after


def _names_in(text: str) -> list[str]:
    return [name for declaration in _DECLARED.finditer(text) for name in declaration[1].split(", ")]


@cache
def _included(name: str) -> str:
    """A file of ``lua/include``, with those that it includes itself in their places, but for those
    that are made when called."""
    file = files("streams") / "lua" / "include" / f"{name}.lua"
    text = _COMMENT.sub("", file.read_text(encoding="utf-8"))
    return _INCLUDE.sub(lambda include: include[0] if include[2] else _included(include[1]), text)


def _of_use(shared: str, words: set[str], groups: dict[str, str]) -> str:
    """The declarations in `shared` that have a name among `words`, and those that they use
    themselves, whose words are added. Those that are made when called go to `groups`, by file."""
    kept: list[str] = []
    for declaration in reversed(_declarations(shared)):
        group = declaration.group
        if group and (of_use := _of_use(_included(group), words, groups)):
            groups[group] = of_use
            kept.append(_opener(group))
        elif not group and not words.isdisjoint(declaration.names):
            kept.append(declaration.text)
            words.update(declaration.words)
    return "".join(reversed(kept))


class _Declaration(NamedTuple):
    """A local of an included file, or a group that is made when called."""

    names: frozenset[str]
    group: str | None
    text: str
    words: frozenset[str]


@cache
def _declarations(shared: str) -> Sequence[_Declaration]:
    # Nearly every script includes the same.
    return [
        _Declaration(
            frozenset(_WORD.findall(found[1] or "")),
            found[2],
            found[0],
            frozenset(_WORD.findall(found[0])),
        )
        for found in _DECLARATION.finditer(shared)
    ]
