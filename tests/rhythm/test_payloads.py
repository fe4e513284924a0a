"""What goes into a history comes out of it equal, or is refused by the path to what is wrong."""

import collections
import dataclasses
import enum
import json
import math
import types
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm.errors import InvalidPayload, PayloadTooLarge
from rhythm.payloads import (
    MAX_DEPTH,
    MAX_INTEGER,
    check_payload,
    decode_payload,
    encode_payload,
    to_payload,
)

text = st.text(st.characters(exclude_categories=["Cs"]))
short = text.filter(lambda key: len(key) <= 64)  # a path shows the rest of a longer one as …
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)
no_json = st.sampled_from(
    [math.nan, math.inf, MAX_INTEGER + 1, -MAX_INTEGER - 1, "\ud800", b"", {1: 2}, {1}, object()]
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Shape(enum.Enum):
    ROUND = "round"


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Price:
    amount: Any
    currency: str = "EUR"


class Order(msgspec.Struct):
    items: list[Any]


@given(json_values)
def test_json_comes_back_as_it_went(value: Any) -> None:
    back = decode_payload(encode_payload(value, "inputs"))

    assert back == value
    assert json.dumps(back) == json.dumps(value)  # also types and order: 1 is not 1.0 or True


@given(json_values)
def test_json_needs_no_conversion(value: Any) -> None:
    assert to_payload(value, "result") == value


@given(st.data())
def test_the_path_leads_to_the_value_that_is_refused(data: st.DataObject) -> None:
    """Bury one bad value anywhere: following the path from the top arrives at it."""
    bad = data.draw(no_json)
    value = bad
    for _ in range(data.draw(st.integers(1, 6))):
        around = data.draw(st.lists(json_values, max_size=3))
        at = data.draw(st.integers(0, len(around)))
        if data.draw(st.booleans()):
            value = [*around[:at], value, *around[at:]]
        else:
            keys = data.draw(
                st.lists(short, min_size=len(around) + 1, max_size=len(around) + 1, unique=True)
            )
            value = dict(zip(keys, [*around[:at], value, *around[at:]], strict=True))

    with pytest.raises(InvalidPayload) as caught:
        check_payload(value, "inputs")

    assert follow(value, caught.value.path) is bad


def follow(value: Any, path: str) -> Any:
    """Read a path as its reader would: names after dots, JSON in brackets."""
    assert path.startswith("inputs")
    rest = path.removeprefix("inputs")
    decoder = json.JSONDecoder()
    while rest:
        if rest.startswith("."):
            stops = [i for i, c in enumerate(rest) if i and c in ".["]
            end = stops[0] if stops else len(rest)
            key: Any = rest[1:end]
            rest = rest[end:]
        else:
            key, end = decoder.raw_decode(rest, 1)
            assert rest[end] == "]"
            rest = rest[end + 1 :]
        value = value[key]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"items": [0, 1, 2, {"price": Decimal("1.5")}]}, "inputs.items[3].price: a Decimal is no "
         "JSON value; pass str(value), or float(value) if rounding is fine"),
        ({"at": datetime(2026, 1, 1)}, "inputs.at: a datetime is no JSON value; "
         "pass value.isoformat()"),
        ({"id": uuid.UUID(int=1)}, "inputs.id: a UUID is no JSON value; pass str(value)"),
        ({"raw": b"x"}, "inputs.raw: bytes is no JSON value; pass text, for example base64"),
        ({"tags": {"a"}}, "inputs.tags: a set is no JSON value; pass a list"),
        ({"price": Price(1)}, "inputs.price: a Price is no JSON value; "
         "pass msgspec.to_builtins(value)"),
        ({"shape": Shape.ROUND}, "inputs.shape: a Shape is no JSON value; pass value.value"),
        ({"text": Text("x")}, "inputs.text: a Text is no JSON value; pass str(value)"),
        ({"map": types.MappingProxyType({})}, "inputs.map: a mappingproxy is no JSON value; "
         "pass dict(value)"),
        ({"o": object()}, "inputs.o: an object is no JSON value; "
         "pass dicts, lists, text, numbers, booleans and None"),
        ({"n": 2**53 + 1}, "inputs.n: an int beyond 2^53 would be rounded in a workflow; "
         "pass it as text"),
        ({"x": math.nan}, "inputs.x: JSON has no nan; pass None or text"),
        ({"x": -math.inf}, "inputs.x: JSON has no -inf; pass None or text"),
        ({"a": {1: 2}}, "inputs.a: has an int as a key; keys of JSON objects are text"),
        ({"a": {None: 2}}, "inputs.a: has None as a key; keys of JSON objects are text"),
        ({"a": "\udc00"}, "inputs.a: has half a surrogate pair, which UTF-8 cannot carry"),
        ({"unit price": {1}}, 'inputs["unit price"]: a set is no JSON value; pass a list'),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_path_and_a_remedy(value: Any, message: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        encode_payload(value, "inputs")

    assert str(caught.value) == message


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)

    for refuse in (check_payload, to_payload):
        with pytest.raises(InvalidPayload, match="nests deeper than 200 levels, or contains"):
            refuse(cycle, "inputs")


def test_depth_has_an_edge() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]

    assert decode_payload(encode_payload(value, "inputs")) == value
    with pytest.raises(InvalidPayload):
        encode_payload([value], "inputs")


def test_enums_ordered_dicts_and_tuples_are_what_they_stand_for() -> None:
    value = {
        "colour": Colour.RED,
        "level": Level.HIGH,
        "pair": (1, 2),
        "ordered": collections.OrderedDict(a=1),
        Colour.RED: 1,
    }

    back = decode_payload(encode_payload(value, "inputs"))

    assert back == {"colour": "red", "level": 3, "pair": [1, 2], "ordered": {"a": 1}, "red": 1}
    assert type(back["colour"]) is str


def test_size_is_counted_when_encoded() -> None:
    encode_payload("x" * 95, "payload", limit=97)  # msgpack needs two bytes more

    with pytest.raises(PayloadTooLarge) as caught:
        encode_payload("é" * 95, "payload", limit=97)

    assert (caught.value.path, caught.value.size, caught.value.limit) == ("payload", 192, 97)


def test_results_may_be_all_that_msgspec_encodes() -> None:
    result = Order(
        items=[
            Price(Decimal("9.90")),
            {Colour.RED, "red"},
            {1: "one"},
            datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
            timedelta(seconds=90),
            uuid.UUID(int=7),
            b"\x00\x01",
            Shape.ROUND,
            (1, 2),
        ]
    )

    assert decode_payload(encode_payload(to_payload(result, "result"), "result")) == {
        "items": [
            {"amount": "9.90", "currency": "EUR"},
            ["red"],
            {"1": "one"},
            "2026-01-31T09:30:00Z",
            "PT90S",
            "00000000-0000-0000-0000-000000000007",
            "AAE=",
            "round",
            [1, 2],
        ]
    }


@pytest.mark.parametrize(
    ("result", "path", "reason"),
    [
        (Order([Price(Path("/"))]), "result.items[0].amount", "a PosixPath is nothing that"),
        ({"a": [1, lambda: None]}, "result.a[1]", "a function is nothing that msgspec can encode"),
        (object(), "result", "an object is nothing that msgspec can encode"),
        (Order([2**60]), "result.items[0]", "an int beyond 2^53"),
        ({"mean": math.nan}, "result.mean", "JSON has no nan"),
    ],
)
def test_results_that_cannot_be_kept_are_refused_by_path(
    result: Any, path: str, reason: str
) -> None:
    with pytest.raises(InvalidPayload) as caught:
        to_payload(result, "result")

    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
