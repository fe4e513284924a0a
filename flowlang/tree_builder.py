"""Turns what the grammar matched into nodes, and refuses what Flow does not have.

The grammar takes a little more than the language is, so that one mistake does not hide the next:
`this`, classes, getters, modules, impossible targets of assignments. Here each gets its diagnostic.
Operators are grouped by precedence here, too.

A match is parsimonious' node: `start` and `end` are indexes of tokens, `children` what its parts
matched, `expr.name` the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flowlang import nodes
from flowlang.diagnostics import Diagnostic, report
from flowlang.nodes import Expression, Statement, Target
from flowlang.source import Source
from flowlang.tokens import DEEPEST, KEYWORDS, STRICT_WORDS, Token

PRECEDENCE: Final = {
    operator: precedence
    for precedence, group in enumerate(
        [
            "??",
            "||",
            "&&",
            "|",
            "^",
            "&",
            "== != === !==",
            "< > <= >= in instanceof",
            "<< >> >>>",
            "+ -",
            "* / %",
            "**",
        ]
    )
    for operator in group.split()
}
_LOGICAL = frozenset(["??", "||", "&&"])


class TooDeep(Exception):
    """The nesting goes beyond `DEEPEST` at token `at`."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


_TARGET_WORDS: dict[type, str] = {
    nodes.Call: "what a function returns",
    nodes.NumberLiteral: "a number",
    nodes.StringLiteral: "a string",
    nodes.BooleanLiteral: "a boolean",
    nodes.NullLiteral: "null",
    nodes.TemplateLiteral: "a template",
    nodes.Function: "a function",
    nodes.ArrayLiteral: "an array in parentheses or with an operator",
    nodes.ObjectLiteral: "an object in parentheses or with an operator",
    nodes.Sequence: "several values",
    nodes.Conditional: "a conditional expression",
    nodes.Await: "an awaited value",
    nodes.New: "a new object",
}


