"""`rhythm check`: what is wrong in .flow files, without running or registering anything."""

from pathlib import Path
from typing import Any

import click

import flowlang
from rhythm.cli.connect import Place, command
from rhythm.cli.exits import Exit
from rhythm.cli.show import count, print_json
from rhythm.errors import ConfigurationError


@click.command("check")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@command
async def check(place: Place, files: tuple[str, ...]) -> None:
    """Check .flow files, or folders of them.

    Prints every mistake and warning with its place in the source. The exit code is 1 if there is a
    mistake; warnings alone leave it 0.

    \b
    A comment silences a warning on its line, or on the line below:
        // flow-ignore: unused-name
    """
    sources = [path for name in files for path in _flow_files(Path(name))]
    found = {path: flowlang.check(_read(path), path=str(path)) for path in sources}
    severities = [d.severity for diagnostics in found.values() for d in diagnostics]
    mistakes, warnings = severities.count("error"), severities.count("warning")

    if place.as_json:
        print_json([_as_json(path, d) for path, diagnostics in found.items() for d in diagnostics])
    else:
        for diagnostics in found.values():
            for diagnostic in diagnostics:
                click.echo(f"{diagnostic}\n")
        verdict = count(mistakes, "mistake") if mistakes else "no mistakes"
        if warnings:
            verdict += f", {count(warnings, 'warning')}"
        click.echo(f"{count(len(sources), 'file')} checked, {verdict}")
    if mistakes:
        raise click.exceptions.Exit(Exit.FAILED)


def _flow_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = sorted(path.rglob("*.flow"))
    if not inside:
        raise ConfigurationError(f"{path} holds no .flow file")
    return inside


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: {error.reason}") from error


def _as_json(path: Path, diagnostic: Any) -> dict[str, Any]:
    return {
        "path": str(path),
        "line": diagnostic.line,
        "column": diagnostic.column,
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    }
