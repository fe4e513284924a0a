"""The main job: its totals are those of other tools, and nothing changes them."""

import ast
import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.source_census import tasks
from examples.source_census.measuring import measure
from examples.source_census.runner import FLOWS
from rhythm import InitBuilder, Worker
from rhythm.tasks import TaskRegistry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with everything that can be awkward about source files."""
    root = tmp_path / "a tree"
    files = {
        "one.py": b"def f():\n    return 1\n",
        "copy of one.py": b"def f():\n    return 1\n",
        "no newline.py": b"x = 1",
        "empty/__init__.py": b"",
        "deep/er/two.py": b"class A:\n    async def g(self):\n        def h(): ...\n",
        "broken.py": b"def (:\n",
        "nul.py": b"x = '\0'\n",
        "latin.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n",
        "not python.txt": b"one\ntwo\n",
        "site-packages/other.py": b"def other(): ...\n",
        "deep/site-packages/other.py": b"def other(): ...\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def counted_otherwise(root: Path) -> dict[str, int]:
    """Files, lines and bytes as find and wc count them."""
    counted = subprocess.run(
        "find . -name '*.py' -not -path '*/site-packages/*' -print0 | xargs -0 cat | wc -lc;"
        "find . -name '*.py' -not -path '*/site-packages/*' | wc -l",
        shell=True,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    lines, size, files = map(int, counted.stdout.split())
    return {"files": files, "lines": lines, "bytes": size}


@pytest.fixture
def take_census(
    run: Callable[..., Any], namespace: str, census_tasks: TaskRegistry
) -> Callable[..., dict[str, Any]]:
    """Take a census by the example's workflows, in this process."""

    async def take(url: str, inputs: dict[str, Any]) -> Any:
        builder = InitBuilder().database_url(url).namespace(namespace).workflow_paths([FLOWS])
        async with (
            builder as app,
            Worker(app, resources=tasks.resources, registry=census_tasks),
        ):
            execution_id = await app.execution_service.create_execution(
                target_name="source_census", inputs=inputs
            )
            execution = await app.execution_service.wait_for_execution(execution_id, timeout=50)
        return execution.result()

    return lambda url="memory://", **inputs: run(take(url, inputs))


def test_totals_equal_an_independent_count(
    take_census: Callable[..., Any], database_url: str, tree: Path
) -> None:
    output = take_census(database_url, root=str(tree), batchSize=3)

    assert {name: output[name] for name in ("files", "lines", "bytes")} == counted_otherwise(tree)
    assert (output["functions"], output["classes"]) == (4, 1)
    assert output["unparsableFiles"] == ["broken.py", "nul.py"]
    assert [copies["paths"] for copies in output["duplicates"]] == [["copy of one.py", "one.py"]]
    assert output["longest"][0] == {
        "path": "copy of one.py",
        "line": 1,
        "name": "f",
        "lines": 2,
    }


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_the_batch_size_changes_nothing(
    batch_size: int, take_census: Callable[..., Any], tree: Path
) -> None:
    expected = take_census(root=str(tree))

    assert take_census(root=str(tree), batchSize=batch_size) == expected


def test_include_chooses_files(take_census: Callable[..., Any], tree: Path) -> None:
    output = take_census(root=str(tree), include="*.txt")

    assert (output["files"], output["lines"], output["unparsable"]) == (1, 2, 0)


def test_an_empty_folder_has_an_empty_census(
    take_census: Callable[..., Any], tmp_path: Path
) -> None:
    output = take_census(root=str(tmp_path))

    assert (output["files"], output["longest"], output["duplicates"]) == (0, [], [])


def test_measures_agree_with_hashlib_and_ast_over_rhythm_itself() -> None:
    package = ROOT / "rhythm"
    folders = tasks.list_folders(str(package), "**/*.py").folders
    files = [file for folder in folders for file in folder.files]
    contents = {file: (package / file).read_bytes() for file in files}
    kinds = Counter(
        type(node) for content in contents.values() for node in ast.walk(ast.parse(content))
    )

    measures = measure(str(package), files)

    assert measures.functions == kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef]
    assert measures.classes == kinds[ast.ClassDef]
    assert measures.paths == {
        digest: [file for file in files if hashlib.sha256(contents[file]).hexdigest() == digest]
        for digest in (hashlib.sha256(content).hexdigest() for content in contents.values())
    }


def test_a_file_that_vanished_is_noted(tmp_path: Path) -> None:
    assert measure(str(tmp_path), ["gone.py"]).unreadable == ["gone.py"]


# As a program.

COMMAND = [sys.executable, "-m", "examples.source_census"]


def test_the_program_prints_the_output_alone_as_json(tree: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, "--root", str(tree), "--batch-size", "2", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    output = json.loads(ran.stdout)
    assert output["root"] == str(tree)
    assert {name: output[name] for name in ("files", "lines", "bytes")} == counted_otherwise(tree)
    assert "tasks done" in ran.stderr


def test_the_program_tells_people_what_it_found(tree: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, "--root", str(tree)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert re.search(r"^  files +8$", ran.stdout, re.MULTILINE)
    assert "1 set" in ran.stdout
    assert "warning" not in ran.stderr.lower()


@pytest.mark.parametrize(
    "arguments", [["--root", "/nowhere"], ["--workers", "2"], ["--batch-size", "0"]]
)
def test_the_program_refuses_what_makes_no_sense(arguments: list[str]) -> None:
    ran = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_a_killed_worker_changes_nothing(run: Callable[..., Any], own_redis_server: Any) -> None:
    """Of two worker processes, one is killed while it holds work."""
    root = Path(asyncio.__file__).parent
    options = ["--root", str(root), "--batch-size", "1", "--json"]
    command = [*COMMAND, *options, "--redis", own_redis_server.url, "--workers", "2"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "RHYTHM_LEASE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            killed = run(kill_a_worker_that_holds_tasks(own_redis_server.url))
            stdout, stderr = running.communicate(timeout=60)
        finally:
            running.terminate()

    assert running.returncode == 0, stderr
    output = json.loads(stdout)
    assert {name: output[name] for name in ("files", "lines", "bytes")} == counted_otherwise(root)
    assert f"worker process {killed} was killed by SIGKILL" in stderr


async def kill_a_worker_that_holds_tasks(url: str) -> int:
    """The process id of a worker that held some tasks when it was killed."""
    async with InitBuilder().database_url(url) as app:
        while True:
            for worker in (await app.diagnose()).workers:
                if worker.holding > 1:
                    os.kill(worker.pid, signal.SIGKILL)
                    return worker.pid
            await asyncio.sleep(0.005)
