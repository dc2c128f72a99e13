"""Parts of backups: what was encrypted comes back, and no changed byte, chunk or order does."""

from io import BytesIO

import pytest

from billing_admin.backup import encryption
from billing_admin.backup.encryption import MAGIC, decrypt, encrypt
from billing_admin.domain.errors import Invalid

KEY, OTHER = "k" * 40, "o" * 40
HEAD = len(MAGIC) + 16


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "CHUNK", 10)
    monkeypatch.setattr(encryption.read_chunks, "__defaults__", (10,))


def encrypted(content: bytes, context: str = "part") -> bytes:
    return b"".join(encrypt(BytesIO(content), KEY, context))


def decrypted(content: bytes, key: str = KEY, context: str = "part") -> bytes:
    return b"".join(decrypt(BytesIO(content), key, context))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 21, 1000])
def test_the_content_comes_back(size: int) -> None:
    content = bytes(range(256)) * 4
    assert decrypted(encrypted(content[:size])) == content[:size]
    assert content[:size] == b"" or len(encrypted(content[:size])) > size


def test_the_same_content_is_encrypted_differently_each_time() -> None:
    assert encrypted(b"salary") != encrypted(b"salary")


def test_another_key_or_part_is_refused() -> None:
    with pytest.raises(Invalid, match="BILLING_BACKUP_KEY is another key"):
        decrypted(encrypted(b"content"), OTHER)
    with pytest.raises(Invalid, match="“other” cannot be decrypted"):
        decrypted(encrypted(b"content"), context="other")


def test_every_flipped_bit_is_refused() -> None:
    stored = encrypted(b"0123456789abcdef")
    for place in range(len(stored)):
        changed = bytearray(stored)
        changed[place] ^= 1
        with pytest.raises(Invalid):
            decrypted(bytes(changed))


def test_chunks_cannot_be_cut_off_repeated_or_exchanged() -> None:
    stored = encrypted(b"0123456789" * 3)
    head, chunks = stored[:HEAD], [stored[HEAD + 26 * n : HEAD + 26 * (n + 1)] for n in range(3)]
    assert decrypted(head + b"".join(chunks)) == b"0123456789" * 3
    for wrong in ([], chunks[:1], chunks[:2], chunks[1:], [chunks[1], chunks[0], chunks[2]], [*chunks, chunks[2]]):
        with pytest.raises(Invalid):
            decrypted(head + b"".join(wrong))
    with pytest.raises(Invalid, match="is not an encrypted part"):
        decrypted(b"plain text")
