"""One long-lived Node process that answers for many programs."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from tests.flowlang.fuzz.answers import Answer
from tests.flowlang.node.executable import node_executable

_HOST: Final = Path(__file__).with_name("node_host.js")
_PATIENCE_S: Final = 20
"""Programs take milliseconds."""


class NodeSide:
    """Node 20 in a process of its own, started again when a program hangs it."""

    def __init__(self, coverage: bool = False) -> None:
        self._node = node_executable()
        self._options = ["--coverage"] if coverage else []
        self._process = self._start()

    def __enter__(self) -> NodeSide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, source: str, script: tuple[int, ...], seed: int = 0) -> Answer:
        """What Node does with a program."""
        task = json.dumps({"source": source, "script": script, "seed": seed})
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(task.encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self._stop()
            self._process = self._start()
            return Answer("crash", error="Node took too long or ended")
        # Not by msgspec: a lone surrogate may stand in it.
        return msgspec.convert(json.loads(line), Answer)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._node, "--no-warnings", "--expose-internals", str(_HOST), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TZ": "UTC"},
        )

    def _stop(self) -> None:
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
