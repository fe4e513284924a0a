"""Everything the flowlang package can raise.

FlowError               catch this to catch them all
├── FlowSyntaxError     a .flow file is no program: show its diagnostics to whoever wrote it
├── EvaluationError     an expression throws where it was evaluated: show why
│   └── EvaluationRefused   it is no expression, or would do more than read
├── EditRefused         a value cannot be put where it was to be: show why
├── MappingRefused      a state cannot go on with another source: show why
└── InternalError       the machine itself failed: keep the execution as it is and report it

What a program does wrong while it runs is no exception but an outcome, `Failed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowlang.diagnostics import Diagnostic


class FlowError(Exception):
    """Base of everything that flowlang raises."""


class FlowSyntaxError(FlowError):
    """A .flow file has mistakes.

    Attributes:
        diagnostics: all of them, in the order of their places; warnings are among them.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(diagnostics)
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        return "\n".join(str(diagnostic) for diagnostic in self.diagnostics)


class EvaluationError(FlowError):
    """An expression has no value where it was to be evaluated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class EvaluationRefused(EvaluationError):
    """A text is no expression, or one that would change something or ask something of the world."""


class EditRefused(FlowError):
    """There is no such place to put a value, or more than one."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class MappingRefused(FlowError):
    """It cannot be told where a suspended machine stands in another source, or with which values.

    Attributes:
        line: of the source that it runs, where that is; None for no place of its own.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason, line)
        self.reason, self.line = reason, line

    def __str__(self) -> str:
        return self.reason if self.line is None else f"line {self.line}: {self.reason}"


class InternalError(FlowError):
    """The machine met something it never should have. The program is not to blame.

    Attributes:
        problem: what happened.
        line: the line of the program that ran, when known.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem, line)
        self.problem, self.line = problem, line

    def __str__(self) -> str:
        place = "" if self.line is None else f" at line {self.line} of the program"
        return f"the flow machine failed{place}: {self.problem}; the execution is left as it is"
