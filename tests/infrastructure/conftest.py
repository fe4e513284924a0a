"""A Cluster and a Sentinel trio for this session; tests that hurt them leave them whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.infrastructure.servers import Cluster, SentinelTrio


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelTrio]:
    trio = SentinelTrio(tmp_path_factory.mktemp("trio"))
    try:
        trio.start()
        yield trio
    finally:
        trio.close()
