"""Applications for calls that nobody would make, and what becomes of these."""

from __future__ import annotations

import asyncio
import random

from rhythm import InitBuilder, Rhythm, Worker, WorkflowFile, client
from streams.connection import Connection
from tests.rhythm.calling.calls import REFUSALS, calls, given_to, problem_of, shown

# So many share an application, so that what one did is there for the next.
TOGETHER = 25

WAITS = WorkflowFile("waits", "const got = await Signal.when('go')\nreturn got", "waits.flow")


async def tried(seed: str, first: int, count: int, url: str, namespace: str) -> list[str]:
    """What is wrong with so many calls of services, a sentence each."""
    known = {call: given for call, given in calls().items() if not call.startswith("client.")}
    builder = InitBuilder().database_url(url).namespace(namespace).workflows([WAITS])
    problems = []
    async with builder as app, Connection(url, namespace) as connection:
        await _fill(app)
        for number in range(first, first + count):
            chance = random.Random(f"{seed} {number}")
            call = chance.choice(sorted(known))
            given = given_to(known[call], chance)
            try:
                async with asyncio.timeout(60):
                    problem = await problem_of(app, connection, call, given)
            except TimeoutError:
                problem = "does not end"
            if problem is not None:
                problems.append(f"{number}: {shown(call, given)} {problem}")
    return problems


async def _fill(app: Rhythm) -> None:
    create = app.execution_service.create_execution
    await create(target_name="waits", id="done")
    await app.signal_service.send_signal(workflow_id="done", signal_name="go", payload=1)
    async with Worker(app):
        await app.execution_service.wait_for_execution("done", timeout=30)
    await create(target_name="waits", id="waiting")
    await create(target_name="some_task", exec_type="task", id="taken", inputs={"first": 1})
    await app.scheduler_service.create_schedule(
        id="nightly", target_name="waits", every=3600.0, paused=True
    )


def tried_plainly(seed: str, first: int, count: int) -> list[str]:
    """What is wrong with so many calls of the plain module, which has been opened."""
    known = {call: given for call, given in calls().items() if call.startswith("client.")}
    problems = []
    for number in range(first, first + count):
        chance = random.Random(f"{seed} {number} plain")
        call = chance.choice(sorted(known))
        given = given_to(known[call], chance)
        try:
            getattr(client, call.partition(".")[2])(**given)
        except REFUSALS:
            pass
        except Exception as error:
            problems.append(f"{number}: {shown(call, given)} raises {error!r}"[:400])
    return problems
