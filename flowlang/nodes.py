"""The syntax tree of a .flow file: frozen data, nothing that runs.

The parser builds it, the checker reads it, the compiler lowers it. Every node says where it stands:
`start` and `end` are offsets in UTF-16 units into the whole source text, front matter included, end
exclusive, so `source[start:end]` is the text of the node (parentheses around an expression belong
to no node). A tree is data: `encode_tree` and `decode_tree` turn it into bytes and back.

Four shapes differ from what the grammar suggests, to keep long programs shallow:

* operators of one precedence are one `Binary` (or `Logical`) with many operands, left to right;
* `if … else if … else` is one `If` with many branches;
* parentheses leave no node; where JavaScript can tell, a field or a node says so
  (`Identifier.parenthesised`, `Chain`, `Sequence`);
* one set of patterns serves declarations, parameters and assignments.

Nodes compare and hash by identity, so they may be keys of a dict. All names and texts hold one
Python character per UTF-16 unit: a character beyond U+FFFF is a surrogate pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import msgspec


class Node(msgspec.Struct, frozen=True, eq=False, array_like=True, gc=False):
    """What every node has: its place in the source text."""

    start: int
    end: int


def parts_of(node: Node) -> Iterator[Node]:
    """The nodes directly within a node, in source order."""
    for field in node.__struct_fields__:
        value = getattr(node, field)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Node):
                    yield item


# ---------------------------------------------------------------------------------------- program


class Program(Node, frozen=True, eq=False, array_like=True, tag="Program", gc=False):
    """A whole file: the body of one async function without parameters.

    Attributes:
        body: the statements. When the file's only statement was `async function main() {…}` these
            are the statements of its body.
        is_main: whether the body came out of such a `main`.
    """

    body: tuple[Statement, ...]
    is_main: bool = False


# ------------------------------------------------------------------------------------- statements


class Block(Node, frozen=True, eq=False, array_like=True, tag="Block", gc=False):
    """`{ … }`: a scope of its own. The span includes the braces."""

    body: tuple[Statement, ...]


class Empty(Node, frozen=True, eq=False, array_like=True, tag="Empty", gc=False):
    """A lone `;`."""


class ExpressionStatement(
    Node, frozen=True, eq=False, array_like=True, tag="ExpressionStatement", gc=False
):
    """An expression whose value nobody takes. The span leaves the semicolon out."""

    expression: Expression


class VariableDeclaration(
    Node, frozen=True, eq=False, array_like=True, tag="VariableDeclaration", gc=False
):
    """`let`, `const` or `var` with one declarator or more, in source order."""

    kind: Literal["let", "const", "var"]
    declarations: tuple[Declarator, ...]


class Declarator(Node, frozen=True, eq=False, array_like=True, tag="Declarator", gc=False):
    """One `target = value` of a declaration.

    Attributes:
        value: None when left out, which only happens with an identifier as target. (`let a;` sets
            `a` to undefined, `var a;` leaves it alone.)
    """

    target: Target
    value: Expression | None


class FunctionDeclaration(
    Node, frozen=True, eq=False, array_like=True, tag="FunctionDeclaration", gc=False
):
    """A function declared as a statement; `function.name` is always there."""

    function: Function


class If(Node, frozen=True, eq=False, array_like=True, tag="If", gc=False):
    """`if (…) … else if (…) … else …`, flat.

    Attributes:
        branches: at least one; the first whose test holds is run.
        alternate: the last `else`, or None. It is never an `If`.
    """

    branches: tuple[Branch, ...]
    alternate: Statement | None


class Branch(Node, frozen=True, eq=False, array_like=True, tag="Branch", gc=False):
    """One `if (test) body`; the span runs from the word `if` to the end of the body."""

    test: Expression
    body: Statement


class For(Node, frozen=True, eq=False, array_like=True, tag="For", gc=False):
    """`for (initial; test; update) body`; each of the three may be left out."""

    initial: VariableDeclaration | Expression | None
    test: Expression | None
    update: Expression | None
    body: Statement


class ForOf(Node, frozen=True, eq=False, array_like=True, tag="ForOf", gc=False):
    """`for (target of iterable) body`.

    Attributes:
        kind: the declaring word, or None when the target is assigned to.
    """

    kind: Literal["let", "const", "var"] | None
    target: Target
    iterable: Expression
    body: Statement


class ForIn(Node, frozen=True, eq=False, array_like=True, tag="ForIn", gc=False):
    """`for (target in object) body`; `kind` as in `ForOf`."""

    kind: Literal["let", "const", "var"] | None
    target: Target
    object: Expression
    body: Statement


class While(Node, frozen=True, eq=False, array_like=True, tag="While", gc=False):
    """`while (test) body`."""

    test: Expression
    body: Statement


class DoWhile(Node, frozen=True, eq=False, array_like=True, tag="DoWhile", gc=False):
    """`do body while (test)`."""

    body: Statement
    test: Expression


class Switch(Node, frozen=True, eq=False, array_like=True, tag="Switch", gc=False):
    """`switch (discriminant) { … }`: all cases share one scope."""

    discriminant: Expression
    cases: tuple[Case, ...]


class Case(Node, frozen=True, eq=False, array_like=True, tag="Case", gc=False):
    """`case test:` or, with `test` None, `default:` (at most one, at any place)."""

    test: Expression | None
    body: tuple[Statement, ...]


class Labelled(Node, frozen=True, eq=False, array_like=True, tag="Labelled", gc=False):
    """`label: body`; several labels of one statement are nested."""

    label: str
    body: Statement


class Break(Node, frozen=True, eq=False, array_like=True, tag="Break", gc=False):
    """`break` or `break label`."""

    label: str | None


class Continue(Node, frozen=True, eq=False, array_like=True, tag="Continue", gc=False):
    """`continue` or `continue label`."""

    label: str | None


class Return(Node, frozen=True, eq=False, array_like=True, tag="Return", gc=False):
    """`return` or `return value`; also the body of an arrow function that is an expression, where
    the span is that of the expression."""

    value: Expression | None


class Throw(Node, frozen=True, eq=False, array_like=True, tag="Throw", gc=False):
    """`throw value`."""

    value: Expression


class Try(Node, frozen=True, eq=False, array_like=True, tag="Try", gc=False):
    """`try` with `catch`, `finally` or both."""

    block: Block
    handler: Catch | None
    finalizer: Block | None


class Catch(Node, frozen=True, eq=False, array_like=True, tag="Catch", gc=False):
    """`catch (parameter) body`.

    Attributes:
        parameter: an identifier or a pattern, in a scope around the body's; None for `catch { … }`.
    """

    parameter: Target | None
    body: Block


# ------------------------------------------------------------------------------------ expressions


class Identifier(Node, frozen=True, eq=False, array_like=True, tag="Identifier", gc=False):
    """A name, read, assigned or declared. Escapes such as `\\u0061` are resolved.

    Attributes:
        parenthesised: whether it stood in parentheses. It matters for naming functions only:
            `(f) = () => 1` gives the function no name, `f = () => 1` and `f = (() => 1)` do.
    """

    name: str
    parenthesised: bool = False


class NumberLiteral(Node, frozen=True, eq=False, array_like=True, tag="NumberLiteral", gc=False):
    """A number in any notation. `1e999` is infinity."""

    value: float


class StringLiteral(Node, frozen=True, eq=False, array_like=True, tag="StringLiteral", gc=False):
    """A string, escapes resolved. Also every property name that is written as a word."""

    value: str


class BooleanLiteral(Node, frozen=True, eq=False, array_like=True, tag="BooleanLiteral", gc=False):
    """`true` or `false`."""

    value: bool


class NullLiteral(Node, frozen=True, eq=False, array_like=True, tag="NullLiteral", gc=False):
    """`null`. (`undefined` is an identifier.)"""


class TemplateLiteral(
    Node, frozen=True, eq=False, array_like=True, tag="TemplateLiteral", gc=False
):
    """A template: `strings[0] + String(expressions[0]) + strings[1] + …`.

    Attributes:
        strings: escapes resolved, line ends made "\\n"; one more than there are expressions.
    """

    strings: tuple[str, ...]
    expressions: tuple[Expression, ...]


class ArrayLiteral(Node, frozen=True, eq=False, array_like=True, tag="ArrayLiteral", gc=False):
    """`[ … ]`.

    Attributes:
        elements: None is a hole. `[1, , 2]` has three elements, `[1, ]` one.
    """

    elements: tuple[Expression | Spread | None, ...]


class ObjectLiteral(Node, frozen=True, eq=False, array_like=True, tag="ObjectLiteral", gc=False):
    """`{ … }` in source order; a later property of the same name wins."""

    properties: tuple[Property | Spread, ...]


class Property(Node, frozen=True, eq=False, array_like=True, tag="Property", gc=False):
    """One property of an object literal.

    Attributes:
        key: a StringLiteral or NumberLiteral (to be made a string as JavaScript does), or, when
            `computed`, any expression, evaluated before the value.
        value: for `method` a Function of kind "method", for `shorthand` an Identifier. A function
            without a name of its own takes the key as its name.
    """

    kind: Literal["pair", "shorthand", "method"]
    key: Expression
    computed: bool
    value: Expression


class Function(Node, frozen=True, eq=False, array_like=True, tag="Function", gc=False):
    """A function of any kind. `source[start:end]` is what its `toString()` gives.

    Attributes:
        kind: only an "expression" binds its own name inside itself. A "method" has no name here
            (its Property's key names it) and its span includes the key.
        name: None for arrows, methods and anonymous function expressions.
        parameters: in order; only the last may be a rest parameter.
        body: for an arrow whose body is an expression, a single Return.
        has_expression_body: whether that is so.
        simple_parameters: whether all parameters are plain identifiers without defaults or rest;
            when not, parameters and body have separate scopes.
    """

    kind: Literal["declaration", "expression", "arrow", "method"]
    is_async: bool
    name: Identifier | None
    parameters: tuple[Element, ...]
    body: tuple[Statement, ...]
    has_expression_body: bool
    simple_parameters: bool


class Unary(Node, frozen=True, eq=False, array_like=True, tag="Unary", gc=False):
    """A prefix operator. `typeof` of an undeclared name is no error; `delete` never gets a name."""

    operator: Literal["-", "+", "!", "~", "typeof", "void", "delete"]
    operand: Expression


class Update(Node, frozen=True, eq=False, array_like=True, tag="Update", gc=False):
    """`++x`, `x++`, `--x`, `x--`."""

    operator: Literal["++", "--"]
    is_prefix: bool
    target: Identifier | Member


class Await(Node, frozen=True, eq=False, array_like=True, tag="Await", gc=False):
    """`await operand`, always within an async function (or at the top)."""

    operand: Expression


class Binary(Node, frozen=True, eq=False, array_like=True, tag="Binary", gc=False):
    """Operators of one precedence, applied from the left: `a - b + c` is `(a - b) + c`.

    Of these groups: `|`, `^`, `&`, `== != === !==`, `< > <= >= in instanceof`, `<< >> >>>`,
    `+ -`, `* / %`, `**`. Only `**` groups to the right; it always has two operands, the second
    may be another.

    Attributes:
        operators: `operators[i]` stands between `operands[i]` and `operands[i + 1]`.
    """

    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


class Logical(Node, frozen=True, eq=False, array_like=True, tag="Logical", gc=False):
    """`a && b && c`: at least two operands; the first that decides is the value."""

    operator: Literal["&&", "||", "??"]
    operands: tuple[Expression, ...]


class Conditional(Node, frozen=True, eq=False, array_like=True, tag="Conditional", gc=False):
    """`test ? consequent : alternate`."""

    test: Expression
    consequent: Expression
    alternate: Expression


class Assign(Node, frozen=True, eq=False, array_like=True, tag="Assign", gc=False):
    """`target operator value`.

    Attributes:
        operator: "=", "+=", … or the short-circuiting "&&=", "||=", "??=". Only with "=" can the
            target be a pattern.
    """

    operator: str
    target: Target
    value: Expression


class Sequence(Node, frozen=True, eq=False, array_like=True, tag="Sequence", gc=False):
    """`a, b, c`: at least two, the value is the last one's."""

    expressions: tuple[Expression, ...]


class Member(Node, frozen=True, eq=False, array_like=True, tag="Member", gc=False):
    """`object.name`, `object[property]` and, with `is_optional`, `object?.name`, `object?.[…]`.

    Attributes:
        property: a StringLiteral when not `computed`.
        is_optional: when `object` is null or undefined, the enclosing Chain is undefined.
    """

    object: Expression
    property: Expression
    computed: bool
    is_optional: bool


class Call(Node, frozen=True, eq=False, array_like=True, tag="Call", gc=False):
    """`callee(…)` or `callee?.(…)`.

    Attributes:
        callee: a Member makes it a method call, also when that is all that a Chain holds:
            `(a?.b)()` calls with `a`, but does not skip the call.
        is_optional: when `callee` is null or undefined, the enclosing Chain is undefined and the
            arguments are not evaluated.
    """

    callee: Expression
    arguments: tuple[Expression | Spread, ...]
    is_optional: bool


class Chain(Node, frozen=True, eq=False, array_like=True, tag="Chain", gc=False):
    """How far an optional chain reaches: a `?.` inside that gives up makes this undefined.

    It holds a Member or a Call; the optional ones are found by going down `object` and `callee`,
    not into another Chain.
    """

    expression: Member | Call


class New(Node, frozen=True, eq=False, array_like=True, tag="New", gc=False):
    """`new callee(…)`: one of the names that Flow allows, not shadowed."""

    callee: Identifier
    arguments: tuple[Expression | Spread, ...]


class Spread(Node, frozen=True, eq=False, array_like=True, tag="Spread", gc=False):
    """`...argument` among arguments, elements or properties."""

    argument: Expression


# --------------------------------------------------------------------------------------- patterns


class Element(Node, frozen=True, eq=False, array_like=True, tag="Element", gc=False):
    """A parameter, or one place of an array pattern.

    Attributes:
        default: taken when the value is undefined; None when there is none.
        is_rest: `...target`: takes all that is left, has no default, is the last.
    """

    target: Target
    default: Expression | None
    is_rest: bool


class ArrayPattern(Node, frozen=True, eq=False, array_like=True, tag="ArrayPattern", gc=False):
    """`[a, , b = 1, ...c]` as a target.

    Attributes:
        elements: None skips one value.
    """

    elements: tuple[Element | None, ...]


class ObjectPattern(Node, frozen=True, eq=False, array_like=True, tag="ObjectPattern", gc=False):
    """`{a, b: c = 1, [d]: e, ...rest}` as a target.

    Attributes:
        rest: takes the properties that no other took, or None. An Identifier or a Member.
    """

    properties: tuple[PatternProperty, ...]
    rest: Target | None


class PatternProperty(
    Node, frozen=True, eq=False, array_like=True, tag="PatternProperty", gc=False
):
    """One property of an object pattern; `key` and `computed` as in `Property`."""

    key: Expression
    computed: bool
    target: Target
    default: Expression | None


Statement = (
    Block
    | Empty
    | ExpressionStatement
    | VariableDeclaration
    | FunctionDeclaration
    | If
    | For
    | ForOf
    | ForIn
    | While
    | DoWhile
    | Switch
    | Labelled
    | Break
    | Continue
    | Return
    | Throw
    | Try
)

Expression = (
    Identifier
    | NumberLiteral
    | StringLiteral
    | BooleanLiteral
    | NullLiteral
    | TemplateLiteral
    | ArrayLiteral
    | ObjectLiteral
    | Function
    | Unary
    | Update
    | Await
    | Binary
    | Logical
    | Conditional
    | Assign
    | Sequence
    | Member
    | Call
    | Chain
    | New
)

Target = Identifier | Member | ArrayPattern | ObjectPattern
"""What can be declared (all but Member) or assigned to."""


def encode_tree(program: Program) -> bytes:
    """The tree as bytes: ASCII JSON, because source text may escape lone surrogates, which no
    UTF-8 writer takes."""
    return json.dumps(msgspec.to_builtins(program), separators=(",", ":")).encode("ascii")


def decode_tree(data: bytes) -> Program:
    """The tree that `encode_tree` wrote.

    Raises:
        msgspec.ValidationError: the bytes hold JSON, but no tree.
        ValueError: the bytes hold no JSON.
    """
    return msgspec.convert(json.loads(data), Program)
