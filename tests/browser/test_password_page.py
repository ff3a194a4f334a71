"""The page behind a one-time link, in a phone's browser without script, in both languages (CT 5.2)."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from mpss.simulators.people import Person
from tests.support.browser import Visitor, visitor
from tests.support.center import Center
from tests.support.clauses import clause

pytestmark = [
    pytest.mark.peers,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("browser"),
]

PASSWORD, WEAK = "470983", "123456"
TEXTS = {
    "zh-CN": {"differ": "不一致", "weak": "容易被猜到", "done": "已设置", "expired": "已失效"},
    "en": {"differ": "not the same", "weak": "easily guessed", "done": "is set", "expired": "no longer works"},
}


async def link_of(person: Person) -> str:
    found = re.search(r"http://\S+", await person.ask("KT", "http"))
    assert found is not None
    return found.group()


async def enter(window: Visitor, password: str, again: str) -> None:
    """Type both by keyboard alone, and send the form."""
    page = window.page
    await page.locator("#password").focus()
    await page.keyboard.type(password)
    await page.keyboard.press("Tab")
    await page.keyboard.type(again)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


@clause("CT 5.2", "CM 7.4")
class TestThePasswordPage:
    @pytest.mark.parametrize("language", ["zh-CN", "en"])
    async def test_sets_the_password_once(self, shared_center: Center, chromium: Browser, language: str) -> None:
        person, texts = shared_center.person(), TEXTS[language]
        url = await link_of(person)
        async with visitor(chromium, language=language) as window:
            page = window.page
            assert (await window.open(url)).status == 200
            await window.assert_readable()
            assert await page.get_attribute("html", "lang") == language
            assert await page.locator("#password").get_attribute("inputmode") == "numeric"
            for password, again, told in ((PASSWORD, "470984", "differ"), (WEAK, WEAK, "weak")):
                await enter(window, password, again)
                await window.assert_readable()
                assert texts[told] in await page.locator("[role=alert]").inner_text()
                assert await page.locator("#password").get_attribute("aria-invalid") == "true"
                assert await page.locator("#password").input_value() == ""
            await enter(window, PASSWORD, PASSWORD)
            await window.assert_readable()
            assert texts["done"] in await page.locator("[role=status]").inner_text()
            assert await page.locator("form").count() == 0
            used = await window.open(url)
            assert (used.status, await page.locator("form").count()) == (403, 0)
            assert texts["expired"] in await page.locator("[role=alert]").inner_text()
            assert shared_center.settings.sms_number in await page.locator("main").inner_text()
            await window.assert_readable()
        await person.sign_in()
        assert (await person.account())["state"] == "active"

    async def test_holds_the_browser_to_what_it_asks_for(self, shared_center: Center, chromium: Browser) -> None:
        url = await link_of(shared_center.person())
        async with visitor(chromium) as window:
            await window.open(url)
            await window.page.locator("#password").fill("12")
            await window.page.locator("button").click()
            # The form's own pattern keeps it from being sent; no script does.
            assert await window.page.locator("[role=alert]").count() == 0
            assert await window.page.locator("#password:invalid").count() == 1

    @pytest.mark.parametrize("token", ["pwd_nothing", "x", "%E4%B8%AD", "a" * 300])
    async def test_of_a_broken_link_says_how_to_get_another(
        self, shared_center: Center, chromium: Browser, token: str
    ) -> None:
        async with visitor(chromium) as window:
            answer = await window.open(f"{shared_center.settings.public_url}/password/{token}")
            assert answer.status == 403
            assert "MM" in await window.page.locator("main").inner_text()
            await window.assert_readable()
