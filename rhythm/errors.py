"""Everything Rhythm can raise, and what to do about each.

RhythmError                  catch this to catch them all
├── ConfigurationError       a setting, address or declaration is wrong: correct it, start again
│   └── MissingResource      a task asks for a type that the worker's resources do not give: add it
├── BlockingCall             a plain call inside of an event loop: await what it names instead
├── ConnectionLost           Redis did not answer in time: see that it runs, then repeat the call
│   ├── NotPersisted         the server's disk was too slow: see that it keeps up, then repeat
│   └── NotReplicated        too few replicas confirmed a change: see that they run, then repeat
├── StorageFull              Redis is out of memory; nothing was changed: make room, repeat the call
├── InvalidRequest           a parameter of the call is wrong; nothing was changed: correct the call
├── InvalidPayload           a value is not JSON; nothing was changed: convert it at the path named
├── PayloadTooLarge          a value is over the limit; nothing was changed: pass a reference to it
├── FlowSyntaxError          a .flow source has mistakes, all in .diagnostics: correct them
├── WorkflowNotRegistered    no source is known by that name: register it, or correct the name
├── TaskNotRegistered        no function is known by that name: import its module, or correct it
├── InvalidTaskInputs        the inputs do not fit the task's annotations: not retried, correct them
├── InvalidWorkflowInputs    the inputs do not fit the workflow's front matter: correct them
├── ExecutionNotFound        no execution has that id: check the id and the namespace
├── ExecutionExists          the id is taken by a different request: choose another id
├── ExecutionNotFinished     a result was asked for too early: wait_for_execution first
├── ExecutionNotEnded        it, or something below it, has not ended: cancel it, or wait
├── ExecutionNotStuck        it is neither stuck nor paused: there is nothing to resume
├── ExecutionFinished        it can take nothing any more: start another one
├── ExecutionFailed          it ended with the error in .error
├── ExecutionCancelled       it was cancelled before it ended
├── ScheduleNotFound         no schedule has that id: check the id and the namespace
├── ScheduleExists           the id is taken by a schedule that differs: change that one instead
├── WaitTimeout              it did not end in time (also a TimeoutError): wait again, or see why
├── StaleLease               the work belongs to another worker now: drop it, it will be done there
├── NondeterminismError      replay decided otherwise than the history says: deploy the old source
├── RunStuck                 a workflow under test cannot end: give it what it waits for
├── UnreadableEvent          a stored event is damaged or of a newer release: deploy that release
└── UnreadableRecord         what is kept beside the events is damaged: make it anew

Every error copies, pickles and compares by its fields; the sentence is built from them in
`__str__`. Messages carry names, sizes and paths, never payload values; addresses come with the
password hidden.

The original Rhythm's plain API raised Python's own errors; programs that catch those catch ours:
every error is a RuntimeError, ConfigurationError and InvalidRequest are ValueErrors too,
InvalidPayload is a TypeError, WaitTimeout a TimeoutError.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flowlang.errors
from flowlang.diagnostics import Diagnostic

# As long as the longest name: what is longer was meant to be something else.
_QUOTED_LENGTH = 128


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the known name nearest to `name`, or nothing if none is near."""
    if len(name) > _QUOTED_LENGTH:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def quoted(text: str) -> str:
    """`text` as errors show what somebody gave: in quotes, cut to what fits on a line."""
    return repr(text) if len(text) <= _QUOTED_LENGTH else f"{text[: _QUOTED_LENGTH - 1]!r}…"


def number(value: float) -> str:
    """`value` as errors show what somebody gave: a long one, which Python will not write, by its
    length."""
    if isinstance(value, int) and abs(value) >= 10**18:
        return f"a number of {value.bit_length()} bits"
    return str(value)


