"""Which declaration a name means, decided once for a whole program before any code is generated.

`analyse` walks the tree and answers, for every identifier, the variable it means (or that it means
none: a built-in, or a name of the whole workflow that sloppy JavaScript creates by assigning to
it), for every variable whether closures share it, whether a read may come before its declaration
has run, and the type all its values have, where that can be seen. Nothing here generates or runs
code.

Three of JavaScript's rules shape it: `var` belongs to the function, `let` and `const` to the block;
a function declared in a block is also a `var` of the function (Annex B.3.3); default values of
parameters have a scope of their own, around the one of the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from flowlang import nodes
from flowlang.values import number_to_string

VariableKind = Literal["let", "const", "var", "function", "parameter", "catch", "self"]
"""`function` is a function declared in a block or body; `self` the name a function expression has
inside itself, which cannot be changed."""

ScopeKind = Literal["function", "body", "block", "loop", "switch", "catch", "self", "early"]
"""`early` is where `for (const x of …)` evaluates what it loops over: its names exist, unusable."""

Type = Literal["", "number", "string", "boolean", "function", "any"]
"""What is known of a value when compiling: "function" is one of the program's own functions, "" is
"nothing assigned seen yet"."""


@dataclass(eq=False, slots=True)
class Variable:
    """One declared name.

    Attributes:
        initialised_at: the offset in the source from which on code written in the same function may
            read it without a check.
        captured: whether an inner function uses it; it then lives in a scope that closures share.
        checked: whether some use may come before the declaration has run (the temporal dead zone).
        reassigned: whether anything but its declaration assigns to it.
        type: the one type all values assigned to it have, or "any".
        index: its place in the list that a shared scope is, from 1; 0 while not captured.
    """

    name: str
    kind: VariableKind
    scope: Scope
    initialised_at: int
    captured: bool = False
    checked: bool = False
    reassigned: bool = False
    type: Type = "any"
    index: int = 0


@dataclass(eq=False, slots=True)
class Scope:
    """A stretch of source with names of its own.

    Attributes:
        start: where in the source the scope begins; functions declared in it exist from there on.
        hoisted: the functions declared in it, in source order.
        is_shared: whether closures share any of its variables; running code then makes an object
            (a list) of the scope.
    """

    kind: ScopeKind
    parent: Scope | None
    function: FunctionInfo
    start: int
    variables: dict[str, Variable] = field(default_factory=dict)
    hoisted: list[FunctionInfo] = field(default_factory=list)
    is_shared: bool = False

    @property
    def shared(self) -> tuple[Variable, ...]:
        """The variables that closures share, in order of their index."""
        return tuple(variable for variable in self.variables.values() if variable.captured)


@dataclass(eq=False, slots=True)
class FunctionInfo:
    """One function of the program, or the program itself (index 0).

    Attributes:
        index: its number in source order of the walk; code is found by it.
        name: what `f.name` gives, known from the source; a computed key names at run time.
        scope: where its parameters live.
        body_scope: where its `var`s and top declarations live; the same as `scope` while all
            parameters are plain names.
        hoisted_at: the offset at which the function exists: its own start, or for a declaration
            the start of the scope it is declared in.
        self_scope: the scope that holds a function expression's own name.
    """

    index: int
    node: nodes.Function | nodes.Program
    name: str
    parent: FunctionInfo | None
    outer: Scope | None
    hoisted_at: int
    declared_as: Variable | None = None
    self_scope: Scope | None = None
    scope: Scope = field(init=False)
    body_scope: Scope = field(init=False)

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, nodes.Program) or self.node.is_async

    @property
    def has_scope_around(self) -> bool:
        """Whether it is within a scope that closures share."""
        around = self.outer
        while around is not None and not around.is_shared:
            around = around.parent
        return around is not None

    @property
    def parameters(self) -> tuple[nodes.Element, ...]:
        return () if isinstance(self.node, nodes.Program) else self.node.parameters

    @property
    def length(self) -> int:
        """What `f.length` gives: parameters before the first with a default or the rest."""
        count = 0
        for parameter in self.parameters:
            if parameter.is_rest or parameter.default is not None:
                break
            count += 1
        return count


@dataclass(eq=False, slots=True)
class Analysis:
    """What `analyse` found out about a program.

    Attributes:
        functions: all of them, the program first.
        function_of: the same by node.
        references: the variable an identifier means; None means no declaration of the program.
        unsafe: the identifiers whose use may come before the variable's declaration has run.
        scopes: the scope that a node opens (Block, For, ForOf, ForIn, Switch, Catch).
        early_scopes: for ForOf and ForIn, the scope in which the looped-over value is evaluated.
        block_functions: for a function declared in a block, the `var` that running the
            declaration copies it to.
    """

    functions: list[FunctionInfo] = field(default_factory=list)
    function_of: dict[nodes.Function | nodes.Program, FunctionInfo] = field(default_factory=dict)
    references: dict[nodes.Identifier, Variable | None] = field(default_factory=dict)
    unsafe: set[nodes.Identifier] = field(default_factory=set)
    scopes: dict[nodes.Node, Scope] = field(default_factory=dict)
    early_scopes: dict[nodes.Node, Scope] = field(default_factory=dict)
    block_functions: dict[nodes.FunctionDeclaration, Variable] = field(default_factory=dict)


def analyse(program: nodes.Program) -> Analysis:
    """Resolve every name of a program that the checker has accepted."""
    walk = _Walk()
    walk.function(program, None, None, hoisted_at=0)
    walk.infer_types()
    for scope in walk.all_scopes:
        for index, variable in enumerate(scope.shared, start=1):
            variable.index = index
            scope.is_shared = True
    return walk.analysis


def names_in(target: nodes.Target) -> Iterator[nodes.Identifier]:
    """The identifiers that a declared target declares, in source order."""
    match target:
        case nodes.Identifier():
            yield target
        case nodes.ArrayPattern():
            for element in target.elements:
                if element is not None:
                    yield from names_in(element.target)
        case nodes.ObjectPattern():
            for entry in target.properties:
                yield from names_in(entry.target)
            if target.rest is not None:
                yield from names_in(target.rest)


def is_unnamed_function(node: nodes.Expression | None) -> bool:
    """Whether `node` is a function that takes the name of what it is assigned to."""
    return isinstance(node, nodes.Function) and node.name is None


_Source = nodes.Expression | Type
"""What a variable is given: an expression, whose type is found later, or the type itself."""


class _Walk:
    """One pass over the tree; `scope` is where the walk stands."""

    def __init__(self) -> None:
        self.analysis = Analysis()
        self.all_scopes: list[Scope] = []
        self.scope: Scope
        self.given: dict[Variable, list[_Source]] = {}

    # ------------------------------------------------------------------ scopes and declarations

    def open(self, kind: ScopeKind, start: int) -> Scope:
        """A new scope within the current one, entered."""
        self.scope = Scope(kind, self.scope, self.scope.function, start)
        self.all_scopes.append(self.scope)
        return self.scope

    def declare(self, scope: Scope, name: str, kind: VariableKind, initialised_at: int) -> Variable:
        """The variable of that name in that very scope, made if it is not there yet."""
        variable = scope.variables.get(name)
        if variable is None:
            variable = Variable(name, kind, scope, initialised_at)
            variable.type = "" if kind in ("let", "const", "function") else "any"
            scope.variables[name] = variable
        return variable

    def hoist_lexical(self, statements: Iterable[nodes.Statement], scope: Scope) -> None:
        """Declare the `let`, `const` and functions that stand directly in `statements`."""
        for statement in statements:
            if isinstance(statement, nodes.VariableDeclaration) and statement.kind != "var":
                for declarator in statement.declarations:
                    for identifier in names_in(declarator.target):
                        self.declare(scope, identifier.name, statement.kind, declarator.end)
            elif isinstance(statement, nodes.FunctionDeclaration):
                name = statement.function.name
                assert name is not None
                self.declare(scope, name.name, "function", 0)

    def hoist_var(self, body: Iterable[nodes.Statement], scope: Scope) -> None:
        """Declare the `var`s of a function, wherever in it they stand."""
        for statement in _statements_within(body):
            match statement:
                case nodes.VariableDeclaration(kind="var"):
                    for declarator in statement.declarations:
                        for identifier in names_in(declarator.target):
                            self.declare(scope, identifier.name, "var", 0)
                case nodes.ForOf(kind="var") | nodes.ForIn(kind="var"):
                    for identifier in names_in(statement.target):
                        self.declare(scope, identifier.name, "var", 0)

    def hoist_block_functions(self, body: tuple[nodes.Statement, ...], info: FunctionInfo) -> None:
        """Annex B.3.3: a plain function declared in a block is a `var` too, unless that clashes
        with a `let` or the like around it, or with a parameter."""
        parameters = {
            identifier.name
            for parameter in info.parameters
            for identifier in names_in(parameter.target)
        }
        top = {
            name
            for name, variable in info.body_scope.variables.items()
            if variable.kind in ("let", "const")
        }
        for declaration, around in _block_functions(body, frozenset()):
            assert declaration.function.name is not None
            name = declaration.function.name.name
            if name in parameters or name in top or name in around:
                continue
            variable = self.declare(info.body_scope, name, "var", 0)
            self.give(variable, "any")
            self.analysis.block_functions[declaration] = variable

    # ------------------------------------------------------------------ functions

    def function(
        self,
        node: nodes.Function | nodes.Program,
        outer: Scope | None,
        name: str | None,
        *,
        hoisted_at: int,
    ) -> FunctionInfo:
        """Register one function and walk what is in it."""
        own = "" if isinstance(node, nodes.Program) or node.name is None else node.name.name
        parent = None if outer is None else outer.function
        functions = self.analysis.functions
        info = FunctionInfo(len(functions), node, own or name or "", parent, outer, hoisted_at)
        functions.append(info)
        self.analysis.function_of[node] = info

        around = self.scope if outer is not None else None
        if isinstance(node, nodes.Function) and node.kind == "expression" and own:
            assert outer is not None
            info.self_scope = Scope("self", outer, outer.function, node.start)
            self.all_scopes.append(info.self_scope)
            self.declare(info.self_scope, own, "self", node.start).type = "function"
            outer = info.outer = info.self_scope

        info.scope = info.body_scope = self.scope = Scope("function", outer, info, node.start)
        self.all_scopes.append(info.scope)
        simple = isinstance(node, nodes.Program) or node.simple_parameters
        for parameter in info.parameters:
            for identifier in names_in(parameter.target):
                self.declare(
                    info.scope, identifier.name, "parameter", 0 if simple else parameter.end
                )
        if simple:
            for parameter in info.parameters:
                self.target(parameter.target, "any")
        else:
            for parameter in info.parameters:
                self.element(parameter, "any")
            info.body_scope = self.open("body", node.start)

        self.hoist_var(node.body, info.body_scope)
        self.hoist_lexical(node.body, info.body_scope)
        self.hoist_block_functions(node.body, info)
        self.statements(node.body)
        if around is not None:
            self.scope = around
        return info

    def statements(self, body: Iterable[nodes.Statement]) -> None:
        """Walk the statements of the current scope; its functions come first, as they run."""
        body = tuple(body)
        for statement in body:
            if isinstance(statement, nodes.FunctionDeclaration):
                self.declaration(statement)
        for statement in body:
            self.statement(statement)

    def declaration(self, statement: nodes.FunctionDeclaration) -> None:
        scope = self.scope
        assert statement.function.name is not None
        name = statement.function.name.name
        variable = scope.variables[name]
        self.give(variable, statement.function)
        info = self.function(statement.function, scope, None, hoisted_at=scope.start)
        info.declared_as = variable
        scope.hoisted.append(info)

    def block(self, node: nodes.Block) -> None:
        around = self.scope
        scope = self.analysis.scopes[node] = self.open("block", node.start)
        self.hoist_lexical(node.body, scope)
        self.statements(node.body)
        self.scope = around

    # ------------------------------------------------------------------ statements

    def statement(self, node: nodes.Statement) -> None:
        match node:
            case nodes.ExpressionStatement():
                self.expression(node.expression)
            case nodes.VariableDeclaration():
                self.variable_declaration(node)
            case nodes.FunctionDeclaration() | nodes.Empty() | nodes.Break() | nodes.Continue():
                pass
            case nodes.Return():
                if node.value is not None:
                    self.expression(node.value)
            case nodes.Throw():
                self.expression(node.value)
            case nodes.If():
                for branch in node.branches:
                    self.expression(branch.test)
                    self.statement(branch.body)
                if node.alternate is not None:
                    self.statement(node.alternate)
            case nodes.Block():
                self.block(node)
            case nodes.For():
                self.for_loop(node)
            case nodes.ForOf():
                self.for_each(node, node.iterable)
            case nodes.ForIn():
                self.for_each(node, node.object)
            case nodes.While():
                self.expression(node.test)
                self.statement(node.body)
            case nodes.DoWhile():
                self.statement(node.body)
                self.expression(node.test)
            case nodes.Labelled():
                self.statement(node.body)
            case nodes.Switch():
                self.switch(node)
            case nodes.Try():
                self.block(node.block)
                if node.handler is not None:
                    self.catch(node.handler)
                if node.finalizer is not None:
                    self.block(node.finalizer)

    def variable_declaration(self, node: nodes.VariableDeclaration) -> None:
        for declarator in node.declarations:
            value = declarator.value
            if value is not None:
                self.expression(value, self.name_for(declarator.target))
                given: _Source = value if isinstance(declarator.target, nodes.Identifier) else "any"
                if node.kind == "var":
                    given = "any"
            else:
                given = "any"
            self.target(declarator.target, given, declares=node.kind != "var")

    def for_loop(self, node: nodes.For) -> None:
        around = self.scope
        scope = self.analysis.scopes[node] = self.open("loop", node.start)
        if isinstance(node.initial, nodes.VariableDeclaration):
            if node.initial.kind != "var":
                self.hoist_lexical((node.initial,), scope)
            self.variable_declaration(node.initial)
        elif node.initial is not None:
            self.expression(node.initial)
        if node.test is not None:
            self.expression(node.test)
        if node.update is not None:
            self.expression(node.update)
        self.statement(node.body)
        self.scope = around

    def for_each(self, node: nodes.ForOf | nodes.ForIn, value: nodes.Expression) -> None:
        around = self.scope
        names = [] if node.kind in (None, "var") else list(names_in(node.target))
        if names:
            early = self.analysis.early_scopes[node] = self.open("early", node.start)
            for identifier in names:
                self.declare(early, identifier.name, "let", node.end)
        self.expression(value)
        self.scope = around
        scope = self.analysis.scopes[node] = self.open("loop", node.target.start)
        for identifier in names:
            kind: VariableKind = "const" if node.kind == "const" else "let"
            self.declare(scope, identifier.name, kind, node.target.end)
        self.target(node.target, "any", declares=bool(names))
        self.statement(node.body)
        self.scope = around

    def switch(self, node: nodes.Switch) -> None:
        self.expression(node.discriminant)
        around = self.scope
        scope = self.analysis.scopes[node] = self.open("switch", node.discriminant.end)
        for case in node.cases:
            self.hoist_lexical(case.body, scope)
        for case in node.cases:
            for statement in case.body:
                if isinstance(statement, nodes.FunctionDeclaration):
                    self.declaration(statement)
        for case in node.cases:
            if case.test is not None:
                self.expression(case.test)
            for statement in case.body:
                self.statement(statement)
        self.scope = around

    def catch(self, node: nodes.Catch) -> None:
        around = self.scope
        scope = self.analysis.scopes[node] = self.open("catch", node.start)
        if node.parameter is not None:
            simple = isinstance(node.parameter, nodes.Identifier)
            for identifier in names_in(node.parameter):
                self.declare(scope, identifier.name, "catch", 0 if simple else node.parameter.end)
            self.target(node.parameter, "any", declares=True)
        self.block(node.body)
        self.scope = around

    # ------------------------------------------------------------------ targets

    def name_for(self, target: nodes.Target) -> str | None:
        """The name that a function assigned to `target` takes."""
        if isinstance(target, nodes.Identifier) and not target.parenthesised:
            return target.name
        return None

    def target(self, node: nodes.Target, given: _Source, *, declares: bool = False) -> None:
        """Something assigned to or, with `declares`, brought to life with its first value."""
        match node:
            case nodes.Identifier():
                variable = self.refer(node, declares=declares)
                if variable is not None:
                    self.give(variable, given)
                    variable.reassigned |= not declares
            case nodes.Member():
                self.expression(node)
            case nodes.ArrayPattern():
                for element in node.elements:
                    if element is not None:
                        self.element(element, "any", declares=declares)
            case nodes.ObjectPattern():
                for entry in node.properties:
                    if entry.computed:
                        self.expression(entry.key)
                    if entry.default is not None:
                        self.expression(entry.default, self.name_for(entry.target))
                    self.target(entry.target, "any", declares=declares)
                if node.rest is not None:
                    self.target(node.rest, "any", declares=declares)

    def element(self, node: nodes.Element, given: _Source, *, declares: bool = True) -> None:
        if node.default is not None:
            self.expression(node.default, self.name_for(node.target))
        self.target(node.target, given, declares=declares)

    def give(self, variable: Variable, source: _Source) -> None:
        """Note one value that a variable may be assigned."""
        self.given.setdefault(variable, []).append(source)

    def refer(self, node: nodes.Identifier, *, declares: bool = False) -> Variable | None:
        """Resolve one identifier from where the walk stands."""
        scope: Scope | None = self.scope
        while scope is not None:
            variable = scope.variables.get(node.name)
            if variable is not None:
                break
            scope = scope.parent
        else:
            variable = None
        self.analysis.references[node] = variable
        if variable is None:
            return None
        function = self.scope.function
        if variable.scope.function is not function:
            variable.captured = True
        if not declares and self.may_come_early(node, variable):
            self.analysis.unsafe.add(node)
            variable.checked = True
        return variable

    def may_come_early(self, node: nodes.Identifier, variable: Variable) -> bool:
        """Whether this use could run before the variable's declaration did.

        Code of the same function runs in source order within the variable's scope, but for a
        switch, which can jump over a declaration. A function counts from where it comes to exist.
        """
        if variable.initialised_at == 0 or variable.kind in ("var", "function", "self"):
            return False
        if variable.scope.kind == "switch":
            return True
        position = node.start
        function = self.scope.function
        while function is not variable.scope.function:
            position = function.hoisted_at
            assert function.parent is not None
            function = function.parent
        return position < variable.initialised_at

    # ------------------------------------------------------------------ expressions

    def expression(self, node: nodes.Expression, name: str | None = None) -> None:
        """Walk an expression; a function without a name of its own takes `name`."""
        match node:
            case nodes.Identifier():
                self.refer(node)
            case nodes.Function():
                self.function(node, self.scope, name, hoisted_at=node.start)
            case nodes.Assign():
                self.assign(node)
            case nodes.Update():
                self.target(node.target, "number")
            case nodes.ObjectLiteral():
                self.object_literal(node)
            case _:
                for child in children(node):
                    self.expression(child)

    def assign(self, node: nodes.Assign) -> None:
        target = node.target
        if node.operator == "=":
            if isinstance(target, nodes.Identifier):
                self.target(target, node.value)
            else:
                self.target(target, "any")
        else:
            self.target(target, node)
        self.expression(node.value, self.name_for(target) if _names(node.operator) else None)

    def object_literal(self, node: nodes.ObjectLiteral) -> None:
        for entry in node.properties:
            if isinstance(entry, nodes.Spread):
                self.expression(entry.argument)
            elif entry.computed:
                self.expression(entry.key)
                self.expression(entry.value)
            else:
                self.expression(entry.value, property_name(entry.key))

    # ------------------------------------------------------------------ types

    def infer_types(self) -> None:
        """Give each `let` and `const` the one type that all values assigned to it have.

        Starts from nothing and only ever widens, so it ends; what a loop feeds back to itself
        (`s = s + 1`) keeps its type.
        """
        candidates = {
            variable: given for variable, given in self.given.items() if variable.type == ""
        }
        changed = True
        while changed:
            changed = False
            for variable, given in candidates.items():
                before = variable.type
                for source in given:
                    found = source if isinstance(source, str) else self.type_of(source)
                    variable.type = _join(variable.type, found)
                changed |= variable.type is not before
        for scope in self.all_scopes:
            for variable in scope.variables.values():
                if variable.type == "":
                    variable.type = "any"

    def type_of(self, node: nodes.Expression) -> Type:
        """The type of an expression's value as far as it can be seen."""
        return static_type(node, self.analysis.references)


