"""Lowering of operators. Numbers are Python's own where their type is known or met at run time."""

from __future__ import annotations

from flowlang import nodes
from flowlang.compiler.expressions import deepest, discard, number
from flowlang.compiler.lowering import UNDEFINED, Form, Lowering, Operand, lowers_expression
from flowlang.library import GLOBALS
from flowlang.scope import Type

_ARITHMETIC = {"-": ("-", "subtract"), "*": ("*", "multiply")}

_COMPARISONS = {"<": "less_than", ">": "greater_than", "<=": "less_equal", ">=": "greater_equal"}

_FUNCTIONS: dict[str, tuple[str, Type]] = {
    "/": ("divide", "number"),
    "**": ("power", "number"),
    "&": ("bitwise_and", "number"),
    "|": ("bitwise_or", "number"),
    "^": ("bitwise_xor", "number"),
    "<<": ("shift_left", "number"),
    ">>": ("shift_right", "number"),
    ">>>": ("shift_right_unsigned", "number"),
    "instanceof": ("instance_of", "boolean"),
}

_SINGLETONS = frozenset(["None", "undefined", "True", "False"])


# ---------------------------------------------------------------------------------------- binary


@lowers_expression(nodes.Binary)
def _binary(low: Lowering, node: nodes.Binary) -> Operand:
    value = low.expression(node.operands[0])
    for position, operator in enumerate(node.operators):
        right = node.operands[position + 1]
        if low.facts.is_flat(right):
            value = low.keep(value, slot=True)
        left, other = low.operands([right], before=[value])
        value = combine(low, operator, left, other)
        if value.depth > 20 and position + 1 < len(node.operators):
            value = low.keep(value)
    return value


def combine(low: Lowering, operator: str, left: Operand, right: Operand) -> Operand:
    """Apply a binary operator to what is evaluated already, in this order."""
    if operator in _ARITHMETIC:
        sign, function = _ARITHMETIC[operator]
        return _fast(low, sign, function, left, right, "number")
    if operator in _COMPARISONS:
        return _fast(low, operator, _COMPARISONS[operator], left, right, "boolean")
    depth = deepest([left, right])
    match operator:
        case "+":
            return _add(low, left, right)
        case "===" | "!==":
            return _strict(low, left, right, negated=operator == "!==")
        case "==" | "!=":
            return _loose(low, left, right, negated=operator == "!=")
        case "%":
            return _remainder(low, left, right)
        case "/" if left.type == "number" and _is_positive(right):
            return Operand(f"({left.code} / {right.code})", "number", depth=depth)
        case "in":
            return Operand(f"contains_key({left.code}, {right.code})", "boolean", depth=depth)
    function, kind = _FUNCTIONS[operator]
    return Operand(f"{function}({left.code}, {right.code})", kind, depth=depth)


def _is_positive(operand: Operand) -> bool:
    """Whether it is a number literal by which Python divides as JavaScript does."""
    return (
        operand.form is Form.CONSTANT
        and operand.type == "number"
        and operand.code[0].isdigit()
        and float(operand.code) > 0.0
    )


def _fast(
    low: Lowering, sign: str, function: str, left: Operand, right: Operand, kind: Type
) -> Operand:
    """An operator that is Python's own for numbers, and a function for everything else."""
    depth = deepest([left, right])
    if left.type == right.type == "number":
        return Operand(f"({left.code} {sign} {right.code})", kind, depth=depth)
    # Both are evaluated by the test, in order; the names then stand for their values.
    test, left_name, right_name = _number_tests(low, left, right)
    code = f"({left_name} {sign} {right_name} if {test} else {function}({left_name}, {right_name}))"
    return Operand(code, kind, depth=depth)


def _number_test(low: Lowering, operand: Operand) -> tuple[str, str]:
    """A test whether the operand is a number, and its name afterwards."""
    if operand.form is Form.CONSTANT and operand.type == "number":
        return "", operand.code
    first, again = low.named(operand)
    if operand.type != "number":
        return f"({first}.__class__ is float)", again
    if first == again:
        return "", again
    return f"({first} is not None)", again


