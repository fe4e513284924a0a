"""What a server says of itself, judged before it is relied on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from streams.errors import BackendRefused

OLDEST_REDIS = (7, 0, 5)


class ServerReport(NamedTuple):
    """What the server says of itself.

    Attributes:
        kind: ``embedded`` or ``redis``.
        version: its version, for an embedded one the one it imitates.
        persistence: how it keeps data, in words.
        maxmemory_policy: what it does when memory is full; empty when it does not say.
        warnings: sentences an operator should read.
    """

    kind: Literal["embedded", "redis"]
    version: str
    persistence: str
    maxmemory_policy: str
    warnings: tuple[str, ...]


EMBEDDED = ServerReport("embedded", "7.2", "none: nothing is kept", "noeviction", ())


def judged(address: str, info: Mapping[str, Any]) -> ServerReport:
    """The report of a server by its answer to INFO.

    Raises:
        BackendRefused: too old, or set to drop keys when memory is full.
    """
    version = str(info.get("redis_version", ""))
    is_valkey = "valkey_version" in info
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if not is_valkey and numbers < OLDEST_REDIS:
        raise BackendRefused(address, f"it is Redis {version}, and Rhythm needs 7.0.5 or newer")
    policy = str(info.get("maxmemory_policy", ""))
    if policy not in ("", "noeviction"):
        raise BackendRefused(
            address,
            f"its maxmemory-policy is {policy!r}, which would drop workflows when memory is "
            "full; set it to 'noeviction'",
        )
    warnings = []
    if int(info.get("aof_enabled", 0)):
        persistence = "append-only file"
    elif int(info.get("rdb_last_save_time", 0)) and int(info.get("rdb_saves", 1)):
        persistence = "snapshots only"
        warnings.append(
            "Redis keeps snapshots only: a crash loses what came after the last one; "
            "set 'appendonly yes'"
        )
    else:
        persistence = "none"
        warnings.append(
            "Redis keeps nothing on disk: a restart loses every execution; set 'appendonly yes'"
        )
    shown = str(info["valkey_version"]) if is_valkey else version
    return ServerReport("redis", shown, persistence, policy, tuple(warnings))
