"""Currency signs that people type, and the currencies that each can mean."""

from typing import Final

from billing_admin.domain.money import MINOR_DIGITS

_TABLE: Final = {
    "$": "USD USN ARS AUD BBD BMD BND BRL BSD BZD CAD CLP COP CUP CVE DOP FJD GYD HKD JMD KYD LRD MOP MXN NAD NIO NZD SBD"
    " SGD SRD TOP TTD TWD UYU WST XCD",
    "US$ $US": "USD USN",
    "A$ AU$": "AUD",
    "AR$": "ARS",
    "B$": "BND BSD",
    "BDS$": "BBD",
    "BZ$": "BZD",
    "C$": "CAD NIO",
    "CA$ CAN$ CDN$": "CAD",
    "CL$": "CLP",
    "CO$ COL$": "COP",
    "EC$": "XCD",
    "FJ$": "FJD",
    "G$": "GYD",
    "HK$": "HKD",
    "J$": "JMD",
    "L$": "LRD",
    "MOP$": "MOP",
    "MX$ MEX$": "MXN",
    "N$": "NAD",
    "NT$ TW$": "TWD",
    "NZ$": "NZD",
    "R$": "BRL",
    "RD$": "DOP",
    "S$ SG$": "SGD",
    "SI$": "SBD",
    "T$": "TOP",
    "TT$": "TTD",
    "U$ $U": "UYU",
    "WS$": "WST",
    "€": "EUR",
    "£": "GBP EGP FKP GIP LBP SDG SHP SSP SYP",
    "E£ £E": "EGP",
    "UK£ £STG": "GBP",
    "¥": "JPY CNY",
    "JP¥ 円": "JPY",
    "CN¥ RMB": "CNY",
    "元": "CNY TWD",
    "₩ 원": "KRW KPW",
    "₹": "INR",
    "₨ RS RS.": "INR LKR MUR NPR PKR SCR",
    "KR KR.": "DKK ISK NOK SEK",
    "SKR": "SEK",
    "NKR": "NOK",
    "DKR": "DKK",
    "FR FR. SFR SFR.": "CHF",
    "KČ": "CZK",
    "ZŁ": "PLN",
    "FT": "HUF",
    "LEI LEU": "MDL RON",
    "ДИН ДИН. DIN DIN.": "RSD",
    "ДЕН ДЕН. DEN DEN.": "MKD",
    "KM": "BAM",
    "₺ TL": "TRY",
    "₽ РУБ РУБ.": "RUB",
    "BR": "BYN ETB",
    "₴ ГРН ГРН.": "UAH",
    "₾": "GEL",
    "֏": "AMD",
    "₼": "AZN",
    "₸": "KZT",
    "₮": "MNT",
    "؋": "AFN",
    "৳": "BDT",
    "﷼": "IRR OMR QAR SAR YER",
    "₪": "ILS",
    "฿": "THB",
    "₫ Đ": "VND",
    "₭": "LAK",
    "៛": "KHR",
    "₱": "PHP",
    "RM": "MYR",
    "RP RP.": "IDR",
    "₦": "NGN",
    "₵ GH₵": "GHS",
    "R": "ZAR",
    "KSH": "KES",
    "TSH": "TZS",
    "USH": "UGX",
    "FCFA CFA": "XAF XOF",
    "BD": "BHD",
    "JD": "JOD",
    "KD": "KWD",
    "SR": "SAR",
    "QR": "QAR",
    "DH DHS": "AED MAD",
    "₡": "CRC",
    "₲": "PYG",
    "S/ S/.": "PEN",
    "B/ B/.": "PAB",
    "BS BS.": "BOB VED VES",
}
# Full-width and small forms, which input methods write.
_EQUIVALENTS: Final = str.maketrans("\uff04\ufe69\uffe1\uffe5\uffe6", "$$£¥₩")
SIGNS: Final = {sign.casefold(): frozenset(codes.split()) for signs, codes in _TABLE.items() for sign in signs.split()}


def currencies_of(mark: str) -> frozenset[str] | None:
    """Return the currencies that a sign or ISO 4217 code can mean.

    Upper and lower case are the same. The result is None for an unknown sign or code.
    """
    if mark.upper() in MINOR_DIGITS:
        return frozenset([mark.upper()])
    return SIGNS.get(mark.translate(_EQUIVALENTS).casefold())
