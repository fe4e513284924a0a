"""The seed's page, brought to life: an onboarding is approved, rejected, and reported on."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.onboarding.play import FLOWS
from examples.onboarding.tasks import resources
from rhythm import Execution, ExecutionFilters, ExecutionStatus, InitBuilder, Rhythm, Worker
from rhythm.tasks import TaskRegistry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def onboarding(database_url: str, namespace: str) -> InitBuilder:
    """The example's application, on one kind of server."""
    return InitBuilder().database_url(database_url).namespace(namespace).workflow_paths([FLOWS])


async def onboard(
    onboarding: InitBuilder, tasks: TaskRegistry, payload: dict[str, Any], *, signal_first: bool
) -> Execution:
    """An onboarding that gets `payload` as the manager's answer, before or while it waits."""
    async with onboarding as app:

        async def answer(execution_id: str) -> None:
            await app.signal_service.send_signal(
                workflow_id=execution_id,
                signal_name="manager-approval",
                payload=payload,
                queue="default",
            )

        worker = Worker(app, resources=resources, registry=tasks)
        execution_id = await app.execution_service.create_execution(
            {
                "exec_type": "workflow",
                "target_name": "onboard_user",
                "queue": "default",
                "inputs": {"userId": "123", "plan": "pro", "tipsAfter": "20ms"},
            }
        )
        if signal_first:
            await answer(execution_id)
        async with worker:
            if not signal_first:
                await _until_it_waits(app, execution_id)
                await answer(execution_id)
            return await app.execution_service.wait_for_execution(execution_id, timeout=30)


async def _until_it_waits(app: Rhythm, execution_id: str) -> None:
    """Until the workflow has its account and nothing left to do but to wait for the manager."""
    created = ExecutionFilters(target_name="create_account", status="completed")
    while True:
        execution = await app.execution_service.get_execution(execution_id)
        accounts = await app.execution_service.count_executions(created)
        if execution and execution.status == "suspended" and accounts == 1:
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("signal_first", [True, False])
def test_an_approved_user_is_welcomed_and_gets_tips(
    signal_first: bool,
    run: Callable[..., Any],
    onboarding: InitBuilder,
    onboarding_tasks: TaskRegistry,
) -> None:
    """The signal counts, whether it comes before the workflow waits for it or after."""
    payload = {"approved": True, "approver": "admin"}

    execution = run(onboard(onboarding, onboarding_tasks, payload, signal_first=signal_first))

    assert execution.status == "completed"
    assert execution.output == {
        "userId": "123",
        "plan": "pro",
        "status": "active",
        "decidedBy": "admin",
        "sent": ["welcome", "tips-pro"],
    }


def test_a_rejected_user_gets_no_email(
    run: Callable[..., Any], onboarding: InitBuilder, onboarding_tasks: TaskRegistry
) -> None:
    payload = {"approved": False, "approver": "admin"}

    execution = run(onboard(onboarding, onboarding_tasks, payload, signal_first=True))

    assert execution.output == {
        "userId": "123",
        "plan": "pro",
        "status": "rejected",
        "decidedBy": "admin",
    }


def test_a_scheduled_report_starts_when_it_is_due_and_not_before(
    run: Callable[..., Any], onboarding: InitBuilder, onboarding_tasks: TaskRegistry
) -> None:
    async def report() -> tuple[datetime, Execution]:
        async with (
            onboarding as app,
            Worker(app, queues=["reports"], resources=resources, registry=onboarding_tasks),
        ):
            run_at = datetime.now(UTC) + timedelta(seconds=0.3)
            execution_id = await app.scheduler_service.schedule_execution(
                {
                    "exec_type": "workflow",
                    "target_name": "daily_report",
                    "queue": "reports",
                    "inputs": {"orgId": "abc"},
                    "run_at": run_at,
                }
            )
            return run_at, await app.execution_service.wait_for_execution(execution_id, timeout=30)

    run_at, execution = run(report())

    assert execution.status == ExecutionStatus.COMPLETED
    assert (execution.output["orgId"], execution.output["accounts"]) == ("abc", 0)
    assert execution.completed_at >= run_at


def test_the_example_plays_through() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "examples.onboarding"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert '"status": "active"' in ran.stdout
    assert '"byPlan": {"pro": 1}' in ran.stdout
    assert "onboardings completed: 1" in ran.stdout
    assert "e-mail: tips-pro to 123@example.com" in ran.stderr
