"""`String` and its methods.

Texts hold one Python character per UTF-16 unit, so lengths, indices and slices are Python's own.
Pairs of surrogates are joined only where a method thinks in code points: case and `normalize`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from flowlang.library.registry import charge_text, constructor, method, new_array, static, this_text
from flowlang.library.unicode import FORMS, lower_case, normal_form, upper_case
from flowlang.limits import (
    ELEMENT_UNITS,
    OBJECT_UNITS,
    charge_memory,
    charge_reading,
    charge_step,
    charge_steps,
    check_array,
    check_length,
    check_string,
)
from flowlang.source import from_units, named, surrogates_in, to_units
from flowlang.values import (
    UNDEFINED,
    WHITESPACE,
    JSArray,
    JSCallable,
    Value,
    relative_index,
    throw,
    to_integer,
    to_number,
    to_string,
    to_uint32,
)


def _to_text(*args: Value) -> str:
    return to_string(args[0]) if args else ""


@constructor("String", 1, call=_to_text)
def _new_string(*_: Value) -> Value:
    throw("TypeError", "'new String' is not part of Flow: use String(value)")


@static("String.fromCharCode", 1)
def from_char_code(*units: Value) -> str:
    charge_text(len(units))
    return "".join(chr(to_uint32(unit) & 0xFFFF) for unit in units)


@static("String.fromCodePoint", 1)
def from_code_point(*points: Value) -> str:
    charge_text(2 * len(points))
    parts: list[str] = []
    for value in points:
        point = to_number(value)
        if not 0 <= point <= 0x10FFFF or point != math.floor(point):
            throw("RangeError", f"{to_string(value)} is not a code point")
        parts.append(_units_of(int(point)))
    return "".join(parts)


@method("String.prototype.toString", 0)
def string_to_string(this: Value, *_: Value) -> str:
    if this.__class__ is not str:
        throw("TypeError", "String.prototype.toString was called on something else")
    return this


method("String.prototype.valueOf", 0)(string_to_string)


@method("String.prototype.at", 1)
def at(this: Value, index: Value = UNDEFINED, *_: Value) -> Value:
    text = this_text(this, "at")
    position = to_integer(index)
    if position < 0:
        position += len(text)
    return text[int(position)] if 0 <= position < len(text) else UNDEFINED


@method("String.prototype.charAt", 1)
def char_at(this: Value, index: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "charAt")
    position = to_integer(index)
    return text[int(position)] if 0 <= position < len(text) else ""


@method("String.prototype.charCodeAt", 1)
def char_code_at(this: Value, index: Value = UNDEFINED, *_: Value) -> float:
    text = this_text(this, "charCodeAt")
    position = to_integer(index)
    return float(ord(text[int(position)])) if 0 <= position < len(text) else math.nan


@method("String.prototype.codePointAt", 1)
def code_point_at(this: Value, index: Value = UNDEFINED, *_: Value) -> Value:
    text = this_text(this, "codePointAt")
    position = to_integer(index)
    if not 0 <= position < len(text):
        return UNDEFINED
    first = ord(text[int(position)])
    if 0xD800 <= first <= 0xDBFF and position + 1 < len(text):
        second = ord(text[int(position) + 1])
        if 0xDC00 <= second <= 0xDFFF:
            return float(((first - 0xD800) << 10) + (second - 0xDC00) + 0x10000)
    return float(first)


@method("String.prototype.concat", 1)
def concat(this: Value, *others: Value) -> str:
    parts = [this_text(this, "concat"), *(to_string(other) for other in others)]
    charge_text(sum(len(part) for part in parts))
    return "".join(parts)


@method("String.prototype.endsWith", 1)
def ends_with(this: Value, wanted: Value = UNDEFINED, end: Value = UNDEFINED, *_: Value) -> bool:
    text, part = this_text(this, "endsWith"), to_string(wanted)
    charge_reading(len(part))
    return text.endswith(part, 0, _clamped(end, len(text), len(text)))


@method("String.prototype.startsWith", 1)
def starts_with(
    this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value
) -> bool:
    text, part = this_text(this, "startsWith"), to_string(wanted)
    charge_reading(len(part))
    return text.startswith(part, _clamped(start, len(text), 0))


@method("String.prototype.includes", 1)
def includes(this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value) -> bool:
    text, part = this_text(this, "includes"), to_string(wanted)
    charge_reading(len(text))
    return text.find(part, _clamped(start, len(text), 0)) >= 0


@method("String.prototype.indexOf", 1)
def index_of(this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value) -> float:
    text, part = this_text(this, "indexOf"), to_string(wanted)
    charge_reading(len(text))
    return float(text.find(part, _clamped(start, len(text), 0)))


@method("String.prototype.lastIndexOf", 1)
def last_index_of(
    this: Value, wanted: Value = UNDEFINED, start: Value = UNDEFINED, *_: Value
) -> float:
    text, part = this_text(this, "lastIndexOf"), to_string(wanted)
    charge_reading(len(text))
    position = to_number(start)
    last = len(text) if position != position else _clamped(position, len(text), 0)
    end = min(last + len(part), len(text))
    if len(part) <= _QUICK:
        return float(text.rfind(part, 0, end))
    # Python's search is linear from the front only.
    charge_memory(len(text))
    found = text[:end][::-1].find(part[::-1])
    return float(end - found - len(part)) if found >= 0 else -1.0


@method("String.prototype.isWellFormed", 0)
def is_well_formed(this: Value, *_: Value) -> bool:
    text = this_text(this, "isWellFormed")
    return _well_formed(text) == text


@method("String.prototype.toWellFormed", 0)
def to_well_formed(this: Value, *_: Value) -> str:
    text = this_text(this, "toWellFormed")
    check_string(len(text))
    return _well_formed(text)


@method("String.prototype.normalize", 0)
def normalize(this: Value, form: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "normalize")
    name = "NFC" if form is UNDEFINED else to_string(form)
    known = next((known for known in FORMS if known == name), None)
    if known is None:
        shown = named(name)
        throw("RangeError", f"{shown} is no normalization form: use NFC, NFD, NFKC or NFKD")
    charge_reading(len(text))
    result = normal_form(known, text)
    charge_text(len(result))
    return result


@method("String.prototype.padEnd", 1)
def pad_end(this: Value, length: Value = UNDEFINED, filler: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "padEnd")
    return text + _padding(text, length, filler)


@method("String.prototype.padStart", 1)
def pad_start(this: Value, length: Value = UNDEFINED, filler: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "padStart")
    return _padding(text, length, filler) + text


@method("String.prototype.repeat", 1)
def repeat(this: Value, count: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "repeat")
    times = to_integer(count)
    if not 0 <= times < math.inf:
        throw("RangeError", f"cannot repeat a text {to_string(times)} times")
    if not text:
        return ""
    charge_text(len(text) * int(times))
    return text * int(times)


@method("String.prototype.replace", 2)
def replace(
    this: Value, wanted: Value = UNDEFINED, replacement: Value = UNDEFINED, *_: Value
) -> str:
    text, part = this_text(this, "replace"), to_string(wanted)
    replacer = _replacer(replacement)
    charge_reading(len(text))
    position = text.find(part)
    if position < 0:
        return text
    result = text[:position] + replacer(text, part, position) + text[position + len(part) :]
    charge_text(len(result))
    return result


@method("String.prototype.replaceAll", 2)
def replace_all(
    this: Value, wanted: Value = UNDEFINED, replacement: Value = UNDEFINED, *_: Value
) -> str:
    text, part = this_text(this, "replaceAll"), to_string(wanted)
    replacer = _replacer(replacement)
    charge_reading(len(text))
    parts: list[str] = []
    length = done = 0
    position = text.find(part)
    while position >= 0:
        inserted = replacer(text, part, position)
        length += position - done + len(inserted)
        check_length(length)
        charge_step()
        parts += (text[done:position], inserted)
        done = position + len(part)
        position = text.find(part, position + max(1, len(part)))
        if position > len(text):
            break
    charge_text(length + len(text) - done)
    parts.append(text[done:])
    return "".join(parts)


@method("String.prototype.slice", 2)
def slice_(this: Value, start: Value = UNDEFINED, end: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "slice")
    first, last = relative_index(start, len(text), 0), relative_index(end, len(text), len(text))
    result = text[first:last]
    charge_text(len(result))
    return result


@method("String.prototype.substring", 2)
def substring(this: Value, start: Value = UNDEFINED, end: Value = UNDEFINED, *_: Value) -> str:
    text = this_text(this, "substring")
    first, last = _clamped(start, len(text), 0), _clamped(end, len(text), len(text))
    result = text[min(first, last) : max(first, last)]
    charge_text(len(result))
    return result


@method("String.prototype.split", 2)
def split(
    this: Value, separator: Value = UNDEFINED, limit: Value = UNDEFINED, *_: Value
) -> JSArray:
    text = this_text(this, "split")
    most = 2**32 - 1 if limit is UNDEFINED else to_uint32(limit)
    part = to_string(separator)
    if most == 0:
        return new_array([])
    if separator is UNDEFINED:
        return new_array([text])
    charge_text(len(text))
    count = min(most, text.count(part) + (1 if part else -1))
    check_array(count)
    charge_steps(count)
    charge_memory(OBJECT_UNITS + ELEMENT_UNITS * count)
    # The last piece may hold what the limit cuts off.
    pieces = list(text[:count]) if part == "" else text.split(part, count)
    return JSArray(pieces[:count])


@method("String.prototype.toLowerCase", 0)
def to_lower_case(this: Value, *_: Value) -> str:
    text = this_text(this, "toLowerCase")
    charge_text(len(text))
    return lower_case(text)


@method("String.prototype.toUpperCase", 0)
def to_upper_case(this: Value, *_: Value) -> str:
    text = this_text(this, "toUpperCase")
    charge_text(len(text))
    return upper_case(text)


@method("String.prototype.trim", 0)
def trim(this: Value, *_: Value) -> str:
    text = this_text(this, "trim")
    charge_text(len(text))
    return text.strip(WHITESPACE)


@method("String.prototype.trimEnd", 0)
def trim_end(this: Value, *_: Value) -> str:
    text = this_text(this, "trimEnd")
    charge_text(len(text))
    return text.rstrip(WHITESPACE)


@method("String.prototype.trimStart", 0)
def trim_start(this: Value, *_: Value) -> str:
    text = this_text(this, "trimStart")
    charge_text(len(text))
    return text.lstrip(WHITESPACE)


_QUICK: Final = 64
"""Searching backwards for a text of at most so many characters is left to Python."""


def _clamped(value: Value, length: int, default: int) -> int:
    """A position argument cut to the text: below is its start, beyond is its end."""
    if value is UNDEFINED:
        return default
    return int(min(max(to_integer(value), 0.0), float(length)))


def _units_of(point: int) -> str:
    if point < 0x10000:
        return chr(point)
    point -= 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))


def _well_formed(text: str) -> str:
    charge_reading(len(text))
    if text.isascii():
        return text
    charge_steps(surrogates_in(text))
    return to_units(from_units(text))


def _padding(text: str, length: Value, filler: Value) -> str:
    wanted = to_integer(length)
    missing = wanted - len(text)
    fill = " " if filler is UNDEFINED else to_string(filler)
    if missing <= 0 or not fill:
        return ""
    charge_text(int(min(wanted, 2.0**53)))
    count = int(missing)
    return (fill * (count // len(fill) + 1))[:count]


def _replacer(replacement: Value) -> Callable[[str, str, int], str]:
    """What gives the text to put in for a match: text, matched part and position go in."""
    if isinstance(replacement, JSCallable):
        call: Callable[..., Value] = replacement.call  # type: ignore[attr-defined]  # all have it

        def ask(text: str, part: str, position: int) -> str:
            return to_string(call(part, float(position), text))

        return ask
    template = to_string(replacement)
    if "$" not in template:
        return lambda text, part, position: template
    return lambda text, part, position: _expand(template, text, part, position)


def _expand(template: str, text: str, part: str, position: int) -> str:
    """The template with `$$`, `$&`, `` $` `` and `$'` filled in; there are no groups."""
    pieces: list[str] = []
    done = length = 0
    while (at_sign := template.find("$", done)) >= 0:
        pieces.append(template[done:at_sign])
        sign = template[at_sign + 1 : at_sign + 2]
        done = at_sign + 2
        if sign == "$":
            piece = "$"
        elif sign == "&":
            piece = part
        elif sign == "`":
            piece = text[:position]
        elif sign == "'":
            piece = text[position + len(part) :]
        else:
            piece, done = "$", at_sign + 1
        length += len(piece)
        check_length(length)
        charge_step()
        pieces.append(piece)
    pieces.append(template[done:])
    return "".join(pieces)
