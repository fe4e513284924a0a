"""What the engine promises on one server it keeps on a Cluster and behind Sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.infrastructure.servers import Cluster, SentinelTrio
from tests.rhythm.test_ending import verified
from tests.rhythm.test_partitions import CHILD, FLOW
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["cluster", "trio"])
def address(request: pytest.FixtureRequest) -> str:
    """Of a Cluster and of Sentinels, in turn."""
    servers: Cluster | SentinelTrio = request.getfixturevalue(request.param)
    return servers.url


def test_workflows_run_and_are_found(address: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(address, namespace, it=FLOW, child=CHILD) as stage:
            executions = stage.app.execution_service
            ids = [await stage.start("it", {"name": f"n{i}"}, id=f"it-{i}") for i in range(12)]
            for id_ in ids:
                await stage.app.signal_service.send_signal(
                    workflow_id=id_, signal_name="go", payload=id_
                )
            ends = await asyncio.gather(*map(stage.end, ids))

            assert [end.result() for end in ends] == [
                [f"hello n{i}", 49, f"it-{i}"] for i in range(12)
            ]
            assert await executions.count_executions({"status": "completed"}) == 48
            found = await executions.query_executions({"target_name": "it", "limit": 100})
            assert {one.id for one in found} == set(ids)
            assert len((await stage.app.diagnose()).workers) == 1
            assert await stage.types(ids[0])
            await verified(stage)

    run(story())
