"""Everything the streams package can raise.

StreamsError              catch this to catch them all
├── BackendUnavailable    Redis did not answer in time: retry with backoff, or wait
│   ├── NotPersisted      the master has not written a change to its disk in time: repeat
│   └── NotReplicated     too few replicas confirmed a change in time: look at them, then repeat
├── BackendRefused        Redis answered and will not serve us (password, policy …): fix the setup
├── BackendFull           Redis is out of memory: make room, then repeat the call
├── NotMigrated           the namespace holds nothing yet: run the migration first
├── SchemaMismatch        the namespace was made by another release: use that, or another namespace
├── UnknownExecution      no execution has this id: check the id and the namespace
├── ExecutionAlreadyOver  the execution has ended: nothing can be added to it
├── ExecutionAlive        it, or something below it, has not ended: cancel it, or wait
├── NotParked             the execution goes on by itself: there is nothing to resume
├── TakesNoSignals        the execution is a task: signals go to workflows
├── ExecutionConflict     the id is taken by an execution of other content: choose another id
├── OtherLives            another execution is what was to be started: its id is in .execution_id
├── UnknownSchedule       no schedule has this id: check the id and the namespace
├── ScheduleChanged       somebody changed the schedule meanwhile: read it, then repeat
├── NotAsked              a failover lost what asked for this answer: drop it, it is asked anew
├── Overtaken             the message is not the next to be delivered: read the outbox again
├── WorkerLost            the worker's lease ran out: register again under a new incarnation
└── CorruptRecord         stored bytes do not decode: never retry
"""

from __future__ import annotations


class StreamsError(Exception):
    """Base of all errors of this package."""


class BackendUnavailable(StreamsError):
    """Redis did not answer, or not in time."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return (
            f"Redis at {self.address} does not answer ({self.reason}): "
            "check that it runs and that the address is right"
        )


class NotReplicated(BackendUnavailable):
    """The master has a change, but too few of its replicas confirmed it in time."""

    def __init__(self, address: str, wanted: int, confirmed: int) -> None:
        super().__init__(address, f"{confirmed} of {wanted} replicas confirmed a change")
        self.wanted, self.confirmed = wanted, confirmed
        self.args = (address, wanted, confirmed)

    def __str__(self) -> str:
        return (
            f"the master at {self.address} has the change, but {self.confirmed} of {self.wanted} "
            "replicas confirmed it: see that they run, then repeat the call"
        )


class NotPersisted(BackendUnavailable):
    """The master has a change, and had not written it to its disk in time."""

    def __init__(self, address: str) -> None:
        super().__init__(address, "a change was not written to disk")
        self.args = (address,)

    def __str__(self) -> str:
        return (
            f"the master at {self.address} has the change, but had not written it to its disk in "
            "time: see that the disk keeps up and that appendfsync is not 'no', then repeat it"
        )


class BackendRefused(StreamsError):
    """Redis answered, and refuses or cannot do what we need."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return f"Redis at {self.address} cannot be used: {self.reason}"


class BackendFull(StreamsError):
    """Redis has reached its memory limit and refused to store more."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address

    def __str__(self) -> str:
        return (
            f"Redis at {self.address} is out of memory and stored nothing: "
            "raise its maxmemory or remove data, then repeat the call"
        )


class NotMigrated(StreamsError):
    """The namespace has never been initialised."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self.address, self.namespace = address, namespace

    def __str__(self) -> str:
        return (
            f"namespace {self.namespace!r} at {self.address} has not been set up: "
            "run `rhythm migrate`, or initialise with auto_migrate(True)"
        )


class SchemaMismatch(StreamsError):
    """What the namespace holds is not as this release reads and writes it. Nothing was changed."""

    def __init__(self, namespace: str, found: int, expected: int) -> None:
        super().__init__(namespace, found, expected)
        self.namespace, self.found, self.expected = namespace, found, expected

    def __str__(self) -> str:
        made = (
            f"namespace {self.namespace!r} has schema {self.found}, and this release of Rhythm "
            f"reads and writes {self.expected}"
        )
        if self.found > self.expected:
            return f"{made}: a newer release set it up; use that one here, or another namespace"
        return (
            f"{made}: an older release set it up; let workers of that one finish what runs there, "
            "and give this one another namespace"
        )


