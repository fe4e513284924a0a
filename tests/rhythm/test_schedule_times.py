"""When schedules are due: pure."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from rhythm.engine.schedule import Timing, Turn, due_of, due_times, next_due, schedule_of, turn
from rhythm.models import from_unix_ms, unix_ms

MINUTE = 60_000


def times(timing: Timing, after: str, count: int = 3) -> list[str]:
    """Due times in UTC."""
    after_ms = unix_ms(datetime.fromisoformat(after))
    found = itertools.islice(due_times(timing, after_ms), count)
    return [f"{from_unix_ms(due_ms):%m-%d %H:%M:%S}" for due_ms in found]


@pytest.mark.parametrize(
    ("cron", "time_zone", "after", "expected"),
    [
        ("*/20 * * * *", "UTC", "2026-01-01T00:20Z", ["01-01 00:40:00", "01-01 01:00:00"]),
        ("@daily", "UTC", "2026-01-01T00:00Z", ["01-02 00:00:00", "01-03 00:00:00"]),
        ("*/15 * * * * *", "UTC", "2026-01-01T00:00:14Z", ["01-01 00:00:15", "01-01 00:00:30"]),
        ("0 9 * * MON", "Asia/Tokyo", "2026-01-01T00:00Z", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("0 0 L * *", "UTC", "2026-01-31T00:00Z", ["02-28 00:00:00", "03-31 00:00:00"]),
        # 29 March has no half past two in Berlin; 25 October has it twice, and it is had once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["03-29 01:00:00", "03-30 00:30:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["10-25 00:30:00", "10-26 01:30:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", ["10-26 01:30:00", "10-27 01:30:00"]),
        # Every hour is every hour, also then.
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:30Z", ["03-29 01:30:00", "03-29 02:30:00"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:30Z", ["10-25 01:30:00", "10-25 02:30:00"]),
    ],
)  # fmt: skip
def test_cron(cron: str, time_zone: str, after: str, expected: list[str]) -> None:
    assert times(Timing(cron, time_zone=time_zone), after, 2) == expected


def test_an_interval_is_counted_from_1970() -> None:
    timing = Timing(every_ms=15 * MINUTE, offset_ms=5 * MINUTE)

    assert times(timing, "2026-01-01T00:05Z") == [
        "01-01 00:20:00",
        "01-01 00:35:00",
        "01-01 00:50:00",
    ]
    assert times(timing, "2026-01-01T00:04:59.999Z", 1) == ["01-01 00:05:00"]


@pytest.mark.parametrize("time_zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/7 * * * *", "0 */5 * * *", "15 1,2,3 * * SUN"])
def test_each_due_time_is_the_next_after_the_one_before(cron: str, time_zone: str) -> None:
    """Asked for one by one, as it is when they are had, they are those of one walk."""
    timing = Timing(cron, time_zone=time_zone)
    after_ms = unix_ms(datetime(2026, 3, 27, tzinfo=UTC))

    for due_ms in itertools.islice(due_times(timing, after_ms), 400):
        assert due_ms > after_ms
        assert next_due(timing, after_ms) == due_ms
        after_ms = due_ms


@pytest.mark.parametrize("time_zone", ["UTC", "Pacific/Apia", "America/New_York"])
def test_times_end_with_the_year_9999(time_zone: str) -> None:
    for timing in (
        Timing("0 0 * * *", time_zone=time_zone),
        Timing("0 0 29 2 *", time_zone=time_zone),
        Timing(every_ms=MINUTE),
    ):
        found = list(due_times(timing, unix_ms(datetime(9999, 12, 31, 23, 0, tzinfo=UTC))))
        assert all(from_unix_ms(due_ms).year == 9999 for due_ms in found)
        assert next_due(timing, unix_ms(datetime.max.replace(tzinfo=UTC))) is None


def test_what_is_long_past_is_passed_over_as_far_as_it_is_to_be_caught_up() -> None:
    timing = Timing(every_ms=MINUTE)

    assert turn(timing, 10 * MINUTE, 10 * MINUTE, 0) == Turn(11 * MINUTE)
    assert turn(timing, 10 * MINUTE, 15 * MINUTE, 5 * MINUTE) == Turn(11 * MINUTE)
    assert turn(timing, 10 * MINUTE, 15 * MINUTE + 1, 5 * MINUTE) == Turn(11 * MINUTE, 1)
    assert turn(timing, 10 * MINUTE, 30 * MINUTE + 1, 5 * MINUTE) == Turn(26 * MINUTE, 16)
    assert turn(timing, 0, 5000 * MINUTE, 0) == Turn(5000 * MINUTE, 1000)


def test_an_id_tells_schedule_and_due_time() -> None:
    assert (schedule_of("a-b!1700"), due_of("a-b!1700")) == ("a-b", 1700)
    assert (schedule_of("a-b!1700/3"), due_of("a-b")) == (None, None)
