"""What can be set, with the reason for every default, and where it may be set.

An argument goes before the environment (`RHYTHM_<NAME>`), the environment before a config file, the
file before the default. The file is the one named by `config_path` or RHYTHM_CONFIG_PATH, else
`rhythm.toml` in the current directory, else the table `[tool.rhythm]` of its `pyproject.toml`.
Files of the original Rhythm, with the address as `url` in a table `[database]`, are read too.

Addresses are checked here for what they say; whether a server answers there is not asked.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args
from urllib.parse import urlsplit

import msgspec

from rhythm.errors import ConfigurationError, did_you_mean, number, quoted
from rhythm.payloads import DEFAULT_LIMIT, kind_of

DEFAULT_NAMESPACE = "rhythm"

LogFormat = Literal["text", "json"]

CONFIG_FILE = "rhythm.toml"
PROJECT_FILE = "pyproject.toml"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set; durations in seconds.

    Raises ConfigurationError when made with a value that cannot work.
    """

    database_url: str | None = None
    """Address of the Redis; None when nobody gave one."""

    namespace: str = DEFAULT_NAMESPACE
    """First part of every key: several applications can share one Redis."""

    lease: float = 10.0
    # A dead worker's tasks start again after this long. Renewed every third of it, so two renewals
    # may be lost, and it is longer than the pauses of a busy machine or a failover of Redis.

    shutdown_grace: float = 20.0
    # For running tasks after SIGTERM. Kubernetes and systemd kill after 30 or more: there must be
    # time left to give the rest back, else it waits for the lease.

    client_timeout: float = 10.0
    # Of a call while Redis is gone. Longer than a usual failover; a caller is often somebody's
    # request, which should rather fail than hang.

    payload_limit: int = DEFAULT_LIMIT
    """Bytes of one encoded input, output or signal."""

    compression: bool = False
    """Whether payloads are stored compressed; see `rhythm.codecs`."""

    encryption_keys: str | None = None
    """Keys that payloads are encrypted with, as ``ID:BASE64`` with spaces between them: the
    last one encrypts, all decrypt."""

    unknown_task_patience: float = 60.0
    # How long a task that no worker knows is tried again: a rolling deploy starts the workflows of
    # the new release before all its workers are up.

    max_lost_workers: int = 5
    # How many workers in a row an execution may take down with it before it is parked as stuck.
    # Deploys and evictions take one or two; a script or task that kills its process takes them all.

    history_warning: int = 10_000
    history_limit: int = 50_000
    # Events of one workflow from which on `rhythm doctor` names it, and with more of which it is
    # ended: whoever takes it over from a lost worker replays them all, some tens of thousands a
    # second. A script that goes on for ever calls Workflow.restart.

    retention: float | None = None
    # How long after its end a tree is kept, with its history; None keeps all. The history is what
    # explains an execution, and only its owner knows when nobody will ask any more.

    build_id: str | None = None
    """Which build of your program a worker is, for `rhythm workers` and `rhythm doctor`; None is
    the Git commit that is checked out where it was started, if one is."""

    log_format: LogFormat = "text"
    """How `rhythm worker` logs: `text` for people, or `json`, one object a line."""

    concurrency: int = 100
    # Executions that a worker is at. Tasks mostly wait for others; those that compute want fewer.

    replicas: int = 0
    # How many replicas must have what a client's call wrote before it returns. Redis answers before
    # it replicates: with 0 a failover may lose what it just acknowledged. It costs a way to them.

    fsync: bool = False
    # Whether what a client's call wrote must be on the disks of the master and of these replicas
    # before it returns. With 'appendfsync everysec' that takes up to a second for each call.

    partitions: int | None = None
    # Into how many parts a new namespace is divided; one that is set up keeps its own. None is 1 on
    # one server, which gains nothing by more, and 16 on a Redis Cluster: enough for several masters
    # to share the work, few enough for every worker to wait at each.

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if not (name in _MAY_BE_NONE and value is None):
                check(value, name)

    def __repr__(self) -> str:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields["database_url"] = self.database_url_shown
        if self.encryption_keys is not None:
            fields["encryption_keys"] = "***"
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    @property
    def database_url_shown(self) -> str | None:
        """The address as it may be shown: with its password hidden."""
        return None if self.database_url is None else hide_password(self.database_url)


