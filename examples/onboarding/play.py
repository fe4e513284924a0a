"""Play it through: an onboarding that is approved, and a report that is scheduled."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.onboarding.tasks import resources
from rhythm import ExecutionFilters, ExecutionStatus, InitBuilder, RhythmError, Worker

FLOWS = Path(__file__).parent / "flows"

# A worker needs milliseconds for each step; this is for a machine that is very busy.
PATIENCE_S = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when all went as played."""
    parser = argparse.ArgumentParser(prog="python -m examples.onboarding", description=__doc__)
    parser.add_argument("--redis", default="memory://", metavar="URL", help="default: memory://")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(play(options.redis))
    except RhythmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def play(url: str) -> None:
    """One onboarding with everything around it, told on standard output."""
    async with (
        InitBuilder().database_url(url).workflow_paths([FLOWS]) as app,
        Worker(app, queues=["default", "reports"], resources=resources),
    ):
        execution_id = await app.execution_service.create_execution(
            {
                "exec_type": "workflow",
                "target_name": "onboard_user",
                "queue": "default",
                "inputs": {"userId": "123", "plan": "pro"},
            }
        )
        print(f"onboarding {execution_id} waits for the manager")

        await app.signal_service.send_signal(
            workflow_id=execution_id,
            signal_name="manager-approval",
            payload={"approved": True, "approver": "admin"},
            queue="default",
        )
        onboarded = await app.execution_service.wait_for_execution(execution_id, timeout=PATIENCE_S)
        print(f"onboarding ended: {json.dumps(onboarded.result())}")

        report_id = await app.scheduler_service.schedule_execution(
            {
                "exec_type": "workflow",
                "target_name": "daily_report",
                "queue": "reports",
                "inputs": {"orgId": "abc"},
                "run_at": datetime.now(UTC) + timedelta(seconds=1),
            }
        )
        print(f"report {report_id} is scheduled")
        report = await app.execution_service.wait_for_execution(report_id, timeout=PATIENCE_S)
        print(f"report: {json.dumps(report.result())}")

        done = await app.execution_service.query_executions(
            ExecutionFilters(status=ExecutionStatus.COMPLETED, target_name="onboard_user", limit=10)
        )
        print(f"onboardings completed: {len(done)}")
