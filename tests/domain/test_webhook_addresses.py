"""Where webhooks may be sent."""

from ipaddress import ip_address, ip_network

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.webhook_addresses import AddressRules, is_public, parse_target, refusal_reason

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "172.32.0.1", "100.128.0.1"]
INWARD = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::",
    "2001:0:7f00:1::", "2001:db8::1", "100::1", "3fff::1", "4000::1", "192.88.99.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert refusal_reason([ip_address(address)], []) is None


@pytest.mark.parametrize("address", INWARD)
def test_inward(address: str) -> None:
    assert not is_public(ip_address(address))
    why = refusal_reason([ip_address(address)], [])
    assert why is not None
    assert "BILLING_WEBHOOK_ALLOWED_NETWORKS" in why


def test_one_bad_address_is_enough() -> None:
    addresses = [ip_address("1.1.1.1"), ip_address("10.0.0.1")]
    for order in (addresses, addresses[::-1]):
        assert "10.0.0.1 is not a public address" in (refusal_reason(order, []) or "")
        assert refusal_reason(order, [ip_network("10.0.0.0/8")]) is None


def test_what_is_allowed_is_allowed_in_any_dress() -> None:
    allowed = [ip_network("127.0.0.0/8"), ip_network("fd12::/48")]
    assert refusal_reason([ip_address("::ffff:127.0.0.1"), ip_address("fd12::7")], allowed) is None
    assert refusal_reason([ip_address("fd13::7")], allowed) is not None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "not_https"),
        ("ftp://example.com/", "not_a_url"),
        ("file:///etc/passwd", "not_a_url"),
        ("//example.com", "not_a_url"),
        ("example.com", "not_a_url"),
        ("https://", "not_a_url"),
        ("https://:443/", "not_a_url"),
        ("https://[::1", "not_a_url"),
        ("https://example.com:99999/", "not_a_url"),
        ("https://example.com:0/", "not_a_port"),
        ("https://example.com:x/", "not_a_url"),
        ("https://user@example.com/", "password_in_url"),
        ("https://user:password@example.com/", "password_in_url"),
        ("https://@example.com/", "password_in_url"),
        ("https://example.com/#part", "fragment_in_url"),
        ("https://example.com/a b", "not_a_url"),
        ("https://example.com\\@127.0.0.1/", "password_in_url"),
        ("https://example.com\\.evil.com/", "not_a_url"),
        ("https://exämple.com/", "not_a_url"),
        ("https://exa_mple!.com/", "not_a_host"),
        ("https://-example.com/", "not_a_host"),
        ("https://a..b/", "not_a_host"),
        ("https://" + "a" * 64 + ".com/", "not_a_host"),
        ("https://example.com/" + "x" * 1000, "too_long"),
        ("https://127.1/", "not_a_host"),
        ("https://2130706433/", "not_a_host"),
        ("https://0x7f000001/", "not_a_host"),
        ("https://0x7f.1/", "not_a_host"),
        ("https://0177.0.0.1/", "not_a_host"),
        ("https://017700000001/", "not_a_host"),
        ("https://127.0.0.1/", "receiver_refused"),
        ("https://127.0.0.1./", "receiver_refused"),
        ("https://[::1]/", "receiver_refused"),
        ("https://[::ffff:127.0.0.1]/", "receiver_refused"),
        ("https://[::ffff:7f00:1]/", "receiver_refused"),
        ("https://[fe80::1%25eth0]/", "receiver_refused"),
        ("https://169.254.169.254/latest/meta-data", "receiver_refused"),
        ("https://0.0.0.0/", "receiver_refused"),
    ],
)
def test_refuses(url: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_target(url, AddressRules())
    assert (refused.value.code, refused.value.field) == (code, ("url",))


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "named"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://Example.COM./a/b?c=d", "example.com", 443, "/a/b?c=d", "example.com"),
        ("https://hooks.example.com:8443/x", "hooks.example.com", 8443, "/x", "hooks.example.com:8443"),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443, "/", "[2606:4700:4700::1111]"),
        ("https://1.1.1.1:80/", "1.1.1.1", 80, "/", "1.1.1.1:80"),
        ("https://billing/x", "billing", 443, "/x", "billing"),
    ],
)
def test_takes_apart(url: str, host: str, port: int, path: str, named: str) -> None:
    found = parse_target(url, AddressRules())
    assert (found.secure, found.host, found.port, found.path, found.host_header) == (True, host, port, path, named)


def test_http_and_networks_by_configuration() -> None:
    rules = AddressRules([ip_network("127.0.0.0/8")], http=True)
    found = parse_target("http://127.0.0.1:8000/x", rules)
    assert (found.secure, found.host_header) == (False, "127.0.0.1:8000")
    assert parse_target("http://example.com/", rules).port == 80
    with pytest.raises(Invalid, match=r"10\.0\.0\.1 is not a public address"):
        parse_target("http://10.0.0.1/", rules)