class RhythmError(RuntimeError):
    """Base of all that Rhythm raises on purpose."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash(type(self))  # by type alone: the fields may hold dicts


# What the program that uses Rhythm got wrong.


class ConfigurationError(RhythmError, ValueError):
    """A setting, an address or a declaration that cannot work."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class MissingResource(ConfigurationError):
    """Tasks ask for types that the worker's resources do not give."""

    def __init__(self, missing: Sequence[tuple[str, str]], provided: Sequence[str] = ()) -> None:
        """`missing` pairs each task's name with the name of the type it lacks."""
        RhythmError.__init__(self, tuple(missing), tuple(provided))
        self.missing, self.provided = tuple(missing), tuple(provided)
        lacks = ", ".join(f"task {task!r} needs {type_name}" for task, type_name in self.missing)
        gives = ", ".join(self.provided) or "nothing"
        self.problem = f"{lacks}, but the worker's resources give {gives}"
        self.remedy = "yield {type: value} for it from the function given as resources"


class InvalidRequest(RhythmError, ValueError):
    """A parameter of a call is wrong. Nothing was changed."""

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(argument, problem)
        self.argument, self.problem = argument, problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


class InvalidPayload(RhythmError, TypeError):
    """A value that JSON cannot carry. Nothing was changed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class PayloadTooLarge(RhythmError):
    """A value that takes more bytes, encoded, than the limit allows. Nothing was changed."""

    def __init__(self, path: str, size: int, limit: int) -> None:
        super().__init__(path, size, limit)
        self.path, self.size, self.limit = path, size, limit

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.size:,} bytes when encoded, at most {self.limit:,} are allowed; "
            "keep large data elsewhere and pass a reference to it, or raise payload_limit"
        )


class BlockingCall(RhythmError):
    """A call of the plain API in a thread that runs an event loop, which it would hold up."""

    def __init__(self, call: str, instead: str) -> None:
        """`instead`: the async call that does the same, of an application `app`."""
        super().__init__(call, instead)
        self.call, self.instead = call, instead

    def __str__(self) -> str:
        return (
            f"{self.call}() waits, and this thread runs an event loop, which would stand still; "
            f"use {self.instead}, or call it from another thread (asyncio.to_thread)"
        )


class FlowSyntaxError(RhythmError, flowlang.errors.FlowSyntaxError):
    """A `.flow` source that cannot be compiled. Nothing was registered.

    `diagnostics` are all of its mistakes and warnings in source order; the sentence is their
    reports, each with file, line, column, the line with a caret, and a hint.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        flowlang.errors.FlowSyntaxError.__init__(self, tuple(diagnostics))


class WorkflowNotRegistered(RhythmError):
    """No workflow of that name is known."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(name, tuple(known))
        self.name, self.known = name, tuple(known)

    def __str__(self) -> str:
        return (
            f"no workflow {self.name!r} is registered{did_you_mean(self.name, self.known)}; "
            f"known are: {', '.join(self.known) or 'none'}"
        )


class TaskNotRegistered(RhythmError):
    """No task of that name is known."""

    def __init__(self, name: str, known: Iterable[str] = (), queue: str | None = None) -> None:
        """`queue`: the one whose workers were asked; None for this process's own registry."""
        super().__init__(name, tuple(known), queue)
        self.name, self.known, self.queue = name, tuple(known), queue

    def __str__(self) -> str:
        where = f" by any worker of queue {self.queue!r}" if self.queue is not None else ""
        return (
            f"no task {self.name!r} is known{where}{did_you_mean(self.name, self.known)}; "
            f"known are: {', '.join(self.known) or 'none'}"
        )


class InvalidTaskInputs(RhythmError):
    """Inputs that do not fit a task's annotations. Such an attempt is not retried."""

    def __init__(self, task: str, path: str, reason: str) -> None:
        """`path` leads to the value, `items[3].price`; empty for the inputs as a whole."""
        super().__init__(task, path, reason)
        self.task, self.path, self.reason = task, path, reason

    def __str__(self) -> str:
        where = f"input {self.path!r}" if self.path else "inputs"
        return f"task {self.task!r}, {where}: {self.reason}"


