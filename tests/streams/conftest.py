"""What all tests of the store begin with."""

from __future__ import annotations

import pytest

from tests.streams.house import House


@pytest.fixture
def house(database_url: str, namespace: str) -> House:
    """A store on each kind of server, in turn."""
    return House(database_url, namespace)
