"""What the benchmark's workers run: an async task that does nothing, 40 bytes in, 20 out."""

from __future__ import annotations

from rhythm import task
from tests.bench import floor

floor.record_if_asked()

INPUTS = {"n": 1, "userId": "user-12345678", "plan": "p"}


@task(name="bench.noop")
async def noop(n: int, userId: str, plan: str) -> dict[str, str]:
    return {"status": "accepted"}


FLOWS = {
    "one": """
        return await Task.run("bench.noop", Inputs)
    """,
    "ten": """
        let last
        for (let i = 0; i < 10; i++) last = await Task.run("bench.noop", Inputs)
        return last
    """,
    "fan": """
        const tasks = Array.from({ length: 100 }, () => Task.run("bench.noop", Inputs))
        return (await Promise.all(tasks)).length
    """,
    "waits": """
        return await Signal.when("go")
    """,
    "long": """
        for (let i = 0; i < Inputs.steps; i++) await Task.run("bench.noop", Inputs.of)
        return Inputs.steps
    """,
    "rounds": """
        for (let i = 0; i < Inputs.rounds; i++) {
          const tasks = Array.from({ length: 1000 }, () => Task.run("bench.noop", Inputs.of))
          await Promise.all(tasks)
        }
        for (let woken = 1; woken <= Inputs.wakes; woken++) {
          await Signal.when("go")
          State.set("woken", woken)
        }
    """,
}