def property_name(key: nodes.Expression) -> str:
    """The name of a property whose key is written out; numbers as JavaScript writes them."""
    if isinstance(key, nodes.StringLiteral):
        return key.value
    assert isinstance(key, nodes.NumberLiteral)
    return number_to_string(key.value)


def children(node: nodes.Expression) -> Iterator[nodes.Expression]:
    """The expressions directly within an expression, in source order; a function has none."""
    match node:
        case nodes.TemplateLiteral():
            yield from node.expressions
        case nodes.ArrayLiteral():
            for element in node.elements:
                if element is not None:
                    yield element.argument if isinstance(element, nodes.Spread) else element
        case nodes.ObjectLiteral():
            for entry in node.properties:
                if isinstance(entry, nodes.Spread):
                    yield entry.argument
                else:
                    if entry.computed:
                        yield entry.key
                    yield entry.value
        case nodes.Unary() | nodes.Await():
            yield node.operand
        case nodes.Update():
            yield node.target
        case nodes.Binary() | nodes.Logical():
            yield from node.operands
        case nodes.Conditional():
            yield from (node.test, node.consequent, node.alternate)
        case nodes.Sequence():
            yield from node.expressions
        case nodes.Member():
            yield node.object
            if node.computed:
                yield node.property
        case nodes.Call():
            yield node.callee
            yield from _arguments(node.arguments)
        case nodes.New():
            yield from _arguments(node.arguments)
        case nodes.Chain():
            yield node.expression
        case nodes.Assign():
            yield from target_expressions(node.target)
            yield node.value


