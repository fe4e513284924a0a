"""What the exit code of every `rhythm` command means.

Scripts may rely on these numbers: one is never given a new meaning.

0    OK            done; for `run` and `wait`: the execution completed
1    FAILED        the execution failed or was cancelled, a .flow file has mistakes, or
                  `verify` or `doctor` found something that is wrong
2    USAGE         the command line itself is wrong: an option, an argument, a value
3    NOT_FOUND     no execution, schedule, workflow or task of that name
4    UNAVAILABLE   Redis cannot be reached or is full, or a setting, an address or a module is wrong
5    TIMED_OUT     what was waited for did not happen in time; it goes on
6    REFUSED       the request does not fit the state: the id is taken, the execution is over,
                  or is not over yet
130  INTERRUPTED   Ctrl-C
"""

from collections.abc import Mapping
from enum import IntEnum

from rhythm import errors


class Exit(IntEnum):
    """The table above, by name."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNAVAILABLE = 4
    TIMED_OUT = 5
    REFUSED = 6
    INTERRUPTED = 130


# A class not listed takes the code of the nearest base that is.
EXIT_OF: Mapping[type[errors.RhythmError], Exit] = {
    errors.RhythmError: Exit.FAILED,
    errors.ConfigurationError: Exit.UNAVAILABLE,
    errors.ConnectionLost: Exit.UNAVAILABLE,
    errors.StorageFull: Exit.UNAVAILABLE,
    errors.InvalidRequest: Exit.USAGE,
    errors.InvalidPayload: Exit.USAGE,
    errors.PayloadTooLarge: Exit.USAGE,
    errors.InvalidWorkflowInputs: Exit.USAGE,
    errors.WorkflowNotRegistered: Exit.NOT_FOUND,
    errors.TaskNotRegistered: Exit.NOT_FOUND,
    errors.ExecutionNotFound: Exit.NOT_FOUND,
    errors.ScheduleNotFound: Exit.NOT_FOUND,
    errors.ScheduleExists: Exit.REFUSED,
    errors.ExecutionExists: Exit.REFUSED,
    errors.ExecutionFinished: Exit.REFUSED,
    errors.ExecutionNotFinished: Exit.REFUSED,
    errors.ExecutionNotEnded: Exit.REFUSED,
    errors.ExecutionNotStuck: Exit.REFUSED,
    errors.WaitTimeout: Exit.TIMED_OUT,
}


def exit_code(error: errors.RhythmError) -> Exit:
    """The code with which a command ends that met `error`."""
    for cls in type(error).__mro__:
        if cls in EXIT_OF:
            return EXIT_OF[cls]
    raise AssertionError(f"{type(error).__name__} is no RhythmError")
