"""Which column is which: our own exports by themselves, what others call things by synonyms, each column once."""

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import check_header, column_name, guess_columns
from billing_admin.domain.imports.plans import ImportPlan, check_plan, header_key


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
            {
                "customer": 0,
                "service": 1,
                "quantity": 2,
                "unit_price": 3,
                "currency": 4,
                "incurred_on": 5,
                "description": 6,
            },
        ),
        (
            "charges",
            ["N° client", "Prestation", "Quantité", "Prix unitaire", "Devise", "Date", "Désignation", "Montant"],
            {
                "customer": 0,
                "service": 1,
                "quantity": 2,
                "unit_price": 3,
                "currency": 4,
                "incurred_on": 5,
                "description": 6,
                "amount": 7,
            },
        ),
        (
            "charges",
            ["Cliente", "Servicio", "Cantidad", "Precio unitario", "Moneda", "Fecha", "Descripción", "Importe"],
            {
                "customer": 0,
                "service": 1,
                "quantity": 2,
                "unit_price": 3,
                "currency": 4,
                "incurred_on": 5,
                "description": 6,
                "amount": 7,
            },
        ),
        (
            "customers",
            ["Kundennummer", "Firma", "Währung", "E-Mail-Adresse", "Straße", "PLZ", "Ort", "USt-IdNr."],
            {"reference": 0, "name": 1, "currency": 2, "email": 3, "address": 4, "postcode": 5, "city": 6, "tax_id": 7},
        ),
        (
            "customers",
            ["Code client", "Raison sociale", "Devise", "Courriel", "Adresse", "Code postal", "Ville", "N° TVA"],
            {"reference": 0, "name": 1, "currency": 2, "email": 3, "address": 4, "postcode": 5, "city": 6, "tax_id": 7},
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
            {"reference": 0, "name": 1, "currency": 2, "email": 3, "address": 4, "postcode": 5, "city": 6, "tax_id": 7},
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
    assert [problem.field[0] for problem in refused.value.problems] == ["customer", "key"]
    check_plan("charges", ImportPlan(("a",), {"customer": 0}))


def test_a_plan_is_kept_as_it_is() -> None:
    plan = ImportPlan(
        ("a", "b"), {"customer": 1}, "utf-16", "tab", CellFormat(True, True), True, True, "card", "oldest"
    )
    assert ImportPlan.of_data(plan.as_data()) == plan
    assert (plan.column("customer"), plan.column("id")) == ("b", "")


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