def target_expressions(target: nodes.Target) -> Iterator[nodes.Expression]:
    """The expressions that assigning to `target` evaluates: objects, keys, defaults."""
    match target:
        case nodes.Member():
            yield from children(target)
        case nodes.ArrayPattern():
            for element in target.elements:
                if element is not None:
                    yield from target_expressions(element.target)
                    if element.default is not None:
                        yield element.default
        case nodes.ObjectPattern():
            for entry in target.properties:
                if entry.computed:
                    yield entry.key
                yield from target_expressions(entry.target)
                if entry.default is not None:
                    yield entry.default
            if target.rest is not None:
                yield from target_expressions(target.rest)


def static_type(
    node: nodes.Expression, references: dict[nodes.Identifier, Variable | None]
) -> Type:
    """The type that every value of `node` has; "any" if that cannot be told."""
    match node:
        case nodes.NumberLiteral() | nodes.Update():
            return "number"
        case nodes.StringLiteral() | nodes.TemplateLiteral():
            return "string"
        case nodes.BooleanLiteral():
            return "boolean"
        case nodes.Function():
            return "function"
        case nodes.Identifier():
            variable = references.get(node)
            return "any" if variable is None else variable.type
        case nodes.Binary():
            return _binary_type(node, references)
        case nodes.Unary():
            return _UNARY_TYPES.get(node.operator, "any")
        case nodes.Assign():
            if node.operator == "=":
                return static_type(node.value, references)
            if node.operator == "+=" and isinstance(node.target, nodes.Identifier):
                left = static_type(node.target, references)
                return _sum_type(left, static_type(node.value, references))
            return "number" if node.operator[:-1] in _NUMERIC else "any"
        case nodes.Conditional():
            return _join(
                static_type(node.consequent, references), static_type(node.alternate, references)
            )
        case nodes.Sequence():
            return static_type(node.expressions[-1], references)
    return "any"


