"""Mistakes that people make, beside exactly what they are told.

Each `mistakes/<name>.flow` holds programs with lines of `~~~~` between them; `<name>.txt` is what
`rhythm check` shows for each. After a change of wording, write the texts anew with
`python -m tests.flowlang.test_mistakes`, and read the difference before it is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import flowlang
from flowlang.diagnostics import RULES

MISTAKES = Path(__file__).parent / "mistakes"
FILES = sorted(MISTAKES.glob("*.flow"))
BETWEEN = "~~~~\n"

TOO_LARGE_TO_SHOW = {"source-too-long", "too-many-tokens", "too-deep", "front-matter-too-long"}


def programs(path: Path) -> list[str]:
    """The programs of a file."""
    return path.read_bytes().decode().split(BETWEEN)


def shown(path: Path) -> str:
    """What is told of a file's programs, as a person sees it."""
    told = []
    for program in programs(path):
        found = flowlang.check(program, path=path.name)
        told.append("\n\n".join(str(diagnostic) for diagnostic in found) + "\n")
    return BETWEEN.join(told)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mistake_is_told_word_for_word(path: Path) -> None:
    assert shown(path) == path.with_suffix(".txt").read_bytes().decode()


def test_every_text_has_its_programs() -> None:
    assert {path.stem for path in MISTAKES.glob("*.txt")} == {path.stem for path in FILES}


def test_the_corpus_holds_many_mistakes() -> None:
    """A mistake counts once, however often it is made: by its code and the line it is in."""
    mistakes = set()
    for path in FILES:
        for program in programs(path):
            lines = program.splitlines()
            for found in flowlang.check(program):
                line = lines[found.line - 1] if found.line <= len(lines) else ""
                mistakes.add((found.code, line.strip()))
    errors = [code for code, _ in mistakes if RULES[code].severity == "error"]

    assert len(errors) >= 250
    assert len(mistakes) >= 400
    assert {code for code, _ in mistakes} == set(RULES) - TOO_LARGE_TO_SHOW


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_program_is_told_something(path: Path) -> None:
    for program in programs(path):
        assert flowlang.check(program), program


if __name__ == "__main__":
    for each in FILES:
        each.with_suffix(".txt").write_bytes(shown(each).encode())
    sys.stdout.write(f"{len(FILES)} texts written\n")
