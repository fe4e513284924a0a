"""A worker process does not grow; `scripts/bench-soak` goes on for longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import RedisServer
from tests.faults.soak import MAY_GROW, MORE_FILES, growth, soak


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells what it looks at")
def test_a_worker_holds_as_much_as_it_did(own_redis_server: RedisServer, tmp_path: Path) -> None:
    async def story() -> None:
        samples = [one async for one in soak(tmp_path, own_redis_server, 400)]

        factor, files = growth(samples)
        assert factor <= MAY_GROW
        assert files <= MORE_FILES

    asyncio.run(asyncio.wait_for(story(), 100))