_NUMERIC = frozenset(["-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>", ">>>"])

_UNARY_TYPES: dict[str, Type] = {
    "-": "number",
    "+": "number",
    "~": "number",
    "!": "boolean",
    "delete": "boolean",
    "typeof": "string",
}


def _binary_type(node: nodes.Binary, references: dict[nodes.Identifier, Variable | None]) -> Type:
    if not any(operator == "+" for operator in node.operators):
        return "number" if node.operators[-1] in _NUMERIC else "boolean"
    found = static_type(node.operands[0], references)
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        found = _sum_type(found, static_type(operand, references)) if operator == "+" else "number"
    return found


def _sum_type(left: Type, right: Type) -> Type:
    if "string" in (left, right):
        return "string"
    if "any" in (left, right) or "function" in (left, right):
        return "any"
    if "" in (left, right):
        return ""
    return "number"  # numbers and booleans


def _join(one: Type, other: Type) -> Type:
    if one == other or other == "":
        return one
    return other if one == "" else "any"


def _names(operator: str) -> bool:
    """Whether assigning with this operator names a nameless function."""
    return operator in ("=", "&&=", "||=", "??=")


def _arguments(arguments: Iterable[nodes.Expression | nodes.Spread]) -> Iterator[nodes.Expression]:
    for argument in arguments:
        yield argument.argument if isinstance(argument, nodes.Spread) else argument