def _number_tests(low: Lowering, left: Operand, right: Operand) -> tuple[str, str, str]:
    """A test whether both are numbers, which evaluates them in order; their names afterwards."""
    left_test, left_name = _number_test(low, left)
    right_test, right_name = _number_test(low, right)
    # Where the second test evaluates nothing, it need not run.
    both = " & " if ":=" in right_test else " and "
    return both.join(part for part in (left_test, right_test) if part), left_name, right_name


def _remainder(low: Lowering, left: Operand, right: Operand) -> Operand:
    """Python's own where it gives what JavaScript does: for positive numbers."""
    depth = deepest([left, right])
    if _is_positive(right) and left.type == "number":
        first, again = low.named(left)
        code = f"({again} % {right.code} if {first} > 0.0 else remainder({again}, {right.code}))"
        return Operand(code, "number", depth=depth)
    test, dividend, divisor = _number_tests(low, left, right)
    signs = f"{dividend} > 0.0" if _is_positive(right) else f"{dividend} > 0.0 < {divisor}"
    test = f"{test} and {signs}" if test else signs
    code = f"({dividend} % {divisor} if {test} else remainder({dividend}, {divisor}))"
    return Operand(code, "number", depth=depth)


def _add(low: Lowering, left: Operand, right: Operand) -> Operand:
    if "string" in (left.type, right.type):
        depth = deepest([left, right]) + 1
        code = f"concatenate({text_to_add(left)}, {text_to_add(right)})"
        if "any" in (left.type, right.type):
            code = f"add({left.code}, {right.code})"
        return Operand(code, "string", depth=depth)
    if left.type == right.type == "number":
        return _fast(low, "+", "add", left, right, "number")
    return _fast(low, "+", "add", left, right, "any")


def text_to_add(value: Operand) -> str:
    """Python text for what a value adds to a text, where `+` meets one."""
    match value.type:
        case "string":
            return value.code
        case "number":
            return f"number_to_string({value.code})"
    return f"text_to_add({value.code})"


def _strict(low: Lowering, left: Operand, right: Operand, *, negated: bool) -> Operand:
    depth = deepest([left, right])
    is_not, equals = ("is not", "!=") if negated else ("is", "==")
    for operand, other in ((left, right), (right, left)):
        if operand.form is Form.CONSTANT and operand.code in _SINGLETONS:
            code = f"({low.named(other)[0]} {is_not} {operand.code})"
            return Operand(code, "boolean", depth=depth)
    for operand in (left, right):
        if operand.form is Form.CONSTANT and operand.type == "string" and len(operand.code) < 64:
            return Operand(f"({left.code} {equals} {right.code})", "boolean", depth=depth)
    if left.type == right.type == "number":
        return Operand(f"({left.code} {equals} {right.code})", "boolean", depth=depth)
    if "number" in (left.type, right.type):
        test, left_name, right_name = _number_tests(low, left, right)
        code = f"({test} and {left_name} == {right_name})"
    else:
        code = f"strict_equals({left.code}, {right.code})"
    return Operand(f"(not {code})" if negated else code, "boolean", depth=depth)


def _loose(low: Lowering, left: Operand, right: Operand, *, negated: bool) -> Operand:
    depth = deepest([left, right])
    for operand, other in ((left, right), (right, left)):
        if operand.form is Form.CONSTANT and operand.code in ("None", "undefined"):
            code = is_nullish(low, other)
            return Operand(f"(not {code})" if negated else code, "boolean", depth=depth)
    if left.type == right.type and left.type in ("number", "boolean"):
        return _strict(low, left, right, negated=negated)
    code = f"loose_equals({left.code}, {right.code})"
    return Operand(f"(not {code})" if negated else code, "boolean", depth=depth)


def is_nullish(low: Lowering, operand: Operand) -> str:
    """Python text that tests for null and undefined."""
    first, again = low.named(operand)
    return f"({first} is None or {again} is undefined)"


# ---------------------------------------------------------------------------------------- unary


