"""Delivery reports are read, and hostile ones do no harm."""

import time
from uuid import UUID

import pytest
from hypothesis import example, given, settings, strategies as st

from billing_admin.domain.bounces import DeliveryReport, FailedRecipient
from billing_admin.formats.delivery_reports import MAX_FAILURES, MAX_REPORT_BYTES, read_report
from tests.reports import make_report

ID, OTHER = UUID(int=7), UUID(int=8)
EXCHANGE = f"""\
From: postmaster@example.net
To: <bounces@example.com>
Content-Type: multipart/report; boundary="x"; report-type=delivery-status

--x
Content-Type: multipart/alternative; boundary="y"

--y
Content-Type: text/html; charset=nowhere

<p>Your message could not be delivered.</p>
--y--
--x
Content-Type: message/delivery-status

Reporting-MTA: dns;mx.example.net

Final-Recipient: rfc822;Info@Example.net
Action: failed
Status: 5.7.1

--x
Content-Type: message/rfc822

Received: from mail.example.com
Message-ID: <{ID}@billing.example.com>
Subject: Invoice

Hello
--x--
"""


def test_a_report_names_message_recipient_and_reason() -> None:
    response = "550 5.1.1 <anna@example.net>: Recipient address rejected: User unknown"
    failure = FailedRecipient(("anna@example.net", "anna@example.net"), response)
    assert read_report(make_report(ID, "anna@example.net")) == DeliveryReport(ID, (failure,))
    assert failure.code == 550


def test_a_report_that_returns_the_message() -> None:
    report = read_report(EXCHANGE.replace("\n", "\r\n").encode())
    assert report == DeliveryReport(ID, (FailedRecipient(("Info@Example.net",), "Status 5.7.1"),))
    assert report.failures[0].code is None


def test_the_envelope_counts_more_than_the_returned_headers() -> None:
    report = read_report(make_report(ID, "a@example.net", message_id=f"<{OTHER}@example.com>"))
    assert report is not None
    assert report.message_id == ID


def test_the_returned_headers_name_the_message_if_the_envelope_does_not() -> None:
    report = read_report(make_report(ID, "a@example.net", envelope="billing@example.com"))
    assert report is not None
    assert report.message_id == ID


def test_a_delay_is_no_failure() -> None:
    assert read_report(make_report(ID, "a@example.net", action="delayed")) == DeliveryReport(ID, ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Subject: Holiday\r\nTo: bounces+00000000000000000000000000000007@example.com\r\n\r\nBack on Monday",
        make_report(ID, "a@example.net", envelope="x@example.com", message_id="<other@example.net>"),
        make_report(ID, "a@example.net", envelope="bounces+7@example.com", message_id="<>"),
    ],
)
def test_other_messages_are_no_report(content: bytes) -> None:
    assert read_report(content) is None


def test_hostile_reports_do_no_harm() -> None:
    started = time.monotonic()
    many = read_report(make_report(ID, *[f"a{number}@example.net" for number in range(2000)]))
    assert many is not None
    assert len(many.failures) < MAX_FAILURES
    assert read_report(make_report(ID, "a@example.net") + b"x" * 3 * MAX_REPORT_BYTES) is not None
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(20_000))
    assert read_report(nested) is None
    rfc822 = b"Content-Type: message/rfc822\n\n" * 20_000
    assert read_report(rfc822) is None
    assert read_report(b"Content-Type: multipart/report; boundary=\n\n" + b"--\n" * 200_000) is None
    assert read_report(b"To: " + b"(" * 500_000) is None
    assert read_report(b"To: " + b"a," * 250_000) is None
    assert read_report(b"Subject: x\n" * 50_000) is None
    long = read_report(make_report(ID, "a@" + "b" * 100_000))
    assert long is not None
    assert len(long.failures[0].response) == 500
    assert time.monotonic() - started < 20


_LINES = make_report(ID, "a@example.net").decode().splitlines()


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(_LINES) | st.text(max_size=20), max_size=80).map("\n".join),
    st.integers(0, len(_LINES)),
    st.binary(max_size=20),
)
@example("Final-Recipient: rfc822", 3, b"\xff")
def test_every_message_can_be_read(shuffled: str, cut: int, noise: bytes) -> None:
    read_report(shuffled.encode(errors="replace"))
    head, tail = "\n".join(_LINES[:cut]).encode(), "\n".join(_LINES[cut:]).encode()
    report = read_report(head + b"\n" + noise + b"\n" + tail)
    assert report is None or all(failure.response.isprintable() for failure in report.failures)
