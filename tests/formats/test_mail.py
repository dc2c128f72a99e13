"""Messages say after decoding what was put in, and no field can add a header or a recipient."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.formats.mail import Mail, MailAddress, MailAttachment, mail_bytes, wire_address

ID = UUID(int=7)
DOMAIN = "billing.example.com"
# A server may take one for the end of a line, and with it a dot for the end of the message.
_LONE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "id": ID,
        "made_at": datetime(2026, 11, 29, 12, tzinfo=UTC),
        "sender": MailAddress("Example Ltd", "billing@example.com"),
        "reply_to": MailAddress("", "office@example.com"),
        "to": [MailAddress("Anna Müller", "anna@example.net")],
        "cc": [],
        "subject": "Invoice INV-2026-00042",
        "text": "Hello Anna,\n\nhere is your invoice.\n",
        "language": "en",
        "attachments": [MailAttachment("INV-2026-00042.pdf", "application/pdf", b"%PDF-1.7 \xff")],
        "references": [UUID(int=1), UUID(int=2)],
    }
    return Mail(**fields | changes)


def parse(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_headers_and_parts() -> None:
    content = mail_bytes(mail(), DOMAIN)
    assert content == mail_bytes(mail(), DOMAIN)
    message = parse(content)
    assert dict(message.items()) == {
        "From": "Example Ltd <billing@example.com>",
        "Reply-To": "office@example.com",
        "To": "Anna Müller <anna@example.net>",
        "Subject": "Invoice INV-2026-00042",
        "Date": "Sun, 29 Nov 2026 12:00:00 +0000",
        "Message-ID": f"<{ID}@billing.example.com>",
        "References": f"<{UUID(int=1)}@billing.example.com> <{UUID(int=2)}@billing.example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/mixed; boundary="=_{ID.hex}_files"',
    }
    (attachment,) = message.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content_type()) == ("INV-2026-00042.pdf", "application/pdf")
    assert attachment.get_content() == b"%PDF-1.7 \xff"
    assert content.isascii()
    assert content.endswith(b"\r\n")
    assert not _LONE_LINE_END.search(content)


def test_without_attachments_and_optional_headers() -> None:
    message = parse(mail_bytes(mail(attachments=[], references=[], reply_to=None), DOMAIN))
    assert message.get_content_type() == "multipart/alternative"
    assert not {"Reply-To", "References", "Cc"} & set(message.keys())


def test_the_html_shows_the_text_and_nothing_else() -> None:
    html = text_of(parse(mail_bytes(mail(text='Pay  <b>12 €</b> & "go"\nhttps://x.example\n\n\nEnd'), DOMAIN)), "html")
    assert '<html lang="en">' in html
    assert "Pay  &lt;b&gt;12 €&lt;/b&gt; &amp; &quot;go&quot;<br>https://x.example</p>" in html
    assert not re.search(r"<(a|img|script|link|b)\b|href|src=", html)


def addresses_in(content: bytes, header: str) -> list[tuple[str, str]]:
    """Return names and addresses of a header.

    `email.headerregistry` would add spaces between encoded words, and change those of the name.
    """
    field = str(message_from_bytes(content, policy=policy.compat32)[header])
    return [(str(make_header(decode_header(name))), address) for name, address in getaddresses([unfold(field)])]


def unfold(field: str) -> str:
    """Return the value of a header in one line."""
    return re.sub(r"\r\n(?=[ \t])", "", field)


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
_subjects = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=2000)
_addresses = st.sampled_from(["a@example.com", "b+c@x.example", "info@münchen.example"])


@settings(max_examples=60)
@given(
    names=st.lists(_names, min_size=1, max_size=5),
    addresses=_addresses,
    subject=_subjects,
    text=_texts,
    file_name=_names.filter(lambda name: name.strip() != ""),
    domain=st.sampled_from([DOMAIN, "very-long-company-name." * 8 + "example.com"]),
)
@example(
    ['Müller, Jörg "X" <x@y.z>, a@b.c', "Long, plain name, with commas " * 6],
    "a@b.c",
    " ü  ü ",
    ".\nFrom a",
    "ü.pdf",
    DOMAIN,
)
@example(["=?utf-8?q?a?=", "", " a ", "a  b"], "a@b.c", "=?utf-8?b?YQ==?= x", "", 'a;b"c\\.pdf', DOMAIN)
def test_what_is_read_is_what_was_written(
    names: list[str], addresses: str, subject: str, text: str, file_name: str, domain: str
) -> None:
    recipients = [MailAddress(name, addresses) for name in names]
    written = mail(
        to=recipients,
        cc=recipients,
        sender=recipients[0],
        subject=subject,
        text=text,
        attachments=[MailAttachment(file_name, "application/pdf", b"x")],
    )
    content = mail_bytes(written, domain)
    message = parse(content)
    expected = [(name, wire_address(addresses)) for name in names]
    for header in ("To", "Cc"):
        assert addresses_in(content, header) == expected
    assert message["Subject"] == subject
    assert text_of(message, "plain").rstrip("\n") == "\n".join(text.splitlines()).rstrip("\n")
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == file_name
    assert len(message.keys()) == 12
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert not _LONE_LINE_END.search(content)
    assert message["References"].split() == [f"<{UUID(int=number)}@{domain}>" for number in (1, 2)]


_BREAKS = ["\r", "\n", "\r\n", "\r\nBcc: x@evil.example", "\x00", "\x1b", "\ud800"]


@pytest.mark.parametrize("field", ["subject", "sender", "reply_to", "to", "cc", "attachments", "language"])
@given(before=_names.map(lambda name: name[:20]), line_break=st.sampled_from(_BREAKS), after=st.text(max_size=20))
def test_no_field_adds_a_header(field: str, before: str, line_break: str, after: str) -> None:
    text = f"{before}{line_break}{after}"
    values: dict[str, Any] = {
        "subject": text,
        "sender": MailAddress(text, "a@example.com"),
        "reply_to": MailAddress("A", f"a@example.com{text}"),
        "to": [MailAddress(text, "a@example.com")],
        "cc": [MailAddress("A", f"{text}a@example.com")],
        "attachments": [MailAttachment(text, "application/pdf", b"")],
        "language": text,
    }
    with pytest.raises(Invalid) as caught:
        mail_bytes(mail(**{field: values[field]}), DOMAIN)
    assert caught.value.field == (field,)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": []}, "to"),
        ({"attachments": [MailAttachment("a.pdf", "application/pdf\r\nX: y", b"")]}, "attachments"),
        ({"text": "a\x00"}, "text"),
    ],
)
def test_fields_that_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        mail_bytes(mail(**changes), DOMAIN)
    assert caught.value.field == (field,)


def test_an_address_that_cannot_be_used_is_named() -> None:
    with pytest.raises(Invalid, match=r"“a,b@c” cannot be used as an e-mail address\. Correct it"):
        mail_bytes(mail(to=[MailAddress("", "a,b@c")]), DOMAIN)


@pytest.mark.parametrize("domain", ["", "a b", "example.com>\r\nX: y", "münchen.example"])
def test_domains_that_are_refused(domain: str) -> None:
    with pytest.raises(Invalid):
        mail_bytes(mail(), domain)


def test_a_domain_is_encoded_only_if_it_stays_the_same() -> None:
    assert wire_address("a@münchen.example") == "a@xn--mnchen-3ya.example"
    assert wire_address("a@straße.example") == "a@straße.example"
    assert wire_address("jürgen@example.com") == "jürgen@example.com"
    message = parse(mail_bytes(mail(to=[MailAddress("J", "jürgen@straße.example")]), DOMAIN))
    assert message["To"] == "J <jürgen@straße.example>"
