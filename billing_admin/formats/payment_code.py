"""The QR code with which a bank's app fills in a transfer.

It is that of EPC069-12 (version 002, level M), for transfers in euro to an IBAN.
"""

from functools import lru_cache
from itertools import groupby
from typing import Any, Final

from billing_admin.domain.money import Money

MAX_NAME: Final = 70
MAX_TEXT: Final = 140
# The code holds 331 bytes: 51 of them are for the IBAN and the amount, 24 for the rest of its form.
MAX_NAME_BYTES: Final = 331 - MAX_TEXT - 51 - 24
MAX_AMOUNT: Final = 999_999_999_99  # cents
QUIET_ZONE: Final = 4  # modules
# Every mask is read alike. The library would try all eight, for four fifths of the time that a code takes.
MASK: Final = 0


# The page of a document and its PDF need the same code.
@lru_cache(maxsize=128)
def payment_code(name: str, iban: str, amount: int, currency: str, text: str) -> str | None:
    """Return the code as SVG, or None where the standard has none.

    `amount` is in minor units; `text` is what the transfer will say.
    """
    name, text = _fit(name, MAX_NAME, MAX_NAME_BYTES), _fit(text, MAX_TEXT, MAX_TEXT)
    if currency != "EUR" or not (iban and name and text) or not 1 <= amount <= MAX_AMOUNT:
        return None
    import segno  # noqa: PLC0415 - loaded on demand

    money = f"{currency}{Money(amount, currency).decimal}"
    lines = ("BCD", "002", "1", "SCT", "", name, "".join(iban.split()), money, "", "", text)
    return svg(segno.make_qr("\n".join(lines), error="m", boost_error=False, encoding="utf-8", mask=MASK).matrix)


def _fit(text: str, characters: int, bytes: int) -> str:
    """Return the beginning of a text, on one line.

    It has at most so many characters, and bytes in UTF-8.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:characters]
    return line.encode()[:bytes].decode(errors="ignore").strip()


def svg(modules: Any) -> str:
    """Return the dark modules as bars of one path, with the quiet zone around them."""
    size = len(modules) + 2 * QUIET_ZONE
    bars = []
    for y, row in enumerate(modules, QUIET_ZONE):
        x = QUIET_ZONE
        for is_dark, same in groupby(row):
            length = len(list(same))
            if is_dark:
                bars.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    path = "".join(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">'
        f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/><path d="{path}"/></svg>'
    )
