"""What a task function takes and gives: inputs to arguments by annotation, a result to JSON.

The plan is made once for a function, mistakes in its declaration are told then. `bind` and
`encode_result` are what runs for every attempt.
"""

import contextlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from rhythm.errors import (
    ConfigurationError,
    InvalidRequest,
    InvalidTaskInputs,
    MissingResource,
    did_you_mean,
)
from rhythm.models import check_name, check_queue
from rhythm.payloads import step_into, to_payload
from rhythm.tasks.context import TaskContext
from rhythm.tasks.resources import PROVIDED, name_of_type
from streams.limits import UNLIMITED, Limits

TaskFunction = Callable[..., Any]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a task function."""

    name: str
    filled_by: Literal["input", "context", "resource"]
    type: Any
    """What an input is converted to, or the type that a resource is found by."""
    required: bool


class TaskDefinition:
    """A task: a function, its name, and how inputs become its arguments."""

    __slots__ = (
        "_declared",
        "_local_names",
        "_plan",
        "function",
        "is_async",
        "limits",
        "name",
        "options",
        "queue",
    )

    def __init__(
        self,
        name: str,
        queue: str | None,
        function: TaskFunction,
        local_names: Mapping[str, object] | None = None,
        options: Mapping[str, Any] | None = None,
        limits: Limits = UNLIMITED,
    ) -> None:
        """A task that is called `name` and, unless a call says otherwise, runs in `queue`.

        Args:
            local_names: what annotations may name beside the function's globals.
            options: how it is tried again and what time it may take, unless a call says otherwise,
                in a script's words.
            limits: how many may run at once, and begin within a time.

        Raises:
            ConfigurationError: no task can be made of the function, or not under that name.
        """
        _check_function(function)
        where = _where(function)
        try:
            self.name = check_name(name, "the name of a task")
            self.queue = None if queue is None else check_queue(queue, "the queue of a task")
        except InvalidRequest as error:
            raise ConfigurationError(f"{where}: {error}") from None
        self.function = function
        self.options = dict(options or {})
        self.limits = limits
        self.is_async = inspect.iscoroutinefunction(function)
        self._local_names = dict(local_names or {})
        self._declared = _declared(function, where)
        self._plan: _Plan | None = None
        # A name may be defined further down in the module: it is asked for again at the first use.
        with contextlib.suppress(_UnknownName):
            self._plan = self._make_plan()

    def __repr__(self) -> str:
        return f"TaskDefinition({self.name!r}, queue={self.queue!r}, {_where(self.function)})"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The function's parameters in order, without a `**kwargs`."""
        return self._planned().parameters

    def bind(
        self,
        inputs: Mapping[str, Any],
        context: TaskContext,
        resources: Mapping[Any, object],
    ) -> dict[str, Any]:
        """The keyword arguments to call the function with. Defaults are left to the function.

        Raises:
            InvalidTaskInputs: an input is missing, unexpected, or does not fit its annotation.
            MissingResource: a type that the function needs is not in `resources`.
        """
        plan = self._planned()
        arguments = self.from_inputs(inputs)
        for name in plan.contexts:
            arguments[name] = context
        for name, needed, required in plan.resources:
            if needed in resources:
                arguments[name] = resources[needed]
            elif required:
                given = [name_of_type(kind) for kind in resources]
                raise MissingResource([(self.name, name_of_type(needed))], given)
        return arguments

    def from_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that inputs become, converted; without what the worker fills in.

        Raises:
            InvalidTaskInputs: an input is missing, unexpected, or does not fit its annotation.
        """
        plan = self._planned()
        names = plan.inputs
        extra = inputs.keys() - names
        if extra and (plan.extra is None or not plan.filled.isdisjoint(extra)):
            raise self._unexpected(next(name for name in inputs if name in extra), plan)
        if not plan.required <= inputs.keys():
            missing = next(name for name in names if name in plan.required - inputs.keys())
            raise self._misfit(missing, f"is missing; the task takes {', '.join(names)}")
        arguments = self._convert(plan.model, {n: v for n, v in inputs.items() if n in names})
        for name in extra:
            value = self._convert(plan.extra, {"value": inputs[name]}, called=name)["value"]
            arguments[name] = value
        return arguments

    def encode_result(self, value: object) -> Any:
        """The JSON value of what the function returned.

        Raises:
            InvalidPayload: naming the path, from `result`, to what cannot be kept.
        """
        return to_payload(value, "result")

    def missing_resources(self, provided: Iterable[Any]) -> list[Any]:
        """The types that the function needs and that are not among `provided`.

        Raises:
            ConfigurationError: an annotation names something that does not exist.
        """
        given = set(provided)
        return [
            needed
            for _, needed, required in self._planned().resources
            if required and needed not in given
        ]

    def _planned(self) -> "_Plan":
        if self._plan is None:
            try:
                self._plan = self._make_plan()
            except _UnknownName as error:
                raise ConfigurationError(
                    f"{_where(self.function)}: the annotation of {error.parameter} names "
                    f"{error.name}, which does not exist when the task runs",
                    "import it outside of `if TYPE_CHECKING:`",
                ) from error
        return self._plan

    def _make_plan(self) -> "_Plan":
        return _make_plan(self.name, self.function, self._declared, self._local_names)

    def _convert(
        self, model: type[msgspec.Struct] | None, values: dict[str, Any], called: str | None = None
    ) -> dict[str, Any]:
        if model is None:
            return values
        try:
            converted = msgspec.convert(values, model, str_keys=True)
        except msgspec.ValidationError as error:
            steps, reason = _read(str(error))
            path = _path(_with_keys(steps, values, model, str(error)))
            if called is not None:
                path = _path([called]) + path.removeprefix("value")
            raise self._misfit(path, reason) from None
        return {name: getattr(converted, name) for name in values}

    def _unexpected(self, name: str, plan: "_Plan") -> InvalidTaskInputs:
        if name in plan.filled:
            return self._misfit(name, "is filled in by the worker and cannot be given")
        takes = ", ".join(plan.inputs) or "no inputs"
        near = did_you_mean(name, plan.inputs)
        return self._misfit(name, f"is unexpected{near}; the task takes {takes}")

    def _misfit(self, path: str, reason: str) -> InvalidTaskInputs:
        return InvalidTaskInputs(self.name, path, reason)


# Reading a function's declaration.


def _where(function: TaskFunction) -> str:
    code = getattr(function, "__code__", None)
    line = f" (line {code.co_firstlineno})" if code is not None else ""
    return f"{function.__module__}.{function.__qualname__}{line}"


def _check_function(function: object) -> None:
    if not isinstance(function, types.FunctionType):
        shown = name_of_type(function) if isinstance(function, type) else repr(function)
        raise ConfigurationError(
            f"{shown} is no function", "put @task on a function made with def or async def"
        )
    where = _where(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"{where}: a task gives one result and cannot yield", "return a list instead"
        )
    owner = function.__qualname__.rpartition(".")[0]
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    if owner and not owner.endswith("<locals>") and names[:1] in (("self",), ("cls",)):
        raise ConfigurationError(
            f"{where}: a method cannot be a task, since there is no object to call it on",
            "make it a function, and pass what it needs as Provided[…]",
        )


def _declared(function: TaskFunction, where: str) -> tuple[inspect.Parameter, ...]:
    """The parameters, refusing those that cannot be given by name."""
    if sys.version_info >= (3, 14):
        import annotationlib  # new in 3.14, where annotations are evaluated when asked for

        signature = inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    else:
        signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigurationError(
                f"{where}: parameter {parameter.name!r} is positional-only, but inputs are given "
                "by name",
                "remove the / from the parameters",
            )
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise ConfigurationError(
                f"{where}: *{parameter.name} cannot be filled, since inputs are given by name",
                "take a list as a parameter instead",
            )
    return tuple(signature.parameters.values())


class _UnknownName(Exception):
    """An annotation names what is not, or not yet, there."""

    def __init__(self, parameter: str, name: str) -> None:
        super().__init__(parameter, name)
        self.parameter, self.name = repr(parameter), repr(name)


@dataclass(frozen=True)
class _Plan:
    """How to make arguments, looked up for every attempt."""

    parameters: tuple[Parameter, ...]
    inputs: dict[str, None]
    """Names of the inputs, in order, as a set that keeps it."""
    required: frozenset[str]
    filled: frozenset[str]
    """Names of parameters that are no inputs."""
    contexts: tuple[str, ...]
    resources: tuple[tuple[str, Any, bool], ...]
    """Name, type, and whether there is no default."""
    model: type[msgspec.Struct] | None
    """Converts the inputs; None when no parameter is annotated."""
    extra: type[msgspec.Struct] | None
    """Converts one `value` of **kwargs; None when there is no **kwargs."""


def _make_plan(
    task: str,
    function: TaskFunction,
    declared: Iterable[inspect.Parameter],
    local_names: Mapping[str, object],
) -> _Plan:
    parameters: list[Parameter] = []
    extra: type[msgspec.Struct] | None = None
    for declaration in declared:
        annotation = _resolve(function, declaration, local_names)
        if declaration.kind is declaration.VAR_KEYWORD:
            _check_convertible(function, declaration.name, annotation)
            extra = msgspec.defstruct("Extra", [("value", annotation)])
            continue
        parameters.append(_parameter(function, declaration, annotation))
    inputs = [parameter for parameter in parameters if parameter.filled_by == "input"]
    # Defaults stay the function's: a model's default only says that an input may be left out.
    fields: list[Any] = [(p.name, p.type) if p.required else (p.name, p.type, None) for p in inputs]
    typed = any(p.type is not Any for p in inputs)
    return _Plan(
        parameters=tuple(parameters),
        inputs=dict.fromkeys(p.name for p in inputs),
        required=frozenset(p.name for p in inputs if p.required),
        filled=frozenset(p.name for p in parameters if p.filled_by != "input"),
        contexts=tuple(p.name for p in parameters if p.filled_by == "context"),
        resources=tuple(
            (p.name, p.type, p.required) for p in parameters if p.filled_by == "resource"
        ),
        model=msgspec.defstruct("Inputs", fields, kw_only=True) if typed else None,
        extra=extra,
    )


def _resolve(
    function: TaskFunction, declaration: inspect.Parameter, local_names: Mapping[str, object]
) -> Any:
    """The annotation as a type, also where it is text (`from __future__ import annotations`)."""
    if declaration.annotation is declaration.empty:
        return Any

    def carrier() -> None:
        """Carries one annotation, so that a return type nobody needs is never resolved."""

    carrier.__annotations__ = {"it": declaration.annotation}
    names = inspect.unwrap(function).__globals__
    try:
        hints = typing.get_type_hints(carrier, names, dict(local_names), include_extras=True)
    except NameError as error:
        raise _UnknownName(declaration.name, error.name or str(error)) from error
    except (TypeError, SyntaxError) as error:
        raise ConfigurationError(
            f"{_where(function)}: the annotation of {declaration.name!r} is no type: {error}"
        ) from error
    return Any if hints["it"] is object else hints["it"]


def _parameter(
    function: TaskFunction, declaration: inspect.Parameter, annotation: Any
) -> Parameter:
    required = declaration.default is declaration.empty
    name = declaration.name
    choices = [annotation, *_alternatives(annotation)]
    if TaskContext in choices:
        return Parameter(name, "context", TaskContext, required)
    for choice in choices:
        if get_origin(choice) is Annotated and PROVIDED in choice.__metadata__:
            return Parameter(name, "resource", get_args(choice)[0], required)
    _check_convertible(function, name, annotation)
    return Parameter(name, "input", annotation, required)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


def _check_convertible(function: TaskFunction, name: str, annotation: Any) -> None:
    try:
        unfit = next(_custom_types(msgspec.inspect.type_info(annotation)), None)
        reason = None if unfit is None else f"{name_of_type(unfit)} cannot be made from JSON"
    except (TypeError, NameError) as error:
        reason = str(error)
    if reason is not None:
        raise ConfigurationError(
            f"{_where(function)}: parameter {name!r} is {name_of_type(annotation)}: {reason}",
            "annotate a type that msgspec converts to (a dataclass or msgspec.Struct for "
            "objects), or Provided[…] for what comes from the worker's resources",
        )


def _custom_types(info: msgspec.inspect.Type) -> Iterator[Any]:
    """The types in an annotation that msgspec knows nothing about."""
    if isinstance(info, msgspec.inspect.CustomType):
        yield info.cls
    elif isinstance(info, msgspec.inspect.UnionType):
        for inner in info.types:
            yield from _custom_types(inner)
    elif isinstance(info, msgspec.inspect.DictType):
        yield from _custom_types(info.key_type)
        yield from _custom_types(info.value_type)
    elif isinstance(info, msgspec.inspect.TupleType):
        for inner in info.item_types:
            yield from _custom_types(inner)
    elif isinstance(info, msgspec.inspect.CollectionType):
        yield from _custom_types(info.item_type)


# Saying where an input does not fit.

_SOME_KEY = None
"""A step into a dict whose key msgspec does not tell."""

_Step = str | int | None


_PATH_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|\[\.\.\.\]")


def _read(message: str) -> tuple[list[_Step], str]:
    """Steps and reason in what msgspec says: Expected `int`, got `str` - at `$.items[3].price`."""
    reason, at, place = message.rpartition(" - at ")
    if not at:
        reason, place = message, ""
    if place.startswith("`key` in "):
        reason = f"{reason}, in a key"
    steps: list[_Step] = [
        name or (int(index) if index else _SOME_KEY)
        for name, index in _PATH_STEP.findall(place.partition("$")[2].rstrip("`"))
    ]
    if reason.startswith("Invalid enum value"):
        reason = "is none of the values allowed"  # msgspec shows the value; errors must not
    reason = reason.replace("`", "")
    return steps, reason[:1].lower() + reason[1:]


def _with_keys(
    steps: list[_Step], values: dict[str, Any], model: type[msgspec.Struct], message: str
) -> list[_Step]:
    """The steps with the keys that msgspec left out, found by converting one entry at a time."""
    found = list(steps)
    while _SOME_KEY in found:
        at = found.index(_SOME_KEY)
        inside: Any = values
        for step in found[:at]:
            inside = inside[step]
        for key in inside:
            if _fails_alike(_keep_only(values, found[:at], key), model, message):
                found[at] = key
                values = _keep_only(values, found[:at], key)
                break
        else:
            return found
    return found


def _keep_only(value: Any, steps: list[_Step], key: str) -> Any:
    """A copy of `value` in which the dict that the steps lead to has this one key."""
    if not steps:
        return {key: value[key]}
    step, *rest = steps
    copy = value.copy()
    copy[step] = _keep_only(value[step], rest, key)
    return copy


def _fails_alike(values: dict[str, Any], model: type[msgspec.Struct], message: str) -> bool:
    try:
        msgspec.convert(values, model, str_keys=True)
    except msgspec.ValidationError as error:
        return str(error) == message
    return False


def _path(steps: Iterable[_Step]) -> str:
    written = "".join("[…]" if step is None else step_into(step) for step in steps)
    return written.removeprefix(".")
