"""The online bank's page, on a phone and on a desk, by keyboard alone, in both languages (CT 5.1; CM 6.4.2)."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from mpss.simulators.people import Person
from tests.support.browser import Visitor, Width, visitor
from tests.support.center import Center
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("browser"),
]

FEN = 25_000
TEXTS = {
    "zh-CN": {"agree": "确认支付", "refuse": "取消", "paid": "已支付", "refused": "未支付", "back": "返回商户"},
    "en": {"agree": "Pay", "refuse": "Cancel", "paid": "It is paid", "refused": "not paid", "back": "Back to"},
}


async def order(person: Person) -> tuple[str, str]:
    """The bank's address for a top-up of the person's, and the top-up."""
    told = await person.api.post("/v1/topups/online-bank", {"amount_fen": FEN, "currency": "CNY"})
    return told["redirect_url"], told["transaction_id"]


async def press(window: Visitor, text: str, *, tabs: int) -> None:
    """Go to a button by keyboard and press it."""
    page = window.page
    for _ in range(tabs):
        await page.keyboard.press("Tab")
    focused = page.locator("button:focus-visible")
    assert await focused.inner_text() == text
    assert await focused.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


@clause("CT 5.1", "CM 6.4.2")
class TestThePayPage:
    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("language", ["zh-CN", "en"])
    @pytest.mark.parametrize("agree", [True, False])
    async def test_is_decided_by_keyboard_and_leads_back(
        self, shared_center: Center, chromium: Browser, width: Width, language: str, agree: bool
    ) -> None:
        person, texts = await shared_center.subscriber(), TEXTS[language]
        url, topup = await order(person)
        async with visitor(chromium, width=width, language=language) as window:
            page = window.page
            assert (await window.open(url)).status == 200
            await window.assert_readable()
            assert await page.get_attribute("html", "lang") == language
            shown = await page.locator("dl").inner_text()
            assert "¥250.00" in shown
            assert topup in shown
            await press(window, texts["agree" if agree else "refuse"], tabs=1 if agree else 2)
            assert page.url.startswith(f"{shared_center.settings.public_url}/?order_no={topup}")
            await window.assert_readable()

            await window.open(url)
            await window.assert_readable()
            assert texts["paid" if agree else "refused"] in await page.locator("[role=status]").inner_text()
            assert await page.locator("form").count() == 0
            assert texts["back"] in await page.locator("a").inner_text()

        async def settled() -> bool:
            state = (await person.api.get(f"/v1/transactions/{topup}"))["state"]
            return bool(state == ("SUCCEEDED" if agree else "DECLINED"))

        await eventually(settled)
        assert (await person.account())["balance_fen"] == (FEN if agree else 0)

    async def test_of_an_order_that_somebody_changed_is_refused(self, shared_center: Center, chromium: Browser) -> None:
        url, _ = await order(await shared_center.subscriber())
        async with visitor(chromium, language="en") as window:
            assert (await window.open(url.replace("signature=", "signature=x"))).status == 400
            await window.assert_readable()
            assert "signature" in await window.page.locator("[role=alert]").inner_text()
            assert await window.page.locator("form").count() == 0

    @pytest.mark.parametrize("width", [390, 1280])
    async def test_of_all_orders_is_whole(self, shared_center: Center, chromium: Browser, width: Width) -> None:
        bank = shared_center.running.town.online_bank
        assert bank is not None
        async with visitor(chromium, width=width) as window:
            await window.open(bank.url)
            await window.assert_readable()
