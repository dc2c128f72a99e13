"""The shapes of the parties' details, and printed addresses by country."""

from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.document_details import Address
from billing_admin.domain.errors import Invalid
from billing_admin.domain.parties import (
    ADDRESS_PARTS,
    MAX_CITY_LENGTH,
    MAX_IDENTIFIER_LENGTH,
    MAX_POSTCODE_LENGTH,
    address_lines,
    address_of,
    check_city,
    check_completeness,
    check_country_shape,
    check_identifier,
    check_postcode,
    check_scheme_pair,
    check_scheme_shape,
    paper_of,
    printed_address,
)


def _address(country: str, street: str, postcode: str, city: str, region: str = "", street2: str = "") -> Address:
    return Address(street, street2, postcode, city, region, country)


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (_address("DE", "Mühlgasse 4", "04109", "Leipzig"), ["Mühlgasse 4", "04109 Leipzig"]),
        (_address("FR", "9 rue des Lilas", "69003", "Lyon"), ["9 rue des Lilas", "69003 Lyon"]),
        (
            _address("ES", "Calle Olmo 7", "41004", "Dos Hermanas", "Sevilla"),
            ["Calle Olmo 7", "41004 Dos Hermanas", "Sevilla"],
        ),
        (_address("IT", "Via Garibaldi 33", "40124", "Bologna", "BO"), ["Via Garibaldi 33", "40124 Bologna BO"]),
        (_address("US", "1 Coyote Way", "86001", "Flagstaff", "AZ"), ["1 Coyote Way", "Flagstaff, AZ 86001"]),
        (_address("CA", "88 Water St", "V6B 1A1", "Vancouver", "BC"), ["88 Water St", "Vancouver, BC V6B 1A1"]),
        (_address("AU", "1 Bay St", "2000", "Sydney", "NSW"), ["1 Bay St", "Sydney NSW 2000"]),
        (_address("NZ", "1 Queen St", "1010", "Auckland"), ["1 Queen St", "Auckland 1010"]),
        (_address("GB", "1 Mill Lane", "LS1 4AP", "Leeds"), ["1 Mill Lane", "Leeds", "LS1 4AP"]),
        (_address("IE", "3 Bar Street", "D02 XY45", "Dublin 2"), ["3 Bar Street", "Dublin 2", "D02 XY45"]),
        (_address("JP", "7-1 Umeda", "530-0001", "Kita-ku", "Osaka"), ["7-1 Umeda", "Kita-ku, Osaka 530-0001"]),
        (_address("CN", "8 Jianguo Rd", "100022", "Beijing"), ["8 Jianguo Rd", "Beijing 100022"]),
        (_address("KR", "1 Sejong-daero", "03172", "Jongno-gu", "Seoul"), ["1 Sejong-daero", "Jongno-gu, Seoul 03172"]),
        (
            _address("MX", "Av. Reforma 1010", "06600", "Cuauhtémoc", "CDMX"),
            ["Av. Reforma 1010", "06600 Cuauhtémoc, CDMX"],
        ),
        (
            _address("BR", "Av. Paulista 1", "01310-100", "São Paulo", "SP"),
            ["Av. Paulista 1", "São Paulo - SP", "01310-100"],
        ),
        (_address("HU", "Fő utca 1", "1011", "Budapest"), ["Budapest", "Fő utca 1", "1011"]),
        (_address("AE", "Sheikh Zayed Rd", "", "Dubai"), ["Sheikh Zayed Rd", "Dubai"]),
        (_address("DE", "Hof 2", "10115", "Berlin", street2="Haus B"), ["Hof 2", "Haus B", "10115 Berlin"]),
        (_address("US", "", "86001", "", "AZ"), ["AZ 86001"]),
        (_address("US", "", "86001", "Flagstaff"), ["Flagstaff 86001"]),
    ],
    ids=lambda value: "-".join(address_lines(value, "")) if isinstance(value, Address) else "",
)
def test_an_address_is_printed_in_the_order_of_its_country(address: Address, lines: list[str]) -> None:
    assert list(address_lines(address, "Land")) == [*lines, "Land"]


PART = st.text("abcXYZ 019", max_size=8)


@given(
    st.builds(
        Address,
        PART,
        PART,
        PART,
        PART,
        PART,
        st.sampled_from(["DE", "US", "GB", "AU", "BR", "CO", "HU", "IT", "LV", "MX", "NZ", "XX"]),
    )
)
def test_each_part_is_printed_once_and_no_line_is_blank(address: Address) -> None:
    *lines, country = address_lines(address, "Land")
    assert country == "Land"
    assert all(line == line.strip() and line for line in lines)
    words = sorted(" ".join(lines).replace(",", " ").replace(" - ", " ").split())
    parts = (getattr(address, part) for part in ADDRESS_PARTS if part != "country")
    assert words == sorted(word for part in parts for word in part.split())


