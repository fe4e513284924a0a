"""Which codecs an application uses: those it was given, or those its settings ask for."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final

from rhythm.codecs.compression import Compression
from rhythm.codecs.encryption import Encryption
from rhythm.errors import ConfigurationError
from rhythm.payloads import kind_of
from rhythm.settings import Settings
from streams.sealing import PayloadCodec

_NAME: Final = re.compile(r"[!-~]{1,32}")


def check_codecs(codecs: Iterable[PayloadCodec]) -> tuple[PayloadCodec, ...]:
    """The codecs, once it is clear that they can be used.

    Raises:
        ConfigurationError: one that is no codec, or two of one name.
    """
    found = tuple(codecs)
    for codec in found:
        name = getattr(codec, "name", None)
        can = all(callable(getattr(codec, method, None)) for method in ("encode", "decode"))
        if not can or not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{kind_of(codec)} is no payload codec",
                "give an object with a name of 1 to 32 ASCII characters, encode and decode",
            )
    names = [codec.name for codec in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"two codecs are named {name!r}", "give each of them once")
    return found


def codecs_of(settings: Settings) -> tuple[PayloadCodec, ...]:
    """What settings ask for: compression first, since what is encrypted gets no smaller.

    Raises:
        ConfigurationError: a library is missing, or keys cannot be read.
    """
    codecs: list[PayloadCodec] = []
    if settings.compression:
        codecs.append(Compression())
    if settings.encryption_keys is not None:
        codecs.append(Encryption(_keys(settings.encryption_keys)))
    return tuple(codecs)


def _keys(text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for position, word in enumerate(text.split(), start=1):
        id_, colon, encoded = word.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not (id_ and colon and key):
            # What was given is not shown: it may be most of a key.
            raise ConfigurationError(
                f"encryption_keys: word {position} is no key",
                "write ID:BASE64, several with spaces between them; the last one encrypts",
            )
        keys[id_] = key
    return keys
