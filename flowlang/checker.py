"""Rules over the tree that the grammar cannot see: names, labels, await, what Flow leaves out.

Errors are JavaScript's early errors and what the language refuses; warnings are names that nothing
declares and waits that do not do what they seem to. What JavaScript finds out only while running
(assigning to a constant, say) is left to the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flowlang import elsewhere, nodes
from flowlang.diagnostics import MOST_SHOWN, Diagnostic, nearest, report
from flowlang.lookalikes import in_latin
from flowlang.nodes import Expression, Statement, Target
from flowlang.source import Source


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONSTRUCTORS: Final = _words(
    """
    Error TypeError RangeError SyntaxError ReferenceError URIError EvalError AggregateError
    Date Map Set Array Object Promise
    """
)
"""What `new` takes."""

GLOBALS: Final = CONSTRUCTORS | _words(
    """
    undefined NaN Infinity Math JSON String Number Boolean parseInt parseFloat isNaN isFinite
    structuredClone encodeURI encodeURIComponent decodeURI decodeURIComponent console crypto
    Inputs Context Task Workflow Timer Signal State Attributes
    """
)
"""Names that every program sees without declaring them."""

MOST_SUGGESTIONS: Final = 20
"""How many undeclared names are compared with all visible ones: a file with more of them is missing
something else, and 9,000 names against 9,000 would take a minute."""

REFUSED_NAMES: Final = frozenset(["", "eval", "arguments"])
"""Names that the tree's builder has reported; the empty one stands for what is no name."""


def check_tree(
    source: Source, tree: nodes.Program, found: list[Diagnostic], *, is_complete: bool
) -> None:
    """Report what is wrong with `tree`.

    Args:
        found: takes the diagnostics.
        is_complete: whether no statement had to be skipped; if some were, what they declare is
            unknown, and undeclared names are not reported.
    """
    checker = _Checker(source, found)
    checker.program(tree)
    if is_complete:
        checker.report_undeclared()


class _Binding:
    """A declared name: which word declared it, and where."""

    __slots__ = ("end", "kind", "start")

    def __init__(self, kind: str, start: int, end: int) -> None:
        self.kind = kind
        self.start = start
        self.end = end


class _Scope:
    """Names declared in one place.

    Attributes:
        kind: "function" (parameters and body), "block", "catch", "catch pattern", or "name" (where
            a function expression sees its own name).
        hidden: names that functions in inner blocks make visible here (Annex B), and which
            conflict with nothing.
    """

    __slots__ = ("hidden", "kind", "names", "outer")

    def __init__(self, kind: str, outer: _Scope | None) -> None:
        self.kind = kind
        self.outer = outer
        self.names: dict[str, _Binding] = {}
        self.hidden: set[str] = set()

    def sees(self, name: str) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names or name in scope.hidden:
                return True
            scope = scope.outer
        return False

    def visible(self) -> set[str]:
        """Every name that can be used here."""
        names: set[str] = set()
        scope: _Scope | None = self
        while scope is not None:
            names.update(scope.names)
            scope = scope.outer
        return names


class _Function:
    """The function that is being checked."""

    __slots__ = ("breakable", "in_parameters", "is_async", "labels", "loops", "shown")

    def __init__(self, is_async: bool, shown: str) -> None:
        self.is_async = is_async
        self.shown = shown
        self.in_parameters = False
        self.loops = 0
        self.breakable = 0
        self.labels: list[tuple[str, bool]] = []


_WORDS = {
    "let": "let",
    "const": "const",
    "var": "var",
    "function": "function",
    "async function": "function",
}


