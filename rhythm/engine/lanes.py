"""In whose turn an execution comes: its priority, and the key of whom it is for. Pure.

What waits in a queue is handed out by priority, and among equals to each key in turn; see
docs/flow-control.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from rhythm.errors import InvalidRequest, number, quoted
from rhythm.payloads import kind_of
from streams.work import USUAL_PRIORITY, Bounds

MAX_KEY_LENGTH: Final = 128

HIGHEST_PRIORITY: Final = 9

_PATH = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")

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


def check_path(value: object, argument: str) -> str:
    """Where in the inputs the key stands: names with dots between them."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise InvalidRequest(
            argument,
            f"must name an input, such as 'customerId' or 'customer.id', not {shown}",
        )
    return str.__str__(value)


def key_at(path: str, inputs: Mapping[str, Any]) -> str | None:
    """The key that stands there; None if there is nothing, or null.

    Raises:
        InvalidRequest: what stands there cannot be a key.
    """
    found: Any = inputs
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else check_key(found, f"key ({path} of the inputs)")


def in_lane(bounds: Bounds, priority: int | None, key: str | None) -> Bounds:
    """`bounds` of what comes in that turn; None for the usual priority, and for nobody's."""
    if priority is None and key is None:
        return bounds
    return msgspec.structs.replace(
        bounds, priority=USUAL_PRIORITY if priority is None else priority, key=key or ""
    )
