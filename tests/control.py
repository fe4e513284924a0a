"""A control record's words, for tests that break one: see ``transition.lua``."""

from __future__ import annotations

import re
from pathlib import Path

from streams.connection import Connection

_LUA = Path(__file__).parents[1] / "streams" / "lua" / "include" / "transition.lua"
_FOUND = re.search(r"local WORDS = \{(.*?)\}", _LUA.read_text(), re.DOTALL)
assert _FOUND
WORDS: tuple[str, ...] = tuple(re.findall(r'"(\w+)"', _FOUND[1]))


async def get_word(connection: Connection, execution_id: str, name: str) -> str:
    """One word of a record, ``-`` for none."""
    return (await _words(connection, execution_id))[WORDS.index(name)]


async def set_words(connection: Connection, execution_id: str, **changes: str) -> None:
    """Change words of a record."""
    words = await _words(connection, execution_id)
    for name, value in changes.items():
        words[WORDS.index(name)] = value
    key = connection.keys.partition(execution_id).control(execution_id)
    await connection.command("SET", key, "".join(f"{word}\0" for word in words))


async def _words(connection: Connection, execution_id: str) -> list[str]:
    key = connection.keys.partition(execution_id).control(execution_id)
    record = await connection.command("GET", key)
    return [] if record is None else record.decode().split("\0")[:-1]
