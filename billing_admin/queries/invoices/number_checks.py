"""The checks of VAT numbers and Leitweg-IDs that readiness asks for.

`formats.party_numbers` is above this package, but reads no rows: it knows the rules of countries.
"""

import re
from functools import lru_cache
from typing import Final

from billing_admin.domain.readiness import NumberChecks
from billing_admin.formats.party_numbers import NumberCheck, check_leitweg_id, check_vat_number

# Other buyer references are allowed as well, so only texts of this form are checked.
_LEITWEG_ID: Final = re.compile(r"[0-9]{2,12}(-[0-9A-Za-z]{0,30})?-[0-9]{2}", re.ASCII)


def check_numbers(seller_tax_id: str, buyer_tax_id: str, buyer_reference: str) -> NumberChecks:
    """Check the numbers of a document."""
    seller, buyer = _check_vat_number(seller_tax_id), _check_vat_number(buyer_tax_id)
    is_leitweg_id = _LEITWEG_ID.fullmatch(buyer_reference.strip())
    leitweg_problem = check_leitweg_id(buyer_reference).problem if is_leitweg_id else ""
    return NumberChecks(seller.number, seller.problem, buyer.number, buyer.problem, leitweg_problem)


# A check takes up to 50 µs, and a run needs each number for its plan and for the issue.
@lru_cache(maxsize=4096)
def _check_vat_number(tax_id: str) -> NumberCheck:
    return check_vat_number(tax_id)
