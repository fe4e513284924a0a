"""What is wrong on the command line is told, by its name, with exit code 2; nothing is changed."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rhythm.cli import main
from rhythm.cli.exits import Exit
from streams.connection import Connection
from tests.rhythm.stored import all_that_is_stored

LONG = "x" * 129
NO_NAME = "has ' ' in it; names are printable and without whitespace"
NO_ID = "'a*' cannot be an execution's id; those look like exec_01h…"
NO_CHOSEN_ID = "is not made of the characters A-Z a-z 0-9 . _ : @ - alone"
AT_LEAST_0 = "is not in the range x>=0."
AT_LEAST_1 = "is not in the range x>=1."
NO_TIMEOUT = "timeout: must be seconds from 0 to 1,000,000,000, is"

REFUSED = [
    ("stort good", "No such command 'stort'"),
    ("get waiting --jason", "No such option '--jason'"),
    ("get waiting taken", "Got unexpected extra argument (taken)"),
    *((command, "Missing argument 'ID") for command in (
        "wait", "get", "explain", "history", "what-if --source good.flow", "signal", "cancel",
        "terminate", "delete", "fork --at 1",
    )),
    ("resume", "give the ID of an execution, or one of the options with a name"),
    *((f"{command} 'a*'", NO_ID) for command in (
        "wait", "get", "explain", "history", "replay", "cancel", "terminate", "resume", "delete",
        "verify", "rebuild", "list --parent", "what-if --source good.flow", "fork --at 1",
    )),
    ("get ''", "execution_id: must not be empty"),
    (f"get {'x' * 1025}", "is 1,025 characters long, at most 1,024 are allowed"),
    # start
    ("start", "Missing argument 'TARGET'"),
    ("start good --debounce ada", "--debounce and --debounce-wait go together"),
    ("start good --debounce ada --debounce-wait soon", "debounce.wait: give seconds, or text"),
    ("start 'a b'", f"target_name: 'a b' {NO_NAME}"),
    (f"start {LONG}", "target_name: is 129 characters long, at most 128 are allowed"),
    ("start good --queue ''", "queue: must not be empty"),
    ("start good --queue mail:p3", "'mail:p3' ends in ':p' and a digit, which is kept for"),
    ("start good --id a/b", f"id: 'a/b' {NO_CHOSEN_ID}"),
    (f"start good --id {LONG}", "id: is 129 characters long"),
    ("start good --type flow", "'flow' is not one of 'workflow', 'task'"),
    ("start good -i n", "'n' is not KEY=VALUE"),
    ("start good -i =1", "'=1' is not KEY=VALUE"),
    ("start good -i n=1e999", "inputs.n: JSON has no inf"),
    ("start good -i n=90071992547409930", "inputs.n: an int beyond 2^53 would be rounded"),
    # wait
    ("wait waiting --timeout soon", "'soon' is not a valid float"),
    ("wait waiting --timeout -1", AT_LEAST_0),
    ("wait waiting --timeout nan", f"{NO_TIMEOUT} nan"),
    ("wait waiting --timeout inf", f"{NO_TIMEOUT} inf"),
    # list
    ("list --limit many", "'many' is not a valid integer"),
    ("list --limit -1", AT_LEAST_0),
    ("list --limit 99999999999", "limit: must be from 0 to 2,147,483,647, is 99999999999"),
    ("list --offset -1", AT_LEAST_0),
    ("list --status done", "'done' is not one of 'pending', 'running', "),
    ("list --type flow", "'flow' is not one of 'workflow', 'task'"),
    ("list --after soon", "created_after: 'soon' is no ISO 8601 time; write it like '2026-"),
    ("list --before 2026-13-01", "created_before: '2026-13-01' is no ISO 8601 time"),
    ("list --target ''", "target_name: must not be empty"),
    ("list --queue 'a b'", f"queue: 'a b' {NO_NAME}"),
    # signal, cancel, terminate
    ("signal waiting", "Missing argument 'NAME'"),
    ("signal 'a*' go", f"workflow_id: {NO_ID}"),
    ("signal waiting 'a b'", f"signal_name: 'a b' {NO_NAME}"),
    ("signal waiting go --request-id 'a b'", f"request_id: 'a b' {NO_CHOSEN_ID}"),
    ("signal waiting go --payload '\"\\ud800\"'", "payload: has half a surrogate pair"),
    ("signal waiting go --payload MIB", "payload: 1,048,581 bytes when encoded"),
    ("cancel waiting --reason ''", "reason: must not be empty"),
    (f"terminate waiting --reason {'x' * 1001}", "reason: is 1,001 characters long"),
    # histories
    ("replay waiting --at 0", AT_LEAST_1),
    ("replay waiting --at 99", "the history has events 1 to 1"),
    ("debug waiting --at 0", AT_LEAST_1),
    ("where 'a b'", f"name: 'a b' {NO_NAME}"),
    ("where good --line 0", AT_LEAST_1),
    ("what-if waiting", "Missing option '--source'"),
    ("what-if waiting --source no.flow", "cannot read no.flow: No such file or directory"),
    ("what-if waiting --source latin.flow", "cannot read latin.flow: it is no text in UTF-8"),
    ("impact", "Missing argument 'FLOW'"),
    ("impact no.flow", "cannot read no.flow: No such file or directory"),
    ("impact good.flow --name 'a b'", f"name: 'a b' {NO_NAME}"),
    ("impact good.flow --last -1", AT_LEAST_0),
    ("fork waiting --at 0", AT_LEAST_1),
    ("fork waiting --at 99", "'waiting' has events 1 to 1"),
    ("fork waiting --at 1 --id a/b", f"id: 'a/b' {NO_CHOSEN_ID}"),
    ("fork waiting --at 1 --set x", "'x' is not KEY=VALUE"),
    ("fork waiting --at 1 --source no.flow", "cannot read no.flow: No such file or directory"),
    # those that look after what there is
    ("verify", "give the ID of an execution, or --all"),
    ("rebuild waiting --all", "give the ID of an execution, or --all"),
    ("deploy", "Missing argument 'PATH...'"),
    ("check", "Missing argument 'FILE…'"),
    # run, worker
    ("run", "Missing argument 'FLOW'"),
    ("run no.flow", "File 'no.flow' does not exist"),
    ("run .", "File '.' is a directory"),
    ("run good.flow --timeout -1", AT_LEAST_0),
    ("run good.flow -q 'a b'", f"queues: 'a b' {NO_NAME}"),
    ("worker -q 'a b'", f"queues: 'a b' {NO_NAME}"),
    ("worker --concurrency 0", AT_LEAST_1),
    ("worker --processes 0", AT_LEAST_1),
    ("worker --health 99999", "'99999' is no [HOST:]PORT"),
]  # fmt: skip


def test_what_is_wrong_is_named_and_changes_nothing(
    database_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.flow").write_text("await Signal.when('go')\n")
    Path("latin.flow").write_bytes(b"// caf\xe9\n")
    where = ["--redis", database_url, "--namespace", namespace]

    def stored() -> object:
        async def body() -> object:
            async with Connection(database_url, namespace) as connection:
                return await all_that_is_stored(connection)

        return asyncio.run(body())

    started = CliRunner().invoke(
        main, ["start", "good", "-w", "good.flow", "--id", "waiting", *where]
    )
    assert started.exit_code == Exit.OK, started.output
    before = stored()

    for line, what in REFUSED:
        words = ["x" * 2**20 if word == "MIB" else word for word in shlex.split(line)]
        of_redis = [] if words[0] == "check" else where
        refused = CliRunner().invoke(main, [*words, *of_redis], catch_exceptions=False)
        told = refused.stderr.splitlines()[-1]
        assert (refused.exit_code, refused.stdout) == (Exit.USAGE, ""), (line[:80], told[:300])
        assert what in told, (line[:80], told[:300])
        assert len(told) < 400

    assert stored() == before


def test_without_colour_where_none_is_wanted() -> None:
    words = ["get", "it", "--redis", "http://nowhere"]

    coloured, plain = (
        CliRunner().invoke(main, words, env={"NO_COLOR": said}, color=True) for said in ("", "1")
    )

    assert coloured.stderr.startswith("\x1b[31merror\x1b[0m: ")
    assert plain.stderr.startswith("error: ")
