"""Options and values that more than one command takes."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rhythm.models import ExecutionFilters, ExecutionStatus, ExecutionType

# As text: click would offer an enum's members by their Python names.
_STATUSES = [str(status) for status in ExecutionStatus]
_TYPES = [str(type) for type in ExecutionType]


class KeyValue(click.ParamType[tuple[str, Any]]):
    """`key=value`; the value is read as JSON, and taken as text if it is none."""

    name = "KEY=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is not KEY=VALUE.", param, ctx)
        return key, json_or_text(text)


class Listening(click.ParamType[tuple[str, int]]):
    """`PORT` or `HOST:PORT` to listen on, an IPv6 address in brackets."""

    name = "[HOST:]PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 2**16):
            self.fail(f"{value!r} is no [HOST:]PORT.", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


def json_or_text(text: str) -> Any:
    """What `text` says as JSON, or `text` itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def log_options(action: Callable[..., None]) -> Callable[..., None]:
    """`--log-format` and `--log-level`, of a command that runs workflows."""
    for option in (
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            help="The least that is logged (default: warning; with --log-format json: info).",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            help="How lines on standard error look (default: the setting log_format, text).",
        ),
    ):
        action = option(action)
    return action


input_option = click.option(
    "--input",
    "-i",
    "inputs",
    type=KeyValue(),
    multiple=True,
    help="One input; VALUE is read as JSON, else taken as text. Repeat for more.",
)

attribute_option = click.option(
    "--attribute",
    "-a",
    "attributes",
    type=KeyValue(),
    multiple=True,
    help="An attribute and its value, which is read as JSON, else taken as text. Repeat for more.",
)

module_option = click.option(
    "--module",
    "-m",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="Module whose @task functions to use; importable from the current directory.",
)

workflows_option = click.option(
    "--workflows",
    "-w",
    "workflows",
    metavar="PATH",
    multiple=True,
    help="A .flow file, or a folder of them, to register. Repeat for more.",
)

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop waiting after so long (exit code 5); the execution goes on.",
)

reason_option = click.option(
    "--reason", metavar="TEXT", help="Why; for the history, and for the script that is told."
)


def one_or_all(action: Callable[..., None]) -> Callable[..., None]:
    """An execution's ID, or --all; the command is given `id`, which is None for all."""

    @click.argument("id", required=False)
    @click.option("--all", "is_all", is_flag=True, help="Every execution of the namespace.")
    @functools.wraps(action)
    def checked(*, id: str | None, is_all: bool, **options: Any) -> None:
        if (id is not None) == is_all:
            raise click.UsageError("give the ID of an execution, or --all")
        action(id=id, **options)

    return checked


def what_rests(action: Callable[..., None]) -> Callable[..., None]:
    """An execution's ID, or the name of a queue, workflow or task; the command is given `name`,
    and `kind`, which is None for an execution."""

    @click.argument("id", required=False)
    @click.option("--queue", metavar="NAME", help="All of this queue.")
    @click.option("--workflow", metavar="NAME", help="All executions of this workflow.")
    @click.option("--task", metavar="NAME", help="All executions of this task.")
    @functools.wraps(action)
    def checked(
        *, id: str | None, queue: str | None, workflow: str | None, task: str | None, **options: Any
    ) -> None:
        given = {None: id, "queue": queue, "workflow": workflow, "task": task}
        chosen = [(kind, name) for kind, name in given.items() if name is not None]
        if len(chosen) != 1:
            raise click.UsageError("give the ID of an execution, or one of the options with a name")
        action(kind=chosen[0][0], name=chosen[0][1], **options)

    return checked


def which_ones(action: Callable[..., None]) -> Callable[..., None]:
    """Which executions of a workflow; the command is given `last` and `filters`."""

    @click.option(
        "--last",
        type=click.IntRange(min=0),
        default=100,
        show_default=True,
        help="So many of those that have ended, the last ones, besides all that live.",
    )
    @click.option(
        "--status",
        type=click.Choice(_STATUSES),
        help="Only with this status.",
    )
    @click.option("--error", "error_name", metavar="NAME", help="Only failed with such an error.")
    @click.option("--after", metavar="TIME", help="Only created at or after this ISO time.")
    @click.option("--before", metavar="TIME", help="Only created before this ISO time.")
    @click.option("--queue", metavar="NAME", help="Only in this queue.")
    @click.option("--schedule", metavar="ID", help="Only started by this schedule.")
    @functools.wraps(action)
    def chosen(
        *,
        status: str | None,
        error_name: str | None,
        after: str | None,
        before: str | None,
        queue: str | None,
        schedule: str | None,
        **options: Any,
    ) -> None:
        filters = {
            "status": status,
            "error_name": error_name,
            "created_after": after,
            "created_before": before,
            "queue": queue,
            "schedule": schedule,
        }
        action(filters=filters, **options)

    return chosen


def filter_options(action: Callable[..., None]) -> Callable[..., None]:
    """Which executions; the command is given `filters`."""

    @click.option("--target", metavar="NAME", help="Only executions of this workflow or task.")
    @click.option("--status", type=click.Choice(_STATUSES), help="Only with this status.")
    @click.option("--type", "exec_type", type=click.Choice(_TYPES), help="Only these.")
    @click.option("--queue", metavar="NAME", help="Only in this queue.")
    @click.option("--parent", metavar="ID", help="Only children of this workflow.")
    @click.option("--schedule", metavar="ID", help="Only started by this schedule.")
    @click.option("--error", "error_name", metavar="NAME", help="Only failed with such an error.")
    @click.option("--after", metavar="TIME", help="Only created at or after this ISO time.")
    @click.option("--before", metavar="TIME", help="Only created before this ISO time.")
    @attribute_option
    @functools.wraps(action)
    def filtered(
        *,
        target: str | None,
        status: str | None,
        exec_type: str | None,
        queue: str | None,
        parent: str | None,
        schedule: str | None,
        error_name: str | None,
        after: str | None,
        before: str | None,
        attributes: tuple[tuple[str, Any], ...],
        **options: Any,
    ) -> None:
        filters = ExecutionFilters(
            target_name=target,
            status=status,
            parent_workflow_id=parent,
            queue=queue,
            type=exec_type,
            schedule=schedule,
            error_name=error_name,
            created_after=after,
            created_before=before,
            attributes=dict(attributes),
        )
        action(filters=filters, **options)

    return filtered


def read_source(path: str) -> str:
    """The text of a .flow file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"cannot read {path}: it is no text in UTF-8") from error
