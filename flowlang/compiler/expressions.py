"""Lowering of literals, names, members and `await`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from math import inf, isinf, isnan

from flowlang import nodes
from flowlang.compiler.lowering import (
    LONG_NAME,
    UNDEFINED,
    AwaitPoint,
    Form,
    Lowering,
    Operand,
    lowers_expression,
)
from flowlang.library import GLOBALS
from flowlang.scope import property_name

MACHINE_GLOBALS = {"Inputs": "M.inputs", "Context": "M.context"}
"""The globals that each machine has of its own, and where generated code finds them."""

_CONSTANT_GLOBALS = {
    "undefined": UNDEFINED,
    "NaN": Operand("NAN", "number", Form.CONSTANT),
    "Infinity": Operand("INFINITY", "number", Form.CONSTANT),
}


# ---------------------------------------------------------------------------------------- literals


def number(value: float) -> Operand:
    """A number as Python text."""
    if isnan(value):
        return Operand("NAN", "number", Form.CONSTANT)
    if isinf(value):
        return Operand("INFINITY" if value == inf else "(-INFINITY)", "number", Form.CONSTANT)
    return Operand(repr(value), "number", Form.CONSTANT)


def string(value: str) -> Operand:
    """A string as Python text, in ASCII."""
    return Operand(ascii(value), "string", Form.CONSTANT)


@lowers_expression(nodes.NumberLiteral)
def _number(low: Lowering, node: nodes.NumberLiteral) -> Operand:
    return number(node.value)


@lowers_expression(nodes.StringLiteral)
def _string(low: Lowering, node: nodes.StringLiteral) -> Operand:
    return string(node.value)


@lowers_expression(nodes.BooleanLiteral)
def _boolean(low: Lowering, node: nodes.BooleanLiteral) -> Operand:
    return Operand(str(node.value), "boolean", Form.CONSTANT)


@lowers_expression(nodes.NullLiteral)
def _null(low: Lowering, node: nodes.NullLiteral) -> Operand:
    return Operand("None", form=Form.CONSTANT)


@lowers_expression(nodes.TemplateLiteral)
def _template(low: Lowering, node: nodes.TemplateLiteral) -> Operand:
    texts = iter(texts_of(low, node.expressions, to_text))
    parts: list[Operand] = []
    for literal in node.strings:
        if literal:
            parts.append(string(literal))
        parts.extend(islice(texts, 1))
    return join(parts)


def texts_of(
    low: Lowering,
    expressions: Sequence[nodes.Expression],
    text_of: Callable[[Operand], str],
    before: Sequence[Operand] = (),
) -> list[Operand]:
    """Lower expressions, each of which is made a text before the next one is evaluated. The
    operands in `before` come first, as in `Lowering.operands`."""
    done = list(before)
    suspends = [at for at, node in enumerate(expressions) if low.facts.is_flat(node)]
    last_flat = suspends[-1] if suspends else -1
    for position, expression in enumerate(expressions):
        lines, mark, indent = low.lines, len(low.lines), low.indent
        value = low.operands([expression])[0]
        if low.lines is lines and len(lines) > mark:
            low.spill(done, mark, indent)
        text = value
        if value.type != "string":
            text = Operand(text_of(value), "string", depth=value.depth + 1)
        done.append(low.keep(text, slot=True) if position < last_flat else text)
    return done


def join(texts: Sequence[Operand]) -> Operand:
    """Texts one after the other as one."""
    if len(texts) == 1:
        return texts[0]
    codes = ", ".join(text.code for text in texts)
    return (
        Operand(f"join_text(({codes},))", "string", depth=deepest(texts)) if texts else string("")
    )


def to_text(value: Operand) -> str:
    """Python text for `String(value)`."""
    if value.type == "string":
        return value.code
    return (
        f"number_to_string({value.code})" if value.type == "number" else f"to_string({value.code})"
    )


@lowers_expression(nodes.ArrayLiteral)
def _array(low: Lowering, node: nodes.ArrayLiteral) -> Operand:
    values = low.operands([element for element in node.elements if element is not None])
    remaining = iter(values)
    items = []
    for element in node.elements:
        if element is None:
            items.append("HOLE")
        elif isinstance(element, nodes.Spread):
            items.append(f"*{next(remaining).code}")
        else:
            items.append(next(remaining).code)
    listed = f"({', '.join(items)},)" if items else ""
    made = "spread_array" if any(item.startswith("*") for item in items) else "JSArray"
    return Operand(f"{made}({listed})", depth=deepest(values))


@lowers_expression(nodes.ObjectLiteral)
def _object(low: Lowering, node: nodes.ObjectLiteral) -> Operand:
    plain = all(
        isinstance(entry, nodes.Property)
        and not entry.computed
        and property_name(entry.key) != "__proto__"
        for entry in node.properties
    )
    if plain and len(node.properties) <= 500:
        entries = [entry for entry in node.properties if isinstance(entry, nodes.Property)]
        values = low.operands([entry.value for entry in entries])
        pairs = [
            f"{property_name(entry.key)!a}: {value.code}"
            for entry, value in zip(entries, values, strict=True)
        ]
        return Operand(
            f"JSObject({{{', '.join(pairs)}}})" if pairs else "JSObject()", depth=deepest(values)
        )
    return _object_in_steps(low, node)


def _object_in_steps(low: Lowering, node: nodes.ObjectLiteral) -> Operand:
    """An object literal with spreads or computed keys: made empty, then filled in order."""
    flat = low.facts.is_flat(node)
    made = low.keep(Operand("JSObject()"), slot=flat)
    for entry in node.properties:
        if isinstance(entry, nodes.Spread):
            low.emit(f"copy_data_properties({made.code}, {low.expression(entry.argument).code})")
        elif entry.computed:
            key = low.hold(
                Operand(f"to_property_key({low.expression(entry.key).code})"), entry.value
            )
            value = low.expression(entry.value)
            if isinstance(entry.value, nodes.Function) and entry.value.name is None:
                value = Operand(f"name_function({value.code}, {key.code})")
            low.emit(f"define_member({made.code}, {key.code}, {value.code})")
        else:
            name = property_name(entry.key)
            value = low.expression(entry.value)
            if name == "__proto__" and entry.kind == "pair":
                low.emit(f"refuse_prototype({value.code})")
            else:
                low.emit(f"define_member({made.code}, {name!a}, {value.code})")
    return made


def deepest(values: Sequence[Operand]) -> int:
    """The depth of an operand made of these."""
    return max((value.depth for value in values), default=0) + 1


# ---------------------------------------------------------------------------------------- names


@lowers_expression(nodes.Identifier)
def _identifier(low: Lowering, node: nodes.Identifier) -> Operand:
    variable = low.analysis.references[node]
    if variable is None:
        return global_name(low, node.name)
    place = low.place(variable)
    if node in low.analysis.unsafe:
        if low.is_local(variable):
            code = f"({place} if {place} is not TDZ else too_early({node.name!a}))"
        else:
            name = low.name("t")
            code = f"({name} if ({name} := {place}) is not TDZ else too_early({node.name!a}))"
        return Operand(code, variable.type, depth=1)
    form = Form.LOCAL if low.is_local(variable) else Form.EXPRESSION
    return Operand(place, variable.type, form)


def global_name(low: Lowering, name: str) -> Operand:
    """A name that the program does not declare."""
    if name in _CONSTANT_GLOBALS:
        return _CONSTANT_GLOBALS[name]
    if name in MACHINE_GLOBALS:
        return Operand(MACHINE_GLOBALS[name])
    if name in GLOBALS:
        return Operand(low.constants.name_of(name, GLOBALS[name]), form=Form.CONSTANT)
    return Operand(f"read_global(M, {name!a})")


@lowers_expression(nodes.Function)
def _function(low: Lowering, node: nodes.Function) -> Operand:
    info = low.analysis.function_of[node]
    own = info.self_scope
    if own is None or not own.is_shared:
        return Operand(low.closure(info), "function", depth=1)
    # The function's own name is a variable around it.
    low.enter(own, flat=False)
    (variable,) = own.shared
    made = low.keep(Operand(low.closure(info), "function"))
    low.emit(f"{low.place(variable)} = {made.code}")
    return made


# ---------------------------------------------------------------------------------------- members


@lowers_expression(nodes.Member)
def _member(low: Lowering, node: nodes.Member) -> Operand:
    if isinstance(node.object, nodes.Identifier) and not node.computed:
        constant = constant_member(low, node)
        if constant is not None:
            return constant
    values = low.operands([node.object, node.property] if node.computed else [node.object])
    return read_member(low, values[0], node, values[1] if node.computed else None)


def constant_member(low: Lowering, node: nodes.Member) -> Operand | None:
    """A member of a built-in object such as `Math.PI`, which never changes; None if it is none."""
    assert isinstance(node.object, nodes.Identifier)
    assert isinstance(node.property, nodes.StringLiteral)
    owner, name = node.object, node.property.value
    if low.analysis.references[owner] is not None or owner.name not in GLOBALS:
        return None
    members = getattr(GLOBALS[owner.name], "members", GLOBALS[owner.name])
    if not isinstance(members, dict) or not dict.__contains__(members, name):
        return None
    value = dict.__getitem__(members, name)
    if isinstance(value, float):
        return number(value)
    return Operand(
        low.constants.name_of(f"{owner.name}.{name}", value),
        form=Form.CONSTANT,
    )


def read_member(low: Lowering, owner: Operand, node: nodes.Member, key: Operand | None) -> Operand:
    """Reading a member of what is evaluated already; `key` for a computed one."""
    depth = max(owner.depth, 0 if key is None else key.depth) + 1
    if key is not None and not isinstance(node.property, nodes.StringLiteral):
        return Operand(f"get_index({owner.code}, {key.code})", depth=depth)
    assert isinstance(node.property, nodes.StringLiteral)
    name = node.property.value
    if len(name) > LONG_NAME:
        return Operand(f"get_member({owner.code}, {name!a})", depth=depth)
    first, again = low.named(owner)
    if name == "length":
        test = f"{first}.__class__ is JSArray"
        return Operand(f"(float(len({again})) if {test} else length_of({again}))", depth=depth)
    test = f"{first}.__class__ is JSObject"
    quoted = ascii(name)
    return Operand(f"({again}[{quoted}] if {test} else get_member({again}, {quoted}))", depth=depth)


# ---------------------------------------------------------------------------------------- await


@lowers_expression(nodes.Await)
def _await(low: Lowering, node: nodes.Await) -> Operand:
    value = low.expression(node.operand)
    part = low.new_part()
    low.emit(f"f.value = {value.code}")
    low.emit(f"f.part = {part.index}")
    low.emit("return AWAIT")
    low.awaits.append(AwaitPoint(node, part.index, low.scope, low.visible(low.scope)))
    low.begin(part)
    return Operand("v", form=Form.TEMPORARY)


@lowers_expression(nodes.Sequence)
def _sequence(low: Lowering, node: nodes.Sequence) -> Operand:
    for expression in node.expressions[:-1]:
        discard(low, low.expression(expression))
    return low.expression(node.expressions[-1])


def discard(low: Lowering, value: Operand) -> None:
    """Evaluate an operand for its effects."""
    if not value.is_name and not value.is_stable:
        low.emit(value.code)
