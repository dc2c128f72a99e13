"""Which column is which: our own exports by themselves, what others call things by synonyms, each column once."""

import json

import pytest

from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import check_header, column_name, default_format, guess_columns
from billing_admin.domain.imports.plans import ImportPlan, SkipRule, check_plan, for_another_file, header_key
from billing_admin.domain.number_format import NumberFormat

# The columns of a header in the order of these fields, whatever its language.
CHARGE_COLUMNS = {
    name: index
    for index, name in enumerate(
        ("customer", "service", "quantity", "unit_price", "currency", "incurred_on", "description")
    )
}
CUSTOMER_COLUMNS = {
    name: index
    for index, name in enumerate(("reference", "name", "currency", "email", "address", "postcode", "city", "tax_id"))
}


@pytest.mark.parametrize("kind", IMPORT_KINDS)
def test_our_own_names_are_found(kind: str) -> None:
    own = [name for name in IMPORT_KINDS[kind].fields if name != "key"]
    assert guess_columns(kind, own) == {name: place for place, name in enumerate(own)}


@pytest.mark.parametrize(
    ("kind", "header", "found"),
    [
        (
            "charges",
            ["Customer ID", "Service", "units_consumed", "Unique charge id"],
            {"customer": 0, "service": 1, "quantity": 2, "key": 3},
        ),
        ("charges", ["E-Mail", "", "customer", "CUSTOMER_ID"], {"customer": 2}),
        ("charges", ["key", "id", "customer"], {"id": 1, "customer": 2}),
        (
            "customers",
            ["Customer", "Company Name", "CCY", "E-mail"],
            {"reference": 0, "name": 1, "currency": 2, "email": 3},
        ),
        ("services", ["SKU", "Price", "Currency"], {"code": 0, "unit_price": 1, "currency": 2}),
        (
            "payments",
            ["Booking date", "Client", "Value", "Invoice"],
            {"received_on": 0, "customer": 1, "amount": 2, "allocate": 3},
        ),
        ("payments", ["x"], {}),
        ("charges", ["SubAccountId", "unitPrice", "Unit  Price"], {"customer": 0}),
        ("charges", ["customer", "amount", "amount"], {"customer": 0}),  # only a person can tell these apart
        (
            "charges",
            ["Kunde", "Leistung", "Menge", "Einzelpreis", "Währung", "Datum", "Beschreibung"],
            CHARGE_COLUMNS,
        ),
        (
            "charges",
            ["N° client", "Prestation", "Quantité", "Prix unitaire", "Devise", "Date", "Désignation", "Montant"],
            CHARGE_COLUMNS | {"amount": 7},
        ),
        (
            "charges",
            ["Cliente", "Servicio", "Cantidad", "Precio unitario", "Moneda", "Fecha", "Descripción", "Importe"],
            CHARGE_COLUMNS | {"amount": 7},
        ),
        (
            "customers",
            ["Kundennummer", "Firma", "Währung", "E-Mail-Adresse", "Anschrift", "PLZ", "Ort", "USt-IdNr."],
            CUSTOMER_COLUMNS,
        ),
        (
            "customers",
            ["Straße", "PLZ", "Ort", "Land", "Sprache", "Leitweg-ID", "Kundenname"],
            {"street": 0, "postcode": 1, "city": 2, "country": 3, "language": 4, "buyer_reference": 5, "name": 6},
        ),
        (
            "customers",
            ["Address line 1", "Address line 2", "ZIP", "Town", "State", "Country code", "Shipping city", "Peppol ID"],
            {
                "street": 0,
                "street2": 1,
                "postcode": 2,
                "city": 3,
                "region": 4,
                "country": 5,
                "delivery_city": 6,
                "electronic_address": 7,
            },
        ),
        (
            "customers",
            ["Rue", "Code postal", "Ville", "Pays", "Langue"],
            {"street": 0, "postcode": 1, "city": 2, "country": 3, "language": 4},
        ),
        (
            "customers",
            ["Calle", "Código postal", "Población", "País", "Idioma"],
            {"street": 0, "postcode": 1, "city": 2, "country": 3, "language": 4},
        ),
        (
            "customers",
            ["Code client", "Raison sociale", "Devise", "Courriel", "Adresse", "Code postal", "Ville", "N° TVA"],
            CUSTOMER_COLUMNS,
        ),
        (
            "customers",
            [
                "Código cliente",
                "Razón social",
                "Divisa",
                "Correo electrónico",
                "Dirección",
                "Código postal",
                "Ciudad",
                "NIF",
            ],
            CUSTOMER_COLUMNS,
        ),
        (
            "services",
            ["Artikelnummer", "Bezeichnung", "Einheit", "Steuersatz", "Preis", "Währung"],
            {"code": 0, "name": 1, "unit": 2, "tax_rate": 3, "unit_price": 4, "currency": 5},
        ),
        (
            "payments",
            ["Kunde", "Betrag", "Buchungstag", "Verwendungszweck", "Rechnungsnr."],
            {"customer": 0, "amount": 1, "received_on": 2, "reference": 3, "allocate": 4},
        ),
        (
            "payments",
            ["Client", "Montant", "Date de valeur", "Date valeur", "N° facture"],
            {"customer": 0, "amount": 1, "received_on": 3, "allocate": 4},
        ),
        (
            "payments",
            ["Cliente", "Importe", "Fecha", "Concepto", "Factura"],
            {"customer": 0, "amount": 1, "received_on": 2, "reference": 3, "allocate": 4},
        ),
    ],
)
def test_what_others_call_them(kind: str, header: list[str], found: dict[str, int]) -> None:
    assert guess_columns(kind, header) == found


