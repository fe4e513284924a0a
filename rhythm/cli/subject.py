"""An execution to look at: in the store, or in a file that was taken along."""

import functools
from collections.abc import Callable
from pathlib import Path

import click

from rhythm.builder import Rhythm
from rhythm.history import files
from rhythm.history.bundle import Bundle
from rhythm.history.cursor import Replay


class Subject:
    """What a command is to look at.

    Attributes:
        id: of the execution; of the root of a bundle, if none is named.
        bundle: that it is in; None if it is in the store.
    """

    def __init__(self, given: str, chosen: str | None) -> None:
        is_file = self.is_file(given)
        if chosen is not None and not is_file:
            raise click.UsageError(f"--id chooses from a bundle, and {given!r} is no file")
        self.bundle: Bundle | None = files.open_bundle(given) if is_file else None
        self.id: str = given if self.bundle is None else chosen or self.bundle.root

    @staticmethod
    def is_file(given: str) -> bool:
        """Whether a file is meant, not an execution of the store."""
        return given.endswith(files.SUFFIX) or Path(given).is_file()


async def replay_at(
    subject: Subject, app: Rhythm | None, version: int | None
) -> tuple[Replay, bool]:
    """A workflow's history, replayed, that stands at an event or at its end; and whether it is all
    there is. Of one that was moved onto another source later than that, it is what was before."""

    async def replayed(upto: int | None = None) -> Replay:
        if subject.bundle is not None:
            return subject.bundle.replay(subject.id, upto)
        assert app is not None
        return await app.history_service.replay(subject.id, upto)

    whole = cursor = await replayed()
    if version is not None:
        if version < whole.first:
            cursor = await replayed(version)
        cursor.goto(version)
    return cursor, cursor is whole


def subject(action: Callable[..., None]) -> Callable[..., None]:
    """ID or FILE, and --id for one within the file; the command is given a `subject`."""

    @click.argument("given", metavar="ID|FILE")
    @click.option("--id", "chosen", metavar="ID", help="Which execution of a bundle, not its root.")
    @functools.wraps(action)
    def with_subject(*, given: str, chosen: str | None, **options: object) -> None:
        action(subject=Subject(given, chosen), **options)

    return with_subject
