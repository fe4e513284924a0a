"""What lies in Redis is as recorded, or has another schema number."""

from __future__ import annotations

import re

import pytest

from streams import definitions
from streams.errors import SchemaMismatch
from tests.streams import layout
from tests.streams.house import House, Run, play

TOLD = (
    "what is stored has changed. If workers of the commit before and of this one cannot go on with "
    "each other's executions, raise SCHEMA in streams/definitions.py; then run "
    "scripts/record-layout, which says more"
)


def test_what_is_stored_is_as_recorded() -> None:
    """Who changes it decides whether releases can be mixed: see scripts/record-layout."""
    recorded = layout.RECORDED.read_text()

    assert layout.stored() == recorded, TOLD


def test_the_recorded_story_leaves_something_of_every_kind() -> None:
    page = (layout.ROOT / "docs" / "redis-data-model.md").read_text()
    rows = re.findall(r"^\| `(<ns>:[^`]+)` \| (\w[\w ]*) \|", page, re.MULTILINE)
    # A worker's and an execution's names are at the end; so are a queue's.
    kinds = {re.sub(r"(:<.*|\[.*)", "", name) for name, kind in rows if kind != "none"}
    keys = re.findall(r"^(layout:.+) \w+$", layout.RECORDED.read_text(), re.MULTILINE)
    seen = {key.replace("layout:", "<ns>:").replace("{0}", "{p}") for key in keys}

    # Bells hold nothing; the events of a fork are gathered elsewhere for as long as that takes.
    not_there = {"<ns>:{p}:b:q", "<ns>:{p}:b:m", "<ns>:{p}:b:due", "<ns>:{p}:b:resign"}
    not_there |= {"<ns>:{p}:b:mark"}
    # Of an index of many: see test_index.py.
    not_there |= {"<ns>:{p}:i:+", "<ns>:{p}:i:+<filter>", "<ns>:{p}:i:+<time> <filter>"}
    # Several partitions share limits; the story has one.
    not_there |= {"<ns>:{p}:p:a", "<ns>:{p}:p:g", "<ns>:{p}:p:s"}
    # … and tell each other what rests and what is limited.
    not_there |= {"<ns>:{p}:r"}
    assert kinds
    for kind in kinds - not_there:
        assert any(key == kind or key.startswith(f"{kind}:") for key in seen), kind


@pytest.mark.parametrize("made_by", [definitions.SCHEMA - 1, definitions.SCHEMA + 1])
def test_a_namespace_of_another_schema_is_left_alone(house: House, run: Run, made_by: int) -> None:
    async def story() -> None:
        connection = house.connection
        await definitions.migrate(connection)
        await connection.command("HSET", connection.keys.meta, "schema", made_by)

        for call in (definitions.check, definitions.migrate):
            with pytest.raises(SchemaMismatch, match=f"schema {made_by}") as caught:
                await call(connection)

        is_older = made_by < definitions.SCHEMA
        assert ("older release" if is_older else "newer release") in str(caught.value)
        assert await connection.command("HGET", connection.keys.meta, "schema") == b"%d" % made_by

    play(house, run, story)
