"""`Array` and its methods.

A callback may change the array it is called from, so every loop looks at the live array at each
step, up to the length it had at the start, as the standard does. The `valueOf` of an argument may
change it too: the length that counts is the one before. Methods that only read accept any
array-like object (`[].map.call("abc", f)`); those that write want an array, and write all of it
through `_replace`, which knows what may not be changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from itertools import chain, islice
from typing import Final

from flowlang.library.object import object_to_string
from flowlang.library.registry import (
    callback,
    constructor,
    method,
    new_array,
    sees_at_most,
    static,
)
from flowlang.library.sorting import merge_sort
from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    charge_elements,
    charge_memory,
    charge_reading,
    charge_steps,
    check_array,
    check_depth,
    check_length,
    check_string,
)
from flowlang.values import (
    ENTRIES,
    EXTENSIBLE,
    FROZEN,
    HOLE,
    KEYS,
    SEALED,
    UNDEFINED,
    VALUES,
    ArrayIterator,
    ExoticArray,
    JSArray,
    JSIterator,
    JSMap,
    JSSet,
    Value,
    call_on,
    check_growth,
    check_species,
    collect,
    get_index,
    get_member,
    get_own,
    integrity_of,
    is_callable,
    iterate,
    relative_index,
    same_value_zero,
    strict_equals,
    throw,
    to_boolean,
    to_integer,
    to_length,
    to_number,
    to_string,
)


def _make_array(*args: Value) -> JSArray:
    if len(args) == 1 and args[0].__class__ is float:
        length = args[0]
        if not 0 <= length < 2.0**32 or length != math.floor(length):
            throw("RangeError", "invalid array length")
        check_array(int(length))
        charge_memory(OBJECT_UNITS + ELEMENT_UNITS * int(length))
        return JSArray([HOLE] * int(length))
    return new_array(list(args))


constructor("Array", 1, call=_make_array)(_make_array)


@static("Array.isArray", 1)
def is_array(value: Value = UNDEFINED, *_: Value) -> bool:
    return isinstance(value, JSArray)


@static("Array.of", 0)
def array_of(*items: Value) -> JSArray:
    charge_steps(len(items))
    return new_array(list(items))


@static("Array.from", 1)
def array_from(
    source: Value = UNDEFINED, mapper: Value = UNDEFINED, this: Value = UNDEFINED, *_: Value
) -> JSArray:
    call = None if mapper is UNDEFINED else callback(mapper, "Array.from")
    if not _is_iterable(source):
        if source is None or source is UNDEFINED:
            throw("TypeError", "Array.from needs an iterable or an array-like object")
        items = _elements(source)
        if call is not None:
            items = [call(item, float(index)) for index, item in enumerate(items)]
        return new_array(items)
    if call is None:
        return JSArray(collect(source))
    made = JSArray()
    for item in iterate(source):
        made.append(call(item, float(len(made))))
        if len(made) & 0xFF == 0:
            check_array(len(made))
            check_growth(0x100)
    check_growth(len(made) & 0xFF)
    return made


@method("Array.prototype.at", 1)
def at(this: Value, index: Value = UNDEFINED, *_: Value) -> Value:
    array = _readable(this)
    length = len(array)
    position = to_integer(index)
    if position < 0:
        position += length
    return _element(array, int(position)) if 0 <= position < length else UNDEFINED


@method("Array.prototype.concat", 1)
def concat(this: Value, *others: Value) -> JSArray:
    items: list[Value] = []
    _check_kind(this)
    for part in (this, *others):
        if isinstance(part, JSArray):
            check_array(len(items) + len(part))
            charge_steps(len(part))
            charge_memory(ELEMENT_UNITS * len(part))
            items += part
        else:
            charge_memory(ELEMENT_UNITS)
            items.append(part)
    charge_memory(OBJECT_UNITS)
    return JSArray(items)


@method("Array.prototype.copyWithin", 2)
def copy_within(
    this: Value,
    target: Value = UNDEFINED,
    start: Value = UNDEFINED,
    end: Value = UNDEFINED,
    *_: Value,
) -> JSArray:
    array = _writable(this, "copyWithin")
    length = len(array)
    to = relative_index(target, length, 0)
    first = relative_index(start, length, 0)
    last = relative_index(end, length, length)
    count = min(last - first, length - to)
    charge_steps(1 + max(0, count))
    if count > 0:
        copied = _with_length(array, length)[first : first + count]
        order = range(to, to + count)
        backwards = first < to < first + count
        _replace(array, to, to + count, copied, "copyWithin", order[::-1] if backwards else order)
    return array


@method("Array.prototype.entries", 0)
def entries(this: Value, *_: Value) -> ArrayIterator:
    return _iterator(this, ENTRIES)


@method("Array.prototype.keys", 0)
def keys(this: Value, *_: Value) -> ArrayIterator:
    return _iterator(this, KEYS)


@method("Array.prototype.values", 0)
def values(this: Value, *_: Value) -> ArrayIterator:
    return _iterator(this, VALUES)


@method("Array.prototype.every", 1)
def every(this: Value, predicate: Value = UNDEFINED, *_: Value) -> bool:
    array, call = _loop(this, predicate, "every")
    for index, value in _live(array):
        if value is not HOLE and not to_boolean(call(value, float(index), this)):
            return False
    return True


@method("Array.prototype.some", 1)
def some(this: Value, predicate: Value = UNDEFINED, *_: Value) -> bool:
    array, call = _loop(this, predicate, "some")
    for index, value in _live(array):
        if value is not HOLE and to_boolean(call(value, float(index), this)):
            return True
    return False


@method("Array.prototype.fill", 1)
def fill(
    this: Value,
    value: Value = UNDEFINED,
    start: Value = UNDEFINED,
    end: Value = UNDEFINED,
    *_: Value,
) -> JSArray:
    array = _writable(this, "fill")
    length = len(array)
    first, last = relative_index(start, length, 0), relative_index(end, length, length)
    if first < last:
        charge_steps(last - first)
        _replace(array, first, last, [value] * (last - first), "fill")
    return array


@method("Array.prototype.filter", 1)
def filter_(this: Value, predicate: Value = UNDEFINED, *_: Value) -> JSArray:
    array, call = _loop(this, predicate, "filter")
    _check_kind(this)
    if sees_at_most(predicate, 1):
        kept = []
        for value in islice(array, len(array)):
            if value is not HOLE:
                answer = call(value)
                if answer is True or (answer is not False and to_boolean(answer)):
                    kept.append(value)
        return new_array(kept)
    kept = []
    for index, value in _live(array):
        if value is not HOLE and to_boolean(call(value, float(index), this)):
            kept.append(value)
    return new_array(kept)


@method("Array.prototype.find", 1)
def find(this: Value, predicate: Value = UNDEFINED, *_: Value) -> Value:
    return _search(this, predicate, "find", backwards=False)[1]


@method("Array.prototype.findIndex", 1)
def find_index(this: Value, predicate: Value = UNDEFINED, *_: Value) -> float:
    return _search(this, predicate, "findIndex", backwards=False)[0]


@method("Array.prototype.findLast", 1)
def find_last(this: Value, predicate: Value = UNDEFINED, *_: Value) -> Value:
    return _search(this, predicate, "findLast", backwards=True)[1]


@method("Array.prototype.findLastIndex", 1)
def find_last_index(this: Value, predicate: Value = UNDEFINED, *_: Value) -> float:
    return _search(this, predicate, "findLastIndex", backwards=True)[0]


@method("Array.prototype.flat", 0)
def flat(this: Value, depth: Value = UNDEFINED, *_: Value) -> JSArray:
    array = _readable(this)
    length = len(array)
    levels = 1.0 if depth is UNDEFINED else to_integer(depth)
    _check_kind(this)
    items: list[Value] = []
    charge_memory(OBJECT_UNITS)
    _flatten(_with_length(array, length), levels, items, 0)
    return JSArray(items)


@method("Array.prototype.flatMap", 1)
def flat_map(this: Value, mapper: Value = UNDEFINED, *_: Value) -> JSArray:
    array, call = _loop(this, mapper, "flatMap")
    _check_kind(this)
    items: list[Value] = []
    for index, value in _present(array):
        result = call(value, float(index), this)
        if isinstance(result, JSArray):
            _flatten(result, 0.0, items, 0)
        else:
            charge_memory(ELEMENT_UNITS)
            items.append(result)
    charge_memory(OBJECT_UNITS)
    return JSArray(items)


@method("Array.prototype.forEach", 1)
def for_each(this: Value, function: Value = UNDEFINED, *_: Value) -> Value:
    array, call = _loop(this, function, "forEach")
    for index, value in _live(array):
        if value is not HOLE:
            call(value, float(index), this)
    return UNDEFINED


@method("Array.prototype.includes", 1)
def includes(this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value) -> bool:
    array = _readable(this)
    length = len(array)
    charge_steps(length)
    for index in range(relative_index(start, length, 0), length):
        if same_value_zero(_element(array, index), wanted):
            return True
    return False


@method("Array.prototype.indexOf", 1)
def index_of(this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value) -> float:
    array = _readable(this)
    length = len(array)
    charge_steps(length)
    first = relative_index(start, length, 0)
    for index in range(first, min(length, len(array))):
        if strict_equals(array[index], wanted):
            return float(index)
    return -1.0


@method("Array.prototype.lastIndexOf", 1)
def last_index_of(this: Value, wanted: Value = UNDEFINED, *start: Value) -> float:
    array = _readable(this)
    charge_steps(len(array))
    length = len(array)
    position = to_integer(start[0]) if start else float(length)
    first = min(position, length - 1.0) if position >= 0 else length + position
    if first < 0:
        return -1.0
    for index in range(min(int(first), len(array) - 1), -1, -1):
        if strict_equals(array[index], wanted):
            return float(index)
    return -1.0


@method("Array.prototype.join", 1)
def join(this: Value, separator: Value = UNDEFINED, *_: Value) -> str:
    array = _readable(this)
    length = len(array)
    between = "," if separator is UNDEFINED else to_string(separator)
    return _join(this, array, length, between)


@method("Array.prototype.toString", 0)
def array_to_string(this: Value, *_: Value) -> str:
    if this.__class__ is JSArray:
        return _join(this, this, len(this), ",")
    own_join = get_member(this, "join")
    if is_callable(own_join):
        return call_on(own_join, this)  # type: ignore[no-any-return]  # whatever it answers
    return object_to_string(this)


@method("Array.prototype.map", 1)
def map_(this: Value, mapper: Value = UNDEFINED, *_: Value) -> JSArray:
    array, call = _loop(this, mapper, "map")
    _check_kind(this)
    length = len(array)
    charge_memory(OBJECT_UNITS + ELEMENT_UNITS * length)
    if sees_at_most(mapper, 1):
        found = [value if value is HOLE else call(value) for value in islice(array, length)]
        return JSArray(found + [HOLE] * (length - len(found)))
    made = JSArray([HOLE] * length)
    for index, value in _live(array):
        if value is not HOLE:
            made[index] = call(value, float(index), this)
    return made


@method("Array.prototype.pop", 0)
def pop(this: Value, *_: Value) -> Value:
    array = _resizable(this, "pop")
    charge_steps(1)
    if not array:
        return UNDEFINED
    value = array[-1]
    _replace(array, len(array) - 1, len(array), [], "pop")
    return UNDEFINED if value is HOLE else value


@method("Array.prototype.push", 1)
def push(this: Value, *items: Value) -> float:
    array = this if this.__class__ is JSArray else _resizable(this, "push")
    charge_elements(len(items))
    _replace(array, len(array), len(array), items, "push")
    check_array(len(array))
    return float(len(array))


@method("Array.prototype.reduce", 1)
def reduce(this: Value, reducer: Value = UNDEFINED, *initial: Value) -> Value:
    array, call = _loop(this, reducer, "reduce")
    elements = _live(array)
    total = initial[0] if initial else _first(elements)
    if sees_at_most(reducer, 2):
        for _, value in elements:
            if value is not HOLE:
                total = call(total, value)
        return total
    for index, value in elements:
        if value is not HOLE:
            total = call(total, value, float(index), this)
    return total


@method("Array.prototype.reduceRight", 1)
def reduce_right(this: Value, reducer: Value = UNDEFINED, *initial: Value) -> Value:
    array, call = _loop(this, reducer, "reduceRight")
    present = _present_backwards(array)
    total = initial[0] if initial else _first(present)
    for index, value in present:
        total = call(total, value, float(index), this)
    return total


@method("Array.prototype.reverse", 0)
def reverse(this: Value, *_: Value) -> JSArray:
    array = _writable(this, "reverse")
    length = len(array)
    charge_steps(length)
    if length > 1:
        pairs = ((index, length - 1 - index) for index in range(length // 2))
        _replace(array, 0, length, array[::-1], "reverse", chain.from_iterable(pairs))
    return array


@method("Array.prototype.toReversed", 0)
def to_reversed(this: Value, *_: Value) -> JSArray:
    array = _readable(this)
    charge_steps(len(array))
    return new_array([UNDEFINED if value is HOLE else value for value in reversed(array)])


@method("Array.prototype.shift", 0)
def shift(this: Value, *_: Value) -> Value:
    array = _resizable(this, "shift")
    charge_steps(1 + (len(array) >> 4))  # moving the rest is cheap, but not free
    if not array:
        return UNDEFINED
    value = array[0]
    _replace(array, 0, 1, [], "shift")
    return UNDEFINED if value is HOLE else value


@method("Array.prototype.unshift", 1)
def unshift(this: Value, *items: Value) -> float:
    array = _resizable(this, "unshift")
    check_array(len(array) + len(items))
    charge_steps(len(items) + (len(array) >> 4))
    charge_memory(ELEMENT_UNITS * len(items))
    _replace(array, 0, 0, items, "unshift")
    return float(len(array))


@method("Array.prototype.slice", 2)
def slice_(this: Value, start: Value = UNDEFINED, end: Value = UNDEFINED, *_: Value) -> JSArray:
    array = _readable(this)
    length = len(array)
    first, last = relative_index(start, length, 0), relative_index(end, length, length)
    _check_kind(this)
    items = list.__getitem__(_with_length(array, length), slice(first, max(first, last)))
    charge_steps(len(items))
    return new_array(items)


@method("Array.prototype.sort", 1)
def sort(this: Value, comparator: Value = UNDEFINED, *_: Value) -> JSArray:
    compare = _comparator(comparator, "sort")
    array = _writable(this, "sort")
    length = len(array)
    charge_steps(length)
    present = [value for value in array if value is not HOLE]
    holes = length - len(present)
    in_order = _sorted(present, compare)
    # The comparator may have changed the array meanwhile; the answer is written over it.
    if length > 1:
        _replace(array, 0, length, in_order + [HOLE] * holes, "sort")
    return array


@method("Array.prototype.toSorted", 1)
def to_sorted(this: Value, comparator: Value = UNDEFINED, *_: Value) -> JSArray:
    compare = _comparator(comparator, "toSorted")
    array = _readable(this)
    charge_steps(len(array))
    return new_array(_sorted([UNDEFINED if value is HOLE else value for value in array], compare))


@method("Array.prototype.splice", 2)
def splice(this: Value, *args: Value) -> JSArray:
    array = _writable(this, "splice")
    length = len(array)
    first, count, items = _splice_arguments(array, args)
    check_array(length - count + len(items))
    charge_steps(count + len(items) + (length >> 4))
    charge_memory(ELEMENT_UNITS * len(items))
    _check_kind(array)
    _resizable(array, "splice")
    if len(array) != length:
        array[:] = _with_length(array, length)
    removed = list.__getitem__(array, slice(first, first + count))
    _replace(array, first, first + count, items, "splice")
    return new_array(removed)


@method("Array.prototype.toSpliced", 2)
def to_spliced(this: Value, *args: Value) -> JSArray:
    array = _readable(this)
    length = len(array)
    first, count, items = _splice_arguments(array, args)
    check_array(length - count + len(items))
    charge_steps(length + len(items))
    made = [UNDEFINED if value is HOLE else value for value in _with_length(array, length)]
    made[first : first + count] = items
    return new_array(made)


@method("Array.prototype.with", 2)
def with_(this: Value, index: Value = UNDEFINED, value: Value = UNDEFINED, *_: Value) -> JSArray:
    array = _readable(this)
    length = len(array)
    position = to_integer(index)
    if position < 0:
        position += length
    if not 0 <= position < length:
        throw("RangeError", "index out of range")
    charge_steps(length)
    made = [UNDEFINED if item is HOLE else item for item in _with_length(array, length)]
    made[int(position)] = value
    return new_array(made)


def _is_iterable(value: Value) -> bool:
    return value.__class__ is str or isinstance(value, JSArray | JSMap | JSSet | JSIterator)


def _elements(source: Value) -> list[Value]:
    """The elements of an array-like object, from 0 to its length."""
    length = to_length(get_member(source, "length"))
    check_array(length)
    check_growth(length)
    return [get_index(source, float(index)) for index in range(length)]


def _iterator(this: Value, kind: int) -> ArrayIterator:
    charge_memory(OBJECT_UNITS)
    return ArrayIterator(_readable(this), kind)


def _readable(this: Value) -> JSArray:
    """The object of a method that only reads, as an array."""
    if isinstance(this, JSArray):
        return this
    if this is None or this is UNDEFINED:
        throw("TypeError", "an array method was called without an array")
    length = to_length(get_member(this, "length"))
    check_array(length)
    check_growth(length)
    elements = (get_index(this, float(at)) if _has(this, at) else HOLE for at in range(length))
    return JSArray(elements)


def _has(this: Value, index: int) -> bool:
    return get_own(this, str(index)) is not HOLE


def _writable(this: Value, name: str) -> JSArray:
    """The object of a method that replaces elements in place."""
    if this.__class__ is JSArray:
        return this
    if not isinstance(this, JSArray):
        throw("TypeError", f"{name} on something other than an array is not part of Flow")
    return this


def _resizable(this: Value, name: str) -> JSArray:
    """The object of a method that sets its length, if only to what it is."""
    array = _writable(this, name)
    if array.__class__ is ExoticArray and integrity_of(array) == FROZEN:
        throw("TypeError", f"cannot {name} a frozen array")
    return array


def _replace(
    array: JSArray,
    first: int,
    last: int,
    items: Sequence[Value],
    name: str,
    order: Iterable[int] | None = None,
) -> None:
    """`array[first:last] = items`, for the method called `name`.

    The array may have become shorter since `first` and `last` were found; holes at its new end
    are not written.

    Args:
        order: in which the standard writes the elements, if it is not the usual one.
    """
    if array.__class__ is ExoticArray and integrity_of(array) != EXTENSIBLE:
        _replace_in_steps(array, first, last, items, name, order)
        return
    if last > len(array):
        present = len(items)
        while present > 0 and items[present - 1] is HOLE and first + present > len(array):
            present -= 1
        items = items[:present]
        array.extend([HOLE] * (first - len(array)))
    array[first:last] = items


def _replace_in_steps(
    array: JSArray,
    first: int,
    last: int,
    items: Sequence[Value],
    name: str,
    order: Iterable[int] | None,
) -> None:
    """The same where not every change is allowed: those before the first that is not stay done."""
    integrity = integrity_of(array)
    length = max(len(array), last)
    made = [*array, *[HOLE] * (length - len(array))]
    made[first:last] = items
    charge_steps(length)
    for index in _usual_order(first, last, len(items), length) if order is None else order:
        new = made[index] if index < len(made) else HOLE
        is_present = index < len(array) and array[index] is not HOLE
        if not is_present and new is HOLE:
            continue
        if integrity == FROZEN:
            throw("TypeError", f"cannot {name} a frozen array")
        if not is_present:
            throw("TypeError", f"cannot {name}: the array is not extensible")
        if new is HOLE and integrity == SEALED:
            throw("TypeError", f"cannot {name}: the array is sealed")
        array[index] = new
    if len(items) != last - first:
        array[len(made) :] = [HOLE] * (len(made) - len(array))


def _usual_order(first: int, last: int, count: int, length: int) -> Iterable[int]:
    """The indexes that change when `count` elements replace those from `first` to `last`, in the
    standard's order: what stands behind moves first, from the side where there is room."""
    if count == last - first:
        return range(first, last)
    behind = range(first + count, length - (last - first) + count)
    put = range(first, first + count)
    if count > last - first:
        return chain(reversed(behind), put)
    return chain(behind, reversed(range(behind.stop, length)), put)


