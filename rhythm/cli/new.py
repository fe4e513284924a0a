"""`rhythm new`: a project to begin with, that runs and is tested.

Its files are in `new_project/`, each as it will be but for `$name`. Their names end in `.template`
so that no tool takes them for files of ours.
"""

import re
import shlex
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json
from rhythm.errors import ConfigurationError

SUFFIX = ".template"
# What a tool would read in our own folder, or is named after the project.
_OTHER_NAMES = {
    "dockerignore": ".dockerignore",
    "gitignore": ".gitignore",
    "worker.service": "$name-worker.service",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@click.command("new")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", help="The project's name (default: the folder's).")
@command
async def new(place: Place, folder: Path, name: str | None) -> None:
    """Begin a project in DIR: a workflow, its tasks, their tests.

    With it come a compose.yaml with a Redis, and a systemd unit. DIR is made, or is empty.

    \b
    rhythm new shop
    cd shop && pytest
    """
    name, written = _begin_project(folder, name)
    if place.as_json:
        print_json({"name": name, "folder": str(folder), "files": written})
        return
    for file in written:
        click.echo(f"  {file}")
    click.echo(
        f"{name} is in {folder}. Try it:\n"
        f"  cd {shlex.quote(str(folder))}\n"
        "  rhythm run flows/order.flow -m tasks --input item=tea --input quantity=2\n"
        "  rhythm dev -m tasks --workflows flows"
    )


def _begin_project(folder: Path, name: str | None) -> tuple[str, list[str]]:
    """The project's name, and the files that it has now."""
    name = _checked_name(name or re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{str(folder)!r} is not empty", "name a folder that is not there yet, or an empty one"
        )
    return name, sorted(_write(files("rhythm.cli") / "new_project", folder, name))


def _checked_name(name: str) -> str:
    name = name.strip("-")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a project's name",
            "give --name with small letters, digits and dashes, a letter first",
        )
    return name


def _write(source: Traversable, folder: Path, name: str) -> list[str]:
    """Copy a folder of templates; the paths of what was written, as they are inside `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for item in source.iterdir():
            if item.is_dir():
                written += [
                    f"{item.name}/{file}" for file in _write(item, folder / item.name, name)
                ]
            elif item.name.endswith(SUFFIX):
                own = item.name.removesuffix(SUFFIX)
                path = folder / Template(_OTHER_NAMES.get(own, own)).substitute(name=name)
                text = Template(item.read_text(encoding="utf-8")).substitute(name=name)
                path.write_text(text, encoding="utf-8")
                written.append(path.name)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {folder}: {error.strerror}", "name a folder that you may write to"
        ) from error
    return written
