"""Unit codes of UN/ECE recommendations 20 and 21, by which e-invoices name units.

The list of all codes comes from `formats.code_lists`; the common ones have names here.
"""

from collections.abc import Mapping, Set as AbstractSet
from difflib import get_close_matches
from typing import Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import either

# The code of a line whose service has none.
DEFAULT_UNIT_CODE: Final = "C62"
_SHORTEST_WORD: Final = 4  # shorter texts are like too many words
_LONGEST_QUOTED: Final = 40

# Common units by code: the name, then other words for the unit, in the order in which pages offer them.
_UNITS: Final[Mapping[str, str]] = {
    "C62": "one, unit, units",
    "H87": "piece, pieces, pc, pcs, stück, stk, pièce, pieza",
    "HUR": "hour, hours, h, hr, hrs, stunde, stunden, std, heure, heures, hora, horas",
    "DAY": "day, days, d, tag, tage, jour, jours, día, días",
    "MON": "month, months, monat, monate, mois, mes, meses",
    "ANN": "year, years, jahr, jahre, an, année, año, años",
    "MIN": "minute, minutes, min, minuten, minuto, minutos",
    "SEC": "second, seconds, s, sekunde, sekunden, seconde, secondes, segundo, segundos",
    "WEE": "week, weeks, woche, wochen, semaine, semaines, semana, semanas",
    "QAN": "quarter of a year, quarter, quarters, quartal, quartale, trimestre",
    "SAN": "half-year, half year, halbjahr, semestre",
    "E49": "working day, working days, workday, arbeitstag, arbeitstage, personentag, pt",
    "LH": "labour hour, labour hours, labor hour, arbeitsstunde, arbeitsstunden",
    "KWH": "kilowatt hour, kilowatt-hour, kwh",
    "MWH": "megawatt hour, megawatt-hour, mwh",
    "KWT": "kilowatt, kw",
    "AD": "byte, bytes",
    "2P": "kilobyte, kilobytes, kb",
    "4L": "megabyte, megabytes, mb",
    "E34": "gigabyte, gigabytes, gb",
    "E35": "terabyte, terabytes, tb",
    "E36": "petabyte, petabytes, pb",
    "E64": "kibibyte, kibibytes, kib",
    "E63": "mebibyte, mebibytes, mib",
    "E62": "gibibyte, gibibytes, gib",
    "E61": "tebibyte, tebibytes, tib",
    "E60": "pebibyte, pebibytes, pib",
    "E48": "service unit, service units",
    "E51": "job, jobs",
    "E53": "test, tests",
    "E54": "trip, trips",
    "E55": "use, uses",
    "ACT": "activity, activities",
    "IE": "person, persons, people, user, users, seat, seats, benutzer, personne, persona",
    "MIL": "thousand, thousands, tausend, mille, mil",
    "MIO": "million, millions, millionen",
    "LS": "lump sum, flat rate, pauschale, pauschal, forfait",
    "P1": "percent, prozent, pourcent, por ciento",
    "SET": "set, sets",
    "PR": "pair, pairs, paar",
    "DZN": "dozen, dutzend",
    "KGM": "kilogram, kilograms, kg, kilogramm, kilogramme, kilogramo",
    "GRM": "gram, grams, g, gramm, gramme, gramo",
    "TNE": "tonne, tonnes, t",
    "LTR": "litre, litres, liter, l, litro",
    "MTR": "metre, metres, meter, m, mètre, metro",
    "KMT": "kilometre, kilometres, kilometer, km, kilomètre, kilómetro",
    "MTK": "square metre, square metres, m2, m²",
    "MTQ": "cubic metre, cubic metres, m3, m³",
    "XBX": "box, boxes, karton",
    "XPK": "package, packages, paket, pakete, paquet, paquete",
    "XPX": "pallet, pallets, palette",
}
_WORDS: Final = {code: words.split(", ") for code, words in _UNITS.items()}
COMMON_UNITS: Final[Mapping[str, str]] = {code: words[0] for code, words in _WORDS.items()}
_CODES_BY_WORD: Final = {word: code for code, words in _WORDS.items() for word in words}
# Codes that look like words for another unit.
_MISLEADING_UNITS: Final[Mapping[str, str]] = {
    "GB": "gallon (US) per day",
    "KB": "kilocharacter",
    "KW": "kilogram per millimetre",
    "STK": "cigarette",
}


def unit_code_of(text: str) -> str | None:
    """Return the code of a common unit by one of its names, None without one."""
    return _CODES_BY_WORD.get(" ".join(text.split()).casefold().rstrip("."))


def unit_label(code: str) -> str:
    """Return a code with the name of its unit, if it has one: `HUR (hour)`."""
    name = COMMON_UNITS.get(code) or _MISLEADING_UNITS.get(code)
    return f"{code} ({name})" if name else code


def other_unit_code(unit: str, code: str) -> str | None:
    """Return the code that a printed unit names, None if it names none or `code`."""
    named = unit_code_of(unit)
    return named if named != (code or DEFAULT_UNIT_CODE) else None


def check_unit_code(code: str, codes: AbstractSet[str], field: str) -> str:
    """Return a unit code of the list, or an empty text.

    Raises:
        Invalid: The code is not in the list; the message names close matches.
    """
    if not code or code in codes:
        return code
    quoted = code if len(code) <= _LONGEST_QUOTED else f"{code[:_LONGEST_QUOTED]}…"
    matches = _close_codes(code[:_LONGEST_QUOTED], codes)
    offered = (
        Phrase("Use {matches}", matches=either(*map(unit_label, matches)))
        if matches
        else Phrase("Use a code such as HUR (hour)")
    )
    message = Phrase(
        "“{quoted}” is not a unit code of UN/ECE recommendation 20 or 21. {offered}, or leave this blank.",
        quoted=quoted,
        offered=offered,
    )
    raise Invalid("unknown_unit_code", message, field)


def _close_codes(text: str, codes: AbstractSet[str]) -> list[str]:
    """Return the code that a text names, or else the codes that look most like it."""
    code = text.upper()
    words = get_close_matches(text.casefold(), _CODES_BY_WORD, 1) if len(text) >= _SHORTEST_WORD else []
    named = unit_code_of(text) or (code if code in codes else None) or (_CODES_BY_WORD[words[0]] if words else None)
    if named:
        return [named]
    # With the same first character: comparing a text with all codes takes 30 ms. A code of another length than a typing
    # mistake makes is no help, such as ZZ for ZZZZ.
    similar = sorted(known for known in codes if known[0] == code[:1] and abs(len(known) - len(code)) <= 1)
    return get_close_matches(code, similar)