def test_a_plan_says_what_is_needed() -> None:
    with pytest.raises(Invalid) as refused:
        check_plan("charges", ImportPlan(("a",), {"id": 0, "key": 0}))
    assert [problem.field[0] for problem in refused.value.problems] == ["customer", "incurred_on", "key"]
    check_plan("charges", ImportPlan(("a",), {"customer": 0}, constants={"incurred_on": "today"}))


def test_a_missing_day_is_asked_for() -> None:
    for kind, field in (("charges", "incurred_on"), ("payments", "received_on")):
        header = ("customer", "amount", "day")
        with pytest.raises(Invalid, match="“today” is the day of the import") as refused:
            check_plan(kind, ImportPlan(header, {"customer": 0, "amount": 1}))
        assert [problem.field for problem in refused.value.problems] == [(field,)]
        check_plan(kind, ImportPlan(header, {"customer": 0, "amount": 1, field: 2}))
        for day in ("today", "Today ", "31.12.2025"):
            check_plan(kind, ImportPlan(header, {"customer": 0, "amount": 1}, constants={field: day}))


def test_values_for_all_rows_are_checked_with_the_plan() -> None:
    plan = ImportPlan(("customer",), {"customer": 0}, constants={"incurred_on": "someday", "quantity": "x", "key": "1"})
    with pytest.raises(Invalid) as refused:
        check_plan("charges", plan)
    assert [problem.field[0] for problem in refused.value.problems] == ["incurred_on", "quantity", "key"]


def test_rules_and_the_header_line_are_checked_with_the_plan() -> None:
    rules = (SkipRule(0, "contains", " "),) + (SkipRule(0, "is", ""),) * 10
    plan = ImportPlan(
        ("reference", "name", "currency"), {"reference": 0, "name": 1, "currency": 2}, header_line=0, skip=rules
    )
    with pytest.raises(Invalid) as refused:
        check_plan("customers", plan)
    assert [problem.field[0] for problem in refused.value.problems] == ["header_line", "skip", "skip"]