class _Checker:
    def __init__(self, source: Source, found: list[Diagnostic]) -> None:
        self.source = source
        self.found = found
        self.scope = _Scope("function", None)
        self.function = _Function(True, "")
        self.written: set[str] = set()
        self.unknown_reads: list[tuple[nodes.Identifier, _Scope]] = []
        self.unknown_writes: list[tuple[nodes.Identifier, _Scope]] = []
        self.suggestions = MOST_SUGGESTIONS
        self.visits: dict[type, Callable[[Any], None]] = {
            nodes.Block: lambda node: self.block(node.body),
            nodes.Empty: _nothing,
            nodes.ExpressionStatement: self.expression_statement,
            nodes.VariableDeclaration: self.variables,
            nodes.FunctionDeclaration: lambda node: self.function_(node.function),
            nodes.If: self.if_,
            nodes.For: self.for_,
            nodes.ForOf: lambda node: self.for_each(node, node.iterable),
            nodes.ForIn: lambda node: self.for_each(node, node.object),
            nodes.While: self.while_,
            nodes.DoWhile: self.while_,
            nodes.Switch: self.switch,
            nodes.Labelled: self.labelled,
            nodes.Break: self.break_,
            nodes.Continue: self.continue_,
            nodes.Return: self.return_,
            nodes.Throw: lambda node: self.visit(node.value),
            nodes.Try: self.try_,
            nodes.Identifier: self.read,
            nodes.NumberLiteral: _nothing,
            nodes.StringLiteral: _nothing,
            nodes.BooleanLiteral: _nothing,
            nodes.NullLiteral: _nothing,
            nodes.TemplateLiteral: lambda node: self.all(node.expressions),
            nodes.ArrayLiteral: lambda node: self.all(node.elements),
            nodes.ObjectLiteral: lambda node: self.all(node.properties),
            nodes.Property: self.property,
            nodes.Function: self.function_,
            nodes.Unary: self.unary,
            nodes.Update: lambda node: self.write(node.target),
            nodes.Await: self.await_,
            nodes.Binary: lambda node: self.all(node.operands),
            nodes.Logical: lambda node: self.all(node.operands),
            nodes.Conditional: lambda node: self.all((node.test, node.consequent, node.alternate)),
            nodes.Assign: self.assign,
            nodes.Sequence: lambda node: self.all(node.expressions),
            nodes.Member: self.member,
            nodes.Call: lambda node: self.all((node.callee, *node.arguments)),
            nodes.Chain: lambda node: self.visit(node.expression),
            nodes.New: self.new,
            nodes.Spread: lambda node: self.visit(node.argument),
        }

    def report(self, code: str, start: int, end: int, **fields: object) -> None:
        self.found.append(report(self.source, code, start, end, **fields))  # type: ignore[arg-type]  # fields and notes both pass through

    def visit(self, node: Any) -> None:
        self.visits[type(node)](node)

    def all(self, many: Iterable[Any]) -> None:
        for node in many:
            if node is not None:
                self.visits[type(node)](node)

    # ------------------------------------------------------------------------------ declarations

    def program(self, tree: nodes.Program) -> None:
        self.declare_body(tree.body)
        self.all(tree.body)

    def declare(self, scope: _Scope, name: nodes.Identifier, kind: str) -> None:
        """Enter a lexical declaration, a function or a parameter into its scope."""
        before = scope.names.get(name.name)
        if before is None:
            scope.names[name.name] = _Binding(kind, name.start, name.end)
            return
        both = (before.kind, kind)
        if kind == "parameter":
            self.report("duplicate-parameter", name.start, name.end, name=name.name)
        elif both == ("function", "function"):
            # Twice the same plain function in a block is allowed; the last one counts.
            return
        elif (
            scope.kind == "function"
            and kind.endswith("function")
            and before.kind
            not in (
                "let",
                "const",
            )
        ):
            # At the top of a function, functions are like `var`.
            scope.names[name.name] = _Binding(kind, name.start, name.end)
        else:
            self.redeclared(before, name, kind)

    def declare_var(self, name: nodes.Identifier) -> None:
        """`var` passes through blocks up to the function: nothing there may have declared it."""
        scope: _Scope = self.scope
        while True:
            before = scope.names.get(name.name)
            if before is not None and scope.kind != "name":
                is_block = scope.kind != "function"
                if before.kind in ("let", "const", "async function" if is_block else "let"):
                    self.redeclared(before, name, "var")
                    return
                if is_block and before.kind == "function":
                    self.redeclared(before, name, "var")
                    return
                if before.kind == "catch pattern":
                    self.redeclared(before, name, "var")
                    return
            if scope.kind == "function" or scope.outer is None:
                return
            scope = scope.outer

    def redeclared(self, before: _Binding, name: nodes.Identifier, kind: str) -> None:
        start, end = name.start, name.end
        first_start, first_end = before.start, before.end
        if first_start > start:
            # A `var` is met after the declarations it collides with, wherever it stands.
            start, end, first_start, first_end = first_start, first_end, start, end
            kind = before.kind
        word = _WORDS.get(kind, kind)
        hint = f"choose another name, or assign without '{word}'"
        if word == "function":
            hint = "choose another name"
        self.report(
            "redeclared",
            start,
            end,
            name=name.name,
            word=word,
            hint=hint,
            notes=[("it is declared here", first_start, first_end)],
        )

    def declare_body(self, body: tuple[Statement, ...]) -> None:
        """All that is visible in a function's body from its beginning."""
        self.declare_lexical(body)
        scope = self.scope
        for name, is_function in _hoisted(body):
            if is_function:
                scope.hidden.add(name.name)
            elif name.name not in scope.names:
                scope.names[name.name] = _Binding("var", name.start, name.end)

    def declare_lexical(self, body: Iterable[Statement]) -> None:
        scope = self.scope
        for statement in body:
            while isinstance(statement, nodes.Labelled):
                statement = statement.body
            if isinstance(statement, nodes.VariableDeclaration):
                if statement.kind != "var":
                    for declarator in statement.declarations:
                        for name in _names(declarator.target):
                            self.declare(scope, name, statement.kind)
            elif isinstance(statement, nodes.FunctionDeclaration):
                function = statement.function
                assert function.name is not None
                kind = "async function" if function.is_async else "function"
                self.declare(scope, function.name, kind)

    def open(self, kind: str) -> _Scope:
        self.scope = _Scope(kind, self.scope)
        return self.scope

    def close(self) -> None:
        assert self.scope.outer is not None
        self.scope = self.scope.outer

    # ---------------------------------------------------------------------------------- functions

    def function_(self, node: nodes.Function) -> None:
        outer = self.function
        self.function = function = _Function(node.is_async, self.shown(node))
        depth = 1
        if node.kind == "expression" and node.name is not None:
            own = self.open("name")
            own.names[node.name.name] = _Binding("function", node.name.start, node.name.end)
            depth = 2
        scope = self.open("function")
        for element in node.parameters:
            for name in _names(element.target):
                self.declare(scope, name, "parameter")
        function.in_parameters = True
        for element in node.parameters:
            self.patterns(element.target)
            if element.default is not None:
                self.visit(element.default)
        function.in_parameters = False
        self.declare_body(node.body)
        self.all(node.body)
        for _ in range(depth):
            self.close()
        self.function = outer

    def shown(self, node: nodes.Function) -> str:
        """How a hint calls the function."""
        if node.name is not None:
            return f"'function {node.name.name}'"
        text = self.source.text
        end = node.start
        while end < min(node.end, node.start + 30) and text[end] not in "\n\r{=":
            end += 1
        return f"'{text[node.start : end].strip()}'"

    def await_(self, node: nodes.Await) -> None:
        function = self.function
        end = node.start + len("await")
        if function.in_parameters:
            self.report("await-in-parameter", node.start, end)
        elif not function.is_async:
            self.report("await-in-function", node.start, end, function=function.shown)
        self.visit(node.operand)

    def return_(self, node: nodes.Return) -> None:
        if node.value is not None:
            self.visit(node.value)

    # --------------------------------------------------------------------------------- statements

    def block(self, body: tuple[Statement, ...]) -> None:
        self.open("block")
        self.declare_lexical(body)
        self.all(body)
        self.close()

    def expression_statement(self, node: nodes.ExpressionStatement) -> None:
        expression = node.expression
        is_name = isinstance(expression, nodes.Identifier) and expression.name == "pass"
        if is_name and not self.scope.sees("pass"):
            self.report("python-pass", expression.start, expression.end)
        else:
            self.visit(expression)

    def variables(self, node: nodes.VariableDeclaration) -> None:
        for declarator in node.declarations:
            if node.kind == "var":
                for name in _names(declarator.target):
                    self.declare_var(name)
            self.patterns(declarator.target)
            if declarator.value is not None:
                self.visit(declarator.value)

    def if_(self, node: nodes.If) -> None:
        for branch in node.branches:
            self.visit(branch.test)
            self.visit(branch.body)
        if node.alternate is not None:
            self.visit(node.alternate)

    def loop(self, body: Statement) -> None:
        function = self.function
        function.loops += 1
        function.breakable += 1
        self.visit(body)
        function.loops -= 1
        function.breakable -= 1

    def for_(self, node: nodes.For) -> None:
        self.open("block")
        if isinstance(node.initial, nodes.VariableDeclaration):
            self.declare_lexical((node.initial,))
        self.all((node.initial, node.test, node.update))
        self.loop(node.body)
        self.close()

    def for_each(self, node: nodes.ForOf | nodes.ForIn, value: Expression) -> None:
        scope = self.open("block")
        if node.kind is None:
            self.write(node.target)
        else:
            for name in _names(node.target):
                if node.kind == "var":
                    self.declare_var(name)
                else:
                    self.declare(scope, name, node.kind)
            self.patterns(node.target)
        self.visit(value)
        self.loop(node.body)
        self.close()

    def while_(self, node: nodes.While | nodes.DoWhile) -> None:
        if isinstance(node, nodes.While):
            self.visit(node.test)
            self.loop(node.body)
        else:
            self.loop(node.body)
            self.visit(node.test)

    def switch(self, node: nodes.Switch) -> None:
        self.visit(node.discriminant)
        self.open("block")
        self.function.breakable += 1
        for case in node.cases:
            self.declare_lexical(case.body)
        for case in node.cases:
            if case.test is not None:
                self.visit(case.test)
            self.all(case.body)
        self.function.breakable -= 1
        self.close()

    def labelled(self, node: nodes.Labelled) -> None:
        function = self.function
        if any(label == node.label for label, _ in function.labels):
            end = node.start + len(node.label)
            self.report("duplicate-label", node.start, end, label=node.label)
        inner = node.body
        while isinstance(inner, nodes.Labelled):
            inner = inner.body
        is_loop = isinstance(
            inner, nodes.For | nodes.ForOf | nodes.ForIn | nodes.While | nodes.DoWhile
        )
        function.labels.append((node.label, is_loop))
        self.visit(node.body)
        function.labels.pop()

    def break_(self, node: nodes.Break) -> None:
        if node.label is not None:
            self.find_label(node, node.label)
        elif not self.function.breakable:
            hint = None
            if self.function.shown:
                hint = "to leave a loop early, write 'for (const x of …)'; a function has 'return'"
            self.report("break-outside", node.start, node.end, hint=hint)

    def continue_(self, node: nodes.Continue) -> None:
        if not self.function.loops:
            self.report("continue-outside", node.start, node.end)
        elif node.label is not None:
            is_loop = self.find_label(node, node.label)
            if is_loop is False:
                start = node.end - len(node.label)
                self.report("continue-label", start, node.end, label=node.label)

    def find_label(self, node: nodes.Break | nodes.Continue, label: str) -> bool | None:
        """Whether the label is a loop's; None, after a report, when there is none."""
        for known, is_loop in reversed(self.function.labels):
            if known == label:
                return is_loop
        labels = [known for known, _ in self.function.labels]
        meant = nearest(label, labels)
        if meant is not None:
            advice = f"did you mean '{meant}'?"
        elif labels:
            advice = f"labels around it: {', '.join(labels)}"
        else:
            advice = "a label stands before a loop in the same function: outer: for (…)"
        start = node.end - len(label)
        self.report("unknown-label", start, node.end, label=label, advice=advice)
        return None

    def try_(self, node: nodes.Try) -> None:
        self.block(node.block.body)
        if node.handler is not None:
            parameter = node.handler.parameter
            is_simple = isinstance(parameter, nodes.Identifier)
            scope = self.open("catch" if is_simple else "catch pattern")
            if parameter is not None:
                kind = "catch" if is_simple else "catch pattern"
                for name in _names(parameter):
                    self.declare(scope, name, kind)
                self.patterns(parameter)
            self.catch_body(node.handler.body, scope)
            self.close()
        if node.finalizer is not None:
            self.block(node.finalizer.body)

    def catch_body(self, block: nodes.Block, parameters: _Scope) -> None:
        """What the body declares may not be called like what was caught."""
        self.open("block")
        self.declare_lexical(block.body)
        for name, binding in self.scope.names.items():
            before = parameters.names.get(name)
            if before is not None:
                identifier = nodes.Identifier(binding.start, binding.end, name)
                self.redeclared(before, identifier, binding.kind)
        self.all(block.body)
        self.close()

    # -------------------------------------------------------------------------------- expressions

    def property(self, node: nodes.Property) -> None:
        if node.computed:
            self.visit(node.key)
        self.visit(node.value)

    def unary(self, node: nodes.Unary) -> None:
        operand = node.operand
        if node.operator == "typeof" and isinstance(operand, nodes.Identifier):
            if not self.scope.sees(operand.name):
                self.refuse_global(operand)
            return
        self.visit(operand)

    def assign(self, node: nodes.Assign) -> None:
        if isinstance(node.target, nodes.Identifier) and node.operator != "=":
            self.read(node.target)
        self.write(node.target)
        self.visit(node.value)

    def patterns(self, target: Target) -> None:
        """Visit the expressions within a declared pattern."""
        if isinstance(target, nodes.ArrayPattern):
            for element in target.elements:
                if element is not None:
                    self.patterns(element.target)
                    if element.default is not None:
                        self.visit(element.default)
        elif isinstance(target, nodes.ObjectPattern):
            for item in target.properties:
                if item.computed:
                    self.visit(item.key)
                self.patterns(item.target)
                if item.default is not None:
                    self.visit(item.default)

    def write(self, target: Target) -> None:
        """Visit a target that is assigned to."""
        if isinstance(target, nodes.Identifier):
            name = target.name
            if self.scope.sees(name) or name in REFUSED_NAMES:
                return
            if name in GLOBALS:
                self.report("assign-builtin", target.start, target.end, name=name)
            elif not self.refuse_global(target):
                self.written.add(name)
                self.unknown_writes.append((target, self.scope))
        elif isinstance(target, nodes.Member):
            self.visit(target)
        elif isinstance(target, nodes.ArrayPattern):
            for element in target.elements:
                if element is not None:
                    self.write(element.target)
                    if element.default is not None:
                        self.visit(element.default)
        else:
            for item in target.properties:
                if item.computed:
                    self.visit(item.key)
                self.write(item.target)
                if item.default is not None:
                    self.visit(item.default)
            if target.rest is not None:
                self.write(target.rest)

    def read(self, node: nodes.Identifier) -> None:
        name = node.name
        if self.scope.sees(name) or name in GLOBALS or name in REFUSED_NAMES:
            return
        if not self.refuse_global(node):
            self.unknown_reads.append((node, self.scope))

    def refuse_global(self, node: nodes.Identifier) -> bool:
        """Report a name that Node declares and Flow does not have; whether it is one."""
        name = node.name
        if name == "require":
            self.report("no-require", node.start, node.end)
        elif name == "Function":
            self.report("no-function-constructor", node.start, node.end)
        elif name in elsewhere.GLOBALS:
            code = "no-timers" if name in elsewhere.TIMERS else "no-global"
            self.report(code, node.start, node.end, name=name, advice=elsewhere.GLOBALS[name])
        else:
            return False
        return True

    def member(self, node: nodes.Member) -> None:
        operand = node.object
        self.visit(operand)
        if node.computed:
            self.visit(node.property)
            return
        assert isinstance(node.property, nodes.StringLiteral)
        name = node.property.value
        start, end = node.property.start, node.property.end
        if name == "__proto__":
            self.report("no-prototype", start, end, name=name)
        elif isinstance(operand, nodes.Identifier) and not self.scope.sees(operand.name):
            owner = operand.name
            if name == "prototype" and owner in GLOBALS:
                self.report("no-prototype", node.start, end, name=f"{owner}.prototype")
            elif name in elsewhere.MEMBERS.get(owner, ()):
                advice = elsewhere.MEMBERS[owner][name]
                self.report("no-global", node.start, end, name=f"{owner}.{name}", advice=advice)

    def new(self, node: nodes.New) -> None:
        callee = node.callee
        name = callee.name
        self.all(node.arguments)
        is_own = self.scope.sees(name)
        if name in CONSTRUCTORS and not is_own:
            return
        if is_own:
            advice = f"'{name}' is declared here, so call it without 'new'"
            if name in CONSTRUCTORS:
                advice = f"'{name}' is declared here: give that another name"
        else:
            meant = nearest(name, CONSTRUCTORS)
            advice = "call a function that returns an object"
            if name.endswith(("Error", "Exception")):
                advice = f"write Object.assign(new Error(…), {{ name: '{name}' }})"
            if meant is not None:
                advice = f"did you mean '{meant}'?"
            advice = elsewhere.CONSTRUCTORS.get(name) or elsewhere.GLOBALS.get(name) or advice
        self.report("new-not-allowed", node.start, callee.end, name=name, advice=advice)

    # --------------------------------------------------------------------------- undeclared names

    def report_undeclared(self) -> None:
        """Warn of names that nothing declares and nothing in the file assigns."""
        # What a tag or a 'with' is about has been told; its names would be told once more.
        errors = [each for each in self.found if each.severity == "error"][:MOST_SHOWN]
        if any(each.code == "no-with" for each in errors):
            return
        reads = [
            (node, scope)
            for node, scope in self.unknown_reads
            if node.name not in self.written
            and not any(each.start <= node.start < each.end for each in errors)
        ]
        for read, scope in reads[:MOST_SHOWN]:
            self.unknown_name(read, scope)
        first: dict[str, tuple[nodes.Identifier, _Scope]] = {}
        for write, scope in self.unknown_writes:
            first.setdefault(write.name, (write, scope))
        for node, scope in list(first.values())[:MOST_SHOWN]:
            meant = self.meant(node.name, scope, ())
            hint = f"did you mean '{meant}'? Otherwise declare it with 'let'" if meant else None
            self.report("undeclared-write", node.start, node.end, name=node.name, hint=hint)

    def meant(self, name: str, scope: _Scope, others: Iterable[str]) -> str | None:
        """The visible name that `name` is probably a slip of."""
        if self.suggestions == 0:
            return None
        self.suggestions -= 1
        visible = scope.visible().union(others)
        twins = (each for each in visible if in_latin(each) == in_latin(name) and each != name)
        return next(twins, None) or nearest(name, visible)

    def unknown_name(self, node: nodes.Identifier, scope: _Scope) -> None:
        name, start, end = node.name, node.start, node.end
        if name in elsewhere.PYTHON_CONSTANTS:
            instead = elsewhere.PYTHON_CONSTANTS[name]
            self.report("python-constant", start, end, name=name, instead=instead)
            return
        meant = self.meant(name, scope, self.written)
        if meant is None and name in elsewhere.PYTHON_NAMES:
            advice = elsewhere.PYTHON_NAMES[name]
            self.report("python-name", start, end, name=name, advice=advice)
            return
        hint = None if meant is not None else elsewhere.NOT_GLOBAL.get(name)
        meant = meant or nearest(name, GLOBALS)
        if hint is None and meant is not None:
            hint = f"did you mean '{meant}'?"
            if in_latin(meant) == in_latin(name):
                hint += " It looks the same, but has letters of another alphabet"
        self.report("undeclared-read", start, end, name=name, hint=hint)