class SettingsArguments(TypedDict, total=False):
    """The settings as arguments of a call; None is as if it were not given."""

    database_url: str | None
    namespace: str | None
    lease: float | None
    shutdown_grace: float | None
    client_timeout: float | None
    payload_limit: int | None
    compression: bool | None
    encryption_keys: str | None
    unknown_task_patience: float | None
    max_lost_workers: int | None
    history_warning: int | None
    history_limit: int | None
    retention: float | None
    build_id: str | None
    log_format: LogFormat | None
    concurrency: int | None
    replicas: int | None
    fsync: bool | None
    partitions: int | None


def load_settings(
    *,
    config_path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] = ".",
    **arguments: Unpack[SettingsArguments],
) -> Settings:
    """The settings from arguments, environment and config file, in this order of precedence.

    Args:
        environ: instead of this process's environment.
        directory: where to look for a config file that nobody named.

    Raises:
        ConfigurationError: naming the place and the setting that cannot work, or the file that
            was named and cannot be read.
    """
    environ = os.environ if environ is None else environ
    _refuse_unknown("load_settings", arguments)
    given: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
    # An empty variable is how shells and compose files say "unset". Unknown RHYTHM_ variables are
    # not refused: Kubernetes makes RHYTHM_PORT and others for a service of that name.
    from_environment = {
        name: _from_variable(f"RHYTHM_{name.upper()}", name, text)
        for name in Settings.__struct_fields__
        if (text := environ.get(f"RHYTHM_{name.upper()}"))
    }
    named = config_path if config_path is not None else environ.get("RHYTHM_CONFIG_PATH") or None
    from_file = _read_named(Path(named)) if named is not None else _find_file(Path(directory))
    return Settings(**{**from_file, **from_environment, **given})


# Addresses.

_SENTINEL, _CLUSTER = ("redis+sentinel", "rediss+sentinel"), ("redis+cluster", "rediss+cluster")
_AVAILABLE = ("memory", "redis", "rediss", "unix", "redis+local", *_SENTINEL, *_CLUSTER)
_OTHER_DATABASES = {
    "postgres": "PostgreSQL",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "mongodb": "MongoDB",
    "mongodb+srv": "MongoDB",
    "amqp": "RabbitMQ",
    "amqps": "RabbitMQ",
    "kafka": "Kafka",
    "memcached": "Memcached",
}
_WHAT_TO_GIVE = "give redis://HOST:6379/0, or memory:// to try Rhythm without a server"


def check_database_url(url: object) -> str:
    """The address, if it is one that Rhythm can use.

    Those are `redis://`, `rediss://` (TLS), `unix://` (a socket), `memory://` (inside this process,
    nothing is kept), `redis+local://` (a server of one's own that keeps all in a folder),
    `redis+sentinel://` with the Sentinels' hosts and the name of the service, and
    `redis+cluster://` with some nodes of a Redis Cluster; for TLS, `rediss+` before these two.

    Raises:
        ConfigurationError: saying what to give instead.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"a Redis address must be text, not {kind_of(url)}", _WHAT_TO_GIVE)
    shown = hide_password(url)
    scheme, colon, rest = url.partition("://")
    if not colon:
        raise ConfigurationError(f"{quoted(shown)} is no Redis address", _WHAT_TO_GIVE)
    scheme = scheme.lower()
    if scheme in _AVAILABLE:
        if scheme in ("redis", "rediss"):
            _check_server(url, shown)
        elif scheme in _SENTINEL:
            _check_sentinels(url, shown)
        elif scheme in _CLUSTER:
            _check_cluster(url, shown)
        elif scheme == "unix" and not rest.partition("?")[0].strip("/"):
            raise ConfigurationError(
                f"{shown!r} names no socket",
                "give the path of the server's socket, as in unix:///run/redis/redis.sock",
            )
        elif scheme == "redis+local" and re.fullmatch("/[^?#]+", rest) is None:
            raise ConfigurationError(
                f"{shown!r} names no folder",
                "give its whole path and nothing behind it, as in redis+local:///var/lib/rhythm",
            )
        return url
    if scheme.partition("+")[0] in _OTHER_DATABASES or scheme in _OTHER_DATABASES:
        other = _OTHER_DATABASES.get(scheme) or _OTHER_DATABASES[scheme.partition("+")[0]]
        raise ConfigurationError(
            f"{shown!r}: Rhythm keeps its state in Redis, not in {other}", _WHAT_TO_GIVE
        )
    near = did_you_mean(scheme, _AVAILABLE)
    raise ConfigurationError(f"{shown!r}: {scheme}:// is unknown{near}", _WHAT_TO_GIVE)


def hide_password(url: str) -> str:
    """The address for showing: `redis://user:***@host:6379/0`.

    Where it cannot be told for sure which part is secret, more is hidden.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        return "***" if "@" in url else url
    user_info, at, place = rest.rpartition("@")
    if re.search(r"[/?#]", user_info):  # an unescaped password, or a query with an @
        return f"{scheme}://***"
    place = _SECRET_QUERY.sub(r"\1***", place)
    if not at:
        return f"{scheme}://{place}"
    user, separator, _ = user_info.partition(":")
    return f"{scheme}://{user + ':' if separator else ''}***@{place}"


