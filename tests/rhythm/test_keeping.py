"""However machines are kept between activations, a workflow leaves the same history, to the bit.

Most of that is shown by the other tests here, which run in all ways (see `--keeping`) and expect
the same. In the test kit, where time is virtual and ids are drawn from a seed, whole trees of
histories can be compared: every event with its time, its cause, and what it carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rhythm.engine.history import LiveMachine
from rhythm.testing import RhythmTest, Run
from rhythm.worker import activations
from rhythm.worker.activations import Keeping
from streams.codec import StoredEvent
from tests.conftest import KEEPINGS
from tests.histories.scenarios import OF_APPLICATIONS, SCENARIOS, Scenario

Histories = Mapping[str, Sequence[StoredEvent]]

# Each uses `seen`, what came of those before it; `k` is another number each time.
STEPS = [
    "seen.push(await Task.run('double', { x: k }))",
    "seen.push(...await Promise.all([1, 2, 3].map(x => Task.run('double', { x: x + k }))))",
    "try { await Task.run('fail', { retry: k }, { retry: { maxAttempts: 2 } }) } "
    "catch (e) { seen.push(e.name, e.message) }",
    "await Timer.delay(`${k}m`); seen.push(new Date().toISOString())",
    "seen.push(await Promise.race([Timer.delay('1h').then(() => k), Signal.when('go')]))",
    "try { seen.push(await Signal.when('go', { timeout: '2h' })) } catch (e) { seen.push(e.type) }",
    "seen.push(await Workflow.run('child', { k, seen: seen.length }))",
    "seen.push(await Workflow.run('child', { k, fails: true }).catch(e => e.message))",
    "await Workflow.start('child', { k })",
    "await Workflow.run('child', { k }, { id: `own-${k}` })",
    "State.set('step', { k, seen: seen.length }); console.log(k, seen)",
    "seen.push(Math.random(), Math.floor(Math.random() * 6))",
    "late.push(Task.run('double', { x: k }))",
    "for (const each of late.splice(0)) seen.push(await each)",
    "const map = new Map([[k, seen]]); await Timer.delay('1s'); map.get(k).push(map.size)",
    "try { await Timer.delay('3h') } finally { seen.push(await Task.run('double', { x: k })) }",
    "if (k % 2) throw new RangeError(seen.join())",
]

CHILD = """
const { k, fails } = Inputs
State.set("chance", Math.random())
await Timer.delay(`${k}s`)
if (fails) throw new Error("no " + k)
return (await Task.run("double", { x: k })) + Math.random()
"""


def script(steps: Sequence[str]) -> str:
    lines = [f"{{ const k = {k}; {step} }}" for k, step in enumerate(steps, start=1)]
    return "\n".join(["const seen = [], late = []", *lines, "return seen", ""])


def left_by(keeping: str, story: Scenario) -> tuple[Run, Histories]:
    """A run whose workers keep machines so, and all that is left of it.

    Events are without what caused them: it counts a worker's calls, and those that look for an
    event or a snapshot make others go together.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(activations, "USUAL", KEEPINGS[keeping])
        run = story(RhythmTest())
    assert isinstance(run, Run)
    return run, {
        id_: [msgspec.structs.replace(event, cause="") for event in events]
        for id_, events in run._remains.histories.items()
    }


def assert_all_leave_the_same(story: Scenario) -> None:
    _, usual = left_by("usual", story)
    for keeping in ("cold", "hot"):
        _, left = left_by(keeping, story)
        assert left == usual, keeping


# A crowd takes seconds each time, and is a fan-out as another test here has one.
@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - {"crowd"} - OF_APPLICATIONS))
def test_every_recorded_scenario_leaves_the_same_however_machines_are_kept(name: str) -> None:
    assert_all_leave_the_same(SCENARIOS[name])


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@example(steps=STEPS, cancel_after=None)
@example(steps=STEPS, cancel_after=5400.5)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12),
    cancel_after=st.sampled_from([None, None, 0.5, 1800.5, 7200.5]),
)
def test_any_workflow_leaves_the_same_however_machines_are_kept(
    steps: list[str], cancel_after: float | None
) -> None:
    def story(kit: RhythmTest) -> Run:
        kit.task("double", calls=lambda x: 2 * x)
        kit.task("fail", raises=LookupError("nothing there"))
        kit.workflow(CHILD, name="child")
        for hour in range(8):
            # Never at the moment when a timer fires: which comes first is a race that both may win.
            kit.signal("go", {"hour": hour}, after=hour * 3600 + 0.01 * (1 + hour))
        if cancel_after is not None:
            kit.cancel("enough", after=cancel_after)
        kit.workflow(script(steps), name="it")
        return kit.run("it", stop_after="30d")

    assert_all_leave_the_same(story)


@pytest.mark.parametrize("keeping", KEEPINGS)
def test_each_way_of_keeping_machines_is_what_it_says(
    keeping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tasks in a row are four turns: how often a machine is begun, restored, reopened."""
    did: list[str] = []

    def noting(name: str) -> None:
        original: Any = LiveMachine.__dict__[name]
        function = original.__func__ if isinstance(original, classmethod) else original

        def noted(*given: Any) -> Any:
            did.append(name)
            return function(*given)

        kind = classmethod(noted) if isinstance(original, classmethod) else noted
        monkeypatch.setattr(LiveMachine, name, kind)

    for name in ("__init__", "restored", "reopen"):
        noting(name)

    def story(kit: RhythmTest) -> Run:
        kit.task("double", calls=lambda x: 2 * x)
        return kit.run(script(STEPS[:1] * 3))

    run, _ = left_by(keeping, story)

    assert run.output == [2, 4, 6]
    counts = {name: did.count(name) for name in ("__init__", "restored", "reopen")}
    news = 6  # of each turn but the first: what it decided before, and what came of it
    assert (
        counts
        == {
            "usual": {"__init__": 1, "restored": 0, "reopen": 0},
            "cold": {"__init__": 4, "restored": 0, "reopen": 0},
            "hot": {"__init__": 1, "restored": 3, "reopen": news},
        }[keeping]
    )


def test_when_there_are_more_machines_than_room_some_stay_and_all_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were the oldest thrown out for each new one, none would be there when it is needed."""
    begun: list[str] = []
    begin = LiveMachine.__init__

    def noting(self: LiveMachine, execution_id: str, *given: Any) -> None:
        begun.append(execution_id)
        begin(self, execution_id, *given)

    monkeypatch.setattr(LiveMachine, "__init__", noting)

    def story(kit: RhythmTest) -> Run:
        kit.task("double", calls=lambda x: 2 * x)
        kit.workflow("return await Task.run('double', Inputs)", name="child")
        return kit.run(
            "return await Promise.all([1, 2, 3, 4, 5, 6].map(x => Workflow.run('child', { x })))"
        )

    _, usual = left_by("usual", story)
    assert len(begun) == 7
    begun.clear()

    # The parent weighs seven, a child two.
    monkeypatch.setitem(KEEPINGS, "crowded", Keeping(machines=11))
    run, left = left_by("crowded", story)

    assert run.output == [2, 4, 6, 8, 10, 12]
    assert left == usual
    assert len(begun) == 7 + 4
