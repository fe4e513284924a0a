"""JavaScript's values: conversions, equality, properties and tables of entries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowlang.library
from flowlang.values import (
    FROZEN,
    HOLE,
    KEYS,
    SEALED,
    UNDEFINED,
    ArrayIterator,
    ExoticArray,
    JSArray,
    JSMap,
    JSObject,
    RestrictedObject,
    TableIterator,
    Throw,
    Value,
    add,
    array_index,
    call_method,
    delete_member,
    divide,
    enumerate_keys,
    get_index,
    get_member,
    integrity_of,
    iterate,
    less_than,
    loose_equals,
    make_error,
    number_to_string,
    own_keys,
    remainder,
    restrict,
    same_value,
    same_value_zero,
    set_index,
    set_member,
    shift_left,
    shift_right,
    shift_right_unsigned,
    strict_equals,
    string_to_number,
    to_boolean,
    to_int32,
    to_integer,
    to_number,
    to_primitive,
    to_property_key,
    to_string,
    to_uint32,
    typeof,
)

numbers = st.floats(allow_nan=True, allow_infinity=True)
primitives = st.one_of(
    st.none(), st.just(UNDEFINED), st.booleans(), numbers, st.text(max_size=8), st.just("12")
)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_read_back_from_its_text_is_the_same_number(number: float) -> None:
    """-0 alone loses its sign, as in JavaScript."""
    assert string_to_number(number_to_string(number)) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (0.1 + 0.2, "0.30000000000000004"),
        (5e-324, "5e-324"),
        (1e15, "1000000000000000"),
        (123456.789, "123456.789"),
        (math.inf, "Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(number: float, text: str) -> None:
    assert number_to_string(number) == text


@pytest.mark.parametrize(
    "text",
    [
        "1_0",
        "inf",
        "nan",
        "1e",
        "0x",
        "0b2",
        "--1",
        "1 2",
        "٣",
        "1,5",
        "\x1c1",
        "\x851",
        "+0x1",
        "infinity",
    ],
)
def test_text_that_python_or_people_might_take_is_no_number(text: str) -> None:
    assert math.isnan(string_to_number(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        (" \t\n\ufeff\u2028", 0),
        ("\xa012\u3000", 12),
        ("0x1F", 31),
        ("0b11", 3),
        ("0O17", 15),
        (".5", 0.5),
        ("5.", 5),
        ("-Infinity", -math.inf),
        ("1e1000", math.inf),
        ("-1e-400", 0),
    ],
)
def test_text_that_is_a_number(text: str, number: float) -> None:
    assert string_to_number(text) == number


@given(numbers)
def test_int32_is_the_number_modulo_2_to_the_32(number: float) -> None:
    expected = 0 if not math.isfinite(number) else math.trunc(number) % 2**32

    assert to_uint32(number) == expected
    assert to_int32(number) % 2**32 == expected
    assert -(2**31) <= to_int32(number) < 2**31


@given(numbers, numbers)
def test_shifts_use_five_bits_of_the_count(left: float, right: float) -> None:
    count = to_uint32(right) % 32

    assert shift_left(left, right) == to_int32(float(to_int32(left) << count))
    assert shift_right(left, right) == to_int32(left) // 2**count
    assert shift_right_unsigned(left, right) == to_uint32(left) // 2**count


@given(primitives, primitives)
def test_equalities_agree_with_each_other(left: Value, right: Value) -> None:
    if strict_equals(left, right):
        assert loose_equals(left, right)
        assert same_value_zero(left, right)
    if same_value(left, right):
        assert same_value_zero(left, right)
    assert loose_equals(left, right) == loose_equals(right, left)


@given(numbers, numbers)
def test_division_and_remainder_never_raise(left: float, right: float) -> None:
    quotient, rest = divide(left, right), remainder(left, right)

    if right == 0:
        assert math.isnan(rest)
        assert math.isnan(quotient) or math.isinf(quotient)
    if math.isfinite(left) and math.isfinite(right) and right != 0:
        assert abs(rest) < abs(right)
        assert rest == 0 or (rest < 0) == (left < 0)


@given(primitives)
def test_every_primitive_converts_to_every_other_kind(value: Value) -> None:
    assert isinstance(to_string(value), str)
    assert isinstance(to_number(value), float)
    assert isinstance(to_boolean(value), bool)
    assert to_primitive(value) is value
    assert math.isinf(to_integer(value)) or to_integer(value).is_integer()


def test_texts_compare_by_utf16_units_not_by_code_points() -> None:
    """A smiley is a pair that begins with D83D, which comes before FFFF."""
    assert less_than("\ud83d\ude00", "\uffff")


def test_true_is_not_one_and_objects_are_only_equal_to_themselves() -> None:
    assert not strict_equals(True, 1.0)
    assert loose_equals(True, 1.0)
    assert not strict_equals(JSObject(), JSObject())
    assert JSArray([1.0]) != JSArray([1.0])


def test_an_object_is_asked_value_of_and_to_string_in_the_order_of_the_hint() -> None:
    array = JSArray([1.0, JSArray([2.0, None])])

    assert to_string(array) == "1,2,"
    assert add(array, 1.0) == "1,2,1"
    assert to_string(JSObject()) == "[object Object]"
    assert math.isnan(to_number(JSObject()))


@given(st.text(max_size=12))
def test_an_array_index_is_exactly_the_text_of_a_number_below_2_to_the_32_minus_1(key: str) -> None:
    number = string_to_number(key)
    is_index = number.is_integer() and 0 <= number < 2**32 - 1 and number_to_string(number) == key

    assert (array_index(key) >= 0) == is_index


@given(st.lists(st.one_of(st.integers(0, 2**32).map(str), st.text(max_size=3)), unique=True))
def test_keys_come_with_indices_first_and_in_order(keys: list[str]) -> None:
    found = own_keys(JSObject((key, UNDEFINED) for key in keys))

    indices = [key for key in found if array_index(key) >= 0]
    others = [key for key in found if array_index(key) < 0]
    assert found == indices + others
    assert indices == sorted(indices, key=int)
    assert others == [key for key in keys if array_index(key) < 0]
    assert sorted(found) == sorted(keys)


def test_for_in_skips_keys_that_were_deleted_meanwhile() -> None:
    obj = JSObject(a=1.0, b=2.0, c=3.0)

    seen = []
    for key in enumerate_keys(obj):
        seen.append(key)
        delete_member(obj, "b")
        set_member(obj, "d", 4.0)

    assert seen == ["a", "c"]


def test_writing_beyond_an_array_makes_holes() -> None:
    array = JSArray([1.0])

    set_index(array, 3.0, "x")

    assert array[1] is HOLE
    assert get_index(array, 1.0) is UNDEFINED
    assert get_member(array, "length") == 4.0
    assert own_keys(array) == ["0", "3"]


def test_an_array_with_another_property_stays_an_array() -> None:
    array = JSArray([1.0])

    set_index(array, "note", "x")
    set_index(array, -1.0, "minus")

    assert array.__class__ is ExoticArray
    assert own_keys(array) == ["0", "note", "-1"]
    assert call_method(array, "indexOf", 1.0) == 0.0


def test_the_length_of_an_array_can_be_set_to_whole_numbers_only() -> None:
    array = JSArray([1.0, 2.0, 3.0])

    set_member(array, "length", 1.0)
    assert list(array) == [1.0]
    with pytest.raises(Throw, match="RangeError"):
        set_member(array, "length", 1.5)


@pytest.mark.parametrize("integrity", [SEALED, FROZEN])
def test_restricted_objects_ignore_what_they_do_not_allow(integrity: int) -> None:
    obj, array = JSObject(a=1.0), JSArray([1.0])
    restrict(obj, integrity)
    restrict(array, integrity)

    for target, key in ((obj, "a"), (array, "0")):
        set_index(target, key, 2.0)
        set_index(target, "new", 3.0)
        assert delete_member(target, key) is False
        assert get_index(target, key) == (2.0 if integrity == SEALED else 1.0)
        assert get_index(target, "new") is UNDEFINED
        assert integrity_of(target) == integrity
    assert obj.__class__ is RestrictedObject


def test_the_prototype_chain_cannot_be_reached() -> None:
    obj = JSObject()

    for attempt in (
        lambda: get_index(obj, "__proto__"),
        lambda: set_index(obj, "__proto__", None),
        lambda: get_member(get_member(JSArray(), "map"), "prototype"),
    ):
        with pytest.raises(Throw, match="not part of Flow"):
            attempt()
    assert own_keys(obj) == []


def test_iterators_go_by_positions_alone() -> None:
    """JavaScript would call a `next` or `return` that an iterator was given."""
    iterator = ArrayIterator(JSArray([1.0]))

    for key in ("next", "return"):
        with pytest.raises(Throw, match="not part of Flow"):
            set_member(iterator, key, UNDEFINED)
    set_member(iterator, "other", 5.0)
    assert get_member(iterator, "other") == 5.0


def test_built_ins_cannot_be_written_to() -> None:
    maths = flowlang.library.GLOBALS["Math"]

    with pytest.raises(Throw, match="TypeError"):
        set_member(maths, "PI", 3.0)
    with pytest.raises(Throw, match="TypeError"):
        set_member(get_member(maths, "floor"), "x", 1.0)


def test_a_method_without_its_object_throws() -> None:
    join = get_member(JSArray(), "join")

    assert typeof(join) == "function"
    with pytest.raises(Throw, match="TypeError"):
        join.call()


def test_what_is_called_is_read_before_it_is_called() -> None:
    """`o.f(…)` finds out that `f` is no function only after its arguments were evaluated."""
    from flowlang.values import get_method

    missing = get_method(JSObject(), "f")

    with pytest.raises(Throw, match="f is not a function"):
        missing(1.0)
    with pytest.raises(Throw, match="undefined"):
        get_method(UNDEFINED, "f")


def test_an_errors_own_properties_are_hidden_until_the_program_sets_them() -> None:
    error = make_error("TypeError", "why")

    assert own_keys(error) == []
    assert get_member(error, "name") == "TypeError"
    set_member(error, "name", "Custom")
    assert own_keys(error) == ["name"]
    assert to_string(error) == "Custom: why"


def test_strings_are_walked_by_code_point_and_lone_surrogates_stay() -> None:
    assert list(iterate("a\ud83d\ude00\ud83db")) == ["a", "\ud83d\ude00", "\ud83d", "b"]


keys = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, math.nan, "1", "", True, False, None, UNDEFINED]),
    st.integers(0, 40).map(float),
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("iterate"), st.none()),
        st.tuples(st.just("next"), st.none()),
    ),
    max_size=120,
)


@given(operations)
def test_a_map_behaves_as_the_standards_list_of_entries(steps: list[tuple[str, Value]]) -> None:
    """The standard's map never removes an entry from its list, only empties it."""
    table, model = JSMap(), _ListOfEntries()
    iterators: list[tuple[TableIterator, list[int]]] = []

    for number, (step, key) in enumerate(steps):
        if step == "set":
            table.store(key, number)
            model.store(key, number)
        elif step == "delete":
            assert table.remove(key) == model.remove(key)
        elif step == "clear":
            table.clear()
            model.clear()
        elif step == "iterate":
            iterators.append((TableIterator(table, KEYS), [0]))
        else:
            for iterator, position in iterators:
                assert to_string(next(iterator, "end")) == to_string(model.next(position))
        assert len(table.index) == model.size()
    walked = [(entry[0], entry[1]) for entry in table.entries if entry is not None]
    assert [to_property_key(key) for key, _ in walked] == [
        to_property_key(key) for key, _ in model.living()
    ]


