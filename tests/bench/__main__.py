"""Measure the workloads of docs/performance.md on a server of its own.

scripts/bench            the whole table
scripts/bench --quick    a minute's look
scripts/bench W1 W3      some workloads

What a share of the floor is says tests/bench/floor.py.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import pstats
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.bench.floor import Floor, recorded, replay, xadds_per_second
from tests.bench.ground import Ground, ground
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
    "W7": Bench.memory,
    "W8": Bench.length,
    "W9": Bench.volume,
}

FLOORED = {
    "W1 drain": "register_worker",
    "W1 live": "create_execution",
    "W2": "create_execution",
    "W3": "create_execution",
    "W4": "create_execution",
}
"""The workloads that are compared with a bare client, each with the script that begins it."""

_SHOWN = 25
"""Lines of a profile."""


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    scale = options.scale or (0.1 if options.quick else 1.0)
    chosen = [
        name
        for name in WORKLOADS
        if not options.workload or any(name.startswith(word) for word in options.workload)
    ]
    if options.fsync == "off":
        # That this server keeps nothing on disk is what was asked for.
        logging.getLogger("rhythm").setLevel(logging.ERROR)
    facts = []
    with ground(options.fsync) as place:
        bench = Bench(place, options.workers, scale)
        if not options.workload:
            xadds = xadds_per_second(place)
            facts.append({"name": "XADD by redis-benchmark", "per_second": xadds})
            if not options.json:
                print(f"{'XADD by redis-benchmark':<24} {xadds:>9,.0f} /s", flush=True)
        for name in chosen:
            place.profiles = [] if options.profile else None
            before = place.server_calls()
            figure = asyncio.run(_awaited(WORKLOADS[name](bench)))
            floor = None
            if name in FLOORED and not options.profile:
                floor = _floor(place, bench, name)
            facts.append(_facts(figure, floor))
            if not options.json:
                print(_row(figure, floor), flush=True)
            if options.profile:
                print(_calls(before, place.server_calls()), flush=True)
                print(_functions(place.profiles or []), flush=True)
    if options.json:
        print(json.dumps(facts, indent=2))
    return 0


async def _awaited(figure: Awaitable[Figure]) -> Figure:
    return await figure


def _floor(place: Ground, bench: Bench, name: str) -> Floor:
    with recorded(place.folder / name) as calls:
        asyncio.run(_awaited(WORKLOADS[name](bench)))
    return replay(place, calls, FLOORED[name])


def _row(figure: Figure, floor: Floor | None) -> str:
    if figure.says:
        said = "   ".join(f"{what} {value:,.2f}" for what, value in figure.says.items())
        return f"{figure.name:<24} {said}"
    if figure.latencies_ms:
        return (
            f"{figure.name:<24} p50 {figure.percentile(0.5):7.2f} ms   "
            f"p99 {figure.percentile(0.99):7.2f} ms   {figure.calls:.1f} calls"
        )
    row = (
        f"{figure.name:<24} {figure.per_second:>9,.0f} {figure.unit}s/s   "
        f"server {figure.server_us:6.1f} µs   worker {figure.worker_us:6.1f} µs   "
        f"{figure.calls:.2f} calls"
    )
    if floor is None:
        return row
    per_second, server_us, client_us = _per_unit(figure, floor)
    return (
        f"{row}   floor {per_second:,.0f}/s ({figure.per_second / per_second:.0%}), "
        f"server {server_us:.1f} µs, client {client_us:.1f} µs, {floor.under_way} at once"
    )


def _per_unit(figure: Figure, floor: Floor) -> tuple[float, float, float]:
    return (
        figure.units / floor.seconds,
        floor.server_us / figure.units,
        floor.client_us / figure.units,
    )


def _calls(before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]]) -> str:
    """Where the server's time went: its commands, the costliest first."""
    rows = []
    for name, (calls, taken_us) in after.items():
        calls_before, us_before = before.get(name, (0, 0.0))
        if calls > calls_before:
            rows.append((taken_us - us_before, calls - calls_before, name))
    return "".join(
        f"  {name:<16} {calls:>9,} calls   {taken_us / calls:8.2f} µs each\n"
        for taken_us, calls, name in sorted(rows, reverse=True)[:_SHOWN]
    )


def _functions(profiles: Sequence[Path]) -> str:
    """Where the workers' time went, with the profiler's own cost in it."""
    text = io.StringIO()
    for profile in profiles:
        stats = pstats.Stats(str(profile), stream=text)
        stats.strip_dirs().sort_stats("tottime").print_stats(_SHOWN)
    return text.getvalue()


def _facts(figure: Figure, floor: Floor | None) -> dict[str, object]:
    facts: dict[str, object] = {"name": figure.name, "unit": figure.unit}
    if figure.says:
        return facts | dict(figure.says)
    if figure.latencies_ms:
        return facts | {
            "p50_ms": figure.percentile(0.5),
            "p99_ms": figure.percentile(0.99),
            "calls": figure.calls,
        }
    facts |= {
        "per_second": figure.per_second,
        "server_us": figure.server_us,
        "worker_us": figure.worker_us,
        "calls": figure.calls,
    }
    if floor is not None:
        per_second, server_us, client_us = _per_unit(figure, floor)
        facts |= {
            "floor_per_second": per_second,
            "share_of_floor": figure.per_second / per_second,
            "floor_server_us": server_us,
            "floor_client_us": client_us,
        }
    return facts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", nargs="*", help="W1 … W9; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--scale", type=float, help="the part of everything to do")
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--fsync", choices=("off", "everysec", "always"), default="off")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
