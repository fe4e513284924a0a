"""Lowering of loops and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from flowlang import nodes
from flowlang.compiler.exits import after_python_loop, flat_loop, python_loop
from flowlang.compiler.lowering import Form, Lowering, Operand, lowers_statement
from flowlang.compiler.operators import combine, truth
from flowlang.compiler.statements import declare, evaluate
from flowlang.scope import Scope

_Step = Callable[[], None]


@lowers_statement(nodes.While)
def _while(low: Lowering, node: nodes.While) -> None:
    size = low.facts.size_of_round(node.test, node.body)
    after = None if low.stops is None else _stop_after(low, node)
    if low.facts.is_flat(node):
        _flat_rounds(low, node, size, test=node.test, after=after)
    else:
        _rounds(low, node, size, test=node.test, after=after)


@lowers_statement(nodes.DoWhile)
def _do_while(low: Lowering, node: nodes.DoWhile) -> None:
    size = low.facts.size_of_round(node.test, node.body)

    def test_after() -> None:
        if low.stops is not None:
            low.stop(low.stops.after_round(node))
        low.charge(node.test)
        low.emit(f"if not {truth(low, node.test)}: break")

    if low.facts.is_flat(node):
        _flat_do_while(low, node, size)
    else:
        _rounds(low, node, size, after=test_after)


@lowers_statement(nodes.For)
def _for(low: Lowering, node: nodes.For) -> None:
    size = low.facts.size_of_round(node.test, node.update, node.body)
    labels, low.pending_labels = low.pending_labels, []
    scope = low.analysis.scopes[node]
    with low.within(scope, node):
        if isinstance(node.initial, nodes.VariableDeclaration):
            low.statement(node.initial)
        elif node.initial is not None:
            low.charge(node.initial)
            evaluate(low, node.initial)
        low.offset = node.start
        low.copy_scope(scope)
        low.pending_labels = labels

        def after() -> None:
            if low.stops is not None:
                low.stop(low.stops.after_round(node))
            low.copy_scope(scope)
            if node.update is not None:
                low.charge(node.update)
                evaluate(low, node.update)

        has_after = scope.is_shared or node.update is not None or low.stops is not None
        if low.facts.is_flat(node):
            _flat_rounds(low, node, size, test=node.test, after=after if has_after else None)
        else:
            _rounds(low, node, size, test=node.test, after=after if has_after else None)


def _stop_after(low: Lowering, node: nodes.While) -> _Step:
    """What ends a round when nothing but a stop does."""
    assert low.stops is not None
    return partial(low.stop, low.stops.after_round(node))


def _rounds(
    low: Lowering,
    node: nodes.For | nodes.While | nodes.DoWhile,
    size: int,
    *,
    test: nodes.Expression | None = None,
    after: _Step | None = None,
) -> None:
    """A loop as a Python loop over the steps that are left. `after` ends each round."""
    target = python_loop(low, is_loop=True)
    lines, mark = low.lines, len(low.lines)
    offset = low.offset
    at_top = after is not None and _continues(node.body)
    if at_top:
        first = low.name("t")
        low.emit(f"{first} = True")
    with low.indented(f"for _ in {low.stride(size)}:"):
        if at_top:
            assert after is not None
            low.emit(f"if {first}: {first} = False")
            with low.indented("else:"):
                after()
        if test is not None:
            low.charge(test)
            low.emit(f"if not {truth(low, test)}: break")
        low.statement(node.body)
        if after is not None and not at_top:
            low.offset = offset
            after()
    low.offset = offset
    low.emit("else: B.out_of_steps()")
    after_python_loop(low, target, lines, mark)


def _flat_rounds(
    low: Lowering,
    node: nodes.For | nodes.While,
    size: int,
    *,
    test: nodes.Expression | None = None,
    after: _Step | None = None,
) -> None:
    offset = low.offset
    target = flat_loop(low, is_loop=True)
    top = low.new_part()
    target.continue_part = top if after is None else low.new_part()
    end = target.break_part
    assert end is not None and target.continue_part is not None
    low.go(top)
    low.begin(top)
    low.take_steps(size)
    if test is not None:
        slots = low.next_slot
        low.charge(test)
        low.emit(f"if not {truth(low, test)}: return {end.index}")
        low.next_slot = slots
    low.statement(node.body)
    low.go(target.continue_part)
    if after is not None:
        low.offset = offset
        low.begin(target.continue_part)
        slots = low.next_slot
        after()
        low.next_slot = slots
        low.go(top)
    low.targets.pop()
    low.begin(end)


def _flat_do_while(low: Lowering, node: nodes.DoWhile, size: int) -> None:
    target = flat_loop(low, is_loop=True)
    top = low.new_part()
    target.continue_part = low.new_part()
    assert target.break_part is not None
    low.go(top)
    low.begin(top)
    low.take_steps(size)
    low.statement(node.body)
    low.go(target.continue_part)
    low.begin(target.continue_part)
    slots = low.next_slot
    if low.stops is not None:
        low.stop(low.stops.after_round(node))
    low.charge(node.test)
    low.emit(f"if {truth(low, node.test)}: return {top.index}")
    low.next_slot = slots
    low.go(target.break_part)
    low.targets.pop()
    low.begin(target.break_part)


# ---------------------------------------------------------------------------------------- for each


@lowers_statement(nodes.ForOf)
def _for_of(low: Lowering, node: nodes.ForOf) -> None:
    _for_each(low, node, node.iterable, "iterate")


@lowers_statement(nodes.ForIn)
def _for_in(low: Lowering, node: nodes.ForIn) -> None:
    _for_each(low, node, node.object, "enumerate_keys")


def _for_each(
    low: Lowering, node: nodes.ForOf | nodes.ForIn, source: nodes.Expression, iterating: str
) -> None:
    labels, low.pending_labels = low.pending_labels, []
    early = low.analysis.early_scopes.get(node)
    if early is None:
        value = low.whole(source)
    else:
        with _without_variables(low, early, source):
            value = low.whole(source)
    low.pending_labels = labels
    size = low.facts.size_of_round(node.body)
    if low.facts.is_flat(node.body, node.target):
        _flat_for_each(low, node, value, iterating, size)
        return
    target = python_loop(low, is_loop=True)
    lines, mark = low.lines, len(low.lines)
    item = low.name("t")
    fast = "items_of" if iterating == "iterate" else iterating
    items = f"{fast}({value.code})"
    if low.stops is not None:
        items = f"stopping({items}, G, H, {low.stops.after_round(node)})"
    with low.indented(f"for {item} in {items}:"):
        low.take_steps(size)
        if iterating == "iterate":
            low.emit(f"if {item} is HOLE: {item} = undefined")
        _round(low, node, Operand(item, form=Form.TEMPORARY))
    after_python_loop(low, target, lines, mark)


@contextmanager
def _without_variables(low: Lowering, scope: Scope, source: nodes.Expression) -> Iterator[None]:
    """The scope of the looped-over value: entered only if the value mentions its names."""
    if any(variable.checked for variable in scope.variables.values()):
        with low.within(scope, source):
            yield
    else:
        yield


def _round(low: Lowering, node: nodes.ForOf | nodes.ForIn, item: Operand) -> None:
    with low.within(low.analysis.scopes[node], node.target, node.body):
        low.charge(node.target)
        declare(low, node.kind, node.target, item)
        low.statement(node.body)


def _flat_for_each(
    low: Lowering, node: nodes.ForOf | nodes.ForIn, value: Operand, iterating: str, size: int
) -> None:
    offset = low.offset
    iterator = low.slot()
    low.emit(f"{iterator} = {iterating}({value.code})")
    target = flat_loop(low, is_loop=True)
    top = target.continue_part = low.new_part()
    end = target.break_part
    assert end is not None
    if low.stops is not None:
        target.continue_part = low.new_part()
    low.go(top)
    low.begin(top)
    low.take_steps(size)
    item = low.name("t")
    low.emit(f"for {item} in {iterator}: break")
    low.emit(f"else: return {end.index}")
    _round(low, node, Operand(item, form=Form.TEMPORARY))
    low.go(target.continue_part)
    if low.stops is not None:
        low.offset = offset
        low.begin(target.continue_part)
        low.stop(low.stops.after_round(node))
        low.go(top)
    low.targets.pop()
    low.offset = offset
    low.begin(end)


# ---------------------------------------------------------------------------------------- switch


@lowers_statement(nodes.Switch)
def _switch(low: Lowering, node: nodes.Switch) -> None:
    if low.facts.is_flat(*node.cases):
        _flat_switch(low, node)
        return
    labels, low.pending_labels = low.pending_labels, []
    value = low.keep(low.whole(node.discriminant))
    with low.within(low.analysis.scopes[node], *node.cases):
        chosen = low.name("t")
        default = _default(node)
        with low.indented("while True:"):
            for position, case in enumerate(node.cases):
                if case.test is None:
                    continue
                low.offset = case.start
                low.charge(case.test)
                test = combine(low, "===", value, low.expression(case.test))
                low.emit(f"{chosen} = {position}")
                low.emit(f"if {test.code}: break")
            low.emit(f"{chosen} = {len(node.cases) if default is None else default}")
            low.emit("break")
        low.pending_labels = labels
        target = python_loop(low, is_switch=True)
        lines, mark = low.lines, len(low.lines)
        with low.indented("while True:"):
            for position, case in enumerate(node.cases):
                with low.indented(f"if {chosen} <= {position}:"):
                    low.statements(case.body)
            low.emit("break")
        after_python_loop(low, target, lines, mark)


def _default(node: nodes.Switch) -> int | None:
    for position, case in enumerate(node.cases):
        if case.test is None:
            return position
    return None


def _flat_switch(low: Lowering, node: nodes.Switch) -> None:
    labels, low.pending_labels = low.pending_labels, []
    value = low.keep(low.whole(node.discriminant), slot=True)
    with low.within(low.analysis.scopes[node], *node.cases):
        low.pending_labels = labels
        target = flat_loop(low, is_switch=True)
        end = target.break_part
        assert end is not None
        bodies = [low.new_part() for _ in node.cases]
        default = _default(node)
        for position, case in enumerate(node.cases):
            if case.test is None:
                continue
            low.offset = case.start
            slots = low.next_slot
            low.charge(case.test)
            test = combine(low, "===", value, low.expression(case.test))
            low.emit(f"if {test.code}: return {bodies[position].index}")
            low.next_slot = slots
        low.go(end if default is None else bodies[default])
        for position, case in enumerate(node.cases):
            low.begin(bodies[position])
            low.statements(case.body)
            low.go(bodies[position + 1] if position + 1 < len(bodies) else end)
        low.targets.pop()
        low.begin(end)


def _continues(body: nodes.Statement) -> bool:
    """Whether a `continue` stands in a loop's body; one of an inner loop counts, to be safe."""
    return any(isinstance(node, nodes.Continue) for node in _within(body))


def _within(node: nodes.Node) -> Iterator[nodes.Node]:
    stack: list[nodes.Node] = [node]
    while stack:
        at = stack.pop()
        yield at
        if isinstance(at, nodes.Function):
            continue
        for name in at.__struct_fields__:
            value = getattr(at, name)
            if isinstance(value, nodes.Node):
                stack.append(value)
            elif isinstance(value, tuple):
                stack.extend(item for item in value if isinstance(item, nodes.Node))
