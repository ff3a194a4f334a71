"""A browser that notes what a page must not do: run past its window, break its policy, complain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response, async_playwright

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_TIMEOUT_MILLISECONDS = 10_000
_OVERFLOWING = """
    () => [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
        .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))
"""

Width = Literal[390, 1280]


@dataclass(slots=True)
class Visitor:
    """One window; `complaints` are what its console said of errors and of the page's policy."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def open(self, url: str) -> Response:
        answer = await self.page.goto(url)
        assert answer is not None
        return answer

    def note(self, message: ConsoleMessage) -> None:
        # The answer's own status is looked at by the test.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)

    async def assert_fits(self) -> None:
        """Nothing of the page is beyond the window's right edge, and the console is silent."""
        assert self.complaints == []
        assert await self.page.evaluate(_OVERFLOWING) == []
        assert await self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), self.page.url

    async def assert_readable(self) -> None:
        """It fits; it says its language and title; it has one first heading; every field has a label."""
        await self.assert_fits()
        assert await self.page.title()
        assert await self.page.get_attribute("html", "lang")
        assert await self.page.locator("h1").count() == 1
        assert await self.page.locator("main").count() == 1
        fields = self.page.locator("input:not([type=hidden])")
        for place in range(await fields.count()):
            identity = await fields.nth(place).get_attribute("id")
            assert await self.page.locator(f"label[for={identity}]").count() == 1


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        try:
            yield made
        finally:
            await made.close()


@asynccontextmanager
async def visitor(
    made: Browser, *, width: Width = 390, language: str = "zh-CN", scripts: bool = False
) -> AsyncIterator[Visitor]:
    """A window of a phone's or a desk's width, without scripts unless they are asked for."""
    context: BrowserContext = await made.new_context(
        viewport={"width": width, "height": 844 if width == 390 else 900},
        locale=language,
        java_script_enabled=scripts,
        timezone_id="UTC",
    )
    context.set_default_timeout(_TIMEOUT_MILLISECONDS)
    page = await context.new_page()
    window = Visitor(page)
    page.on("console", lambda message: window.note(message))
    try:
        yield window
    finally:
        await context.close()
