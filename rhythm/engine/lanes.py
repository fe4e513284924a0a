"""In whose turn an execution comes: its priority, and the key of whom it is for. Pure.

What waits in a queue is handed out by priority, and among equals to each key in turn; see
docs/flow-control.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from flowlang import EvaluationError, EvaluationRefused, check_formula, formula_value
from flowlang.frontmatter import LONGEST_FORMULA, PATH
from rhythm.errors import InvalidRequest, number, quoted
from rhythm.payloads import kind_of
from streams.work import USUAL_PRIORITY, Bounds

MAX_KEY_LENGTH: Final = 128

HIGHEST_PRIORITY: Final = 9

_LARGEST = 2**53


def check_priority(value: object, argument: str) -> int:
    """How urgent something is: a whole number from 0 to 9, which comes first."""
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    if not is_whole or not 0 <= value <= HIGHEST_PRIORITY:  # type: ignore[operator]  # a number by now
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        shown = number(value) if is_number else kind_of(value)  # type: ignore[arg-type]
        raise InvalidRequest(
            argument,
            f"must be a whole number from 0 to {HIGHEST_PRIORITY}, the most urgent, is {shown}",
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def check_key(value: object, argument: str) -> str:
    """Whom something is for: text of 1 to 128 printable characters, or a whole number as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value % 1 == 0 and abs(value) < _LARGEST:
            return str(int(value))
        raise InvalidRequest(argument, f"must be text or a whole number, is {number(value)}")
    if not isinstance(value, str):
        raise InvalidRequest(argument, f"must be text or a whole number, not {kind_of(value)}")
    if not 1 <= len(value) <= MAX_KEY_LENGTH:
        raise InvalidRequest(
            argument, f"has {len(value):,} characters, it may have 1 to {MAX_KEY_LENGTH}"
        )
    if not value.isprintable():
        raise InvalidRequest(argument, f"{quoted(value)} has characters that cannot be printed")
    return str.__str__(value)


def check_key_expression(value: object, argument: str) -> str:
    """How the key is made of the inputs: names with dots between them, or a Flow expression."""
    if not isinstance(value, str):
        raise InvalidRequest(
            argument,
            f"must be an expression over the inputs, such as 'customerId', not {kind_of(value)}",
        )
    if len(value) > LONGEST_FORMULA:
        raise InvalidRequest(
            argument, f"has {len(value):,} characters, an expression may have {LONGEST_FORMULA}"
        )
    if not PATH.fullmatch(value):
        try:
            check_formula(value)
        except EvaluationRefused as refused:
            raise InvalidRequest(
                argument,
                f"must be an expression over the inputs, such as 'customerId' or 'by ?? to.id', "
                f"not {quoted(value)}: {refused}",
            ) from None
    return str.__str__(value)


def key_of(expression: str, inputs: Mapping[str, Any]) -> str | None:
    """The key that an expression makes of the inputs; None if that is undefined or null.

    Raises:
        InvalidRequest: it throws, or gives what cannot be a key.
    """
    argument = f"key ({expression} of the inputs)"
    found: Any = inputs
    if PATH.fullmatch(expression):
        # Where an input on the way is missing there is no key, instead of an error.
        names = expression.split(".")
        if names[0] == "Inputs" and "Inputs" not in inputs:
            del names[0]
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
    else:
        try:
            found = formula_value(expression, inputs)
        except EvaluationError as error:
            raise InvalidRequest(argument, str(error)) from error
    return None if found is None else check_key(found, argument)


def in_lane(bounds: Bounds, priority: int | None, key: str | None) -> Bounds:
    """`bounds` of what comes in that turn; None for the usual priority, and for nobody's."""
    if priority is None and key is None:
        return bounds
    return msgspec.structs.replace(
        bounds, priority=USUAL_PRIORITY if priority is None else priority, key=key or ""
    )
