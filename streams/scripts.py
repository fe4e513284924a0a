"""Load a .lua file, call it by digest.

One file is one atomic operation; its header is the contract. ``--@include name`` on a line of its
own stands for the file of that name under ``lua/include/``: Redis has no modules for scripts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Protocol

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


_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)


def load(name: str) -> Script:
    """The script in ``lua/<name>.lua``."""
    folder = files("streams") / "lua"
    text = (folder / f"{name}.lua").read_text(encoding="utf-8")

    def included(match: re.Match[str]) -> str:
        return (folder / "include" / f"{match[1]}.lua").read_text(encoding="utf-8")

    return Script(name, _INCLUDE.sub(included, text))
