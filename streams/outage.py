"""What a worker's operator hears of a server that is away: that it is, now and then, and its end.

A worker has several calls under way that all fail and are repeated each second: told of each, a
night's outage would fill a disk with lines that say the same. Pure: what time it is, is told.
"""

from __future__ import annotations

from typing import Final

AGAIN_S: Final = 60.0
"""How often an outage that goes on is told: whoever looks into the log finds it near the end."""


class Outages:
    """What fails, of each partition for itself: one node of a Cluster may be away alone.

    Args:
        address: where the server is, for people.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._since_s: dict[tuple[str, type[Exception]], float] = {}
        self._told_s: dict[tuple[str, type[Exception]], float] = {}

    def failed(self, tag: str, failure: Exception, now_s: float) -> str | None:
        """What to tell of a call that failed; None if that is known.

        Args:
            tag: of the partition.
        """
        outage = (tag, type(failure))
        since_s = self._since_s.setdefault(outage, now_s)
        if now_s < self._told_s.get(outage, -AGAIN_S) + AGAIN_S:
            return None
        self._told_s[outage] = now_s
        length = f" for {now_s - since_s:.0f} s by now" if now_s > since_s else ""
        return f"{failure}; trying again{length}"

    def over(self, tag: str, failure: Exception, now_s: float) -> str | None:
        """What to tell when a call succeeds that had failed; None if another was told of before."""
        outage = (tag, type(failure))
        self._told_s.pop(outage, None)
        since_s = self._since_s.pop(outage, None)
        if since_s is None:
            return None
        return f"Redis at {self._address} works again, after {now_s - since_s:.0f} s"
