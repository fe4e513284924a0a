"""Mistakes that people make, beside exactly what they are told.

Each `mistakes/<name>.flow` holds one or more of them; `<name>.txt` is what `rhythm check` shows for
it. After a change of wording, write the texts anew with `python -m tests.flowlang.test_mistakes`,
and read the difference before it is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import flowlang

MISTAKES = Path(__file__).parent / "mistakes"
PROGRAMS = sorted(MISTAKES.glob("*.flow"))


def shown(program: Path) -> str:
    """What is told of a program, as a person sees it."""
    source = program.read_bytes().decode()
    found = flowlang.check(source, path=program.name)
    return "\n\n".join(str(diagnostic) for diagnostic in found) + "\n"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_mistake_is_told_word_for_word(program: Path) -> None:
    assert shown(program) == program.with_suffix(".txt").read_bytes().decode()


def test_the_corpus_holds_many_mistakes_and_every_text_has_its_program() -> None:
    told = sum(len(flowlang.check(program.read_bytes().decode())) for program in PROGRAMS)

    assert told >= 150
    assert {p.stem for p in MISTAKES.glob("*.txt")} == {program.stem for program in PROGRAMS}


if __name__ == "__main__":
    for each in PROGRAMS:
        each.with_suffix(".txt").write_bytes(shown(each).encode())
    sys.stdout.write(f"{len(PROGRAMS)} texts written\n")
