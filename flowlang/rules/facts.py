"""What the rules know of a program: its nodes by kind, what holds them, what names mean.

Made once for a program without mistakes. The questions that several rules ask are answered here:
which built-in function a call means, the one value that a variable ever has, the kind of thing that
an expression gives.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from flowlang import nodes
from flowlang.diagnostics import Diagnostic, nearest, report
from flowlang.library import GLOBALS, REGISTRY
from flowlang.parser import ParsedProgram
from flowlang.scope import Type, Variable, analyse, names_in, static_type
from flowlang.tokens import Token

Kind = Literal["promise", "promises", "array", "string", "number", "boolean", "map", "set", "date"]
"""What a value is known to be; "promises" is an array of them."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OF_MACHINE: Final = words("Inputs Context")
"""The globals that each execution has of its own."""

CONTEXT: Final = words(
    "executionId workflowName definition queue parentWorkflowId scheduledAt startedAt"
)
"""What `Context` has; each execution has one of its own."""

_PROMISED: Final = words(
    """
    Task.run Workflow.run Timer.delay Timer.until Signal.when Signal.next Signal.send
    """
)
_OF_A_PROMISE: Final = words("then catch finally")
_NEW: Final[dict[str, Kind]] = {
    "Promise": "promise", "Map": "map", "Set": "set", "Date": "date", "Array": "array",
}  # fmt: skip
_ARRAYS: Final = words(
    """
    Object.keys Object.values Object.entries Object.getOwnPropertyNames Array.from Array.of
    """
)
_RESULTS: Final[dict[Kind, dict[Kind, frozenset[str]]]] = {
    "array": {
        "array": words(
            """
            concat copyWithin fill filter flat flatMap map reverse slice sort splice toReversed
            toSorted toSpliced with
            """
        ),
        "string": words("join"),
        "number": words("indexOf lastIndexOf findIndex push"),
        "boolean": words("includes every some"),
    },
    "string": {
        "array": words("split"),
        "string": words(
            """
            charAt concat normalize padEnd padStart repeat replace replaceAll slice substring
            toLowerCase toUpperCase trim trimEnd trimStart
            """
        ),
        "number": words("indexOf lastIndexOf charCodeAt"),
        "boolean": words("includes startsWith endsWith"),
    },
    "number": {"string": words("toFixed toPrecision toExponential")},
    "date": {"string": words("toISOString"), "number": words("getTime")},
}
"""What methods give, by what they are called on."""

MOST_OF_A_CODE: Final = 1_000
"""How many warnings of one code are made; at most a hundred of all will be shown."""

MOST_SUGGESTIONS: Final = 100
"""How many names are compared with others in search of a slip."""

Given = nodes.Expression | nodes.Function


