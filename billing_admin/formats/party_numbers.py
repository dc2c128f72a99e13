"""Numbers of companies and bank accounts, checked by the rules of their countries.

python-stdnum knows the rules; it is imported when the first number is checked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

_SEPARATORS = re.compile(r"[\s.,:/_\u2010-\u2015-]+")


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """The result of checking a number.

    `number` is the number without separators; it is empty if the number is wrong, or not of the kind. `problem` says
    how to correct a wrong number. `prefix` is the country code at the beginning of a VAT number.
    """

    number: str = ""
    problem: str = ""
    prefix: str = ""


# The VAT numbers that begin with a country code by law, and their shapes in words.
VAT_SHAPES: Final[Mapping[str, str]] = {
    "AT": "ATU and 8 digits",
    "BE": "BE and 10 digits",
    "BG": "BG and 9 or 10 digits",
    "CH": "CHE, 9 digits and MWST, TVA or IVA",
    "CY": "CY, 8 digits and a letter",
    "CZ": "CZ and 8 to 10 digits",
    "DE": "DE and 9 digits",
    "DK": "DK and 8 digits",
    "EE": "EE and 9 digits",
    "EL": "EL and 9 digits",
    "ES": "ES and 9 characters",
    "FI": "FI and 8 digits",
    "FR": "FR and 11 characters",
    "GB": "GB and 9 or 12 digits",
    "HR": "HR and 11 digits",
    "HU": "HU and 8 digits",
    "IE": "IE, 7 digits and 1 or 2 letters",
    "IT": "IT and 11 digits",
    "LT": "LT and 9 or 12 digits",
    "LU": "LU and 8 digits",
    "LV": "LV and 11 digits",
    "MT": "MT and 8 digits",
    "NL": "NL, 9 digits, B and 2 digits",
    "NO": "NO, 9 digits and MVA",
    "PL": "PL and 10 digits",
    "PT": "PT and 9 digits",
    "RO": "RO and 2 to 10 digits",
    "SE": "SE and 12 digits",
    "SI": "SI and 8 digits",
    "SK": "SK and 10 digits",
    "XI": "XI and 9 or 12 digits",
}
_DIGITS: Final = re.compile("[0-9]+", re.ASCII)
# The characters after the country code of a VAT number: a digit, except in these countries. Digits alone count as an
# incomplete VAT number everywhere.
_BEGINNINGS: Final[Mapping[str, str]] = {
    "AT": "U[0-9]",
    "CH": "E[0-9]",
    "ES": "[0-9A-Z][0-9]",
    "FR": "[0-9A-Z]{2}[0-9]",
    "GB": "[0-9]|GD[0-9]|HA[0-9]",
    "IE": "[0-9]",
}
_STDNUM_COUNTRIES: Final[Mapping[str, str]] = {"EL": "gr", "XI": "gb"}


def check_vat_number(tax_id: str) -> NumberCheck:
    """Check a tax ID that begins with a country code.

    Other tax IDs, such as `12/345/67890`, `HRB 12345` or `EIN 12-3456789`, are no VAT numbers: the result has neither
    a number nor a problem. Greek VAT numbers begin with `EL`, those of Northern Ireland with `XI`.
    """
    compact = _compact(tax_id)
    prefix, digits = compact[:2], compact[2:]
    begins_like_one = re.match(_BEGINNINGS.get(prefix, "[0-9]"), digits, re.ASCII) or _DIGITS.fullmatch(digits)
    modules = _vat_modules(prefix) if begins_like_one else []
    errors = [_error_of(module, text) for module in modules for text in (compact, digits)]
    # Some Mexican tax numbers begin like a VAT number: ESA010101AB1.
    if not errors or ("" not in errors and not _error_of(_stdnum("mx.rfc"), compact)):
        return NumberCheck()
    if prefix == "GR":
        return NumberCheck(problem=f"Greek VAT numbers begin with EL: enter EL{digits}.")
    if "" in errors:
        return NumberCheck(compact, prefix=prefix)
    if "InvalidChecksum" in errors:
        problem = "The check digits of this VAT number are wrong: look for a typing mistake."
    else:
        form = (
            f"Use {VAT_SHAPES[prefix]}."
            if prefix in VAT_SHAPES
            else f"VAT numbers that begin with {prefix} have another form."
        )
        problem = f"This VAT number is incomplete or has wrong characters. {form}"
    return NumberCheck(problem=f"{problem} If this is not a VAT number, leave out {prefix} at its beginning.")


def _vat_modules(prefix: str) -> list[Any]:
    if not prefix.isascii() or not prefix.isalpha():
        return []
    module = _stdnum("util").get_cc_module(_STDNUM_COUNTRIES.get(prefix, prefix.lower()), "vat")
    modules = [module] if module is not None else []
    if prefix == "CH":  # written without MWST by most companies
        modules.append(_stdnum("ch.uid"))
    if prefix == "NO":  # written without MVA by most companies
        modules.append(_stdnum("no.orgnr"))
    return modules


def check_iban(text: str) -> NumberCheck:
    """Check an IBAN: its country's length and form, and the check digits."""
    compact = _compact(text)
    if not _error_of(_stdnum("iban"), compact):
        return NumberCheck(compact)
    return NumberCheck(problem="This IBAN is incomplete or has a wrong character: copy it from a bank statement.")


