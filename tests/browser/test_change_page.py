"""The page behind the link that an SMS asks for: what lets money go again, by keyboard alone (CM 8.2.2)."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from mpss.simulators.people import PASSWORD
from tests.support.browser import Visitor, Width, visitor
from tests.support.center import Center
from tests.support.clauses import clause

pytestmark = [
    pytest.mark.peers,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("browser"),
]

TITLES = {"zh-CN": "解除账户冻结", "en": "Release your freeze"}


async def answer(window: Visitor, password: str) -> None:
    """Type into the field that the page put the cursor in, and send the form."""
    assert await window.page.evaluate("document.activeElement.id") == "password"
    await window.page.keyboard.type(password)
    async with window.page.expect_navigation():
        await window.page.keyboard.press("Enter")
    await window.assert_readable()


@clause("CM 8.2.2", "CT 6.1.3")
@pytest.mark.parametrize(("language", "width"), [("zh-CN", 390), ("en", 1280)])
async def test_a_freeze_is_released_by_the_password_alone(
    shared_center: Center, chromium: Browser, language: str, width: Width
) -> None:
    person = shared_center.person()
    await person.open_by_web(language=language)
    await person.ask("DJ 30")
    link = re.search(r"http://\S+", await person.ask("JD", "http"))
    assert link is not None
    async with visitor(chromium, language=language, width=width) as window:
        assert (await window.open(link.group())).status == 200
        await window.assert_readable()
        assert await window.page.locator("h1").inner_text() == TITLES[language]
        await answer(window, "111118")
        assert await window.page.locator("#password").get_attribute("aria-invalid") == "true"
        await answer(window, PASSWORD)
        assert await window.page.locator("[role=status]").count() == 1
    assert (await person.account())["state"] == "active"
