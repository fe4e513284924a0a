"""Texts that nobody would write end in diagnostics or in an outcome.

`scripts/fuzz-text` tries many more, and measures what each takes.
"""

from __future__ import annotations

from flowlang import Limits
from tests.flowlang.mangling.texts import text
from tests.flowlang.mangling.trying import outcome_of

LITTLE = Limits(steps=10_000, memory=1024 * 1024)


def test_random_and_mangled_texts_are_refused_or_end() -> None:
    ended = {outcome_of(text("smoke", number), LITTLE) for number in range(300)}

    assert ended == {"refused", "completed", "failed", "suspended", "limited"}