class InvalidWorkflowInputs(RhythmError, ValueError):
    """Inputs that do not fit the schema in a workflow's front matter. Nothing was changed."""

    def __init__(self, workflow: str, path: str, reason: str) -> None:
        """`path` leads to the value, as in `inputs.items[3].price`."""
        super().__init__(workflow, path, reason)
        self.workflow, self.path, self.reason = workflow, path, reason

    def __str__(self) -> str:
        return f"workflow {self.workflow!r}, {self.path}: {self.reason}"


# What became of an execution.


class ExecutionNotFound(RhythmError):
    """No execution has that id in this namespace."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return f"no execution {self.execution_id!r}; check the id, the address and the namespace"


class ExecutionExists(RhythmError):
    """The id is taken by an execution that was started differently. Nothing was changed."""

    def __init__(self, execution_id: str, differs: Sequence[str] = ()) -> None:
        """`differs`: the parameters that are not as in the first request."""
        super().__init__(execution_id, tuple(differs))
        self.execution_id, self.differs = execution_id, tuple(differs)

    def __str__(self) -> str:
        how = f" and differs in {' and '.join(self.differs)}" if self.differs else ""
        return (
            f"execution {self.execution_id!r} exists already{how}; "
            "choose another id, or repeat the first request to get the first execution"
        )


class ScheduleNotFound(RhythmError):
    """No schedule has that id in this namespace."""

    def __init__(self, schedule_id: str, known: Sequence[str] = ()) -> None:
        super().__init__(schedule_id, tuple(known))
        self.schedule_id, self.known = schedule_id, tuple(known)

    def __str__(self) -> str:
        return (
            f"no schedule {self.schedule_id!r}{did_you_mean(self.schedule_id, self.known)}; "
            "list_schedules tells those there are"
        )


class ScheduleExists(RhythmError):
    """The id is taken by a schedule that was made differently. Nothing was changed."""

    def __init__(self, schedule_id: str, differs: Sequence[str] = ()) -> None:
        """`differs`: the parameters that are not as in the one there is."""
        super().__init__(schedule_id, tuple(differs))
        self.schedule_id, self.differs = schedule_id, tuple(differs)

    def __str__(self) -> str:
        how = f" and differs in {', '.join(self.differs)}" if self.differs else ""
        return (
            f"schedule {self.schedule_id!r} exists already{how}; "
            "use change_schedule, or choose another id"
        )


class ExecutionNotFinished(RhythmError):
    """The result of an execution that has none yet."""

    def __init__(self, execution_id: str, status: str) -> None:
        super().__init__(execution_id, str(status))
        self.execution_id, self.status = execution_id, str(status)

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} has no result yet, it is {self.status}; "
            "wait_for_execution gives it when it is finished"
        )


class ExecutionNotEnded(RhythmError):
    """Only what has ended, with all below it, can be deleted. Nothing was changed."""

    def __init__(self, execution_id: str, status: str, below: int) -> None:
        """`below`: how many of its descendants have not ended."""
        super().__init__(execution_id, str(status), below)
        self.execution_id, self.status, self.below = execution_id, str(status), below

    def __str__(self) -> str:
        below = f" and {self.below} below it have not ended" if self.below else ""
        return (
            f"execution {self.execution_id!r} is {self.status}{below}; "
            "cancel or terminate it, or wait for its end"
        )


class ExecutionNotStuck(RhythmError):
    """Nothing has to be done for the execution to go on."""

    def __init__(self, execution_id: str, wake: str) -> None:
        """`wake`: where it is instead, such as ``queued``."""
        super().__init__(execution_id, wake)
        self.execution_id, self.wake = execution_id, wake

    def __str__(self) -> str:
        where = (
            "paused with its workflow or task: resume that" if self.wake == "paused" else self.wake
        )
        return (
            f"execution {self.execution_id!r} is neither stuck nor paused by itself, it is {where}"
        )


class ExecutionFinished(RhythmError):
    """A signal or a command to an execution that is over. Nothing was changed."""

    def __init__(self, execution_id: str, status: str) -> None:
        super().__init__(execution_id, str(status))
        self.execution_id, self.status = execution_id, str(status)

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} is {self.status} and takes nothing any more"


class ExecutionFailed(RhythmError):
    """An execution ended with an error, whose details are in `error`.

    `error` has `name` and `message`, and where they are known `type`, `details`, `line` (of the
    `.flow`) and `traceback` (of a Python task).
    """

    def __init__(self, execution_id: str, target_name: str, error: Mapping[str, Any]) -> None:
        super().__init__(execution_id, target_name, dict(error))
        self.execution_id, self.target_name, self.error = execution_id, target_name, dict(error)

    @property
    def name(self) -> str:
        """The error's own name, such as `TypeError`."""
        return str(self.error.get("name") or "Error")

    @property
    def message(self) -> str:
        """The error's own message; may be empty."""
        return str(self.error.get("message") or "")

    def __str__(self) -> str:
        what = f"{self.name}: {self.message}" if self.message else self.name
        line = self.error.get("line")
        where = f" (line {line} of the workflow)" if line is not None else ""
        return f"execution {self.execution_id!r} of {self.target_name!r} failed: {what}{where}"


