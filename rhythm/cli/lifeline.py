"""How a process learns that its parent is gone, however it went: by a pipe that nobody holds the
other end of any more. The system closes it, also of a parent that was killed.
"""

import asyncio
import os
import sys
from collections.abc import Callable


def when_input_ends(action: Callable[[], None]) -> None:
    """Call `action` when nobody holds the other end of standard input any more."""
    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(number, 1):
            loop.remove_reader(number)
            action()

    loop.add_reader(number, read)
