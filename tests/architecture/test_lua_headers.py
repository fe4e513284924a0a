"""The header of a .lua file is its contract: it is complete, the body keeps to it, and so does the
Python function that calls it.

A header names the file and what it does, then every KEYS and ARGV by number (`[3..]`: and all that
follow), then RETURNS.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

STREAMS = Path(__file__).parents[2] / "streams"
FILES = sorted((STREAMS / "lua").glob("*.lua"))
WRAPPERS = sorted(STREAMS.glob("*.py"))


@dataclass(frozen=True)
class Row:
    """What a header declares for KEYS or for ARGV: how many, by what names, and whether more."""

    names: tuple[str, ...]
    open_ended: bool


@dataclass(frozen=True)
class Call:
    """A call of a script in Python: what it passes, each as source text."""

    where: str
    keys: tuple[str, ...]
    more_keys: bool
    arguments: tuple[str, ...]
    more_arguments: bool


def header(text: str) -> list[str]:
    """The comment lines that a file begins with, without their dashes."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--") or line.startswith("--@"):
            break
        lines.append(line[2:].strip())
    return lines


def declared(lines: list[str], what: str) -> Row:
    """What the header says of `what`, KEYS or ARGV; complains about numbers out of order."""
    names: list[str] = []
    open_ended = False
    for number, more, name in re.findall(what + r"\[(\d+)(\.\.)?\]\s+(\w+)", "\n".join(lines)):
        assert int(number) == len(names) + 1, f"{what}[{number}] comes after {what}[{len(names)}]"
        assert not open_ended, f"{what}[{number}] comes after all that follow"
        if more:
            open_ended = True
        else:
            names.append(name)
    rest = any(re.match(rf"({what}|then)\s+\w", line) for line in lines)
    return Row(tuple(names), open_ended or (rest and what == "ARGV"))


def check_header(stem: str, text: str) -> None:
    """Complain about a header that is missing something, or a body that does not keep to it."""
    lines = header(text)
    assert lines, "there is no header"
    assert re.match(rf"{stem}: \S", lines[0]), f"the first line is not '-- {stem}: what it does'"
    assert any(line.startswith("RETURNS ") for line in lines), "RETURNS is missing"
    body = re.sub(r"--[^\n]*", "", text)
    for what in ("KEYS", "ARGV"):
        row = declared(lines, what)
        used = {int(number) for number in re.findall(what + r"\[(\d+)\]", body)}
        unknown = {number for number in used if number > len(row.names) and not row.open_ended}
        assert not unknown, f"the body uses {what}{sorted(unknown)}, the header does not name them"


def check_call(lines: list[str], call: Call) -> None:
    """Complain about a call that passes something else than the header names."""
    keys, arguments = declared(lines, "KEYS"), declared(lines, "ARGV")
    for what, row, passed, more in (
        ("KEYS", keys, call.keys, call.more_keys),
        ("ARGV", arguments, call.arguments, call.more_arguments),
    ):
        assert len(passed) == len(row.names) or (row.open_ended and len(passed) > len(row.names)), (
            f"{call.where} passes {len(passed)} {what}, the header names {len(row.names)}"
        )
        assert row.open_ended or not more, f"{call.where} passes more {what} than the header names"
    for name, text in zip(keys.names, call.keys, strict=False):
        # keys.held(worker) is the key that a header calls "held".
        called = re.sub(r"\(.*", "", text).rpartition(".")[2]
        assert name in called, f"{call.where} passes {text} where the header wants {name}"


def calls(path: Path, source: str) -> Iterator[tuple[str, Call]]:
    """Every call of a script in a module, with the script's name."""
    tree = ast.parse(source)
    scripts: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=variable)],
                value=ast.Call(func=ast.Name(id="load"), args=[ast.Constant(value=str(name))]),
            ):
                scripts[variable] = name
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for function in [node for node in ast.walk(tree) if isinstance(node, functions)]:
        for part in ast.walk(function):
            match part:
                case ast.Call(args=[ast.Name(id=variable), keys, arguments]) if variable in scripts:
                    name = scripts[variable]
                    where = f"{path.name}:{part.lineno} ({name})"
                    key_texts, more_keys = _elements(function, keys)
                    argument_texts, more_arguments = _elements(function, arguments)
                    yield name, Call(where, key_texts, more_keys, argument_texts, more_arguments)


def _elements(function: ast.AST, passed: ast.expr) -> tuple[tuple[str, ...], bool]:
    """The fixed elements of a list that is passed, and whether others follow."""
    more = False
    if isinstance(passed, ast.Name):
        more = True  # begun as a list display, then appended to
        passed = _first_value(function, passed.id)
    if not isinstance(passed, ast.List):
        return (), True
    fixed = [element for element in passed.elts if not isinstance(element, ast.Starred)]
    return tuple(map(ast.unparse, fixed)), more or len(fixed) < len(passed.elts)


def _first_value(function: ast.AST, variable: str) -> ast.expr:
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name == variable:
                return value
    return ast.Name(id=variable)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_header_says_what_the_body_uses(path: Path) -> None:
    check_header(path.stem, path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_python_passes_what_the_header_names(path: Path) -> None:
    lines = header(path.read_text())
    found = [
        call
        for wrapper in WRAPPERS
        for name, call in calls(wrapper, wrapper.read_text())
        if name == path.stem
    ]

    assert found, f"no module of streams calls {path.name}"
    for call in found:
        check_call(lines, call)


GOOD = """\
-- pay: move money.
--
-- KEYS[1]   due   sorted set
-- KEYS[2]   held  hash
-- ARGV[1]   now   unix ms
-- ARGV[2..] id    executions
-- RETURNS   "OK"
return redis.call("HGET", KEYS[2], ARGV[1])
"""

GOOD_CALL = """\
_PAY = load("pay")
async def pay(connection, keys, ids):
    await connection.call(_PAY, [keys.due, keys.held(1)], [connection.now(), *ids])
"""


def test_a_complete_header_and_its_call_pass() -> None:
    check_header("pay", GOOD)
    [(name, call)] = calls(Path("pay.py"), GOOD_CALL)
    check_call(header(GOOD), call)

    assert name == "pay"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("-- pay: move money.\n", "", "first line"),
        ('-- RETURNS   "OK"\n', "", "RETURNS is missing"),
        ("KEYS[2]   held", "KEYS[3]   held", "comes after"),
        ("-- KEYS[2]   held  hash\n", "", "the body uses KEYS"),
        ("-- ARGV[1]   now   unix ms\n-- ARGV[2..] id    executions\n", "", "the body uses ARGV"),
    ],
)
def test_an_incomplete_header_is_found(old: str, new: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_header("pay", GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("keys.due, ", "", "passes 1 KEYS"),
        ("keys.due, keys.held(1)", "keys.held(1), keys.due", "where the header wants due"),
        ("connection.now(), *ids", "*ids", "passes 0 ARGV"),
        ("keys.held(1)]", "keys.held(1), *others]", "more KEYS"),
    ],
)
def test_a_call_that_passes_something_else_is_found(old: str, new: str, complaint: str) -> None:
    [(_, call)] = calls(Path("pay.py"), GOOD_CALL.replace(old, new))

    with pytest.raises(AssertionError, match=complaint):
        check_call(header(GOOD), call)
