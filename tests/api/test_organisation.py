"""The organisation over the API: settings, logo and bank accounts."""

import base64
from typing import Any
from uuid import uuid4

import pytest

from billing_admin.domain.access import SCOPES
from tests.api.conftest import Script, code, pointers
from tests.logos import make_png

IBAN, OTHER_IBAN = "DE89370400440532013000", "GB82WEST12345698765432"
ADDRESS = {"street": "Wolkenallee 12", "postcode": "10999", "city": "Berlin", "country": "DE"}


def change(script: Script, path: str, body: dict[str, Any]) -> Any:
    """Change an object with the version that was read just before."""
    return script.patch(path, body, headers={"If-Match": script.get(path).headers["ETag"]})


def test_settings_are_read_and_changed_with_their_version(script: Script) -> None:
    read = script.get("/organisation")
    settings: Any = read.json
    assert (settings["legal_name"], settings["country"], settings["logo"]) == ("Example Ltd", "", None)
    assert (settings["default_tax_rate"], settings["locked_through"], settings["paper"]) == ("none", None, "a4")
    assert script.patch("/organisation", {"city": "Berlin"}).status_code == 428
    changed = script.patch(
        "/organisation", ADDRESS | {"payment_terms_days": 14}, headers={"If-Match": read.headers["ETag"]}
    )
    assert changed.status_code == 200
    assert changed.json == settings | ADDRESS | {"payment_terms_days": 14}
    stale = script.patch("/organisation", {"city": "Bonn"}, headers={"If-Match": read.headers["ETag"]})
    assert (stale.status_code, code(stale)) == (412, "stale")
    assert change(script, "/organisation", {}).json == changed.json


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"country": "QQ", "tax_id": "DE123456789"}, ["/country", "/tax_id"]),
        ({"street": "Wolkenallee 12"}, ["/country"]),
        ({"accent": "#ffff00"}, ["/accent"]),
        ({"language": "it", "paper": "a5"}, ["/language", "/paper"]),
        ({"electronic_address": "x", "electronic_scheme": "EM"}, ["/electronic_address"]),
        ({"payment_terms_days": 400}, ["/payment_terms_days"]),
        ({"payment_terms_days": None}, ["/payment_terms_days"]),
        ({"time_zone": "Mars/Olympus"}, ["/time_zone"]),
        ({"default_tax_rate": "gone"}, ["/default_tax_rate"]),
        ({"logo": "0" * 64}, ["/logo"]),
        ({"is_demo": True}, ["/is_demo"]),
    ],
)
def test_a_wrong_setting_is_named(script: Script, body: dict[str, Any], places: list[str]) -> None:
    refused = change(script, "/organisation", body)
    assert (refused.status_code, sorted(pointers(refused))) == (422, places)


def test_a_logo_is_set_read_and_removed(script: Script) -> None:
    data = make_png(30, 10)
    logo: Any = script.post("/organisation/logo", {"file": base64.b64encode(data).decode()}).json
    assert (logo["media_type"], logo["width"], logo["height"]) == ("image/png", 30, 10)
    assert script.get(f"/organisation/logos/{logo['sha256']}").json == logo
    assert script.get("/organisation/logos/0").status_code == 404
    assert base64.b64decode(logo["file"]) == data
    settings: Any = script.get("/organisation").json
    assert settings["logo"] == logo["sha256"]
    for _ in range(2):
        removed = script.post("/organisation/logo/remove", {})
        assert removed.json == settings | {"logo": None}
    assert script.get(f"/organisation/logos/{logo['sha256']}").json == logo


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        ("not base64!", "not_base64"),
        ("ü", "not_base64"),
        ("", "blank"),
        (base64.b64encode(b"GIF89a").decode(), "not_a_logo"),
        (
            base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"><script/></svg>').decode(),
            "not_allowed",
        ),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * (512 << 10)).decode(), "too_large"),
    ],
)
def test_a_wrong_logo_is_refused_at_its_field(script: Script, file: str, refusal: str) -> None:
    refused = script.post("/organisation/logo", {"file": file})
    assert (refused.status_code, code(refused), pointers(refused)) == (422, refusal, ["/file"])


def test_a_rate_is_set_listed_and_removed(script: Script) -> None:
    body = {"currency": "USD", "day": "2026-11-27", "rate": "1.0832", "source": "ECB"}
    first = script.post("/exchange-rates", body)
    assert (first.status_code, first.json) == (201, body | {"base_currency": "EUR"})
    assert script.post("/exchange-rates", body).status_code == 200
    assert script.post("/exchange-rates", body | {"day": "2026-11-28"}).status_code == 201
    listed: Any = script.get("/exchange-rates?currency=USD&from=2026-11-01&limit=1").json
    assert [rate["day"] for rate in listed["data"]] == ["2026-11-28"]
    assert listed["has_more"] is True
    assert script.get("/exchange-rates.csv?to=2026-11-27").text.splitlines()[1:] == ["USD,2026-11-27,1.0832,ECB,EUR"]
    assert script.post("/exchange-rates/USD/remove", {"day": "2026-11-27"}).json == first.json
    assert script.post("/exchange-rates/USD/remove", {"day": "2026-11-27"}).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"currency": "EUR"}, "/currency"),
        ({"currency": "DEM"}, "/currency"),
        ({"day": "2026-02-30"}, "/day"),
        ({"rate": "0"}, "/rate"),
        ({"rate": "1,5"}, "/rate"),
        ({"source": "x" * 61}, "/source"),
    ],
)
def test_a_wrong_rate_is_refused_at_its_field(script: Script, wrong: dict[str, Any], place: str) -> None:
    refused = script.post("/exchange-rates", {"currency": "USD", "day": "2026-11-27", "rate": "1.5"} | wrong)
    assert (refused.status_code, pointers(refused)) == (422, [place])


