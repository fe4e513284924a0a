"""Run the engine under simulated faults.

    scripts/simulate --seeds 1000              seeds 0 to 999; report faults and violations
    scripts/simulate --seeds 1 --first 42 --trace   every command of one seed

A tenth of the seeds also run on a real redis-server. The exit status is 1 if anything was violated.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import redis

from streams import embedded
from tests.conftest import RedisServer
from tests.simulation.mutants import MUTANTS, planted
from tests.simulation.world import Report, simulate


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.mutants:
        return _hunt_all(options)
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()
    faults: Counter[str] = Counter()
    violations = calls = 0
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(options.jobs) as pool:
        server = RedisServer(Path(folder))
        server.start()
        try:
            runs = [(seed, None) for seed in seeds]
            runs += [(seed, server.port) for seed in seeds if seed % 10 == 0]
            for report in pool.map(_one, runs, [options.trace] * len(runs), chunksize=4):
                faults.update(report.faults)
                calls += report.calls
                seconds += report.seconds
                for violation in report.violations:
                    violations += 1
                    print(f"seed {report.seed}: {violation}")
        finally:
            server.stop()
    print(
        f"{len(runs):,} schedules, {len(runs) - len(seeds):,} of them on a real server; "
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
            if found is None:
                survivors += 1
                print(f"NOT FOUND  {mutant.rule}")
            else:
                seed, violation = found
                print(f"seed {seed:>5} {mutant.rule}\n           {violation[:150]}", flush=True)
    print(f"{len(MUTANTS)} planted bugs, {survivors} not found")
    return 1 if survivors else 0


def _hunt(number: int, seeds: tuple[int, int]) -> tuple[int, str] | None:
    first, count = seeds
    with planted(MUTANTS[number]):
        for seed in range(first, first + count):
            report = simulate(seed, embedded.blocking_client(embedded.open_server("")))
            if report.violations:
                return seed, report.violations[0]
    return None


def _one(run: tuple[int, int | None], trace: bool) -> Report:
    seed, port = run
    if port is None:
        return simulate(seed, embedded.blocking_client(embedded.open_server("")), trace=trace)
    with redis.Redis(port=port) as client:
        return simulate(seed, client, trace=trace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument(
        "--mutants", action="store_true", help="plant each known bug, find a seed that sees it"
    )
    parser.add_argument("--trace", action="store_true", help="print every command and reply")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
