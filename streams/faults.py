"""The one place that knows what Redis's errors mean: which pass, which last, and whose they are."""

from __future__ import annotations

import errno
import socket
import ssl

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from streams.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CorruptRecord,
    StreamsError,
)

FAULTS = (RedisError, RedisClusterException, OSError)
"""What redis-py raises; `translated` makes one of ours of it."""

_PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterError,
    RedisClusterException,
    OSError,
)
# A slot of a Cluster is on its way to another node, or has just arrived there.
_ON_THE_MOVE = (AskError, TryAgainError)
# How Redis begins errors of a state that passes: a script runs long, data is loaded, a disk is
# full, replicas are away, a master has changed. redis-py has no classes of their own for these.
_PASSING_WORDS = (
    "BUSY",
    "LOADING",
    "MISCONF",
    "NOREPLICAS",
    "UNBLOCKED",
)
_NO_DATABASE = ("DB index is out of range", "invalid DB index")
# A long command that nobody let in sent is refused before it is read.
_LOCKED_OUT = ("NOAUTH", "WRONGPASS", "Protocol error: unauthenticated")
# What comes of what is stored, and not of the server: see `DAMAGES` in transition.lua.
_DAMAGES = (
    "damaged: ",
    "attempt to ",
    "bad argument",
    "WRONGTYPE",
    "Invalid stream ID",
    "ID specified in XADD",
    "not an integer",
    "not a valid float",
    "hash value is not",
)
# What a script says that met a slot on the move half way. It cannot while every script names a key
# that never exists: see `keys.guard_of`.
_HALF_WAY = "non local key"


def translated(
    address: str, error: Exception, what: str, key: str, *, is_patient: bool = False
) -> StreamsError:
    """One of `FAULTS` as one of our errors.

    Args:
        address: of the server, its password hidden.
        what: was asked of it; `key` is the one it was about.
        is_patient: who asks waits without end, so was let in before and may be again.
    """
    text = str(error)
    if isinstance(error, AuthenticationError) or text.startswith(_LOCKED_OUT):
        kind = BackendUnavailable if is_patient else BackendRefused
        return kind(address, _of_password(text))
    if isinstance(error, NoPermissionError) or text.startswith("NOPERM"):
        return BackendRefused(address, text)
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        return BackendFull(address)
    if isinstance(error, _ON_THE_MOVE) or _HALF_WAY in text:
        return BackendUnavailable(address, "a slot of the Cluster is being moved")
    if isinstance(error, _PASSING) or is_read_only(error) or text.startswith(_PASSING_WORDS):
        return BackendUnavailable(address, _of_the_way(error) or _named(error))
    if isinstance(error, InvalidResponse):
        return BackendUnavailable(address, "what answers there does not speak Redis's protocol")
    if text.startswith(_NO_DATABASE):
        return BackendRefused(
            address, "it has no database of that number; one with 16, as usual, has 0 to 15"
        )
    if isinstance(error, ResponseError) and any(sign in text for sign in _DAMAGES):
        return CorruptRecord(key, _damage(text))
    if isinstance(error, ResponseError):
        return BackendRefused(address, f"{what} failed: {text}")
    return BackendUnavailable(address, _named(error))


def _of_the_way(error: Exception) -> str | None:
    """Why no connection came about, if the operating system said so."""
    # redis-py puts its number and its words, twice each, into a sentence of its own.
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    match cause:
        case socket.gaierror():
            return "the host's name is unknown"
        case ssl.SSLError():
            return f"TLS failed: {cause.reason or cause}"
        case OSError(errno=errno.ECONNREFUSED):
            return "nothing listens there"
        case OSError(errno=errno.ENOENT):
            return "there is no such socket"
        case OSError(errno=errno.EACCES):
            return "this user may not open it"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return "there is no way to that host"
    return None


def _named(error: Exception) -> str:
    return _first_line(str(error)) or type(error).__name__


def is_read_only(error: BaseException) -> bool:
    """Whether a master has become a replica; within a script redis-py does not see that."""
    return isinstance(error, ReadOnlyError) or str(error).startswith("READONLY")


def _damage(text: str) -> str:
    """What a script found, without where in the script it did."""
    said = text.rpartition("damaged: ")[2] if "damaged: " in text else text
    return _first_line(said.partition(" script: ")[0])


def _of_password(text: str) -> str:
    if "wrong" in text.lower() or "WRONGPASS" in text or "invalid" in text.lower():
        return "the user name or password in the address is not right"
    return "it wants a password; give it in the address, as redis://:PASSWORD@HOST:PORT"


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")
