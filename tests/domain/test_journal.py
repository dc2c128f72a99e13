"""The journal: names of accounts, postings that balance, and totals."""

from datetime import date
from decimal import Decimal

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.journal import (
    DEFAULT_ACCOUNTS,
    MAX_ACCOUNT_LENGTH,
    Accounts,
    JournalTotals,
    Posting,
    Transaction,
    account_part,
    check_account_name,
    check_accounts,
    merge_postings,
)


@pytest.mark.parametrize(
    "name",
    ["Assets", "a:b", "Assets:Bank 1:Giro", "Erlöse:1", "Erträge:Dienst leistungen:2026", "a" * MAX_ACCOUNT_LENGTH],
)
def test_names_that_hledger_accepts(name: str) -> None:
    assert check_account_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " Assets",
        "Assets ",
        "1:Bank",
        "(a)",
        "Assets::Bank",
        ":Bank",
        "Bank:",
        "Bank  account",
        "A;b",
        "A|b",
        "A{b}",
        "A\tb",
        "a\nb",
        "a" * (MAX_ACCOUNT_LENGTH + 1),
    ],
)
def test_other_names_are_refused_at_their_field(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_account_name(name, "revenue_account")
    assert (refused.value.code, refused.value.field) == ("not_an_account", ("revenue_account",))


def test_every_problem_of_the_settings_is_named() -> None:
    assert check_accounts(DEFAULT_ACCOUNTS) == DEFAULT_ACCOUNTS
    wrong = {
        "receivable": "Assets:Receivable",
        "cash": "1",
        "till": "Assets:Till",
        "tax": "Tax:{rate}",
        "card": "A:{rate}",
    }
    with pytest.raises(Invalid) as refused:
        check_accounts(wrong)
    assert [problem.field for problem in refused.value.problems] == [("receivable",), ("cash",), ("till",), ("card",)]


@pytest.mark.parametrize(
    ("key", "name"), [("receivable", "{customer}"), ("revenue", "{service}:Sales"), ("tax", "{rate}")]
)
def test_a_name_does_not_begin_with_a_placeholder(key: str, name: str) -> None:
    """Ledgers would misread a customer called “(A)” or “! A” at the beginning of a name."""
    with pytest.raises(Invalid):
        check_accounts({key: name})


def test_different_texts_are_different_parts() -> None:
    texts = ["A:B", "A%3AB", "A B", "A  B", "A\u00a0B", "A;B", " A", "A ", "A|B", "A\u3000 B"]
    parts = [account_part(text) for text in texts]
    assert len(set(parts)) == len(texts)
    assert all(check_account_name(f"Assets:{part}") for part in parts)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ACME", "ACME"),
        ("A:B", "A%3AB"),
        ("50 %", "50 %25"),
        (" A  B ", "%20A%20 B%20"),
        ("Ä;|", "Ä%3B%7C"),
        ("\u00a0", "%C2%A0"),
        ("%3A", "%253A"),
    ],
)
def test_a_part_escapes_what_would_separate_it(text: str, part: str) -> None:
    assert account_part(text) == part


def test_accounts_have_set_names_and_default_names() -> None:
    accounts = Accounts.of({"cash": "Assets:Till"})
    assert accounts.money("cash") == "Assets:Till"
    assert accounts.money("write_off") == "Expenses:Write-offs"
    assert accounts.receivable("A:B") == "Assets:Receivable:A%3AB"
    assert accounts.credit("ACME") == "Assets:Receivable:ACME:Unallocated"
    assert accounts.revenue("Compute", None) == "Income:Sales:Compute"
    assert accounts.revenue("Compute", "Income:Cloud") == "Income:Cloud"
    assert accounts.revenue("", None) == "Income:Sales:Other"
    assert accounts.tax("S", Decimal("7.50")) == "Liabilities:Tax:S 7.5"


def test_postings_are_merged_debits_first_without_zeros() -> None:
    postings = [
        Posting("Income", -100, "EUR"),
        Posting("Tax", -19, "EUR"),
        Posting("Bank", 60, "EUR"),
        Posting("Bank", 59, "EUR"),
        Posting("Rounding", 1, "EUR"),
        Posting("Rounding", -1, "EUR"),
        Posting("Bank", 5, "CHF"),
        Posting("Income", -5, "CHF"),
    ]
    assert merge_postings(postings) == (
        Posting("Bank", 5, "CHF"),
        Posting("Income", -5, "CHF"),
        Posting("Bank", 119, "EUR"),
        Posting("Income", -100, "EUR"),
        Posting("Tax", -19, "EUR"),
    )


@pytest.mark.parametrize(
    "postings",
    [[Posting("A", 1, "EUR")], [Posting("A", 1, "EUR"), Posting("B", -1, "USD")]],
)
def test_postings_balance_in_each_currency(postings: list[Posting]) -> None:
    with pytest.raises(ValueError, match="do not balance"):
        merge_postings(postings)


def test_postings_that_add_up_to_zero_are_left_out() -> None:
    assert merge_postings([Posting("a", 1, "EUR"), Posting("a", -1, "EUR")]) == ()


def test_totals_add_debits_and_credits_as_positive_sums() -> None:
    totals = JournalTotals.empty()
    for minor in (100, 19):
        postings = (Posting("A", minor, "EUR"), Posting("B", -minor, "EUR"))
        totals.add(Transaction(date(2026, 11, 1), "invoice", "INV-1", "ACME", "ACME Inc", None, postings))
    assert (totals.transactions, totals.postings, totals.debits, totals.credits) == (2, 4, {"EUR": 119}, {"EUR": 119})