@lowers_expression(nodes.Unary)
def _unary(low: Lowering, node: nodes.Unary) -> Operand:
    match node.operator:
        case "typeof":
            return _typeof(low, node.operand)
        case "delete":
            return _delete(low, node.operand)
        case "!":
            return Operand(f"(not {truth(low, node.operand)})", "boolean", depth=1)
    value = low.expression(node.operand)
    depth = value.depth + 1
    match node.operator:
        case "void":
            discard(low, value)
            return UNDEFINED
        case "-":
            if value.form is Form.CONSTANT and value.type == "number":
                return number(-_constant_number(value))
            code = f"(-{value.code})" if value.type == "number" else f"negate({value.code})"
            return Operand(code, "number", depth=depth)
        case "+":
            return to_numeric(value)
        case "~":
            return Operand(f"bitwise_not({value.code})", "number", depth=depth)
    raise AssertionError(f"no such operator: {node.operator}")


def _constant_number(value: Operand) -> float:
    text = value.code.strip("()")
    named = {"NAN": float("nan"), "INFINITY": float("inf"), "-INFINITY": float("-inf")}
    return named[text] if text in named else float(text)


def to_numeric(value: Operand) -> Operand:
    """The operand as a number."""
    if value.type == "number":
        return value
    return Operand(f"to_number({value.code})", "number", depth=value.depth + 1)


def _typeof(low: Lowering, node: nodes.Expression) -> Operand:
    if isinstance(node, nodes.Identifier) and low.analysis.references[node] is None:
        name = node.name
        if name not in GLOBALS and name not in ("undefined", "NaN", "Infinity"):
            return Operand(f"typeof_global(M, {name!a})", "string")
    value = low.expression(node)
    return Operand(f"typeof({value.code})", "string", depth=value.depth + 1)


def _delete(low: Lowering, node: nodes.Expression) -> Operand:
    if isinstance(node, nodes.Member):
        owner, key = low.operands([node.object, node.property])
        return Operand(f"delete_member({owner.code}, {key.code})", "boolean")
    if isinstance(node, nodes.Chain):
        from flowlang.compiler.calls import delete_in_chain

        return delete_in_chain(low, node)
    discard(low, low.expression(node))
    return Operand("True", "boolean", Form.CONSTANT)


# ---------------------------------------------------------------------------------------- choice


def truth(low: Lowering, node: nodes.Expression) -> str:
    """Python text, to be evaluated once, that is true where JavaScript takes `node` as true."""
    if isinstance(node, nodes.Unary) and node.operator == "!":
        return f"(not {truth(low, node.operand)})"
    if isinstance(node, nodes.Logical) and node.operator != "??" and not low.facts.is_flat(node):
        word, undecided_when = ("and", "") if node.operator == "&&" else ("or", "not ")
        tests = [truth(low, node.operands[0])]
        for operand in node.operands[1:]:
            with low.captured() as lines:
                test = truth(low, operand)
            if lines:
                # Its statements run only if the operands before it did not decide.
                name = low.name("t")
                low.emit(f"{name} = {f' {word} '.join(tests)}")
                with low.indented(f"if {undecided_when}{name}:"):
                    low.lines.extend(lines)
                    low.emit(f"{name} = {test}")
                tests = [name]
            else:
                tests.append(test)
        return tests[0] if len(tests) == 1 else f"({f' {word} '.join(tests)})"
    return truth_of(low.expression(node), low)


def truth_of(value: Operand, low: Lowering) -> str:
    """Python text that tests an operand as JavaScript does."""
    if value.type == "boolean":
        return value.code
    if value.type == "string":
        return f"({value.code} != '')"
    first, again = low.named(value)
    if value.type == "number":
        return f"({first} == {again} and {again} != 0.0)"
    return f"({again} if {first}.__class__ is bool else to_boolean({again}))"


