"""What `@task` makes of a function: inputs by annotation, what the worker fills in, a result."""

import asyncio
import dataclasses
import enum
import functools
import sys
import textwrap
import types
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm.errors import (
    ConfigurationError,
    InvalidPayload,
    InvalidTaskInputs,
    MissingResource,
)
from rhythm.tasks import (
    Provided,
    TaskContext,
    TaskDefinition,
    TaskRegistry,
    open_resources,
    registry,
    require_resources,
    task,
)

CONTEXT = TaskContext(
    execution_id="exec_1/1",
    attempt=1,
    task_name="t",
    queue="default",
    parent_workflow_id="exec_1",
    idempotency_key="exec_1/1",
)


class Mailer:
    """What a worker's resources give."""


class Bank(Protocol):
    """What is given under a protocol."""


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Price:
    amount: Decimal
    currency: str = "EUR"


class Item(msgspec.Struct):
    name: str
    price: Price
    tags: set[str] = set()


class Options(TypedDict, total=False):
    express: bool


def define(
    function: Callable[..., Any], name: str = "t", queue: str | None = None
) -> TaskDefinition:
    return TaskDefinition(name, queue, function)


def bind(
    function: Callable[..., Any], inputs: dict[str, Any], **resources: object
) -> dict[str, Any]:
    return define(function).bind(inputs, CONTEXT, {})


def refusal(function: Callable[..., Any], inputs: dict[str, Any]) -> str:
    with pytest.raises(InvalidTaskInputs) as caught:
        bind(function, inputs)
    assert caught.value.task == "t"
    return str(caught.value).removeprefix("task 't', ")


# The decorator.


@task
def seed_task(user_id: str, plan: Literal["free", "pro"] = "free") -> dict[str, str]:
    return {"user": user_id, "plan": plan}


@task(name="mail.send", queue="mail")
async def seed_mail(to: str) -> str:
    return f"sent to {to}"


def test_a_decorated_function_is_the_function() -> None:
    decorated: Any = seed_task  # a checker of types knows it as a Task
    assert isinstance(decorated, types.FunctionType)
    assert seed_task("123", plan="pro") == {"user": "123", "plan": "pro"}
    assert asyncio.run(seed_mail("ada")) == "sent to ada"


def test_a_decorated_function_is_registered() -> None:
    plain, mail = registry.get("seed_task"), registry.get("mail.send")

    assert plain is not None and mail is not None
    assert (plain.function, plain.queue, plain.is_async) == (seed_task, None, False)
    assert (mail.function, mail.queue, mail.is_async) == (seed_mail, "mail", True)
    assert {"seed_task", "mail.send"} <= set(registry.names())


def test_a_default_that_would_not_convert_stays_the_functions() -> None:
    """Defaults are Python's own and are left out of the arguments."""

    def f(a: int, b: int = "seven") -> None:  # type: ignore[assignment]  # that it is odd is the point
        """b is text unless it is given."""

    assert bind(f, {"a": 1}) == {"a": 1}


# Inputs.


def test_inputs_are_converted_to_the_annotated_types() -> None:
    def order(  # type: ignore[no-untyped-def]  # as users write it
        items: list[Item],
        at: datetime,
        id: uuid.UUID,
        colour: Colour,
        size: Literal["s", "m"],
        weight: float,
        note: str | None,
        raw: bytes,
        options: Options,
        stock: dict[int, tuple[int, str]],
        anything: Any,
        thing: object,
        untyped,
    ) -> None:
        """Takes one of each."""

    inputs = {
        "items": [{"name": "pen", "price": {"amount": "1.50"}, "tags": ["a", "a"]}],
        "at": "2026-01-31T09:30:00Z",
        "id": "00000000-0000-0000-0000-000000000007",
        "colour": "red",
        "size": "m",
        "weight": 3,
        "note": None,
        "raw": "AAE=",
        "options": {"express": True},
        "stock": {"7": [1, "one"]},
        "anything": {"a": [1]},
        "thing": [None],
        "untyped": "x",
    }

    arguments = bind(order, inputs)

    assert arguments == {
        "items": [Item("pen", Price(Decimal("1.50")), {"a"})],
        "at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        "id": uuid.UUID(int=7),
        "colour": Colour.RED,
        "size": "m",
        "weight": 3.0,
        "note": None,
        "raw": b"\x00\x01",
        "options": {"express": True},
        "stock": {7: (1, "one")},
        "anything": {"a": [1]},
        "thing": [None],
        "untyped": "x",
    }
    assert type(arguments["weight"]) is float


