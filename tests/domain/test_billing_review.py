"""The review of a preview: flags, and what has changed since a preview."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis.strategies import builds, from_regex, integers, lists, sampled_from, text

from billing_admin.domain.billing_review import (
    AccountHistory,
    EarlierInvoice,
    PriceChange,
    SnapshotRow,
    check_change_percent,
    compare_snapshots,
    pack_snapshot,
    review_document,
    snapshot_rows,
    unpack_snapshot,
)
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.errors import Invalid
from billing_admin.domain.invoices import ChargeGroup, TaxRate, make_document
from billing_admin.domain.readiness import WARNING, Shortcoming

SERVICE = UUID(int=7)


def prepared(
    amount: str = "100", unit_price: str | None = "2.50", shortcomings: tuple[Shortcoming, ...] = ()
) -> PreparedDocument:
    group = ChargeGroup(
        service_id=SERVICE,
        service_code="GPU",
        unit_price=None if unit_price is None else Decimal(unit_price),
        charge_id=None,
        description="GPU hours",
        quantity=Decimal(40),
        amount=Decimal(amount),
        charges=3,
        period_from=date(2026, 3, 1),
        period_to=date(2026, 3, 31),
        tax=TaxRate("S", Decimal(19)),
    )
    return PreparedDocument(UUID(int=1), "ACME", "ACME Inc", make_document("EUR", [group]), shortcomings)


def history(*nets: int, prices: dict[UUID, frozenset[Decimal]] | None = None) -> AccountHistory:
    return AccountHistory([EarlierInvoice(uuid4(), "INV-1", net) for net in nets], prices, is_new=False)


@pytest.mark.parametrize(
    ("nets", "flags", "usual", "change"),
    [
        ((10_000,), (), 10_000, 0),
        ((8_000,), (), 8_000, 25),  # exactly the share is not flagged
        ((7_999,), ("changed_amount",), 7_999, 25),  # although it is shown as 25 %
        ((13_333,), (), 13_333, -25),
        ((13_334,), ("changed_amount",), 13_334, -25),
        ((5_000, 10_000, 15_001), (), 10_000, 0),  # the average is rounded
        ((0,), ("changed_amount",), 0, None),
        ((), (), None, None),
    ],
)
def test_amounts_are_compared_with_the_average(
    nets: tuple[int, ...], flags: tuple[str, ...], usual: int | None, change: int | None
) -> None:
    row = review_document(prepared(), history(*nets), 25)
    assert (row.flags, row.usual_net, row.change_percent) == (flags, usual, change)


def test_an_account_without_invoices_is_new() -> None:
    assert review_document(prepared(), AccountHistory(), 25).flags == ("new",)


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (["2.50"], "2.5", []),
        (["2.50", "3"], "3", []),
        (["3", "2.95"], "2.50", [PriceChange("GPU hours", [Decimal("2.95"), Decimal(3)], Decimal("2.50"))]),
        (["3"], None, []),  # an amount without a unit price
    ],
)
def test_prices_are_compared_with_the_last_invoice_with_the_service(
    before: list[str], now: str | None, changes: list[PriceChange]
) -> None:
    prices = {SERVICE: frozenset(map(Decimal, before)), UUID(int=8): frozenset([Decimal(9)])}
    row = review_document(prepared(unit_price=now), history(10_000, prices=prices), 25)
    assert row.prices == changes
    assert row.flags == (("price_changed",) if changes else ())


def test_flags_have_an_order() -> None:
    incomplete = (Shortcoming(("country",), "buyer_country", "The customer has no country.", WARNING),)
    row = review_document(prepared(shortcomings=incomplete), history(1), 25, likely_duplicates=1, late_charges=2)
    assert row.flags == ("changed_amount", "likely_duplicates", "incomplete", "late")


@pytest.mark.parametrize("percent", [0, -1, 1_001])
def test_the_share_has_limits(percent: int) -> None:
    with pytest.raises(Invalid):
        check_change_percent(percent)
    assert check_change_percent(1_000) == 1_000


ROWS = builds(
    SnapshotRow,
    reference=text(min_size=1, max_size=8),
    currency=sampled_from(["EUR", "USD"]),
    reason=sampled_from(["", "held", "after_cut_off"]),
    charges=integers(0, 10**9),
    amount=from_regex(r"-?[0-9]{1,9}", fullmatch=True),
    digest=from_regex(r"[0-9a-f]{8}", fullmatch=True),
)


@given(lists(ROWS, max_size=20))
def test_a_snapshot_is_unpacked_as_it_was_packed(rows: list[SnapshotRow]) -> None:
    assert unpack_snapshot(pack_snapshot(rows)) == rows
    assert compare_snapshots(rows, rows) == []


@given(text(max_size=60))
def test_any_other_text_is_no_snapshot(content: str) -> None:
    assert unpack_snapshot(content) in (None, [])


@pytest.mark.parametrize(
    "row", [["A"], ["A", "XYZZY", "", 1, "1", ""], ["A", "EUR", "", "1", "1", ""], ["A", "EUR", "", 1, "x", ""], 5]
)
def test_a_forged_snapshot_is_refused(row: object) -> None:
    assert unpack_snapshot(pack_snapshot([row])) is None  # type: ignore[list-item]


def test_a_large_preview_has_no_snapshot() -> None:
    assert pack_snapshot([SnapshotRow("A", "EUR", "", 1, "1", "")] * 10_001) == ""
    assert unpack_snapshot("") is None


def test_changes_name_what_was_added_changed_and_removed() -> None:
    kept, old, new, gone = (
        SnapshotRow(name, "EUR", "", 1, amount, "d") for name, amount in zip("KOOG", "1231", strict=True)
    )
    held = SnapshotRow("O", "EUR", "held", 2, "0.5", "")
    changes = compare_snapshots([kept, old, gone], [kept, new, held])
    assert changes == [(gone, gone, None), (new, old, new), (held, None, held)]


def test_a_snapshot_changes_with_the_content_of_a_document() -> None:
    (row,), (other,) = (
        snapshot_rows([document], [document.document.digest()], [])
        for document in (prepared(), prepared(unit_price="5"))
    )
    assert row[:5] == other[:5] == ("ACME", "EUR", "", 3, "11900")
    assert row != other
