"""Payloads compressed with Zstandard. The one module that knows the library."""

from __future__ import annotations

import threading
from typing import Final

from rhythm.errors import ConfigurationError

WORTH_IT: Final = 256
"""Bytes from which a payload is compressed: below, it rarely gets smaller by more than what tells
that it is compressed."""

LEVEL: Final = 3
"""Zstandard's own default: three times faster than Redis takes a payload in, and hardly larger."""

LARGEST: Final = 256 * 1024 * 1024
"""Bytes that a payload may have when it is unpacked: what claims more is no payload of ours."""


class Compression:
    """Compresses payloads that get smaller by it. Needs ``pip install 'rhythm-flow[zstd]'``.

    Args:
        above: bytes from which it is tried.
        level: 1 (fast) to 22 (small).

    Raises:
        ConfigurationError: the library is missing, or an argument cannot be.
    """

    name = "zstd"

    def __init__(self, above: int = WORTH_IT, level: int = LEVEL) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise ConfigurationError(
                "compression needs the library zstandard", "pip install 'rhythm-flow[zstd]'"
            ) from error
        if above < 0:
            raise ConfigurationError(f"above is {above}", "give bytes, 0 or more")
        if not 1 <= level <= 22:
            raise ConfigurationError(f"level is {level}", "give a number from 1 to 22")
        self._above, self._level, self._library = above, level, zstandard
        # Its objects are for one thread at a time, and leases are kept from a thread of their own.
        self._of_thread = threading.local()

    def encode(self, payload: bytes, namespace: str) -> bytes:
        """The payload compressed, or itself if it is small or gets no smaller."""
        if len(payload) < self._above:
            return payload
        compressor = getattr(self._of_thread, "compressor", None)
        if compressor is None:
            compressor = self._library.ZstdCompressor(level=self._level)
            self._of_thread.compressor = compressor
        compressed: bytes = compressor.compress(payload)
        return compressed if len(compressed) < len(payload) else payload

    def decode(self, encoded: bytes, namespace: str) -> bytes:
        """The payload.

        Raises:
            ValueError: it claims to be larger than any payload.
            zstandard.ZstdError: it is damaged.
        """
        if self._library.frame_content_size(encoded) > LARGEST:
            raise ValueError(f"it would take more than {LARGEST:,} bytes")
        payload: bytes = self._library.ZstdDecompressor().decompress(
            encoded, max_output_size=LARGEST, allow_extra_data=False
        )
        return payload
