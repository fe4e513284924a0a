"""Compare Flow with Node 20 on generated programs.

    scripts/fuzz-node --programs 300 --seed 1        what differs, shrunk, and how often what ran
    scripts/fuzz-node --programs 300 --first 300     the next 300 of them
    scripts/fuzz-node --record 300 --seed 1          write Node's answers for the tests

The program number i of seed S is always the same. The exit status is 1 if anything differed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.flowlang.fuzz import recorded
from tests.flowlang.fuzz.campaign import compare, show


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.record:
        count = recorded.record(options.seed, options.record)
        print(f"recorded what Node does with {count} programs")
        return 0
    if options.show is not None:
        show(options.seed, options.show)
        return 0
    began = time.monotonic()
    numbers = range(options.first, options.first + options.programs)
    found = compare(options.seed, numbers, options.jobs, options.shown)
    seconds = time.monotonic() - began
    statuses = ", ".join(f"{count} {name}" for name, count in found.statuses.most_common())
    if options.counts:
        found.coverage.add_file(options.counts)
    print(found.coverage.report(options.least), end="\n\n")
    print(
        f"{options.programs} programs of seed {options.seed} in {seconds:.0f} s: "
        f"{found.differences} differ ({statuses})"
    )
    return 1 if found.differences else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fuzz-node", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", default="1", help="which programs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the work")
    parser.add_argument("--counts", type=Path, help="add how often what ran to this file's counts")
    parser.add_argument("--least", type=int, default=50, help="what ran less often is called rare")
    parser.add_argument("--record", type=int, help="write the answers to so many programs")
    parser.add_argument("--show", type=int, help="print this program and both answers")
    parser.add_argument("--shown", type=int, default=10, help="how many differences are shrunk")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
