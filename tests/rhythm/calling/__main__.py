"""Call every public function with values that nobody would give: each call is accepted, or refused
with an error of ours and nothing is changed.

    scripts/fuzz-calls --calls 5000 --seed 1     try so many, on the embedded server

The exit status is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time

import rhythm
from rhythm import client
from tests.rhythm.calling.trying import TOGETHER, tried, tried_plainly


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("fuzz-calls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="how many")
    parser.add_argument("--seed", default="1", help="which calls")
    parser.add_argument("--first", type=int, default=0, help="the number of the first call")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # what is wrong with a call is in its error
    began = time.monotonic()
    problems = 0
    for first in range(options.first, options.first + options.calls, TOGETHER):
        url = f"memory://calls{first}"
        found = asyncio.run(tried(options.seed, first, TOGETHER, url, "calls"))
        os.environ["RHYTHM_NAMESPACE"] = "calls"
        rhythm.init(url)
        found += tried_plainly(options.seed, first, TOGETHER)
        client.close()
        problems += len(found)
        for problem in found:
            print(problem, flush=True)
    print(
        f"{options.calls} calls of services and as many of rhythm.client of seed {options.seed} "
        f"in {time.monotonic() - began:.0f} s: {problems} went wrong"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
