"""The one application that a process has for the plain API, on an event loop in its own thread.

Callers wait in their threads while the application works in that one. After a fork the child has
neither the thread nor connections of its own: it must begin anew, and is refused until it does.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from rhythm import ending
from rhythm.errors import BlockingCall, ConfigurationError, ConnectionLost

if TYPE_CHECKING:
    from rhythm.builder import Rhythm
    from rhythm.worker import Worker

T = TypeVar("T")

Opening = Callable[[], Coroutine[Any, Any, "Rhythm"]]


class ProcessApplication:
    """An application and the thread that it lives in. Its methods may be called from any other.

    Args:
        opening: makes the application; is run in the new thread, and its errors are raised here.
    """

    def __init__(self, opening: Opening) -> None:
        self.pid = os.getpid()
        # Unlike epoll it keeps nothing in the kernel, which a forked child would share.
        self._selector = selectors.PollSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rhythm-plain", daemon=True
        )
        self._working: dict[asyncio.Task[Any], Worker] = {}
        self._submitting, self._closing = threading.Lock(), threading.Lock()
        self.is_closed = False
        self._thread.start()
        try:
            self.app = self.wait_for(opening())
        except BaseException:
            self._end_thread()
            raise

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives or raises, run in the application's thread.

        Raises:
            ConnectionLost: the application is closed, or was while this waited.
        """
        with self._submitting:
            if self.is_closed:
                work.close()
                raise self._closed()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise self._closed() from error
        except BaseException:  # Ctrl-C too: nobody waits for the work any more
            future.cancel()
            raise

    def tell(self, action: Callable[[], object]) -> None:
        """Call `action` soon in the application's thread, without waiting; from signal handlers."""
        self._loop.call_soon_threadsafe(action)

    async def work(self, worker: Worker) -> None:
        """Run a worker to its end, in the application's thread; `close` ends it too."""
        me = asyncio.current_task()
        assert me is not None
        self._working[me] = worker
        try:
            await worker.run()
        finally:
            del self._working[me]

    def close(self) -> None:
        """Drain the workers, close the application, end the thread.

        Tasks that are finished meanwhile can still use the application.
        """
        with self._closing:
            if self.is_closed:
                return
            try:
                self.wait_for(self._drain())
            finally:
                with self._submitting:
                    self.is_closed = True
                asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
                self._end_thread()

    def cut_off(self) -> None:
        """In a forked child: let go of what it shares with the parent.

        When the child ends, its copies of the connections are closed in order, which on TLS says
        good-bye to the server: then they must lead nowhere.
        """
        with socket.socket(socket.AF_UNIX) as nowhere:
            for connected in self._selector.get_map().values():
                os.dup2(nowhere.fileno(), connected.fd, inheritable=False)

    async def _drain(self) -> None:
        for worker in self._working.values():
            worker.stop()
        if self._working:
            await asyncio.wait(self._working)

    async def _shut(self) -> None:
        await self.app.close()
        await ending.end(*(asyncio.all_tasks() - {asyncio.current_task()}))

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _closed(self) -> ConnectionLost:
        return ConnectionLost(self.app.database_url_shown, "the application was closed")


_current: ProcessApplication | None = None
_lock = threading.Lock()


def begin(opening: Opening) -> bool:
    """Make this process's application; False, and nothing is done, if there is one."""
    global _current
    with _lock:
        if has_begun():
            return False
        _current = ProcessApplication(opening)
        return True


def end() -> None:
    """Close this process's application, if there is one."""
    if _current is not None and has_begun():
        _current.close()


def has_begun() -> bool:
    """Whether this process has an application."""
    return _current is not None and _current.pid == os.getpid() and not _current.is_closed


def current() -> ProcessApplication:
    """This process's application.

    Raises:
        ConfigurationError: there is none, or only the one of the process that this one forked from.
    """
    if _current is None or (_current.is_closed and _current.pid == os.getpid()):
        raise ConfigurationError(
            "Rhythm is not initialised in this process",
            "call rhythm.init(database_url) first",
        )
    if _current.pid != os.getpid():
        raise ConfigurationError(
            f"Rhythm was initialised in process {_current.pid}, and this one, {os.getpid()}, was "
            "forked from it: connections and threads do not pass through a fork",
            "call rhythm.init(database_url) here, after the fork",
        )
    return _current


def refuse_in_event_loop(call: str, instead: str) -> None:
    """Refuse a plain call where it would hold up an event loop.

    Raises:
        BlockingCall: this thread runs one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingCall(call, instead)


def run(call: str, instead: str, work: Callable[[Rhythm], Coroutine[Any, Any, T]]) -> T:
    """What `work` does with this process's application, waited for.

    Args:
        call: what the user called, for errors.
        instead: the async call that does the same, of an application `app`.

    Raises:
        BlockingCall: this thread runs an event loop.
        ConfigurationError: there is no application in this process.
    """
    refuse_in_event_loop(call, instead)
    here = current()
    return here.wait_for(work(here.app))


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    if _current is not None:
        _current.cut_off()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(end)
