"""Two executions side by side, and expressions evaluated at a line of past ones."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from flowlang import EvaluationRefused
from rhythm import InvalidRequest
from rhythm.history.cursor import Replay, opened
from rhythm.history.difference import difference
from tests.rhythm.made_up import history_of_tasks
from tests.rhythm.test_workflows import on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]

FLOW = """\
let total = 0
for (let i = 0; i < 3; i++) {
  total += await Task.run("price", { i })
  if (total > 10) {
    console.log("large")
  }
}
return total
"""


def run_of(*prices: int, source: str = FLOW) -> Replay:
    return opened(history_of_tasks(source, [{"output": price} for price in prices]))


def test_two_that_went_the_same_way_part_nowhere() -> None:
    found = difference(run_of(1, 2, 3), run_of(3, 2, 1))

    assert (found.parts, found.a, found.variables) == ("nowhere", None, {})
    assert found.outcomes == ("completed", "completed")


def test_where_they_part_the_variables_say_why() -> None:
    found = difference(run_of(1, 2, 3), run_of(1, 12, 3))

    assert found.parts == "way"
    assert found.a is not None
    assert found.b is not None
    assert (found.a.last_line, found.b.last_line) == (4, 4)
    assert found.b.line == 5
    assert found.a.line != 5
    assert found.variables == {"total": ("3", "13")}


def test_lines_of_two_sources_are_aligned_by_their_texts() -> None:
    moved = f"// a line more\n{FLOW}"

    assert difference(run_of(1, 2, 3), run_of(1, 2, 3, source=moved)).parts == "nowhere"
    found = difference(run_of(1, 12, 3), run_of(1, 2, 3, source=moved))

    assert found.a is not None
    assert (found.parts, found.a.line) == ("way", 5)


def test_one_that_was_told_more_parts_there() -> None:
    found = difference(run_of(1, 2), run_of(1, 2, 3))

    assert found.parts == "told"
    assert found.outcomes == ("goes on", "completed")


def test_an_expression_is_evaluated_each_time_the_line_is_come_to() -> None:
    replay = run_of(1, 12, 3)

    assert [one.value for one in replay.grep(4, "[i, total]")] == [
        "[0, 1]",
        "[1, 13]",
        "[2, 16]",
    ]
    assert [one.value for one in replay.grep(5, "total * 2")] == ["26", "32"]
    (first, *_) = replay.grep(4, "missing.x")
    assert first.value is None
    assert first.error is not None
    with pytest.raises(InvalidRequest, match="no statement begins on line 7"):
        list(replay.grep(7, "1"))
    with pytest.raises(EvaluationRefused):
        list(replay.grep(4, "total = 3"))


def test_past_executions_are_compared_and_asked(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'const s = await Task.run("square", { x: Inputs.x })\nreturn s > 10 ? "big" : "small"'

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            with pytest.raises(EvaluationRefused, match="this is no expression"):
                await stage.app.history_service.grep("it", 2, ")(")
            for x in (2, 5):
                await stage.start("it", {"x": x}, id=f"x{x}")
                await stage.end(f"x{x}")
            histories = stage.app.history_service

            found = await histories.grep("it", 2, "s")
            compared = await histories.diff("x2", "x5")

            assert {id_: [one.value for one in came] for id_, came in found.items()} == {
                "x5": ["25"],
                "x2": ["4"],
            }
            assert compared.parts == "nowhere"
            assert compared.variables["Inputs"] == ('{"x":2}', '{"x":5}')

    run(story())


def test_which_past_executions_are_asked_can_be_said(
    database_url: str, namespace: str, run: Run
) -> None:
    """By status, error, time and queue; of those that ended, the last ones."""
    source = """
        const { x } = Inputs
        if (x === 1) throw new TypeError("one")
        if (x === 2) throw new RangeError("two")
        if (x === 3) await Signal.when("never")
        return x
    """

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source) as stage:
            for x in (5, 1, 2, 4, 3):
                await stage.start("it", {"x": x}, id=f"x{x}")
                if x != 3:
                    await stage.end(f"x{x}")
            await stage.until("x3", "decided")
            histories = stage.app.history_service
            fourth = await stage.app.execution_service.get_execution("x4")
            assert fourth is not None

            async def asked(**which: Any) -> list[str]:
                found = await histories.grep("it", 3, "x", **which)
                report = await histories.impact("it", source, **which)
                assert sorted(report.unchanged) == sorted(found)
                return list(found)

            assert await asked() == ["x3", "x4", "x2", "x1", "x5"]
            assert await asked(last=2) == ["x3", "x4", "x2"]
            assert await asked(filters={"status": "failed"}) == ["x2", "x1"]
            assert await asked(filters={"status": "suspended"}) == ["x3"]
            assert await asked(filters={"error_name": "TypeError"}) == ["x1"]
            assert await asked(filters={"error_name": "TypeError", "status": "failed"}) == ["x1"]
            assert await asked(filters={"error_name": "TypeError", "status": "completed"}) == []
            assert await asked(filters={"error_name": "URIError"}) == []
            assert await asked(filters={"created_after": fourth.created_at}) == ["x3", "x4"]
            before = await asked(filters={"created_before": fourth.created_at})
            assert before == ["x2", "x1", "x5"]
            assert await asked(filters={"queue": "other"}) == []
            with pytest.raises(InvalidRequest, match="no parameter 'state'"):
                await asked(filters={"state": "failed"})

    run(story())
