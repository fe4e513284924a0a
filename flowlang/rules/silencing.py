"""`// flow-ignore: code` silences a warning, on its line or on the line below.

Several codes have commas between them; words behind the last may give the reason. A comment that
silences nothing is told itself, so that none outlives what it was for. Mistakes are not silenced.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from flowlang.diagnostics import MOST_SHOWN, RULES, Diagnostic, nearest, report
from flowlang.parser import ParsedProgram
from flowlang.source import Source
from flowlang.tokens import Token

MARK: Final = "flow-ignore"

_COMMENT: Final = re.compile(
    rf"(?:/\*|//)[ \t]*+(?P<mark>{MARK})(?![\w-])(?P<colon>[ \t]*:[ \t]*)?"
    r"(?P<codes>[A-Za-z][\w-]*(?:[ \t]*,[ \t]*[A-Za-z][\w-]*)*)?"
)
_CODE: Final = re.compile(r"[A-Za-z][\w-]*")
_WARNINGS: Final = frozenset(code for code, rule in RULES.items() if rule.severity == "warning")


class _Ignored(NamedTuple):
    """One code in one comment: where it stands, and the lines it speaks of."""

    code: str
    start: int
    end: int
    lines: frozenset[int]

    def among(self, silenced: set[tuple[str, int]]) -> bool:
        """Whether it silences something."""
        return any((self.code, line) in silenced for line in self.lines)


def silence(parsed: ParsedProgram, found: list[Diagnostic]) -> list[Diagnostic]:
    """What remains of the diagnostics, and what is wrong with the comments."""
    source = parsed.source
    if MARK not in source.text:
        return found
    remarks: list[Diagnostic] = []
    ignored = list(_ignored(parsed, remarks))
    wanted = {(each.code, line) for each in ignored for line in each.lines}
    silenced = {(each.code, each.line) for each in found} & wanted
    kept = [each for each in found if (each.code, each.line) not in silenced]
    # With mistakes in the file, not everything was looked for.
    if parsed.tree is not None:
        unneeded = [each for each in ignored if not each.among(silenced)]
        remarks += [
            report(source, "unneeded-ignore", each.start, each.end, name=each.code)
            for each in unneeded[:MOST_SHOWN]
        ]
    return kept + remarks


def _ignored(parsed: ParsedProgram, remarks: list[Diagnostic]) -> Iterator[_Ignored]:
    """What the comments name; what they name in vain goes to `remarks`."""
    source, tokens = parsed.source, parsed.tokens
    starts = [token.start for token in tokens]
    for comment in _COMMENT.finditer(source.text, parsed.begin):
        before = bisect_right(starts, comment.start()) - 1
        if before >= 0 and comment.start() < tokens[before].end:
            continue  # within a text
        lines = _lines_meant(source, tokens, before, comment.start())
        if comment["colon"] is None or comment["codes"] is None:
            remarks.append(report(source, "unknown-ignore", *comment.span("mark"), what="no code"))
            continue
        for code in _CODE.finditer(source.text, *comment.span("codes")):
            name = code.group()
            if name in _WARNINGS:
                yield _Ignored(name, *code.span(), lines)
                continue
            if len(remarks) >= MOST_SHOWN:
                return
            hint = _advice(name)
            what = f"'{name}', which is no warning"
            remarks.append(report(source, "unknown-ignore", *code.span(), what=what, hint=hint))


def _lines_meant(
    source: Source, tokens: tuple[Token, ...], before: int, start: int
) -> frozenset[int]:
    """The lines that a comment speaks of: its own, and that of the code which follows if none
    stands before it on its own."""
    line, _ = source.position(start)
    following = before + 1
    has_code = before >= 0 and source.position(tokens[before].end)[0] == line
    if has_code or following >= len(tokens):
        return frozenset([line])
    return frozenset([line, source.position(tokens[following].start)[0]])


def _advice(name: str) -> str | None:
    if name in RULES:
        return "only warnings can be silenced: mend the mistake"
    meant = nearest(name, _WARNINGS)
    return f"did you mean '{meant}'?" if meant else None