@lowers_expression(nodes.Conditional)
def _conditional(low: Lowering, node: nodes.Conditional) -> Operand:
    if low.facts.is_flat(node.consequent, node.alternate):
        return _flat_conditional(low, node)
    test = truth(low, node.test)
    with low.captured() as then_lines:
        consequent = low.expression(node.consequent)
    with low.captured() as else_lines:
        alternate = low.expression(node.alternate)
    kind: Type = consequent.type if consequent.type == alternate.type else "any"
    if not then_lines and not else_lines:
        code = f"({consequent.code} if {test} else {alternate.code})"
        return Operand(code, kind, depth=deepest([consequent, alternate]))
    name = low.name("t")
    with low.indented(f"if {test}:"):
        low.lines.extend(then_lines)
        low.emit(f"{name} = {consequent.code}")
    with low.indented("else:"):
        low.lines.extend(else_lines)
        low.emit(f"{name} = {alternate.code}")
    return Operand(name, kind, Form.TEMPORARY)


def _flat_conditional(low: Lowering, node: nodes.Conditional) -> Operand:
    result = low.slot()
    otherwise, end = low.new_part(), low.new_part()
    low.emit(f"if not {truth(low, node.test)}: return {otherwise.index}")
    low.emit(f"{result} = {low.expression(node.consequent).code}")
    low.go(end)
    low.begin(otherwise)
    low.emit(f"{result} = {low.expression(node.alternate).code}")
    low.go(end)
    low.begin(end)
    return Operand(result, form=Form.SLOT)


@lowers_expression(nodes.Logical)
def _logical(low: Lowering, node: nodes.Logical) -> Operand:
    if low.facts.is_flat(*node.operands[1:]):
        return _flat_logical(low, node)
    value = low.expression(node.operands[0])
    for operand in node.operands[1:]:
        with low.captured() as lines:
            other = low.expression(operand)
        if lines:
            # What has decided stays decided, so the tests can stand one after the other.
            name = low.name("t")
            low.emit(f"{name} = {value.code}")
            with low.indented(f"if {undecided(node.operator, name)}:"):
                low.lines.extend(lines)
                low.emit(f"{name} = {other.code}")
            value = Operand(name, form=Form.TEMPORARY)
        else:
            value = _choose(low, node.operator, value, other)
            if value.depth > 20:
                value = low.keep(value)
    return value


def _choose(low: Lowering, operator: str, left: Operand, right: Operand) -> Operand:
    """`left operator right`, where both are plain expressions."""
    depth = deepest([left, right])
    kind: Type = left.type if left.type == right.type else "any"
    if kind == "boolean" and operator != "??":
        word = "and" if operator == "&&" else "or"
        return Operand(f"({left.code} {word} {right.code})", kind, depth=depth)
    first, again = low.named(left)
    once = Operand(first, left.type, Form.EXPRESSION)
    if operator == "??":
        test = f"({first} is None or {again} is undefined)"
        return Operand(f"({right.code} if {test} else {again})", kind, depth=depth)
    if left.type == "any":
        test = f"({again} if {first}.__class__ is bool else to_boolean({again}))"
    elif left.type == "number":
        test = f"({first} == {again} and {again} != 0.0)"
    else:
        test = truth_of(once, low)
    if operator == "&&":
        return Operand(f"({right.code} if {test} else {again})", kind, depth=depth)
    return Operand(f"({again} if {test} else {right.code})", kind, depth=depth)


def undecided(operator: str, name: str) -> str:
    """Python text that tests whether `name operator …` goes on to its right side."""
    if operator == "&&":
        return f"to_boolean({name})"
    if operator == "||":
        return f"not to_boolean({name})"
    return f"{name} is None or {name} is undefined"


def _flat_logical(low: Lowering, node: nodes.Logical) -> Operand:
    result = low.slot()
    end = low.new_part()
    low.emit(f"{result} = {low.expression(node.operands[0]).code}")
    for operand in node.operands[1:]:
        low.emit(f"if not ({undecided(node.operator, result)}): return {end.index}")
        low.emit(f"{result} = {low.expression(operand).code}")
    low.go(end)
    low.begin(end)
    return Operand(result, form=Form.SLOT)