class _ListOfEntries:
    """A map as the standard describes it, slow and simple."""

    def __init__(self) -> None:
        self.entries: list[tuple[Value, Value] | None] = []

    def living(self) -> list[tuple[Value, Value]]:
        return [entry for entry in self.entries if entry is not None]

    def size(self) -> int:
        return len(self.living())

    def _find(self, key: Value) -> int | None:
        for at, entry in enumerate(self.entries):
            if entry is not None and same_value_zero(entry[0], key):
                return at
        return None

    def store(self, key: Value, value: Value) -> None:
        at = self._find(key)
        if at is None:
            self.entries.append((0.0 if key == 0 and key is not False else key, value))
        else:
            entry = self.entries[at]
            assert entry is not None
            self.entries[at] = (entry[0], value)

    def remove(self, key: Value) -> bool:
        at = self._find(key)
        if at is None:
            return False
        self.entries[at] = None
        return True

    def clear(self) -> None:
        self.entries = [None] * len(self.entries)

    def next(self, position: list[int]) -> Value:
        """The key an iterator gives next; an iterator that came to its end stays there."""
        while 0 <= position[0] < len(self.entries):
            entry = self.entries[position[0]]
            position[0] += 1
            if entry is not None:
                return entry[0]
        position[0] = -1
        return "end"
