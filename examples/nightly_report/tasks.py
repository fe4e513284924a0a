"""Where figures come from and where a report goes: here a made-up till and standard error."""

import sys
import zlib

from rhythm import RetryPolicy, task


class Closed(Exception):
    """The shop sold nothing that day, and asking again does not change it."""


@task(retry=RetryPolicy(max_attempts=5, non_retryable=[Closed]))
def sales(shop: str, day: str) -> int:
    """What a shop took that day: the same whenever it is asked."""
    if shop == "kiosk":
        raise Closed("the kiosk is closed for the winter")
    return 100 + zlib.crc32(f"{shop} {day}".encode()) % 900


@task
def publish(day: str, text: str) -> None:
    """Give the report of a day out; a second time, after a crash, it is the same report."""
    print(f"--- {day}\n{text}", file=sys.stderr)
