"""`rhythm debug`: a history on a full screen, statement by statement, forwards and back."""

from collections.abc import AsyncIterator

import click

from rhythm.builder import Rhythm
from rhythm.cli.connect import Place, command
from rhythm.cli.subject import Subject, replay_at, subject
from rhythm.history.cursor import Replay


@click.command("debug")
@subject
@click.option("--at", "version", type=click.IntRange(min=1), help="Begin at this event.")
@command
async def debug(place: Place, subject: Subject, version: int | None) -> None:
    """Walk through a workflow's history on a full screen.

    Statement by statement and event by event, forwards and back, with every variable. ID is an
    execution, running or over; FILE is what `rhythm export --with-values` or
    `rhythm history --record` wrote, and needs no Redis. Nothing is changed, no task runs.
    Press ? for all keys.
    """
    if subject.bundle is not None:
        await _shown(*await replay_at(subject, None, version), None)
        return
    async with place.open() as app:
        await _shown(*await replay_at(subject, app, version), app)


async def _shown(cursor: Replay, is_whole: bool, app: Rhythm | None) -> None:
    # Here, since it takes longer to load than all other commands to run.
    from rhythm.debugger import Debugger

    async def updates() -> AsyncIterator[Replay]:
        assert app is not None
        async for event in app.history_service.follow(cursor.execution_id):
            if event.version > cursor.last:
                yield await app.history_service.replay(cursor.execution_id)

    is_live = app is not None and is_whole and cursor.outcome is None
    await Debugger(cursor, updates if is_live else None).run_async()
