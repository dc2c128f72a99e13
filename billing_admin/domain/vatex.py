"""VATEX codes, by which e-invoices say why no tax is charged (BT-121).

The list of all codes comes from `formats.code_lists`.
"""

import re
from collections.abc import Mapping, Set as AbstractSet
from difflib import get_close_matches
from typing import Final

from billing_admin.domain.errors import Invalid

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
    "VATEX-EU-AE": "Reverse charge",
    "VATEX-EU-D": "Travel agents",
    "VATEX-EU-F": "Used goods",
    "VATEX-EU-G": "Export outside the EU",
    "VATEX-EU-I": "Works of art",
    "VATEX-EU-IC": "Intra-community supply",
    "VATEX-EU-J": "Collectors’ items and antiques",
    "VATEX-EU-O": "Not subject to tax",
    "VATEX-FR-AE": "France: reverse charge",
    "VATEX-FR-CNWVAT": "France: credit note without VAT",
    "VATEX-FR-FRANCHISE": "France: small businesses",
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
        return f"VAT directive, article {number}{parts}"
    french = _FRENCH.fullmatch(code)
    return f"France: tax code, article {french[1]}" if french else code


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
    has = f"has the code {fixed}" if fixed else "has no VATEX code"
    raise Invalid("other_vatex", f"Leave this blank: a tax rate of category {category} {has}.", field)


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
            "other_vatex", f"{code} is not for exempt supplies. Use another code, or leave this blank.", field
        )
    matches = get_close_matches(code[:_LONGEST_QUOTED].upper(), exempt_codes(codes))
    offered = " or ".join(matches) or "a code such as VATEX-EU-132-1C"
    raise Invalid("unknown_vatex", f"“{quoted}” is not a VATEX code. Use {offered}, or leave this blank.", field)
