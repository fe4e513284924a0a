"""Users' values on their way into and out of a history: JSON values, as msgpack bytes.

What JSON or JavaScript could not carry unchanged is refused here, naming the path to the value,
so that what a workflow reads is what was written. Nothing else in Rhythm encodes users' data.
"""

import dataclasses
import enum
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from rhythm.errors import InvalidPayload, PayloadTooLarge

MAX_INTEGER = 2**53
"""Numbers are IEEE doubles in a workflow: from here on neighbours become equal."""

MAX_DEPTH = 200
"""Levels of nesting. Both ends recurse over values; data this deep is nearly always a cycle."""

DEFAULT_LIMIT = 1024 * 1024
"""Bytes of one encoded value. Every replay reads it again, and Redis keeps it in memory."""

MESSAGE_BYTES = 16 * 1024
"""Of an error's text so much is kept: it is listed, and told to every parent, with the error."""

_TOO_DEEP = f"nests deeper than {MAX_DEPTH} levels, or contains itself"

# Of a path in a message: enough to find the place by, short enough for a line or two.
_SHOWN_STEPS, _SHOWN_KEY = 12, 64

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

# What to do with the values that are handed in most often and are no JSON.
_REMEDIES: Mapping[str, str] = {
    "datetime": "pass value.isoformat()",
    "date": "pass value.isoformat()",
    "time": "pass value.isoformat()",
    "timedelta": "pass value.total_seconds()",
    "UUID": "pass str(value)",
    "Decimal": "pass str(value), or float(value) if rounding is fine",
    "Path": "pass str(value)",
    "PosixPath": "pass str(value)",
    "bytes": "pass text, for example base64",
    "bytearray": "pass text, for example base64",
    "set": "pass a list",
    "frozenset": "pass a list",
}


def encode_payload(value: object, path: str, limit: int = DEFAULT_LIMIT) -> bytes:
    """The msgpack of a JSON value.

    Args:
        path: what the value is called in errors, such as `inputs`.
        limit: bytes that the result may have.

    Raises:
        InvalidPayload: some part is no JSON; it names the path to that part.
        PayloadTooLarge: it takes more than `limit` bytes.
    """
    check_payload(value, path)
    encoded = msgspec.msgpack.encode(value)
    if len(encoded) > limit:
        raise PayloadTooLarge(path, len(encoded), limit)
    return encoded


def decode_payload(encoded: bytes) -> Any:
    """What `encode_payload` was given, with tuples as lists and enum members as their values."""
    return msgspec.msgpack.decode(encoded)


def check_payload(value: object, path: str) -> None:
    """Refuse what JSON cannot carry unchanged.

    JSON are dicts with text as keys, lists, tuples, text, bool, None, finite floats and ints up to
    2^53 either way; a member of a str or int enum counts as its value.

    Raises:
        InvalidPayload: names the path to the first value that is something else.
    """
    try:
        _walk(value, MAX_DEPTH)
    except _Unfit as unfit:
        raise InvalidPayload(path + unfit.path(), unfit.reason) from None


def to_payload(value: object, path: str) -> Any:
    """The JSON value that msgspec makes of `value`, for what a task returns.

    Dataclasses, msgspec and attrs objects become dicts, sets and tuples lists; dates, UUIDs,
    decimals and bytes become text as msgspec writes them.

    Raises:
        InvalidPayload: names the path to what msgspec cannot encode or JSON cannot carry.
    """
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unencodable(value, path, error) from error
    check_payload(plain, path)
    return plain


def shortened(message: str) -> str:
    """An error's text, as far as it is kept."""
    return message.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore")


def kind_of(value: object) -> str:
    """What to call a value in a sentence, without showing it: `None`, `a list`, `an int`."""
    if value is None:
        return "None"
    if isinstance(value, bytes):
        return "bytes"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIO' else 'a'} {name}"