class Facts:
    """A program as the rules see it.

    Attributes:
        hints: what has been advised before the rules ran.
        analysis: what each name means.
        parents: the node that directly holds a node.
        value_of: for a variable that is assigned once, where it is declared, the value it gets.
        declared_at: where a variable is declared; functions and parameters are not among them.
        assigned: the variables that something besides a declaration assigns to.
        read: the variables whose value is asked for anywhere but in order to change themselves.
    """

    def __init__(self, parsed: ParsedProgram, found: list[Diagnostic]) -> None:
        assert parsed.tree is not None
        self.source = parsed.source
        self.front_matter = parsed.front_matter
        self.tree = parsed.tree
        self.tokens = parsed.tokens
        self.begin = parsed.begin
        self._starts = [token.start for token in parsed.tokens]
        self.found = found
        self.hints = {each.hint for each in found}
        self._told = {(each.start, each.end) for each in found}
        self._buried: list[tuple[int, int]] = []
        self._counts: Counter[str] = Counter()
        self._suggestions = MOST_SUGGESTIONS
        self._kinds: dict[nodes.Node, Kind | None] = {}
        self.analysis = analyse(parsed.tree)
        self.parents: dict[nodes.Node, nodes.Node] = {}
        self._by_class: dict[type, list[Any]] = {}
        self._collect()
        self.value_of: dict[Variable, Given] = {}
        for declaration in self.all(nodes.VariableDeclaration):
            for declarator in declaration.declarations:
                variable = self.variable(declarator.target)
                if variable is not None and not variable.reassigned and declarator.value:
                    self.value_of[variable] = declarator.value
        for info in self.analysis.functions:
            variable = info.declared_as
            if variable is not None and not variable.reassigned:
                assert isinstance(info.node, nodes.Function)
                self.value_of[variable] = info.node
        self.declared_at: dict[Variable, int] = {}
        for node in self.all(nodes.Declarator, nodes.ForOf, nodes.ForIn):
            for name in names_in(node.target):
                variable = self.variable(name)
                if variable is not None:
                    self.declared_at.setdefault(variable, name.start)
        self.assigned = {
            variable
            for node in self.all(nodes.Assign, nodes.Update)
            for name in names_in(node.target)
            if (variable := self.variable(name)) is not None
        }
        self.read = {
            variable
            for name in self.all(nodes.Identifier)
            if (variable := self.variable(name)) is not None and self._is_read(name, variable)
        }
        for declaration, outer in self.analysis.block_functions.items():
            # A function in a block is two variables: what reads one of them reads the function.
            assert declaration.function.name is not None
            inner = self.analysis.function_of[declaration.function].declared_as
            if inner is not None and outer in self.read:
                self.read.add(inner)
        self._given_names = self._names_given()

    def _collect(self) -> None:
        """Note every node, in source order, and what holds it."""
        waiting: list[nodes.Node] = [self.tree]
        while waiting:
            node = waiting.pop()
            self._by_class.setdefault(type(node), []).append(node)
            parts = list(nodes.parts_of(node))
            for part in parts:
                self.parents[part] = node
            waiting.extend(reversed(parts))

    def report(self, code: str, node: nodes.Node, **fields: Any) -> None:
        """Report something about a node, unless something has been said of that very place."""
        self.report_at(code, node.start, node.end, **fields)

    def report_at(self, code: str, start: int, end: int, **fields: Any) -> None:
        if (start, end) in self._told or self._counts[code] >= MOST_OF_A_CODE:
            return
        if any(first <= start < last for first, last in self._buried):
            return
        self._told.add((start, end))
        self._counts[code] += 1
        self.found.append(report(self.source, code, start, end, **fields))

    def advise(self, node: nodes.Node, hint: str) -> None:
        """Give what has been told of that very place before the rules ran a better hint."""
        for at, each in enumerate(self.found):
            if (each.start, each.end) == (node.start, node.end):
                self.found[at] = msgspec.structs.replace(each, hint=hint)

    def bury(self, node: nodes.Node) -> None:
        """Say nothing more about what is in a node: it has been reported as a whole."""
        self._buried.append((node.start, node.end))

    def meant(self, name: str, candidates: Iterable[str]) -> str | None:
        """The candidate that `name` is probably a slip of; asked too often, it stops looking."""
        self._suggestions -= 1
        return nearest(name, candidates) if self._suggestions >= 0 else None

    # ------------------------------------------------------------------------------------- nodes

    def all(self, *classes: type[nodes.Node]) -> Iterator[Any]:
        """Every node of these classes, those of one class in source order."""
        for each in classes:
            yield from self._by_class.get(each, ())

    def around(self, node: nodes.Node) -> Iterator[nodes.Node]:
        """What holds a node, from within to the outermost."""
        parent = self.parents.get(node)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent)

    def function_around(self, node: nodes.Node) -> nodes.Function | nodes.Program:
        """The function, or the program, that a node runs in."""
        for holder in self.around(node):
            if isinstance(holder, nodes.Function | nodes.Program):
                return holder
        return self.tree

    def opener_behind(self, node: nodes.Node) -> Token | None:
        """The token behind an expression, and behind the parentheses around it."""
        index = bisect_left(self._starts, node.end)
        while index < len(self.tokens) and self.tokens[index].type == ")":
            index += 1
        return self.tokens[index] if index < len(self.tokens) else None

    def text(self, node: nodes.Node, limit: int = 40) -> str:
        """The source of a node on one line, shortened."""
        text = " ".join(self.source.text[node.start : node.end].split())
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def line(self, node: nodes.Node) -> int:
        return self.source.position(node.start)[0]

    # ------------------------------------------------------------------------------------- names

    def variable(self, node: Any) -> Variable | None:
        """The variable that an identifier means; None for anything else."""
        return self.analysis.references.get(node) if isinstance(node, nodes.Identifier) else None

    def given(self, node: Any) -> Given | None:
        """The expression that a variable always has the value of; any other expression itself."""
        for _ in range(10):  # `const a = b, b = a` never ends
            variable = self.variable(node)
            if variable is None:
                break
            node = self.value_of.get(variable)
        return None if isinstance(node, nodes.Identifier) else node

    def is_global(self, node: Any, name: str) -> bool:
        """Whether an expression is that built-in name, not declared by the program."""
        return isinstance(node, nodes.Identifier) and node.name == name and self.is_builtin(node)

    def is_builtin(self, node: nodes.Identifier) -> bool:
        """Whether the program does not declare a name."""
        return node in self.analysis.references and self.analysis.references[node] is None

    def is_library(self, node: nodes.Identifier) -> bool:
        """Whether a name is one of the library's."""
        return self.is_builtin(node) and (node.name in GLOBALS or node.name in OF_MACHINE)

    def is_undeclared(self, node: nodes.Identifier) -> bool:
        """Whether nothing declares a name, neither the program nor the library."""
        return self.is_builtin(node) and not self.is_library(node)

    def builtin(self, node: Any) -> str | None:
        """The full name of the built-in function that an expression is, such as "Task.run"."""
        if isinstance(node, nodes.Chain):
            node = node.expression
        if isinstance(node, nodes.Identifier) and self.is_builtin(node):
            return node.name if node.name in REGISTRY else None
        if isinstance(node, nodes.Member) and not node.computed:
            owner = node.object
            if isinstance(owner, nodes.Identifier) and self.is_builtin(owner):
                name = f"{owner.name}.{member_name(node)}"
                return name if member_name(node) in members_of(owner.name) else None
        return None

    def called(self, node: Any) -> str | None:
        """The full name of the built-in function that a node calls; None if it calls another."""
        return self.builtin(node.callee) if isinstance(node, nodes.Call) else None

    def function_called(self, node: nodes.Call) -> nodes.Function | None:
        """The program's own function that a call runs, as far as it can be seen."""
        value = self.given(node.callee)
        return value if isinstance(value, nodes.Function) else None

    def _is_read(self, name: nodes.Identifier, variable: Variable) -> bool:
        holder = self.parents[name]
        match holder:
            case nodes.Declarator() | nodes.Element() | nodes.PatternProperty():
                if holder.target is name:
                    return False
            case nodes.ForOf() | nodes.ForIn():
                if holder.target is name:
                    return False
            case nodes.ObjectPattern() | nodes.Catch():
                return False
            case nodes.Function():
                return False
            case nodes.Assign():
                if holder.target is name:
                    return holder.operator != "=" and self._is_value_taken(holder)
            case nodes.Update():
                return self._is_value_taken(holder)
        around = self.value_of.get(variable)
        inner: nodes.Node = name
        for outer in self.around(name):
            if outer is around and isinstance(outer, nodes.Function):
                return False  # a function that only calls itself
            if isinstance(outer, nodes.Binary):
                inner = outer
            elif isinstance(outer, nodes.Assign):  # x = x + 1
                if inner is outer.value and self.variable(outer.target) is variable:
                    return self._is_value_taken(outer)
            else:
                inner = self.tree
        return True

    def _is_value_taken(self, node: nodes.Node) -> bool:
        """Whether anything uses the value of an assignment."""
        holder = self.parents[node]
        if isinstance(holder, nodes.Sequence):
            return node is holder.expressions[-1] and self._is_value_taken(holder)
        if isinstance(holder, nodes.For):
            return node is holder.test
        return not isinstance(holder, nodes.ExpressionStatement)

    def _names_given(self) -> set[str]:
        """Every text of the program that could be the name of a property it makes."""
        reads = {
            node.property
            for node in self.all(nodes.Member)
            if not node.computed and not self.is_target(node)
        }
        reads.update(entry.key for entry in self.all(nodes.PatternProperty) if not entry.computed)
        return {text.value for text in self.all(nodes.StringLiteral) if text not in reads}

    def is_target(self, node: nodes.Member) -> bool:
        """Whether a property is assigned to."""
        holder = self.parents[node]
        return getattr(holder, "target", None) is node or isinstance(holder, nodes.ObjectPattern)

    def is_own_name(self, name: str) -> bool:
        """Whether the program may give a property of that name to something."""
        return name in self._given_names

    # ------------------------------------------------------------------------------------- kinds

    def type_of(self, node: nodes.Expression) -> Type:
        """JavaScript's type of every value that an expression gives, or "any"."""
        return static_type(node, self.analysis.references)

    def kind(self, node: Any, depth: int = 0) -> Kind | None:
        """What an expression is known to give; None if that cannot be seen."""
        if depth > 20 or not isinstance(node, nodes.Node):
            return None
        if node not in self._kinds:
            self._kinds[node] = None  # what is made of itself is nothing
            self._kinds[node] = self._find_kind(node, depth)
        return self._kinds[node]

    def _find_kind(self, node: nodes.Node, depth: int) -> Kind | None:
        match node:
            case nodes.Identifier():
                value = self.given(node)
                return None if value is None else self.kind(value, depth + 1)
            case nodes.StringLiteral() | nodes.TemplateLiteral():
                return "string"
            case nodes.NumberLiteral():
                return "number"
            case nodes.BooleanLiteral():
                return "boolean"
            case nodes.ArrayLiteral():
                elements = [element for element in node.elements if element is not None]
                if elements and all(self.kind(e, depth + 1) == "promise" for e in elements):
                    return "promises"
                return "array"
            case nodes.New():
                return _NEW.get(node.callee.name)
            case nodes.Conditional():
                kind = self.kind(node.consequent, depth + 1)
                return kind if kind == self.kind(node.alternate, depth + 1) else None
            case nodes.Sequence():
                return self.kind(node.expressions[-1], depth + 1)
            case nodes.Call():
                return self._kind_of_call(node, depth)
        return None

    def _kind_of_call(self, node: nodes.Call, depth: int) -> Kind | None:
        name = self.builtin(node.callee)
        if name is not None:
            if name in _PROMISED or name.startswith("Promise."):
                return "promise"
            return "array" if name in _ARRAYS else None
        function = self.function_called(node)
        if function is not None:
            return "promise" if self.promises(function, depth + 1) else None
        callee = node.callee
        if not isinstance(callee, nodes.Member) or callee.computed:
            return None
        method = member_name(callee)
        if method in ("map", "flatMap") and node.arguments:
            callback = self.given(node.arguments[0])
            if isinstance(callback, nodes.Function) and self.promises(callback, depth + 1):
                return "promises"
        kind = self.kind(callee.object, depth + 1)
        if kind == "promise":
            return "promise" if method in _OF_A_PROMISE else None
        results = {} if kind is None else _RESULTS.get(kind, {})
        return next((result for result, names in results.items() if method in names), None)

    def promises(self, function: nodes.Function, depth: int = 0) -> bool:
        """Whether calling a function of the program gives a promise."""
        if function.is_async:
            return True
        if not function.has_expression_body:
            return False
        (result,) = function.body
        assert isinstance(result, nodes.Return)
        return self.kind(result.value, depth + 1) == "promise"


def member_name(node: nodes.Member) -> str:
    """The name behind the dot; "" when the property is computed."""
    name = node.property
    return name.value if isinstance(name, nodes.StringLiteral) else ""


def members_of(owner: str) -> frozenset[str]:
    """The names of what a global has."""
    if owner == "Context":
        return CONTEXT
    value = GLOBALS.get(owner)
    members = getattr(value, "members", value)
    return frozenset(members) if isinstance(members, dict) else frozenset()


def inside(node: nodes.Node, *, functions: bool = False) -> Iterator[nodes.Node]:
    """A node and all nodes within; what functions in it hold only with `functions`."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        if functions or here is node or not isinstance(here, nodes.Function):
            waiting.extend(reversed(list(nodes.parts_of(here))))
