"""VATEX codes, by which e-invoices say why no tax is charged (BT-121).

The list of all codes comes from `formats.code_lists`.
"""

import re
from collections.abc import Mapping, Set as AbstractSet
from difflib import get_close_matches
from typing import Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import either

# The code of each category that has one of its own. A code of an exempt rate (E) is chosen, or left out.
VATEX_BY_CATEGORY: Final[Mapping[str, str]] = {
    "AE": "VATEX-EU-AE",
    "G": "VATEX-EU-G",
    "K": "VATEX-EU-IC",
    "O": "VATEX-EU-O",
}
EXEMPT: Final = "E"
_NOT_EXEMPT: Final = frozenset({*VATEX_BY_CATEGORY.values(), "VATEX-FR-AE"})
_LONGEST_QUOTED: Final = 40

_LABELS: Final[Mapping[str, str]] = {
    "VATEX-EU-AE": Phrase("Reverse charge"),
    "VATEX-EU-D": Phrase("Travel agents"),
    "VATEX-EU-F": Phrase("Used goods"),
    "VATEX-EU-G": Phrase("Export outside the EU"),
    "VATEX-EU-I": Phrase("Works of art"),
    "VATEX-EU-IC": Phrase("Intra-community supply"),
    "VATEX-EU-J": Phrase("Collectors’ items and antiques"),
    "VATEX-EU-O": Phrase("Not subject to tax"),
    "VATEX-FR-AE": Phrase("France: reverse charge"),
    "VATEX-FR-CNWVAT": Phrase("France: credit note without VAT"),
    "VATEX-FR-FRANCHISE": Phrase("France: small businesses"),
}
# `VATEX-EU-143-1FA` is article 143, paragraph 1, point (fa) of the VAT directive.
_ARTICLE = re.compile(r"VATEX-EU-([0-9]+)(?:-([0-9]*)([A-Z]*))?")
_FRENCH = re.compile(r"VATEX-FR-(?:CGI)?(.+)")


def exempt_codes(codes: AbstractSet[str]) -> list[str]:
    """Return the codes that an exempt rate may have, those of the EU first."""
    return sorted(codes - _NOT_EXEMPT)


def vatex_label(code: str) -> str:
    """Return the meaning of a code in words."""
    if code in _LABELS:
        return _LABELS[code]
    if article := _ARTICLE.fullmatch(code):
        number, paragraph, point = article.groups()
        parts = (f"({paragraph})" if paragraph else "") + (f"({point.lower()})" if point else "")
        return Phrase("VAT directive, article {number}{parts}", number=number, parts=parts)
    french = _FRENCH.fullmatch(code)
    return Phrase("France: tax code, article {french}", french=french[1]) if french else code


def vatex_of(category: str, chosen: str, codes: AbstractSet[str], field: str) -> str:
    """Return the code of a tax rate: the chosen one if exempt, else its category's.

    Raises:
        Invalid: Another code was chosen.
    """
    fixed = VATEX_BY_CATEGORY.get(category, "")
    if not chosen or chosen == fixed:
        return fixed
    if category == EXEMPT:
        return check_exempt_code(chosen, codes, field)
    message = (
        Phrase(
            "Leave this blank: a tax rate of category {category} has the code {code}.", category=category, code=fixed
        )
        if fixed
        else Phrase("Leave this blank: a tax rate of category {category} has no VATEX code.", category=category)
    )
    raise Invalid("other_vatex", message, field)


def check_exempt_code(code: str, codes: AbstractSet[str], field: str) -> str:
    """Return a code that an exempt rate may have, or an empty text.

    Raises:
        Invalid: The code is not in the list, or belongs to another category.
    """
    if not code or (code in codes and code not in _NOT_EXEMPT):
        return code
    quoted = code if len(code) <= _LONGEST_QUOTED else f"{code[:_LONGEST_QUOTED]}…"
    if code in codes:
        raise Invalid(
            "other_vatex",
            Phrase("{code} is not for exempt supplies. Use another code, or leave this blank.", code=code),
            field,
        )
    matches = get_close_matches(code[:_LONGEST_QUOTED].upper(), exempt_codes(codes))
    offered = either(*matches) if matches else Phrase("a code such as VATEX-EU-132-1C")
    raise Invalid(
        "unknown_vatex",
        Phrase("“{quoted}” is not a VATEX code. Use {offered}, or leave this blank.", quoted=quoted, offered=offered),
        field,
    )