@pytest.mark.parametrize(
    ("rule", "cells", "matches"),
    [
        (SkipRule(0, "is", "total"), [" TOTAL "], True),
        (SkipRule(0, "is", "total"), ["Totals"], False),
        (SkipRule(1, "is", ""), ["a"], True),
        (SkipRule(0, "is_not", "Usage"), ["Tax"], True),
        (SkipRule(0, "is_not", "Usage"), ["usage"], False),
        (SkipRule(0, "contains", "tot"), ["Sub-Total"], True),
        (SkipRule(0, "contains", "tot"), [""], False),
    ],
)
def test_rules_leave_rows_out(rule: SkipRule, cells: list[str], matches: bool) -> None:
    assert rule.matches(cells) is matches


def test_a_plan_is_kept_as_it_is() -> None:
    plan = ImportPlan(
        ("a", "b"),
        {"customer": 1},
        "utf-16",
        "tab",
        CellFormat(NumberFormat.SPACE_COMMA, DateOrder.DAY_FIRST, accounting=True),
        True,
        True,
        "card",
        "oldest",
        header_line=3,
        sheet="Usage",
        constants={"incurred_on": "today"},
        skip=(SkipRule(1, "contains", "Total"),),
    )
    assert ImportPlan.of_data(json.loads(json.dumps(plan.as_data()))) == plan
    assert ImportPlan.of_data(plan.as_data()) == plan
    assert (plan.column("customer"), plan.column("id")) == ("b", "")


def test_a_plan_of_an_earlier_version_takes_the_day_of_the_import() -> None:
    stored = {
        "header": ["customer", "amount"],
        "columns": {"customer": 0, "amount": 1},
        "encoding": "utf-8",
        "delimiter": "comma",
        "written": {"decimal_comma": True, "day_first": True},
        "update": False,
        "settled": False,
        "method": "card",
        "allocate": "none",
    }
    plan = ImportPlan.of_data(stored)
    assert plan.written == CellFormat(NumberFormat.POINT_COMMA, DateOrder.DAY_FIRST, formula_rule=1)
    check_plan("charges", plan)
    check_plan("payments", plan)


def test_days_and_updates_are_decided_for_each_file_anew() -> None:
    constants = {"incurred_on": "2026-01-31", "currency": "EUR", "customer": "ACME"}
    plan = for_another_file("charges", ImportPlan(("a",), {}, constants=constants, update=True, settled=True))
    assert (plan.constants, plan.update, plan.settled) == ({"currency": "EUR", "customer": "ACME"}, False, False)
    today = ImportPlan(("a",), {}, constants={"incurred_on": "today"})
    assert for_another_file("charges", today) == today


def test_an_id_column_without_uuids_is_the_key() -> None:
    uuid = "019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c"
    assert guess_columns("charges", ["Id", "customer"], [["7", "a"]]) == {"key": 0, "customer": 1}
    assert guess_columns("charges", ["Id", "customer"], [[uuid, "a"], []]) == {"id": 0, "customer": 1}
    assert guess_columns("customers", ["id", "reference"], [["7", "a"]]) == {"reference": 1}


def test_exported_files_are_read_as_plain_decimals() -> None:
    german = CellFormat(NumberFormat.POINT_COMMA, DateOrder.DAY_FIRST)
    own = ["id", "customer", "quantity", "unit_price", "amount"]
    assert default_format("charges", own, german) == CellFormat()
    assert default_format("charges", ["Kunde", "Betrag"], german) == german


def test_headers_of_the_same_words_are_the_same() -> None:
    assert header_key("charges", ["a", "b"]) == header_key("charges", ["a", "b"])
    assert (
        len({header_key("charges", ["a", "b"]), header_key("charges", ["b", "a"]), header_key("payments", ["a", "b"])})
        == 3
    )


def test_columns_without_a_name_have_a_number() -> None:
    check_header(["a", "", ""])
    assert [column_name(["a", " "], place) for place in (0, 1)] == ["a", "(column 2)"]


def test_columns_of_one_name_are_told_apart_by_their_number() -> None:
    check_header(["a", "b", "a "])
    assert [column_name(["a", "b", "a "], place) for place in range(3)] == ["a (column 1)", "b", "a (column 3)"]
