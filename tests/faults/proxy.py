"""A TCP proxy that loses replies: the request is carried out, the answer never comes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class LosingProxy:
    """Stands before a server, and cuts a connection instead of passing every n-th reply on.

    Args:
        port: the server's, on 127.0.0.1.
        every: which replies to scripts are lost; 0 for none. May be changed at any time. What a
            client says to begin with always gets through: losing it in step with its repeats would
            keep it out for ever.
    """

    def __init__(self, port: int, every: int = 0) -> None:
        self._port, self.every = port, every
        self.lost = 0
        self._replies = 0
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

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
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        link = _Link()
        requests = asyncio.create_task(self._pass_on(reader, back, link))
        try:
            await self._answer(there, writer, link)
        finally:
            requests.cancel()
            await asyncio.gather(requests, return_exceptions=True)
            for side in (writer, back):
                side.close()
                await asyncio.gather(side.wait_closed(), return_exceptions=True)
            self._links.discard(task)

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
            writer.write(data)
            await writer.drain()


class _Link:
    """One client's connection; whether its last request called a script."""

    calls_script = False
