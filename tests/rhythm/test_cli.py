"""The command line's own manners: help, addresses, mistakes, and what its exit codes mean."""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rhythm import errors
from rhythm.cli import exits, main, show
from rhythm.cli.connect import import_module, import_object
from rhythm.cli.exits import Exit, exit_code
from rhythm.cli.parameters import KeyValue, json_or_text

NEED_AN_ADDRESS = (
    ["worker"],
    ["start", "hello"],
    ["wait", "exec_1"],
    ["get", "exec_1"],
    ["list"],
    ["limit", "list"],
    ["history", "exec_1"],
    ["replay", "exec_1"],
    ["debug", "exec_1"],
    ["explain", "exec_1"],
    ["where", "hello"],
    ["what-if", "exec_1", "--source", "hello.flow"],
    ["impact", "hello.flow"],
    ["fork", "exec_1", "--at", "3"],
    ["timeline", "exec_1"],
    ["migrate-execution", "exec_1", "--to", "0" * 32],
    ["diff", "exec_1", "exec_2"],
    ["grep", "hello", "--line", "1", "--expr", "1"],
    ["export", "exec_1"],
    ["schedule", "list"],
    ["signal", "exec_1", "go"],
    ["cancel", "exec_1"],
    ["terminate", "exec_1"],
    ["pause", "exec_1"],
    ["resume", "exec_1"],
    ["delete", "exec_1"],
    ["bulk", "delete", "--every", "--yes"],
    ["count"],
    ["top"],
    ["workers"],
    ["doctor"],
    ["verify", "--all"],
    ["rebuild", "--all"],
    ["migrate"],
    ["deploy", "."],
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a workflow alone in it, and no address in the environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.flow").write_text("return 1;\n")
    for name in ("RHYTHM_DATABASE_URL", "RHYTHM_CONFIG_PATH", "RHYTHM_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def rhythm(*words: str) -> Result:
    """A command's result; an exception that no exit code was found for is raised."""
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


def test_help_names_every_command_with_a_whole_sentence() -> None:
    text = rhythm("--help").stdout

    for name in main.commands:
        assert f"\n  {name} " in text
    assert "..." not in text.partition("Commands:")[2]


def every_command() -> Iterator[list[str]]:
    """The words of each, those of groups with the group's name in front."""
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            yield from ([name, inner] for inner in command.commands)
        else:
            yield [name]


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_command_takes_an_address_a_namespace_a_config_file_and_json(
    words: list[str],
) -> None:
    text = rhythm(*words, "--help").stdout

    for option in ("--redis URL", "--namespace NAME", "--config FILE", "--json"):
        assert option in text


@pytest.mark.parametrize("words", NEED_AN_ADDRESS, ids=lambda words: words[0])
def test_without_an_address_a_command_refuses_and_names_the_ways_to_give_one(
    words: list[str],
) -> None:
    result = rhythm(*words)

    assert result.exit_code == Exit.UNAVAILABLE
    for way in ("--redis", "RHYTHM_DATABASE_URL", "--config"):
        assert way in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_all_other_commands_are_known_to_need_an_address() -> None:
    without = {"new", "run", "check", "dev"}
    assert {words[0] for words in NEED_AN_ADDRESS} == set(main.commands) - without


@pytest.mark.parametrize("way", ["option", "environment", "config file", "project file"])
def test_an_address_is_found_wherever_it_is_given(
    way: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown by an address that cannot be used: the message quotes it, its password hidden."""
    address = "postgres://me:secret@db/app"
    words = ["doctor"]
    if way == "option":
        words += ["--redis", address]
    elif way == "environment":
        monkeypatch.setenv("RHYTHM_DATABASE_URL", address)
    elif way == "config file":
        (nowhere / "my.toml").write_text(f'database_url = "{address}"\n')
        words += ["--config", "my.toml"]
    else:
        (nowhere / "rhythm.toml").write_text(f'database_url = "{address}"\n')

    result = rhythm(*words)

    assert result.exit_code == Exit.UNAVAILABLE
    assert "postgres://me:***@db/app" in result.stderr
    assert "redis://" in result.stderr
    assert "secret" not in result.output


def test_a_server_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHYTHM_CLIENT_TIMEOUT", "0.1")

    result = rhythm("list", "--redis", "redis://me:secret@127.0.0.1:1/0")

    assert result.exit_code == Exit.UNAVAILABLE
    assert "redis://me:***@127.0.0.1:1/0" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["dcotor"], "'doctor'"),
        (["get", "exec_1", "--redsi", "redis://x"], "'--redis'"),
        (["list", "--staus", "failed"], "'--status'"),
    ],
)
def test_a_slip_of_the_pen_is_a_usage_error_with_a_suggestion(
    words: list[str], suggestion: str
) -> None:
    result = rhythm(*words)

    assert result.exit_code == Exit.USAGE
    assert suggestion in result.stderr


@pytest.mark.parametrize("text", ["name", "=x", ""])
def test_an_input_without_key_or_value_is_a_usage_error(text: str, nowhere: Path) -> None:
    (nowhere / "hello.flow").write_text("return 1\n")

    result = rhythm("run", "hello.flow", "--input", text)

    assert result.exit_code == Exit.USAGE
    assert "KEY=VALUE" in result.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ('"12"', "12"),
        ('{"a": [1]}', {"a": [1]}),
        ("Ada Lovelace", "Ada Lovelace"),
        ("", ""),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("{broken", "{broken"),
    ],
)
def test_a_value_is_json_or_else_text(text: str, value: object) -> None:
    assert json_or_text(text) == value
    assert KeyValue().convert(f"k={text}", None, None) == ("k", value)


def test_only_the_first_equals_sign_separates() -> None:
    assert KeyValue().convert("query=a=b", None, None) == ("query", "a=b")


# Modules with tasks.


def test_a_module_is_found_in_the_current_directory(nowhere: Path) -> None:
    (nowhere / "found_here.py").write_text("answer = 42\n")

    assert import_module("found_here").answer == 42
    assert import_object("found_here:answer") == 42


def test_a_missing_module_is_told_from_a_module_that_misses_another(nowhere: Path) -> None:
    (nowhere / "half_there.py").write_text("\nimport not_installed_anywhere\n")

    with pytest.raises(errors.ConfigurationError, match="there is no module 'nowhere_at_all'"):
        import_module("nowhere_at_all")
    with pytest.raises(errors.ConfigurationError) as caught:
        import_module("half_there")

    assert "No module named 'not_installed_anywhere'" in str(caught.value)
    assert "half_there.py:2" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "what"),
    [("x = 1\nraise ValueError('boom')\n", "ValueError: boom"), ("\ndef f(\n", "SyntaxError")],
)
def test_a_module_that_fails_is_one_line_that_says_where(
    source: str, what: str, nowhere: Path
) -> None:
    name = f"broken_{what.lower()[:5]}"
    (nowhere / f"{name}.py").write_text(source)
    (nowhere / "hello.flow").write_text("return 1\n")

    result = rhythm("run", "hello.flow", "-m", name)

    assert result.exit_code == Exit.UNAVAILABLE
    assert what in result.stderr
    assert f"{name}.py:2" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("spec", ["json", "json:", ":x", "json:no_such_name"])
def test_resources_that_name_nothing_are_refused(spec: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        import_object(spec)


# Exit codes.


def test_the_table_of_exit_codes_is_the_enum() -> None:
    documented = {
        (int(line.split()[0]), line.split()[1])
        for line in (inspect.getdoc(exits) or "").splitlines()
        if line[:1].isdigit()
    }

    assert documented == {(code.value, code.name) for code in Exit}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ExecutionNotFound("exec_1"), Exit.NOT_FOUND),
        (errors.ConnectionLost("redis://x", "refused"), Exit.UNAVAILABLE),
        (errors.MissingResource([("t", "Mailer")]), Exit.UNAVAILABLE),
        (errors.WaitTimeout("exec_1", 1.0, "pending", "default"), Exit.TIMED_OUT),
        (errors.FlowSyntaxError([]), Exit.FAILED),
        (errors.ExecutionFinished("exec_1", "failed"), Exit.REFUSED),
        (errors.ExecutionNotEnded("exec_1", "running", 2), Exit.REFUSED),
        (errors.ExecutionNotStuck("exec_1", "queued"), Exit.REFUSED),
        (errors.InvalidRequest("limit", "must not be negative"), Exit.USAGE),
    ],
    ids=lambda value: getattr(value, "name", None) or type(value).__name__,
)
def test_an_error_has_the_code_of_its_nearest_listed_base(
    error: errors.RhythmError, code: Exit
) -> None:
    assert exit_code(error) == code


# How things are shown.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "42 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert show.duration(seconds) == text


def test_a_moment_is_utc_to_the_millisecond() -> None:
    at = datetime(2026, 1, 31, 18, 30, 5, 7999, tzinfo=UTC)

    assert show.moment(at) == "2026-01-31 18:30:05.007"
    assert show.moment(None) == "-"


def test_long_values_are_cut() -> None:
    assert show.short_json({"a": [1, None]}, 20) == '{"a": [1, null]}'
    assert show.short_json("x" * 100, 20) == '"' + "x" * 18 + "…"


def test_a_table_is_aligned_whatever_the_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show.print_table(["A", "B"], [["long cell", "1"], [click.style("x", fg="red"), "2"]])

    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert lines == ["A          B", "long cell  1", "x          2"]
