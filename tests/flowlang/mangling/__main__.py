"""Throw random and mangled texts at the language: only diagnostics and outcomes of programs may
come out, each within two seconds and the memory that is allowed.

    scripts/fuzz-text --texts 2000 --seed 1     try so many; print what goes wrong, shrunk
    scripts/fuzz-text --seed 1 --show 17        print one text and what becomes of it

They run in other processes, so one that crashes or hangs is a finding like others. The exit status
is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator

import flowlang
from tests.flowlang.hostile.measuring import MEBI, Measured
from tests.flowlang.mangling.texts import text
from tests.flowlang.mangling.trying import ended, measured, problem_of, shrunk

AT_ONCE = 100
"""Texts that share a process."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("fuzz-text", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000, help="how many texts")
    parser.add_argument("--seed", default="1", help="which texts")
    parser.add_argument("--first", type=int, default=0, help="the number of the first text")
    parser.add_argument("--show", type=int, help="print this text and what becomes of it")
    options = parser.parse_args(arguments)
    # What a process does only once is not what a text takes.
    flowlang.evaluate("return 1")
    if options.show is not None:
        shown = text(options.seed, options.show)
        print(_printable(shown), measured(shown), sep="\n")
        return 0
    outcomes: Counter[str] = Counter()
    slowest, largest = (0.0, 0), (0, 0)
    began = time.monotonic()
    problems = 0
    for number, tried, result in _tried(options.seed, options.first, options.texts):
        problem = problem_of(result)
        if problem is not None:
            problems += 1
            print(f"text {number} of seed {options.seed}: {problem}")
            print(_printable(shrunk(tried, problem)), "\n", flush=True)
            continue
        outcomes[result.answer] += 1
        slowest = max(slowest, (result.seconds, number))
        largest = max(largest, (result.peak, number))
    counted = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    print(
        f"{options.texts} texts of seed {options.seed} in {time.monotonic() - began:.0f} s: "
        f"{problems} went wrong; {counted}\n"
        f"the slowest, number {slowest[1]}, took {slowest[0]:.2f} s; "
        f"the largest, number {largest[1]}, {largest[0] // MEBI} MiB"
    )
    return 1 if problems else 0


def _tried(seed: str, first: int, count: int) -> Iterator[tuple[int, str, Measured]]:
    """Number and text of each, and how it ended."""
    last = first + count
    for start in range(first, last, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, last))
        texts = [text(seed, number) for number in numbers]
        yield from zip(numbers, texts, ended(texts), strict=True)


def _printable(text: str) -> str:
    """The text with lone surrogates as escapes: no terminal takes them."""
    return text.encode(errors="backslashreplace").decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