def takes(a: int, b: list[Item] | None = None, *, c: Literal["x", "y"] = "x") -> None:
    """A few inputs."""


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": "3"}, "input 'a': expected int, got str"),
        ({"a": True}, "input 'a': expected int, got bool"),
        ({"a": 1.5}, "input 'a': expected int, got float"),
        ({"a": None}, "input 'a': expected int, got null"),
        ({}, "input 'a': is missing; the task takes a, b, c"),
        ({"a": 1, "d": 2}, "input 'd': is unexpected; the task takes a, b, c"),
        ({"a": 1, "c": "secret"}, "input 'c': is none of the values allowed"),
        ({"a": 1, "b": 3}, "input 'b': expected array | null, got int"),
        (
            {"a": 1, "b": [{"name": "pen"}]},
            "input 'b[0]': object missing required field price",
        ),
        (
            {"a": 1, "b": [{"name": "pen", "price": {"amount": "1"}}, {"name": 3}]},
            "input 'b[1].name': expected str, got int",
        ),
        (
            {"a": 1, "b": [{"name": "pen", "price": {"amount": [1]}}]},
            "input 'b[0].price.amount': expected decimal, got array",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: dict[str, Any], message: str) -> None:
    assert refusal(takes, inputs) == message


def test_an_unexpected_input_gets_the_nearest_name() -> None:
    def mail(recipient: str, subject: str = "") -> None:
        """Two inputs."""

    assert refusal(mail, {"recipient": "a", "subjekt": "b"}) == (
        "input 'subjekt': is unexpected (did you mean 'subject'?); "
        "the task takes recipient, subject"
    )
    assert refusal(lambda: None, {"x": 1}) == ("input 'x': is unexpected; the task takes no inputs")


def test_a_misfit_inside_of_a_dict_is_named_by_its_key() -> None:
    def f(by: dict[str, dict[str, list[Item]]], n: dict[int, int] | None = None) -> None:
        """Nested."""

    good = {"name": "pen", "price": {"amount": "1"}}

    assert refusal(f, {"by": {"x": {"a": [good]}, "y y": {"a": [good], "b": [good, {}]}}}) == (
        "input 'by[\"y y\"].b[1]': object missing required field name"
    )
    assert refusal(f, {"by": {}, "n": {"1": 1, "x": 2}}) == (
        "input 'n': expected int, got str, in a key"
    )


@given(st.dictionaries(st.text(min_size=1), st.lists(st.integers()), min_size=1), st.data())
def test_the_path_to_a_misfit_leads_there(good: dict[str, list[int]], data: st.DataObject) -> None:
    """Spoil one number anywhere: the error names its key and index."""
    key = data.draw(st.sampled_from(sorted(good)))
    index = data.draw(st.integers(0, len(good[key])))
    good[key].insert(index, "no number")  # type: ignore[arg-type]  # that it is none is the point

    def f(by: dict[str, list[int]]) -> None:
        """One input."""

    with pytest.raises(InvalidTaskInputs) as caught:
        bind(f, {"by": good})

    plain = caught.value.path.removeprefix("by").removesuffix(f"[{index}]")
    assert plain in (f".{key}", f"[{msgspec.json.encode(key).decode()}]")


def test_more_inputs_by_keyword() -> None:
    def f(a: int, **more: float) -> None:
        """More."""

    def g(**more) -> None:  # type: ignore[no-untyped-def]  # as users write it
        """Anything."""

    assert bind(f, {"a": 1, "b": 2, "more": 3}) == {"a": 1, "b": 2.0, "more": 3.0}
    assert bind(g, {"a": [1], "value": "x"}) == {"a": [1], "value": "x"}
    assert refusal(f, {"a": 1, "b": "x"}) == "input 'b': expected float, got str"


def test_the_inputs_given_are_left_as_they_are() -> None:
    inputs = {"a": 1, "b": [{"name": "pen", "price": {"amount": "1"}}]}
    before = msgspec.json.encode(inputs)

    bind(takes, inputs)

    assert msgspec.json.encode(inputs) == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from("abcd"), json_values))
