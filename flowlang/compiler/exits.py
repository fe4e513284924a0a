"""Ways out: `break`, `continue`, `return`, `throw`, labels, and `try` with all that passes it.

An exit walks outwards over the targets. A Python loop on its way is left with a flag, tested after
the loop, where the exit goes on. A `finally` takes every exit, and exceptions, as a number and a
value, runs its finalizer, and then lets the exit go on; a finalizer that leaves on its own account
has thereby dropped it. Python's own `finally` is not used: it would run code of the program while a
`LimitError` passes.
"""

from __future__ import annotations

from flowlang import nodes
from flowlang.compiler.assignments import initialise
from flowlang.compiler.lowering import (
    Exit,
    Form,
    Line,
    Lowering,
    Operand,
    Target,
    lowers_statement,
)

_NO_EXIT, _THROWN, _FIRST_EXIT = 0, 1, 2
"""What a finally's flag says: it was reached at the end, by an exception, by its first exit."""


# ---------------------------------------------------------------------------------------- jumps


def throw_value(low: Lowering, value: Operand) -> None:
    low.emit(f"raise Throw({value.code})")


def leave_with(low: Lowering, value: Operand) -> None:
    """`return value`, through every `finally` around."""
    outer = next((target for target in reversed(low.targets) if target.is_finally), None)
    if outer is None:
        if low.flat:
            low.emit(f"f.value = {value.code}")
            low.emit("return DONE")
        else:
            low.emit(f"return {value.code}")
        return
    if value.code != outer.value:
        low.emit(f"{outer.value} = {value.code}")
    jump(low, Exit(None))


def jump(low: Lowering, way: Exit) -> None:
    """Take a way out from here. A returned value is in the innermost finally's `value` already."""
    crossed: Target | None = None
    for target in reversed(low.targets):
        if target is not way.target and not target.is_finally:
            if target.is_python and crossed is None:
                crossed = target
            continue
        if not target.is_python:
            if target.is_finally and target is not way.target:
                low.emit(f"{target.flag} = {_number(target, way)}")
                assert target.break_part is not None
                low.go(target.break_part)
            else:
                part = target.continue_part if way.continues else target.break_part
                assert part is not None
                low.go(part)
        elif crossed is not None:
            low.emit(f"{crossed.flag} = {_number(crossed, way)}")
            low.emit("break")
        elif target.is_finally:
            low.emit(f"{target.flag} = {_number(target, way)}")
            low.emit("break")
        else:
            low.emit("continue" if way.continues else "break")
        return
    raise AssertionError("the checker lets no jump pass that has no target")


def _number(target: Target, way: Exit) -> int:
    if way not in target.exits:
        target.exits.append(way)
    return target.exits.index(way) + _FIRST_EXIT


def python_loop(low: Lowering, *, is_loop: bool = False, is_switch: bool = False) -> Target:
    """Enter a Python loop as a target, with the labels that stand before it."""
    target = Target(_take_labels(low), is_loop, is_switch, flag=low.name("t"))
    low.targets.append(target)
    return target


def flat_loop(low: Lowering, *, is_loop: bool = False, is_switch: bool = False) -> Target:
    """Enter a loop made of parts as a target, with the labels that stand before it."""
    target = Target(_take_labels(low), is_loop, is_switch, is_python=False)
    target.break_part = low.new_part()
    low.targets.append(target)
    return target


def _take_labels(low: Lowering) -> frozenset[str]:
    labels, low.pending_labels = low.pending_labels, []
    return frozenset(labels)


def after_python_loop(low: Lowering, target: Target, lines: list[Line], mark: int) -> None:
    """Leave a Python loop that began at line `mark`, and let exits through it go on."""
    assert low.targets.pop() is target
    if target.exits:
        lines.insert(mark, Line(low.indent, f"{target.flag} = {_NO_EXIT}", low.offset))
        _go_on(low, target)


def _go_on(low: Lowering, target: Target) -> None:
    """Continue the exits that were taken through a target that has been left."""
    for number, way in enumerate(target.exits, _FIRST_EXIT):
        with low.indented(f"if {target.flag} == {number}:"):
            if way.target is None and target.is_finally:
                leave_with(low, Operand(target.value))
            else:
                jump(low, way)


@lowers_statement(nodes.Break)
def _break(low: Lowering, node: nodes.Break) -> None:
    for target in reversed(low.targets):
        if node.label is None:
            found = target.is_loop or target.is_switch
        else:
            found = node.label in target.labels
        if found:
            jump(low, Exit(target))
            return
    raise AssertionError("the checker lets no break pass that has no target")


