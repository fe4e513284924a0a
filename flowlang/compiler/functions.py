"""One function lowered as a whole: parameters, prologue, and the text that Python compiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from flowlang import nodes
from flowlang.compiler import calls, exits, expressions, loops, operators, statements
from flowlang.compiler.assignments import initialise, with_default
from flowlang.compiler.liveness import bits_of, live_slots
from flowlang.compiler.lowering import (
    AwaitPoint,
    Constants,
    Form,
    Line,
    Lowering,
    Operand,
    ScopePlaces,
)
from flowlang.compiler.stops import StopPoints
from flowlang.scope import Analysis, FunctionInfo

_RULES = (calls, exits, expressions, loops, operators, statements)
"""The modules that register how each kind of node is lowered."""

_NEW_LINE = "\n#@"
"""What stands within generated text before the offset of a call on a line of its own."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """Generated Python for one function.

    Attributes:
        text: defines `bind(M)`, which gives a Python function, or, when flat, `parts`. It takes
            the scope around, if there is one, and the arguments.
        offsets: the source offset for each line of `text`.
        is_flat: whether it came out as parts.
        handlers: for each part, the part that takes exceptions thrown in it.
        slots: how many slots a frame needs.
        awaits: where the function can suspend, in source order.
        scopes: of stepping code, for each line of `text` the variables that can be seen there.
    """

    text: str
    offsets: tuple[int, ...]
    is_flat: bool
    handlers: tuple[int | None, ...]
    slots: int
    awaits: tuple[AwaitPoint, ...]
    scopes: tuple[tuple[ScopePlaces, ...], ...]


def lower(
    analysis: Analysis,
    info: FunctionInfo,
    text: str,
    constants: Constants,
    line_of: Callable[[int], int],
    stops: StopPoints | None = None,
) -> Lowered:
    """Lower one function of a program. Functions within it are left to be lowered on their own.

    Args:
        text: the program's source.
        constants: shared by all functions of the program; new ones are added.
        line_of: the line of a source offset.
        stops: where stepping code calls `M.hook`; None for ordinary code.
    """
    low = Lowering(analysis, info, text, constants, line_of, stops)
    return _lower_flat(low) if low.flat else _lower_plain(low)


def _size(low: Lowering) -> int:
    return low.facts.size_of_round(*low.info.node.body, *low.info.parameters)


# ---------------------------------------------------------------------------------------- plain


def _lower_plain(low: Lowering) -> Lowered:
    info = low.info
    parameters = ["S"] if info.has_scope_around else []
    for position, parameter in enumerate(info.parameters):
        parameters.append(f"*a{position}" if parameter.is_rest else f"a{position}=undefined")
    if not (info.parameters and info.parameters[-1].is_rest):
        parameters.append("*_")

    low.indent = 2
    if low.stops is not None:
        low.emit("G, H = M.gates, M.hook")
    low.take_steps(_size(low))
    arguments = [f"a{position}" for position in range(len(info.parameters))]
    if low.facts.calls(*info.node.body, *info.parameters):
        low.emit("d = B.depth")
        low.emit("if d >= B.depth_limit: B.too_deep()")
        low.emit("B.depth = d + 1")
        with low.indented("try:"):
            _body(low, arguments)
            low.emit("return undefined")
        with low.indented("finally:"):
            low.emit("B.depth = d")
    else:
        # Nothing in it leads deeper but a conversion, which counts the call that it makes.
        _body(low, arguments)
        low.emit("return undefined")

    start = info.node.start
    head = [Line(0, "def bind(M):", start), Line(1, "B = M.budget", start)]
    for steps in sorted(low.strides):
        head.append(Line(1, f"STEPS{steps} = B.stride({steps})", start))
    head.append(Line(1, f"def function({', '.join(parameters)}):", start))
    for hops in sorted(low.hops):
        head.append(Line(2, f"S{hops} = S{'[0]' * hops}", start))
    lines = [*head, *low.lines, Line(1, "return function", start)]
    return Lowered(*_join(lines), False, (), 0, (), _scopes(low, lines))


# ---------------------------------------------------------------------------------------- flat


def _lower_flat(low: Lowering) -> Lowered:
    info = low.info
    low.begin(low.new_part())
    low.take_steps(_size(low))
    arguments = []
    for position, parameter in enumerate(info.parameters):
        name = f"a{position}"
        arguments.append(name)
        if parameter.is_rest:
            low.emit(f"{name} = v[{position}:]")
        else:
            low.emit(f"{name} = v[{position}] if len(v) > {position} else undefined")
    _body(low, _through_awaits(low, arguments))
    low.emit("f.value = undefined")
    low.emit("return DONE")

    start = info.node.start
    lines = []
    for part in low.parts:
        lines.append(Line(0, f"def part{part.index}(M, f, F, S, v):", start))
        if any("B." in line.text for line in part.lines):
            lines.append(Line(1, "B = M.budget", start))
        if low.stops is not None:
            lines.append(Line(1, "G, H = M.gates, M.hook", start))
        lines += part.lines or [Line(1, "pass", start)]
    names = ", ".join(f"part{part.index}" for part in low.parts)
    lines.append(Line(0, f"parts = ({names},)", start))
    return Lowered(
        *_join(lines),
        True,
        tuple(part.handler for part in low.parts),
        low.slot_count,
        _awaits(low),
        _scopes(low, lines),
    )


def _awaits(low: Lowering) -> tuple[AwaitPoint, ...]:
    """Where the function can suspend, with what then matters."""
    if not low.awaits:
        return ()
    known: dict[int, int] = {}  # many awaits of a scope share what can be seen
    for point in low.awaits:
        if id(point.scopes) not in known:
            slots = (place.slot for place in point.places)
            known[id(point.scopes)] = bits_of(slot for slot in slots if slot is not None)
    visible = {point.part: known[id(point.scopes)] for point in low.awaits}
    live = live_slots(low.parts, visible)
    points = sorted(low.awaits, key=lambda point: point.node.start)
    return tuple(replace(point, live=live[point.part]) for point in points)


def _through_awaits(low: Lowering, arguments: list[str]) -> list[str]:
    """The arguments where they stay while a default value suspends, which deep ones may force."""
    if not low.facts.is_flat(*low.info.parameters):
        return arguments
    return [low.keep(Operand(name), slot=True).code for name in arguments]


# ---------------------------------------------------------------------------------------- both


def _body(low: Lowering, arguments: list[str]) -> None:
    """Scopes, parameters and statements of the function."""
    info = low.info
    node = info.node
    low.scope = info.scope
    in_place = [] if low.flat else _stay_in_place(low, arguments)
    low.enter(info.scope, flat=low.flat)
    for parameter, argument in zip(info.parameters, arguments, strict=True):
        if parameter in in_place:
            continue
        low.offset = parameter.start
        low.charge(parameter)
        value = Operand(argument, form=Form.EXPRESSION)
        if parameter.is_rest:
            value = Operand(f"rest_array({argument})")
        initialise(low, parameter.target, with_default(low, value, parameter.default))
    _make_hoisted_again(low)
    if info.body_scope is not info.scope:
        low.scope = info.body_scope
        low.enter(info.body_scope, flat=low.flat)
        for name, variable in info.body_scope.variables.items():
            same = info.scope.variables.get(name)
            if same is not None and variable.kind == "var":
                low.emit(f"{low.place(variable)} = {low.place(same)}")
        for hoisted in info.body_scope.hoisted:
            assert hoisted.declared_as is not None
            low.emit(f"{low.place(hoisted.declared_as)} = {low.closure(hoisted)}")
    low.offset = node.start
    low.statements(node.body)


def _stay_in_place(low: Lowering, arguments: list[str]) -> list[nodes.Element]:
    """The parameters that need nothing done: plain names that no closure shares."""
    found = []
    for parameter, argument in zip(low.info.parameters, arguments, strict=True):
        target = parameter.target
        if not isinstance(target, nodes.Identifier) or parameter.is_rest or parameter.default:
            continue
        variable = low.info.scope.variables[target.name]
        if not variable.captured and not variable.checked:
            low.use_argument(variable, argument)
            found.append(parameter)
    return found


def _make_hoisted_again(low: Lowering) -> None:
    """A function declared under the name of a parameter wins over the argument."""
    for hoisted in low.info.scope.hoisted:
        variable = hoisted.declared_as
        if variable is not None and variable.kind == "parameter":
            low.emit(f"{low.place(variable)} = {low.closure(hoisted)}")


def _join(lines: list[Line]) -> tuple[str, tuple[int, ...]]:
    """Lines as text, with the source offset of each. Calls on lines of their own are found by
    the marks that stand before them."""
    text: list[str] = []
    offsets: list[int] = []
    for line in lines:
        first, *others = (" " * line.indent + line.text).split(_NEW_LINE)
        text.append(first)
        offsets.append(line.offset)
        for other in others:
            offset, _, code = other.partition("\n")
            text.append(code)
            offsets.append(int(offset))
    return "\n".join(text) + "\n", tuple(offsets)


def _scopes(low: Lowering, lines: list[Line]) -> tuple[tuple[ScopePlaces, ...], ...]:
    """What can be seen at each line of the text that `_join` makes, if anybody can stop there."""
    if low.stops is None:
        return ()
    return tuple(
        low.visible(line.scope) for line in lines for _ in range(line.text.count(_NEW_LINE) + 1)
    )
