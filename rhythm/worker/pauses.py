"""How long until what a worker could not go on with is tried again: another may know how."""

from __future__ import annotations

from typing import Final

_FIRST_MS: Final = 1_000
_LONGEST_MS: Final = 300_000


class Pauses:
    """Of each execution the next pause, in ms: twice the last one, up to five minutes."""

    def __init__(self) -> None:
        self._next_ms: dict[str, int] = {}

    def next_ms(self, execution_id: str) -> int:
        """The pause to make now."""
        pause_ms = self._next_ms.get(execution_id, _FIRST_MS)
        self._next_ms[execution_id] = min(pause_ms * 2, _LONGEST_MS)
        return pause_ms

    def forget(self, execution_id: str) -> None:
        """It went on, or is nobody's concern any more."""
        self._next_ms.pop(execution_id, None)
