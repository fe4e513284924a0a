"""Payloads on their way into the store and back: as they are, or through an application's codecs.

Everything that may hold users' data goes through here and nothing else does. A payload that went
through a codec begins with a byte that begins no msgpack value, and with the codec's name: so what
was stored before a codec was set stays readable, and so does what an earlier codec wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

logger = logging.getLogger("streams")

Change = Callable[[bytes], bytes]
"""`Sealing.seal` or `Sealing.open`."""

MARK: Final = b"\xc1"
"""What begins a payload that went through a codec: the one byte that msgpack never uses."""


class PayloadCodec(Protocol):
    """Turns payloads into what is stored, and back.

    Attributes:
        name: stored with each payload, to know who reads it: 1 to 32 ASCII characters, for ever.
    """

    name: str

    def encode(self, payload: bytes, namespace: str) -> bytes:
        """What is stored."""
        ...

    def decode(self, encoded: bytes, namespace: str) -> bytes:
        """What `encode` was given.

        Raises any exception if it cannot: whatever is to be read is then left as it is.
        """
        ...


class Sealing:
    """The codecs of one application, for one namespace.

    Args:
        codecs: in the order in which they encode; each may also only be there to decode.
    """

    def __init__(self, namespace: str, codecs: Sequence[PayloadCodec] = ()) -> None:
        self.codecs = tuple(codecs)
        self._namespace = namespace
        self._by_name = {codec.name.encode("ascii"): codec for codec in codecs}

    def seal(self, payload: bytes) -> bytes:
        """A payload as it is stored; an empty one stays empty."""
        if not payload:
            return payload
        for codec in self.codecs:
            encoded = codec.encode(payload, self._namespace)
            if encoded is not payload:
                name = codec.name.encode("ascii")
                payload = MARK + bytes([len(name)]) + name + encoded
        return payload

    def open(self, sealed: bytes) -> bytes:
        """The payload that was stored.

        One that cannot be read comes as it is: it concerns its own execution alone, and whoever
        decodes it there says so, with `codec_of`.
        """
        payload = sealed
        while payload[:1] == MARK:
            size = payload[1] if len(payload) > 1 else 0
            codec = self._by_name.get(payload[2 : 2 + size])
            if codec is None:
                return payload
            try:
                payload = codec.decode(payload[2 + size :], self._namespace)
            except Exception as error:
                logger.warning(
                    "codec %s cannot read a payload: %s", codec.name, error or type(error).__name__
                )
                return payload
        return payload


def codec_of(payload: bytes) -> str | None:
    """The codec that could not read a payload that `open` gave; None if it was read."""
    if payload[:1] != MARK:
        return None
    size = payload[1] if len(payload) > 1 else 0
    return payload[2 : 2 + size].decode("ascii", "replace")
