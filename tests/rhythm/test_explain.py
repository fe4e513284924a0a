"""What is told of an execution that stands still, or has failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from rhythm import RetryPolicy
from rhythm.tasks import TaskDefinition
from tests.rhythm.test_workflows import a_registry, fail, on_stage

Run = Callable[[Coroutine[Any, Any, None]], None]


def told(
    database_url: str,
    namespace: str,
    run: Run,
    source: str,
    *,
    decided: int = 1,
    workers_leave: bool = False,
    fails: bool = False,
) -> Any:
    """The explanation of a workflow when it has decided so often, or failed."""
    found: list[Any] = []

    async def story() -> None:
        async with on_stage(database_url, namespace, it=source, child="return 1") as stage:
            id_ = await stage.start("it", id="one")
            if fails:
                await stage.end(id_)
            else:
                await stage.until(id_, "decided", decided)
            if not workers_leave:
                found.append(await stage.app.history_service.explain(id_))
        async with on_stage(database_url, namespace, workers=0, it=source) as stage:
            if workers_leave:
                found.append(await stage.app.history_service.explain("one"))

    run(story())
    return found[0]


def test_a_wait_for_a_signal_names_line_signal_and_time_limit(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'const x = 1\nreturn await Signal.when("approval", { timeout: "7d" })'

    explanation = told(database_url, namespace, run, source)

    text = "\n".join(explanation.stands)
    assert "Workflow 'it' (one) is suspended." in text
    assert "it.flow:2 and waits for signal 'approval'" in text
    assert '2 | return await Signal.when("approval", { timeout: "7d" })' in text
    assert "Nobody has sent signal 'approval' yet (rhythm signal one approval)." in text
    assert re.search(r"^Its time limit ends at .* UTC, in 7 days\.$", text, re.MULTILINE)
    assert explanation.amiss == []


def test_a_timer_says_when_it_fires(database_url: str, namespace: str, run: Run) -> None:
    explanation = told(database_url, namespace, run, 'await Timer.delay("3h")')

    assert any("Timer 1 fires at" in s and "in 3 h" in s for s in explanation.stands)


def test_a_queue_that_nobody_serves_is_amiss(database_url: str, namespace: str, run: Run) -> None:
    source = 'return await Task.run("greet", { name: "Ada" }, { queue: "lonely" })'

    explanation = told(database_url, namespace, run, source)

    assert any("waits in queue 'lonely'" in sentence for sentence in explanation.stands)
    assert explanation.amiss == [
        "No worker serves queue 'lonely', where Task 1 'greet' waits: start one."
    ]


def test_a_failure_shows_the_line_and_the_child_that_it_came_from(
    database_url: str, namespace: str, run: Run
) -> None:
    source = 'const name = "Ada"\nawait Task.run("fail", { message: name })'

    explanation = told(database_url, namespace, run, source, fails=True)

    text = "\n".join(explanation.stands)
    assert "Workflow 'it' (one) failed at" in text
    assert '2 | await Task.run("fail", { message: name })' in text
    assert "^^^^" in text
    (child,) = explanation.past
    assert child.startswith("Task 1 'fail' failed with ")
    assert "Traceback" in child
    assert "(rhythm explain one/1)" in child


def test_workers_that_are_gone_are_missed(database_url: str, namespace: str, run: Run) -> None:
    source = 'return await Task.run("greet", { name: "Ada" }, { queue: "lonely" })'

    explanation = told(database_url, namespace, run, source, workers_leave=True)

    assert any("No worker serves queue 'lonely'" in sentence for sentence in explanation.amiss)


def test_a_failed_task_shows_its_traceback(database_url: str, namespace: str, run: Run) -> None:
    async def story() -> None:
        async with on_stage(database_url, namespace, it="return 1") as stage:
            id_ = await stage.start("fail", {"message": "no luck"}, exec_type="task")
            await stage.end(id_)
            explanation = await stage.app.history_service.explain(id_)

        assert "no luck" in explanation.stands[0]
        assert "Traceback" in explanation.stands[1]

    run(story())


def test_what_has_not_begun_stands_nowhere(database_url: str, namespace: str, run: Run) -> None:
    source = 'await Task.run("greet", { name: "Ada" })'

    async def story() -> None:
        async with on_stage(database_url, namespace, workers=0, it=source) as stage:
            for name, type_ in (("it", "workflow"), ("greet", "task")):
                id_ = await stage.start(name, {"name": "Ada"}, exec_type=type_)
                explanation = await stage.app.history_service.explain(id_)
                (sentence,) = explanation.stands
                assert f"{name!r} ({id_}) waits in queue 'default' since " in sentence
                assert explanation.amiss == [
                    "No worker serves queue 'default', where it waits: start one."
                ]

                later = await stage.app.execution_service.create_execution(
                    exec_type=type_, target_name=name, inputs={"name": "Ada"}, delay="3h"
                )
                (sentence,) = (await stage.app.history_service.explain(later)).stands
                assert f"{name!r} ({later}) is to begin at " in sentence
                assert sentence.endswith(", in 3 h.")

    run(story())


def test_a_task_that_failed_says_when_it_is_tried_again(
    database_url: str, namespace: str, run: Run
) -> None:
    async def story() -> None:
        retry = RetryPolicy(max_attempts=2, initial_interval="3h", max_interval="3h", jitter=0)
        again = TaskDefinition("fail_later", None, fail, options={"retry": retry.as_option()})
        async with on_stage(database_url, namespace, registry=a_registry(again)) as stage:
            id_ = await stage.start("fail_later", exec_type="task")
            await stage.until(id_, "attempt_failed")
            explanation = await stage.app.history_service.explain(id_)

        assert explanation.stands[0].endswith(", in 3 h.")
        assert "is tried again at " in explanation.stands[0]

    run(story())
