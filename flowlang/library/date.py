"""`Date`, in UTC.

A date is a count of milliseconds; the calendar is computed with whole numbers, so it holds for
all of JavaScript's range, years -271821 to 275760. `Date.now()` is the machine's clock: the time
of the event being handled.
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from flowlang.library.registry import constructor, method, static
from flowlang.limits import OBJECT_UNITS, charge_memory, charge_steps
from flowlang.machine import current
from flowlang.values import (
    UNDEFINED,
    JSCallable,
    JSDate,
    Value,
    call_on,
    get_member,
    is_object,
    throw,
    to_number,
    to_primitive,
    to_string,
)

DAY_MS: Final = 86_400_000
MAX_TIME: Final = 8.64e15
"""Beyond so many milliseconds from 1970 there are no dates, says the standard."""

_DATE_STEPS: Final = 3
"""Steps that the calendar takes: what it does is as slow as so many calls."""

_DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_DAYS_BEFORE: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)

_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4}|[+-][0-9]{6})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,32}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_WORDS: Final = re.compile(
    r"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat),? "
    r"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{2})|(?P<day2>[0-9]{2}) (?P<month2>[A-Z][a-z]{2}))"
    r" (?P<year>-?[0-9]{4,6})"
    r"(?: (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r" GMT(?P<zone>[+-][0-9]{4})?(?: \([^()]*\))?)?"
)
"""What `toString` and `toUTCString` write."""


class Fields(NamedTuple):
    """A moment's parts; month from 0, weekday from Sunday as 0."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int
    weekday: int


def _now_text(*_: Value) -> str:
    return date_to_string(JSDate(float(current().now_ms)))


@constructor("Date", 7, call=_now_text)
def make_date(*args: Value) -> JSDate:
    charge_memory(OBJECT_UNITS)
    if not args:
        return JSDate(float(current().now_ms))
    charge_steps(_DATE_STEPS)
    if len(args) > 1:
        return JSDate(_clip(_from_parts(args)))
    if isinstance(args[0], JSDate):
        return JSDate(args[0].time)
    value = to_primitive(args[0])
    return JSDate(parse_date(value) if value.__class__ is str else _clip(to_number(value)))


@static("Date.now", 0)
def now(*_: Value) -> float:
    return float(current().now_ms)


@static("Date.parse", 1)
def parse(text: Value = UNDEFINED, *_: Value) -> float:
    charge_steps(_DATE_STEPS)
    return parse_date(to_string(text))


@static("Date.UTC", 7)
def utc(*args: Value) -> float:
    charge_steps(_DATE_STEPS)
    return _clip(_from_parts(args or (UNDEFINED,)))


@method("Date.prototype.getTime", 0)
def get_time(this: Value, *_: Value) -> float:
    return _date(this, "getTime").time


@method("Date.prototype.valueOf", 0)
def value_of(this: Value, *_: Value) -> float:
    return _date(this, "valueOf").time


@method("Date.prototype.getTimezoneOffset", 0)
def get_timezone_offset(this: Value, *_: Value) -> float:
    time = _date(this, "getTimezoneOffset").time
    return time if time != time else 0.0


@method("Date.prototype.setTime", 1)
def set_time(this: Value, value: Value = UNDEFINED, *_: Value) -> float:
    date = _date(this, "setTime")
    date.time = _clip(to_number(value))
    return date.time


@method("Date.prototype.toISOString", 0)
def to_iso_string(this: Value, *_: Value) -> str:
    date = _date(this, "toISOString")
    if date.time != date.time:
        throw("RangeError", "an invalid date has no ISO text")
    return iso_text(date.time)


@method("Date.prototype.toJSON", 1)
def to_json(this: Value, *_: Value) -> Value:
    primitive = to_primitive(this, "number")
    if primitive.__class__ is float and not math.isfinite(primitive):
        return None
    write = get_member(this, "toISOString")
    if not isinstance(write, JSCallable):
        throw("TypeError", "toISOString is not a function")
    return call_on(write, this)


@method("Date.prototype.toString", 0)
def date_to_string(this: Value, *_: Value) -> str:
    time = _date(this, "toString").time
    if time != time:
        return "Invalid Date"
    return f"{_date_words(time)} {_time_words(time)}"


