"""Kill, stop and cut off real worker processes and a real server while clients keep a ledger.

    scripts/chaos --minutes 10
    scripts/chaos --minutes 10 --with HEAD~1   every second worker runs the code of that commit
    scripts/chaos --minutes 10 --valkey        on the newest Valkey

The exit status is 1 if anything was lost, was there twice, or is stuck; 2 if workers of that commit
cannot be mixed with this one's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.ground import CannotBeMixed
from tests.chaos.trial import chaos
from tests.conftest import valkey_binary


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rhythm-chaos-") as folder:
        seconds = options.minutes * 60
        trial = chaos(
            Path(folder),
            seconds,
            options.seed,
            workers=options.workers,
            other=options.other,
            binary=valkey_binary() if options.valkey else None,
        )
        try:
            report = asyncio.run(trial)
        except CannotBeMixed as error:
            print(error, file=sys.stderr)
            return 2
        if report.violations:
            print((Path(folder) / "workers.log").read_text()[-4000:], file=sys.stderr)
    for violation in report.violations:
        print(violation)
    ended = ", ".join(f"{number:,} {status}" for status, number in sorted(report.ended.items()))
    print(
        f"{options.minutes:g} minutes: clients asked for {report.asked:,} executions, "
        f"which became {report.executions:,} ({ended}) with {report.events:,} events"
    )
    for kind, number in sorted(report.faults.items()):
        print(f"  {number:>6,}  {kind}")
    print(f"{len(report.violations)} violations")
    return 1 if report.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=1, help="of the faults and the load")
    parser.add_argument("--workers", type=int, default=3, help="worker processes")
    parser.add_argument(
        "--with", dest="other", metavar="COMMIT", help="every second worker runs its code"
    )
    parser.add_argument("--valkey", action="store_true", help="on the newest Valkey, not Redis")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
