"""The cryptography of KMS keys: AES-256-GCM throughout.

A key's material is stored wrapped by a key that is derived from the data directory's master key. A ciphertext blob
names the key that made it: one byte of version, the key's id (16 bytes), a nonce (12 bytes), then ciphertext and tag;
the encryption context and the head of the blob are authenticated with it.
"""

import hmac
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + 16
_LEAST_BYTES = _HEAD_BYTES + _NONCE_BYTES + 16


class InvalidCiphertext(Exception):
    """The blob is not ours, was changed, or was made with another encryption context."""


class WrongMasterKey(Exception):
    """Stored key material was wrapped by another master key, or its document was changed."""


class KeyWrapper:
    """Makes and opens the stored form of key material.

    Args:
        master: 32 bytes, the data directory's master key.
    """

    def __init__(self, master: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(master, b"sagesmith:kms-key", "sha256"))

    @classmethod
    def load(cls, keys: Path) -> "KeyWrapper":
        """The wrapper of a data directory, given its `keys` folder."""
        return cls((keys / "master.key").read_bytes())

    def create(self, arn: str) -> bytes:
        """New key material for the key with this ARN, wrapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, os.urandom(32), arn.encode())

    def open(self, wrapped: bytes, arn: str) -> "KeyMaterial":
        """
        Raises:
            WrongMasterKey: it was wrapped by another master key or for another key.
        """
        try:
            return KeyMaterial(self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], arn.encode()))
        except InvalidTag as error:
            raise WrongMasterKey(arn) from error


@dataclass(frozen=True, slots=True, repr=False)
class KeyMaterial:
    """A key in the open, in memory for the length of one request."""

    secret: bytes

    def encrypt(self, key_id: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """A ciphertext blob."""
        head, nonce = _VERSION + uuid.UUID(key_id).bytes, os.urandom(_NONCE_BYTES)
        return head + nonce + AESGCM(self.secret).encrypt(nonce, plaintext, head + _canonical(context))

    def decrypt(self, blob: bytes, context: Mapping[str, str]) -> bytes:
        """
        Raises:
            InvalidCiphertext: the blob or the context is not what was encrypted.
        """
        head, nonce = blob[:_HEAD_BYTES], blob[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        try:
            return AESGCM(self.secret).decrypt(nonce, blob[_HEAD_BYTES + _NONCE_BYTES :], head + _canonical(context))
        except InvalidTag as error:
            raise InvalidCiphertext from error


def key_id_of(blob: bytes) -> str:
    """The id of the key that made a ciphertext blob.

    Raises:
        InvalidCiphertext: it cannot be a blob of ours.
    """
    if len(blob) < _LEAST_BYTES or blob[:1] != _VERSION:
        raise InvalidCiphertext
    return str(uuid.UUID(bytes=blob[1:_HEAD_BYTES]))


def _canonical(context: Mapping[str, str]) -> bytes:
    return orjson.dumps(dict(context), option=orjson.OPT_SORT_KEYS)
