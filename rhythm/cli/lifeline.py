"""How a process learns that its parent is gone, however it went: by a pipe that nobody holds the
other end of any more. The system closes it, also of a parent that was killed.
"""

import asyncio
import os
import sys
from collections.abc import Callable

# A server does not watch a pipe, so a shell does: it ends the server when its standard input ends,
# and with the server's exit code when that ends by itself. What a shell starts in the background
# has no standard input, hence the copy.
_WATCHED = 'exec 3<&0; "$@" </dev/null & server=$!; { cat <&3 >/dev/null; kill "$server"; } & '


def watched(command: list[str]) -> list[str]:
    """The command line that runs a server until standard input ends."""
    return ["/bin/sh", "-c", f'{_WATCHED}wait "$server"', "sh", *command]


def when_input_ends(action: Callable[[], None]) -> None:
    """Call `action` when nobody holds the other end of standard input any more."""
    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(number, 1):
            loop.remove_reader(number)
            action()

    loop.add_reader(number, read)
