"""Measure the workloads of docs/performance.md on a server of its own.

scripts/bench            the whole table
scripts/bench --quick    a minute's look
scripts/bench W1 W3      some workloads
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from tests.bench.ground import ground
from tests.bench.workloads import Bench, Figure

WORKLOADS: dict[str, Callable[[Bench], Awaitable[Figure]]] = {
    "W1 drain": Bench.tasks_drained,
    "W1 live": Bench.tasks_live,
    "W1 live, one at a time": Bench.tasks_live_one_at_a_time,
    "W2": Bench.workflows,
    "W3": Bench.steps,
    "W4": Bench.fans,
    "W5 task": Bench.task_latency,
    "W5 workflow": Bench.workflow_latency,
    "W6": Bench.signal_latency,
}


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    scale = 0.1 if options.quick else 1.0
    chosen = [
        name
        for name in WORKLOADS
        if not options.workload or any(name.startswith(word) for word in options.workload)
    ]
    figures = []
    with ground(options.fsync) as place:
        bench = Bench(place, options.workers, scale)
        for name in chosen:
            figure = asyncio.run(_awaited(WORKLOADS[name](bench)))
            figures.append(figure)
            if not options.json:
                print(_row(figure), flush=True)
    if options.json:
        print(json.dumps([_facts(figure) for figure in figures], indent=2))
    return 0


async def _awaited(figure: Awaitable[Figure]) -> Figure:
    return await figure


def _row(figure: Figure) -> str:
    if figure.latencies_ms:
        return (
            f"{figure.name:<24} p50 {figure.percentile(0.5):7.2f} ms   "
            f"p99 {figure.percentile(0.99):7.2f} ms"
        )
    return (
        f"{figure.name:<24} {figure.per_second:>9,.0f} {figure.unit}s/s   "
        f"server {figure.server_us:6.1f} µs   worker {figure.worker_us:6.1f} µs"
    )


def _facts(figure: Figure) -> dict[str, object]:
    facts: dict[str, object] = {"name": figure.name, "unit": figure.unit}
    if figure.latencies_ms:
        return facts | {"p50_ms": figure.percentile(0.5), "p99_ms": figure.percentile(0.99)}
    return facts | {
        "per_second": figure.per_second,
        "server_us": figure.server_us,
        "worker_us": figure.worker_us,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", nargs="*", help="W1 … W6; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--fsync", choices=("off", "everysec", "always"), default="off")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
