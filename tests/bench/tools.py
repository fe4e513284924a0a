"""Measure the commands that look at a history, each as the process that a user waits for.

scripts/bench-tools            on a census of Python's library, a task for each file,
                               and on a loop of 10,000 tasks
scripts/bench-tools --quick    on a census of one folder, and on a loop of 200
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import subprocess
import sys
import sysconfig
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rhythm import InitBuilder
from tests.bench.ground import ROOT, Ground, ground
from tests.bench.jobs import INPUTS

MAY_PART = ("diff", "what-if", "impact")
"""Commands that end with 1 if something parts, which is what they are asked for here."""


class Subject(msgspec.Struct):
    """An execution that is looked at, and what commands about it need besides."""

    name: str
    id: str
    other: str
    workflow: str
    edited: Path
    line: int
    expression: str
    events: int = 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench-tools", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="on little ones")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    with ground("off") as place:
        facts = []
        for subject in _census(place, options.quick), asyncio.run(_loop(place, options.quick)):
            for fact in _figures(place, subject):
                facts.append(fact)
                if not options.json:
                    print(
                        "{of:<8} {command:<24} {s:>7.2f} s {MB:>6.0f} MB".format(**fact), flush=True
                    )
            if not options.json:
                print(f"{subject.name:<8} {subject.events:,} events", flush=True)
    if options.json:
        print(json.dumps(facts))
    return 0


def _figures(place: Ground, subject: Subject) -> Iterator[dict[str, Any]]:
    bundle = place.folder / f"{subject.name}.json"
    for command, words in _commands(subject):
        seconds, megabytes, printed = _run(place, words)
        if command == "history":
            subject.events = len(json.loads(printed))
        if command == "export":
            bundle.write_bytes(printed)
        yield {"of": subject.name, "command": command, "s": seconds, "MB": megabytes}
    for command, target in ("debug", subject.id), ("debug a bundle", str(bundle)):
        seconds, megabytes = _debugged(place, target)
        yield {"of": subject.name, "command": command, "s": seconds, "MB": megabytes}


def _commands(of: Subject) -> Iterator[tuple[str, list[str]]]:
    yield "history", ["history", of.id, "--json"]
    half, late = str(of.events // 2), str(of.events * 9 // 10)
    yield "explain", ["explain", of.id]
    yield "timeline", ["timeline", of.id]
    yield "replay", ["replay", of.id]
    yield "replay --at half of it", ["replay", of.id, "--at", half]
    yield "replay --trace", ["replay", of.id, "--trace"]
    yield "diff", ["diff", of.id, of.other]
    yield "what-if", ["what-if", of.id, "--source", str(of.edited)]
    yield "impact on two", ["impact", str(of.edited), "--name", of.workflow, "--last", "2"]
    place = ["--line", str(of.line), "--expr", of.expression]
    yield "grep in one", ["grep", of.workflow, *place, "--last", "1"]
    yield "export", ["export", of.id, "--with-values"]
    yield "fork at nine tenths", ["fork", of.id, "--at", late]
    yield "where, with the fork", ["where", of.workflow]


def _environment(place: Ground) -> dict[str, str]:
    return {**os.environ, "RHYTHM_DATABASE_URL": place.url, "TERM": "xterm-256color"}


def _run(place: Ground, words: list[str]) -> tuple[float, float, bytes]:
    """The seconds that a command took, the most memory it had in MB, and what it printed."""
    out = place.folder / "out"
    with out.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "rhythm", *words],
            cwd=ROOT,
            env=_environment(place),
            stdout=file,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code and not (code == 1 and words[0] in MAY_PART):
        raise RuntimeError(f"rhythm {' '.join(words)} ended with {code}: {said.decode()}")
    return took, usage.ru_maxrss / 1024, out.read_bytes()


def _debugged(place: Ground, target: str) -> tuple[float, float]:
    """The seconds until the debugger shows a history, and the memory it has then, in MB."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rhythm", "debug", target],
        cwd=ROOT,
        env=_environment(place) | {"NO_COLOR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"event " not in shown:
        try:
            shown += os.read(ours, 65536)
        except OSError as error:  # what a terminal gives once nobody holds its other side
            raise RuntimeError(f"it ended with {shown.decode(errors='replace')}") from error
    took = time.perf_counter() - began
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    os.close(ours)
    return took, usage.ru_maxrss / 1024


def _census(place: Ground, quick: bool) -> Subject:
    """Two censuses, the second with other batches."""
    library = Path(sysconfig.get_path("stdlib"))
    if quick:
        library /= "json"
    ids = []
    for size in "2", "1":
        command = ["-m", "examples.source_census", "--redis", place.url, "--json"]
        command += ["--root", str(library), "--batch-size", size]
        run = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True
        )
        ids.append(next(word for word in run.stderr.split() if word.startswith("exec_")))
    source = ROOT / "examples/source_census/flows/source_census.flow"
    edited = place.folder / "source_census.flow"
    edited.write_text(
        source.read_text().replace('"rank_findings", {', '"rank_findings", { now: 1,')
    )
    line = 1 + source.read_text().splitlines().index("for (const part of parts) {") + 2
    return Subject("census", ids[1], ids[0], "source_census", edited, line, "totals.lines")


async def _loop(place: Ground, quick: bool) -> Subject:
    """Two loops, the second one turn longer."""
    turns = 200 if quick else 10_000
    edited = place.folder / "long.flow"
    edited.write_text((place.flows / "long.flow").read_text().replace("return", "return 1 +"))
    async with InitBuilder().database_url(place.url).workflow_paths([place.flows]) as app:
        with place.workers(1):
            ids = []
            for steps in turns - 1, turns:
                ids.append(
                    await app.execution_service.create_execution(
                        target_name="long", inputs={"steps": steps, "of": INPUTS}
                    )
                )
            for id_ in ids:
                await app.execution_service.wait_for_execution(id_, timeout=600)
    return Subject("loop", ids[1], ids[0], "long", edited, 2, "i")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