def _statements_within(body: Iterable[nodes.Statement]) -> Iterator[nodes.Statement]:
    """All statements of a function, those in blocks and loops included, in source order."""
    for statement in body:
        yield statement
        match statement:
            case nodes.Block():
                yield from _statements_within(statement.body)
            case nodes.If():
                for branch in statement.branches:
                    yield from _statements_within((branch.body,))
                if statement.alternate is not None:
                    yield from _statements_within((statement.alternate,))
            case nodes.For():
                if isinstance(statement.initial, nodes.VariableDeclaration):
                    yield statement.initial
                yield from _statements_within((statement.body,))
            case nodes.ForOf() | nodes.ForIn() | nodes.While() | nodes.DoWhile() | nodes.Labelled():
                yield from _statements_within((statement.body,))
            case nodes.Switch():
                for case in statement.cases:
                    yield from _statements_within(case.body)
            case nodes.Try():
                yield from _statements_within((statement.block,))
                if statement.handler is not None:
                    yield from _statements_within((statement.handler.body,))
                if statement.finalizer is not None:
                    yield from _statements_within((statement.finalizer,))


def _block_functions(
    body: Iterable[nodes.Statement], around: frozenset[str], *, is_top: bool = True
) -> Iterator[tuple[nodes.FunctionDeclaration, frozenset[str]]]:
    """The plain functions declared in blocks, each with the names that a `let`, `const`, loop,
    catch pattern or function of an enclosing block declares between it and the function's body."""
    body = tuple(body)
    for statement in body:
        match statement:
            case nodes.FunctionDeclaration():
                if not is_top and not statement.function.is_async:
                    yield statement, around
            case nodes.Block():
                yield from _block_functions_of(statement.body, around)
            case nodes.If():
                for branch in statement.branches:
                    yield from _block_functions((branch.body,), around)
                if statement.alternate is not None:
                    yield from _block_functions((statement.alternate,), around)
            case nodes.For():
                names = frozenset[str]()
                initial = statement.initial
                if isinstance(initial, nodes.VariableDeclaration) and initial.kind != "var":
                    names = frozenset(
                        identifier.name
                        for declarator in initial.declarations
                        for identifier in names_in(declarator.target)
                    )
                yield from _block_functions((statement.body,), around | names)
            case nodes.ForOf() | nodes.ForIn():
                names = frozenset[str]()
                if statement.kind in ("let", "const"):
                    names = frozenset(identifier.name for identifier in names_in(statement.target))
                yield from _block_functions((statement.body,), around | names)
            case nodes.While() | nodes.DoWhile() | nodes.Labelled():
                yield from _block_functions((statement.body,), around)
            case nodes.Switch():
                within = tuple(inner for case in statement.cases for inner in case.body)
                yield from _block_functions_of(within, around)
            case nodes.Try():
                yield from _block_functions_of(statement.block.body, around)
                handler = statement.handler
                if handler is not None:
                    names = frozenset[str]()
                    if handler.parameter is not None and not isinstance(
                        handler.parameter, nodes.Identifier
                    ):
                        names = frozenset(
                            identifier.name for identifier in names_in(handler.parameter)
                        )
                    yield from _block_functions_of(handler.body.body, around | names)
                if statement.finalizer is not None:
                    yield from _block_functions_of(statement.finalizer.body, around)


def _block_functions_of(
    body: tuple[nodes.Statement, ...], around: frozenset[str]
) -> Iterator[tuple[nodes.FunctionDeclaration, frozenset[str]]]:
    """`_block_functions` for the inside of one block: its own names are around what is within."""
    lexical = set[str]()
    functions = set[str]()
    for statement in body:
        if isinstance(statement, nodes.VariableDeclaration) and statement.kind != "var":
            for declarator in statement.declarations:
                lexical.update(identifier.name for identifier in names_in(declarator.target))
        elif isinstance(statement, nodes.FunctionDeclaration):
            assert statement.function.name is not None
            functions.add(statement.function.name.name)
    for statement in body:
        within = around | lexical
        if not isinstance(statement, nodes.FunctionDeclaration):
            within |= functions
        yield from _block_functions((statement,), frozenset(within), is_top=False)
