"""What the recorded histories beside this file are of: `scripts/record-histories` runs these.

A scenario is added, never changed: a history that is recorded must replay for ever.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Final
from unittest.mock import Mock

from rhythm import Debounce, InitBuilder, Worker, WorkflowFile
from rhythm.history import files
from rhythm.history.recording import Recording
from rhythm.tasks import Retry, TaskDefinition, TaskRegistry
from rhythm.testing import RhythmTest, Run

Scenario = Callable[[RhythmTest], "Run | Recorded"]

SCENARIOS: Final[dict[str, Scenario]] = {}
"""By the name of the file. Each prepares a fresh kit, and runs."""


OF_APPLICATIONS: Final = frozenset({"debounced", "forked", "mapped", "migrated", "restarted"})
"""Those that an application plays in real time, since the kit cannot."""


class Recorded:
    """A history of an application that did what the kit cannot."""

    def __init__(self, recording: Recording) -> None:
        self.record = functools.partial(files.write, recording)


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


@_scenario
def labelled(kit: RhythmTest) -> Run:
    """Attributes of each kind are set, changed and taken away."""
    kit.signal("paid", True, after="1h")
    return kit.run("""
Attributes.set("customer", "c-1")
Attributes.set("total", 9.5)
Attributes.set("stage", "unpaid")
Attributes.set("vip", await Signal.when("paid"))
Attributes.set("stage", null)
return "over"
""")


@_scenario
def letters(kit: RhythmTest) -> Run:
    """Other executions: started under ids of their own, sent signals, some of them in vain."""
    kit.workflow(
        """\
State.set("waits", true)
const { from } = await Signal.when("letter")
return { answered: from }
""",
        name="friend",
    )
    kit.workflow(
        """\
const seen = []
const friend = await Workflow.start("friend", {}, { id: "ada" })
await Signal.send(friend, "letter", { from: Context.executionId.length > 0 })
seen.push(await Workflow.run("friend", {}, { id: "ada" }))
for (const nobody of ["nobody", "ada"]) {
  try {
    await Signal.send(nobody, "letter", {})
  } catch (error) {
    seen.push(error.name)
  }
}
try {
  await Workflow.run("friend", { other: true }, { id: "ada" })
} catch (error) {
  seen.push(error.name)
}
const own = await Workflow.start("friend")
await Signal.send(own, "letter", { from: "us" })
return seen
""",
        name="letters",
    )
    return kit.run("letters")


@_scenario
def closing(kit: RhythmTest) -> Run:
    """Cancelled with a task and children under way, which end with it or go on, as they are to."""
    kit.task("slow", calls=_never)
    kit.task("note", returns=None)
    kit.cancel("enough", after="90m")
    kit.workflow(
        """\
try {
  await Timer.delay("30d")
} finally {
  await Task.run("note", { of: Inputs.of })
}
""",
        name="child",
    )
    kit.workflow(
        """\
await Workflow.start("child", { of: "goes on" })
const under = [
  Task.run("slow", {}, { timeout: "4h" }),
  Workflow.run("child", { of: "ends" }),
  Workflow.run("child", { of: "too" }, { onParentClose: "abandon" }),
]
try {
  await Promise.all(under)
} finally {
  console.log(await Promise.allSettled(under.slice(0, 2)))
  await Timer.delay("10s")
  await Task.run("note", { of: "all" })
}
""",
        name="closing",
    )
    return kit.run("closing", stop_after="2h")


async def _never() -> None:
    await asyncio.Event().wait()


@_scenario
def limits(kit: RhythmTest) -> Run:
    """Retries from the front matter and the call, a task that says when again, time limits."""
    kit.task("by_front_matter", raises=ConnectionError("down"))
    kit.task("hopeless", raises=KeyError("no such thing"))
    kit.task("later", calls=Mock(side_effect=[Retry(after=90), "now"]))
    kit.task("slow", calls=_never)
    kit.workflow("await Signal.when('never')", name="endless")
    kit.workflow(
        """\
```
name: limits
retry: { maxAttempts: 3, initialInterval: 1m, jitter: 0 }
```
const seen = []
async function tried(what) {
  try {
    seen.push(await what)
  } catch (error) {
    seen.push([error.name, error.type, error.message])
  }
}
await tried(Task.run("by_front_matter"))
await tried(Task.run("hopeless", {}, { retry: { maxAttempts: 5, nonRetryable: ["KeyError"] } }))
await tried(Task.run("later"))
await tried(Task.run("slow", {}, { timeout: "1m", retry: { maxAttempts: 2 } }))
await tried(Task.run("slow", {}, { deadline: "5m" }))
await tried(Workflow.run("endless", {}, { timeout: "1h" }))
return seen
""",
    )
    return kit.run("limits")


@_scenario
def dropped(kit: RhythmTest) -> Run:
    """What lost a race is left alone, and comes too late; state that changes and goes."""
    kit.task("slow", calls=_never)
    kit.task("quick", returns="won")
    kit.workflow(
        """\
State.set("round", 1)
const first = await Promise.race([
  Task.run("slow", {}, { timeout: "2d" }), Timer.delay("1d"), Task.run("quick"),
])
State.set("round", { now: 2, first })
const second = await Promise.any([Promise.reject(new Error("no")), Task.run("quick")])
State.set("round", null)
await Timer.delay("3d")
return [first, second]
""",
        name="dropped",
    )
    return kit.run("dropped")


@_scenario
def forked(kit: RhythmTest) -> Recorded:
    """A fork of a workflow that failed: a value edited, a result kept, a task asked for again."""
    source = """\
