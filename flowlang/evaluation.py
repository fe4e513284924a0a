"""An expression evaluated where a machine stands, reading only.

The expression sees what can be seen there. It works on a copy of all it can reach, so it may sort,
push and call the program's functions as it likes; but one that changes what was there before is
refused, as is one that asks something of the world. The machine stays as it is, also in the middle
of a turn. What `glance` can tell, such as `order.total > 100`, does without the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn

from flowlang import nodes, snapshot
from flowlang.errors import EvaluationError, EvaluationRefused, FlowSyntaxError
from flowlang.glance import Unsure, glance
from flowlang.limits import Budget, LimitError, RoomToRecurse, restore_budget, use_budget
from flowlang.machine import Machine, described, running
from flowlang.parser import parse
from flowlang.program import FunctionCode, compile_afresh
from flowlang.scope import analyse, names_in
from flowlang.source import from_units
from flowlang.values import TDZ, JSPromise, Throw, Value
from flowlang.whereabouts import Position, kept_text

MOST_KEPT: Final = 256
"""So many expressions a process keeps compiled."""


def evaluate(machine: Machine, expression: str, at: Position) -> Value:
    """What an expression gives at a position of a machine, as a value of the program.

    It may be a copy of what the machine holds, or that itself, and must not be changed.

    Raises:
        EvaluationError: it throws, or takes more than the limits allow; see there.
    """
    facts = facts_of(expression)
    visible = at.variables
    for name in facts.names:
        if name not in visible and any(name in scope.gone for scope in at.scopes):
            raise EvaluationError(
                f"'{from_units(name)}' cannot be seen from here: "
                "no function uses it but the one that declares it"
            )
    budget = use_budget(Budget(machine.limits))
    try:
        names = {"Inputs": machine.inputs, "Context": machine.context, **visible}
        return kept_text(_reasoned(lambda: glance(facts.tree, names), machine))
    except Unsure:
        return _on_a_copy(machine, expression, facts, visible)
    finally:
        restore_budget(budget)


def _reasoned(work: Callable[[], Value], machine: Machine) -> Value:
    """Do something, and say of what it throws why there is no value."""
    try:
        with RoomToRecurse():
            return work()
    except Throw as thrown:
        raise EvaluationError(described(thrown.value)) from None
    except LimitError as error:
        raise EvaluationError(error.message) from None
    except RecursionError:
        raise EvaluationError(f"more than {machine.limits.depth} calls within calls") from None


def _on_a_copy(
    machine: Machine, expression: str, facts: Facts, visible: Mapping[str, Value]
) -> Value:
    names = tuple(name for name in facts.names if visible.get(name, TDZ) is not TDZ)
    unset = tuple(name for name in facts.names if visible.get(name) is TDZ)
    code = _compiled(expression, names, unset)
    onlooker = _Onlooker(machine)
    values = [visible[name] for name in names]
    before = snapshot.encode_values([machine.inputs, machine.variables, *values])
    copies = snapshot.decode_values(onlooker, before)
    onlooker.inputs, onlooker.variables, *arguments = copies
    result = _reasoned(lambda: onlooker.answer(code, arguments), machine)
    if snapshot.encode_values(copies) != before:
        for name, value, copy in zip(names, values, arguments, strict=True):
            if snapshot.encode_values([value]) != snapshot.encode_values([copy]):
                _refuse(f"would change '{from_units(name)}'")
        _refuse("would change what the program holds")
    return result


def _refuse(why: str) -> NoReturn:
    raise EvaluationRefused(f"the expression {why}, and can only read")


class _Asks(BaseException):
    """The expression asks something of the world. No catch of the program sees it."""


class _Onlooker(Machine):
    """Runs an expression with what another machine holds, and asks nothing of the world."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            machine.program.ordinary,
            seed=machine.random_state,
            now_ms=machine.now_ms,
            limits=machine.limits,
        )
        self.context = machine.context
        self.execution_id = machine.execution_id
        self.state = dict(machine.state)

    def answer(self, code: FunctionCode, arguments: Sequence[Value]) -> Value:
        """What the expression gives. What it starts does not go on."""
        budget = use_budget(self.budget)
        try:
            with running(self):
                return code.ready()(self)(*arguments)
        except _Asks as asks:
            _refuse(str(asks))
        finally:
            restore_budget(budget)

    def run_task(self, *_: Any) -> JSPromise:
        raise _Asks("would run a task")

    def run_workflow(self, *_: Any) -> JSPromise:
        raise _Asks("would run a workflow")

    def start_workflow(self, *_: Any) -> str:
        raise _Asks("would start a workflow")

    def restart(self, *_: Any) -> NoReturn:
        raise _Asks("would restart the workflow")

    def send_signal(self, *_: Any) -> JSPromise:
        raise _Asks("would send a signal")

    def start_timer(self, *_: Any) -> JSPromise:
        raise _Asks("would start a timer")

    def wait_signal(self, *_: Any) -> JSPromise:
        raise _Asks("would wait for a signal")

    def set_state(self, *_: Any) -> None:
        raise _Asks("would set a state")

    def set_attribute(self, *_: Any) -> None:
        raise _Asks("would set an attribute")

    def log(self, *_: Any) -> None:
        """What it logs on the way is no matter."""


