"""A TCP proxy that does harm to replies: requests are carried out, answers come late or never."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self


class LosingProxy:
    """Stands before a server, and cuts a connection instead of passing every n-th reply on.

    Attributes:
        swallows: replies are dropped, and the connections stay.
        delay_s: replies come so much later.
        truncate_next: the next reply is cut in its middle, and its connection with it.
        lost: how many replies did not come whole.

    Args:
        port: the server's, on 127.0.0.1.
        every: which replies to scripts are lost; 0 for none. May be changed at any time. What a
            client says to begin with always gets through: losing it in step with its repeats would
            keep it out for ever.
    """

    def __init__(self, port: int, every: int = 0) -> None:
        self._port, self.every = port, every
        self.swallows, self.delay_s, self.truncate_next = False, 0.0, False
        self.lost = 0
        self._replies = 0
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], _Link] = {}

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self) -> None:
        """Cut all connections."""
        for link in self._links.values():
            for side in link.sides:
                side.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            # The server is away: so is what stands before it.
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        link = self._links[task] = _Link((writer, back))
        requests = asyncio.create_task(self._pass_on(reader, back, link))
        try:
            with suppress(ConnectionError):
                await self._answer(there, writer, link)
        finally:
            requests.cancel()
            await asyncio.gather(requests, return_exceptions=True)
            for side in link.sides:
                side.close()
                await asyncio.gather(side.wait_closed(), return_exceptions=True)
            del self._links[task]

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        while data := await reader.read(65536):
            link.calls_script = b"EVALSHA" in data
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        while data := await reader.read(65536):
            self._replies += link.calls_script
            if link.calls_script and self.every and self._replies % self.every == 0:
                self.lost += 1
                return
            if self.swallows:
                self.lost += 1
                continue
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.truncate_next:
                self.truncate_next = False
                self.lost += 1
                writer.write(data[: len(data) // 2])
                return
            writer.write(data)
            await writer.drain()


class _Link:
    """One client's connection: both its sides, and whether its last request called a script."""

    def __init__(self, sides: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.sides = sides
        self.calls_script = False
