"""Slips in the names of members: `Task.runn`, `items.lenght`, `text.startswith`, `Inputs.itms`.

Data holds no functions, so a method that neither the library nor the program has is certainly
missing, whatever it is called on. Of properties only those are told that are missing from something
known: a built-in object, an array or a text, the inputs that the front matter describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flowlang import elsewhere, nodes
from flowlang.library import REGISTRY
from flowlang.rules.facts import Facts, member_name, members_of, words

MOST_SHOWN: Final = 8
"""Longest list of members in a hint: the durable library's objects are shorter, Math is longer."""

_OBJECTS: Final = words(
    """
    Task Workflow Timer Signal State Attributes Math JSON console crypto Object Array String Number
    Boolean Date Map Set Promise
    """
)
_OF_EVERY_OBJECT: Final = frozenset(
    name.rpartition(".")[2]
    for name in REGISTRY
    if name.startswith(("Object.prototype.", "Function.prototype."))
) | {"constructor", "name", "length", "prototype"}
_METHODS: Final = frozenset(name.rpartition(".")[2] for name in REGISTRY)
_CLASSES: Final[Mapping[str, tuple[str, str]]] = {
    "array": ("Array", "an array"),
    "promises": ("Array", "an array"),
    "string": ("String", "a string"),
    "map": ("Map", "a Map"),
    "set": ("Set", "a Set"),
    "date": ("Date", "a Date"),
}
_SIZES: Final = {
    "array": "length", "promises": "length", "string": "length", "map": "size", "set": "size",
}  # fmt: skip


_OF_A_DICT: Final = {
    "get": "write 'Inputs.name ?? other'",
    "has": "write '\"name\" in Inputs'",
    "keys": "write 'Object.keys(Inputs)'",
    "values": "write 'Object.values(Inputs)'",
    "entries": "write 'Object.entries(Inputs)'",
    "items": "write 'Object.entries(Inputs)'",
}


def check_members(facts: Facts) -> None:
    has_hidden_methods = _gives_functions_computed_names(facts)
    for node in facts.all(nodes.Member):
        name = member_name(node)
        if not name or facts.is_own_name(name):
            continue
        owner = node.object
        if facts.is_global(owner, "Inputs"):
            _check_call_of_data(facts, node, name)
        elif isinstance(owner, nodes.Identifier) and facts.is_library(owner):
            _check_global(facts, node, owner.name, name)
        elif not _check_known(facts, node, name) and not has_hidden_methods:
            _check_method(facts, node, name)
    _check_indexes(facts)
    _check_inputs(facts)


def _check_indexes(facts: Facts) -> None:
    """`items[-1]` is undefined, unless the program itself gives something that name."""
    for node in facts.all(nodes.Member):
        index = node.property
        is_negative = isinstance(index, nodes.Unary) and index.operator == "-"
        if node.computed and is_negative and isinstance(index.operand, nodes.NumberLiteral):
            name = facts.text(index)
            if not facts.is_own_name(name) and not facts.is_target(node):
                hint = f"write '{facts.text(node.object)}.at({name})'"
                facts.report("negative-index", index, name=name, hint=hint)


def _check_global(facts: Facts, node: nodes.Member, owner: str, name: str) -> None:
    if owner not in _OBJECTS and owner != "Context":
        return
    members = sorted(members_of(owner))
    if name in members or name in _OF_EVERY_OBJECT or name in elsewhere.MEMBERS.get(owner, ()):
        return
    meant = facts.meant(name, members)
    hint = None
    if meant is not None:
        hint = f"did you mean '{owner}.{meant}'?"
    elif len(members) <= MOST_SHOWN:
        hint = f"it has {', '.join(members)}"
    _report(facts, node, f"'{owner}' has no", name, hint)


def _check_call_of_data(facts: Facts, node: nodes.Member, name: str) -> None:
    """`Inputs.get("name", "x")`: inputs are data, and data has no functions."""
    holder = facts.parents[node]
    is_called = isinstance(holder, nodes.Call) and holder.callee is node and not holder.is_optional
    if is_called and name not in _OF_EVERY_OBJECT:
        hint = _OF_A_DICT.get(name) or elsewhere.METHODS.get(name)
        _report(facts, node, "'Inputs' is data, and has no method", name, hint)