def _check_kind(array: Value) -> None:
    """Throw if no array can be made of the kind that an array's own `constructor` names."""
    if array.__class__ is ExoticArray:
        check_species(array, "Array")


def _with_length(array: JSArray, length: int) -> JSArray:
    """The array, or a copy cut or stretched to its length before arguments were converted."""
    if len(array) == length:
        return array
    return JSArray([*array[:length], *[HOLE] * (length - len(array))])


def _loop(this: Value, function: Value, name: str) -> tuple[JSArray, Callable[..., Value]]:
    array = this if isinstance(this, JSArray) else _readable(this)
    charge_steps(len(array))
    return array, callback(function, f"Array.prototype.{name}")


def _live(array: JSArray) -> Iterator[tuple[int, Value]]:
    """Index and value of each element when its turn comes, `HOLE` where there is none.

    A list's iterator is live: it ends early when the array shrinks, and `islice` ends it where
    the array ended at the start. It lives as long as the library call, so no suspension sees it.
    """
    return islice(enumerate(array), len(array))


def _present(array: JSArray) -> Iterator[tuple[int, Value]]:
    """The same without holes."""
    return ((index, value) for index, value in _live(array) if value is not HOLE)


def _present_backwards(array: JSArray) -> Iterator[tuple[int, Value]]:
    for index in range(len(array) - 1, -1, -1):
        if index < len(array) and array[index] is not HOLE:
            yield index, array[index]


