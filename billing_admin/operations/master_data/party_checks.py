"""The checks of a party's details that need code lists or the rules of a country.

The organisation and customers share them. A value that is stored already is not checked again: it stays until it is
changed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from billing_admin.domain.errors import Problem
from billing_admin.domain.parties import check_completeness, check_scheme_pair
from billing_admin.domain.translation import Phrase
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.formats.party_numbers import check_scheme_identifier, check_vat_number

# Identifier → its scheme, and the list of the scheme's codes.
_SCHEMES = {
    "registration_id": ("registration_scheme", CodeList.REGISTRATION_SCHEMES),
    "electronic_address": ("electronic_scheme", CodeList.ELECTRONIC_SCHEMES),
}


def find_party_problems(values: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of the changed details of a party.

    `stored` is empty for a new party.
    """
    return [
        *find_address_problems(values, stored),
        *_find_vat_problems(values, stored),
        *(problem for identifier in _SCHEMES for problem in _find_identifier_problems(values, stored, identifier)),
    ]


def compact_identifiers(values: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with changed identifiers in the form that is checked.

    It has no separators, as networks require. `values` are without problems.
    """
    known = {**stored, **values}
    numbers: dict[str, str] = {}
    for identifier, (scheme, _) in _SCHEMES.items():
        if not known.get(scheme) or all(known.get(field) == stored.get(field) for field in (identifier, scheme)):
            continue
        number = check_scheme_identifier(known[scheme], known.get(identifier, "")).number
        if number:
            numbers[identifier] = number
    return {**values, **numbers}


def find_address_problems(values: Mapping[str, Any], stored: Mapping[str, Any], prefix: str = "") -> list[Problem]:
    """Return the problems of a changed address.

    `prefix` is that of its fields, such as `delivery_`.
    """
    field = f"{prefix}country"
    country = values[field]
    if country and country != stored.get(field) and country not in codes(CodeList.COUNTRIES):
        return [
            Problem(
                "unknown_country",
                Phrase("There is no country “{country}”. Use a code such as DE.", country=country),
                (field,),
            )
        ]
    return [problem for error in check_completeness(values, prefix) for problem in error.problems]


def _find_vat_problems(values: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Problem]:
    if values["tax_id"] != stored.get("tax_id"):
        result = check_vat_number(values["tax_id"])
        if result.problem:
            yield Problem("not_a_vat_number", result.problem, ("tax_id",))


def _find_identifier_problems(
    values: Mapping[str, Any], stored: Mapping[str, Any], identifier: str
) -> Iterator[Problem]:
    scheme, code_list = _SCHEMES[identifier]
    if (values[identifier], values[scheme]) == (stored.get(identifier), stored.get(scheme)):
        return
    incomplete = check_scheme_pair(values, identifier, scheme)
    yield from (problem for error in incomplete for problem in error.problems)
    if incomplete or not values[scheme]:
        return
    if values[scheme] not in codes(code_list):
        yield Problem(
            "unknown_scheme",
            Phrase("There is no scheme “{values}”. Choose one from the list.", values=values[scheme]),
            (scheme,),
        )
        return
    result = check_scheme_identifier(values[scheme], values[identifier])
    if result.problem:
        yield Problem("not_an_identifier", result.problem, (identifier,))
