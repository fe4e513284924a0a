"""What the census asks of Python: which files there are, and what is in them.

The functions are plain and synchronous, so workers run them in threads. Paths are relative to the
root and use `/`.
"""

import ast
import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rhythm import task

SKIPPED_FOLDERS = frozenset({"site-packages"})
PYTHON_SUFFIXES = frozenset({".py", ".pyi", ".pyw"})

# What one batch gives to the ranking; the whole census keeps ten of them.
LONGEST_PER_BATCH = 10

# Warnings and the collector are set for the whole process; parsing holds Python's lock anyway.
_PARSING = threading.Lock()


class Folder(msgspec.Struct):
    """A folder and its files that matter, sorted."""

    path: str
    files: list[str]


class Listing(msgspec.Struct):
    """All folders below a root that have files that matter, sorted."""

    folders: list[Folder]


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
def measure_files(root: str, files: list[str]) -> Measures:
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


def _parse(content: bytes) -> ast.Module | None:
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A growing tree is no garbage; looking for some in it again and again costs a third more.
        gc.disable()
        try:
            return ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        finally:
            gc.enable()


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