def _first(elements: Iterator[tuple[int, Value]]) -> Value:
    for _, value in elements:
        if value is not HOLE:
            return value
    throw("TypeError", "reduce of an empty array needs an initial value")


def _element(array: JSArray, index: int) -> Value:
    value = array[index] if index < len(array) else UNDEFINED
    return UNDEFINED if value is HOLE else value


def _search(this: Value, predicate: Value, name: str, *, backwards: bool) -> tuple[float, Value]:
    """Index and value of the first element, holes included, that the predicate accepts."""
    array, call = _loop(this, predicate, name)
    indices = range(len(array))
    for index in reversed(indices) if backwards else indices:
        value = _element(array, index)
        if to_boolean(call(value, float(index), this)):
            return float(index), value
    return -1.0, UNDEFINED


def _flatten(array: JSArray, levels: float, into: list[Value], depth: int) -> None:
    """Append the elements, charged as new ones; those of arrays `levels` deep instead of them."""
    check_depth(depth)
    charge_steps(1 + len(array))
    before = len(into)
    for value in array:
        if isinstance(value, JSArray) and levels >= 1:
            charge_memory(ELEMENT_UNITS * (len(into) - before))
            _flatten(value, levels - 1, into, depth + 1)
            before = len(into)
        elif value is not HOLE:
            into.append(value)
    charge_memory(ELEMENT_UNITS * (len(into) - before))
    check_array(len(into))


