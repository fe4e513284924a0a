"""Lowering of calls, `new` and optional chains.

JavaScript reads the callee (`o.m`) before it evaluates the arguments, and complains that it is no
function after that. `get_method` and `callee` do just this: they give a Python callable, which for
something that is no function is one that throws.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowlang import nodes
from flowlang.compiler.expressions import constant_member, deepest, read_member
from flowlang.compiler.lowering import (
    LONG_NAME,
    UNDEFINED,
    Form,
    Lowering,
    Operand,
    lowers_expression,
)
from flowlang.library import GLOBALS
from flowlang.values import Builtin, get_method

_Arguments = Sequence[nodes.Expression | nodes.Spread]


@lowers_expression(nodes.Call)
def _call(low: Lowering, node: nodes.Call) -> Operand:
    callee = node.callee
    if isinstance(callee, nodes.Member):
        known = _known_method(low, callee)
        if known is not None:
            return _apply(low, node, known)
        parts = [callee.object, callee.property] if callee.computed else [callee.object]
        if low.facts.is_flat(*node.arguments):
            owner, *key = low.operands(parts)
            owner = low.keep(owner, slot=True)
            return _call_member_later(low, node, owner, callee, key[0] if key else None)
        owner, *key = low.operands(parts)
        return _call_member(low, node, owner, callee, key[0] if key else None)
    if isinstance(callee, nodes.Chain) and isinstance(callee.expression, nodes.Member):
        return _call_chained_member(low, node, callee)
    function = low.expression(callee)
    return call_value(low, node, function)


def _known_method(low: Lowering, callee: nodes.Member) -> Operand | None:
    """The Python callable of a built-in function such as `Math.floor`, found when compiling."""
    if callee.computed or not isinstance(callee.object, nodes.Identifier):
        return None
    constant = constant_member(low, callee)
    if constant is None:
        return None
    assert isinstance(callee.property, nodes.StringLiteral)
    owner, name = callee.object.name, callee.property.value
    method = get_method(GLOBALS[owner], name)
    return Operand(low.constants.name_of(f"{owner}.{name}()", method), form=Form.CONSTANT)


def _call_member(
    low: Lowering, node: nodes.Call, owner: Operand, callee: nodes.Member, key: Operand | None
) -> Operand:
    depth = max(owner.depth, 0 if key is None else key.depth) + 1
    if key is not None:
        code = f"get_index_method({owner.code}, {key.code})"
    else:
        assert isinstance(callee.property, nodes.StringLiteral)
        name = callee.property.value
        function = "get_method" if len(name) <= LONG_NAME else "get_index_method"
        code = f"{function}({owner.code}, {name!a})"
    return _apply(low, node, Operand(code, depth=depth))


def _call_member_later(
    low: Lowering, node: nodes.Call, owner: Operand, callee: nodes.Member, key: Operand | None
) -> Operand:
    """A method call whose arguments suspend: what waits in slots must be values of the program."""
    function = low.keep(read_member(low, owner, callee, key), slot=True)
    return _apply(low, node, _bound(low, function, owner, callee))


def _bound(low: Lowering, function: Operand, owner: Operand, callee: nodes.Member) -> Operand:
    name = ascii(low.source(callee))
    return Operand(f"bind_call({function.code}, {owner.code}, {name})", depth=function.depth + 1)


def call_value(low: Lowering, node: nodes.Call, function: Operand) -> Operand:
    """Call what the callee's value is."""
    if low.facts.is_flat(*node.arguments):
        function = low.keep(function, slot=True)
    if function.type == "function":
        return _apply(low, node, Operand(f"{function.code}.call", depth=function.depth + 1))
    name = ascii(low.source(node.callee))
    if function.form is Form.CONSTANT:
        code = f"callee({function.code}, {name})"
    else:
        first, again = low.named(function)
        test = f"{first}.__class__ is JSFunction"
        code = f"({again}.call if {test} else callee({again}, {name}))"
    return _apply(low, node, Operand(code, depth=function.depth + 1))


