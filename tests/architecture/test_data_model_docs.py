"""docs/redis-data-model.md names every key, every event, every command and every script."""

from __future__ import annotations

import re
from pathlib import Path

from flowlang import protocol
from rhythm.events import PAYLOADS
from streams.keys import KeySpace, PartitionKeys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "redis-data-model.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def test_every_key_is_there() -> None:
    keys = PartitionKeys("<ns>", "p")
    arguments = {
        "ready": "<queue>",
        "queue_bell": "<queue>",
        "door": "<worker>",
        "held": "<worker>",
        "mailbox": "<worker>",
        "mailbox_bell": "<worker>",
        "replies": "<client>",
        "aside": "<kind>|<name>",
        "lane": "<lane>|<queue>",
        "in_turn": "<queue>",
        "begun": "<limit>",
    }
    names = {name for name in vars(PartitionKeys) if not name.startswith("_")}
    made = {
        value
        if isinstance(value := getattr(keys, name), str)
        else value(*arguments.get(name, "<id>").split("|"))
        for name in names - {"prefix", "tag", "index"}
    }
    space = KeySpace("<ns>")
    made |= {space.meta, space.definition_names, space.definition("<name>")}

    documented = first_cells(section("Keys"))

    assert made <= documented
    # Those that only scripts use.
    assert documented - made == {
        "<ns>:{p}:i:<filter>[:<value>]",
        "<ns>:{p}:i:+",
        "<ns>:{p}:i:+<filter>[:<value>]",
        "<ns>:{p}:i:+<time> <filter>[:<value>]",
        "<ns>:{p}:b:x:<id>",
        "<ns>:{p}:o:n",
        "<ns>:{p}:1",
        "<ns>:{p}:d",
        "<ns>:{p}:p:a",
        "<ns>:{p}:p:g",
        "<ns>:{p}:p:g:<limit>",
        "<ns>:{p}:p:w",
        "<ns>:{p}:p:w:<limit>",
    }


def test_every_event_is_there() -> None:
    assert first_cells(section("Events")) == set(PAYLOADS)


def test_every_command_is_there() -> None:
    tags = [kind.__struct_config__.tag for kind in protocol.Command.__args__]

    assert tags
    assert all(f"`{tag}`" in section("Events") for tag in tags)


def test_every_script_is_there() -> None:
    scripts = {path.stem for path in (ROOT / "streams" / "lua").glob("*.lua")}

    assert first_cells(section("Scripts")) == scripts