def _join(whole: Value, array: JSArray, count: int, separator: str) -> str:
    """The first `count` elements as text.

    Args:
        whole: what `array` was read from: one that is inside of itself, even if only a function of
            the program leads there, counts as empty.
    """
    active = _joining.get(None)
    if active is not None:
        return _join_elements(whole, array, count, separator, active)
    token = _joining.set(active := {})
    try:
        return _join_elements(whole, array, count, separator, active)
    finally:
        _joining.reset(token)


_joining: Final[ContextVar[dict[Value, None]]] = ContextVar("flowlang_joining")
"""What is being made into text on this thread, each part of the one before."""


def _join_elements(
    whole: Value, array: JSArray, count: int, separator: str, active: dict[Value, None]
) -> str:
    if whole in active:
        return ""
    check_depth(len(active))
    charge_steps(1 + count)
    active[whole] = None
    parts: list[str] = []
    length = 0
    try:
        for index in range(count):
            value = _element(array, index)
            if value is None or value is UNDEFINED:
                part = ""
            elif value.__class__ is str:
                part = value
            elif value.__class__ is JSArray:
                part = _join_elements(value, value, len(value), ",", active)
            else:
                part = to_string(value)
            length += len(part)
            if len(part) > _LONG:
                check_length(length)
            parts.append(part)
    finally:
        del active[whole]
    length += len(separator) * max(0, len(parts) - 1)
    check_string(length)
    charge_reading(length)
    return separator.join(parts)


