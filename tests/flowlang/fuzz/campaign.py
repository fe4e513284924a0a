"""Many programs on both sides, by one process or several: what differs, and how often what ran."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from dataclasses import dataclass, field

from tests.flowlang.fuzz import flow_side
from tests.flowlang.fuzz.answers import Answer, difference
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.coverage import Coverage
from tests.flowlang.fuzz.generator.program import Generated, generate
from tests.flowlang.fuzz.node_side import NodeSide
from tests.flowlang.fuzz.shrinking import shrink_choices, shrink_source


@dataclass
class Found:
    """What many programs showed."""

    differences: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, other: Found) -> None:
        self.differences += other.differences
        self.statuses += other.statuses
        self.coverage.add(other.coverage)


def compare(seed: str, numbers: range, jobs: int, shown: int) -> Found:
    """Run the programs of these numbers, and print how they differ.

    Args:
        jobs: how many processes share the work.
        shown: how many differences each of them makes smaller, to show a program.
    """
    shares = [(seed, numbers[start::jobs], shown) for start in range(jobs)]
    if jobs == 1:
        return _compare_share(*shares[0])
    total = Found()
    # Not by forking: each process starts with what one alone would start with.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for found in pool.starmap(_compare_share, shares, chunksize=1):
            total.add(found)
    return total


def show(seed: str, number: int) -> None:
    """Print one program and how the answers to it differ."""
    program = generate(Choices(f"{seed}/{number}"), number)
    with NodeSide() as node:
        answers = (
            node.run(program.source, program.script),
            flow_side.run(program.source, program.script),
        )
    print(program.source, difference(*answers) or "no difference", sep="\n")


def _compare_share(seed: str, numbers: range, shown: int) -> Found:
    with NodeSide(coverage=True) as node:
        run = _Run(seed, shown, node)
        with run.found.coverage.watching():
            for number in numbers:
                run.compare(number)
        return run.found


class _Run:
    """Many programs on both sides."""

    def __init__(self, seed: str, shown: int, node: NodeSide) -> None:
        self.found = Found()
        self._seed = seed
        self._shown = shown
        self._node = node

    def compare(self, number: int) -> None:
        choices = Choices(f"{self._seed}/{number}")
        program = generate(choices, number)
        node, flow = self._answers(program.source, program.script)
        self.found.statuses[flow.status] += 1
        self.found.coverage.add_pairs(program.pairs)
        self.found.coverage.add_latest(node.ran)
        told = self._difference(node, flow)
        if told is None:
            return
        self.found.differences += 1
        if self.found.differences > self._shown:
            print(f"-- program {number} differs in {told.splitlines()[0]}", flush=True)
            return
        self.found.coverage.is_counting = False
        small = self._shrunk(choices.taken, number, program, _kind(node, flow))
        node, flow = self._answers(small.source, small.script)
        self.found.coverage.is_counting = True
        shown = [f"-- program {number} {small.script} differs in {self._difference(node, flow)}"]
        if flow.status == "crash":
            shown.append(str(flow.error))
        shown += [line for line in small.source.splitlines() if line.strip()]
        print("\n".join(shown), flush=True)

    def _answers(self, source: str, script: tuple[int, ...]) -> tuple[Answer, Answer]:
        return self._node.run(source, script), flow_side.run(source, script)

    def _difference(self, node: Answer, flow: Answer) -> str | None:
        if flow.status == "limit":
            return None  # declared: programs that grow are not what this is for
        return difference(node, flow)

    def _shrunk(
        self, taken: list[int], number: int, program: Generated, kind: tuple[str, ...]
    ) -> Generated:
        """The smallest program found that differs in the same way."""

        def differs(source: str, script: tuple[int, ...]) -> bool:
            node, flow = self._answers(source, script)
            return self._difference(node, flow) is not None and _kind(node, flow) == kind

        def generated_differs(choices: list[int]) -> bool:
            candidate = generate(Choices(recorded=choices), turn)
            return differs(candidate.source, candidate.script)

        # Most often the lines that stand in every program have no part in it.
        turn: int | None = None
        if not generated_differs(taken):
            turn = number
        small = generate(Choices(recorded=shrink_choices(taken, generated_differs)), turn)
        script = small.script
        if differs(small.source, ()):
            script = ()
        source = shrink_source(small.source, lambda text: differs(text, script))
        return Generated(source, script, small.pairs)


def _kind(node: Answer, flow: Answer) -> tuple[str, ...]:
    """In which way two answers differ; shrinking stays with one way."""
    special = ("refused", "crash")
    return tuple(one.status if one.status in special else "ran" for one in (node, flow))