def test_whatever_comes_is_bound_or_refused(inputs: dict[str, Any]) -> None:
    def f(a: int | str, b: list[Item] | None = None, c: dict[str, list[Price]] = {}) -> None:  # noqa: B006 -- only its signature is used
        """Mixed."""

    try:
        arguments = bind(f, inputs)
    except InvalidTaskInputs as error:
        assert error.path.partition(".")[0].partition("[")[0] in "abcd"
    else:
        assert arguments.keys() == inputs.keys()


# What the worker fills in.


def test_context_and_resources_are_filled_in() -> None:
    mailer, bank = Mailer(), object()

    def f(to: str, context: TaskContext, mailer: Provided[Mailer], bank: Provided[Bank]) -> None:
        """One input."""

    arguments = define(f).bind({"to": "ada"}, CONTEXT, {Mailer: mailer, Bank: bank})

    assert arguments == {"to": "ada", "context": CONTEXT, "mailer": mailer, "bank": bank}
    assert [(p.name, p.filled_by) for p in define(f).parameters] == [
        ("to", "input"),
        ("context", "context"),
        ("mailer", "resource"),
        ("bank", "resource"),
    ]


def test_optional_ones_keep_a_function_easy_to_call() -> None:
    def f(context: TaskContext | None = None, mailer: Provided[Mailer] | None = None) -> None:
        """Callable without anything."""

    definition = define(f)

    assert definition.bind({}, CONTEXT, {}) == {"context": CONTEXT}
    assert definition.missing_resources([]) == []


def test_what_is_filled_in_cannot_be_given() -> None:
    def f(context: TaskContext, mailer: Provided[Mailer], **more: int) -> None:
        """No input but more."""

    for name in ("context", "mailer"):
        assert refusal(f, {name: 1}) == (
            f"input '{name}': is filled in by the worker and cannot be given"
        )


def test_missing_resources_name_task_and_type() -> None:
    def send(mailer: Provided[Mailer], bank: Provided[Bank]) -> None:
        """Needs two."""

    definition = define(send, "send")
    assert definition.missing_resources([Bank]) == [Mailer]
    assert definition.missing_resources([Bank, Mailer, int]) == []

    with pytest.raises(MissingResource) as caught:
        require_resources([define(takes), definition], [int, Bank])
    assert str(caught.value) == (
        "task 'send' needs Mailer, but the worker's resources give int, Bank; "
        "yield {type: value} for it from the function given as resources"
    )
    with pytest.raises(MissingResource):
        definition.bind({}, CONTEXT, {Bank: object()})


def test_resources_are_found_by_exactly_their_type() -> None:
    class Fake(Mailer):
        """A subclass."""

    def f(mailer: Provided[Mailer]) -> None:
        """Needs one."""

    assert define(f).missing_resources([Fake]) == [Mailer]


# Opening resources.


@asynccontextmanager
async def good_resources() -> AsyncIterator[dict[type, object]]:
    yield {int: 7}


def opened(resources: Any) -> Any:
    async def enter() -> Any:
        async with open_resources(resources) as values:
            return dict(values)

    return asyncio.run(enter())


def test_resources_may_be_a_function_or_what_it_gives() -> None:
    assert opened(good_resources) == {int: 7}
    assert opened(good_resources()) == {int: 7}
    assert opened(None) == {}


def test_resources_may_be_a_class() -> None:
    class Resources:
        async def __aenter__(self) -> dict[type, object]:
            return {str: "x"}

        async def __aexit__(self, *_: object) -> None:
            """Nothing to close."""

    assert opened(Resources) == {str: "x"}
    assert opened(Resources()) == {str: "x"}


def test_resources_are_left_also_after_an_error() -> None:
    steps = []

    @asynccontextmanager
    async def resources() -> AsyncIterator[dict[type, object]]:
        steps.append("entered")
        try:
            yield {}
        finally:
            steps.append("left")

    async def fail() -> None:
        async with open_resources(resources):
            raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(fail())
    assert steps == ["entered", "left"]


async def undecorated() -> AsyncIterator[dict[type, object]]:
    yield {}


async def coroutine() -> dict[type, object]:
    return {}


@contextmanager
def blocking() -> Iterator[dict[type, object]]:
    yield {}


@asynccontextmanager
async def by_name() -> AsyncIterator[dict[str, object]]:
    yield {"mailer": 1}