class ExecutionCancelled(RhythmError):
    """An execution was cancelled and has no output."""

    def __init__(self, execution_id: str, target_name: str, reason: str | None = None) -> None:
        super().__init__(execution_id, target_name, reason)
        self.execution_id, self.target_name, self.reason = execution_id, target_name, reason

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"execution {self.execution_id!r} of {self.target_name!r} was cancelled{why}"


class WaitTimeout(RhythmError, TimeoutError):
    """An execution did not finish in the time given. It goes on; only the waiting ended."""

    def __init__(
        self,
        execution_id: str,
        timeout: float,
        status: str,
        queue: str,
        workers: int | None = None,
        waits_for: Sequence[str] = (),
    ) -> None:
        """`timeout` in seconds; `workers` serve the queue now, None when that is not known.

        `waits_for` is what a suspended workflow waits for, each in words; empty if not known.
        """
        # Not through OSError.__init__, which would take the fields for errno, text and file name.
        waits_for = tuple(waits_for)
        self.args = (execution_id, timeout, str(status), queue, workers, waits_for)
        self.execution_id, self.timeout, self.status = execution_id, timeout, str(status)
        self.queue, self.workers, self.waits_for = queue, workers, waits_for

    def __str__(self) -> str:
        stands = (
            f"execution {self.execution_id!r} did not finish within {self.timeout:g} s, "
            f"it is {self.status}"
        )
        if self.waits_for:
            stands += f" and waits for {', '.join(self.waits_for)}"
        if self.workers is None:
            return f"{stands} in queue {self.queue!r}"
        if self.workers == 0:
            return f"{stands} and no worker serves its queue {self.queue!r}: start one"
        noun = "worker serves" if self.workers == 1 else "workers serve"
        return f"{stands}; {self.workers} {noun} its queue {self.queue!r}"


# What happens between a process and Redis.


class ConnectionLost(RhythmError):
    """Redis did not answer. Whether the call took effect is unknown unless it had an id."""

    def __init__(self, address: str, reason: str, waited: float | None = None) -> None:
        """`address` with its password hidden; `waited` in seconds, None when it was not retried."""
        super().__init__(address, reason, waited)
        self.address, self.reason, self.waited = address, reason, waited

    def __str__(self) -> str:
        waited = f" within {self.waited:g} s" if self.waited is not None else ""
        return (
            f"no answer from Redis at {self.address}{waited}: {self.reason}; "
            "check that the server runs and that the address is right"
        )


class NotPersisted(ConnectionLost):
    """The call took effect, but the master had not written it to its disk in time.

    With an `id` or a `request_id` it is safe to repeat; a power cut before it has may lose it.
    """

    def __init__(self, address: str) -> None:
        """`address` with its password hidden."""
        super().__init__(address, "not on disk")
        self.args = (address,)

    def __str__(self) -> str:
        return (
            f"the master at {self.address} has recorded it, but had not written it to its disk in "
            "time; see that the disk keeps up and that appendfsync is not 'no', then repeat it"
        )


