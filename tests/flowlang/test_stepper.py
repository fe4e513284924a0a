"""An execution seen statement by statement: the same run, and the truth at every stop.

`stepping.marking` makes programs say themselves where they are and what they see;
`scripts/fuzz-stepping` compares generated programs with that.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlang
from flowlang import (
    Completed,
    InternalError,
    Limits,
    Machine,
    Position,
    RunTask,
    Stepper,
    Stop,
    TaskCompleted,
    Turn,
    show,
)
from flowlang.compiler import Constants, lower
from flowlang.snapshot import StateTooLarge, decode
from flowlang.stepper import Lines
from tests.flowlang.fuzz import recorded
from tests.flowlang.resuming.runs import run
from tests.flowlang.stepping.compared import (
    Shown,
    check_like_ordinary,
    check_shown,
    shown,
    shown_at,
)

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "programs").glob("*.flow"))
DURABLE = sorted((HERE / "resuming" / "programs").glob("*.flow"))

WORK = """
const limit = 2
async function work(xs) {
  const sorted = xs.sort((a, b) => {
    const d = a - b
    return d
  })
  let total = 0
  for (const x of sorted) {
    try {
      total += x
      await Task.run("echo", { x })
    } finally {
      total += 100
    }
  }
  return total
}
const sum = await work([3, 1])
return sum
"""


def stepping(source: str, **arguments: object) -> Stepper:
    return Stepper(flowlang.compile(source), **arguments)  # type: ignore[arg-type]


def lines(stepper: Stepper) -> list[int]:
    """The lines that a turn, about to be begun, comes to."""
    found = []
    stop = stepper.start()
    while stop is not None:
        found.append(stop.line)
        stop = stepper.forward()
    return found


# ---------------------------------------------------------------------------------------- the same


@pytest.mark.parametrize("part", range(4))
def test_stepping_leads_to_the_same_commands_console_outcome_and_bytes(part: int) -> None:
    """Over all programs of the corpus, stopped and looked at everywhere, each turn opened from the
    state that an ordinary machine left."""
    stops = 0
    for path in (CORPUS + DURABLE)[part::4]:
        stops += check_like_ordinary(run(path.read_text(encoding="utf-8")))
    for program in recorded.read()[part::24]:
        stops += check_like_ordinary(run(program.source, program.script))

    assert stops >= 2000


def test_what_a_stepper_left_opens_in_an_ordinary_machine() -> None:
    stepper = stepping(WORK)
    stepper.start()
    stepper.finish()

    machine = decode(flowlang.compile(WORK), stepper.state(), {})
    turn = machine.feed(TaskCompleted(1, None), 0)

    assert turn.commands == (RunTask(2, "echo", {"x": 3}, {}, 12),)


@pytest.mark.parametrize("limit", ["steps", "memory"])
@pytest.mark.parametrize("spare", [0, -1])
def test_stops_are_not_charged_to_the_program(limit: str, spare: int) -> None:
    """With just what it needs it ends, with one less it fails, and where it fails without stops;
    whoever shows all its values takes nothing from it."""
    program = flowlang.compile(
        """
        const xs = Array.from({ length: 10 }, (_, i) => ({ i, text: "x".repeat(i) }))
        for (const x of xs) { while (x.i-- > 0) x.text += "y" }
        return xs.map(x => x.text.length)
        """
    )
    needed = next(n for n in range(10_000) if ends(Machine(program, limits=limited(limit, n))))
    limits = limited(limit, needed + spare)

    stepper = Stepper(program, limits=limits)
    stepper.start()
    texts: list[str] = []
    stepper.visit(lambda stop: texts.extend(map(show, stop.variables.values())))

    assert len(texts) > 200
    assert stepper.turn == Machine(program, limits=limits).start()
    assert ends(Machine(program, limits=limits)) is (spare == 0)


def test_a_text_that_is_looked_at_grows_as_it_does_unseen() -> None:
    """Appending to a long text copies, and charges, all of it when somebody else holds it."""
    program = flowlang.compile(
        """
        let text = "x".repeat(5000)
        for (let i = 0; i < 30; i++) text += "y"
        const add = s => { for (let i = 0; i < 30; i++) { s += "z"; null } return s }
        return add("x".repeat(5000)).length
        """
    )
    limits = Limits(memory=25_000)
    assert ends(Machine(program, limits=limits))

    stepper = Stepper(program, limits=limits)
    stepper.start()
    kept: list[Stop] = []
    stepper.visit(kept.append)

    assert stepper.turn is not None
    assert stepper.turn.outcome == Completed(5030)
    assert kept[20].variables["text"] != kept[10].variables["text"]


def limited(name: str, amount: int) -> Limits:
    return msgspec.structs.replace(Limits(), **{name: amount})


def ends(machine: Machine) -> bool:
    return isinstance(machine.start().outcome, Completed)


def test_ordinary_code_has_nothing_in_it_for_stepping() -> None:
    """Its lines are those of stepping code without what stops, so it cannot be slower."""
    for path in CORPUS:
        program = flowlang.compile(path.read_text(encoding="utf-8"))
        program.stepping.functions[0].ready()
        for info in program.analysis.functions:
            text = lower(program.analysis, info, program.units, Constants(), program.line_at).text
            assert "G[" not in text and "H(" not in text and "gates" not in text


# ---------------------------------------------------------------------------------------- the truth


@pytest.mark.parametrize(
    "path",
    # "texts" has 15,000 stops, and each of them is told in full.
    [path for path in (*DURABLE, *CORPUS[7::12]) if path.stem != "texts"],
    ids=lambda path: path.stem,
)
def test_stops_and_variables_are_what_the_program_says_itself(path: Path) -> None:
    check_shown(run(path.read_text(encoding="utf-8")))


def test_stops_and_variables_of_generated_programs_are_what_they_say_themselves() -> None:
    stops = [check_shown(run(one.source, one.script)) for one in recorded.read()[::50]]

    assert sum(stops) >= 100


def test_every_running_function_is_shown_with_its_place_and_variables() -> None:
    stepper = stepping(WORK)
    stepper.start()

    stop = stepper.run(lambda line: line == 6)

    assert stop is not None
    assert [(at.name, at.line, at.column, told(at)) for at in stop.calls] == [
        ("<anonymous>", 6, 5, [("function", {"a": "1", "b": "3", "d": "-2"})]),
        (
            "work",
            4,
            3,
            [
                (
                    "function",
                    {
                        "xs": "[3, 1]",
                        "sorted": "<not yet initialised>",
                        "total": "<not yet initialised>",
                    },
                )
            ],
        ),
        (
            "main",
            19,
            1,
            [
                (
                    "function",
                    {
                        "limit": "2",
                        "work": "[Function: work]",
                        "sum": "<not yet initialised>",
                    },
                )
            ],
        ),
    ]


def told(at: Position) -> list[tuple[str, dict[str, str]]]:
    return [
        (scope.kind, {name: show(value) for name, value in scope.variables.items()})
        for scope in at.scopes
        if scope.variables
    ]


def test_the_stack_goes_on_with_those_that_wait_for_the_running_function() -> None:
    """Through combinations as well; whoever waits for something else is in `where` alone."""
    stepper = stepping(
        """
        const leaf = async () => { await Task.run("a"); return 1 }
        const branch = async () => { await Promise.all([leaf(), Timer.delay(1)]) }
        const other = async () => { await Timer.delay(5) }
        const both = [branch(), other()]
        await Promise.all(both)
        """
    )
    stepper.start()
    stepper.finish()

    stepper.feed(TaskCompleted(1, None), 0)

    assert [(at.name, at.line) for at in stepper.stack()] == [
        ("leaf", 2),
        ("branch", 3),
        ("main", 6),
    ]
    assert [(at.name, str(at.waits_for)) for at in stepper.where()] == [
        ("branch", "all of function 'leaf' that runs and timer 2"),
        ("main", "all of function 'branch' at line 3 and function 'other' at line 4"),
        ("other", "timer 3"),
    ]


def test_a_function_whose_promise_has_settled_waits_for_nothing_any_more() -> None:
    stepper = stepping(
        """
        const ready = async () => { await null; return 1 }
        ready(); const one = 1
        await Task.run("a")
        """
    )
    stepper.start()

    stepper.run(lambda line: line == 4)

    assert [(at.name, str(at.waits_for)) for at in stepper.where()] == [
        ("ready", "nothing any more")
    ]


# ---------------------------------------------------------------------------------------- moving


def from_line(first: int) -> Lines:
    return lambda line: line >= first


@cache
def all_stops() -> list[tuple[int, Shown]]:
    """Those of the turn of `WORK` that sorts, and goes on to its first `await`."""
    stepper = stepping(WORK)
    stepper.start()
    return list(enumerate(shown(stepper), 1))


MOVES = st.one_of(
    st.tuples(st.just("goto"), st.integers(-2, 15)),
    st.tuples(st.just("forward"), st.integers(1, 4)),
    st.tuples(st.just("back"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["run", "run_back"]), st.integers(1, 19)),
    st.tuples(st.just("finish"), st.none()),
)


@settings(max_examples=60, deadline=None)
@given(moves=st.lists(MOVES, max_size=8))
def test_what_is_seen_at_a_stop_does_not_depend_on_the_way_there(
    moves: list[tuple[str, int | None]],
) -> None:
    stops = all_stops()
    stepper = stepping(WORK)
    stepper.start()
    at = 1
    for move, by in moves:
        match move, by:
            case "goto", int():
                stepper.goto(by)
                at = by
            case "forward", int():
                stepper.forward(by)
                at += by
            case "back", int():
                stepper.back(by)
                at -= by
            case "run", int():
                stepper.run(from_line(by))
                at = next((n for n, stop in stops if n > at and stop.line >= by), len(stops) + 1)
            case "run_back", int():
                stepper.run_back(from_line(by))
                at = max((n for n, stop in stops if n < at and stop.line >= by), default=1)
            case _:
                stepper.finish()
                at = len(stops) + 1
        at = min(max(at, 1), len(stops) + 1)

        if at > len(stops):
            assert stepper.stop is None and stepper.turn is not None
        else:
            assert stepper.stop is not None and stepper.turn is None
            assert stepper.stop.number == at
            assert shown_at(stepper.stop) == stops[at - 1][1]
    assert stepper.finish() == Machine(flowlang.compile(WORK)).start()


def test_statements_of_other_lines_are_passed_without_a_look_at_them() -> None:
    """A run asks of lines once, and looks at what it means alone; a gate may run empty many times
    on the way."""
    stepper = stepping(
        """let n = 0
