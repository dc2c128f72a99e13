"""Encrypt the parts of a backup with AES-256-GCM.

Chunks are encrypted one after the other, so that memory stays small.

A file is MAGIC, a salt, and the encrypted chunks. The key of the file is derived from the salt and the backup key. The nonce
of a chunk is its number and whether it is the last one, so chunks cannot be reordered, repeated or cut off.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from billing_admin.domain.errors import Invalid

CHUNK: Final = 1 << 20  # bytes
MAGIC: Final = b"billing-backup-1"
_SALT_BYTES, _TAG_BYTES = 16, 16


def read_chunks(source: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    """Yield the bytes of a stream in chunks of one size; the last one may be shorter."""
    while chunk := source.read(size):
        yield chunk


def encrypt(source: BinaryIO, key: str, context: str) -> Iterator[bytes]:
    """Yield the encrypted form of a stream.

    `context` names the content: decryption needs the same one, so that files cannot be exchanged.
    """
    salt = os.urandom(_SALT_BYTES)
    cipher = _cipher(key, salt)
    yield MAGIC + salt
    for nonce, chunk in _numbered(read_chunks(source)):
        yield cipher.encrypt(nonce, chunk, context.encode())


def decrypt(source: BinaryIO, key: str, context: str) -> Iterator[bytes]:
    """Yield the content of an encrypted stream.

    Raises:
        Invalid: The key is another one, or the stream was changed or cut off.
    """
    if source.read(len(MAGIC)) != MAGIC:
        raise Invalid("not_encrypted", f"The part “{context}” is not an encrypted part of a backup.")
    cipher = _cipher(key, source.read(_SALT_BYTES))
    for nonce, chunk in _numbered(read_chunks(source, CHUNK + _TAG_BYTES)):
        try:
            yield cipher.decrypt(nonce, chunk, context.encode())
        except InvalidTag:
            raise Invalid(
                "wrong_key",
                f"The part “{context}” cannot be decrypted: BILLING_BACKUP_KEY is another key, or it was changed.",
            ) from None


def _cipher(key: str, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"billing-admin backup").derive(key.encode()))


def _numbered(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk with its nonce; without chunks, an empty last one."""
    number, chunk = 0, next(chunks, b"")
    for following in chunks:
        yield number.to_bytes(11) + b"\0", chunk
        number, chunk = number + 1, following
    yield number.to_bytes(11) + b"\1", chunk