_SECRET_QUERY = re.compile(r"([?&;][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&;#]*", re.IGNORECASE)


def _check_server(url: str, shown: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ConfigurationError(
            f"{shown!r} is no Redis address: the port must be a number from 1 to 65535",
            "a password with signs such as / ? # @ : in it must be percent-encoded",
        )
    database = parts.path.strip("/")
    if database and not re.fullmatch("[0-9]+", database):
        raise ConfigurationError(
            f"{shown!r} is no Redis address: after the host comes the number of a database",
            "write it as redis://HOST:6379/0",
        )


def _check_sentinels(url: str, shown: str) -> None:
    service, _, database = _check_hosts(url, shown).partition("/")
    if not service or (database and not re.fullmatch("[0-9]+", database)):
        raise ConfigurationError(
            f"{shown!r} is no address of Sentinels: after the hosts comes the name of the service, "
            "and perhaps the number of a database",
            "write it as redis+sentinel://HOST:26379,HOST:26379/SERVICE",
        )


def _check_cluster(url: str, shown: str) -> None:
    if _check_hosts(url, shown):
        raise ConfigurationError(
            f"{shown!r} is no address of a Cluster, which has no numbered databases",
            "write it as redis+cluster://HOST:6379,HOST:6379",
        )


def _check_hosts(url: str, shown: str) -> str:
    """The path of an address of several hosts."""
    if "[" in url.rpartition("@")[2]:
        # Python's own reading of addresses takes brackets for those of a single host.
        raise ConfigurationError(
            f"{shown!r} has an IPv6 address among its hosts, which cannot be read",
            "give the hosts by their names",
        )
    parts = urlsplit(url)
    for host in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"redis://{host}")
            is_host = bool(one.hostname) and one.port != 0
        except ValueError:
            is_host = False
        if not is_host:
            raise ConfigurationError(
                f"{shown!r} is no Redis address: it takes hosts with ports from 1 to 65535, "
                "separated by commas",
                "a password with signs such as / ? # @ : in it must be percent-encoded",
            )
    return parts.path.strip("/")


# Where settings come from.


def _from_variable(variable: str, name: str, text: str) -> object:
    """A setting from the environment, where all is text."""
    value: object = text
    if name in _SWITCHES:
        if text.lower() not in _SWITCHED:
            raise ConfigurationError(f"{variable} is {quoted(text)}", "make it true or false")
        value = _SWITCHED[text.lower()]
    elif name not in _TEXTS:
        whole = name in _WHOLE_NUMBERS
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            raise ConfigurationError(
                f"{variable} is {quoted(text)}",
                "make it a whole number" if whole else "make it a number of seconds",
            ) from None
    _CHECKS[name](value, variable)
    return value


def _find_file(directory: Path) -> dict[str, Any]:
    own = directory / CONFIG_FILE
    if own.is_file():
        return _settings_of(own, _read_toml(own))
    project = directory / PROJECT_FILE
    if project.is_file():
        tools = _read_toml(project).get("tool", {})
        if "rhythm" in tools:
            return _settings_of(project, tools["rhythm"])
    return {}


def _read_named(path: Path) -> dict[str, Any]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ConfigurationError(
            f"the config file {str(path)!r} {what}", "correct config_path or RHYTHM_CONFIG_PATH"
        )
    table = _read_toml(path)
    if path.name == PROJECT_FILE:
        tools = table.get("tool", {})
        if "rhythm" not in tools:
            raise ConfigurationError(f"{str(path)!r} has no table [tool.rhythm]", "add one")
        table = tools["rhythm"]
    return _settings_of(path, table)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:  # ValueError: no TOML, or no UTF-8
        raise ConfigurationError(
            f"the config file {str(path)!r} cannot be read: {error}"
        ) from error