@method("Date.prototype.toDateString", 0)
def to_date_string(this: Value, *_: Value) -> str:
    time = _date(this, "toDateString").time
    return "Invalid Date" if time != time else _date_words(time)


@method("Date.prototype.toTimeString", 0)
def to_time_string(this: Value, *_: Value) -> str:
    time = _date(this, "toTimeString").time
    return "Invalid Date" if time != time else _time_words(time)


@method("Date.prototype.toUTCString", 0)
def to_utc_string(this: Value, *_: Value) -> str:
    time = _date(this, "toUTCString").time
    if time != time:
        return "Invalid Date"
    at = fields_of(time)
    return (
        f"{_DAYS[at.weekday]}, {at.day:02} {_MONTHS[at.month]} {_year_words(at.year)}"
        f" {at.hour:02}:{at.minute:02}:{at.second:02} GMT"
    )


def fields_of(time: float) -> Fields:
    """A valid time's parts."""
    charge_steps(_DATE_STEPS)
    days, rest = divmod(int(time), DAY_MS)
    weekday = (days + 4) % 7
    # The year from the era of 400 years that begins on 1 March 0000.
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 2 if shifted < 10 else shifted - 10
    year = year_of_era + era * 400 + (1 if month < 2 else 0)
    seconds, millisecond = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    return Fields(year, month, day, hour, minute, second, millisecond, weekday)


def iso_text(time: float) -> str:
    """A valid time as `toISOString` writes it."""
    at = fields_of(time)
    if 0 <= at.year <= 9999:
        year = f"{at.year:04}"
    else:
        year = f"{'-' if at.year < 0 else '+'}{abs(at.year):06}"
    return (
        f"{year}-{at.month + 1:02}-{at.day:02}"
        f"T{at.hour:02}:{at.minute:02}:{at.second:02}.{at.millisecond:03}Z"
    )


def parse_date(text: str) -> float:
    """The time a text means: ISO 8601 as the standard has it, or what `toString` writes."""
    found = _ISO.fullmatch(text)
    if found is not None:
        return _from_iso(found)
    found = _WORDS.fullmatch(text)
    return math.nan if found is None else _from_words(found)


def _from_iso(found: re.Match[str]) -> float:
    if found["year"] == "-000000" or (found["zone"] and not found["hour"]):
        return math.nan
    month, day = int(found["month"] or 1), int(found["day"] or 1)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    millisecond = int(((found["fraction"] or "") + "000")[:3])
    if not (1 <= month <= 12 and 1 <= day <= 31 and _is_time(hour, minute, second, millisecond)):
        return math.nan
    offset = _offset(found["zone"].replace(":", "")) if found["zone"] not in (None, "Z") else 0
    if offset is None:
        return math.nan
    days = _days_from_civil(int(found["year"]), month - 1) + day - 1
    time = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + millisecond
    return _clip(float(time - offset))


def _from_words(found: re.Match[str]) -> float:
    name = found["month"] or found["month2"]
    day = int(found["day"] or found["day2"])
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    offset = _offset(found["zone"] or "+0000")
    if name not in _MONTHS or not 1 <= day <= 31 or offset is None:
        return math.nan
    if not _is_time(hour, minute, second, 0):
        return math.nan
    days = _days_from_civil(int(found["year"]), _MONTHS.index(name)) + day - 1
    return _clip(float(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 - offset))


def _is_time(hour: int, minute: int, second: int, millisecond: int) -> bool:
    if hour == 24:
        return minute == second == millisecond == 0
    return hour < 24 and minute < 60 and second < 60


def _offset(zone: str) -> int | None:
    """Milliseconds east of UTC of `+hhmm`, None when there is no such zone."""
    hours, minutes = int(zone[1:3]), int(zone[3:5])
    if hours > 23 or minutes > 59:
        return None
    return (-1 if zone[0] == "-" else 1) * (hours * 60 + minutes) * 60_000


