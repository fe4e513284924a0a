"""Which partition an execution lives in, and where the partitions lie."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.keys import SLOTS, KeySpace, even_tags, slot_of


@pytest.mark.parametrize(
    ("key", "slot"),
    # As `CLUSTER KEYSLOT` of Redis answers.
    [("foo", 12182), ("bar", 5061), ("{foo}:x", 12182), ("a{foo}{bar}", 12182), ("{}foo", 9500)],
)
def test_slots_are_those_of_redis_cluster(key: str, slot: int) -> None:
    assert slot_of(key) == slot


@given(count=st.integers(1, 256), masters=st.integers(1, 8))
def test_masters_that_share_the_slots_share_the_partitions(count: int, masters: int) -> None:
    """However many there are of each, no master has two more than another."""
    tags = even_tags(count)

    of_each = Counter(slot_of(tag) * masters // SLOTS for tag in tags)

    assert len(set(tags)) == count
    if count > 1:
        assert max(of_each.values()) - min(of_each[i] for i in range(masters)) <= 2


def test_a_tree_and_its_schedule_live_together() -> None:
    keys = KeySpace("ns", even_tags(16))
    used = set()
    for number in range(100):
        root = f"exec_{number}"
        prefix = keys.partition(root).prefix
        used.add(prefix)

        assert keys.partition(f"{root}/3/1").prefix == prefix
        assert keys.partition(f"{root}!1700000000000").prefix == prefix
    assert len(used) == 16