class NotReplicated(ConnectionLost):
    """The call took effect, but fewer replicas than were asked for confirmed it in time.

    With an `id` or a `request_id` it is safe to repeat; a failover before they do may lose it.
    """

    def __init__(self, address: str, wanted: int, confirmed: int) -> None:
        """`address` with its password hidden; of how many replicas how many confirmed."""
        super().__init__(address, "too few replicas")
        self.args = (address, wanted, confirmed)
        self.wanted, self.confirmed = wanted, confirmed

    def __str__(self) -> str:
        return (
            f"the master at {self.address} has recorded it, but {self.confirmed} of {self.wanted} "
            "replicas confirmed it in time; see that they run, then repeat the call"
        )


class StorageFull(RhythmError):
    """Redis has reached its memory limit. Nothing was changed."""

    def __init__(self, address: str) -> None:
        """`address` with its password hidden."""
        super().__init__(address)
        self.address = address

    def __str__(self) -> str:
        return (
            f"Redis at {self.address} is out of memory and stored nothing; "
            "raise its maxmemory or remove data, then repeat the call"
        )


class StaleLease(RhythmError):
    """A worker settled work that is no longer its own. Nothing was written."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} is no longer this worker's to settle: its lease ran "
            "out or it was ended from outside; what was done here is dropped"
        )


class NondeterminismError(RhythmError):
    """Replay came to other commands than the history records. The execution is left as it is."""

    def __init__(
        self,
        execution_id: str,
        version: int,
        recorded: str,
        replayed: str,
        line: int | None = None,
        recorded_line: int | None = None,
    ) -> None:
        """`version`: the event that differs; both commands as text; `line` of the `.flow` that asks
        now, `recorded_line` of the one that asked then."""
        super().__init__(execution_id, version, recorded, replayed, line, recorded_line)
        self.execution_id, self.version, self.line = execution_id, version, line
        self.recorded, self.replayed = recorded, replayed
        self.recorded_line = recorded_line

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line is not None else ""
        return (
            f"replay of execution {self.execution_id!r} differs at event {self.version}{line}: "
            f"the history has {self.recorded}, the workflow now asks for {self.replayed}; "
            "run it with the source and the release that recorded it"
        )


class UnreadableEvent(RhythmError):
    """A stored event that this release cannot read: damaged, or of a type it does not know."""

    def __init__(self, execution_id: str, version: int, reason: str) -> None:
        super().__init__(execution_id, version, reason)
        self.execution_id, self.version, self.reason = execution_id, version, reason

    def __str__(self) -> str:
        return (
            f"event {self.version} of execution {self.execution_id!r} cannot be read: "
            f"{self.reason}; the execution is left as it is: run the release that wrote it, bring "
            "the event back from a copy, fork it at an event before, or terminate it"
        )


class UnreadableRecord(RhythmError):
    """Stored bytes that are no event, and not what Rhythm wrote. Nothing was changed."""

    def __init__(self, what: str, reason: str, remedy: str) -> None:
        """`what`: a definition, what is kept of an execution, or a key."""
        super().__init__(what, reason, remedy)
        self.what, self.reason, self.remedy = what, reason, remedy

    def __str__(self) -> str:
        return f"{self.what} cannot be read: {self.reason}; {self.remedy}"


class RunStuck(RhythmError):
    """A workflow under test goes on for ever, or waits for what nothing will bring."""

    def __init__(
        self, problem: str, waits: Sequence[str] = (), remedies: Sequence[str] = ()
    ) -> None:
        """`waits`: file, line, what is awaited and what for, each in a line."""
        super().__init__(problem, tuple(waits), tuple(remedies))
        self.problem, self.waits, self.remedies = problem, tuple(waits), tuple(remedies)

    def __str__(self) -> str:
        waits = "".join(f"\n  {wait}" for wait in self.waits)
        colon = ":" if waits else ""
        return "\n".join([f"{self.problem}{colon}{waits}", *self.remedies])
