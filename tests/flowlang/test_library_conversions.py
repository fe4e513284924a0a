"""The library against references: Python's own exact arithmetic, calendar, JSON and URLs."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlang
from flowlang.library import GLOBALS, REGISTRY, export_value, import_value
from flowlang.library.console import show
from flowlang.library.date import fields_of, iso_text, parse_date
from flowlang.library.sorting import merge_sort
from flowlang.source import from_units, to_units
from flowlang.values import (
    UNDEFINED,
    JSArray,
    JSDate,
    JSMap,
    JSObject,
    JSPromise,
    Throw,
    Value,
    call_method,
    set_member,
)

_WIDE = Context(prec=400)

finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(-8_640_000_000_000_000, 8_640_000_000_000_000).map(float)
plain_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.text(max_size=5),
        finite.filter(lambda number: not number.is_integer()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def call(name: str, *args: Value) -> Value:
    return REGISTRY[name].call(*args)


@given(st.floats(-1e20, 1e20), st.integers(0, 30))
def test_to_fixed_rounds_the_exact_value_half_away_from_zero(number: float, digits: int) -> None:
    exact = Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)

    text = call_method(number, "toFixed", float(digits))

    assert Decimal(text) == exact
    assert text.startswith("-") == (number < 0)


@given(finite, st.integers(1, 100))
def test_to_precision_and_to_exponential_agree(number: float, digits: int) -> None:
    precise = call_method(number, "toPrecision", float(digits))
    exponential = call_method(number, "toExponential", float(digits - 1))

    assert Decimal(precise) == Decimal(exponential)


@given(st.floats(-1e300, 1e300), st.integers(2, 36).filter(lambda base: base != 10))
def test_a_number_in_another_base_reads_back(number: float, base: int) -> None:
    text = call_method(number, "toString", float(base)).lstrip("-")
    whole, _, fraction = text.partition(".")

    value = Decimal(int(whole, base)) if len(whole) < 3000 else Decimal(0)
    for place, digit in enumerate(fraction[:1500], 1):
        value += Decimal(int(digit, base)) / Decimal(base) ** place
    assert math.isclose(float(value), abs(number), rel_tol=1e-12, abs_tol=5e-324)


@given(st.integers(0, 10**30), st.integers(2, 36))
def test_parse_int_reads_digits_of_every_base(number: int, base: int) -> None:
    digits = ""
    rest = number
    while rest or not digits:
        rest, digit = divmod(rest, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits

    read = call("parseInt", f" -{digits}!", float(base))
    if number < 2**53 or base in (2, 4, 8, 10, 16, 32):
        assert read == -float(number)
    else:  # as near as Node, see number_parse_int_long.flow
        assert math.isclose(read, -number, rel_tol=1e-15)


@given(times)
def test_a_time_is_its_iso_text(time: float) -> None:
    assert parse_date(iso_text(time)) == time


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_calendar_fields_are_those_of_pythons_calendar(milliseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    fields = fields_of(float(milliseconds))

    assert fields == (
        moment.year,
        moment.month - 1,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond // 1000,
        (moment.weekday() + 1) % 7,
    )
    if fields.year > 99:  # Date.UTC takes the years 0 to 99 for 1900 to 1999
        assert call("Date.UTC", *(float(part) for part in fields[:7])) == milliseconds


@given(times)
def test_what_to_string_writes_can_be_read(time: float) -> None:
    date = JSDate(math.floor(time / 1000) * 1000.0 if abs(time) < 8.6e15 else 0.0)

    assert parse_date(call_method(date, "toString")) == date.time
    assert parse_date(call_method(date, "toUTCString")) == date.time


@given(plain_values)
def test_json_text_is_what_python_would_write(plain: Any) -> None:
    text = call("JSON.stringify", import_value(plain))

    assert export_value(call("JSON.parse", text), "it") == plain
    assert json.loads(from_units(text)) == plain


@given(plain_values)
def test_values_come_back_over_the_border_unchanged(plain: Any) -> None:
    back = export_value(import_value(plain), "it")

    assert back == plain
    assert json.dumps(back, sort_keys=True) == json.dumps(plain, sort_keys=True)


@given(st.text(max_size=20))
def test_uri_components_are_percent_encoded_utf8(text: str) -> None:
    encoded = call("encodeURIComponent", to_units(text))

    assert encoded == quote(text, safe="!~*'()")
    assert call("decodeURIComponent", encoded) == to_units(text)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers()), max_size=300))
def test_sorting_is_stable(items: list[tuple[int, int]]) -> None:
    ordered = merge_sort(list(items), lambda left, right: float(left[0] - right[0]))

    assert ordered == sorted(items, key=lambda item: item[0])


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(0, 2**32))
def test_sorting_with_an_absurd_comparator_loses_nothing(items: list[int], seed: int) -> None:
    state = seed

    def absurd(left: int, right: int) -> float:
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return float(state % 3 - 1)

    assert sorted(merge_sort(list(items), absurd)) == sorted(items)


def test_what_json_cannot_hold_vanishes_at_the_border() -> None:
    value = JSObject(
        kept=1.0,
        gone=UNDEFINED,
        function=GLOBALS["parseInt"],
        nothing=math.nan,
        zero=-0.0,
        when=JSDate(0.0),
        list=JSArray([UNDEFINED, GLOBALS["parseInt"], math.inf]),
        half="\ud83d",
    )

    assert export_value(value, "it") == {
        "kept": 1,
        "nothing": None,
        "zero": 0,
        "when": "1970-01-01T00:00:00.000Z",
        "list": [None, None, None],
        "half": "\ufffd",
    }
    assert export_value(UNDEFINED, "it") is None
    assert isinstance(export_value(5.0, "it"), int)
    assert isinstance(export_value(2.0**60, "it"), float)


@pytest.mark.parametrize(
    ("value", "problem"), [(JSMap(), "is a Map"), (JSPromise(), "is a promise")]
)
def test_what_would_be_lost_without_a_word_is_refused_with_its_path(
    value: Value, problem: str
) -> None:
    holder = JSObject(orders=JSArray([1.0, JSObject(inner=value)]))

    with pytest.raises(Throw, match=rf"the inputs: orders\[1\]\.inner {problem}"):
        export_value(holder, "the inputs")


def test_a_cycle_is_refused_and_a_shared_object_is_not() -> None:
    shared = JSObject(x=1.0)
    value = JSObject(first=shared, second=shared)

    assert export_value(value, "it") == {"first": {"x": 1}, "second": {"x": 1}}
    set_member(shared, "back", value)
    with pytest.raises(Throw, match=r"it: first\.back contains itself"):
        export_value(value, "it")


def test_integers_that_no_number_holds_are_refused_with_their_path() -> None:
    with pytest.raises(ValueError, match=r"order\.ids\[1\] is beyond 2\^53"):
        import_value({"order": {"ids": [1, 2**53 + 1]}})


def test_console_form_never_calls_the_program() -> None:
    """An object whose toString would throw is shown all the same."""
    value = JSObject(toString=GLOBALS["parseInt"], name=JSMap([["k", JSArray([1.0])]]))

    assert show(value) == "{ toString: [Function: parseInt], name: Map(1) { 'k' => [1] } }"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        ("[1", "the text ends too early"),
        ('{"a', "the text ends too early"),
        ("[1,]", 'unexpected "]" at position 3'),
        ('{"a":1,}', 'unexpected "}" at position 7'),
        ("{a: 1}", 'unexpected "a" at position 1'),
        ('{"a": [1, {"b": nul}]}', 'unexpected "n" at position 16'),
        ("01", 'unexpected "1" at position 1'),
        ("1.", 'unexpected "." at position 1'),
        ('["a\tb"]', 'unexpected "\\t" at position 3'),
        ('"\\x"', 'unexpected "\\\\" at position 1'),
        ("NaN", 'unexpected "N" at position 0'),
        ("\xa01", 'unexpected "\xa0" at position 0'),
        ("[}", 'unexpected "}" at position 1'),
        ("1 2", 'unexpected "2" at position 2'),
    ],
)
def test_why_a_text_is_no_json_is_told_alike_on_every_python(text: str, why: str) -> None:
    """Python's own parser has other words and places from one version to the next."""
    source = "try { JSON.parse(Inputs.text) } catch (e) { return e.message }"

    outcome = flowlang.evaluate(source, {"text": text})

    assert outcome.value == f"JSON.parse: {why}"


def test_messages_quote_names_alike_on_every_python() -> None:
    """A letter that only a newer Unicode has is not escaped by the Pythons that know none."""
    source = "try { Timer.delay(Inputs.text) } catch (e) { return e.message }"

    outcome = flowlang.evaluate(source, {"text": "it's \n\u1c8a\U0001ccd6\ud800"})

    assert "got 'it\\'s \\n\u1c8a\U0001ccd6\ufffd'" in outcome.value
