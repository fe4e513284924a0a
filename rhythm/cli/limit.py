"""`rhythm limit …`: how many tasks run at once, or begin within a time."""

import functools
from collections.abc import Callable
from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json, print_table


@click.group("limit")
def limit() -> None:
    """Limit the tasks of a queue, or those of a name, for all workers at once."""


def _of_what(action: Callable[..., None]) -> Callable[..., None]:
    """--queue NAME or --task NAME; the command is given `kind` and `name`."""

    @click.option("--queue", metavar="NAME", help="All tasks of this queue.")
    @click.option("--task", metavar="NAME", help="All tasks of this name, in whichever queue.")
    @functools.wraps(action)
    def checked(*, queue: str | None, task: str | None, **options: Any) -> None:
        if (queue is None) == (task is None):
            raise click.UsageError("give --queue NAME, or --task NAME")
        kind, name = ("task", task) if queue is None else ("queue", queue)
        action(kind=kind, name=name, **options)

    return checked


@limit.command("set")
@_of_what
@click.option("--concurrency", type=int, metavar="N", help="So many run at once.")
@click.option("--rate", metavar="N/TIME", help="So many begin in any such time: 10/s, 100/1m.")
@click.option("--key-concurrency", type=int, metavar="N", help="So many of each key run at once.")
@click.option("--key-rate", metavar="N/TIME", help="So many of each key begin in any such time.")
@command
async def set_(place: Place, kind: Any, name: str, **given: Any) -> None:
    """Set limits, in place of those that were set before.

    What runs is not ended. While something is set for a task, its declaration does not hold.
    """
    async with place.open() as app:
        changed = await app.limit_service.set_limits(kind, name, **given)
    if place.as_json:
        print_json({"kind": kind, "name": name, "changed": changed})
    else:
        click.echo(f"{kind} {name} {'is limited' if changed else 'was limited so before'}")


@limit.command("remove")
@_of_what
@command
async def remove(place: Place, kind: Any, name: str) -> None:
    """Forget limits that were set; a task's declaration holds again."""
    async with place.open() as app:
        changed = await app.limit_service.remove_limits(kind, name)
    if place.as_json:
        print_json({"kind": kind, "name": name, "changed": changed})
    else:
        click.echo(f"limits of {kind} {name} {'are removed' if changed else 'were not set'}")


@limit.command("list")
@command
async def list_(place: Place) -> None:
    """Show all limits, and what runs and waits because of them."""
    async with place.open() as app:
        found = await app.limit_service.list_limits()
    if place.as_json:
        print_json(found)
        return
    print_table(
        [
            *("of", "name", "at once", "begin", "of a key", "begin of a key"),
            *("running", "waiting", "set by"),
        ],
        [
            [
                one.kind,
                one.name,
                *(
                    "-" if value is None else str(value)
                    for value in (one.concurrency, one.rate, one.key_concurrency, one.key_rate)
                ),
                str(one.running),
                str(one.waiting),
                "declaration" if one.declared else "hand",
            ]
            for one in found
        ],
    )