class TreeBuilder:
    """Makes nodes of a match. Methods are named after the rules of the grammar."""

    def __init__(self, source: Source, tokens: list[Token], found: list[Diagnostic]) -> None:
        self.source = source
        self.tokens = tokens
        self.found = found
        # Expressions that stood in parentheses, by identity; kept, so that no identity is reused.
        self.bare: dict[int, Expression] = {}
        # How many nodes without brackets the way down to here went through: links of member and
        # call chains, and operators of different precedence.
        self.links = 0
        self.statements: dict[str, Callable[[Any], Statement | None]] = {
            "block": self.block,
            "empty": lambda m: nodes.Empty(*self.span(m)),
            "expression_statement": self.expression_statement,
            "declaration": self.declaration,
            "if": self.if_,
            "while": lambda m: nodes.While(
                *self.span(m), self.condition(m.children[1]), self.body(m.children[2], "a loop")
            ),
            "do": self.do,
            "for": self.for_,
            "switch": self.switch,
            "return": self.return_,
            "throw": lambda m: nodes.Throw(
                *self.span_to(m, m.children[2]), self.expression(m.children[2])
            ),
            "break": lambda m: nodes.Break(*self.jump(m)),
            "continue": lambda m: nodes.Continue(*self.jump(m)),
            "labelled": self.labelled,
            "try": self.try_,
            "function_declaration": self.function_declaration,
            "with": self.with_,
            "debugger": self.debugger,
            "module": self.module,
            "class": self.class_statement,
        }
        self.operands: dict[str, Callable[[Any], Expression]] = {
            "operand": self.single,
            "parenthesised": self.parenthesised,
            "array": self.array,
            "object": self.object,
            "template": self.template,
            "function_expression": self.function_expression,
            "new": self.new,
            "class": self.class_,
        }

    # ------------------------------------------------------------------------------- small things

    def report(self, code: str, start: int, end: int, **fields: object) -> None:
        self.found.append(report(self.source, code, start, end, **fields))  # type: ignore[arg-type]  # fields and notes both pass through

    def at(self, code: str, token: Token, **fields: object) -> None:
        self.report(code, token.start, token.end, **fields)

    def span(self, match: Any) -> tuple[int, int]:
        """Where a match begins and ends in the source."""
        tokens = self.tokens
        start = tokens[match.start].start
        return start, tokens[match.end - 1].end if match.end > match.start else start

    def span_to(self, match: Any, last: Any) -> tuple[int, int]:
        """From the start of `match` to the end of its part `last`, leaving a semicolon out."""
        return self.tokens[match.start].start, self.tokens[last.end - 1].end

    def name(self, index: int) -> nodes.Identifier:
        """The name at token `index`, as a reference or a declaration."""
        token = self.tokens[index]
        text = token.text
        if text in KEYWORDS or text in STRICT_WORDS:
            if text == "arguments":
                self.at("no-arguments", token)
            elif text == "eval":
                self.at("no-eval", token)
            else:
                self.at("reserved-name", token, name=text)
        return nodes.Identifier(token.start, token.end, text)

    # --------------------------------------------------------------------------------- statements

    def program(self, match: Any) -> nodes.Program:
        body = self.body_of(match.children[0])
        start = self.tokens[0].start
        end = self.tokens[-1].end
        if len(body) == 1 and isinstance(body[0], nodes.FunctionDeclaration):
            function = body[0].function
            assert function.name is not None
            if function.name.name == "main" and function.is_async and not function.parameters:
                return nodes.Program(start, end, function.body, True)
        return nodes.Program(start, end, body)

    def statements_of(self, many: Any) -> tuple[Statement, ...]:
        built = []
        for match in many.children:
            statement = self.statement(match)
            if statement is not None:
                built.append(statement)
        return tuple(built)

    def body_of(self, many: Any) -> tuple[Statement, ...]:
        """The statements of a function or file, which may begin with directives."""
        body = self.statements_of(many)
        for statement in body:
            if not isinstance(statement, nodes.ExpressionStatement):
                break
            expression = statement.expression
            if not isinstance(expression, nodes.StringLiteral) or id(expression) in self.bare:
                break
            if self.source.text[expression.start + 1 : expression.end - 1] == "use strict":
                self.report("no-use-strict", expression.start, expression.end)
        return body

    def statement(self, match: Any) -> Statement | None:
        """None for a statement that was skipped."""
        name = match.expr.name
        if name == "case_statement" and match.children:
            match = match.children[0]
            name = match.expr.name
        build = self.statements.get(name)
        return build(match) if build is not None else None

    def body(self, match: Any, what: str) -> Statement:
        """A statement where a declaration would have no block to be visible in."""
        statement = self.statement(match)
        if statement is None:
            return nodes.Empty(*self.span(match))
        if isinstance(statement, nodes.VariableDeclaration) and statement.kind != "var":
            token = self.tokens[match.start]
            self.at("lexical-single-statement", token, word=token.text)
        inner: Statement = statement
        while isinstance(inner, nodes.Labelled):
            inner = inner.body
        if isinstance(inner, nodes.FunctionDeclaration):
            self.at("function-single-statement", self.tokens[match.start], what=what)
        return statement

    def block(self, match: Any) -> nodes.Block:
        return nodes.Block(*self.span(match), self.statements_of(match.children[1]))

    def expression_statement(self, match: Any) -> nodes.ExpressionStatement:
        first = self.tokens[match.start]
        if first.type == "{=":
            self.at("object-pattern-statement", first)
        inner = match.children[0]
        return nodes.ExpressionStatement(*self.span_to(match, inner), self.expression(inner))

    def declaration(self, match: Any) -> nodes.VariableDeclaration:
        last = match.children[2] if match.children[2].children else match.children[1]
        return self.variables(match, self.span_to(match, last))

    def variables(self, match: Any, span: tuple[int, int]) -> nodes.VariableDeclaration:
        """`declaring_word binding next_binding*`."""
        word: Any = self.tokens[match.start].text
        bindings = [match.children[1], *(more.children[1] for more in match.children[2].children)]
        declared = []
        for binding in bindings:
            target = self.binding_target(binding.children[0])
            value = self.initializer(binding.children[2])
            if value is None:
                is_closed = not self.tokens[binding.end - 1].is_missing
                if not isinstance(target, nodes.Identifier):
                    if is_closed:
                        what = "a pattern"
                        self.report("missing-initializer", target.start, target.end, what=what)
                elif word == "const":
                    what = f"the constant '{target.name}'"
                    self.report("missing-initializer", target.start, target.end, what=what)
            declared.append(nodes.Declarator(*self.span(binding), target, value))
        return nodes.VariableDeclaration(*span, word, tuple(declared))

    def initializer(self, optional: Any) -> Expression | None:
        return self.assign(optional.children[0].children[1]) if optional.children else None

    def condition(self, match: Any) -> Expression:
        if match.expr.name == "plain_condition":
            return self.expression(match.children[1])
        if match.end == match.start:
            return self.nothing(match)  # reported as missing
        while match.expr.name != "expression":
            match = match.children[0]
        return self.expression(match)

    def if_(self, match: Any) -> nodes.If:
        _, test, body, else_ifs, last = match.children
        start = self.tokens[match.start].start
        branches = [
            nodes.Branch(
                start,
                self.tokens[body.end - 1].end,
                self.condition(test),
                self.body(body, "an 'if'"),
            )
        ]
        for else_if in else_ifs.children:
            word, test, body = else_if.children
            branches.append(
                nodes.Branch(
                    self.tokens[word.start].start,
                    self.tokens[body.end - 1].end,
                    self.condition(test),
                    self.body(body, "an 'if'"),
                )
            )
        alternate = None
        if last.children:
            alternate = self.body(last.children[0].children[1], "an 'else'")
        return nodes.If(*self.span(match), tuple(branches), alternate)

    def do(self, match: Any) -> nodes.DoWhile:
        test = match.children[3]
        body = self.body(match.children[1], "a loop")
        return nodes.DoWhile(*self.span_to(match, test), body, self.condition(test))

    def for_(self, match: Any) -> Statement:
        awaits, head = match.children[1], match.children[3]
        if awaits.children:
            self.at("for-await", self.tokens[awaits.start])
        span = self.span(match)
        if head.expr.name == "for_each":
            return self.for_each(head, span, match.children[5])
        start, _, test, _, update = head.children
        initial: nodes.VariableDeclaration | Expression | None = None
        if start.children:
            inner = start.children[0].children[0]
            if inner.expr.name == "for_variables":
                initial = self.variables(inner, self.span(inner))
            else:
                initial = self.expression(inner)
        return nodes.For(
            *span,
            initial,
            self.expression(test.children[0]) if test.children else None,
            self.expression(update.children[0]) if update.children else None,
            self.body(match.children[5], "a loop"),
        )

    def for_each(self, head: Any, span: tuple[int, int], body: Any) -> Statement:
        left, word_match, right = head.children
        word = self.tokens[word_match.start].text
        kind: Any = None
        if left.expr.name == "for_variables":
            kind = self.tokens[left.start].text
            binding = left.children[1]
            target: Target = self.binding_target(binding.children[0])
            if binding.children[2].children:
                self.report("for-initializer", *self.span(binding.children[2]), word=word)
            if left.children[2].children:
                target = self.too_many_declared(left, word)
        elif left.expr.name in ("array_pattern", "object_pattern"):
            target = self.pattern(left, is_binding=False)
        else:
            target = self.assignable(self.postfix(left), "")
            token = self.tokens[left.start]
            if word == "of" and left.end == left.start + 1 and token.text == "async":
                self.at("reserved-name", token, name="async")
        value = self.expression(right)
        if word == "of" and isinstance(value, nodes.Sequence) and id(value) not in self.bare:
            self.report("for-of-comma", value.start, value.end)
        make: Any = nodes.ForOf if word == "of" else nodes.ForIn
        statement: Statement = make(*span, kind, target, value, self.body(body, "a loop"))
        return statement

    def too_many_declared(self, variables: Any, word: str) -> nodes.ArrayPattern:
        """`for (const k, v of …)`, which takes pairs apart in Python; as if it did here."""
        start, end = self.span(variables)
        bindings = [
            variables.children[1],
            *(each.children[1] for each in variables.children[2].children),
        ]
        targets = [self.binding_target(binding.children[0]) for binding in bindings]
        names = ", ".join(self.source.text[each.start : each.end] for each in targets)
        self.report("for-declarations", *self.span(variables.children[2]), word=word, names=names)
        elements = tuple(nodes.Element(each.start, each.end, each, None, False) for each in targets)
        return nodes.ArrayPattern(start, end, elements)

    def switch(self, match: Any) -> nodes.Switch:
        cases = []
        has_default = False
        for case in match.children[3].children:
            head = case.children[0].children[0]
            test = None
            if head.expr.name == "case_test":
                test = self.expression(head.children[1])
            elif has_default:
                self.at("duplicate-default", self.tokens[head.start])
            else:
                has_default = True
            cases.append(nodes.Case(*self.span(case), test, self.statements_of(case.children[1])))
        return nodes.Switch(*self.span(match), self.condition(match.children[1]), tuple(cases))

    def return_(self, match: Any) -> nodes.Return:
        optional = match.children[1]
        if not optional.children:
            token = self.tokens[match.start]
            return nodes.Return(token.start, token.end, None)
        value = optional.children[0].children[1]
        return nodes.Return(*self.span_to(match, value), self.expression(value))

    def jump(self, match: Any) -> tuple[int, int, str | None]:
        token = self.tokens[match.start]
        if not match.children[1].children:
            return token.start, token.end, None
        label = self.name(match.start + 1)
        return token.start, label.end, label.name

    def labelled(self, match: Any) -> nodes.Labelled:
        label = self.name(match.start)
        inner = match.children[2]
        return nodes.Labelled(*self.span(match), label.name, self.body(inner, "a label"))

    def try_(self, match: Any) -> nodes.Try:
        _, block, catch, last = match.children
        handler = finalizer = None
        if catch.children:
            _, parameter, body = catch.children[0].children
            target = None
            if parameter.children:
                target = self.binding_target(parameter.children[0].children[1])
            handler = nodes.Catch(*self.span(catch), target, self.block(body))
        if last.children:
            finalizer = self.block(last.children[0].children[1])
        if handler is None and finalizer is None:
            # `except` and `cathc`, where it should stand, have been reported, and what is wrong
            # with a `catch` too.
            follows = self.tokens[match.end]
            slips = ("python-except", "misspelt-word")
            is_told = any(e.start == follows.start and e.code in slips for e in self.found)
            if not is_told and follows.type not in ("catch", "finally"):
                self.at("missing-catch", self.tokens[match.start])
        return nodes.Try(*self.span(match), self.block(block), handler, finalizer)

    def function_declaration(self, match: Any) -> nodes.FunctionDeclaration:
        function = self.function(match, "declaration", self.name(match.children[3].start))
        return nodes.FunctionDeclaration(function.start, function.end, function)

    def with_(self, match: Any) -> Statement | None:
        self.at("no-with", self.tokens[match.start])
        return self.body(match.children[4], "a 'with'")

    def debugger(self, match: Any) -> None:
        self.at("no-debugger", self.tokens[match.start])

    def module(self, match: Any) -> None:
        token = self.tokens[match.start]
        self.at("no-import", token, word=token.text)

    def class_statement(self, match: Any) -> None:
        self.class_(match)

    # -------------------------------------------------------------------------------- expressions

    def expression(self, match: Any) -> Expression:
        first = self.assign(match.children[0])
        more = match.children[1].children
        if not more:
            return first
        values = [first]
        for item in more:
            values.append(self.assign(item.children[1]))
        return nodes.Sequence(*self.span(match), tuple(values))

    def assign(self, match: Any) -> Expression:
        rule = match.expr.name
        if rule == "assignment":
            left = self.conditional(match.children[0])
            if not match.children[1].children:
                return left
            assigned = match.children[1].children[0]
            operator = self.tokens[assigned.start].type
            target = self.assignable(left, operator)
            return nodes.Assign(
                *self.span(match), operator, target, self.assign(assigned.children[1])
            )
        if rule == "arrow":
            return self.arrow(match)
        if rule == "pattern_assignment":
            pattern = self.target(match.children[0], is_binding=False)
            return nodes.Assign(*self.span(match), "=", pattern, self.assign(match.children[2]))
        self.at("no-yield", self.tokens[match.start])
        if match.children[2].children:
            return self.assign(match.children[2].children[0].children[1])
        return self.nothing(match)

    def assignable(self, expression: Expression, operator: str) -> nodes.Identifier | nodes.Member:
        """`expression` as the left side of an assignment; reported when it cannot be."""
        if isinstance(expression, (nodes.Identifier, nodes.Member)):
            return expression
        start, end = expression.start, expression.end
        what = _TARGET_WORDS.get(type(expression), "a calculation")
        if isinstance(expression, nodes.Chain):
            self.report("optional-chain-target", start, end)
        elif operator == "=" and not isinstance(
            expression, (nodes.ArrayLiteral, nodes.ObjectLiteral)
        ):
            self.report("comparison-meant", start, end, what=what)
        else:
            self.report("bad-assignment-target", start, end, what=what)
        # A name that nothing is called like, so that no further rule speaks of it.
        return nodes.Identifier(start, end, "")

    def conditional(self, match: Any) -> Expression:
        test = self.binary(match.children[0])
        if not match.children[1].children:
            return test
        _, consequent, _, alternate = match.children[1].children[0].children
        return nodes.Conditional(
            *self.span(match), test, self.assign(consequent), self.assign(alternate)
        )

    def binary(self, match: Any) -> Expression:
        """One flat list of operands and operators, grouped by precedence."""
        first = match.children[0]
        current = self.unary(first)
        rest = match.children[1].children
        if not rest:
            return current
        tokens = self.tokens
        outer = self.links
        start, end = self.span(first)
        # What waits for its next operand, outermost first: precedence, start, operators, operands.
        open: list[tuple[int, int, list[str], list[Expression]]] = []
        for operation in rest:
            token = tokens[operation.start]
            operator = token.type
            precedence = PRECEDENCE[operator]
            while open and open[-1][0] > precedence:
                current, start = self.close(open, current, end)
            if operator == "**":
                self.check_power(current, operation.start)
                open.append((precedence, start, [operator], [current]))
            elif open and open[-1][0] == precedence:
                open[-1][2].append(operator)
                open[-1][3].append(current)
            else:
                open.append((precedence, start, [operator], [current]))
            right = operation.children[1]
            self.links = outer + len(open)
            if self.links > DEEPEST:
                raise TooDeep(operation.start)
            current = self.unary(right)
            start, end = self.span(right)
        self.links = outer
        while open:
            current, start = self.close(open, current, end)
        return current

    def close(
        self, open: list[tuple[int, int, list[str], list[Expression]]], last: Expression, end: int
    ) -> tuple[Expression, int]:
        _, start, operators, operands = open.pop()
        operands.append(last)
        if operators[0] in _LOGICAL:
            operator: Any = operators[0]
            self.check_nullish(operator, operands)
            return nodes.Logical(start, end, operator, tuple(operands)), start
        return nodes.Binary(start, end, tuple(operators), tuple(operands)), start

    def check_nullish(self, operator: str, operands: list[Expression]) -> None:
        for operand in operands:
            if not isinstance(operand, nodes.Logical) or id(operand) in self.bare:
                continue
            if (operator == "??") != (operand.operator == "??"):
                other = operand.operator if operator == "??" else operator
                self.report("mixed-nullish", operand.start, operand.end, operator=other)

    def check_power(self, left: Expression, index: int) -> None:
        if isinstance(left, (nodes.Unary, nodes.Await)) and id(left) not in self.bare:
            operator = left.operator if isinstance(left, nodes.Unary) else "await"
            self.report("unary-power", left.start, self.tokens[index].end, operator=operator)

    def unary(self, match: Any) -> Expression:
        if match.expr.name == "update":
            return self.update(match)
        inner = match.children[0]
        operand = self.update(inner)
        end = self.tokens[inner.end - 1].end
        for index in range(inner.start - 1, match.start - 1, -1):
            token = self.tokens[index]
            operator: Any = token.type
            if operator == "++" or operator == "--":
                target = self.assignable(operand, operator)
                operand = nodes.Update(token.start, end, operator, True, target)
            elif operator == "await":
                operand = nodes.Await(token.start, end, operand)
            else:
                if operator == "delete" and isinstance(operand, nodes.Identifier):
                    self.report("no-delete-name", token.start, end)
                operand = nodes.Unary(token.start, end, operator, operand)
        return operand

    def update(self, match: Any) -> Expression:
        operand = self.postfix(match.children[0])
        if not match.children[1].children:
            return operand
        operator: Any = self.tokens[match.end - 1].type
        target = self.assignable(operand, operator)
        return nodes.Update(*self.span(match), operator, False, target)

    def postfix(self, match: Any) -> Expression:
        operand, tails = match.children[0], match.children[1].children
        if not tails:
            return self.operands[operand.expr.name](operand)
        # Links nest: what stands first is the deepest.
        outer = self.links
        left = len(tails)
        self.links = outer + left
        if self.links > DEEPEST:
            raise TooDeep(match.start)
        expression = self.operands[operand.expr.name](operand)
        start = self.tokens[match.start].start
        if operand.expr.name == "new":
            self.check_new(operand, tails[0])
        is_chain = False
        for tail in tails:
            left -= 1
            self.links = outer + left
            is_optional = tail.expr.name == "optional"
            if is_optional:
                is_chain = True
                tail = tail.children[1].children[0]
            expression = self.link(tail, expression, start, is_optional)
        self.links = outer
        if is_chain and isinstance(expression, (nodes.Member, nodes.Call)):
            return nodes.Chain(expression.start, expression.end, expression)
        return expression

    def check_new(self, match: Any, tail: Any) -> None:
        """`new X?.y` is no JavaScript, `new X()?.y` is."""
        token = self.tokens[tail.start]
        has_arguments = bool(match.children[1].children[0].children[-1].children)
        if token.type == "?." and not has_arguments:
            self.at("unexpected", token, found="'?.'")

    def link(self, tail: Any, operand: Expression, start: int, is_optional: bool) -> Expression:
        """`operand` with one member, index or call behind it."""
        rule = tail.expr.name
        last = self.tokens[tail.end - 1]
        if rule == "member" or rule == "word":
            word = nodes.StringLiteral(last.start, last.end, last.text)
            return nodes.Member(start, last.end, operand, word, False, is_optional)
        if rule == "index":
            inner = self.expression(tail.children[1])
            return nodes.Member(start, last.end, operand, inner, True, is_optional)
        if rule == "arguments":
            return nodes.Call(start, last.end, operand, self.arguments(tail), is_optional)
        self.report("no-tagged-template", start, last.end)
        return operand

    def arguments(self, match: Any) -> tuple[Expression | nodes.Spread, ...]:
        return tuple([self.spread(item) for item in _items(match.children[1])])

    def spread(self, match: Any) -> Expression | nodes.Spread:
        """`"..."? assign`."""
        value = self.assign(match.children[1])
        if not match.children[0].children:
            return value
        return nodes.Spread(*self.span(match), value)

    # ----------------------------------------------------------------------------------- operands

    def single(self, match: Any) -> Expression:
        token = self.tokens[match.start]
        type, start, end = token.type, token.start, token.end
        if type == "name":
            return self.name(match.start)
        if type == "number":
            assert isinstance(token.value, float)
            return nodes.NumberLiteral(start, end, token.value)
        if type == "string" or type == "template":
            assert isinstance(token.value, str)
            if type == "template":
                return nodes.TemplateLiteral(start, end, (token.value,), ())
            return nodes.StringLiteral(start, end, token.value)
        if type == "true" or type == "false":
            return nodes.BooleanLiteral(start, end, type == "true")
        if type == "this":
            self.at("no-this", token)
        elif type == "super":
            self.at("no-super", token)
        elif type == "import":
            self.at("no-import", token, word="import")
        # A regular expression was reported where its token was read.
        return nodes.NullLiteral(start, end)

    def nothing(self, match: Any) -> nodes.NullLiteral:
        """Stands for what was refused."""
        return nodes.NullLiteral(*self.span(match))

    def parenthesised(self, match: Any) -> Expression:
        inner = self.expression(match.children[1])
        if isinstance(inner, nodes.Identifier):
            inner = nodes.Identifier(inner.start, inner.end, inner.name, True)
        self.bare[id(inner)] = inner
        return inner

    def array(self, match: Any) -> nodes.ArrayLiteral:
        elements = [
            None if item is None else self.spread(item)
            for item in _items_and_holes(match.children[1], match.children[2])
        ]
        return nodes.ArrayLiteral(*self.span(match), tuple(elements))

    def object(self, match: Any) -> nodes.ObjectLiteral:
        properties: list[nodes.Property | nodes.Spread] = []
        for item in _items(match.children[1]):
            built = self.property(item)
            if built is not None:
                properties.append(built)
        return nodes.ObjectLiteral(*self.span(match), tuple(properties))

    def property(self, match: Any) -> nodes.Property | nodes.Spread | None:
        rule = match.expr.name
        span = self.span(match)
        if rule == "spread_property":
            return nodes.Spread(*span, self.assign(match.children[1]))
        if rule == "pair":
            key, computed = self.property_name(match.children[0])
            if not computed and isinstance(key, nodes.StringLiteral) and key.value == "__proto__":
                self.report("no-prototype", key.start, key.end, name="__proto__")
            return nodes.Property(*span, "pair", key, computed, self.assign(match.children[2]))
        if rule == "method":
            return self.method(match, span)
        if rule == "accessor":
            key = self.property_name(match.children[1])[0]
            name = key.value if isinstance(key, nodes.StringLiteral) else "name"
            self.report("no-accessor", span[0], key.end, name=name)
            return None
        token = self.tokens[match.start]
        name_node = self.name(match.start)
        if rule == "shorthand_default":
            self.report("shorthand-default", *span, name=token.text)
            key = nodes.StringLiteral(token.start, token.end, token.text)
            return nodes.Property(*span, "pair", key, False, self.assign(match.children[2]))
        key = nodes.StringLiteral(token.start, token.end, token.text)
        return nodes.Property(*span, "shorthand", key, False, name_node)

    def property_name(self, match: Any) -> tuple[Expression, bool]:
        """The key, and whether it was computed."""
        inner = match.children[0]
        if inner.expr.name == "computed_name":
            return self.assign(inner.children[1]), True
        token = self.tokens[inner.start]
        if token.type == "number":
            assert isinstance(token.value, float)
            return nodes.NumberLiteral(token.start, token.end, token.value), False
        text = token.text
        if token.type == "string":
            assert isinstance(token.value, str)
            text = token.value
        return nodes.StringLiteral(token.start, token.end, text), False

    def method(self, match: Any, span: tuple[int, int]) -> nodes.Property:
        is_async, star, name, parameters, _, block = match.children
        if star.children:
            self.at("no-generator", self.tokens[star.start])
        key, computed = self.property_name(name)
        elements = self.parameters(parameters)
        function = nodes.Function(
            *span,
            "method",
            bool(is_async.children),
            None,
            elements,
            self.body_of(block.children[1]),
            False,
            _are_simple(elements),
        )
        return nodes.Property(*span, "method", key, computed, function)

    def template(self, match: Any) -> nodes.TemplateLiteral:
        _, first, middles, _ = match.children
        parts = [self.tokens[match.start], *(self.tokens[m.start] for m in middles.children)]
        parts.append(self.tokens[match.end - 1])
        values = [self.expression(first)]
        for middle in middles.children:
            values.append(self.expression(middle.children[1]))
        strings = tuple(str(part.value) for part in parts)
        return nodes.TemplateLiteral(*self.span(match), strings, tuple(values))

    def new(self, match: Any) -> Expression:
        inner = match.children[1].children[0]
        if inner.expr.name == "new_target":
            self.report("no-new-target", *self.span(match))
            return self.nothing(match)
        operand, members, _, arguments = inner.children
        values = self.arguments(arguments.children[0]) if arguments.children else ()
        token = self.tokens[operand.start]
        if operand.expr.name != "operand" or token.type != "name" or members.children:
            start = token.start
            end = self.tokens[(members if members.children else operand).end - 1].end
            name = self.source.text[start : min(end, start + 40)]
            self.report("new-not-allowed", start, end, name=name, advice="call a function instead")
            return self.nothing(match)
        return nodes.New(*self.span(match), self.name(operand.start), values)

    def class_(self, match: Any) -> Expression:
        self.at("no-class", self.tokens[match.start])
        return self.nothing(match)

    # ---------------------------------------------------------------------------------- functions

    def function_expression(self, match: Any) -> nodes.Function:
        named = match.children[3]
        return self.function(
            match, "expression", self.name(named.start) if named.children else None
        )

    def function(self, match: Any, kind: Any, name: nodes.Identifier | None) -> nodes.Function:
        is_async, _, star, _, _, parameters, _, block = match.children
        if star.children:
            self.at("no-generator", self.tokens[star.start])
        elements = self.parameters(parameters)
        body = self.body_of(block.children[1])
        return nodes.Function(
            *self.span(match),
            kind,
            bool(is_async.children),
            name,
            elements,
            body,
            False,
            _are_simple(elements),
        )

    def arrow(self, match: Any) -> nodes.Function:
        is_async, head, _, tail = match.children
        head, tail = head.children[0], tail
        elements: tuple[nodes.Element, ...]
        if head.expr.name == "arrow_name":
            name = self.name(head.start)
            elements = (nodes.Element(name.start, name.end, name, None, False),)
        else:
            elements = self.parameters(head)
        body: tuple[Statement, ...]
        is_block = tail.expr.name == "block"
        if is_block:
            body = self.body_of(tail.children[1])
        else:
            value = self.assign(tail)
            body = (nodes.Return(*self.span(tail), value),)
        return nodes.Function(
            *self.span(match),
            "arrow",
            bool(is_async.children),
            None,
            elements,
            body,
            not is_block,
            _are_simple(elements),
        )

    def parameters(self, match: Any) -> tuple[nodes.Element, ...]:
        items = _items(match.children[1])
        elements = tuple([self.element(item, is_binding=True) for item in items])
        self.check_rest(elements, has_comma=_ends_in_comma(match.children[1]))
        return elements

    # ----------------------------------------------------------------------------------- patterns

    def element(self, match: Any, *, is_binding: bool) -> nodes.Element:
        rest, target, _, default = match.children
        is_rest = bool(rest.children)
        built = self.target(target, is_binding=is_binding)
        value = self.initializer(default)
        if is_rest and value is not None:
            self.report("rest-default", *self.span(default))
        return nodes.Element(*self.span(match), built, value, is_rest)

    def check_rest(self, elements: tuple[nodes.Element | None, ...], *, has_comma: bool) -> None:
        for index, element in enumerate(elements):
            is_last = index == len(elements) - 1 and not has_comma
            if element is not None and element.is_rest and not is_last:
                self.report("rest-not-last", element.start, element.end)

    def binding_target(self, match: Any) -> Target:
        if match.expr.name == "binding_target":
            return self.name(match.start)
        return self.pattern(match, is_binding=True)

    def target(self, match: Any, *, is_binding: bool) -> Target:
        rule = match.expr.name
        if rule == "target":
            return self.name(match.start)
        if rule in ("array_pattern", "object_pattern"):
            return self.pattern(match, is_binding=is_binding)
        expression = self.postfix(match)
        if not is_binding:
            return self.assignable(expression, "")
        if isinstance(expression, nodes.Identifier):
            what = f"'({expression.name})'" if expression.parenthesised else expression.name
            if expression.parenthesised:
                self.report("bad-binding", *self.span(match), what=what)
            return expression
        what = "a property"
        if not isinstance(expression, nodes.Member):
            what = _TARGET_WORDS.get(type(expression), "this")
        self.report("bad-binding", *self.span(match), what=what)
        return nodes.Identifier(expression.start, expression.end, "")

    def pattern(self, match: Any, *, is_binding: bool) -> Target:
        if match.expr.name == "array_pattern":
            items = _items_and_holes(match.children[1], match.children[2])
            elements = tuple(
                [
                    None if item is None else self.element(item, is_binding=is_binding)
                    for item in items
                ]
            )
            self.check_rest(elements, has_comma=_ends_in_comma(match.children[2]))
            return nodes.ArrayPattern(*self.span(match), elements)
        items = _items(match.children[1])
        properties: list[nodes.PatternProperty] = []
        rest: Target | None = None
        for index, item in enumerate(items):
            span = self.span(item)
            rule = item.expr.name
            if rule == "rest_property":
                rest = self.target(item.children[1], is_binding=is_binding)
                if isinstance(rest, (nodes.ArrayPattern, nodes.ObjectPattern)):
                    self.report("rest-pattern", *span)
                if index < len(items) - 1 or _ends_in_comma(match.children[1]):
                    self.report("rest-not-last", *span)
            elif rule == "pattern_pair":
                key, computed = self.property_name(item.children[0])
                target = self.target(item.children[2], is_binding=is_binding)
                default = self.initializer(item.children[3])
                properties.append(nodes.PatternProperty(*span, key, computed, target, default))
            else:
                properties.append(self.pattern_shorthand(item, span))
        return nodes.ObjectPattern(*self.span(match), tuple(properties), rest)

    def pattern_shorthand(self, match: Any, span: tuple[int, int]) -> nodes.PatternProperty:
        token = self.tokens[match.start]
        target = self.target(match.children[0], is_binding=False)
        if match.children[0].expr.name != "target":
            self.report("unexpected", *span, found="this expression")
        default = self.initializer(match.children[1])
        key = nodes.StringLiteral(token.start, token.end, token.text)
        return nodes.PatternProperty(*span, key, False, target, default)


def _items(optional: Any) -> list[Any]:
    """The items of an optional list `item ("," item)* ","?`."""
    if not optional.children:
        return []
    first, more, _ = optional.children[0].children
    return [first, *(sequence.children[1] for sequence in more.children)]


def _items_and_holes(holes: Any, optional: Any) -> list[Any]:
    """The items of `","* (item (","+ item)* ","*)?`; None for each place left empty."""
    items: list[Any] = [None] * len(holes.children)
    if not optional.children:
        return items
    first, more, trailing = optional.children[0].children
    items.append(first)
    for sequence in more.children:
        items += [None] * (len(sequence.children[0].children) - 1)
        items.append(sequence.children[1])
    return items + [None] * (len(trailing.children) - 1)


def _ends_in_comma(optional: Any) -> bool:
    return bool(optional.children and optional.children[0].children[2].children)


def _are_simple(elements: tuple[nodes.Element, ...]) -> bool:
    for element in elements:
        if element.is_rest or element.default is not None:
            return False
        if not isinstance(element.target, nodes.Identifier):
            return False
    return True
