"""What is in source files: a plain computation, run in processes of its own.

Parsing keeps one Python busy, so a worker that did it in threads could do nothing else meanwhile.
"""

import ast
import gc
import hashlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

PYTHON_SUFFIXES = frozenset({".py", ".pyi", ".pyw"})

# What one batch gives to the ranking; the whole census keeps ten of them.
LONGEST_PER_BATCH = 10


class Function(msgspec.Struct):
    """A function's place and its length, from `def` to its last line."""

    path: str
    line: int
    name: str
    lines: int


class Measures(msgspec.Struct):
    """What a batch of files adds up to."""

    files: int = 0
    lines: int = 0
    bytes: int = 0
    functions: int = 0
    classes: int = 0
    unparsable: list[str] = msgspec.field(default_factory=list)
    unreadable: list[str] = msgspec.field(default_factory=list)
    longest: list[Function] = msgspec.field(default_factory=list)
    paths: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """By the SHA-256 of what the files hold."""


def measure(root: str, files: list[str]) -> Measures:
    """Count and measure `files`; one that cannot be parsed or read is noted, not an error."""
    total = Measures()
    functions: list[Function] = []
    for path in files:
        try:
            content = Path(root, path).read_bytes()
        except OSError:
            total.unreadable.append(path)
            continue
        total.files += 1
        total.bytes += len(content)
        total.lines += content.count(b"\n")
        total.paths.setdefault(hashlib.sha256(content).hexdigest(), []).append(path)
        if Path(path).suffix not in PYTHON_SUFFIXES:
            continue
        tree = _parse(content)
        if tree is None:
            total.unparsable.append(path)
            continue
        for name, node in _definitions(tree):
            if isinstance(node, ast.ClassDef):
                total.classes += 1
            else:
                total.functions += 1
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                functions.append(Function(path, node.lineno, name, length))
    functions.sort(key=lambda function: (-function.lines, function.path, function.line))
    total.longest = functions[:LONGEST_PER_BATCH]
    return total


def begin_process() -> None:
    """Set up a process that only measures."""
    # A growing tree is no garbage; looking for some in it again and again costs a third more.
    gc.disable()
    # Ctrl-C goes to the whole group, and it is the worker who decides what that means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_worker, daemon=True).start()


def _end_with_the_worker() -> None:
    """A worker that is killed cannot tell its processes to end."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os._exit(1)


def _parse(content: bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Every function and class, with its dotted name inside the module."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        if isinstance(node, Definition):
            yield f"{prefix}{node.name}", node
            prefix = f"{prefix}{node.name}."
        # Definitions are statements, and statements stand in these lists alone.
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            children = getattr(node, field, ())
            if isinstance(children, list):
                waiting.extend((prefix, child) for child in children)
