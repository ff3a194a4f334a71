from __future__ import annotations

from ipaddress import ip_address

import pytest

from mpss.security.networks import literal_address, may_be_called, one_callers, parse_networks

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
]  # fmt: skip


class TestAnAddress:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_of_ours_or_of_nobody_may_not_be_called(self, address: str) -> None:
        assert not may_be_called(ip_address(address), ())

    @pytest.mark.parametrize("address", ["8.8.8.8", "223.5.5.5", "2400:3200::1", "::ffff:8.8.8.8"])
    def test_that_is_public_may_be_called(self, address: str) -> None:
        assert may_be_called(ip_address(address), ())

    def test_in_a_named_network_may_be_called(self) -> None:
        networks = parse_networks("127.0.0.0/8, 10.8.0.0/16,fd00::/8")
        for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.8.255.1", "fd00::7"):
            assert may_be_called(ip_address(address), networks)
        for address in ("10.9.0.1", "::1", "192.168.0.1"):
            assert not may_be_called(ip_address(address), networks)


@pytest.mark.parametrize(
    ("host", "known"), [("127.0.0.1", True), ("::1", True), ("shop.example", False), ("127.1", False)]
)
def test_only_a_whole_address_is_one(host: str, known: bool) -> None:
    assert (literal_address(host) is not None) is known


def test_a_setting_that_names_no_network_is_refused() -> None:
    assert parse_networks("") == ()
    for wrong in ("localhost", "10.0.0.1/8", "10.0.0.0/33"):
        with pytest.raises(ValueError, match=r"IPv4 or IPv6|host bits"):
            parse_networks(wrong)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_a_whole_network_of_ipv6_is_one_caller(address: str, counted: str) -> None:
    assert one_callers(address) == counted
