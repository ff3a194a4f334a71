from __future__ import annotations

import pytest

from mpss.kernel.errors import MalformedField
from mpss.merchants.register import check_name, check_notify_url, check_public_key


class TestANotifyUrl:
    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:8081", "https://shop.example/mpss", "https://[::1]:8443/a", "http://shop"]
    )
    def test_is_an_http_address(self, url: str) -> None:
        check_notify_url(url)

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
            check_notify_url(url)


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
