"""A schedule's nights are reported each for its own day, also those that are had later."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import examples.nightly_report
from examples.nightly_report import tasks
from rhythm import InitBuilder, Worker
from rhythm.tasks import TaskRegistry
from rhythm.testing import RhythmTest

FLOWS = Path(examples.nightly_report.__file__).parent / "flows"


def test_each_night_is_reported_for_the_day_before_it(
    run: Callable[..., Any], database_url: str, namespace: str, report_tasks: TaskRegistry
) -> None:
    async def story() -> None:
        builder = InitBuilder().database_url(database_url).namespace(namespace)
        async with builder.workflow_paths([FLOWS]) as app, Worker(app, registry=report_tasks):
            scheduler = app.scheduler_service
            await scheduler.create_schedule(
                id="nightly",
                target_name="nightly_report",
                inputs={"shops": ["north", "south", "kiosk"]},
                cron="30 2 * * *",
                time_zone="Europe/Berlin",
            )
            for started in (2, 0):  # the second time they are there already
                done = await scheduler.backfill_schedule("nightly", "2026-01-10", "2026-01-12")
                assert (done.started, done.started + done.existing) == (started, 2)
            found = await app.execution_service.query_executions({"schedule": "nightly"})
            reports = [
                (await app.execution_service.wait_for_execution(one.id, timeout=50)).result()
                for one in found
            ]
        assert reports == [
            {
                "day": day,
                "total": tasks.sales("north", day) + tasks.sales("south", day),
                "missing": ["kiosk"],
            }
            for day in ("2026-01-10", "2026-01-09")
        ]

    run(story())


def test_a_shop_that_cannot_tell_leaves_a_gap(rhythm_test: RhythmTest) -> None:
    published: list[dict[str, Any]] = []
    rhythm_test.task("sales", calls=lambda shop, day: {"north": 3, "south": 4}[shop])
    rhythm_test.task("publish", calls=lambda **inputs: published.append(inputs))

    run = rhythm_test.run(str(FLOWS / "nightly_report.flow"), {"shops": ["north", "west", "south"]})

    assert (run.output["total"], run.output["missing"]) == (7, ["west"])
    [report] = published
    lines = report["text"].splitlines()
    assert (lines[0], lines[-1]) == ("north: 3", "together: 7")
    assert lines[1].startswith("west: ")