def check_bic(text: str) -> NumberCheck:
    """Check the form of a BIC, of 8 or 11 characters."""
    compact = _compact(text)
    if not _error_of(_stdnum("bic"), compact):
        return NumberCheck(compact)
    return NumberCheck(problem="Use a BIC of 8 or 11 characters, such as COBADEFFXXX.")


def check_leitweg_id(text: str) -> NumberCheck:
    """Check a Leitweg-ID, the address of a German authority, with its check digits."""
    error = _error_of(_stdnum("de.leitweg"), text)
    if not error:
        return NumberCheck(text.strip().upper())
    if error == "InvalidChecksum":
        return NumberCheck(problem="The check digits of this Leitweg-ID are wrong: ask the customer for it.")
    return NumberCheck(problem="Use a Leitweg-ID such as 04011000-1234512345-06: ask the customer for it.")


# The schemes of ISO 6523 and EAS whose identifiers have check digits, with the module that knows them.
_SCHEMES: Final[Mapping[str, tuple[str, str]]] = {
    "0002": ("fr.siren", "a SIREN of 9 digits"),
    "0007": ("se.orgnr", "a Swedish organisation number of 10 digits"),
    "0009": ("fr.siret", "a SIRET of 14 digits"),
    "0088": ("ean", "a GLN of 13 digits"),
    "0151": ("au.abn", "an ABN of 11 digits"),
    "0184": ("dk.cvr", "a CVR number of 8 digits"),
    "0192": ("no.orgnr", "a Norwegian organisation number of 9 digits"),
    "0199": ("lei", "a LEI of 20 characters"),
    "0204": ("de.leitweg", "a Leitweg-ID such as 04011000-1234512345-06"),
    "0208": ("be.vat", "a Belgian enterprise number of 10 digits"),
    "0211": ("it.iva", "an Italian VAT number of 11 digits"),
    "9914": ("at.uid", "an Austrian VAT number, ATU and 8 digits"),
    "9925": ("be.vat", "a Belgian VAT number, BE and 10 digits"),
    "9930": ("de.vat", "a German VAT number, DE and 9 digits"),
    "9944": ("nl.btw", "a Dutch VAT number"),
    "9957": ("fr.tva", "a French VAT number"),
}
_LENGTHS: Final[Mapping[str, int]] = {"0002": 9, "0007": 10, "0088": 13, "0208": 10}
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


def check_scheme_identifier(scheme: str, identifier: str) -> NumberCheck:
    """Check a registration number or electronic address by its scheme.

    Identifiers of other schemes are accepted as they are.
    """
    text = identifier.strip()
    if scheme == "EM":
        if _EMAIL.fullmatch(text):
            return NumberCheck(text)
        return NumberCheck(problem="Enter an e-mail address such as billing@example.com, or choose another scheme.")
    if scheme not in _SCHEMES:
        return NumberCheck(text)
    name, noun = _SCHEMES[scheme]
    compact = text.upper() if scheme == "0204" else _compact(text)
    if not _error_of(_stdnum(name), compact) and len(compact) == _LENGTHS.get(scheme, len(compact)):
        return NumberCheck(compact)
    return NumberCheck(
        problem=f"Scheme {scheme} needs {noun} with correct check digits. Correct the number, or choose another scheme."
    )


def _compact(text: str) -> str:
    return _SEPARATORS.sub("", text).upper()


def _error_of(module: Any, text: str) -> str:
    """Return the name of stdnum's error, empty if the number is right."""
    if not text.isascii():  # stdnum takes digits of other scripts, which no portal does
        return "InvalidFormat"
    try:
        module.validate(text)
    except _stdnum("exceptions").ValidationError as error:
        return type(error).__name__
    return ""


def _stdnum(name: str) -> Any:
    """Return a module of python-stdnum, which takes too long to import at start."""
    return import_module(f"stdnum.{name}")