for (let i = 0; i < 150000; i++)
  n += 1
n = 0
return n
"""
    )
    stepper.start()
    looked: list[int] = []
    asked: list[int] = []

    stop = stepper.run(
        lambda line: asked.append(line) or line in (4, 5),  # type: ignore[func-returns-value]
        lambda stop: looked.append(stop.line) or stop.line == 5,  # type: ignore[func-returns-value]
    )

    assert stop is not None
    assert (stop.line, stop.number) == (5, 1 + 1 + 300_000 + 1 + 1)
    assert looked == [4, 5]
    assert asked == [1, 2, 3, 4, 5]
    assert stepper.hits() == {1: 1, 2: 150_000, 3: 150_000, 4: 1, 5: 1}


def test_calls_are_stepped_over_and_out_of() -> None:
    stepper = stepping(
        """const inner = x => {
  const y = x + 1
  return y
}
const outer = x => {
  const z = inner(x)
  return [z].map(inner)[0]
}
const a = outer(1)
const b = outer(2)
"""
    )

    def places(*moves: str) -> list[int | None]:
        return [stop and stop.line for stop in (getattr(stepper, move)() for move in moves)]

    assert places("start", "over", "over", "over") == [1, 5, 9, 10]
    assert stepper.run_back(lambda line: line == 9) is not None
    assert places("forward", "over", "over") == [6, 7, 10]
    assert stepper.run_back(lambda line: line == 3, lambda stop: stop.calls[1].line == 6)
    assert places("out", "forward", "out", "out", "out") == [7, 2, 10, None, None]


def test_a_look_can_end_a_visit_and_see_all_that_can_be_seen_at_a_stop() -> None:
    stepper = stepping(WORK)
    stepper.start()

    stop = stepper.visit(lambda stop: len(stepper.stack()) == 2 and stop.line == 12)

    assert stop is not None and stop == stepper.stop
    assert stop.variables["total"] == 1


def test_what_fails_in_a_look_comes_out_and_leaves_the_stepper_where_it_was() -> None:
    """No catch of the program and none of the machine's gets it."""
    stepper = stepping("try { [1].map(x => x) } catch {}\nreturn 1")
    here = stepper.start()

    with pytest.raises(ZeroDivisionError):
        stepper.visit(lambda stop: 1 // (stop.number - 2) > 0)

    assert stepper.stop == here
    assert stepper.forward(2) is not None
    assert stepper.finish().outcome == Completed(1)


def test_hits_tell_how_often_each_line_was_come_to_until_here() -> None:
    stepper = stepping(WORK)
    stepper.start()

    stepper.goto(5)

    assert stepper.hits() == {2: 1, 4: 1, 5: 1, 6: 1, 19: 1}
    assert stepper.lines() == [2, 4, 5, 6, 8, 9, 11, 12, 14, 17, 19, 20]


# ---------------------------------------------------------------------------------------- turns


def test_turns_follow_each_other_as_a_machine_has_them() -> None:
    stepper = stepping(WORK)
    assert (stepper.stop, stepper.turn) == (None, None)

    assert lines(stepper) == [2, 19, 4, 5, 6, 8, 9, 11, 12]
    with pytest.raises(ValueError, match="finish it first"):
        _ = stepper.back() and stepper.feed(TaskCompleted(1, None), 5)
    with pytest.raises(ValueError, match="finish it first"):
        stepper.state()
    stepper.finish()
    assert stepper.feed(TaskCompleted(7, None), 5) is None
    assert stepper.turn == Turn()
    first = stepper.feed(TaskCompleted(1, None), 6)
    assert first is not None and (first.number, first.line) == (1, 14)
    stepper.finish()
    stepper.feed(TaskCompleted(2, None), 7)
    assert stepper.finish().outcome == Completed(204)
    with pytest.raises(InternalError, match="has ended"):
        stepper.feed(TaskCompleted(3, None), 8)
    assert stepper.where() == []
    assert stepper.back() is not None
    assert [at.name for at in stepper.stack()] == ["main"]


def test_a_state_over_its_limit_can_be_stepped_on_from_but_not_taken_out() -> None:
    stepper = stepping(
        'const big = "x".repeat(1e5); await Task.run("a"); return big.length',
        limits=Limits(state=1000),
    )
    stepper.start()
    stepper.finish()

    with pytest.raises(StateTooLarge):
        stepper.state()
    stepper.feed(TaskCompleted(1, None), 0)
    assert stepper.finish().outcome == Completed(100_000)
