"""What is told of a file: its mistakes, and warnings of what runs but hardly as meant.

One module a rule. A rule looks at `Facts`, reports what it finds and changes nothing; it only says
what is sure or as good as sure, because a warning that is often wrong is read by nobody. Rules run
over programs without mistakes. A comment silences a warning: see `silencing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flowlang.diagnostics import Diagnostic, in_order
from flowlang.limits import RoomToRecurse
from flowlang.parser import ParsedProgram
from flowlang.rules.calls import check_calls
from flowlang.rules.comments import check_comments
from flowlang.rules.conditions import check_conditions
from flowlang.rules.constants import check_constants
from flowlang.rules.duplicates import check_duplicates
from flowlang.rules.equality import check_equality
from flowlang.rules.facts import Facts
from flowlang.rules.lines import check_lines
from flowlang.rules.loops import check_loops
from flowlang.rules.members import check_members
from flowlang.rules.promises import check_promises
from flowlang.rules.races import check_races
from flowlang.rules.silencing import silence
from flowlang.rules.unreachable import check_reach
from flowlang.rules.unused import check_unused
from flowlang.rules.values import check_values

RULES: Final[tuple[Callable[[Facts], None], ...]] = (
    check_promises,
    check_races,
    check_reach,
    check_unused,
    check_lines,
    check_comments,
    check_conditions,
    check_duplicates,
    check_equality,
    check_loops,
    check_constants,
    check_members,
    check_calls,
    check_values,
)


def diagnose(parsed: ParsedProgram) -> tuple[Diagnostic, ...]:
    """All that is to be told of a file, in the order of places."""
    found = list(parsed.diagnostics)
    if parsed.tree is not None:
        with RoomToRecurse():
            facts = Facts(parsed, found)
            for rule in RULES:
                rule(facts)
    return in_order(silence(parsed, found))
