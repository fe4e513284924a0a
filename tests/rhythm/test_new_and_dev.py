"""`rhythm new` gives a project that runs; `rhythm dev` runs what is changed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rhythm.cli import main
from rhythm.cli.exits import Exit

RHYTHM = [sys.executable, "-m", "rhythm"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new project."""
    folder = tmp_path / "My Shop"
    made = CliRunner().invoke(main, ["new", str(folder), "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["name"] == "my-shop"
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(told["files"]) == there
    return folder


def test_a_new_project_has_tests_that_pass(shop: Path) -> None:
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=shop, capture_output=True, text=True
    )

    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout


def test_a_new_project_runs_and_its_workflow_has_no_warnings(shop: Path) -> None:
    words = ["run", "flows/order.flow", "-m", "tasks", "-i", "item=tea", "-i", "quantity=2"]
    ran = subprocess.run([*RHYTHM, *words], cwd=shop, capture_output=True, text=True)
    checked = CliRunner().invoke(main, ["check", str(shop)])

    assert json.loads(ran.stdout)["status"] == "paid", ran.stderr
    assert checked.stdout.endswith("1 file checked, no mistakes\n")


def test_what_surrounds_a_new_project_is_about_it(shop: Path) -> None:
    compose = yaml.safe_load((shop / "compose.yaml").read_text())
    unit = (shop / "my-shop-worker.service").read_text()

    assert set(compose["services"]) == {"redis", "worker"}
    assert "noeviction" in compose["services"]["redis"]["command"]
    # Nothing of what is on the developer's machine alone goes into an image.
    assert {".venv/", ".rhythm/"} <= set((shop / ".dockerignore").read_text().splitlines())
    project = tomllib.loads((shop / "pyproject.toml").read_text())
    copied = re.search(r"^COPY (.*) \./$", (shop / "Dockerfile").read_text(), re.MULTILINE)
    assert copied and set(copied[1].split()) == {
        "pyproject.toml",
        *(f"{module}.py" for module in project["tool"]["setuptools"]["py-modules"]),
    }
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = command.split()[1:]
    assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0
    files = [path for path in shop.rglob("*") if path.is_file()]
    assert not [path for path in files if "$name" in path.read_text()]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    refused = CliRunner().invoke(main, ["new", str(tmp_path)])
    unnamed = CliRunner().invoke(main, ["new", str(tmp_path / "1")])
    in_a_file = CliRunner().invoke(main, ["new", str(tmp_path / "notes.txt" / "x")])

    assert refused.exit_code == Exit.UNAVAILABLE and "is not empty" in refused.stderr
    assert unnamed.exit_code == Exit.UNAVAILABLE and "--name" in unnamed.stderr
    assert in_a_file.exit_code == Exit.UNAVAILABLE and "cannot write" in in_a_file.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


Until = Callable[[str], str]


@contextmanager
def developing(folder: Path, *words: str) -> Iterator[Until]:
    """`rhythm dev` in a folder; what waits for a line of it that has a text."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RHYTHM_")}
    command = [*RHYTHM, "dev", "-m", "tasks", "--workflows", "flows", *words]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        seen: list[str] = []

        def until(text: str) -> str:
            for line in process.stderr or ():
                seen.append(line)
                if text in line:
                    return line
            raise AssertionError(f"{text!r} was not among\n{''.join(seen)}")

        try:
            yield until
        finally:
            process.terminate()
            process.stderr.read()
    assert process.returncode == 0


def test_nothing_is_left_when_it_is_killed(shop: Path) -> None:
    """Server and worker hold its standard error: that ends when the last of them has ended."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RHYTHM_")}
    command = [*RHYTHM, "dev", "-m", "tasks", "--workflows", "flows"]
    with subprocess.Popen(command, cwd=shop, env=environ, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while not next(process.stderr).startswith(b"ready:"):
            pass

        process.kill()

        process.communicate(timeout=30)


ORDER = ("--start", "order", "-i", "item=tea", "-i", "quantity=2")


def test_all_that_it_says_is_json_where_that_is_wanted(shop: Path) -> None:
    with developing(shop, "--memory", *ORDER, "--log-format", "json") as until:
        for part in ("server: memory", "ready: workflows order", "completed after"):
            line = json.loads(until(part))
            assert (line["level"], line["logger"]) == ("info", "rhythm.cli")

    words = ["run", "flows/order.flow", "-m", "tasks", *ORDER[2:]]
    environ = {**os.environ, "RHYTHM_LOG_FORMAT": "json"}
    ran = subprocess.run([*RHYTHM, *words], cwd=shop, env=environ, capture_output=True, text=True)
    told = [json.loads(line)["message"] for line in ran.stderr.splitlines()]
    assert json.loads(ran.stdout)["status"] == "paid"
    assert any(said.startswith("order is exec_") for said in told)


def test_what_is_changed_is_run_and_a_mistake_is_shown(shop: Path) -> None:
    flow = shop / "flows" / "order.flow"
    right = flow.read_text()
    with developing(shop, "--memory", *ORDER) as until:
        assert "memory://" in until("server:")
        assert '"status": "paid"' in until("completed after")

        flow.write_text(right.replace('"paid"', '"settled"'))
        until("changed: flows/order.flow")
        assert '"status": "settled"' in until("completed after")

        flow.write_text(f"{right}\nreturn x y")
        until("order.flow:")

        flow.write_text(right)
        assert '"status": "paid"' in until("completed after")

        tasks = shop / "tasks.py"
        tasks.write_text(tasks.read_text().replace('"tea": 4.5', '"tea": 5'))
        until("changed: tasks.py")
        assert '"total": 10' in until("completed after")


def test_executions_are_kept_and_go_on_across_a_change(shop: Path) -> None:
    assert shutil.which("redis-server"), "scripts/test installs it"
    with developing(shop, "--start", "order", "-i", "item=samovar", "-i", "quantity=1") as until:
        address = until("RHYTHM_DATABASE_URL=").partition("=")[2].strip()
        id = until("suspended").split()[1]
        until("waits for signal 'approval'")

        flow = shop / "flows" / "order.flow"
        flow.write_text(flow.read_text() + "\n// as before\n")
        until("ready:")
        words = ["signal", id, "approval", "--payload", '{"approved": true}', "--redis", address]
        assert CliRunner().invoke(main, words).exit_code == 0
        assert '"status": "paid"' in until(f"{id} completed after")
    assert (shop / ".rhythm" / "redis" / "appendonlydir").is_dir()
