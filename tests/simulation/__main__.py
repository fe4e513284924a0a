"""Run the engine under simulated faults.

    scripts/simulate --seeds 1000              seeds 0 to 999; report faults and violations
    scripts/simulate --seeds 1 --first 42 --trace   every command of one seed

A tenth of the seeds also run on a real redis-server. The exit status is 1 if anything was violated.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path

import redis

from tests.conftest import RedisServer
from tests.simulation.mutants import MUTANTS, planted
from tests.simulation.profiles import PROFILES
from tests.simulation.servers import embedded_server
from tests.simulation.world import Report, simulate


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.mutants:
        return _hunt_all(options)
    seeds = range(options.first, options.first + options.seeds)
    runs = [(seed, False) for seed in seeds if not options.on_redis]
    runs += [(seed, True) for seed in seeds if options.on_redis or seed % 10 == 0]
    began = time.monotonic()
    faults: Counter[str] = Counter()
    violations = calls = 0
    seconds = 0.0
    one = partial(_one, profile=options.profile, trace=options.trace)
    with (
        _real_servers(options.jobs) as ports,
        ProcessPoolExecutor(options.jobs, initializer=_begin, initargs=(ports,)) as pool,
    ):
        for report in pool.map(one, runs, chunksize=4):
            faults.update(report.faults)
            calls += report.calls
            seconds += report.seconds
            for violation in report.violations:
                violations += 1
                print(f"seed {report.seed}: {violation}", flush=True)
    print(
        f"{len(runs):,} schedules, {sum(on_redis for _, on_redis in runs):,} of them on a real "
        "server; "
        f"{calls:,} commands, {seconds / 3600:,.1f} virtual hours "
        f"in {time.monotonic() - began:,.0f} s"
    )
    for kind, count in sorted(faults.items()):
        print(f"  {count:>9,}  {kind}")
    print(f"{violations} violations")
    return 1 if violations else 0


def _hunt_all(options: argparse.Namespace) -> int:
    survivors = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        seeds = (options.first, options.seeds)
        for mutant, found in zip(
            MUTANTS, pool.map(_hunt, range(len(MUTANTS)), [seeds] * len(MUTANTS)), strict=True
        ):
            survivors += not found
            print(f"{mutant.rule}: {'seen' if found else 'NOT SEEN'}", flush=True)
            for report in sorted(found, key=lambda report: report.calls):
                print(f"  seed {report.seed} of {report.calls} calls: {report.violations[0][:120]}")
    print(f"{len(MUTANTS)} planted bugs, {survivors} not seen")
    return 1 if survivors else 0


def _hunt(number: int, seeds: tuple[int, int]) -> list[Report]:
    """Some runs that see it, so that there are short ones among them."""
    first, count = seeds
    client, found = embedded_server(), list[Report]()
    with planted(MUTANTS[number]):
        for seed in range(first, first + count):
            report = simulate(seed, client, profile=MUTANTS[number].profile, is_strict=True)
            if report.violations:
                found.append(report)
            if len(found) == _FINDS:
                break
    return found


@contextmanager
def _real_servers(count: int) -> Iterator[Queue[int]]:
    """The ports of so many servers: one for each process, since a run needs one for itself."""
    ports: Queue[int] = multiprocessing.Queue()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        for number in range(count):
            own = Path(folder, str(number))
            own.mkdir()
            server = RedisServer(own)
            server.start()
            running.callback(server.stop)
            with redis.Redis(port=server.port) as client:
                client.config_set("appendonly", "no")  # nobody kills it
            ports.put(server.port)
        yield ports


_FINDS = 3

_clients: dict[bool, redis.Redis] = {}


def _begin(ports: Queue[int]) -> None:
    _clients[False], _clients[True] = embedded_server(), redis.Redis(port=ports.get())


def _one(run: tuple[int, bool], profile: str, trace: bool) -> Report:
    seed, on_redis = run
    return simulate(seed, _clients[on_redis], profile=profile, trace=trace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument(
        "--profile", choices=PROFILES, default="", help="of all runs; the seed of each says without"
    )
    parser.add_argument(
        "--mutants", action="store_true", help="plant each known bug, find a seed that sees it"
    )
    parser.add_argument(
        "--on-redis", action="store_true", help="only on a real server, in half the time"
    )
    parser.add_argument("--trace", action="store_true", help="print every command and reply")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
