"""Compare Flow with Node 20 on generated programs.

    scripts/fuzz-node --programs 300 --seed 1            compare; print what differs, shrunk
    scripts/fuzz-node --programs 300 --seed 1 --coverage and how often what ran
    scripts/fuzz-node --record 150 --seed 1              write Node's answers for the tests

The program number i of seed S is always the same. The exit status is 1 if anything differed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.flowlang.fuzz import flow_side, recorded
from tests.flowlang.fuzz.answers import Answer, difference
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.coverage import Coverage
from tests.flowlang.fuzz.generator.program import Generated, generate
from tests.flowlang.fuzz.node_side import NodeSide
from tests.flowlang.fuzz.shrinking import shrink_choices, shrink_source


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.record:
        count = recorded.record(options.seed, options.record)
        print(f"recorded what Node does with {count} programs")
        return 0
    with NodeSide(options.coverage) as node:
        return _Run(options, node).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fuzz-node", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", default="1", help="which programs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--coverage", action="store_true", help="print how often what ran")
    parser.add_argument("--least", type=int, default=50, help="what --coverage calls rare")
    parser.add_argument("--record", type=int, help="write the answers to so many programs")
    parser.add_argument("--show", type=int, help="print this program and both answers")
    parser.add_argument("--shown", type=int, default=10, help="how many differences are shrunk")
    return parser


class _Run:
    """Many programs on both sides."""

    def __init__(self, options: argparse.Namespace, node: NodeSide) -> None:
        self._options = options
        self._node = node
        self._coverage = Coverage()
        self._differences = 0
        self._statuses: Counter[str] = Counter()

    def run(self) -> int:
        options = self._options
        if options.coverage:
            self._coverage.watch_library()
        if options.show is not None:
            self._show(options.show)
            return 0
        began = time.monotonic()
        for number in range(options.first, options.first + options.programs):
            self._compare(number)
        seconds = time.monotonic() - began
        statuses = ", ".join(f"{count} {name}" for name, count in self._statuses.most_common())
        if options.coverage:
            print(self._coverage.report(options.least), end="\n\n")
        print(
            f"{options.programs} programs of seed {options.seed} in {seconds:.0f} s: "
            f"{self._differences} differ ({statuses})"
        )
        return 1 if self._differences else 0

    def _show(self, number: int) -> None:
        program = generate(Choices(f"{self._options.seed}/{number}"))
        node, flow = self._answers(program.source, program.script)
        print(program.source, difference(node, flow) or "no difference", sep="\n")

    def _compare(self, number: int) -> None:
        choices = Choices(f"{self._options.seed}/{number}")
        program = generate(choices)
        node, flow = self._answers(program.source, program.script)
        self._statuses[flow.status] += 1
        if self._options.coverage:
            self._coverage.pairs.update(program.pairs)
            self._coverage.add_source(program.source, node.ran)
        found = self._found(node, flow)
        if found is None:
            return
        self._differences += 1
        if self._differences > self._options.shown:
            print(f"-- program {number} differs in {found.splitlines()[0]}", flush=True)
            return
        small = self._shrunk(choices.taken, program, _kind(node, flow))
        node, flow = self._answers(small.source, small.script)
        print(f"-- program {number} {small.script} differs in {self._found(node, flow)}")
        if flow.status == "crash":
            print(flow.error)
        print("\n".join(line for line in small.source.splitlines() if line.strip()), flush=True)

    def _answers(self, source: str, script: tuple[int, ...]) -> tuple[Answer, Answer]:
        return self._node.run(source, script), flow_side.run(source, script)

    def _found(self, node: Answer, flow: Answer) -> str | None:
        if flow.status == "limit":
            return None  # declared: programs that grow are not what this is for
        return difference(node, flow)

    def _shrunk(self, taken: list[int], program: Generated, kind: tuple[str, ...]) -> Generated:
        """The smallest program found that differs in the same way."""

        def differs(source: str, script: tuple[int, ...]) -> bool:
            node, flow = self._answers(source, script)
            return self._found(node, flow) is not None and _kind(node, flow) == kind

        def generated_differs(choices: list[int]) -> bool:
            candidate = generate(Choices(recorded=choices))
            return differs(candidate.source, candidate.script)

        small = generate(Choices(recorded=shrink_choices(taken, generated_differs)))
        script = small.script
        if differs(small.source, ()):
            script = ()
        source = shrink_source(small.source, lambda text: differs(text, script))
        return Generated(source, script, small.pairs)


def _kind(node: Answer, flow: Answer) -> tuple[str, ...]:
    """In which way two answers differ; shrinking stays with one way."""
    special = ("refused", "crash")
    return tuple(one.status if one.status in special else "ran" for one in (node, flow))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
