"""What the census asks of Python: which files there are, and what is in them.

Paths are relative to the root and use `/`.
"""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from examples.source_census.measuring import Measures, begin_process, measure
from rhythm import Provided, task

SKIPPED_FOLDERS = frozenset({"site-packages"})

# More would not be fed fast enough from one folder.
PROCESSES = min(os.cpu_count() or 1, 8)


class Folder(msgspec.Struct):
    """A folder and its files that matter, sorted."""

    path: str
    files: list[str]


class Listing(msgspec.Struct):
    """All folders below a root that have files that matter, sorted."""

    folders: list[Folder]


@asynccontextmanager
async def resources() -> AsyncIterator[Mapping[type, object]]:
    """What a worker makes once and its tasks share: processes to measure in."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=begin_process)
    try:
        yield {ProcessPoolExecutor: pool}
    finally:
        pool.shutdown(cancel_futures=True)


@task
def list_folders(root: str, include: str) -> Listing:
    """The files below `root` that the glob `include` finds, by folder."""
    base = Path(root)
    if not base.is_dir():
        raise NotADirectoryError(f"{root} is no folder")
    by_folder: dict[str, list[str]] = {}
    for path in base.glob(include):
        relative = path.relative_to(base)
        if SKIPPED_FOLDERS.isdisjoint(relative.parts) and path.is_file():
            by_folder.setdefault(relative.parent.as_posix(), []).append(relative.as_posix())
    return Listing([Folder(path, sorted(files)) for path, files in sorted(by_folder.items())])


@task
async def measure_files(
    root: str, files: list[str], pool: Provided[ProcessPoolExecutor]
) -> Measures:
    """Count and measure `files`; one that cannot be parsed or read is noted, not an error."""
    return await asyncio.get_running_loop().run_in_executor(pool, measure, root, files)