def _settings_of(path: Path, table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: [tool.rhythm] must be a table, not {kind_of(table)}")
    table = _without_original_table(path, table)
    _refuse_unknown(str(path), table)
    for name, value in table.items():
        _CHECKS[name](value, f"{path}: {name}")
    return table


# What files of the original Rhythm have in their table [database] beside the url. The pool that it
# is about is not there: connections are opened as needed, and bounded.
_ORIGINAL_POOL = (
    "max_connections",
    "min_connections",
    "acquire_timeout_secs",
    "idle_timeout_secs",
    "max_lifetime_secs",
)


def _without_original_table(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """The settings, those from a table [database] as the original Rhythm has it by our names."""
    given = table.get("database")
    if not isinstance(given, dict):
        return table
    known = ("url", *_ORIGINAL_POOL)
    for name in given:
        if name not in known:
            raise ConfigurationError(
                f"{path}: [database] has no {quoted(name)}{did_you_mean(name, known)}",
                'write database_url = "…" above all tables',
            )
    rest = {name: value for name, value in table.items() if name != "database"}
    return {"database_url": given["url"], **rest} if "url" in given else rest


def _refuse_unknown(place: str, names: Mapping[str, object]) -> None:
    known = Settings.__struct_fields__
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"{place}: there is no setting {quoted(name)}{did_you_mean(name, known)}",
                f"settings are {', '.join(known)}",
            )


# What may be set to what.

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _check_namespace(value: object, name: str) -> None:
    # A colon or brace would let one namespace's keys look like another's, or move their slots.
    if not isinstance(value, str) or not _NAMESPACE.fullmatch(value):
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise ConfigurationError(
            f"{name} is {shown}", "make it 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )


_BUILD = re.compile(r"[!-~]{1,64}")


def _check_build(value: object, name: str) -> None:
    if not isinstance(value, str) or not _BUILD.fullmatch(value):
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise ConfigurationError(
            f"{name} is {shown}",
            "make it a short name without spaces, such as a version or a commit",
        )


def _check_log_format(value: object, name: str) -> None:
    if value not in get_args(LogFormat):
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise ConfigurationError(f"{name} is {shown}", "make it 'text' or 'json'")


def _check_url(value: object, name: str) -> None:
    try:
        check_database_url(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error.problem}", error.remedy) from None


def _seconds(least: float) -> "_Check":
    def check(value: object, name: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ConfigurationError(f"{name} is {kind_of(value)}", "make it a number of seconds")
        if not least <= value <= _MOST:  # also false for nan
            raise ConfigurationError(
                f"{name} is {number(value)} s", f"make it {least:g} s or more, up to {_MOST:,}"
            )

    return check


def _check_switch(value: object, name: str) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {kind_of(value)}", "make it true or false")


def _check_keys(value: object, name: str) -> None:
    # What is in it is looked at by who uses it, and shown by nobody.
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} is no text with a key", "write ID:BASE64")


def _whole(least: int, most: int = 10**9) -> "_Check":
    def check(value: object, name: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigurationError(f"{name} is {kind_of(value)}", "make it a whole number")
        if not least <= value <= most:
            raise ConfigurationError(
                f"{name} is {number(value)}", f"make it {least} or more, up to {most:,}"
            )

    return check


def check_setting(name: str, value: object, called: str) -> None:
    """Refuse what the setting `name` cannot be, under the name by which it was given.

    Raises:
        ConfigurationError: naming what it can be.
    """
    _CHECKS[name](value, called)


_Check = Callable[[object, str], None]

_MOST = 10**9
"""30 years, or 1 GB: more is a slip."""

_CHECKS: Mapping[str, _Check] = {
    "database_url": _check_url,
    "namespace": _check_namespace,
    # Below this a renewal every third of it comes too late on an ordinary busy machine.
    "lease": _seconds(0.1),
    "shutdown_grace": _seconds(0),
    "client_timeout": _seconds(0),
    "payload_limit": _whole(1024),
    "compression": _check_switch,
    "encryption_keys": _check_keys,
    "unknown_task_patience": _seconds(0),
    "max_lost_workers": _whole(1),
    "history_warning": _whole(1),
    "history_limit": _whole(10),
    "retention": _seconds(0),
    "build_id": _check_build,
    "log_format": _check_log_format,
    "concurrency": _whole(1),
    "replicas": _whole(0, most=100),
    "fsync": _check_switch,
    # A worker has three connections for each.
    "partitions": _whole(1, most=256),
}

_MAY_BE_NONE = ("database_url", "encryption_keys", "retention", "build_id", "partitions")

_TEXTS = ("database_url", "namespace", "encryption_keys", "build_id", "log_format")

_SWITCHES = ("compression", "fsync")
_SWITCHED = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

_WHOLE_NUMBERS = (
    "payload_limit",
    "max_lost_workers",
    "history_warning",
    "history_limit",
    "concurrency",
    "replicas",
    "partitions",
)