@asynccontextmanager
async def a_list() -> AsyncIterator[list[int]]:
    yield [1]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        (undecorated, "undecorated: an async_generator is no async context manager"),
        (coroutine, "coroutine: a coroutine is no async context manager"),
        (blocking, "blocking: a _GeneratorContextManager is no async context manager"),
        ({int: 7}, "resources dict: a dict is no async context manager"),
        (by_name, "by_name give names"),
        (a_list, "a_list give a list"),
    ],
)
def test_resources_that_are_none(resources: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(resources)

    assert caught.value.problem.endswith(problem)


# Results.


def test_results_become_json() -> None:
    assert define(takes).encode_result(Item("pen", Price(Decimal("1.5")))) == {
        "name": "pen",
        "price": {"amount": "1.5", "currency": "EUR"},
        "tags": [],
    }


def test_a_result_that_is_no_json_is_named_by_path() -> None:
    with pytest.raises(InvalidPayload, match=r"result.mailers\[1\]: a Mailer is nothing that"):
        define(takes).encode_result({"mailers": [None, Mailer()]})


# Annotations in every spelling.


RunModule = Callable[[str], dict[str, Any]]


@pytest.fixture
def run_module(monkeypatch: pytest.MonkeyPatch) -> RunModule:
    """Runs a module of some source and gives what it defines."""

    def run(source: str) -> dict[str, Any]:
        module = types.ModuleType(f"module_{uuid.uuid4().hex}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(textwrap.dedent(source), f"<{module.__name__}>", "exec"), module.__dict__)
        return module.__dict__

    return run


def test_annotations_as_text_and_types_defined_later(run_module: RunModule) -> None:
    """`from __future__ import annotations`, with the class further down and a return type
    that only the type checker imports."""
    module = run_module(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import TYPE_CHECKING
        from rhythm.tasks import Provided, TaskContext
        if TYPE_CHECKING:
            from nowhere import Nothing

        def f(user: User, context: TaskContext, n: Provided[int]) -> Nothing: ...
        definition = __import__("rhythm.tasks").tasks.TaskDefinition("f", None, f)

        @dataclass
        class User:
            name: str
        """
    )

    arguments = module["definition"].bind({"user": {"name": "ada"}}, CONTEXT, {int: 7})

    assert arguments == {"user": module["User"]("ada"), "context": CONTEXT, "n": 7}


def test_annotations_as_text_may_name_types_of_the_function_around(run_module: RunModule) -> None:
    module = run_module(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from rhythm.tasks import registry, task

        def around():
            @dataclass
            class Local:
                name: str

            @task
            def local_plain(x: Local): ...

            @task(name="local_named")
            def local_other(x: Local): ...

            return Local
        """
    )
    local = module["around"]()

    for name in ("local_plain", "local_named"):
        definition = registry.get(name)
        assert definition is not None
        assert definition.bind({"x": {"name": "a"}}, CONTEXT, {}) == {"x": local("a")}


def test_an_annotation_that_names_nothing_is_told_when_the_worker_starts(
    run_module: RunModule,
) -> None:
    module = run_module(
        """
        from __future__ import annotations
        def f(user: Usr): ...
        """
    )
    definition = define(module["f"])

    with pytest.raises(ConfigurationError) as caught:
        require_resources([definition], [])
    assert str(caught.value).endswith(
        ".f (line 3): the annotation of 'user' names 'Usr', which does not exist when the task "
        "runs; import it outside of `if TYPE_CHECKING:`"
    )


# What cannot be a task.


def a_generator() -> Iterator[int]:
    yield 1


async def an_async_generator() -> AsyncIterator[int]:
    yield 1


def positional_only(a: int, /, b: int) -> None: ...
def var_positional(*values: int) -> None: ...
def wants_mailer(mailer: Mailer) -> None: ...
def wants_mailers(mailers: dict[str, list[Mailer]]) -> None: ...
def wants_too_much(x: list[int] | set[int]) -> None: ...
def not_a_type(x: 3) -> None: ...  # type: ignore[valid-type]  # that it is none is the point


class Service:
    def method(self, a: int) -> None: ...

    @staticmethod
    def static(a: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (Service, "Service is no function; put @task on a function made with def or async def"),
        (len, "<built-in function len> is no function; put @task on a function made with"),
        (functools.partial(takes, 1), "is no function; put @task on a function made with"),
        (3, "3 is no function; put @task on a function made with def or async def"),
        (a_generator, "a_generator (line {}): a task gives one result and cannot yield; "
         "return a list instead"),
        (an_async_generator, "an_async_generator (line {}): a task gives one result and cannot "
         "yield; return a list instead"),
        (positional_only, "positional_only (line {}): parameter 'a' is positional-only, but "
         "inputs are given by name; remove the / from the parameters"),
        (var_positional, "var_positional (line {}): *values cannot be filled, since inputs are "
         "given by name; take a list as a parameter instead"),
        (Service.method, "Service.method (line {}): a method cannot be a task, since there is no "
         "object to call it on; make it a function, and pass what it needs as Provided[…]"),
        (wants_mailer, "wants_mailer (line {}): parameter 'mailer' is Mailer: Mailer cannot be "
         "made from JSON; annotate a type that msgspec converts to (a dataclass or msgspec.Struct "
         "for objects), or Provided[…] for what comes from the worker's resources"),
        (wants_mailers, "Mailer cannot be made from JSON"),
        (wants_too_much, "parameter 'x' is list[int] | set[int]: Type unions may not contain more "
         "than one array-like"),
        (not_a_type, "not_a_type (line {}): "),
    ],
)  # fmt: skip
def test_what_cannot_be_a_task_is_told_at_once(function: Any, message: str) -> None:
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)

    with pytest.raises(ConfigurationError) as caught:
        task(function)

    assert message.format(line) in str(caught.value)