const { executionId } = Context
const limits = { total: 10 }
const seen = await Task.run("look", { at: "first" })
const [late, paid] = await Promise.all([
  Task.run("look", { at: "late" }), Task.run("pay", { total: limits.total }),
])
return [seen, late, paid, limits, executionId === Context.executionId]
"""
    del kit
    broken = True

    async def look(at: str) -> str:
        return f"{at} seen"

    async def pay(total: int) -> str:
        if broken:
            raise LookupError(f"{total} is too much")
        return f"{total} paid"

    async def story() -> Recorded:
        nonlocal broken
        tasks = TaskRegistry()
        for function in (look, pay):
            tasks.add(TaskDefinition(function.__name__, None, function))
        builder = InitBuilder().database_url("memory://forked")
        async with (
            builder.workflows([WorkflowFile("forked", source, "forked.flow")]) as app,
            Worker(app, registry=tasks),
        ):
            await app.execution_service.create_execution(target_name="forked", id="one")
            await app.execution_service.wait_for_execution("one")
            broken = False
            edits = {"limits.total": 9}
            fork = await app.history_service.fork("one", id="two", edits=edits)
            await app.execution_service.wait_for_execution(fork)
            return Recorded(await app.history_service.record(fork))

    return asyncio.run(story())


@_scenario
def migrated(kit: RhythmTest) -> Recorded:
    """A workflow that waits for a signal, and goes on with a longer script."""
    del kit
    old = """\
const order = await Task.run("look", { at: "order" })
const go = await Signal.when("go")
return { order, go }
"""
    return _migrated(old, old.replace("go }", 'go, late: await Task.run("look", {}) }'))


@_scenario
def mapped(kit: RhythmTest) -> Recorded:
    """Two functions that wait go on in a script that would have decided otherwise."""
    del kit
    old = """\
const order = await Task.run("look", { at: "order" })
const rounds = []
for (const name of ["go", "on"]) {
  const said = async (given) => {
    const come = await Signal.when(name)
    return [order, given, come]
  }
  rounds.push(said(rounds.length))
}
return await Promise.all(rounds.map(async (round) => ({ said: await round })))
"""
    new = """\
const order = await Task.run("look", { at: "another order" })
const rounds = []
for (const name of ["go", "on"]) {
  const said = async (given) => {
    const come = await Signal.when(name)
    return [order, given, come, await late(name)]
  }
  rounds.push(said(rounds.length))
}
return await Promise.all(rounds.map(async (round) => ({ said: await round })))
async function late(at) { return await Task.run("look", { at }) }
"""
    return _migrated(old, new)


def _migrated(old: str, new: str) -> Recorded:
    """A workflow that goes on with another source when its first task has run."""

    async def look(at: str = "nothing") -> str:
        return f"{at} seen"

    async def story() -> Recorded:
        tasks = TaskRegistry()
        tasks.add(TaskDefinition("look", None, look))
        builder = InitBuilder().database_url("memory://migrated")
        async with (
            builder.workflows([WorkflowFile("migrated", old, "migrated.flow")]) as app,
            Worker(app, registry=tasks),
        ):
            executions, histories = app.execution_service, app.history_service
            await executions.create_execution(target_name="migrated", id="one")
            async for event in histories.follow("one"):
                if event.type == "child_completed":
                    break
            await histories.migrate_execution("one", new, path="migrated.flow", maps=True)
            for name in ("on", "go"):
                await app.signal_service.send_signal(workflow_id="one", signal_name=name)
            await executions.wait_for_execution("one")
            return Recorded(await histories.record("one"))

    return asyncio.run(story())


@_scenario
def debounced(kit: RhythmTest) -> Recorded:
    """A start that waits for further ones, with a signal between them: the newest inputs hold."""
    del kit
    source = "return { ...Inputs, sent: await Signal.when('go') }\n"

    async def story() -> Recorded:
        builder = InitBuilder().database_url("memory://debounced")
        async with (
            builder.workflows([WorkflowFile("debounced", source, "debounced.flow")]) as app,
            Worker(app, registry=TaskRegistry()),
        ):
            executions = app.execution_service
            for number, wait in enumerate(("1h", "1h", "1ms")):
                id_ = await executions.create_execution(
                    target_name="debounced",
                    inputs={"number": number},
                    debounce=Debounce(key="one", wait=wait),
                )
                if number == 1:
                    await app.signal_service.send_signal(workflow_id=id_, signal_name="go")
            await executions.wait_for_execution(id_)
            return Recorded(await app.history_service.record(id_))

    return asyncio.run(story())


@_scenario
def restarted(kit: RhythmTest) -> Recorded:
    """The first run of a workflow that goes on as its successor, with a signal that nobody took."""
    del kit
    source = """\
const { left } = Inputs
await Signal.when("go")
await Timer.delay("1ms")
if (left > 0) Workflow.restart({ left: left - 1 })
return "over"
"""

    async def story() -> Recorded:
        builder = InitBuilder().database_url("memory://restarted")
        async with (
            builder.workflows([WorkflowFile("restarted", source, "restarted.flow")]) as app,
            Worker(app, registry=TaskRegistry()),
        ):
            executions, histories = app.execution_service, app.history_service
            await executions.create_execution(target_name="restarted", inputs={"left": 1}, id="one")
            for _ in range(2):
                await app.signal_service.send_signal(workflow_id="one", signal_name="go")
            await executions.wait_for_execution("one")
            return Recorded(await histories.record("one"))

    return asyncio.run(story())
