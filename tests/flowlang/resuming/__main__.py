"""Go on from bytes in another process, at every suspension of generated programs.

    scripts/fuzz-resume --programs 300 --seed 1    print what differs, shrunk
    scripts/fuzz-resume --record                   write what tests/flowlang/goldens hold

Each program runs twice: as it is, and made to wait before each statement and at each `await`. The
programs are those of `scripts/fuzz-node`. The exit status is 1 if anything differed or was refused.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import flowlang
from flowlang.snapshot import StateTooLarge
from tests.flowlang.fuzz.choices import Choices
from tests.flowlang.fuzz.generator.program import Generated, generate
from tests.flowlang.fuzz.shrinking import shrink_choices, shrink_source
from tests.flowlang.resuming import goldens
from tests.flowlang.resuming.catalogue import Case, history, waiting
from tests.flowlang.resuming.elsewhere import Elsewhere, StateDiffers
from tests.flowlang.resuming.runs import run

_Form = Callable[[Case], Case]

_FORMS: dict[str, _Form] = {"as it is": lambda case: case, "made to wait": waiting}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("fuzz-resume", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", default="1", help="which programs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--record", action="store_true", help="write the goldens, see goldens.py")
    options = parser.parse_args(arguments)
    if options.record:
        print(f"recorded what {goldens.record()} programs do")
        return 0
    numbers = range(options.first, options.first + options.programs)
    differences = suspensions = refused = 0
    began = time.monotonic()
    with Elsewhere() as elsewhere:
        for number in numbers:
            choices = Choices(f"{options.seed}/{number}")
            program = generate(choices)
            for name, form in _FORMS.items():
                try:
                    count, found = _try(elsewhere, program, form)
                except flowlang.FlowSyntaxError as error:
                    refused += 1
                    print(f"-- program {number} {name} is refused: {error}", flush=True)
                    continue
                suspensions += count
                if found is None:
                    continue
                differences += 1
                small = _shrunk(elsewhere, choices.taken, program, form)
                _, found = _try(elsewhere, small, form)
                print(f"-- program {number} {name}, {small.script}: {found}")
                print(form(_case(small)).source, flush=True)
    seconds = time.monotonic() - began
    print(
        f"{options.programs} programs of seed {options.seed} in {seconds:.0f} s: "
        f"{differences} differ, {refused} refused, {suspensions} suspensions"
    )
    return 1 if differences or refused else 0


def _try(elsewhere: Elsewhere, program: Generated, form: _Form) -> tuple[int, str | None]:
    """How often the program was suspended, and what differed."""
    case = form(_case(program))
    try:
        done = run(case.source, case.script)
    except flowlang.InternalError as error:
        return 0, repr(error)
    except StateTooLarge:
        return 0, None  # declared: it ends there
    try:
        elsewhere.check(done)
    except StateDiffers as difference:
        return len(done.moments), str(difference)
    return len(done.moments), None


def _case(program: Generated) -> Case:
    """The program with a history that goes on in disorder behind its script."""
    return Case("generated", program.source, (*program.script, *history(1)))


def _shrunk(elsewhere: Elsewhere, taken: list[int], program: Generated, form: _Form) -> Generated:
    """The smallest program found of which a restored machine can be told from another."""

    def differs(source: str, script: tuple[int, ...]) -> bool:
        try:
            return _try(elsewhere, Generated(source, script, program.pairs), form)[1] is not None
        except (flowlang.FlowSyntaxError, ValueError):
            return False

    def generated_differs(choices: list[int]) -> bool:
        candidate = generate(Choices(recorded=choices))
        return differs(candidate.source, candidate.script)

    small = generate(Choices(recorded=shrink_choices(taken, generated_differs)))
    source = shrink_source(small.source, lambda text: differs(text, small.script))
    return Generated(source, small.script, small.pairs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
