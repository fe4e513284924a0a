"""Payloads encrypted with AES-GCM. The one module that knows the library.

What is stored is the key's id, a nonce drawn for this payload, and the ciphertext with its tag. Key
id and namespace are authenticated with it: a payload cannot be moved to another namespace. It is
not bound to one execution, since the store itself copies what a child gave into the history of its
parent, where nobody could encrypt it anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from rhythm.errors import ConfigurationError, quoted

NONCE_BYTES: Final = 12
"""What AES-GCM is made for. Drawn at random, 2^32 payloads are safe under one key: rotate it."""

KEY_BYTES: Final = (16, 24, 32)


class Encryption:
    """Encrypts all payloads. Needs ``pip install 'rhythm-flow[aes]'``.

    Args:
        keys: 16, 24 or 32 random bytes each, by an id that stays readable. All of them decrypt.
        current: the id of the key that encrypts; by default the last one's. To rotate, give
            every process the new key first, and make it current then. A key can go when nothing
            that it encrypted is kept any more.

    Raises:
        ConfigurationError: the library is missing, or a key cannot be one.
    """

    name = "aes-gcm"

    def __init__(self, keys: Mapping[str, bytes], current: str | None = None) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise ConfigurationError(
                "encryption needs the library cryptography", "pip install 'rhythm-flow[aes]'"
            ) from error
        if not keys:
            raise ConfigurationError("encryption needs a key", "give {'an id': os.urandom(32)}")
        for id_, key in keys.items():
            if not (0 < len(id_) <= 64 and id_.isascii() and id_.isprintable()):
                raise ConfigurationError(
                    f"the key id {quoted(id_)} cannot be", "give 1 to 64 ASCII characters"
                )
            if len(key) not in KEY_BYTES:
                raise ConfigurationError(
                    f"key {quoted(id_)} has {len(key)} bytes", "give 16, 24 or 32: os.urandom(32)"
                )
        self._current = [*keys][-1] if current is None else current
        if self._current not in keys:
            raise ConfigurationError(
                f"there is no key {quoted(self._current)}", f"the ids are {', '.join(keys)}"
            )
        self._keys = {id_: AESGCM(key) for id_, key in keys.items()}

    def __repr__(self) -> str:
        return f"Encryption(keys: {', '.join(self._keys)}; current: {self._current})"

    def encode(self, payload: bytes, namespace: str) -> bytes:
        """The payload encrypted with the current key."""
        header = _header(self._current)
        nonce = os.urandom(NONCE_BYTES)
        bound_to = header + namespace.encode()
        return header + nonce + self._keys[self._current].encrypt(nonce, payload, bound_to)

    def decode(self, encoded: bytes, namespace: str) -> bytes:
        """The payload.

        Raises:
            ValueError: its key is not among those given, or it was changed or moved.
        """
        from cryptography.exceptions import InvalidTag

        size = encoded[0] if encoded else 0
        id_ = encoded[1 : 1 + size].decode("ascii", "replace")
        key = self._keys.get(id_)
        if key is None:
            raise ValueError(f"its key {quoted(id_)} is not among those given")
        header, rest = encoded[: 1 + size], encoded[1 + size :]
        nonce, ciphertext = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        try:
            return key.decrypt(nonce, ciphertext, header + namespace.encode())
        except InvalidTag:
            raise ValueError(
                f"it is not what key {quoted(id_)} encrypted for this namespace"
            ) from None


def _header(key_id: str) -> bytes:
    return bytes([len(key_id)]) + key_id.encode("ascii")
