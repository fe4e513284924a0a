"""The state of lowering one function: lines of Python so far, names, slots, parts.

A function without `await` becomes one Python function whose variables are Python's own locals. A
function with `await`, or one nested deeper than Python allows, is lowered *flat*: a list of parts,
each a Python function that ends by saying which part comes next; its variables live in the slots
of a frame, so that a frame is data. What is not flat inside a flat function stays ordinary Python.

Evaluation order is kept by one rule. Lowering an expression gives an `Operand`, Python text that is
still to be evaluated, and may first emit statements. Whoever holds an operand while lowering
another one holds it through `operands` or `hold`, which put it into a temporary as soon as the
later one emits anything, and into a slot when the later one can suspend.

Nothing of the program's text gets into generated text but `ascii()` of constants: names are
numbered, other constants go by number too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any, Literal, TypeVar

from flowlang import nodes
from flowlang.compiler.facts import FactBook
from flowlang.compiler.stops import StopPoints
from flowlang.limits import SCOPE_UNITS
from flowlang.scope import Analysis, FunctionInfo, Scope, Type, Variable

MAX_DEPTH = 25
"""Operands nested deeper than this are put into a temporary; Python's parser takes 200 brackets
within each other, and one level of ours needs up to five."""

LONG_NAME = 64
"""A property name longer than this is read by a function that charges for it."""

NODES_PER_STEP = 16
"""So many nodes of straight-line code count as one step."""


class Form(Enum):
    """How long the text of an operand stays what it is."""

    CONSTANT = "a literal or built-in: for ever"
    SLOT = "a slot given to this value alone: until its statement ends"
    TEMPORARY = "a Python local given to this value alone: until the part ends"
    LOCAL = "a variable that is a Python local: until somebody assigns to it"
    EXPRESSION = "to be evaluated once, where it stands"


@dataclass(frozen=True, slots=True)
class Operand:
    """Python text for a value, with what is known of the value."""

    code: str
    type: Type = "any"
    form: Form = Form.EXPRESSION
    depth: int = 0

    @property
    def is_name(self) -> bool:
        """Whether it is a Python local, which costs nothing to read twice."""
        return self.form in (Form.TEMPORARY, Form.LOCAL)

    @property
    def is_stable(self) -> bool:
        """Whether statements coming in between cannot change it."""
        return self.form in (Form.CONSTANT, Form.SLOT, Form.TEMPORARY)


UNDEFINED = Operand("undefined", form=Form.CONSTANT)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable is found that can be seen from a function that has begun.

    Attributes:
        slot: the slot of the frame that holds it, or the scope that it is in; None when that scope
            is one around the function.
        hops: then, how many shared scopes further out.
        index: its place within the scope, 0 when the slot itself holds it.
        local: the Python local that takes the place of a slot while the function runs.
    """

    name: str
    slot: int | None
    hops: int
    index: int
    local: str | None = None


