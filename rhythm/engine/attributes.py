"""The attributes by which executions are found: names with a text, a number, true or false. Pure.

They are stored readable, each value as its JSON text: as that it is compared, so that 3 and 3.0 are
the same and "3" is another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from flowlang.library.durable import ATTRIBUTE, ATTRIBUTE_TEXT, ATTRIBUTES_MOST
from rhythm.errors import InvalidRequest, number, quoted
from rhythm.payloads import kind_of

Attribute = str | int | float | bool


def check_attributes(given: object, argument: str = "attributes") -> dict[str, Attribute]:
    """The attributes as they are kept.

    Raises:
        InvalidRequest: naming the attribute that cannot be.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequest(argument, f"must be a dict of names and values, not {kind_of(given)}")
    if len(given) > ATTRIBUTES_MOST:
        raise InvalidRequest(argument, f"are {len(given)}, and {ATTRIBUTES_MOST} are the most")
    for key in given:
        if not isinstance(key, str) or not ATTRIBUTE.fullmatch(key):
            shown = quoted(key) if isinstance(key, str) else kind_of(key)
            raise InvalidRequest(
                argument,
                f"{shown} cannot be a name: 1 to 64 letters, digits and . _ - after a letter",
            )
    return {key: _checked(value, f"{argument}[{key!r}]") for key, value in given.items()}


def _checked(value: object, argument: str) -> Attribute:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) <= 2**53:  # also of nan
            raise InvalidRequest(argument, f"must be a number up to 2^53, is {number(value)}")
        return int(value) if value == int(value) else float(value)
    if not isinstance(value, str):
        raise InvalidRequest(argument, f"must be text, a number or a bool, not {kind_of(value)}")
    if len(value) > ATTRIBUTE_TEXT:
        raise InvalidRequest(
            argument, f"has {len(value):,} characters, it may have {ATTRIBUTE_TEXT}"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(argument, "is no text that can be written as UTF-8") from None
    return str.__str__(value)


def text_of(value: Any) -> str:
    """A value as it is stored and compared."""
    return msgspec.json.encode(value).decode()


def lines_of(attributes: Mapping[str, Attribute | None]) -> str:
    """Attributes as the store takes them, a line each: ``name=value``, or ``name=`` for none."""
    return "\n".join(
        f"{key}={'' if value is None else text_of(value)}" for key, value in attributes.items()
    )


def read_lines(lines: str) -> dict[str, Attribute]:
    """What `lines_of` was given.

    Raises:
        ValueError: it is not of this kind.
    """
    # Not splitlines(), which knows more ends of lines than the store.
    return dict(map(_read, filter(None, lines.split("\n"))))


def read_fields(facts: Mapping[str, str]) -> dict[str, Attribute]:
    """The attributes among the fields of a projection.

    Raises:
        ValueError: one is not of this kind.
    """
    return {
        name[1:]: msgspec.json.decode(value) for name, value in facts.items() if name[:1] == "@"
    }


def fields_of(attributes: Mapping[str, Attribute]) -> Iterator[tuple[str, str]]:
    """The fields of a projection that these attributes come to."""
    for key, value in attributes.items():
        yield f"@{key}", text_of(value)
    if attributes:
        yield "ab", "1"


def _read(line: str) -> tuple[str, Attribute]:
    key, equals, value = line.partition("=")
    if not equals:
        raise ValueError("an attribute has no value")
    return key, msgspec.json.decode(value)