_LONG: Final = 1000
"""From so many characters on, a part may take the whole over the limit before it is joined."""


def _comparator(function: Value, name: str) -> Callable[..., Value] | None:
    return None if function is UNDEFINED else callback(function, f"Array.prototype.{name}")


def _sorted(items: list[Value], compare: Callable[..., Value] | None) -> list[Value]:
    """Sorted by the program's comparator, or as texts; undefined goes last, unasked."""
    known = [item for item in items if item is not UNDEFINED]
    rounds = max(1, len(items).bit_length())
    charge_steps(len(items) * rounds)
    if compare is not None:
        ask = compare

        def order(left: Value, right: Value) -> float:
            answer = to_number(ask(left, right))
            return 0.0 if answer != answer else answer

        known = merge_sort(known, order)
    elif all(item.__class__ is str or item.__class__ is float for item in known):
        charge_reading(rounds * sum(len(item) for item in known if item.__class__ is str))
        known.sort(key=to_string)
    else:
        known = merge_sort(known, _text_order)
    return known + [UNDEFINED] * (len(items) - len(known))


def _text_order(left: Value, right: Value) -> float:
    first, second = to_string(left), to_string(right)
    charge_reading(min(len(first), len(second)))
    return -1.0 if first < second else float(first > second)


def _splice_arguments(array: JSArray, args: tuple[Value, ...]) -> tuple[int, int, list[Value]]:
    """Where to begin, how many to take out, and what to put in."""
    length = len(array)
    if not args:
        return 0, 0, []
    first = relative_index(args[0], length, 0)
    if len(args) == 1:
        return first, length - first, []
    count = int(min(max(to_integer(args[1]), 0.0), float(length - first)))
    return first, count, list(args[2:])
