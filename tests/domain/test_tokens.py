"""API tokens: their form, their checksum, and what is stored of them."""

import zlib

import pytest

from billing_admin.domain.tokens import ALPHABET, digest, is_well_formed, visible_prefix, with_checksum

TOKEN = with_checksum("0" * 22)


def test_the_checksum_is_the_crc_32_in_base_62() -> None:
    number, digits = zlib.crc32(("bil_" + "0" * 22).encode()), TOKEN[-6:]
    assert sum(ALPHABET.index(digit) * 62**power for power, digit in enumerate(reversed(digits))) == number
    assert (len(TOKEN), TOKEN[:26]) == (32, "bil_" + "0" * 22)


@pytest.mark.parametrize(
    "text",
    ["", "bil_", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "bil-" + TOKEN[4:], TOKEN[:-1] + "\u0661", TOKEN + "\n"],
)
def test_other_texts_are_not_well_formed(text: str) -> None:
    assert is_well_formed(TOKEN)
    assert not is_well_formed(text)


@pytest.mark.parametrize("position", range(4, 32))
def test_one_wrong_character_is_noticed(position: int) -> None:
    other = "1" if TOKEN[position] != "1" else "2"
    assert not is_well_formed(TOKEN[:position] + other + TOKEN[position + 1 :])


def test_only_a_hash_and_a_prefix_identify_it() -> None:
    assert visible_prefix(TOKEN) == "bil_0000"
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