def _days_from_civil(year: int, month: int) -> int:
    """Days from 1970 to the first of a month (from 0), in the calendar that knows no end."""
    leaps = (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400 - 477
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 365 * (year - 1970) + leaps + _DAYS_BEFORE[month] + (1 if is_leap and month > 1 else 0)


def _make_day(year: float, month: float, day: float) -> float:
    """MakeDay: days since 1970, NaN when no number of days could be meant."""
    if not (math.isfinite(year) and math.isfinite(month) and math.isfinite(day)):
        return math.nan
    whole_year = math.trunc(year) + math.trunc(month) // 12
    if abs(whole_year) > 400_000:
        return math.nan
    return _days_from_civil(whole_year, math.trunc(month) % 12) + float(math.trunc(day)) - 1.0


def _make_time(hour: float, minute: float, second: float, millisecond: float) -> float:
    """MakeTime: milliseconds, which may be beyond a day."""
    parts = (hour, minute, second, millisecond)
    if not all(math.isfinite(part) for part in parts):
        return math.nan
    hour, minute, second, millisecond = (float(math.trunc(part)) for part in parts)
    return hour * 3_600_000.0 + minute * 60_000.0 + second * 1000.0 + millisecond


def _clip(time: float) -> float:
    """TimeClip: whole milliseconds within the range, else NaN."""
    return float(math.trunc(time)) + 0.0 if abs(time) <= MAX_TIME else math.nan


def _from_parts(args: tuple[Value, ...]) -> float:
    """Year, month and so on as arguments; a year from 0 to 99 means 1900 and later."""
    numbers = [to_number(arg) for arg in args[:7]]
    year, month, day, hour, minute, second, millisecond = (
        numbers + [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0][len(numbers) :]
    )
    if math.isfinite(year) and 0 <= math.trunc(year) <= 99:
        year = 1900.0 + math.trunc(year)
    days = _make_day(year, month, day)
    return days * DAY_MS + _make_time(hour, minute, second, millisecond)


def _date_words(time: float) -> str:
    at = fields_of(time)
    return f"{_DAYS[at.weekday]} {_MONTHS[at.month]} {at.day:02} {_year_words(at.year)}"


def _time_words(time: float) -> str:
    at = fields_of(time)
    clock = f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return f"{clock} GMT+0000 (Coordinated Universal Time)"


def _year_words(year: int) -> str:
    return f"{year:04}" if year >= 0 else f"-{-year:04}"


def _date(this: Value, name: str) -> JSDate:
    if not isinstance(this, JSDate):
        what = "something else" if is_object(this) else to_string(this)
        throw("TypeError", f"Date.prototype.{name} was called on {what}")
    return this


def _register_getter(name: str, field: str) -> None:
    def get(this: Value, *_: Value) -> float:
        time = _date(this, f"get{name}").time
        return time if time != time else float(getattr(fields_of(time), field))

    method(f"Date.prototype.get{name}", 0)(get)
    method(f"Date.prototype.getUTC{name}", 0)(get)


for _name, _field in (
    ("Date", "day"),
    ("Day", "weekday"),
    ("FullYear", "year"),
    ("Hours", "hour"),
    ("Milliseconds", "millisecond"),
    ("Minutes", "minute"),
    ("Month", "month"),
    ("Seconds", "second"),
):
    _register_getter(_name, _field)


def _register_setter(name: str, fields: tuple[str, ...]) -> None:
    """A setter takes its field and, left out or not, the finer ones after it."""

    def set_(this: Value, *args: Value) -> float:
        date = _date(this, f"set{name}")
        charge_steps(_DATE_STEPS)
        given = [to_number(arg) for arg in args[: len(fields)]] or [math.nan]
        time = date.time
        if time != time:
            if name != "FullYear":
                return math.nan
            time = 0.0
        parts = {name: float(part) for name, part in fields_of(time)._asdict().items()}
        parts.update(zip(fields, given, strict=False))
        days = _make_day(parts["year"], parts["month"], parts["day"])
        clock = _make_time(parts["hour"], parts["minute"], parts["second"], parts["millisecond"])
        date.time = _clip(days * DAY_MS + clock)
        return date.time

    method(f"Date.prototype.set{name}", len(fields))(set_)
    method(f"Date.prototype.setUTC{name}", len(fields))(set_)


_SETTERS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Date", ("day",)),
    ("FullYear", ("year", "month", "day")),
    ("Hours", ("hour", "minute", "second", "millisecond")),
    ("Milliseconds", ("millisecond",)),
    ("Minutes", ("minute", "second", "millisecond")),
    ("Month", ("month", "day")),
    ("Seconds", ("second", "millisecond")),
)
for _name, _fields in _SETTERS:
    _register_setter(_name, _fields)