def test_a_vatex_code_for_exempt_customers_is_of_the_list(script: Script) -> None:
    assert change(script, "/organisation", {"exempt_vatex": "VATEX-EU-132"}).json["exempt_vatex"] == "VATEX-EU-132"
    assert pointers(change(script, "/organisation", {"exempt_vatex": "VATEX-EU-AE"})) == ["/exempt_vatex"]


def test_an_account_is_added_once_and_changed(script: Script) -> None:
    body = {"id": str(uuid4()), "currency": "EUR", "iban": "DE89 3704 0044 0532 0130 00"}
    first = script.post("/bank-accounts", body)
    assert first.status_code == 201
    account: Any = first.json
    assert (account["iban"], account["holder"], account["default"]) == (IBAN, "Example Ltd", True)
    again = script.post("/bank-accounts", body)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json) == (200, "true", account)
    conflict = script.post("/bank-accounts", body | {"iban": OTHER_IBAN})
    assert (conflict.status_code, code(conflict)) == (409, "id_conflict")
    path = f"/bank-accounts/{account['id']}"
    assert script.patch(path, {"holder": "Clouds"}).status_code == 428
    assert change(script, path, {"holder": "Clouds"}).json == account | {"holder": "Clouds"}
    stale = script.patch(path, {"holder": "Others"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, code(stale)) == (412, "stale")
    assert script.get(f"/bank-accounts/{uuid4()}").status_code == 404
    assert script.get("/bank-accounts/first").status_code == 404


def test_default_and_archive_are_changed_like_fields(script: Script) -> None:
    first: Any = script.post("/bank-accounts", {"currency": "EUR", "iban": IBAN}).json
    second: Any = script.post("/bank-accounts", {"currency": "EUR", "iban": OTHER_IBAN, "default": False}).json
    assert not second["default"]
    old, new = f"/bank-accounts/{first['id']}", f"/bank-accounts/{second['id']}"
    refused = change(script, old, {"default": False})
    assert (refused.status_code, code(refused), pointers(refused)) == (409, "default_account", ["/default"])
    assert code(change(script, old, {"archived": True})) == "default_account"
    assert change(script, new, {"default": False}).json == second
    assert change(script, new, {"default": True, "bank_name": "Westbank"}).json["default"]
    assert change(script, old, {"archived": True}).json["archived"]
    listed: Any = script.get("/bank-accounts").json
    assert [(row["id"], row["default"], row["archived"]) for row in listed["data"]] == [
        (second["id"], True, False),
        (first["id"], False, True),
    ]
    assert change(script, old, {"archived": False, "default": True}).json["default"]
    assert script.get("/bank-accounts.csv").text.count("\n") == 3


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, ["/currency"]),
        ({"currency": "EUR"}, ["/iban"]),
        ({"currency": "EUR", "iban": IBAN[:-1] + "1"}, ["/iban"]),
        ({"currency": "EUR", "iban": IBAN, "bic": "1", "account_number": None}, ["/account_number"]),
        ({"currency": "EUR", "iban": IBAN, "account_number": "1"}, ["/account_number"]),
        ({"currency": "EUR", "iban": IBAN, "default": "yes"}, ["/default"]),
        ({"currency": "EUR", "iban": IBAN, "archived": True}, ["/archived"]),
    ],
)
def test_a_wrong_account_is_named(script: Script, body: dict[str, Any], places: list[str]) -> None:
    refused = script.post("/bank-accounts", body)
    assert (refused.status_code, pointers(refused)) == (422, places)


def test_the_currency_of_an_account_cannot_be_sent_again(script: Script) -> None:
    account: Any = script.post("/bank-accounts", {"currency": "EUR", "iban": IBAN}).json
    assert pointers(change(script, f"/bank-accounts/{account['id']}", {"currency": "USD"})) == ["/currency"]


def test_settings_need_their_scope(script: Script, make_token: Any) -> None:
    script.token = make_token([scope for scope in SCOPES if scope != "settings:write"])
    assert script.get("/organisation").status_code == 200
    assert script.get("/bank-accounts").status_code == 200
    for refused in (
        script.patch("/organisation", {"city": "Bonn"}),
        script.post("/organisation/logo", {"file": ""}),
        script.post("/organisation/logo/remove", {}),
        script.post("/bank-accounts", {"currency": "EUR", "iban": IBAN}),
    ):
        assert (refused.status_code, code(refused)) == (403, "missing_permission")
