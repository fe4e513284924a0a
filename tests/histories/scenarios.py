"""What the recorded histories beside this file are of: `scripts/record-histories` runs these.

A scenario is added, never changed: a history that is recorded must replay for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from unittest.mock import Mock

from rhythm.testing import RhythmTest, Run

SCENARIOS: Final[dict[str, Callable[[RhythmTest], Run]]] = {}
"""By the name of the file. Each prepares a fresh kit, and runs."""

Scenario = Callable[[RhythmTest], Run]


def _scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


@_scenario
def trial(kit: RhythmTest) -> Run:
    """A task, a signal that comes in time, a timer of a month."""
    kit.task("send_mail", returns={"ok": True})
    kit.signal("manager-approval", {"approved": True, "by": "Ada"}, after="3d")
    kit.workflow(
        """\
const { userId } = Inputs
await Task.run("send_mail", { to: userId + "@example.org" })
const ends = Timer.delay("30d")
const { approved, by } = await Signal.when("manager-approval", { timeout: "7d" })
console.log("approved by", by)
await ends
return { ended: true, approved }
""",
        name="trial",
    )
    return kit.run("trial", {"userId": "ada"})


@_scenario
def failing(kit: RhythmTest) -> Run:
    """Tasks that fail, are tried again, and are caught; a time limit; an error nobody catches."""
    kit.task("flaky", calls=Mock(side_effect=[ConnectionError("once"), "at last"]))
    kit.task("hopeless", raises=PermissionError("never"))
    kit.workflow(
        """\
const retry = { maxAttempts: 3, initialInterval: "10s" }
const seen = [await Task.run("flaky", { n: 1 }, { retry })]
try {
  await Task.run("hopeless", {}, { retry: { maxAttempts: 2 } })
} catch (error) {
  seen.push(error.name, error.message)
}
try {
  await Signal.when("nothing", { timeout: "1h" })
} catch (error) {
  seen.push(error.name)
}
try {
  await Workflow.run("unknown")
} catch (error) {
  seen.push(error.name)
}
throw new RangeError(seen.join(" "))
""",
        name="failing",
    )
    return kit.run("failing")


@_scenario
def family(kit: RhythmTest) -> Run:
    """Children, two of which run at once, and what they show and draw."""
    kit.task("price_of", calls=lambda item: len(item) * 1.5)
    kit.workflow(
        """\
const total = (await Promise.all(Inputs.items.map(item => Task.run("price_of", { item }))))
  .reduce((a, b) => a + b, 0)
return { total, die: Math.floor(Math.random() * 6) + 1 }
""",
        name="prices",
    )
    kit.workflow(
        """\
State.set("phase", "asking")
const [tea, coffee] = await Promise.all([
  Workflow.run("prices", { items: ["green", "black"] }),
  Workflow.run("prices", { items: ["arabica"] }),
])
State.set("phase", "told")
return { tea, coffee, at: new Date().toISOString(), chance: Math.random() }
""",
        name="family",
    )
    return kit.run("family")


@_scenario
def crowd(kit: RhythmTest) -> Run:
    """More tasks at once than one event takes: the decision is in several."""
    kit.task("square", calls=lambda x: x * x)
    kit.workflow(
        """\
const squares = await Promise.all(
  Array.from({ length: 300 }, (_, x) => Task.run("square", { x })))
return squares.reduce((a, b) => a + b)
""",
        name="crowd",
    )
    return kit.run("crowd")


@_scenario
def cancelled(kit: RhythmTest) -> Run:
    """Cancelled while it waits for a task and a timer; it cleans up, with a task of its own."""
    kit.task("refund", returns="refunded")
    kit.cancel("the user left", after="2d")
    kit.workflow(
        """\
try {
  await Promise.all([Timer.delay("30d"), Signal.when("never")])
} finally {
  console.warn(await Task.run("refund"))
}
""",
        name="cancelled",
    )
    return kit.run("cancelled")


@_scenario
def racing(kit: RhythmTest) -> Run:
    """Timers and signals against each other, some dropped; signals that come before the wait."""
    kit.signal("go", 1)
    kit.signal("go", 2, after="90m")
    kit.signal("go", 3, after="90m")
    kit.workflow(
        """\
const seen = []
for (let round = 0; round < 4; round++) {
  const late = Timer.delay("1h").then(() => "late")
  seen.push(await Promise.race([late, Signal.when("go", { timeout: "2h" }).catch(e => e.name)]))
}
return seen
""",
        name="racing",
    )
    return kit.run("racing")


@_scenario
def waiting(kit: RhythmTest) -> Run:
    """Not ended yet."""
    kit.task("report", returns=None)
    kit.workflow(
        """\
for (let day = 1; ; day++) {
  await Timer.delay("1d")
  await Task.run("report", { day })
}
""",
        name="waiting",
    )
    return kit.run("waiting", stop_after="3d")
