"""What a server says of itself, judged before it is relied on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from streams.errors import BackendRefused

OLDEST_REDIS = (7, 0, 5)
# Of Redis, and what a Valkey of any release says it is.
_WITH_WAITAOF = (7, 2)

# Of `maxmemory`, or of the machine's memory where that is not set: below it there is time to act.
_NEARLY_FULL, _AS_GOOD_AS_FULL = 0.85, 0.95
# A replica asks every second; one that is silent for longer has fallen behind, or is away.
_LAG_S = 10
# Of `maxclients`: a deploy that starts new workers before the old ones leave takes a part of it.
_MOST_CLIENTS = 0.9


class Concern(NamedTuple):
    """Something about a server that an operator should know.

    Attributes:
        code: a stable name.
        is_grave: whether work stands still by it, or is already lost.
        text: what is, in words.
        remedy: what to do about it.
    """

    code: str
    is_grave: bool
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}"


class ServerReport(NamedTuple):
    """What the server says of itself.

    Attributes:
        kind: ``embedded`` or ``redis``.
        version: its version, for an embedded one the one it imitates.
        persistence: how it keeps data, in words.
        maxmemory_policy: what it does when memory is full; empty when it does not say.
        concerns: what an operator should know.
        replicas: how many replicas follow it, of a Cluster's masters the fewest.
    """

    kind: Literal["embedded", "redis"]
    version: str
    persistence: str
    maxmemory_policy: str
    concerns: tuple[Concern, ...]
    replicas: int = 0


EMBEDDED = ServerReport("embedded", "7.2", "none: nothing is kept", "noeviction", ())


def processor_s(info: Mapping[str, Any]) -> float:
    """Processor seconds that a server's main thread has used by now, by its answer to INFO; those
    of the whole server where it does not tell them apart."""
    for suffix in ("_main_thread", ""):
        used = [info.get(f"used_cpu_{kind}{suffix}") for kind in ("user", "sys")]
        if None not in used:
            return sum(map(float, used))  # type: ignore[arg-type]  # none is None
    return 0.0


def judged(address: str, info: Mapping[str, Any], *, fsync: bool = False) -> ServerReport:
    """The report of a server by its answer to INFO.

    Args:
        fsync: whether it is to tell what it has written to its disk.

    Raises:
        BackendRefused: too old, or set to drop keys when memory is full; or it cannot tell.
    """
    version = str(info.get("redis_version", ""))
    is_valkey = "valkey_version" in info
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if fsync and numbers < _WITH_WAITAOF:
        raise BackendRefused(
            address,
            f"it is Redis {version}, and only 7.2 or newer tells what is on disk (fsync); use a "
            "newer one, or 'appendfsync always' without fsync: then it is before each answer",
        )
    if fsync and not _number(info, "aof_enabled"):
        raise BackendRefused(
            address,
            "it has no append-only file, so nothing is on disk when a call returns (fsync); set "
            "'appendonly yes'",
        )
    if not is_valkey and numbers < OLDEST_REDIS:
        raise BackendRefused(address, f"it is Redis {version}, and Rhythm needs 7.0.5 or newer")
    policy = str(info.get("maxmemory_policy", ""))
    if policy not in ("", "noeviction"):
        raise BackendRefused(
            address,
            f"its maxmemory-policy is {policy!r}, which would drop workflows when memory is "
            "full; set it to 'noeviction'",
        )
    shown = str(info["valkey_version"]) if is_valkey else version
    persistence, *concerns = _persistence(info)
    return ServerReport(
        "redis",
        shown,
        persistence,
        policy,
        (*concerns, *_room(info), *_replication(info)),
        _number(info, "connected_slaves"),
    )


def _persistence(info: Mapping[str, Any]) -> tuple[Any, ...]:
    """How it keeps data, and what is amiss with that."""
    concerns = []
    if _number(info, "aof_enabled"):
        persistence = "append-only file"
        if "err" in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")):
            concerns.append(
                Concern(
                    "aof-fails",
                    True,
                    "Redis cannot write its append-only file, and refuses writes until it can",
                    "look at its log: mostly the disk is full, or not its own to write on",
                )
            )
    elif _number(info, "rdb_last_save_time") and int(info.get("rdb_saves", 1)):
        persistence = "snapshots only"
        concerns.append(
            Concern(
                "snapshots-only",
                False,
                "Redis keeps snapshots only: a crash loses what came after the last one",
                "set 'appendonly yes'",
            )
        )
    else:
        persistence = "none"
        concerns.append(
            Concern(
                "no-persistence",
                False,
                "Redis keeps nothing on disk: a restart loses every execution",
                "set 'appendonly yes'",
            )
        )
    if info.get("rdb_last_bgsave_status") == "err":
        concerns.append(
            Concern(
                "snapshot-fails",
                True,
                "Redis could not write its last snapshot, and may refuse writes for it",
                "look at its log: mostly the disk is full, or there is no memory to fork "
                "(vm.overcommit_memory=1)",
            )
        )
    return persistence, *concerns


def _room(info: Mapping[str, Any]) -> Iterator[Concern]:
    """What is amiss with memory and connections."""
    limit, used = _number(info, "maxmemory"), _number(info, "used_memory")
    whole = limit or _number(info, "total_system_memory")
    if whole and used > whole * _NEARLY_FULL:
        of = "maxmemory" if limit else "the machine's memory"
        yield Concern(
            "memory-nearly-full",
            used > whole * _AS_GOOD_AS_FULL,
            f"Redis uses {used / whole:.0%} of {of}; when it is full, starts are refused",
            "set 'retention', delete what has ended ('rhythm bulk delete'), or give it more memory",
        )
    if evicted := _number(info, "evicted_keys"):
        yield Concern(
            "keys-evicted",
            True,
            f"Redis has dropped {evicted:,} keys since it was started, as an earlier "
            "maxmemory-policy let it: parts of executions may be gone",
            "run 'rhythm verify --all'; what it names is to be restored from a backup or deleted",
        )
    clients, most = _number(info, "connected_clients"), _number(info, "maxclients")
    if most and clients > most * _MOST_CLIENTS:
        yield Concern(
            "connections-nearly-used-up",
            False,
            f"{clients:,} of at most {most:,} connections are open; those beyond are refused",
            "raise 'maxclients' (and the limit of open files), or run fewer processes",
        )


def _replication(info: Mapping[str, Any]) -> Iterator[Concern]:
    """What is amiss with master and replicas."""
    if info.get("role") == "slave":
        yield Concern(
            "is-replica",
            True,
            f"this server is a replica of {info.get('master_host')}:{info.get('master_port')}, and "
            "takes no writes",
            "give the master's address, or that of the Sentinels: redis+sentinel://HOST/SERVICE",
        )
    for number in range(_number(info, "connected_slaves")):
        replica = info.get(f"slave{number}")
        if not isinstance(replica, Mapping):
            continue
        name, lag_s = f"{replica.get('ip')}:{replica.get('port')}", _number(replica, "lag")
        if replica.get("state") != "online" or lag_s > _LAG_S:
            state = f"silent for {lag_s} s" if lag_s > _LAG_S else str(replica.get("state"))
            yield Concern(
                "replica-behind",
                False,
                f"replica {name} is {state}: a failover to it now loses what it has not got",
                "look at its log and the network between them; see repl-backlog-size",
            )
    good, needed = info.get("min_slaves_good_slaves"), _number(info, "connected_slaves")
    if good is not None and not _number(info, "min_slaves_good_slaves"):
        yield Concern(
            "writes-refused",
            True,
            f"min-replicas-to-write is set and none of {needed} connected replicas is in time: "
            "Redis refuses writes",
            "bring the replicas back, or lower min-replicas-to-write",
        )


def _number(info: Mapping[str, Any], name: str) -> int:
    """A number of an answer; 0 where the server does not say."""
    try:
        return int(info.get(name, 0))
    except (TypeError, ValueError):
        return 0