def _check_known(facts: Facts, node: nodes.Member, name: str) -> bool:
    """Whether the object is known to lack the member, which is told."""
    kind = facts.kind(node.object)
    if kind is None or kind not in _CLASSES:
        return False
    owner, shown = _CLASSES[kind]
    size = _SIZES.get(kind)
    if name == size or name in _OF_EVERY_OBJECT - {"length", "name"}:
        return False
    members = {
        each.rpartition(".")[2] for each in REGISTRY if each.startswith(f"{owner}.prototype.")
    }
    if name in members or (owner, name) == ("Set", "keys"):
        return False
    hint = elsewhere.METHODS.get(name)
    meant = facts.meant(name, members | ({size} if size else set()))
    if kind == "string" and name == "join":
        hint = f"write 'x.join({facts.text(node.object)})'"
    elif size is not None and name in ("length", "size", "count", "len"):
        hint = f"write '{facts.text(node.object)}.{size}'"
    elif meant is not None:
        hint = f"did you mean '{meant}'?"
    _report(facts, node, f"{shown} has no", name, hint)
    return True


def _check_method(facts: Facts, node: nodes.Member, name: str) -> None:
    """A call of a method that nothing in the program has."""
    holder = facts.parents[node]
    is_called = isinstance(holder, nodes.Call) and holder.callee is node and not holder.is_optional
    if is_called and name not in _METHODS:
        meant = facts.meant(name, _METHODS)
        hint = elsewhere.METHODS.get(name) or (f"did you mean '{meant}'?" if meant else None)
        code = "method-left-out" if name in elsewhere.LEFT_OUT else "unknown-method"
        facts.report(code, node.property, name=name, hint=hint)
    elif not is_called and name != "length" and facts.meant(name, ["length"]):
        hint = "did you mean 'length'?"
        facts.report(
            "unknown-member",
            node.property,
            owner="nothing in this program has",
            name=name,
            hint=hint,
        )


def _gives_functions_computed_names(facts: Facts) -> bool:
    """Whether the program may make methods whose names cannot be seen: `o[name] = () => …`."""
    for assign in facts.all(nodes.Assign):
        target = assign.target
        if (
            isinstance(target, nodes.Member)
            and target.computed
            and _may_be_function(facts, assign.value)
        ):
            return True
    return any(
        entry.computed and _may_be_function(facts, entry.value)
        for entry in facts.all(nodes.Property)
    )


def _may_be_function(facts: Facts, value: nodes.Expression) -> bool:
    given = facts.given(value)
    if isinstance(given, nodes.Function):
        return True
    return given is None and facts.kind(value) is None and isinstance(value, nodes.Identifier)


def _report(facts: Facts, node: nodes.Member, owner: str, name: str, hint: str | None) -> None:
    facts.report("unknown-member", node.property, owner=owner, name=name, hint=hint)


# ------------------------------------------------------------------------------------------ inputs


def _check_inputs(facts: Facts) -> None:
    """`Inputs.x` where the front matter describes other properties."""
    schema: Any = facts.front_matter.inputs
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return
    known = list(schema["properties"])
    is_closed = schema.get("additionalProperties") is False
    for key in _inputs_read(facts):
        if key.value in known:
            continue
        meant = facts.meant(key.value, known)
        if meant is None and not is_closed:
            continue
        hint = f"did you mean '{meant}'?" if meant else f"it names {', '.join(known)}"
        facts.report("unknown-input", key, name=key.value, hint=hint)


def _inputs_read(facts: Facts) -> Iterable[nodes.StringLiteral]:
    """The names read from `Inputs`, as `Inputs.name` or `const { name } = Inputs`."""
    for node in facts.all(nodes.Member):
        if facts.is_global(node.object, "Inputs") and isinstance(
            node.property, nodes.StringLiteral
        ):
            yield node.property
    for holder in facts.all(nodes.Declarator, nodes.Assign):
        if facts.is_global(holder.value, "Inputs") and isinstance(
            holder.target, nodes.ObjectPattern
        ):
            for entry in holder.target.properties:
                if isinstance(entry.key, nodes.StringLiteral):
                    yield entry.key
