from __future__ import annotations

import pytest

from mpss.kernel.errors import MalformedField
from mpss.merchants.register import check_name, check_notify_url, check_public_key
from mpss.security.networks import parse_networks

LINES = parse_networks("127.0.0.0/8,::1/128")


class TestANotifyUrl:
    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:8081", "https://shop.example/mpss", "https://[::1]:8443/a", "http://shop"]
    )
    def test_is_an_http_address(self, url: str) -> None:
        check_notify_url(url, networks=LINES)

    @pytest.mark.parametrize("url", ["http://shop.example", "http://203.0.113.7/", "http://127.0.0.1/"])
    def test_over_the_internet_is_https(self, url: str) -> None:
        with pytest.raises(MalformedField, match="https"):
            check_notify_url(url, networks=())

    @pytest.mark.parametrize(
        "url", ["https://10.0.0.1", "https://[::1]/", "https://169.254.169.254", "https://0.0.0.0"]
    )
    def test_is_no_private_address(self, url: str) -> None:
        with pytest.raises(MalformedField, match="public"):
            check_notify_url(url, networks=())
        with pytest.raises(MalformedField, match="public"):
            check_notify_url("http://10.0.0.1", networks=LINES)

    @pytest.mark.parametrize(
        "url",
        [
            "", "shop.example", "ftp://shop.example", "file:///etc/passwd", "https://", "https:///path",
            "https://user:pass@shop.example", "https://shop.example/?a=1", "https://shop.example/#x",
            "https://shop.example:0/", "https://shop.example:99999/", "https://shop example/", "https://店.example",
            "https://shop.example/\n", "https://" + "a" * 500,
        ],
    )  # fmt: skip
    def test_of_another_form_is_refused(self, url: str) -> None:
        with pytest.raises(MalformedField, match="notify_url"):
            check_notify_url(url, networks=LINES)


class TestAName:
    def test_is_trimmed(self) -> None:
        assert check_name("  小卖部 ") == "小卖部"

    @pytest.mark.parametrize("name", ["", "  ", "a" * 61, "a\nb", "a\x00b"])
    def test_out_of_form_is_refused(self, name: str) -> None:
        with pytest.raises(MalformedField, match="name"):
            check_name(name)


def test_a_public_key_has_32_bytes() -> None:
    check_public_key(bytes(range(32)))
    for wrong in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(MalformedField, match="public_key"):
            check_public_key(wrong)
