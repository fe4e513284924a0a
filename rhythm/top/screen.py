"""The screen: reads again and again, and shows the last reading beside the one before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich import box
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from rhythm.errors import RhythmError
from rhythm.models import Severity
from rhythm.top.reading import Reading
from rhythm.top.tables import Table, amiss, headline, tables


class Top(App[None]):
    """The live view on a full screen.

    While nothing can be read, the last reading stays and a line says why.

    Args:
        read: gives a new reading.
        every_s: how long to wait after one before the next, in seconds.
    """

    TITLE = "rhythm top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Static { height: auto; }
    #headline, #message { text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read", "read now"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, read: Callable[[], Awaitable[Reading]], every_s: float) -> None:
        super().__init__()
        self._read, self._every_s = read, every_s
        self._wanted = asyncio.Event()
        self._last: Reading | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="headline", markup=False)
        yield Static(id="message", markup=False)
        with VerticalScroll():
            yield Static(id="tables")
        yield Footer()

    def on_mount(self) -> None:
        self._go_on()

    def action_read(self) -> None:
        self._wanted.set()

    @work
    async def _go_on(self) -> None:
        # One after another: a slow answer delays the next question instead of being given up.
        while True:
            self._wanted.clear()
            try:
                reading = await self._read()
            except RhythmError as error:
                self.query_one("#message", Static).update(f"not read: {error}")
            else:
                self.query_one("#message", Static).update("")
                self._show(reading, self._last)
                self._last = reading
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wanted.wait()

    def _show(self, now: Reading, before: Reading | None) -> None:
        self.query_one("#headline", Static).update(headline(now, before))
        parts: list[RichTable | Text] = []
        for table in tables(now, before):
            parts += [_drawn(table), Text()]
        parts += [
            Text(f"{severity}: {text}", "red" if severity is Severity.ERROR else "yellow")
            for severity, text in amiss(now)
        ]
        self.query_one("#tables", Static).update(Group(*parts))


def _drawn(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in table.headers:
        drawn.add_column(header, no_wrap=True, overflow="ellipsis")
    for row in table.rows:
        # As Text: what users named may have brackets, which are not meant as markup.
        drawn.add_row(*map(Text, row))
    return drawn
