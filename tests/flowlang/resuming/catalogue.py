"""The programs that are resumed and whose bytes are recorded, each with what the world does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.flowlang.fuzz import recorded
from tests.flowlang.resuming import runs
from tests.flowlang.resuming.suspending import suspending

_HERE: Final = Path(__file__).parent
_CORPUS: Final = sorted((_HERE.parent / "programs").glob("*.flow"))
_DURABLE: Final = sorted((_HERE / "programs").glob("*.flow"))


@dataclass(frozen=True)
class Case:
    """A program and a history of the world, see `World`."""

    name: str
    source: str
    script: tuple[int, ...] = ()


def durable(histories: int) -> Iterator[Case]:
    """Programs that ask much of the world, answered in several orders."""
    for path in _DURABLE:
        for number in range(histories):
            yield Case(f"durable/{path.stem}/{number}", _text(path), history(number))


def corpus() -> Iterator[Case]:
    """Programs whose answers Node gave, which seldom wait."""
    for path in _CORPUS:
        yield Case(f"corpus/{path.stem}", _text(path))


def generated() -> Iterator[Case]:
    """Programs of the fuzzer: every third that is recorded, for the time it takes."""
    for number, program in enumerate(recorded.read()):
        if number % 3 == 0:
            yield Case(f"generated/{number}", program.source, program.script)


def waiting(case: Case) -> Case:
    """The program made to wait nearly everywhere."""
    return Case(f"{case.name}/waiting", suspending(case.source), case.script)


def history(number: int) -> tuple[int, ...]:
    """What happens: number 0 is all answers in the order in which they were asked for."""
    numbers = random.Random(number)
    # `random` is the one method whose numbers Python promises to leave as they are.
    return tuple(int(numbers.random() * 64) for _ in range(200)) if number else ()


@cache
def done(case: Case) -> runs.Run:
    """What a machine does that never stops; it is found out once."""
    return runs.run(case.source, case.script)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
