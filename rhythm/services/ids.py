"""Ids of root executions: they sort by the time they were made.

Shaped as a ULID (https://github.com/ulid/spec): 48 bits of unix ms and 80 random bits in 26
characters of Crockford's base 32. Within a process later ids are always greater.
"""

from __future__ import annotations

import secrets
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80

_lock = threading.Lock()
_last = 0


def new_execution_id() -> str:
    """``exec_`` and 26 sortable characters."""
    global _last
    with _lock:
        fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        # Within one millisecond, or when the clock stepped back: the next number after the last.
        _last = fresh if fresh >> _RANDOM_BITS > _last >> _RANDOM_BITS else _last + 1
        number = _last
    return "exec_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_request_id() -> str:
    """Names one call, so that repeating it after a lost answer changes nothing more."""
    return secrets.token_urlsafe(12)