def _apply(low: Lowering, node: nodes.Call, callable_: Operand) -> Operand:
    """The call itself; `callable_` is text for a Python callable, evaluated before the arguments.

    A callable that cannot wait in a slot is only given when no argument is flat.
    """
    flat = low.facts.is_flat(*node.arguments)
    if flat:
        values = low.operands(node.arguments)
    else:
        callable_, *values = low.operands(node.arguments, before=[callable_])
    code = f"{callable_.code}({listed(node.arguments, values)})"
    if low.line_of(node.start) != low.line_of(low.offset):
        # A line of its own in generated Python, so that the call's line in the source is known.
        code = f"(\n#@{node.start}\n{code})"
    return Operand(code, depth=deepest([callable_, *values]))


def listed(arguments: _Arguments, values: Sequence[Operand]) -> str:
    """Arguments as Python text."""
    return ", ".join(
        f"*{value.code}" if isinstance(argument, nodes.Spread) else value.code
        for argument, value in zip(arguments, values, strict=True)
    )


@lowers_expression(nodes.New)
def _new(low: Lowering, node: nodes.New) -> Operand:
    constructor = GLOBALS[node.callee.name]
    assert isinstance(constructor, Builtin)
    name = low.constants.name_of(f"new {node.callee.name}", constructor.construct)
    values = low.operands(node.arguments)
    code = f"{name}({listed(node.arguments, values)})"
    if low.line_of(node.start) != low.line_of(low.offset):
        code = f"(\n#@{node.start}\n{code})"
    return Operand(code, depth=deepest(values))


# ---------------------------------------------------------------------------------------- chains


@lowers_expression(nodes.Chain)
def _chain(low: Lowering, node: nodes.Chain) -> Operand:
    return _Chain(low, node).lower()


def delete_in_chain(low: Lowering, node: nodes.Chain) -> Operand:
    """`delete a?.b`: true when the chain gives up."""
    return _Chain(low, node, deletes=True).lower()


def _call_chained_member(low: Lowering, node: nodes.Call, callee: nodes.Chain) -> Operand:
    """`(a?.b)()`: the call is outside of the chain, yet `a` is what it is called on."""
    chain = _Chain(low, callee, keeps_object=True)
    function = chain.lower()
    assert isinstance(callee.expression, nodes.Member)
    slot = low.facts.is_flat(*node.arguments)
    function = low.keep(function, slot=slot)
    return _apply(low, node, _bound(low, function, Operand(chain.object_place), callee.expression))