def step_into(key: str | int) -> str:
    """One step of a path: `.price`, `["unit price"]`, `[3]`."""
    if isinstance(key, int):
        return f"[{key}]"
    if len(key) > _SHOWN_KEY:
        key = f"{key[:_SHOWN_KEY]}…"
    if _IDENTIFIER.fullmatch(key):
        return f".{key}"
    return f"[{msgspec.json.encode(key.encode('utf-8', 'replace').decode()).decode()}]"


class _Unfit(Exception):
    """A value is no JSON. The path is collected on the way out, so that good values pay nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str | int] = []

    def path(self) -> str:
        steps = [step_into(step) for step in reversed(self.steps)]
        if len(steps) > _SHOWN_STEPS:
            steps[_SHOWN_STEPS // 2 : -_SHOWN_STEPS // 2] = ["…"]
        return "".join(steps)


def _walk(value: object, depth: int) -> None:
    kind = type(value)
    if kind is str:
        _check_text(value)  # type: ignore[arg-type]  # its type was just looked at
    elif value is None or kind is bool:
        pass
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]  # as above
            raise _Unfit("an int beyond 2^53 would be rounded in a workflow; pass it as text")
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # as above
            raise _Unfit(f"JSON has no {value}; pass None or text")
    elif isinstance(value, dict):
        _walk_object(value, depth)
    elif kind is list or kind is tuple:
        _walk_array(value, depth)  # type: ignore[arg-type]  # as above
    elif isinstance(value, enum.Enum) and isinstance(value, str | int):
        _walk(value.value, depth)
    else:
        raise _Unfit(_no_json(value))


def _walk_object(value: dict[object, object], depth: int) -> None:
    _check_depth(depth)
    for key, item in value.items():
        if type(key) is not str and not (isinstance(key, str) and isinstance(key, enum.Enum)):
            raise _Unfit(f"has {kind_of(key)} as a key; keys of JSON objects are text")
        try:
            _check_text(key)
            _walk(item, depth - 1)
        except _Unfit as unfit:
            unfit.steps.append(str(key))
            raise


def _walk_array(value: list[object] | tuple[object, ...], depth: int) -> None:
    _check_depth(depth)
    for index, item in enumerate(value):
        try:
            _walk(item, depth - 1)
        except _Unfit as unfit:
            unfit.steps.append(index)
            raise


def _check_depth(depth: int) -> None:
    if depth == 0:
        raise _Unfit(_TOO_DEEP)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unfit("has half a surrogate pair, which UTF-8 cannot carry") from None


def _no_json(value: object) -> str:
    name = type(value).__name__
    remedy = _REMEDIES.get(name)
    if remedy is None:
        if isinstance(value, enum.Enum):
            remedy = "pass value.value"
        elif isinstance(value, str | int | float | list | tuple):
            plain = next(
                base for base in (str, int, float, list, tuple) if isinstance(value, base)
            ).__name__
            remedy = f"pass {plain}(value)"
        elif isinstance(value, Mapping):
            remedy = "pass dict(value)"
        elif dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
            remedy = "pass msgspec.to_builtins(value)"
        else:
            remedy = "pass dicts, lists, text, numbers, booleans and None"
    return f"{kind_of(value)} is no JSON value; {remedy}"


def _unencodable(value: object, path: str, error: Exception) -> InvalidPayload:
    """Say where in `value` the part is that msgspec refused with `error`."""
    if isinstance(error, RecursionError):
        return InvalidPayload(path, _TOO_DEEP)
    for step, part in _parts(value):
        try:
            msgspec.to_builtins(part, str_keys=True)
        except (TypeError, ValueError, RecursionError) as inner:
            return _unencodable(part, path + step_into(step), inner)
    return InvalidPayload(
        path,
        f"{kind_of(value)} is nothing that msgspec can encode; return JSON values, dataclasses, "
        "msgspec structs, dates, UUIDs, decimals, enums or bytes",
    )


def _parts(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from enumerate(value)
    elif isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
