"""What `scripts/bench-flow` measures: the figures of the language's speed, each with its bound.

A figure that is a ratio takes both sides one after the other, so that a busy machine slows both,
and compares what Flow computes with what Python does: a wrong answer is no figure. Every figure
can be taken of a share of its work, which says little about speed but shows that it works.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from itertools import count
from pathlib import Path
from time import process_time
from typing import Any, Final

import flowlang
from flowlang import Completed, Limits, Machine, Program, snapshot

LIMITS: Final = Limits(steps=20_000_000)
"""The loops of the figures are longer than those of a workflow may be."""

ORDER: Final = Path(__file__).with_name("order.flow").read_text(encoding="utf-8")
"""A workflow of 60 lines."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        unit: "x" for a ratio of two times, else "ms" or "µs".
        bound: what the figure may be at most.
        measure: takes the figure once, given the share of the work to do: 1 for the whole.
    """

    name: str
    unit: str
    bound: float
    measure: Callable[[float], float]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How much processor time a call takes, and its answer. Nothing here waits, so this is what
    a clock would show if nobody else used the machine. Garbage is swept up first."""
    gc.collect()
    began = process_time()
    answer = work()
    return process_time() - began, answer


def seconds_each(work: Callable[[], Any], times: int) -> float:
    """How long one of so many calls takes."""

    def repeat() -> None:
        for _ in range(times):
            work()

    return seconds(repeat)[0] / times


def run(source: str, inputs: dict[str, Any]) -> tuple[float, Any]:
    """How long a program takes that waits for nothing outside, and its result."""
    machine = Machine(flowlang.compile(source), inputs, limits=LIMITS)
    taken, turn = seconds(machine.start)
    if not isinstance(turn.outcome, Completed):
        raise AssertionError(f"ended with {turn.outcome}: {source}")
    return taken, turn.outcome.value


# ---------------------------------------------------------------------------------------- loops

LOOP: Final = "for (let i = 0; i < 1e6; i++) { s = s + i % 7 }"

SYNC_LOOP: Final = f"function f() {{ let s = 0; {LOOP} return s }} return f()"
ASYNC_LOOP: Final = f"let s = 0; {LOOP} return s"
UNTYPED_LOOP: Final = """
function f(s, n, d) { for (let i = 0; i < n; i++) { s = s + i % d } return s }
return f(0, 1e6, 7)
"""


def python_loop(n: int) -> int:
    s = 0
    for i in range(n):
        s = s + i % 7
    return s


def loop(source: str, share: float) -> float:
    """A loop of a million rounds over Python's."""
    n = round(1_000_000 * share)
    python, expected = seconds(lambda: python_loop(n))
    flow, result = run(source.replace("1e6", str(n)), {})
    assert result == expected, (result, expected)
    return flow / python


CALLBACKS: Final = """
return Inputs.numbers.map((x) => x * 3).filter((x) => x % 2 === 0).reduce((sum, x) => sum + x, 0)
"""


def python_callbacks(numbers: list[int]) -> int:
    tripled = map(lambda x: x * 3, numbers)  # noqa: C417 - the figure is about lambdas
    return reduce(lambda sum, x: sum + x, filter(lambda x: x % 2 == 0, tripled), 0)


def callbacks(share: float) -> float:
    """`map`, `filter` and `reduce` over 100,000 numbers, over Python's."""
    numbers = list(range(round(100_000 * share)))
    python, expected = seconds(lambda: python_callbacks(numbers))
    flow, result = run(CALLBACKS, {"numbers": [float(x) for x in numbers]})
    assert result == expected, (result, expected)
    return flow / python


APPENDS: Final = 'let s = ""; for (let i = 0; i < N; i++) { s = s + "ab" } return s.length'
MIXED_APPENDS: Final = 'let s = ""; for (let i = 0; i < N; i++) { s += i + "," } return s.length'
AWAITS: Final = "let i = 0; while (i < N) { await i; i++ } return i"


def times_100_000(source: str, share: float) -> float:
    """The milliseconds that something done 100,000 times takes."""
    n = round(100_000 * share)
    return run(source.replace("N", str(n)), {})[0] * 1e3 / n * 100_000


# ---------------------------------------------------------------------------------------- compiling

_fresh = count()


def workflow(parts: int) -> str:
    """A source of so many functions, each of 58 lines."""
    body = ORDER.split("```\n", 2)[2]
    return "".join(f"async function step{part}() {{\n{body}}}\n" for part in range(parts))


def compile_all(source: str) -> Program:
    """A text compiled as if it were new, all its functions lowered."""
    program = flowlang.compile(f"{source}// {next(_fresh)}\n")
    for function in program.functions:
        function.ready()
    return program


