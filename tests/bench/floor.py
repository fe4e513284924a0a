"""What the same script traffic costs with no engine around it.

A workload is run once more while every call of a script is written down, in the order in which the
server ran them. A bare client then sends the very same calls to the emptied server: the same files,
keys, ids, tokens and payloads, as many under way as there were. Each call finds what it found, so
that the server does the same work, and nobody decodes, decides or encodes anything.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import hiredis
import msgspec

from streams.scripts import Argument, Runner, Script, load

if TYPE_CHECKING:
    from tests.bench.ground import Ground

FOLDER: Final = "RHYTHM_BENCH_CALLS"
"""Environment variable: where a process is to leave the calls that it made; none without."""

_COUNTER = "bench:calls"

# The script itself, and before it the number of the call: the order across processes.
_NUMBERED = """
local number = redis.call("INCR", "{counter}")
local function script()
{source}
end
return {{ number, script() }}
"""

# What the benchmark itself asks, to see whether all has ended.
_OF_THE_BENCHMARK = frozenset({"get_executions", "count_executions"})


class Call(msgspec.Struct, frozen=True, array_like=True):
    """One call of a script: the number that the server gave it, and when it was under way, s."""

    number: int
    script: str
    keys: list[str]
    arguments: list[Any]  # str, bytes or int
    began: float
    ended: float


class Floor(msgspec.Struct, frozen=True):
    """What a bare client reached with the calls of a workload.

    Attributes:
        seconds: from the first call to the last answer.
        server_us, client_us: processor time in all.
        calls: how many; under_way: how many at once.
    """

    seconds: float
    server_us: float
    client_us: float
    calls: int
    under_way: int


def record_if_asked() -> None:
    """Write down what this process calls from now on, if the environment says where to."""
    if FOLDER in os.environ:
        recorder = _Recorder(Path(os.environ[FOLDER]))
        recorder.begin()
        atexit.register(recorder.end)


@contextmanager
def recorded(folder: Path) -> Iterator[list[Call]]:
    """The calls that this process and workers that are started meanwhile make, in order; filled
    when the block has ended."""
    folder.mkdir()
    calls: list[Call] = []
    os.environ[FOLDER] = str(folder)
    recorder = _Recorder(folder)
    recorder.begin()
    try:
        yield calls
    finally:
        recorder.end()
        del os.environ[FOLDER]
    for path in folder.iterdir():
        calls += msgspec.msgpack.decode(path.read_bytes(), type=list[Call])
    calls.sort(key=lambda call: call.number)


class _Recorder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls: list[Call] = []
        self._numbered: dict[str, Script] = {}
        self._run = Script.run

    def begin(self) -> None:
        run, numbered, calls = self._run, self._numbered, self._calls

        async def run_numbered(
            script: Script, client: Runner, keys: Sequence[str], arguments: Sequence[Argument]
        ) -> Any:
            if script.name not in numbered:
                source = _NUMBERED.format(counter=_COUNTER, source=script.source)
                numbered[script.name] = Script(script.name, source)
            began = time.monotonic()
            number, *answers = await run(numbered[script.name], client, keys, arguments)
            if script.name not in _OF_THE_BENCHMARK:
                ended = time.monotonic()
                calls.append(Call(number, script.name, list(keys), list(arguments), began, ended))
            answer = answers[0] if answers else None
            if isinstance(answer, Exception):
                raise answer
            return answer

        Script.run = run_numbered  # type: ignore[assignment, method-assign]  # all calls pass it

    def end(self) -> None:
        Script.run = self._run  # type: ignore[method-assign]
        (self._folder / f"{os.getpid()}").write_bytes(msgspec.msgpack.encode(self._calls))


def replay(ground: Ground, calls: Sequence[Call], first_of: str) -> Floor:
    """Send calls again to an emptied server, and measure from the first one of a script on."""
    ground.clear()
    start = next(i for i, call in enumerate(calls) if call.script == first_of)
    before, measured = calls[:start], calls[start:]
    scripts = {call.script: load(call.script) for call in calls}
    with ground.client() as client:
        for script in scripts.values():
            client.script_load(script.source)
    port = ground.server.port
    under_way = _under_way(measured)
    asyncio.run(_send(port, [_packed(scripts[call.script], call) for call in before], under_way))
    server, client_s, began = ground.server_cpu_s(), time.process_time(), time.perf_counter()
    asyncio.run(_send(port, (_packed(scripts[call.script], call) for call in measured), under_way))
    floor = Floor(
        time.perf_counter() - began,
        (ground.server_cpu_s() - server) * 1e6,
        (time.process_time() - client_s) * 1e6,
        len(measured),
        under_way,
    )
    with ground.client() as client:
        # It would be no measure of this work if it had come out otherwise.
        assert client.keys("*:e:*") and not client.keys("*:k*:*"), "not all that began has ended"
    return floor


def _packed(script: Script, call: Call) -> bytes:
    words: Any = tuple(script.by_digest(call.keys, call.arguments))  # its types know one word only
    packed: bytes = hiredis.pack_command(words)
    return packed


def _under_way(calls: Sequence[Call]) -> int:
    """How many calls there were at once while there were any: the mean, rounded up."""
    moments = sorted([(c.began, 1) for c in calls] + [(c.ended, -1) for c in calls])
    busy = total = 0.0
    now, since = 0, 0.0
    for moment, change in moments:
        if now:
            busy += moment - since
        total += now * (moment - since)
        now, since = now + change, moment
    return math.ceil(total / busy)


class _BareClient(asyncio.Protocol):
    """Sends packed calls on one connection, the next one whenever an answer came."""

    def __init__(self, calls: Iterator[bytes], under_way: int) -> None:
        self._calls, self._free, self._waits = calls, under_way, 0
        self._reader = hiredis.Reader()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            self._free, self._waits = self._free + 1, self._waits - 1
            if isinstance(answer, Exception):
                self.done.set_exception(answer)
                return
        self._go_on()

    def _go_on(self) -> None:
        while self._free:
            words = next(self._calls, None)
            if words is None:
                break
            self._transport.write(words)
            self._free, self._waits = self._free - 1, self._waits + 1
        if not self._waits:
            self._transport.close()
            self.done.set_result(None)


async def _send(port: int, calls: Any, under_way: int) -> None:
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: _BareClient(iter(calls), under_way), "127.0.0.1", port
    )
    await client.done


def xadds_per_second(ground: Ground) -> float:
    """What `redis-benchmark` reaches with nothing but `XADD` of 100 bytes: 50 clients, each with
    100 commands at once."""
    said = subprocess.run(
        [
            *("redis-benchmark", "-p", str(ground.server.port), "-c", "50", "-P", "100"),
            *("-n", "500000", "-q", "XADD", "bench:stream", "*", "d", "x" * 100),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    ground.clear()
    found = re.findall(r"([\d.]+) requests per second", said)
    return float(found[-1])
