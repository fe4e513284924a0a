"""The border where the store's errors become those that users catch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streams.errors as store
from rhythm.errors import (
    ConfigurationError,
    ConnectionLost,
    ExecutionExists,
    ExecutionFinished,
    ExecutionNotEnded,
    ExecutionNotFound,
    ExecutionNotStuck,
    InvalidRequest,
    NotPersisted,
    NotReplicated,
    ScheduleNotFound,
    StorageFull,
    UnreadableEvent,
    UnreadableRecord,
)


def unreadable(error: store.CorruptRecord) -> UnreadableEvent | UnreadableRecord:
    """Damage that the store has met, as users see it."""
    if error.version is not None:
        return UnreadableEvent(error.where, error.version, error.reason)
    return unreadable_projection(error.where, error.reason)


def unreadable_projection(execution_id: str, reason: str) -> UnreadableRecord:
    """What is kept of an execution for its readers is damaged."""
    return UnreadableRecord(
        f"what is stored of {execution_id!r}",
        reason,
        "'rhythm verify' tells all that is wrong with it, 'rhythm rebuild' makes what readers see "
        "anew from its events",
    )


def takes_no_signals(execution_id: str) -> str:
    """What is wrong with a signal to a task."""
    return f"{execution_id!r} is a task, which takes no signals; send it to its workflow"


@contextmanager
def translated() -> Iterator[None]:
    """Raise the store's errors as Rhythm's, from the original."""
    try:
        yield
    except store.NotPersisted as error:
        raise NotPersisted(error.address) from error
    except store.NotReplicated as error:
        raise NotReplicated(error.address, error.wanted, error.confirmed) from error
    except store.BackendUnavailable as error:
        raise ConnectionLost(error.address, error.reason) from error
    except store.BackendFull as error:
        raise StorageFull(error.address) from error
    except store.UnknownExecution as error:
        raise ExecutionNotFound(error.execution_id) from error
    except store.ExecutionAlreadyOver as error:
        raise ExecutionFinished(error.execution_id, error.status) from error
    except store.ExecutionAlive as error:
        raise ExecutionNotEnded(error.execution_id, error.status, error.below) from error
    except store.NotParked as error:
        raise ExecutionNotStuck(error.execution_id, error.wake) from error
    except store.TakesNoSignals as error:
        raise InvalidRequest("workflow_id", takes_no_signals(error.execution_id)) from error
    except store.ExecutionConflict as error:
        raise ExecutionExists(error.execution_id) from error
    except store.UnknownSchedule as error:
        raise ScheduleNotFound(error.schedule_id) from error
    except store.CorruptRecord as error:
        raise unreadable(error) from error
    except (store.BackendRefused, store.NotMigrated, store.SchemaMismatch) as error:
        raise ConfigurationError(str(error)) from error
