"""The choices of countries and schemes, which the forms of both parties have."""

from billing_admin.domain.parties import SCHEME_NAMES
from billing_admin.domain.translation import Phrase
from billing_admin.formats.code_lists import CodeList, codes, country_names
from billing_admin.web.frame.languages import language_in_use


def country_choices() -> dict[str, str]:
    """Return the codes of countries with their names, in the order of the names."""
    return {"": "–"} | dict(country_names(language_in_use()))


def scheme_choices(code_list: CodeList) -> dict[str, str]:
    """Return the codes of schemes with their names, the named ones first."""
    listed = codes(code_list)
    named = {
        code: Phrase("{code} – {name}", code=code, name=name) for code, name in SCHEME_NAMES.items() if code in listed
    }
    return {"": "–"} | named | {code: code for code in sorted(listed - named.keys())}


def scheme_name(code: str) -> str:
    """Return the code of a scheme with its name, if it is one of the usual schemes."""
    return Phrase("{code}, {name}", code=code, name=SCHEME_NAMES[code]) if code in SCHEME_NAMES else code
