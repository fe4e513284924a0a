"""Measure how fast Flow is, each figure beside its bound.

    scripts/bench-flow                 one table: the median of several runs, the best, the bound
    scripts/bench-flow --json          the same for programs
    scripts/bench-flow --only loop     the figures with "loop" in their names

A figure in "x" is Flow's time over Python's, taken one after the other. The runs go round all
figures, so that a busy minute does not fall on one of them. The exit status is 1 if the median of
a figure is over its bound.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median

from tests.flowlang.bench.figures import FIGURES, Figure


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    figures = [figure for figure in FIGURES if options.only in figure.name]
    runs: dict[Figure, list[float]] = {figure: [] for figure in figures}
    for _ in range(options.runs):
        for figure in figures:
            runs[figure].append(figure.measure(options.share))
    rows = [_row(figure, taken) for figure, taken in runs.items()]
    print(json.dumps(rows, indent=2, ensure_ascii=False) if options.json else _table(rows))
    return 0 if all(row["within"] for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bench-flow", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="how often each figure is taken")
    parser.add_argument("--only", default="", help="a part of the names of the figures to take")
    parser.add_argument("--share", type=float, default=1.0, help="of the work, to see it run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _row(figure: Figure, taken: list[float]) -> dict[str, object]:
    middle = median(taken)
    return {
        "name": figure.name,
        "unit": figure.unit,
        "median": round(middle, 3),
        "best": round(min(taken), 3),
        "bound": figure.bound,
        "within": middle <= figure.bound,
    }


def _table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'':40} {'median':>9} {'best':>9} {'bound':>7}"]
    for row in rows:
        name = row["name"]
        lines.append(
            f"{name:40} {row['median']:9.2f} {row['best']:9.2f} {row['bound']:7} {row['unit']:2}"
            f"{'' if row['within'] else '  over'}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
