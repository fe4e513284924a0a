"""Lowering of everything that gives a name or member a value: `=`, `+=`, `++`, patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowlang import nodes
from flowlang.compiler.expressions import join, texts_of
from flowlang.compiler.lowering import LONG_NAME, Form, Lowering, Operand, lowers_expression
from flowlang.compiler.operators import combine, text_to_add, to_numeric, undecided
from flowlang.scope import Variable, property_name

_SHORT_CIRCUIT = {"&&=": "&&", "||=": "||", "??=": "??"}


# ---------------------------------------------------------------------------------------- names


def assign_name(low: Lowering, node: nodes.Identifier, value: Operand) -> None:
    """Assign to a name, with what JavaScript says about constants and names not declared."""
    variable = low.analysis.references[node]
    if variable is None:
        low.emit(f"write_global(M, {node.name!a}, {value.code})")
        return
    if node in low.analysis.unsafe:
        low.emit(f"if {low.place(variable)} is TDZ: too_early({node.name!a})")
    if variable.kind == "const":
        if not value.is_stable:
            low.emit(value.code)
        low.emit(f"constant_assigned({node.name!a})")
    elif variable.kind == "self":
        if not value.is_stable:
            low.emit(value.code)  # assigning to a function's own name does nothing
    else:
        low.emit(f"{low.place(variable)} = {value.code}")


def initialise_name(low: Lowering, node: nodes.Identifier, value: Operand) -> None:
    """Give a declared name its first value."""
    variable = low.analysis.references[node]
    assert variable is not None
    low.emit(f"{low.place(variable)} = {value.code}")


# ---------------------------------------------------------------------------------------- =


@lowers_expression(nodes.Assign)
def _assign(low: Lowering, node: nodes.Assign) -> Operand:
    target = node.target
    if node.operator in _SHORT_CIRCUIT:
        return _assign_if(low, node)
    if node.operator != "=":
        return _assign_combined(low, node)
    if isinstance(target, nodes.Identifier):
        return _assign_to_name(low, node, target)
    if isinstance(target, nodes.Member):
        return _assign_to_member(low, node, target)
    value = low.hold(low.expression(node.value), target)
    destructure(low, target, value, assign)
    return value


def assign_unneeded(low: Lowering, node: nodes.Assign) -> None:
    """An assignment whose own value nobody takes."""
    target = node.target
    variable = low.analysis.references[target] if isinstance(target, nodes.Identifier) else None
    if (
        variable is not None
        and node.operator == "="
        and variable.kind not in ("const", "self")
        and target not in low.analysis.unsafe
        and not _appends(low, node)
    ):
        value = low.expression(node.value)
        low.emit(f"{low.place(variable)} = {value.code}")
    else:
        low.expression(node)


def _assign_to_name(low: Lowering, node: nodes.Assign, target: nodes.Identifier) -> Operand:
    variable = low.analysis.references[target]
    if variable is not None and _appends(low, node):
        return _append(low, variable, _added(low, target, node.value))
    value = low.keep(low.expression(node.value))
    assign_name(low, target, value)
    return value


def _appends(low: Lowering, node: nodes.Assign) -> bool:
    """Whether it is `target = target + …` and may be lowered to an append in place."""
    target = node.target
    if not isinstance(target, nodes.Identifier):
        return False
    added = _added(low, target, node.value)
    return bool(added) and _can_append(low, target, added)


def _added(
    low: Lowering, target: nodes.Identifier, value: nodes.Expression
) -> Sequence[nodes.Expression]:
    """What `target = target + … + …` adds; nothing when the value is not of that form."""
    if not isinstance(value, nodes.Binary) or any(operator != "+" for operator in value.operators):
        return ()
    first, *added = value.operands
    if not isinstance(first, nodes.Identifier) or first in low.analysis.unsafe:
        return ()
    return added if low.analysis.references[first] is low.analysis.references[target] else ()


def _assign_to_member(low: Lowering, node: nodes.Assign, target: nodes.Member) -> Operand:
    parts = [target.object, target.property] if target.computed else [target.object]
    if low.facts.is_flat(node.value):
        held = [low.keep(part, slot=True) for part in low.operands(parts)]
        value = low.expression(node.value)
    else:
        *held, value = low.operands([*parts, node.value])
    if not value.is_stable:
        # Owner and key come first, also when the value is an expression.
        held = [low.keep(part) for part in held]
        value = low.keep(value)
    _store(low, target, held[0], held[1] if target.computed else None, value)
    return value


def _store(
    low: Lowering, target: nodes.Member, owner: Operand, key: Operand | None, value: Operand
) -> None:
    """Write a member whose owner, key and value are evaluated in this order."""
    if isinstance(target.property, nodes.StringLiteral):
        name = ascii(target.property.value)
        special = target.property.value == "__proto__" or len(target.property.value) > LONG_NAME
        if owner.is_name and value.is_stable and not special:
            test = f"{owner.code}.__class__ is JSObject and {name} in {owner.code}"
            low.emit(f"if {test}: {owner.code}[{name}] = {value.code}")
            low.emit(f"else: set_member({owner.code}, {name}, {value.code})")
        else:
            low.emit(f"set_member({owner.code}, {name}, {value.code})")
        return
    assert key is not None
    low.emit(f"set_index({owner.code}, {key.code}, {value.code})")


# ---------------------------------------------------------------------------------------- += and ++


def _assign_combined(low: Lowering, node: nodes.Assign) -> Operand:
    operator, target = node.operator[:-1], node.target
    if isinstance(target, nodes.Identifier):
        variable = low.analysis.references[target]
        if operator == "+" and variable is not None and _can_append(low, target, [node.value]):
            return _append(low, variable, [node.value])
        left, right = low.operands([target, node.value])
        value = low.keep(combine(low, operator, left, right))
        assign_name(low, target, value)
        return value
    assert isinstance(target, nodes.Member)
    owner, key, current = _read_target(low, target, node.value)
    left, right = low.operands([node.value], before=[current])
    if operator == "+":
        return _append_to_member(low, target, owner, key, left, right)
    value = low.keep(combine(low, operator, left, right))
    _store(low, target, owner, key, value)
    return value


def _can_append(low: Lowering, target: nodes.Identifier, added: Sequence[nodes.Expression]) -> bool:
    """Whether adding to a name may be lowered to an append in place. Several values may be joined
    first only when the variable surely holds a text."""
    variable = low.analysis.references[target]
    return (
        variable is not None
        and variable.kind not in ("const", "self")
        and (variable.type == "string" or (variable.type == "any" and len(added) == 1))
        and target not in low.analysis.unsafe
        and not low.facts.is_flat(*added)
    )


def _append(low: Lowering, variable: Variable, added: Sequence[nodes.Expression]) -> Operand:
    """`variable = variable + added + …`, where a text grows in place.

    CPython appends to a string without copying it only when a local holds the one reference.
    """
    place = low.place(variable)
    before = Operand(place, variable.type, Form.EXPRESSION)
    if variable.type == "string":
        left, *texts = texts_of(low, added, text_to_add, before=[before])
        value = join(texts)
    else:
        left, value = low.operands(added, before=[before])
    if left.code != place:
        # The right side has statements, which might assign to the variable: take the safe way.
        result = low.keep(combine(low, "+", left, value))
        low.emit(f"{place} = {result.code}")
        return result
    if low.is_local(variable):
        local = place
    else:
        local = low.name("t")
        low.emit(f"{local} = {place}")
    value = low.keep(value)
    let_go = "" if low.is_local(variable) else f"{place} = None"
    if variable.type == "string":
        _grow(low, local, value, let_go)
    else:
        with low.indented(f"if {local}.__class__ is str:"):
            _grow(low, local, _as_text(low, value), let_go)
        sum_ = combine(low, "+", Operand(local, form=Form.LOCAL), value)
        low.emit(f"else: {local} = {sum_.code}")
    if not low.is_local(variable):
        low.emit(f"{place} = {local}")
        return Operand(local, variable.type, Form.TEMPORARY)
    return Operand(local, variable.type, Form.LOCAL)


def _as_text(low: Lowering, value: Operand) -> Operand:
    return value if value.type == "string" else low.keep(Operand(text_to_add(value), "string"))


def _grow(low: Lowering, local: str, text: Operand, let_go: str) -> None:
    """Append a text to the one in a local; `let_go` takes the reference that is not the local."""
    if let_go:
        low.emit(let_go)
    low.emit(f"check_append({local}, {text.code})")
    low.emit(f"{local} = {local} + {text.code}")


def _append_to_member(
    low: Lowering,
    target: nodes.Member,
    owner: Operand,
    key: Operand | None,
    left: Operand,
    right: Operand,
) -> Operand:
    """`owner.key = left + right`, where a text grows in place as in `_append`."""
    right = low.keep(right)
    result = low.name("t")
    low.emit(f"{result} = {left.code}")
    with low.indented(f"if {result}.__class__ is str:"):
        text = _as_text(low, right)
        if left.form in (Form.SLOT, Form.TEMPORARY):
            low.emit(f"{left.code} = None")
        if key is None:
            assert isinstance(target.property, nodes.StringLiteral)
            place = f"{owner.code}, {target.property.value!a}"
        else:
            place = f"{owner.code}, {key.code}"
        _grow(low, result, text, f"let_go({place})")
    sum_ = combine(low, "+", Operand(result, form=Form.LOCAL), right)
    low.emit(f"else: {result} = {sum_.code}")
    value = Operand(result, form=Form.TEMPORARY)
    _store(low, target, owner, key, value)
    return value


def _read_target(
    low: Lowering, target: nodes.Member, later: nodes.Expression | None
) -> tuple[Operand, Operand | None, Operand]:
    """Owner, key and present value of a member about to be changed, all held."""
    parts = [target.object, target.property] if target.computed else [target.object]
    held = [low.hold(part, later) for part in low.operands(parts)]
    owner = held[0]
    if not target.computed:
        assert isinstance(target.property, nodes.StringLiteral)
        name = ascii(target.property.value)
        return owner, None, low.hold(Operand(f"get_member({owner.code}, {name})"), later)
    key = low.hold(Operand(f"key_of({owner.code}, {held[1].code})"), later)
    return owner, key, low.hold(Operand(f"get_index({owner.code}, {key.code})"), later)


def _assign_if(low: Lowering, node: nodes.Assign) -> Operand:
    """`&&=`, `||=`, `??=`: the right side is evaluated and assigned only if needed."""
    operator, target = _SHORT_CIRCUIT[node.operator], node.target
    flat = low.facts.is_flat(node.value)
    owner: Operand | None = None
    key: Operand | None = None
    if isinstance(target, nodes.Member):
        owner, key, current = _read_target(low, target, node.value)
    else:
        assert isinstance(target, nodes.Identifier)
        current = low.expression(target)
    result = low.slot() if flat else low.name("t")
    low.emit(f"{result} = {current.code}")

    def assign_result() -> None:
        value = low.keep(low.expression(node.value))
        if owner is None:
            assert isinstance(target, nodes.Identifier)
            assign_name(low, target, value)
        else:
            assert isinstance(target, nodes.Member)
            _store(low, target, owner, key, value)
        low.emit(f"{result} = {value.code}")

    if flat:
        end = low.new_part()
        low.emit(f"if not ({undecided(operator, result)}): return {end.index}")
        assign_result()
        low.go(end)
        low.begin(end)
        return Operand(result, form=Form.SLOT)
    with low.indented(f"if {undecided(operator, result)}:"):
        assign_result()
    return Operand(result, form=Form.TEMPORARY)


@lowers_expression(nodes.Update)
def _update(low: Lowering, node: nodes.Update) -> Operand:
    return update(low, node)


def update(low: Lowering, node: nodes.Update, *, needed: bool = True) -> Operand:
    """`++` and `--`; when the value is not `needed`, what is cheapest."""
    sign, target = node.operator[0], node.target
    if isinstance(target, nodes.Identifier):
        current = low.expression(target)
        if node.is_prefix or not needed:
            value = Operand(f"{to_numeric(current).code} {sign} 1.0", "number")
            if needed:
                value = low.keep(value)
            assign_name(low, target, value)
            return value
        old = low.keep(to_numeric(current))
        assign_name(low, target, Operand(f"{old.code} {sign} 1.0", "number"))
        return old
    owner, key, current = _read_target(low, target, None)
    old = low.keep(to_numeric(current))
    new = low.keep(Operand(f"{old.code} {sign} 1.0", "number"))
    _store(low, target, owner, key, new)
    return new if node.is_prefix else old


# ---------------------------------------------------------------------------------------- patterns

Put = Callable[[Lowering, nodes.Target, Operand], None]
"""How a target takes a value: `assign` or `initialise`."""


def assign(low: Lowering, target: nodes.Target, value: Operand) -> None:
    """Assign a value to any target."""
    if isinstance(target, nodes.Identifier):
        assign_name(low, target, value)
    elif isinstance(target, nodes.Member):
        value = low.hold(value, target)
        parts = [target.object, target.property] if target.computed else [target.object]
        owner, *key = low.operands(parts)
        _store(low, target, owner, key[0] if key else None, value)
    else:
        destructure(low, target, value, assign)


def initialise(low: Lowering, target: nodes.Target, value: Operand) -> None:
    """Give what a declaration declares its first values."""
    if isinstance(target, nodes.Identifier):
        initialise_name(low, target, value)
    else:
        assert not isinstance(target, nodes.Member)
        destructure(low, target, value, initialise)


def with_default(low: Lowering, value: Operand, default: nodes.Expression | None) -> Operand:
    """The value, or the default when it is undefined."""
    if default is None:
        return value
    if low.facts.is_flat(default):
        place = low.slot()
        end = low.new_part()
        low.emit(f"{place} = {value.code}")
        low.emit(f"if {place} is not undefined: return {end.index}")
        low.emit(f"{place} = {low.expression(default).code}")
        low.go(end)
        low.begin(end)
        return Operand(place, form=Form.SLOT)
    name = low.name("t")
    low.emit(f"{name} = {value.code}")
    with low.indented(f"if {name} is undefined:"):
        low.emit(f"{name} = {low.expression(default).code}")
    return Operand(name, form=Form.TEMPORARY)


def destructure(
    low: Lowering, pattern: nodes.ArrayPattern | nodes.ObjectPattern, value: Operand, put: Put
) -> None:
    """Take a value apart."""
    slots = low.next_slot
    if isinstance(pattern, nodes.ArrayPattern):
        _destructure_array(low, pattern, value, put)
    else:
        _destructure_object(low, pattern, value, put)
    low.next_slot = slots


def _destructure_array(
    low: Lowering, pattern: nodes.ArrayPattern, value: Operand, put: Put
) -> None:
    flat = low.facts.is_flat(pattern)
    iterator = low.keep(Operand(f"iterate({value.code})"), slot=flat)
    for element in pattern.elements:
        if element is None:
            low.emit(f"take_one({iterator.code})")
            continue
        # A member's object and key are evaluated before the value is taken.
        target = element.target
        if isinstance(target, nodes.Member) and put is assign:
            _take_into_member(low, element, target, iterator)
            continue
        code = f"take_rest({iterator.code})" if element.is_rest else f"take_one({iterator.code})"
        put(low, target, with_default(low, Operand(code), element.default))


def _take_into_member(
    low: Lowering, element: nodes.Element, target: nodes.Member, iterator: Operand
) -> None:
    parts = [target.object, target.property] if target.computed else [target.object]
    held = [low.hold(part, element.default) for part in low.operands(parts)]
    take = "take_rest" if element.is_rest else "take_one"
    value = with_default(low, Operand(f"{take}({iterator.code})"), element.default)
    _store(low, target, held[0], held[1] if target.computed else None, low.keep(value))


def _destructure_object(
    low: Lowering, pattern: nodes.ObjectPattern, value: Operand, put: Put
) -> None:
    flat = low.facts.is_flat(pattern)
    owner = low.keep(Operand(f"require_destructurable({value.code})"), slot=flat)
    taken: list[str] = []
    for entry in pattern.properties:
        if entry.computed:
            key = low.keep(
                Operand(f"to_property_key({low.expression(entry.key).code})"),
                slot=low.facts.is_flat(pattern),
            )
            source = f"get_index({owner.code}, {key.code})"
            taken.append(key.code)
        else:
            name = property_name(entry.key)
            read = "get_member" if not isinstance(entry.key, nodes.NumberLiteral) else "get_index"
            source = f"{read}({owner.code}, {name!a})"
            taken.append(ascii(name))
        target = entry.target
        if isinstance(target, nodes.Member) and put is assign:
            parts = [target.object, target.property] if target.computed else [target.object]
            held = [low.hold(part, entry.default) for part in low.operands(parts)]
            found = low.keep(with_default(low, Operand(source), entry.default))
            _store(low, target, held[0], held[1] if target.computed else None, found)
        else:
            put(low, target, with_default(low, Operand(source), entry.default))
    if pattern.rest is not None:
        listed = f"({', '.join(taken)},)" if taken else "()"
        put(low, pattern.rest, Operand(f"rest_of({owner.code}, {listed})"))
