"""The call of the former `InvoiceClient`: post one charge.

Scripts that were written for it only change their import.
"""

from __future__ import annotations

import os
from decimal import Decimal
from functools import lru_cache

from billing_client.answers import Charge
from billing_client.client import Client
from billing_client.ids import Part, charge_id


def add_line_item(
    customer_id: str,
    service: str,
    units_consumed: int | Decimal | str,
    unique_charge_id: Part,
    *,
    client: Client | None = None,
) -> Charge:
    """Post a charge, once however often it is called with the same `unique_charge_id`.

    `customer_id` is a reference or an id, and `service` a code. The id of the charge is `charge_id(unique_charge_id)`. Without
    `client`, all calls of a process share a client of the variables BILLING_URL and BILLING_TOKEN. Raises TypeError for a
    float, Conflict if the id was posted with another customer, service or quantity, and other errors as
    `client.charges.create` does.
    """
    client = client or _shared_client(os.getpid(), os.environ.get("BILLING_URL"), os.environ.get("BILLING_TOKEN"))
    return client.charges.create(
        id=charge_id(unique_charge_id), customer=customer_id, service=service, quantity=units_consumed
    )


@lru_cache(maxsize=1)
def _shared_client(process: int, url: str | None, token: str | None) -> Client:  # noqa: ARG001 - no client crosses a fork
    return Client(url, token)