def _nothing(node: Any) -> None:
    """For nodes without parts."""


def _names(target: Target) -> list[nodes.Identifier]:
    """The names that a pattern declares, in source order."""
    if isinstance(target, nodes.Identifier):
        return [target]
    names: list[nodes.Identifier] = []
    if isinstance(target, nodes.ArrayPattern):
        for element in target.elements:
            if element is not None:
                names += _names(element.target)
    elif isinstance(target, nodes.ObjectPattern):
        for item in target.properties:
            names += _names(item.target)
        if target.rest is not None:
            names += _names(target.rest)
    return names


def _hoisted(body: Iterable[Statement]) -> list[tuple[nodes.Identifier, bool]]:
    """What a function's body declares from within: `var` names and, marked True, plain functions
    in blocks (Annex B.3.3). Functions within are not entered."""
    found: list[tuple[nodes.Identifier, bool]] = []
    # True where a function declaration is in an inner block.
    waiting: list[tuple[Any, bool]] = [(statement, False) for statement in body]
    while waiting:
        node, is_inner = waiting.pop()
        if isinstance(node, nodes.VariableDeclaration):
            if node.kind == "var":
                for declarator in node.declarations:
                    found += [(name, False) for name in _names(declarator.target)]
        elif isinstance(node, nodes.FunctionDeclaration):
            function = node.function
            if is_inner and not function.is_async and function.name is not None:
                found.append((function.name, True))
        elif isinstance(node, nodes.Block):
            waiting += [(statement, True) for statement in node.body]
        elif isinstance(node, nodes.If):
            waiting += [(branch.body, is_inner) for branch in node.branches]
            waiting.append((node.alternate, is_inner))
        elif isinstance(node, nodes.For):
            waiting += [(node.initial, is_inner), (node.body, is_inner)]
        elif isinstance(node, nodes.ForOf | nodes.ForIn):
            if node.kind == "var":
                found += [(name, False) for name in _names(node.target)]
            waiting.append((node.body, is_inner))
        elif isinstance(node, nodes.While | nodes.DoWhile | nodes.Labelled):
            waiting.append((node.body, is_inner))
        elif isinstance(node, nodes.Switch):
            for case in node.cases:
                waiting += [(statement, True) for statement in case.body]
        elif isinstance(node, nodes.Try):
            waiting.append((node.block, True))
            if node.handler is not None:
                waiting.append((node.handler.body, True))
            waiting.append((node.finalizer, True))
    return found
