"""Every other page: whole on a phone and on a desk, within its policy, times in Shanghai."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from mpss.simulators.people import PASSWORD
from tests.support.browser import Width, visitor
from tests.support.center import Center
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("browser"),
]


@pytest.mark.parametrize("width", [390, 1280])
class TestAPage:
    @pytest.mark.parametrize("path", ["/", "/v1/reference"])
    @pytest.mark.parametrize("language", ["zh-CN", "en"])
    async def test_of_the_center_is_whole(
        self, shared_center: Center, chromium: Browser, width: Width, path: str, language: str
    ) -> None:
        async with visitor(chromium, width=width, language=language, scripts=True) as window:
            assert (await window.open(shared_center.settings.public_url + path)).status == 200
            await window.assert_readable()

    async def test_of_a_handset_is_whole_and_answers(
        self, shared_center: Center, chromium: Browser, width: Width
    ) -> None:
        handsets = shared_center.running.town.smsc.control_url
        person = shared_center.person()
        async with visitor(chromium, width=width) as window:
            page = window.page
            await window.open(f"{handsets}/phones/{person.phone}")
            await window.assert_readable()
            assert "No messages yet" in await page.locator("main").inner_text()
            await page.get_by_label("Send a message").fill("KT")
            async with page.expect_navigation():
                await page.keyboard.press("Enter")
            await window.assert_readable()

            async def link_came() -> bool:
                await page.reload()
                return await page.locator("li a").count() > 0

            await eventually(link_came)
            link = page.locator("li a").first
            assert re.fullmatch(r"http://\S+/password/\S+", await link.inner_text())
            at = await page.locator("time").first.get_attribute("datetime")
            assert at is not None
            shown = await page.locator("time").first.inner_text()
            assert (int(shown[11:13]) - int(at[11:13])) % 24 == 8
            await link.click()
            assert await page.get_attribute("html", "lang") == "zh-CN"
            await window.assert_readable()
            await window.open(handsets)
            await window.assert_readable()

    async def test_of_a_shop_is_whole(self, shared_center: Center, chromium: Browser, width: Width) -> None:
        async with visitor(chromium, width=width) as window:
            await window.open(shared_center.lottery.url)
            await window.assert_readable()
            assert "No order yet" in await window.page.locator("main").inner_text()
            product = await shared_center.counter.put_on_sale(
                shared_center.kiosk, f"充值券 {width}", category="票务", price_fen=100, quantity=5
            )
            buyer = await shared_center.subscriber(fen=1000)
            await buyer.buy(product, password=PASSWORD)
            await buyer.sms("已交付")
            await window.open(shared_center.kiosk.url)
            assert buyer.phone in await window.page.locator("main").inner_text()
            await window.assert_readable()
