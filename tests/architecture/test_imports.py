"""Who may import whom.

    rhythm  ->  flowlang, streams         flowlang and streams know nobody of ours

A third-party library is imported where the tables below say and nowhere else, so that it can be
found, replaced and left out. The language's package is pure: nothing in it reaches a clock, a
random number, a file or a thread.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OURS: Mapping[str, frozenset[str]] = {
    "flowlang": frozenset({"flowlang"}),
    "streams": frozenset({"streams"}),
    "rhythm": frozenset({"flowlang", "rhythm", "streams"}),
}

# Library -> the files, or folders ending in "/", of each package that may import it.
THIRD_PARTY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "flowlang": {"msgspec": ("",), "parsimonious": ("parser.py",), "yaml": ("frontmatter.py",)},
    "streams": {
        "msgspec": ("",),
        "redis": (
            "clients.py",
            "cluster.py",
            "connection.py",
            "embedded.py",
            "faults.py",
            "scripts.py",
        ),
        "hiredis": ("clients.py",),
        "fakeredis": ("embedded.py",),
    },
    "rhythm": {
        "msgspec": ("",),
        "click": ("cli/",),
        "cronsim": ("engine/schedule.py",),
        "jsonschema": ("engine/input_schema.py",),
        "opentelemetry": ("tracing.py",),
        "prometheus_client": ("worker/metrics.py",),
        "pytest": ("testing/plugin.py",),
        "zstandard": ("codecs/compression.py",),
        "cryptography": ("codecs/encryption.py",),
        "rich": ("debugger/", "top/"),
        "textual": ("debugger/", "top/"),
        "watchfiles": ("cli/dev.py",),
    },
}

IMPURE = frozenset(
    {"asyncio", "logging", "os", "random", "secrets", "socket", "threading", "time", "uuid"}
)
CLOCKS = frozenset({"now", "today", "utcnow"})  # of the classes in datetime

# In the standard library of a later Python than the one that runs the tests.
LATER_STDLIB = frozenset({"annotationlib"})

# Where events become machines and decisions become events, both worlds meet; nowhere else.
BOTH_WORLDS = (
    *("engine/", "worker/", "services/", "history/", "testing/"),
    *("builder.py", "errors.py", "events.py"),
)


def imports(package: str, path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports, wherever it stands."""
    here = [package, *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else []
            yield node.lineno, ".".join([*base, node.module or ""])


def violations(package: str, path: str, source: str) -> list[str]:
    """What is not allowed in the module at `path` (within its package)."""
    found = []
    worlds = set()
    tree = ast.parse(source)
    for line, name in imports(package, path, tree):
        top = name.partition(".")[0]
        where = f"{package}/{path}:{line} imports {name}"
        if top in OURS:
            worlds.add(top)
            if top not in OURS[package]:
                found.append(f"{where}: {package} must not know it")
        elif top not in sys.stdlib_module_names | LATER_STDLIB:
            if not _inside(path, THIRD_PARTY[package].get(top, ())):
                found.append(f"{where}: not in this module")
        elif package == "flowlang" and top in IMPURE:
            found.append(f"{where}: the language is pure")
    if package == "flowlang":
        found += [
            f"flowlang/{path}:{line} reads a clock: pass the time in" for line in clocks(tree)
        ]
    if package == "rhythm" and worlds >= {"flowlang", "streams"} and not _inside(path, BOTH_WORLDS):
        found.append(f"rhythm/{path} imports both flowlang and streams: outside of {BOTH_WORLDS}")
    return found


def clocks(tree: ast.AST) -> Iterator[int]:
    """The lines that ask a class of datetime what time it is."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=asked, attr=attr) if attr in CLOCKS:
                if ast.unparse(asked).rpartition(".")[2] in ("date", "datetime"):
                    yield node.lineno


def _inside(path: str, places: tuple[str, ...]) -> bool:
    """Whether `path` is one of the files, or in one of the folders ("" is all of the package)."""
    return any(
        path.startswith(place) if place.endswith("/") or not place else path == place
        for place in places
    )


def modules() -> list[tuple[str, str]]:
    """Package and path of every module."""
    return [
        (package, path.relative_to(ROOT / package).as_posix())
        for package in OURS
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


@pytest.mark.parametrize("package", OURS)
def test_modules_import_only_what_their_place_allows(package: str) -> None:
    found = [
        violation
        for name, path in modules()
        if name == package
        for violation in violations(package, path, (ROOT / package / path).read_text())
    ]

    assert not found, "\n".join(found)


def test_every_package_has_modules_to_look_at() -> None:
    assert {package for package, _ in modules()} == set(OURS)


@pytest.mark.parametrize(
    ("package", "path", "source"),
    [
        ("flowlang", "machine.py", "import streams"),
        ("flowlang", "machine.py", "from rhythm.errors import RhythmError"),
        ("flowlang", "machine.py", "def f():\n    import time"),
        ("flowlang", "machine.py", "import os.path"),
        ("flowlang", "compiler/emit.py", "from parsimonious import Grammar"),
        ("flowlang", "checker.py", "import yaml"),
        ("flowlang", "library/date.py", "import datetime\ndatetime.datetime.now()"),
        ("flowlang", "library/date.py", "from ... import streams"),
        ("streams", "work.py", "import flowlang.protocol"),
        ("streams", "work.py", "from redis.asyncio import Redis"),
        ("streams", "keys.py", "import click"),
        ("rhythm", "builder.py", "import click"),
        ("rhythm", "worker/loop.py", "import redis"),
        ("rhythm", "models.py", "import requests"),
        ("rhythm", "testing/kit.py", "import pytest"),
        ("rhythm", "models.py", "import flowlang\nimport streams"),
    ],
)
def test_a_forbidden_import_is_found(package: str, path: str, source: str) -> None:
    assert len(violations(package, path, source)) == 1


@pytest.mark.parametrize(
    ("package", "path", "source"),
    [
        ("flowlang", "parser.py", "import parsimonious.grammar"),
        (
            "flowlang",
            "machine.py",
            "from flowlang import nodes\nfrom . import values\nimport datetime, math",
        ),
        ("streams", "connection.py", "import asyncio\nimport redis.asyncio"),
        ("rhythm", "cli/run.py", "import click\nfrom rhythm.builder import InitBuilder"),
        ("rhythm", "engine/history.py", "import flowlang\nfrom streams.codec import StoredEvent"),
    ],
)
def test_an_allowed_import_is_none_of_the_tests_business(
    package: str, path: str, source: str
) -> None:
    assert violations(package, path, source) == []