# ---------------------------------------------------------------------------------------- compiling


class Facts(NamedTuple):
    """What can be seen of an expression.

    Attributes:
        tree: the expression.
        names: the names that it uses and does not declare, in the order of their use.
    """

    tree: nodes.Expression
    names: tuple[str, ...]


@lru_cache(MOST_KEPT)
def facts_of(expression: str) -> Facts:
    """Look at an expression.

    Raises:
        EvaluationRefused: it is none, or assigns to a name that it does not declare, or waits.
    """
    parsed = parse(f"({expression}\n)", "expression")
    if parsed.tree is None:
        raise EvaluationRefused(f"this is no expression: {_first_mistake(parsed.diagnostics)}")
    match parsed.tree.body:
        case (nodes.ExpressionStatement(expression=tree),):
            pass
        case _:
            raise EvaluationRefused("this is not one expression")
    references = analyse(parsed.tree).references
    names: dict[str, None] = {}
    for node, waits in within(parsed.tree):
        match node:
            case nodes.Identifier() if references.get(node, node) is None:
                names[node.name] = None
            case nodes.Await() if waits:
                _refuse("would wait")
            case nodes.Assign() | nodes.Update():
                _check_target(node.target, references)
            case nodes.ForOf(kind=None) | nodes.ForIn(kind=None):
                _check_target(node.target, references)
    return Facts(tree, tuple(names))


def _check_target(target: nodes.Target, references: dict[nodes.Identifier, Any]) -> None:
    for identifier in names_in(target):
        if references[identifier] is None:
            _refuse(f"would change '{from_units(identifier.name)}'")


def within(tree: nodes.Node) -> Iterator[tuple[nodes.Node, bool]]:
    """Everything in an expression, each with whether an `await` there is the expression's own."""
    stack: list[tuple[nodes.Node, bool]] = [(tree, True)]
    while stack:
        node, waits = stack.pop()
        yield node, waits
        waits &= not isinstance(node, nodes.Function)
        for name in reversed(node.__struct_fields__):
            value = getattr(node, name)
            for part in reversed(value) if isinstance(value, tuple) else (value,):
                if isinstance(part, nodes.Node):
                    stack.append((part, waits))


@lru_cache(MOST_KEPT)
def _compiled(expression: str, names: tuple[str, ...], unset: tuple[str, ...]) -> FunctionCode:
    """A function that gives the expression's value.

    Args:
        names: its parameters, visible variables that the expression uses.
        unset: those that can be seen and have no value yet; reading one throws.
    """
    later = f"let {', '.join(map(from_units, unset))}" if unset else ""
    parameters = ", ".join(map(from_units, names))
    source = f"return ({parameters}) => {{ return ({expression}\n)\n{later} }}"
    try:
        return compile_afresh(source, "expression").functions[1]
    except FlowSyntaxError as error:
        message = _first_mistake(error.diagnostics)
        raise EvaluationRefused(f"this is no expression: {message}") from None


def _first_mistake(diagnostics: Sequence[Any]) -> str:
    message: str = next(one.message for one in diagnostics if one.severity == "error")
    return message