@lowers_statement(nodes.Continue)
def _continue(low: Lowering, node: nodes.Continue) -> None:
    for target in reversed(low.targets):
        if target.is_loop and (node.label is None or node.label in target.labels):
            jump(low, Exit(target, continues=True))
            return
    raise AssertionError("the checker lets no continue pass that has no target")


@lowers_statement(nodes.Labelled)
def _labelled(low: Lowering, node: nodes.Labelled) -> None:
    low.pending_labels.append(node.label)
    body = node.body
    if isinstance(
        body,
        nodes.Labelled
        | nodes.For
        | nodes.ForOf
        | nodes.ForIn
        | nodes.While
        | nodes.DoWhile
        | nodes.Switch,
    ):
        low.statement(body)
        return
    if low.facts.is_flat(body):
        target = flat_loop(low)
        low.statement(body)
        low.targets.pop()
        assert target.break_part is not None
        low.go(target.break_part)
        low.begin(target.break_part)
        return
    target = python_loop(low)
    lines, mark = low.lines, len(low.lines)
    with low.indented("while True:"):
        low.statement(body)
        low.emit("break")
    after_python_loop(low, target, lines, mark)


# ---------------------------------------------------------------------------------------- try


@lowers_statement(nodes.Try)
def _try(low: Lowering, node: nodes.Try) -> None:
    if low.facts.is_flat(node):
        _flat_try(low, node)
    elif node.finalizer is None:
        _catch_only(low, node)
    else:
        _finally(low, node, node.finalizer)


def _block(low: Lowering, node: nodes.Block) -> None:
    low.statement(node)


def _catch_only(low: Lowering, node: nodes.Try) -> None:
    assert node.handler is not None
    with low.indented("try:"):
        _block(low, node.block)
    error = low.name("t")
    with low.indented(f"except Throw as {error}:"):
        _handle(low, node.handler, f"{error}.value")


def _handle(low: Lowering, handler: nodes.Catch, error: str) -> None:
    """The body of a catch, with the thrown value at `error`."""
    with low.within(low.analysis.scopes[handler], handler):
        if handler.parameter is not None:
            initialise(low, handler.parameter, Operand(error))
        _block(low, handler.body)


def _finally(low: Lowering, node: nodes.Try, finalizer: nodes.Block) -> None:
    """Structured: a Python loop that runs once, so that every exit is a `break` out of it."""
    target = Target(frozenset(), is_finally=True, flag=low.name("t"), value=low.name("t"))
    low.targets.append(target)
    low.emit(f"{target.flag} = {_NO_EXIT}")
    with low.indented("while True:"):
        with low.indented("try:"):
            if node.handler is None:
                _block(low, node.block)
            else:
                _catch_only(low, node)
        error = low.name("t")
        with low.indented(f"except Throw as {error}:"):
            low.emit(f"{target.flag} = {_THROWN}")
            low.emit(f"{target.value} = {error}.value")
        low.emit("break")
    low.targets.pop()
    _block(low, finalizer)
    low.emit(f"if {target.flag} == {_THROWN}: raise Throw({target.value})")
    _go_on(low, target)


def _flat_try(low: Lowering, node: nodes.Try) -> None:
    end = low.new_part()
    around = low.handler
    target: Target | None = None
    slots = low.next_slot
    if node.finalizer is not None:
        target = Target(
            frozenset(), is_finally=True, is_python=False, flag=low.slot(), value=low.slot()
        )
        target.break_part = low.new_part()
        thrown = low.new_part()
        low.targets.append(target)
    after_block = end if target is None else target.break_part
    assert after_block is not None

    body = low.new_part()
    caught = None if node.handler is None else low.new_part()
    if target is not None:
        low.emit(f"{target.flag} = {_NO_EXIT}")
    low.go(body)
    low.handler = caught.index if caught is not None else thrown.index
    low.begin(body)
    _block(low, node.block)
    low.go(after_block)

    if node.handler is not None:
        assert caught is not None
        low.handler = around if target is None else thrown.index
        low.begin(caught)
        if target is not None:
            low.emit(f"{target.flag} = {_NO_EXIT}")
        error = low.keep(Operand("v", form=Form.EXPRESSION))
        _handle(low, node.handler, error.code)
        low.go(after_block)

    low.handler = around
    if target is not None:
        assert node.finalizer is not None and target.break_part is not None
        low.targets.pop()
        low.begin(thrown)
        low.emit(f"{target.flag} = {_THROWN}")
        low.emit(f"{target.value} = v")
        low.go(target.break_part)
        low.begin(target.break_part)
        _block(low, node.finalizer)
        low.emit(f"if {target.flag} == {_THROWN}: raise Throw({target.value})")
        _go_on(low, target)
        low.go(end)
    low.next_slot = slots
    low.begin(end)
