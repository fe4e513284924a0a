"""The wheel is complete: installed into an empty environment it runs a workflow."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("flowlang", "rhythm", "streams")

FLOW = 'return `Hello, ${await Task.run("shout", { text: Inputs.name })}`\n'
TASKS = """\
from rhythm import task

@task
def shout(text: str) -> str:
    return text.upper()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release would build it."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT))
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_carries_every_file_of_the_packages(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())

    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - inside == set()
    for suffix in (".peg", ".lua", "py.typed"):
        assert any(name.endswith(suffix) for name in inside)


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_installed_into_an_empty_environment_it_runs_a_workflow(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    _run(str(environment / "bin/python"), "-m", "pip", "install", "--quiet", str(wheel))
    (tmp_path / "hello.flow").write_text(FLOW)
    (tmp_path / "hello_tasks.py").write_text(TASKS)

    output = _run(
        str(environment / "bin/rhythm"),
        *("run", "hello.flow", "-m", "hello_tasks", "--input", "name=Ada"),
        folder=tmp_path,
    )

    assert output == '"Hello, ADA"\n'


def _run(*command: str, folder: Path | None = None) -> str:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
