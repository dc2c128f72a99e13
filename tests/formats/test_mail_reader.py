"""Messages of a maildir, and messages of any origin, are read without an error."""

from pathlib import Path

from hypothesis import given, settings, strategies as st

from billing_admin.formats.mail_reader import read_mail
from billing_admin.formats.maildir import deliver_to_maildir, maildir_message, maildir_messages


def test_messages_are_marked_as_seen(tmp_path: Path) -> None:
    deliver_to_maildir(tmp_path, b"Subject: x\r\n\r\n")
    (message,) = maildir_messages(tmp_path)
    assert not message.is_seen
    message.mark_seen()
    seen = maildir_message(tmp_path, message.name)
    assert (seen.is_seen, seen.read()) == (True, b"Subject: x\r\n\r\n")


@settings(max_examples=60)
@given(st.binary(max_size=500) | st.text(alphabet="a:;=?utf-8/\"'\r\n multipartboundary\x00\xff").map(str.encode))
def test_every_message_can_be_read(content: bytes) -> None:
    headers = b"Content-Type: multipart/mixed; boundary=a\r\nSubject: =?utf-8?b?x?= =?nowhere?q?=ff?=\r\n"
    for message in (content, headers + content, headers + b"\r\n--a\r\n" + content + b"\r\n--a--"):
        mail = read_mail(message)
        assert "\n" not in mail.header("Subject")


def test_parts_that_are_nested_deeply() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(3000))
    assert read_mail(b"Subject: Deep\n" + nested).header("Subject") == "Deep"


def test_parts_with_broken_types() -> None:
    """Cases that a fuzzer found."""
    folded = (
        b'Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: application/x\n y; name="b"\n\nB\n--a--\n'
    )
    (attachment,) = read_mail(folded).attachments
    assert (attachment.media_type, attachment.name) == ("application/octet-stream", "b")
    for parameters in (
        b"charset*=a'b'c",
        b"charset*=''utf-7",
        b"charset*x*=1; charset*0=2",
        b"name*=; name*0*=; name*=x",
    ):
        assert read_mail(b"Content-Type: text/plain; " + parameters + b"\n\nHello").text == "Hello"
    for boundary in (b"boundary*x*=1; boundary*0=2", b"boundary*0*=''%ff; boundary*=2", b"boundary"):
        read_mail(b"Subject: x\nContent-Type: multipart/mixed; " + boundary + b"\n\n--a\n\nHello")