class UnknownExecution(StreamsError):
    """No execution of this id is stored."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return f"there is no execution {self.execution_id!r}: check the id and the namespace"


class ExecutionAlreadyOver(StreamsError):
    """The execution has its terminal event."""

    def __init__(self, execution_id: str, status: str) -> None:
        super().__init__(execution_id, status)
        self.execution_id, self.status = execution_id, status

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} is already {self.status}: nothing can be added"


class ExecutionAlive(StreamsError):
    """An execution, or something below it, has not ended."""

    def __init__(self, execution_id: str, status: str, below: int) -> None:
        super().__init__(execution_id, status, below)
        self.execution_id, self.status, self.below = execution_id, status, below

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} is {self.status} and {self.below} below it have not "
            "ended: cancel it, or wait"
        )


class NotParked(StreamsError):
    """Nothing has to be done for the execution to go on."""

    def __init__(self, execution_id: str, wake: str) -> None:
        super().__init__(execution_id, wake)
        self.execution_id, self.wake = execution_id, wake

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} is not parked, it is {self.wake}"


class TakesNoSignals(StreamsError):
    """A signal was sent to a task."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} is a task: signals go to workflows"


class ExecutionConflict(StreamsError):
    """An id was used twice for starts that differ."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} exists with another target or other inputs: "
            "choose another id"
        )


class UnknownSchedule(StreamsError):
    """No schedule has this id."""

    def __init__(self, schedule_id: str) -> None:
        super().__init__(schedule_id)
        self.schedule_id = schedule_id

    def __str__(self) -> str:
        return f"no schedule {self.schedule_id!r} in this namespace"


class ScheduleChanged(StreamsError):
    """A change was to follow one revision of a schedule, which is at another."""

    def __init__(self, schedule_id: str) -> None:
        super().__init__(schedule_id)
        self.schedule_id = schedule_id

    def __str__(self) -> str:
        return f"schedule {self.schedule_id!r} was changed meanwhile: read it again, then repeat"


class OtherLives(StreamsError):
    """Another execution, of the same singleton or waiting for further starts, is what was to be
    started; none was created."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} lives, and is what was to be started"


class NotAsked(StreamsError):
    """An answer is for an event that the history of its receiver does not have any more."""

    def __init__(self, execution_id: str, n: int) -> None:
        super().__init__(execution_id, n)
        self.execution_id, self.n = execution_id, n

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} has not asked for an answer to command {self.n}: "
            "a failover has lost that it did; it asks again when it decides anew"
        )


class Overtaken(StreamsError):
    """A message is not the oldest of its outbox: delivered by another, or lost with a failover."""

    def __init__(self, entry: str) -> None:
        super().__init__(entry)
        self.entry = entry

    def __str__(self) -> str:
        return f"message {self.entry} is not the next to be delivered: read the outbox again"


class WorkerLost(StreamsError):
    """The worker's lease ran out and its work was given to others."""

    def __init__(self, worker: str) -> None:
        super().__init__(worker)
        self.worker = worker

    def __str__(self) -> str:
        return f"worker {self.worker!r} lost its lease: register again under a new name"


class CorruptRecord(StreamsError):
    """Stored bytes are not what this package wrote."""

    def __init__(self, where: str, reason: str, entry: str | None = None) -> None:
        """`where`: the execution, or the key; `entry`: of an event, its id in the stream."""
        super().__init__(where, reason, entry)
        self.where, self.reason, self.entry = where, reason, entry

    @property
    def version(self) -> int | None:
        """Of an event, its version; None for anything else, or if the entry tells none."""
        version = (self.entry or "").partition("-")[0]
        return int(version) if version.isdecimal() else None

    def __str__(self) -> str:
        what = "what is stored" if self.entry is None else f"event {self.entry}"
        return f"{what} of {self.where!r} cannot be read: {self.reason}"
