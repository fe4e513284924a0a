"""Programs with what Node did, kept in the repository: the tests need no Node then."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Final

import msgspec

from tests.flowlang.fuzz.answers import Answer
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.generator.program import generate
from tests.flowlang.fuzz.node_side import NodeSide

ANSWERS: Final = Path(__file__).with_name("recorded.json.gz")


class Recorded(msgspec.Struct):
    """A program, the world's choices and Node's answer."""

    source: str
    script: tuple[int, ...]
    node: Answer


def record(seed: str, count: int) -> int:
    """Write what Node does with the first programs of a seed; how many they are."""
    found: list[dict[str, object]] = []
    with NodeSide() as node:
        for number in range(count):
            program = generate(Choices(f"{seed}/{number}"), number)
            answer = node.run(program.source, program.script)
            if answer.status in ("completed", "failed", "suspended"):
                found.append(msgspec.to_builtins(Recorded(program.source, program.script, answer)))
    data = json.dumps(found, separators=(",", ":")).encode("ascii")
    ANSWERS.write_bytes(gzip.compress(data, 9, mtime=0))
    return len(found)


def read() -> list[Recorded]:
    """What was recorded."""
    # Not by msgspec: half a surrogate pair may stand in an answer.
    return msgspec.convert(json.loads(gzip.decompress(ANSWERS.read_bytes())), list[Recorded])
