"""Going about in a history: what is seen at a place does not depend on the way there."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from flowlang import show
from rhythm import InvalidRequest, NondeterminismError
from rhythm.history import cursor
from rhythm.history.cursor import Replay
from rhythm.history.files import read
from rhythm.history.recording import Recording
from tests.rhythm.made_up import history_of_tasks

# Walking step by step through the crowd takes most of a minute, and shows nothing more.
HISTORIES = [
    path
    for path in sorted((Path(__file__).parents[1] / "histories").glob("*.json"))
    if path.stem != "crowd"
]
MOVES = ("forward", "back", "over", "out", "next_event", "previous_event")

Place = tuple[int, int]


@cache
def recorded(path: Path) -> Recording:
    return read(path)


def opened(path: Path) -> Replay:
    return cursor.opened(recorded(path))


def seen(replay: Replay) -> dict[str, Any]:
    """All that can be looked at where it stands, in words."""
    return {
        "stop": None if (at := replay.stop) is None else (at.line, at.column, at.is_round),
        "variables": {name: show(value) for name, value in replay.variables().items()},
        "stack": [(at.name, at.line) for at in replay.stack()],
        "waits": [(at.name, at.line, str(at.waits_for)) for at in replay.where()],
        "console": [line.text for line in replay.console()],
    }


@cache
def walked(path: Path) -> tuple[list[Place], dict[Place, dict[str, Any]]]:
    """All places of a history in order, each with what is seen there, going straight on."""
    replay = opened(path)
    replay.goto(replay.first, stop=1)
    order, sights = [replay.place], {replay.place: seen(replay)}
    while not replay.is_over:
        replay.forward()
        order.append(replay.place)
        sights[replay.place] = seen(replay)
    return order, sights


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_the_way_back_passes_the_same_places(path: Path) -> None:
    order, sights = walked(path)
    replay = opened(path)
    assert replay.is_over
    back = [replay.place]
    assert seen(replay) == sights[replay.place]

    while replay.place != order[0]:
        replay.back()
        back.append(replay.place)
        assert seen(replay) == sights[replay.place]

    assert back == order[::-1]


@settings(deadline=None, max_examples=40)
@given(
    path=st.sampled_from(HISTORIES),
    moves=st.lists(st.one_of(st.sampled_from(MOVES), st.integers(0, 10_000)), max_size=12),
)
def test_what_is_seen_at_a_place_does_not_depend_on_the_way_there(
    path: Path, moves: list[str | int]
) -> None:
    order, sights = walked(path)
    replay = opened(path)

    for move in moves:
        if isinstance(move, int):
            replay.goto(*order[move % len(order)])
            assert replay.place == order[move % len(order)]
        else:
            getattr(replay, move)()
        # Ends of turns that are passed by going on are places too, though no statement is there.
        if replay.place in sights:
            assert seen(replay) == sights[replay.place]


RACING = next(path for path in HISTORIES if path.stem == "racing")


def test_a_line_is_found_in_both_directions() -> None:
    replay = opened(RACING)
    order, sights = walked(RACING)
    line = sights[order[len(order) // 2]]["stop"][0]
    on_it = [place for place in order if sights[place]["stop"] and sights[place]["stop"][0] == line]

    replay.goto(replay.first, stop=1)
    there = [replay.place] if replay.stop is not None and replay.stop.line == line else []
    while replay.run_to(line) is not None:
        there.append(replay.place)
    replay.goto(replay.last)
    back = []
    while replay.run_back_to(line) is not None:
        back.append(replay.place)

    assert there == on_it
    assert back == on_it[::-1]


LOOP = """\
let total = 0
for (let i = 0; i < 300; i++) {
  total += await Task.run("add", { i })
}
return total
"""


def looping() -> Recording:
    """A history of 300 tasks, made up as the engine records it."""
    return history_of_tasks(LOOP, [{"output": i} for i in range(300)])


def test_a_condition_stops_where_it_first_holds_in_both_directions() -> None:
    recording = looping()
    program = flowlang.compile(recording.source)
    replay = Replay(recording.execution_id, program, recording.events)
    replay.goto(replay.first, stop=1)

    replay.run_to(condition="total > 100")
    first = show(replay.variables()["i"]), show(replay.variables()["total"])
    replay.goto(replay.last)
    replay.run_back_to(3, "total <= 100")
    last = show(replay.variables()["i"]), show(replay.variables()["total"])

    assert first == ("14", "105")
    assert last == ("14", "91")
    assert replay.evaluate("total * 2") == 182


def test_turns_in_which_nothing_of_the_script_runs_are_passed_over() -> None:
    """Results that a `Promise.all` gathers. They were opened one by one: minutes for a thousand."""
    source = """\
const asked = Array.from({ length: 200 }, (_, i) => Task.run("t", { i }))
const all = await Promise.all(asked)
const sum = all.length
return sum
"""
    made = history_of_tasks(source, [{"output": 1} for _ in range(200)])
    replay = Replay("made-up", flowlang.compile(made.source, made.path), made.events)

    replay.run_back_to(line=3)
    last = replay.version
    assert replay.back() is not None
    assert replay.version == 1
    for start in replay.version, last - 1:
        replay.goto(start)
        stop = replay.forward()
        assert stop is not None
        assert (replay.version, stop.line) == (last, 3)
    ran = [len(passed.seen) for passed in replay.visit(lambda machine, stop: stop)]
    assert ran[1:-1] == [0] * 199


def test_a_line_without_a_statement_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no statement begins on line 999"):
        opened(RACING).run_to(999)
    with pytest.raises(InvalidRequest, match="events 1 to"):
        opened(RACING).goto(10_000)


def test_a_damaged_history_opens_up_to_the_damage_and_says_so() -> None:
    recording = looping()
    program = flowlang.compile(recording.source)
    broken = list(recording.events)
    broken[100] = msgspec.structs.replace(broken[100], payload=b"\xc1")

    replay = Replay(recording.execution_id, program, broken)

    assert replay.last == 100
    assert "event 101" in str(replay.damage)


def test_a_history_that_the_script_would_not_make_is_refused() -> None:
    recording = looping()
    other = flowlang.compile(recording.source.replace('"add"', '"subtract"'))

    with pytest.raises(NondeterminismError, match=r"'add'.*'subtract'"):
        Replay(recording.execution_id, other, recording.events)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_running_to_a_line_finds_what_walking_there_does(path: Path) -> None:
    order, sights = walked(path)
    replay = opened(path)

    for line in replay.lines():
        passed = [at for at in order if sights[at]["stop"] and sights[at]["stop"][0] == line]
        # The walk begins at the first stop, to which it did not run.
        expected = [at for at in passed if at != order[0]]
        replay.goto(replay.first, stop=1)
        going = [replay.place for _ in expected if replay.run_to(line)]
        assert replay.run_to(line) is None
        assert going == expected
        back = [replay.place for _ in passed if replay.run_back_to(line)]
        assert back == passed[::-1]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_heat_counts_how_often_each_line_was_come_to(path: Path) -> None:
    order, sights = walked(path)
    replay = opened(path)
    counted: Counter[tuple[int, int, bool]] = Counter()
    heat: list[dict[int, int]] = []
    for place in order:
        if (stop := sights[place]["stop"]) is not None:
            counted[stop] += 1
        heat.append({line: 0 for line, _, _ in counted})
        for (line, _, _), count in counted.items():
            heat[-1][line] = max(heat[-1][line], count)

    for at in [*range(0, len(order), 7), len(order) - 1, len(order) // 2]:
        replay.goto(*order[at])
        assert replay.heat() == heat[at]