class _Chain:
    """One optional chain: its links from the inside out, `a`, `?.b`, `.c`, `(…)`.

    What comes after an optional link is lowered within the test of that link.
    """

    def __init__(
        self,
        low: Lowering,
        node: nodes.Chain,
        *,
        deletes: bool = False,
        keeps_object: bool = False,
    ) -> None:
        self.low = low
        self.deletes = deletes
        self.result = Operand("True", "boolean", Form.CONSTANT) if deletes else UNDEFINED
        self.links: list[nodes.Member | nodes.Call] = []
        self.flat = low.facts.is_flat(node)
        at: nodes.Expression = node.expression
        while isinstance(at, nodes.Member | nodes.Call):
            self.links.append(at)
            at = at.object if isinstance(at, nodes.Member) else at.callee
        self.links.reverse()
        self.base = at
        self.object_place = ""
        if keeps_object:
            self.object_place = low.slot() if self.flat or low.flat else low.name("t")

    def lower(self) -> Operand:
        low = self.low
        if self.object_place:
            low.emit(f"{self.object_place} = undefined")
        base = low.expression(self.base)
        if not self.flat:
            return self.rest(0, base, None)
        place, end = low.slot(), low.new_part()
        self.place, self.end = place, end
        value = self.rest(0, base, None)
        low.emit(f"{place} = {value.code}")
        low.go(end)
        low.begin(end)
        return Operand(place, form=Form.SLOT)

    def rest(self, position: int, value: Operand, owner: Operand | None) -> Operand:
        """What the links from `position` on make of `value`; `owner` is what it was read from."""
        if position == len(self.links):
            return value
        link = self.links[position]
        if not link.is_optional:
            return self.link(position, link, value, owner)
        low = self.low
        if self.flat:
            value = low.keep(value, slot=True)
            first, name = low.named(value)
            with low.indented(f"if {first} is None or {name} is undefined:"):
                low.emit(f"{self.place} = {self.result.code}")
                low.go(self.end)
            return self.link(position, link, value, owner)
        if owner is not None and not owner.is_stable:
            raise AssertionError("the object of an optional call is kept before")
        first, name = low.named(value)
        test = f"({first} is None or {name} is undefined)"
        again = Operand(name, value.type, Form.TEMPORARY)
        with low.captured() as lines:
            found = self.link(position, link, again, owner)
        depth = max(value.depth, found.depth) + 1
        if not lines:
            return Operand(f"({self.result.code} if {test} else {found.code})", depth=depth)
        result = low.name("t")
        with low.indented(f"if {test}:"):
            low.emit(f"{result} = {self.result.code}")
        with low.indented("else:"):
            low.lines.extend(lines)
            low.emit(f"{result} = {found.code}")
        return Operand(result, form=Form.TEMPORARY)

    def link(
        self,
        position: int,
        link: nodes.Member | nodes.Call,
        value: Operand,
        owner: Operand | None,
    ) -> Operand:
        """One link applied to `value`, then the rest."""
        low = self.low
        last = position + 1 == len(self.links)
        if isinstance(link, nodes.Call):
            if owner is None:
                return self.rest(position + 1, call_value(low, link, value), None)
            member = self.links[position - 1]
            assert isinstance(member, nodes.Member)
            function = low.keep(value, slot=low.facts.is_flat(*link.arguments))
            return self.rest(
                position + 1, _apply(low, link, _bound(low, function, owner, member)), None
            )
        following = None if last else self.links[position + 1]
        if isinstance(following, nodes.Call):
            return self.method(position, link, following, value)
        if last and self.object_place:
            value = low.keep(value)
            low.emit(f"{self.object_place} = {value.code}")
        if link.computed:
            value, key = low.operands([link.property], before=[self.safe(value, link.property)])
        else:
            key = low.expression(link.property)
        if last and self.deletes:
            return Operand(f"delete_member({value.code}, {key.code})", "boolean")
        found = read_member(low, value, link, key if link.computed else None)
        return self.rest(position + 1, found, None)

    def method(
        self, position: int, link: nodes.Member, call: nodes.Call, value: Operand
    ) -> Operand:
        """A member that is called next: `.m(…)` or, when the call is optional, `.m?.(…)`."""
        low = self.low
        key: Operand | None = None
        if link.computed:
            value, key = low.operands([link.property], before=[self.safe(value, link.property)])
        if call.is_optional or low.facts.is_flat(*call.arguments):
            owner = low.keep(value, slot=self.flat)
            function = read_member(low, owner, link, key)
            if call.is_optional:
                function = low.keep(function, slot=self.flat)
                return self.rest(position + 1, function, owner)
            found = _call_function_of(low, call, function, owner, link)
        else:
            found = _call_member(low, call, value, link, key)
        return self.rest(position + 2, found, None)

    def safe(self, value: Operand, later: nodes.Expression) -> Operand:
        return self.low.keep(value, slot=True) if self.low.facts.is_flat(later) else value


def _call_function_of(
    low: Lowering, node: nodes.Call, function: Operand, owner: Operand, member: nodes.Member
) -> Operand:
    function = low.keep(function, slot=True)
    return _apply(low, node, _bound(low, function, owner, member))
