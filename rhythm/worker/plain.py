"""`rhythm.worker.run()`: work in this process, for the plain API."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rhythm import client, process
from rhythm.services.workflows import DEFAULT_QUEUE
from rhythm.worker.loop import Worker


def run(queues: Sequence[str] = (DEFAULT_QUEUE,), concurrency: int = 1) -> None:
    """Do the work of some queues until SIGTERM, Ctrl-C or `rhythm.client.close`; then return.

    The first signal finishes what is in hand, a second one gives it back at once. Signals are
    heard in the main thread; in another one only `close` ends it.

    Args:
        concurrency: how many tasks run at once. One by default, as in the original Rhythm: tasks
            written for that need not be safe in threads.

    Raises:
        BlockingCall: in an event loop; use `Worker`.
        ConfigurationError: no `rhythm.init` before, and no address in environment or config file;
            or it is no queue or number.
        ConnectionLost: Redis is not there at the start. Later losses are waited out.
    """
    process.refuse_in_event_loop("rhythm.worker.run", "await Worker(app).run()")
    if not process.has_begun():
        client.init(auto_migrate=False)
    here = process.current()
    worker = Worker(here.app, queues=queues, concurrency=concurrency)

    with _on_signals(lambda: here.tell(worker.stop), lambda: here.tell(worker.give_back)):
        here.wait_for(here.work(worker))


@contextmanager
def _on_signals(first: Callable[[], object], further: Callable[[], object]) -> Iterator[None]:
    """Call `first` for the first SIGTERM or SIGINT, `further` for each other one; where they cannot
    be heard, never."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    actions = itertools.chain([first], itertools.repeat(further))

    def heard(number: int, frame: FrameType | None) -> None:
        next(actions)()

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None is what Python knows nothing of; it cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
