"""Where settings come from, what they may be, and what is shown of an address."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm.errors import ConfigurationError
from rhythm.settings import Settings, check_database_url, hide_password, load_settings


def load(tmp_path: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return load_settings(directory=tmp_path, environ=environ or {}, **arguments)


# Precedence.


def test_nobody_says_anything(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert settings == Settings()
    assert settings.database_url is None
    assert settings.database_url_shown is None
    assert (settings.namespace, settings.lease, settings.client_timeout) == ("rhythm", 10, 10)


def test_arguments_go_before_environment_before_file(tmp_path: Path) -> None:
    (tmp_path / "rhythm.toml").write_text(
        'database_url = "redis://file/0"\nnamespace = "file"\nlease = 3\nconcurrency = 7\n'
    )
    environ = {"RHYTHM_DATABASE_URL": "redis://env/0", "RHYTHM_NAMESPACE": "env"}

    settings = load(tmp_path, environ, database_url="redis://argument/0", namespace=None)

    assert settings.database_url == "redis://argument/0"
    assert settings.namespace == "env"
    assert (settings.lease, settings.concurrency) == (3, 7)
    assert settings.shutdown_grace == Settings().shutdown_grace


def test_every_setting_can_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "RHYTHM_DATABASE_URL": "memory://",
        "RHYTHM_NAMESPACE": "shop",
        "RHYTHM_LEASE": "2.5",
        "RHYTHM_SHUTDOWN_GRACE": "0",
        "RHYTHM_CLIENT_TIMEOUT": "1e1",
        "RHYTHM_PAYLOAD_LIMIT": "4096",
        "RHYTHM_COMPRESSION": "yes",
        "RHYTHM_ENCRYPTION_KEYS": "a:AAAA",
        "RHYTHM_UNKNOWN_TASK_PATIENCE": "5",
        "RHYTHM_MAX_LOST_WORKERS": "1",
        "RHYTHM_HISTORY_WARNING": "1",
        "RHYTHM_HISTORY_LIMIT": "10",
        "RHYTHM_RETENTION": "86400",
        "RHYTHM_BUILD_ID": "2026.11",
        "RHYTHM_LOG_FORMAT": "json",
        "RHYTHM_CONCURRENCY": "8",
        "RHYTHM_REPLICAS": "1",
        "RHYTHM_FSYNC": "true",
        "RHYTHM_PARTITIONS": "3",
    }

    assert {f"RHYTHM_{name.upper()}" for name in Settings.__struct_fields__} == set(environ)
    assert load(tmp_path, environ) == Settings(
        database_url="memory://",
        namespace="shop",
        lease=2.5,
        shutdown_grace=0,
        client_timeout=10,
        payload_limit=4096,
        compression=True,
        encryption_keys="a:AAAA",
        unknown_task_patience=5,
        max_lost_workers=1,
        history_warning=1,
        history_limit=10,
        retention=86400,
        build_id="2026.11",
        log_format="json",
        concurrency=8,
        replicas=1,
        fsync=True,
        partitions=3,
    )


def test_the_process_environment_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_NAMESPACE", "from-process")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rhythm.toml").write_text("concurrency = 3")

    settings = load_settings()

    assert (settings.namespace, settings.concurrency) == ("from-process", 3)


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    environ = {"RHYTHM_DATABASE_URL": "", "RHYTHM_LEASE": "", "RHYTHM_CONFIG_PATH": ""}

    assert load(tmp_path, environ) == Settings()


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    """Kubernetes makes these for a service called rhythm."""
    environ = {"RHYTHM_PORT": "tcp://10.0.0.1:6379", "RHYTHM_SERVICE_HOST": "10.0.0.1"}

    assert load(tmp_path, environ) == Settings()


# Config files.


def test_a_projects_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.rhythm]\nnamespace = "project"\n')
    assert load(tmp_path).namespace == "project"

    (tmp_path / "rhythm.toml").write_text('namespace = "own"\n')
    assert load(tmp_path).namespace == "own"


def test_a_project_without_the_table_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')

    assert load(tmp_path) == Settings()


def test_a_named_file_goes_before_those_lying_about(tmp_path: Path) -> None:
    (tmp_path / "rhythm.toml").write_text('namespace = "here"\nlease = 3')
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('namespace = "first"')
    second.write_text('namespace = "second"')
    environ = {"RHYTHM_CONFIG_PATH": str(second)}

    assert load(tmp_path, environ, config_path=first).namespace == "first"
    assert load(tmp_path, environ).namespace == "second"
    assert load(tmp_path, environ).lease == Settings().lease


def test_a_named_project_file(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.rhythm]\nnamespace = "project"\n')
    assert load(tmp_path, config_path=str(project)).namespace == "project"

    project.write_text("[tool]\n")
    with pytest.raises(ConfigurationError, match=r"has no table \[tool.rhythm\]; add one"):
        load(tmp_path, config_path=project)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        (
            "leese = 3",
            "there is no setting 'leese' (did you mean 'lease'?)",
            "settings are database_url, namespace, lease, shutdown_grace, client_timeout, "
            "payload_limit, compression, encryption_keys, unknown_task_patience, "
            "max_lost_workers, history_warning, history_limit, retention, build_id, log_format, "
            "concurrency, replicas, fsync, partitions",
        ),
        ("lease = 0", "lease is 0 s", "make it 0.1 s or more, up to 1,000,000,000"),
        ("lease = -1.5", "lease is -1.5 s", "make it 0.1 s or more, up to 1,000,000,000"),
        ("lease = nan", "lease is nan s", "make it 0.1 s or more, up to 1,000,000,000"),
        ("lease = true", "lease is a bool", "make it a number of seconds"),
        ('lease = "10s"', "lease is a str", "make it a number of seconds"),
        ("concurrency = 0", "concurrency is 0", "make it 1 or more, up to 1,000,000,000"),
        ("partitions = 257", "partitions is 257", "make it 1 or more, up to 256"),
        ("concurrency = 2.0", "concurrency is a float", "make it a whole number"),
        (
            "namespace = 3",
            "namespace is an int",
            "make it 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ),
        (
            'namespace = "a:{b}"',
            "namespace is 'a:{b}'",
            "make it 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ),
        (
            'database_url = "postgres://u:secret@h/d"',
            "database_url: 'postgres://u:***@h/d': Rhythm keeps its state in Redis, not in "
            "PostgreSQL",
            "give redis://HOST:6379/0, or memory:// to try Rhythm without a server",
        ),
    ],
)
def test_mistakes_in_a_file_name_the_file(
    tmp_path: Path, text: str, problem: str, remedy: str
) -> None:
    file = tmp_path / "rhythm.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)

    assert caught.value.problem == f"{file}: {problem}"
    assert caught.value.remedy == remedy


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'.*/none.toml' does not exist; correct config_"):
        load(tmp_path, config_path=tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match=r"is a folder; correct config_path"):
        load(tmp_path, config_path=tmp_path)

    (tmp_path / "rhythm.toml").write_bytes(b"lease = ")
    with pytest.raises(ConfigurationError, match=r"rhythm.toml' cannot be read: Invalid value"):
        load(tmp_path)
    (tmp_path / "rhythm.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigurationError, match="cannot be read: 'utf-8' codec"):
        load(tmp_path)


def test_a_project_table_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nrhythm = 3\n")

    with pytest.raises(ConfigurationError, match=r"\[tool.rhythm\] must be a table, not an int"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("RHYTHM_LEASE", "soon", "RHYTHM_LEASE is 'soon'; make it a number of seconds"),
        (
            "RHYTHM_LEASE",
            "inf",
            "RHYTHM_LEASE is inf s; make it 0.1 s or more, up to 1,000,000,000",
        ),
        ("RHYTHM_CONCURRENCY", "1.5", "RHYTHM_CONCURRENCY is '1.5'; make it a whole number"),
        (
            "RHYTHM_DATABASE_URL",
            "localhost:6379",
            "RHYTHM_DATABASE_URL: 'localhost:6379' is no Redis address; give "
            "redis://HOST:6379/0, or memory:// to try Rhythm without a server",
        ),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(
    tmp_path: Path, variable: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {variable: text})

    assert str(caught.value) == message


def test_unknown_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no setting 'leaze' \(did you mean 'lease'\?\)"):
        load(tmp_path, leaze=3)


def test_settings_are_checked_however_they_are_made() -> None:
    with pytest.raises(ConfigurationError, match=r"payload_limit is 10; make it 1024 or more"):
        Settings(payload_limit=10)
    with pytest.raises(ConfigurationError, match=r"lease is .* s; make it"):
        Settings(lease=10**400)


# Addresses.


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "redis://localhost",
        "redis://127.0.0.1:6379/0",
        "redis://user:p%40ss@db.example:6380/12?socket_timeout=3",
        "redis://[::1]:6379",
        "REDIS://localhost",
        "rediss://db.example:6379/1",
        "unix:///run/redis/redis.sock?db=2",
        "redis+local:///var/lib/rhythm",
        "unix://user:secret@/run/redis.sock",
        "redis+sentinel://:secret@a:26379,b,c:26380/orders",
        "redis+sentinel://a/orders/2?sentinel_password=other",
        "redis+cluster://user:secret@a:7000,b:7001",
        "redis+cluster://a/",
        "rediss+sentinel://a,b/orders?ssl_ca_certs=ca.pem",
        "rediss+cluster://user:secret@a:7000,b:7001",
    ],
)
def test_addresses_that_can_be_used(url: str) -> None:
    assert check_database_url(url) == url


GIVE = "; give redis://HOST:6379/0, or memory:// to try Rhythm without a server"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgres://user:pass@localhost/db",
            "'postgres://user:***@localhost/db': Rhythm keeps its state in Redis, not in "
            f"PostgreSQL{GIVE}",
        ),
        (
            "postgresql+asyncpg://localhost/db",
            "'postgresql+asyncpg://localhost/db': Rhythm keeps its state in Redis, not in "
            f"PostgreSQL{GIVE}",
        ),
        (
            "sqlite:///rhythm.db",
            f"'sqlite:///rhythm.db': Rhythm keeps its state in Redis, not in SQLite{GIVE}",
        ),
        (
            "redis+sentinel://a,b",
            "'redis+sentinel://a,b' is no address of Sentinels: after the hosts comes the name of "
            "the service, and perhaps the number of a database; write it as "
            "redis+sentinel://HOST:26379,HOST:26379/SERVICE",
        ),
        (
            "redis+cluster://a,b/1",
            "'redis+cluster://a,b/1' is no address of a Cluster, which has no numbered databases; "
            "write it as redis+cluster://HOST:6379,HOST:6379",
        ),
        (
            "redis+sentinel://:secret@a,[::1]:26380/orders",
            "'redis+sentinel://:***@a,[::1]:26380/orders' has an IPv6 address among its hosts, "
            "which cannot be read; give the hosts by their names",
        ),
        (
            "redis+cluster://a:0,b",
            "'redis+cluster://a:0,b' is no Redis address: it takes hosts with ports from 1 to "
            "65535, separated by commas; a password with signs such as / ? # @ : in it must be "
            "percent-encoded",
        ),
        (
            "redis+local://data",
            "'redis+local://data' names no folder; give its whole path and nothing behind it, "
            "as in redis+local:///var/lib/rhythm",
        ),
        ("reddis://h", f"'reddis://h': reddis:// is unknown (did you mean 'redis'?){GIVE}"),
        ("gopher://h", f"'gopher://h': gopher:// is unknown{GIVE}"),
        ("localhost:6379", f"'localhost:6379' is no Redis address{GIVE}"),
        ("", f"'' is no Redis address{GIVE}"),
        (
            "redis://localhost:port/0",
            "'redis://localhost:port/0' is no Redis address: the port must be a number from 1 to "
            "65535; a password with signs such as / ? # @ : in it must be percent-encoded",
        ),
        (
            "redis://localhost:0/0",
            "'redis://localhost:0/0' is no Redis address: the port must be a number from 1 to "
            "65535; a password with signs such as / ? # @ : in it must be percent-encoded",
        ),
        (
            "redis://localhost/cache",
            "'redis://localhost/cache' is no Redis address: after the host comes the number of a "
            "database; write it as redis://HOST:6379/0",
        ),
        (
            "unix://",
            "'unix://' names no socket; give the path of the server's socket, as in "
            "unix:///run/redis/redis.sock",
        ),
        (6379, f"a Redis address must be text, not an int{GIVE}"),
    ],
)
def test_addresses_that_cannot(url: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_database_url(url)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:secret@host", "redis://:***@host"),
        ("redis://secret@host", "redis://***@host"),
        ("redis://u:se@cret@host/0", "redis://u:***@host/0"),
        ("redis://u:se/cret@host/0", "redis://***"),
        ("redis://host/0?password=secret&db=1", "redis://host/0?password=***&db=1"),
        ("rediss://host/0?ssl_keyfile=a&ssl_password=secret", "rediss://host/0?ssl_keyfile=***&ssl_password=***"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("memory://", "memory://"),
        ("secret@host", "***"),
    ],
)  # fmt: skip
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@given(
    st.text(min_size=1).map(lambda secret: f"§{secret}§"),
    st.sampled_from(
        ["redis://u:{}@host/0", "redis://{}@host", "redis://h?password={}", "{}@host", "x://:{}@"]
    ),
)
def test_no_password_is_ever_shown(secret: str, address: str) -> None:
    """However unescaped it is: in the address as shown, in errors, in repr."""
    url = address.format(secret)

    assert secret not in hide_password(url)
    try:
        assert secret not in repr(Settings(database_url=url))
    except ConfigurationError as error:
        assert secret not in str(error)


def test_settings_do_not_show_the_password() -> None:
    settings = Settings(database_url="redis://u:secret@host/0", namespace="shop")

    assert settings.database_url_shown == "redis://u:***@host/0"
    assert repr(settings).startswith(
        "Settings(database_url='redis://u:***@host/0', namespace='shop', lease=10.0, "
    )


def test_the_docs_list_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", page, re.MULTILINE)

    plain = {None: "none", True: "true", False: "false"}
    own = Settings()
    assert rows == [
        (name, str(plain.get(value, value) if isinstance(value, bool | None) else value))
        for name in Settings.__struct_fields__
        for value in [getattr(own, name)]
    ]
