"""What is told of a server that is away: pure."""

from __future__ import annotations

from streams.errors import BackendFull, BackendUnavailable
from streams.outage import AGAIN_S, Outages

AWAY = BackendUnavailable("redis://h", "nothing listens there")


def test_an_outage_is_told_when_it_begins_now_and_then_and_when_it_ends() -> None:
    outages = Outages("redis://h")

    told = [outages.failed("0", AWAY, second) for second in range(150)]
    assert [second for second, text in enumerate(told) if text] == [0, 60, 120]
    assert told[0] == f"{AWAY}; trying again"
    assert told[60] == f"{AWAY}; trying again for 60 s by now"
    assert outages.over("0", AWAY, 150) == ("Redis at redis://h works again, after 150 s")
    assert outages.over("0", AWAY, 150) is None

    assert outages.failed("0", AWAY, 151) == f"{AWAY}; trying again"


def test_partitions_and_kinds_of_failures_are_told_apart() -> None:
    """Reads that succeed while memory is full do not make each write that fails a new outage."""
    outages = Outages("redis://h")
    full = BackendFull("redis://h")

    assert outages.failed("0", AWAY, 0) and outages.failed("1", AWAY, 0)
    assert outages.failed("0", full, 0)
    assert outages.over("1", AWAY, 1)
    assert outages.failed("0", AWAY, AGAIN_S - 1) is outages.failed("0", full, 1) is None