def test_a_static_function_can_be_a_task() -> None:
    assert define(Service.static).bind({"a": 1}, CONTEXT, {}) == {"a": 1}


def test_a_wrapped_function_keeps_its_inputs() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    assert refusal(logged(takes), {"a": "x"}) == "input 'a': expected int, got str"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "the name of a task: must not be empty"),
        ({"name": "send mail"}, "the name of a task: 'send mail' has ' ' in it; names are"),
        ({"name": 3}, "the name of a task: must be text, not an int"),
        ({"queue": "x" * 200}, "the queue of a task: is 200 characters long, at most 128"),
    ],
)
def test_names_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        task(**arguments)(takes)

    assert f"test_tasks.takes (line {takes.__code__.co_firstlineno}): {message}" in str(
        caught.value
    )


def test_a_name_by_position_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=r"gives the name by position; write @task\(name="):
        task("send")  # type: ignore[call-overload]  # that it is none is the point


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(ConfigurationError, match="a lambda has no name; give one"):
        task(lambda: None)


# The registry.


def test_two_functions_under_one_name_are_refused() -> None:
    tasks = TaskRegistry()
    tasks.add(define(positional_kwargs, "send"))

    with pytest.raises(ConfigurationError) as caught:
        tasks.add(define(takes, "send"))

    assert str(caught.value).startswith("two functions are task 'send': ")
    assert "test_tasks.positional_kwargs (" in str(caught.value)
    assert f"test_tasks.py:{takes.__code__.co_firstlineno})" in str(caught.value)
    assert caught.value.remedy == "give one of them another name with @task(name=…)"
    found = tasks.get("send")
    assert found is not None and found.function is positional_kwargs


def positional_kwargs(a: int, b: int = 2) -> None: ...


def test_a_module_that_runs_again_replaces_its_tasks() -> None:
    """Reloaded, or once as __main__ and once by its name."""
    source = compile("def again(): ...", "<again>", "exec")
    first: dict[str, Any] = {"__name__": "__main__"}
    second: dict[str, Any] = {"__name__": "shop.tasks"}
    exec(source, first)
    exec(source, second)
    tasks = TaskRegistry()

    tasks.add(define(first["again"], "again"))
    tasks.add(define(second["again"], "again"))

    found = tasks.get("again")
    assert found is not None and found.function is second["again"]


def test_functions_made_inside_of_others_may_be_made_again() -> None:
    def make() -> Callable[[], None]:
        def inner() -> None: ...

        return inner

    tasks = TaskRegistry()
    tasks.add(define(make(), "inner"))
    tasks.add(define(make(), "inner"))

    assert tasks.names() == ["inner"]


def test_a_registry_lists_its_tasks_by_name() -> None:
    tasks = TaskRegistry()
    for name in ("b", "a"):
        tasks.add(define(takes, name))

    assert tasks.names() == ["a", "b"]
    assert [definition.name for definition in tasks] == ["a", "b"]
    assert len(tasks) == 2
    assert tasks.get("c") is None