def compiling_order(share: float) -> float:
    """The milliseconds that a file of 60 lines takes."""
    return seconds(lambda: compile_all(ORDER))[0] * 1e3


def compiling(parts: int, share: float) -> float:
    """The milliseconds that so many times 58 lines take."""
    source = workflow(round(parts * share) or 1)
    return seconds(lambda: compile_all(source))[0] * 1e3


def compiling_again(share: float) -> float:
    """The microseconds until a program that the process knows is there."""
    flowlang.compile(ORDER)
    # Another string object each time: one that was asked for before knows its own hash.
    texts = iter([(ORDER + " ")[:-1] for _ in range(round(1000 * share) or 1)])
    return seconds_each(lambda: flowlang.compile(next(texts)), round(1000 * share) or 1) * 1e6


# ---------------------------------------------------------------------------------------- workflows

SMALL: Final = """
const { orderId, price, count = 1 } = Inputs;
const total = price * count;
if (total <= 0) throw new RangeError(`nothing to pay for order ${orderId}`);
const paid = await Task.run("charge", { orderId, total }, { timeout: "30s" });
return { orderId, paid: paid.id };
"""

SUSPENDED: Final = """
const { orderId, customer, items } = Inputs;
const rates = { food: 0.05, other: 0.19 }, tags = ["new", "gift"], seen = new Map([["a", 1]]);
const started = new Date(0), note = "fragile", vip = true, coupon = null, limit = 1e3;
const taxOf = (item) => item.price * (rates[item.kind] ?? rates.other);
let net = 0, tax = 0, count = 0, last, status = "open";
for (const item of items) { net += item.price; tax += taxOf(item); count++; last = item }
const reserving = Task.run("reserve", { orderId }), paying = Task.run("charge", { net });
const waiting = Timer.delay("1h");
const reserved = await reserving;
return { reserved, paying, waiting, customer, tags, seen, started, note, vip, coupon, limit, count,
  tax, last, status };
"""

INPUTS: Final[dict[str, Any]] = {
    "orderId": "order-7",
    "customer": {"name": "Ada", "email": "ada@example.org"},
    "items": [
        {"sku": "A1", "kind": "food", "price": 3.5},
        {"sku": "B2", "kind": "toys", "price": 20},
    ],
}

CONTEXT: Final = {"executionId": "e-1", "workflowName": "order", "queue": "default"}


def started(source: str, inputs: dict[str, Any]) -> Machine:
    """A machine that has run to where it waits."""
    machine = Machine(flowlang.compile(source), inputs, CONTEXT, seed=1, now_ms=1)
    turn = machine.start()
    assert turn.outcome is None, turn
    return machine


def starting(share: float) -> float:
    """The microseconds from inputs to a machine that waits."""
    inputs = {"orderId": "order-7", "price": 12.5, "count": 3}
    started(SMALL, inputs)
    return seconds_each(lambda: started(SMALL, inputs), round(1000 * share) or 1) * 1e6


def keeping(share: float) -> float:
    """The microseconds of encoding and decoding a machine that waits."""
    machine = started(SUSPENDED, INPUTS)

    def there_and_back() -> None:
        snapshot.decode(machine.program, snapshot.encode(machine), CONTEXT)

    there_and_back()
    return seconds_each(there_and_back, round(1000 * share) or 1) * 1e6


FIGURES: Final = (
    Figure("loop in a sync function", "x", 3, partial(loop, SYNC_LOOP)),
    Figure("loop in an async body", "x", 4, partial(loop, ASYNC_LOOP)),
    Figure("loop over untyped parameters", "x", 6, partial(loop, UNTYPED_LOOP)),
    Figure("map, filter, reduce with arrows", "x", 3, callbacks),
    Figure("compile 60 lines", "ms", 30, compiling_order),
    Figure("compile 1,000 lines", "ms", 500, partial(compiling, 17)),
    Figure("compile 40,000 tokens", "ms", 3000, partial(compiling, 63)),
    Figure("compile again", "µs", 50, compiling_again),
    Figure("encode and decode a state", "µs", 120, keeping),
    Figure("start a small workflow", "µs", 25, starting),
    Figure("100,000 appends of a literal", "ms", 100, partial(times_100_000, APPENDS)),
    Figure(
        "100,000 appends of a number and a text", "ms", 100, partial(times_100_000, MIXED_APPENDS)
    ),
    Figure("100,000 awaits of a plain value", "ms", 200, partial(times_100_000, AWAITS)),
)
