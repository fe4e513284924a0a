"""Step through generated programs, and compare with what they do and say without a stepper.

    scripts/fuzz-stepping --programs 300 --seed 1    print what differs, shrunk

The programs are those of `scripts/fuzz-node`. The exit status is 1 if anything differed.
"""

from __future__ import annotations

import argparse
import sys
import time

import flowlang
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.generator.program import generate
from tests.flowlang.fuzz.shrinking import shrink_choices, shrink_source
from tests.flowlang.resuming.runs import run
from tests.flowlang.stepping.compared import SteppingDiffers, check_like_ordinary, check_shown


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("fuzz-stepping", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", default="1", help="which programs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    options = parser.parse_args(arguments)
    numbers = range(options.first, options.first + options.programs)
    differences = stops = compared = 0
    began = time.monotonic()
    for number in numbers:
        choices = Choices(f"{options.seed}/{number}")
        program = generate(choices)
        try:
            done = run(program.source, program.script)
            stops += check_like_ordinary(done)
            compared += check_shown(done)
        except (SteppingDiffers, flowlang.InternalError) as difference:
            differences += 1
            small, script = _shrunk(choices.taken)
            print(f"-- program {number}, {script}: {_difference(small, script) or difference}")
            print(small, flush=True)
    seconds = time.monotonic() - began
    print(
        f"{options.programs} programs of seed {options.seed} in {seconds:.0f} s: "
        f"{differences} differ, {stops} stops, {compared} of them compared"
    )
    return 1 if differences else 0


def _difference(source: str, script: tuple[int, ...]) -> str | None:
    try:
        done = run(source, script)
        check_like_ordinary(done)
        check_shown(done)
    except (SteppingDiffers, flowlang.InternalError) as difference:
        return str(difference)
    except (flowlang.FlowSyntaxError, ValueError):
        return None
    return None


def _shrunk(taken: list[int]) -> tuple[str, tuple[int, ...]]:
    """The smallest program found that still differs, with its script."""

    def generated_differs(choices: list[int]) -> bool:
        candidate = generate(Choices(recorded=choices))
        return _difference(candidate.source, candidate.script) is not None

    small = generate(Choices(recorded=shrink_choices(taken, generated_differs)))
    source = shrink_source(small.source, lambda text: _difference(text, small.script) is not None)
    return source, small.script


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
