"""Very long numbers, days, ids and cursors are refused at once with a short response."""

import json

from sqlalchemy.orm import Session

from tests.api.conftest import Script
from tests.faults.test_long_numbers import LONG, at_once
from tests.making import make_customer


def test_the_api_refuses_long_numbers_at_once(session: Session, script: Script) -> None:
    make_customer(reference="LONG", name="Long Ltd")
    for text in ("1" * 20_000 + "x", "1" * 60_000, "1" * 60_000 + ",5", "-" * 60_000, "0." + "1" * 60_000):
        for name in ("quantity", "unit_price", "amount", "incurred_on", "currency", "id"):
            with at_once(name):
                response = script.post("/charges", {"customer": "LONG", "description": "x", "amount": "1", name: text})
            assert response.status_code == 422
            assert len(response.text) < 2_000
    with at_once("cursor"):
        assert script.get(f"/charges?after={'A' * LONG}").status_code == 422
    body = json.dumps({"customer": "LONG", "description": "x", "amount": 0}).replace(": 0", f": 1{'0' * 60_000}.5")
    with at_once("JSON number"):
        assert script.call("POST", "/charges", body.encode()).status_code == 422