@dataclass(frozen=True, slots=True)
class ScopePlaces:
    """The variables of one scope.

    Attributes:
        scope: which one that is.
        kind: "closure" for all that is around the function.
        gone: the names of variables that are not kept, as no function within the scope uses them.
    """

    scope: Scope
    kind: Literal["block", "function", "closure"]
    places: tuple[Place, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwaitPoint:
    """One `await` of a flat function.

    Attributes:
        node: where it stands.
        part: the part that goes on with the value.
        scope: the innermost one that it is in.
        scopes: the variables that can be seen there, innermost first; an inner one hides an outer
            one of its name.
        live: the slots of the frame that matter while it waits; in others is garbage.
    """

    node: nodes.Await
    part: int
    scope: Scope
    scopes: tuple[ScopePlaces, ...]
    live: tuple[int, ...] = ()

    @property
    def places(self) -> Iterator[Place]:
        """All of them, scope by scope."""
        return (place for scope in self.scopes for place in scope.places)


@dataclass(eq=False, slots=True)
class Part:
    """A stretch of a flat function.

    Attributes:
        handler: the part that takes an exception thrown here; None passes it on to the caller.
    """

    index: int
    lines: list[Line] = field(default_factory=list)
    handler: int | None = None


@dataclass(slots=True)
class Line:
    """One line of generated Python, with the source offset that it stands for and its scope."""

    indent: int
    text: str
    offset: int
    scope: Scope | None = None


@dataclass(eq=False, slots=True)
class Target:
    """Something that a `break`, `continue` or `return` leaves or must pass, innermost last.

    Attributes:
        labels: the labels that name it.
        is_loop: a plain `break` or `continue` means it.
        is_switch: a plain `break` means it.
        is_finally: every exit must run its finalizer first.
        is_python: it is a Python loop; otherwise leaving is naming another part.
        flag: the Python local, or slot, that tells which exit was taken.
        value: for a finally, what is being returned or thrown.
        exits: the exits taken through it, by their number.
    """

    labels: frozenset[str]
    is_loop: bool = False
    is_switch: bool = False
    is_finally: bool = False
    is_python: bool = True
    flag: str = ""
    value: str = ""
    break_part: Part | None = None
    continue_part: Part | None = None
    exits: list[Exit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out: `break` or `continue` of a target, or `return` (no target)."""

    target: Target | None
    continues: bool = False


_Node = TypeVar("_Node", bound=nodes.Node)

ExpressionRule = Callable[["Lowering", Any], Operand]
StatementRule = Callable[["Lowering", Any], None]

EXPRESSION_RULES: dict[type[nodes.Node], ExpressionRule] = {}
STATEMENT_RULES: dict[type[nodes.Node], StatementRule] = {}


def lowers_expression(
    *kinds: type[_Node],
) -> Callable[[Callable[[Lowering, _Node], Operand]], Callable[[Lowering, _Node], Operand]]:
    """Register how expressions of these kinds are lowered."""

    def register(
        rule: Callable[[Lowering, _Node], Operand],
    ) -> Callable[[Lowering, _Node], Operand]:
        for kind in kinds:
            EXPRESSION_RULES[kind] = rule
        return rule

    return register


def lowers_statement(
    *kinds: type[_Node],
) -> Callable[[Callable[[Lowering, _Node], None]], Callable[[Lowering, _Node], None]]:
    """Register how statements of these kinds are lowered."""

    def register(rule: Callable[[Lowering, _Node], None]) -> Callable[[Lowering, _Node], None]:
        for kind in kinds:
            STATEMENT_RULES[kind] = rule
        return rule

    return register


class Lowering:
    """One function being lowered.

    Attributes:
        flat: whether the function is lowered to parts.
        scope: where in the program the lowering stands.
        targets: what a jump from here may mean or must pass, innermost last.
        handler: the part that takes exceptions thrown here.
        constants: values the code refers to by number, shared by the whole program.
        stops: where stepping code calls the machine's hook; None for ordinary code.
    """

    def __init__(
        self,
        analysis: Analysis,
        info: FunctionInfo,
        text: str,
        constants: Constants,
        line_of: Callable[[int], int],
        stops: StopPoints | None = None,
    ) -> None:
        self.analysis = analysis
        self.info = info
        self.text = text
        self.constants = constants
        self.line_of = line_of
        self.stops = stops
        self.facts = FactBook()
        self.flat = info.is_async or self.facts.is_flat(*info.parameters, *info.node.body)
        self.scope: Scope = info.scope
        self.targets: list[Target] = []
        self.pending_labels: list[str] = []
        self.handler: int | None = None
        self.offset = info.node.start
        self.parts: list[Part] = []
        self.lines: list[Line] = []
        self.indent = 1
        self.awaits: list[AwaitPoint] = []
        self.next_slot = 0
        self.slot_count = 0
        self.strides: set[int] = set()
        self.hops: set[int] = set()
        self._numbers = 0
        self._places: dict[Variable, str] = {}
        self._scope_places: dict[Scope, str] = {}
        self._visible: dict[Scope, tuple[ScopePlaces, ...]] = {}

    # ------------------------------------------------------------------ text

    def emit(self, text: str) -> None:
        """Add a line of Python here."""
        self.lines.append(Line(self.indent, text, self.offset, self.scope))

    @contextmanager
    def indented(self, header: str) -> Iterator[None]:
        """Lines within a Python block that `header` opens; a block left empty gets a `pass`."""
        self.emit(header)
        self.indent += 1
        lines, before = self.lines, len(self.lines)
        yield
        if self.lines is lines and len(lines) == before:
            self.emit("pass")
        self.indent -= 1

    @contextmanager
    def captured(self, *, indent: int = 1) -> Iterator[list[Line]]:
        """Collect the lines emitted within, to be placed (or seen to be none) by the caller."""
        around = self.lines
        inner: list[Line] = []
        self.lines = inner
        self.indent += indent
        yield inner
        self.indent -= indent
        self.lines = around

    def name(self, letter: str) -> str:
        """A Python name not used yet in this function."""
        self._numbers += 1
        return f"{letter}{self._numbers}"

    # ------------------------------------------------------------------ slots and parts

    def slot(self) -> str:
        """A slot for a value of its own, free again when the statement or scope ends."""
        number = self.next_slot
        self.next_slot += 1
        self.slot_count = max(self.slot_count, self.next_slot)
        return f"F[{number}]"

    def new_part(self) -> Part:
        """A part to jump to, placed later by `begin`."""
        part = Part(len(self.parts))
        self.parts.append(part)
        return part

    def begin(self, part: Part) -> None:
        """Go on in this part, whose handler is what the handler is here."""
        assert self.indent == 1, "a part cannot begin within a Python block"
        part.handler = self.handler
        self.lines = part.lines

    def go(self, part: Part) -> None:
        """Jump to a part."""
        self.emit(f"return {part.index}")

    # ------------------------------------------------------------------ values held

    def keep(self, operand: Operand, *, slot: bool = False) -> Operand:
        """The operand evaluated now: in a slot, or in a temporary if it is not stable already."""
        if operand.form is Form.CONSTANT or operand.form is Form.SLOT:
            return operand
        if slot:
            place = self.slot()
            self.emit(f"{place} = {operand.code}")
            return Operand(place, operand.type, Form.SLOT)
        if operand.form is Form.TEMPORARY:
            return operand
        name = self.name("t")
        self.emit(f"{name} = {operand.code}")
        return Operand(name, operand.type, Form.TEMPORARY)

    def hold(self, operand: Operand, *later: nodes.Node | None) -> Operand:
        """The operand, evaluated now and safe while `later` is lowered and run."""
        return self.keep(operand, slot=self.facts.is_flat(*later))

    def named(self, operand: Operand) -> tuple[str, str]:
        """Text that evaluates the operand once, and text that then reads it again."""
        code = operand.code
        if operand.is_name or (operand.form is Form.CONSTANT and _is_identifier(code)):
            return code, code
        name = self.name("t")
        return f"({name} := {operand.code})", name

    def operands(
        self, expressions: Sequence[nodes.Expression | nodes.Spread], before: Sequence[Operand] = ()
    ) -> list[Operand]:
        """Lower expressions that are evaluated one after the other, after those in `before`.

        What `...x` gives is collected in its turn too; its operand is text for a Python list.

        The caller sees to it that those in `before` may go into a temporary, and that they are
        stable already if an expression is flat.
        """
        done = list(before)
        suspends = [at for at, node in enumerate(expressions) if self.facts.is_flat(node)]
        last_flat = suspends[-1] if suspends else -1
        for position, expression in enumerate(expressions):
            lines, mark, indent = self.lines, len(self.lines), self.indent
            is_spread = isinstance(expression, nodes.Spread)
            if isinstance(expression, nodes.Spread):
                expression = expression.argument
            operand = self.expression(expression)
            if self.lines is lines and len(lines) > mark:
                self.spill(done, mark, indent)
            if is_spread:
                operand = Operand(f"collect({operand.code})", depth=operand.depth + 1)
            if position < last_flat:
                if is_spread:  # a slot holds values of the language
                    operand = Operand(f"JSArray({operand.code})", depth=operand.depth)
                operand = self.keep(operand, slot=True)
            done.append(operand)
        return done

    def spill(self, done: list[Operand], mark: int, indent: int) -> None:
        """Put operands into temporaries before the line at `mark`, which a later one emitted."""
        spilled = []
        for at, operand in enumerate(done):
            if not operand.is_stable:
                name = self.name("t")
                text = f"{name} = {operand.code}"
                spilled.append(Line(indent, text, self.offset, self.scope))
                done[at] = Operand(name, operand.type, Form.TEMPORARY)
        self.lines[mark:mark] = spilled

    # ------------------------------------------------------------------ tree

    def expression(self, node: nodes.Expression) -> Operand:
        """Lower an expression; statements it needs first are emitted."""
        operand = EXPRESSION_RULES[type(node)](self, node)
        if operand.depth > MAX_DEPTH:
            operand = self.keep(operand)
        return operand

    def whole(self, node: nodes.Expression) -> Operand:
        """Lower an expression that no other one is around, and charge for what it makes."""
        self.charge(node)
        return self.expression(node)

    def statement(self, node: nodes.Statement) -> None:
        """Lower a statement. Slots it took for temporaries are free afterwards."""
        self.offset = node.start
        if self.stops is not None:
            self.stop(self.stops.before(node))
        slots = self.next_slot
        STATEMENT_RULES[type(node)](self, node)
        self.next_slot = slots

    def statements(self, body: Sequence[nodes.Statement]) -> None:
        for statement in body:
            self.statement(statement)

    def stop(self, number: int | None) -> None:
        """Stop here, if there is a stop of that number, unless its gate is open."""
        if number is not None:
            self.emit(f"for _ in G[{number}]: break")
            self.emit(f"else: H({number})")

    def source(self, node: nodes.Node) -> str:
        """The source text of a node, shortened, for messages."""
        text = " ".join(self.text[node.start : min(node.end, node.start + 200)].split())
        return text if len(text) <= 60 else text[:57] + "..."

    # ------------------------------------------------------------------ budget

    def charge(self, *expressions: nodes.Node | None) -> None:
        """Charge the memory that the literals and functions in expressions take."""
        units = sum(self.facts.of(node).memory for node in expressions if node is not None)
        self.charge_memory(units)

    def charge_memory(self, units: int) -> None:
        if units:
            self.emit(f"B.memory = m = B.memory - {units}")
            self.emit("if m < 0: B.out_of_memory()")

    def stride(self, size: int) -> str:
        """The iterator that takes as many steps at once as code of so many nodes costs."""
        steps = 1 + size // NODES_PER_STEP
        if self.flat:
            return "B.steps" if steps == 1 else f"B.stride({steps})"
        self.strides.add(steps)
        return f"STEPS{steps}"

    def take_steps(self, size: int) -> None:
        """Take the steps of straight-line code of so many nodes."""
        steps = 1 + size // NODES_PER_STEP
        if self.flat and steps > 1:
            self.emit(f"B.take_steps({steps})")
            return
        self.emit(f"for _ in {self.stride(size)}: break")
        self.emit("else: B.out_of_steps()")

    # ------------------------------------------------------------------ scopes and variables

    @contextmanager
    def within(self, scope: Scope, *extent: nodes.Node | None) -> Iterator[None]:
        """Enter a scope: its variables exist, its functions are made. Left at the end.

        Args:
            extent: the nodes that are lowered within.
        """
        around, slots = self.scope, self.next_slot
        self.scope = scope
        self.enter(scope, flat=self.facts.is_flat(*extent))
        yield
        self.scope = around
        self.next_slot = slots

    def enter(self, scope: Scope, *, flat: bool) -> None:
        """Bring the variables of a scope to life: in slots if it is flat, else in Python's locals.

        Where a function can be looked at while it waits or stops, all have a value to be seen.
        """
        self._visible.pop(scope, None)
        if scope.is_shared:
            place = self.slot() if flat else self.name("s")
            first = [self.parent_scope(scope.parent)]
            first += [_first_value(variable) for variable in scope.shared]
            self.charge_memory(SCOPE_UNITS)
            self.emit(f"{place} = [{', '.join(first)}]")
            self._scope_places[scope] = place
        for variable in scope.variables.values():
            if variable.captured or variable in self._places:
                continue
            self._places[variable] = place = self.slot() if flat else self.name("v")
            looked_at = flat or self.stops is not None
            if looked_at or variable.checked or variable.kind == "var":
                self.emit(f"{place} = {_first_value(variable)}")
        for info in scope.hoisted:
            assert info.declared_as is not None
            self.charge_memory(SCOPE_UNITS)
            self.emit(f"{self.place(info.declared_as)} = {self.closure(info)}")

    def use_argument(self, variable: Variable, name: str) -> None:
        """Let a parameter live where Python put the argument."""
        self._places[variable] = name

    def copy_scope(self, scope: Scope) -> None:
        """Give the next round of a loop variables of its own."""
        if scope.is_shared:
            place = self._scope_places[scope]
            self.charge_memory(SCOPE_UNITS)
            self.emit(f"{place} = {place}[:]")

    def place(self, variable: Variable) -> str:
        """Python text that reads, or as a target assigns, a variable."""
        if not variable.captured:
            return self._places[variable]
        return f"{self.scope_place(variable.scope)}[{variable.index}]"

    def is_local(self, variable: Variable) -> bool:
        """Whether the variable is a Python local."""
        return not variable.captured and self._places[variable].isidentifier()

    def scope_place(self, scope: Scope) -> str:
        """Python text for the object of a shared scope."""
        known = self._scope_places.get(scope)
        if known is not None:
            return known
        hops = self.hops_to(scope)
        if hops == 0:
            return "S"
        if self.flat:
            return "S" + "[0]" * hops
        self.hops.add(hops)
        return f"S{hops}"

    def hops_to(self, scope: Scope) -> int:
        """How many shared scopes lie between this function's and an outer one."""
        hops, at = 0, self.info.outer
        while at is not scope:
            assert at is not None
            hops += at.is_shared
            at = at.parent
        return hops

    def parent_scope(self, scope: Scope | None) -> str:
        """Python text for the innermost shared scope at or around `scope`."""
        while scope is not None and scope.function is self.info:
            known = self._scope_places.get(scope)
            if known is not None:
                return known
            scope = scope.parent
        return "S" if self.info.has_scope_around else "None"

    def closure(self, info: FunctionInfo) -> str:
        """Python text that makes a function object."""
        return f"closure(C{info.index}, {self.parent_scope(info.outer)}, M)"

    def visible(self, scope: Scope | None) -> tuple[ScopePlaces, ...]:
        """Where the variables are found that can be seen in a scope which has been entered."""
        if scope is None:
            return ()
        known = self._visible.get(scope)  # most awaits of a long body see the same
        if known is None:
            known = self.visible(scope.parent)
            places = tuple(self._places_in(scope))
            kept = {place.name for place in places}
            gone = tuple(name for name in scope.variables if name not in kept)
            if places or gone:
                known = (ScopePlaces(scope, self._kind_of(scope), places, gone), *known)
            self._visible[scope] = known
        return known

    def _places_in(self, scope: Scope) -> Iterator[Place]:
        own = scope.function is self.info
        hops = 0 if own or not scope.is_shared else self.hops_to(scope)
        for variable in scope.variables.values():
            if variable.captured:
                yield _place(variable, self._scope_places.get(scope), hops)
            elif own and variable in self._places:
                yield _place(variable, self._places[variable], 0)

    def _kind_of(self, scope: Scope) -> Literal["block", "function", "closure"]:
        if scope.function is not self.info:
            return "closure"
        return "function" if scope in (self.info.scope, self.info.body_scope) else "block"


def _is_identifier(code: str) -> bool:
    """Whether text is a Python name. Literals are none: Python warns of tests made on them."""
    return code.isidentifier() and code not in ("None", "True", "False")


def _place(variable: Variable, text: str | None, hops: int) -> Place:
    """Where a variable is, by the Python text for what holds it."""
    slot = local = None
    if text is not None:
        slot, local = (None, text) if text.isidentifier() else (int(text[2:-1]), None)
    return Place(variable.name, slot, hops, variable.index, local)


def _first_value(variable: Variable) -> str:
    return "TDZ" if variable.checked or variable.kind in ("let", "const") else "undefined"


class Constants:
    """Values that generated code refers to by number: built-in functions and methods.

    Attributes:
        values: all of them, by the global name under which generated code finds them.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._numbers = count()

    def name_of(self, key: str, value: Any) -> str:
        """The name of a value that `key` tells apart from all others.

        Two threads may lower functions of one program at a time: each step here is one that no
        other thread can divide, and both get the same name.
        """
        name = self._names.get(key)
        if name is None:
            name = self._names.setdefault(key, f"K{next(self._numbers)}")
            self.values[name] = value
        return name
