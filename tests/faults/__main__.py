"""How soon a worker works again when a server in trouble is whole: seconds to the next result.

scripts/bench-recovery --times 5
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from rhythm import InitBuilder, Worker
from tests.conftest import RedisServer
from tests.faults import harm
from tests.faults.harm import Harm
from tests.faults.test_servers_in_trouble import Work


async def recovery(server: RedisServer, befalls: Harm, trouble_s: float) -> float:
    """Seconds from the end of some trouble to the result of a task that was started after it."""
    work = Work()
    async with InitBuilder().database_url(server.url) as app, Worker(app, registry=work.registry):
        async with befalls(server):
            await asyncio.sleep(trouble_s)
        whole_at = time.monotonic()
        executions = app.execution_service
        after = await executions.create_execution(exec_type="task", target_name="greet")
        await executions.wait_for_execution(after, timeout=60)
        return time.monotonic() - whole_at


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bench-recovery", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="how often each")
    parser.add_argument("--trouble", type=float, default=3.0, help="seconds that it lasts")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    for name, befalls in harm.ALL.items():
        took = []
        for _ in range(options.times):
            with tempfile.TemporaryDirectory() as folder:
                server = RedisServer(Path(folder))
                server.start()
                try:
                    took.append(asyncio.run(recovery(server, befalls, options.trouble)))
                finally:
                    server.stop()
        print(f"{name:<18} {' '.join(f'{seconds:6.2f}' for seconds in took)} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