def test_the_code_stands_for_a_country_without_a_name() -> None:
    assert address_lines(Address(city="Pristina", country="1A"), "") == ("Pristina", "1A")


def test_an_address_without_a_country_is_printed_as_entered() -> None:
    assert address_lines(Address(street="1 Main St"), "Germany") == ()
    assert printed_address("1 Main St\nLeeds", Address(street="x"), "Germany") == "1 Main St\nLeeds"
    assert printed_address("1 Main St\nLeeds", _address("DE", "Hof 2", "10115", "Berlin"), "Germany") == (
        "Hof 2\n10115 Berlin\nGermany"
    )


def test_a_country_alone_does_not_replace_an_address_as_entered() -> None:
    assert printed_address("1 Main St\nLeeds", Address(country="GB"), "United Kingdom") == "1 Main St\nLeeds"
    assert printed_address(" ", Address(country="GB"), "United Kingdom") == "United Kingdom"


def test_an_address_is_read_from_the_fields_of_a_row() -> None:
    row = SimpleNamespace(**{f"delivery_{part}": part for part in ADDRESS_PARTS})
    assert address_of(row, "delivery_") == Address("street", "street2", "postcode", "city", "region", "country")


@pytest.mark.parametrize("value", ["", "DE", "1A"])
def test_a_country_is_a_code_of_two_letters(value: str) -> None:
    assert check_country_shape(value, "country") == value


@pytest.mark.parametrize("value", ["de", "DEU", "Germany", "D", "Ｄ Ｅ", "DE\n", " DE"])
def test_another_text_is_no_country(value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_country_shape(value, "country")
    assert (refusal.value.code, refusal.value.field) == ("not_a_country", ("country",))


@pytest.mark.parametrize(
    ("value", "accepted"), [("", True), ("0088", True), ("EM", True), ("em", False), ("00885", False), ("0", False)]
)
def test_a_scheme_is_a_short_code(value: str, accepted: bool) -> None:
    if accepted:
        assert check_scheme_shape(value, "registration_scheme") == value
    else:
        with pytest.raises(Invalid, match="such as 0088"):
            check_scheme_shape(value, "registration_scheme")


@pytest.mark.parametrize(
    ("check", "longest"),
    [(check_postcode, MAX_POSTCODE_LENGTH), (check_city, MAX_CITY_LENGTH), (check_identifier, MAX_IDENTIFIER_LENGTH)],
)
def test_a_part_has_a_maximum_length_and_one_line(check: object, longest: int) -> None:
    assert callable(check)
    assert check("x" * longest, "part") == "x" * longest
    for value, code in (("x" * (longest + 1), "too_long"), ("a\nb", "unprintable")):
        with pytest.raises(Invalid) as refusal:
            check(value, "part")
        assert (refusal.value.code, refusal.value.field) == (code, ("part",))


def test_parts_of_an_address_need_a_country() -> None:
    blank = dict.fromkeys(ADDRESS_PARTS, "")
    assert check_completeness(blank) == []
    assert check_completeness(blank | {"city": " "}) == []
    assert check_completeness(blank | {"city": "Berlin", "country": "DE"}) == []
    (error,) = check_completeness(blank | {"city": "Berlin"})
    assert (error.code, error.field) == ("missing", ("country",))
    (error,) = check_completeness(
        {f"delivery_{part}": text for part, text in (blank | {"street": "Hof 2"}).items()}, "delivery_"
    )
    assert error.field == ("delivery_country",)


def test_an_identifier_and_its_scheme_need_each_other() -> None:
    def fields(identifier: str, scheme: str) -> list[tuple[str | int, ...]]:
        return [error.field for error in check_scheme_pair({"id": identifier, "scheme": scheme}, "id", "scheme")]

    assert fields("", "") == fields("123", "0088") == []
    assert fields("123", "") == [("scheme",)]
    assert fields("", "0088") == [("id",)]


@pytest.mark.parametrize(
    ("paper", "country", "default", "size"),
    [
        ("", "US", "a4", "letter"),
        ("", "CA", "a4", "letter"),
        ("", "MX", "a4", "letter"),
        ("", "DE", "letter", "a4"),
        ("", "", "a4", "a4"),
        ("", "", "letter", "letter"),
        ("a4", "US", "letter", "a4"),
    ],
)
def test_paper_is_that_of_the_country_unless_chosen(paper: str, country: str, default: str, size: str) -> None:
    assert paper_of(paper, country, default) == size
