"""Smaller programs that still show a difference.

First over the generator's choices: parts of the list are left out or made 0, as long as what is
generated still differs. Then over the text that remains: statements are left out, and expressions
replaced by parts of themselves. Each step is kept only if it still differs in the same way, so
where the steps lead does not matter, only that each makes the program smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowlang import nodes
from flowlang.parser import parse

MAX_ATTEMPTS = 400
"""Of each of the two ways; they take some 20 ms each."""


def shrink_choices(taken: list[int], differs: Callable[[list[int]], bool]) -> list[int]:
    """A shorter or smaller list of choices that still differs."""
    attempts = 0
    best = taken
    width = max(1, len(best) // 2)
    while width:
        position = 0
        while position < len(best):
            improved = False
            part = best[position : position + width]
            candidates = [best[:position] + best[position + width :]]
            if any(part):
                candidates.append(best[:position] + [0] * len(part) + best[position + width :])
            if width == 1 and part[0] > 1:
                candidates.append([*best[:position], part[0] // 2, *best[position + 1 :]])
            for candidate in candidates:
                attempts += 1
                if attempts > MAX_ATTEMPTS:
                    return best
                if differs(candidate):
                    best = candidate
                    improved = True
                    break
            if not improved:
                position += width
        width //= 2
    return best


def shrink_source(source: str, differs: Callable[[str], bool]) -> str:
    """A shorter text that still differs."""
    attempts = 0
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(source):
            attempts += 1
            if attempts > MAX_ATTEMPTS:
                return source
            if differs(candidate):
                source = candidate
                improved = True
                break
    return source


def _smaller(source: str) -> Iterator[str]:
    """Texts with one part less; those that lose most come first."""
    tree = parse(source, "fuzz.flow").tree
    if tree is None:
        lines = source.splitlines(keepends=True)
        for position in range(len(lines)):
            yield "".join(lines[:position] + lines[position + 1 :])
        return
    # Offsets count UTF-16 units, and sources are written without astral characters.
    found = sorted(_edits(tree, source), key=lambda edit: edit[0] - edit[1] + len(edit[2]))
    for start, end, text in found:
        if len(text) < end - start:
            yield source[:start] + text + source[end:]


def _edits(node: nodes.Node, source: str) -> Iterator[tuple[int, int, str]]:
    for child in _children(node):
        start, end = child.start, child.end
        if isinstance(child, nodes.Statement) and not isinstance(node, nodes.Labelled):
            yield start, end, ""
            if isinstance(child, nodes.Try):
                yield start, end, source[child.block.start : child.block.end]
                yield start, end, source[child.block.start + 1 : child.block.end - 1]
            if isinstance(child, nodes.Labelled):
                yield start, end, source[child.body.start : child.body.end]
            if isinstance(child, nodes.Block):
                yield start, end, source[start + 1 : end - 1]
        elif isinstance(child, nodes.Expression) and not isinstance(child, nodes.Identifier):
            for part in _children(child):
                if isinstance(part, nodes.Expression):
                    yield start, end, source[part.start : part.end]
                    yield start, end, f"({source[part.start : part.end]})"
            yield start, end, "0"
        if isinstance(node, nodes.Call | nodes.New | nodes.ArrayLiteral | nodes.ObjectLiteral):
            yield from _list_edit(child, source)
        if isinstance(node, nodes.Function | nodes.ArrayPattern | nodes.ObjectPattern):
            yield from _list_edit(child, source)
        yield from _edits(child, source)


def _list_edit(child: nodes.Node, source: str) -> Iterator[tuple[int, int, str]]:
    """A member of a list left out, with the comma beside it."""
    before, after = source[: child.start].rstrip(), source[child.end :]
    if before.endswith(","):
        yield len(before) - 1, child.end, ""
    elif after.lstrip().startswith(","):
        yield child.start, child.end + len(after) - len(after.lstrip()) + 1, ""
    else:
        yield child.start, child.end, ""


def _children(node: nodes.Node) -> Iterator[nodes.Node]:
    for name in node.__struct_fields__:
        yield from _nodes_in(getattr(node, name))


def _nodes_in(value: object) -> Iterator[nodes.Node]:
    if isinstance(value, nodes.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)


def walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """A node and all below it."""
    yield node
    for child in _children(node):
        yield from walk(child)
